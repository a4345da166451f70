"""Figures and the API's description never reach the public, neither by a default nor by Compose."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.enrollment.settings import EnrollmentSettings
from services.incentive.settings import IncentiveSettings
from services.notification.settings import NotificationSettings
from shared.settings.common import Settings

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, type[Settings]] = {
    "enrollment": EnrollmentSettings,
    "incentive": IncentiveSettings,
    "notification": NotificationSettings,
}


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def default(service: str, field: str) -> Any:
    return SETTINGS[service].model_fields[field].default


def port(service: str, field: str) -> int:
    """In its container."""
    environment = compose()["services"][service]["environment"]
    return int(environment.get(f"KOMPETEN_{field.upper()}", default(service, field)))


@pytest.mark.parametrize("service", SETTINGS)
def test_it_listens_on_this_machine_alone_unless_told_otherwise(service: str) -> None:
    assert default(service, "internal_host") == "127.0.0.1"


def test_services_on_one_machine_don_t_take_each_others_ports() -> None:
    ports = [default(service, field) for service in SETTINGS for field in ("http_port", "internal_port")]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("service", SETTINGS)
def test_compose_publishes_the_public_port_alone(service: str) -> None:
    published = [one.rpartition(":")[2] for one in compose()["services"][service]["ports"]]
    assert published == [str(port(service, "http_port"))]
    assert str(port(service, "internal_port")) not in published


@pytest.mark.parametrize("service", SETTINGS)
def test_the_how_to_names_the_port_that_compose_has(service: str) -> None:
    page = (ROOT / "docs/how-to/run-with-compose.md").read_text(encoding="utf-8")
    named = re.findall(rf"`{service}:(\d+)/metrics`", page)
    assert named == [str(port(service, "internal_port"))]
