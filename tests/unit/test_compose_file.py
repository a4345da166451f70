"""docker-compose.yml against the services and secrets that there are."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.services import SERVICES
from shared.stack.processes import ROOT

NAMES = [service.name for service in SERVICES]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def secrets_of(service: dict[str, Any]) -> dict[str, str]:
    """Where each is mounted, by its name."""
    return {
        one if isinstance(one, str) else one["source"]: one if isinstance(one, str) else one["target"]
        for one in service.get("secrets", ())
    }


def test_every_service_has_its_own_password_and_no_other(compose: dict[str, Any]) -> None:
    for name in NAMES:
        own = {secret for secret in secrets_of(compose["services"][name]) if secret.startswith("kafka_")}
        assert own == {f"kafka_{name}"}, name


def test_the_administrators_password_is_with_nothing_that_serves_requests(compose: dict[str, Any]) -> None:
    for secret, may in (("kafka_admin", {"kafka", "setup", "cli"}), ("kafka_jaas", {"kafka"})):
        holders = {name for name, service in compose["services"].items() if secret in secrets_of(service)}
        assert holders <= may
    assert compose["services"]["cli"]["profiles"] == ["cli"], "runs when somebody types it, and ends"


def test_the_set_up_is_given_the_password_of_each_service(compose: dict[str, Any]) -> None:
    given = secrets_of(compose["services"]["setup"])
    for name in NAMES:
        assert given[f"kafka_{name}"] == f"/run/kafka/services/{name}"


def test_kafka_is_on_no_port_of_the_host_and_on_no_network_that_leads_out(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    assert "ports" not in kafka
    assert kafka["networks"] == ["data"]
    assert compose["networks"]["data"] == {"internal": True}


def test_no_listener_of_kafka_lets_somebody_in_unasked(compose: dict[str, Any]) -> None:
    opened = yaml.safe_load((ROOT / "deploy/kafka-port.yml").read_text())["services"]["kafka"]["environment"]
    for environment in (compose["services"]["kafka"]["environment"], opened):
        protocols = environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
        assert all(":SASL_" in protocol for protocol in protocols)
    assert "HOST:SASL_SSL" in opened["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"]
    assert "ANONYMOUS" not in compose["services"]["kafka"]["environment"]["KAFKA_SUPER_USERS"]


def test_every_secret_is_made(compose: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for name in ("make-secrets.sh", "demo.env"):
        shutil.copy2(ROOT / "deploy" / name, tmp_path / "deploy" / name)
    subprocess.run([tmp_path / "deploy/make-secrets.sh", "dinas-sda"], check=True, capture_output=True)
    for secret in compose["secrets"].values():
        assert (tmp_path / secret["file"]).stat().st_mode & 0o777 == 0o444, secret
    folder = tmp_path / "deploy/secrets"
    assert folder.stat().st_mode & 0o077 == 0
    admin = (folder / "kafka_admin").read_text().strip()
    assert f'user_admin="{admin}"' in (folder / "kafka_jaas").read_text()
    assert len((folder / "agencies/dinas-sda").read_text().strip()) == 48
