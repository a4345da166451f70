"""docker-compose.yml against the services and secrets that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.processes import ROOT
from services.preflight import SERVICES as SETTINGS
from services.preflight import documented
from shared.contracts.services import SERVICES
from shared.settings.common import Settings
from shared.settings.sources import variable

NAMES = [service.name for service in SERVICES]
# What Compose decides by itself, with the reason why nobody is to set it there.
DECIDED = {
    "KAFKA_CA": "Kafka is on the network of this host",
    "KAFKA_PASSWORD": "a secret of its own",
    "KAFKA_USER": "made by the set-up under the service's name",
    "DATABASE_PREFIX": "MongoDB is this installation's alone",
    "TOPIC_PREFIX": "Kafka is this installation's alone",
    "HTTP_HOST": "set in the image",
    "HTTP_PORT": "of the container; the host's is KOMPETEN_*_PORT",
    "INTERNAL_HOST": "set in the image",
    "INTERNAL_PORT": "of the container",
    "MONGO": "a secret of its own",
    "SECRET": "a secret",
    "LINK_KEYS": "a secret",
    "SMTP_PASSWORD": "a secret",
}
# What Compose takes from whoever types a command, never from .env.
TYPED = {"KOMPETEN_TOKEN"}


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
    for secret, may in (("kafka_admin", {"kafka", "setup", "cli", "preflight"}), ("kafka_jaas", {"kafka"})):
        holders = {name for name, service in compose["services"].items() if secret in secrets_of(service)}
        assert holders <= may
    assert compose["services"]["cli"]["entrypoint"][1] == "-P", (
        "it runs in any folder, and imports nothing from there"
    )
    for name in ("cli", "preflight"):
        assert compose["services"][name]["profiles"] == [name], "runs when somebody types it, and ends"


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
    for name in ("make-secrets.sh", "demo.env", "env.example"):
        shutil.copy2(ROOT / "deploy" / name, tmp_path / "deploy" / name)
    subprocess.run([tmp_path / "deploy/make-secrets.sh", "dinas-sda"], check=True, capture_output=True)
    for secret in compose["secrets"].values():
        assert (tmp_path / secret["file"]).stat().st_mode & 0o777 == 0o444, secret
    folder = tmp_path / "deploy/secrets"
    assert folder.stat().st_mode & 0o077 == 0
    admin = (folder / "kafka_admin").read_text().strip()
    assert f'user_admin="{admin}"' in (folder / "kafka_jaas").read_text()
    assert len((folder / "agencies/dinas-sda").read_text().strip()) == 48


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.service)
def test_every_setting_reaches_its_service_or_is_decided_by_compose(
    compose: dict[str, Any], cls: type[Settings]
) -> None:
    names = {variable(field) for field in cls.model_fields}
    given = compose["services"][cls.service]["environment"]
    assert set(given) <= names, "others stop the service"
    missing = names - set(given) - {f"KOMPETEN_{name}" for name in DECIDED}
    assert not missing, "pass them on in docker-compose.yml, and document them in deploy/env.example"
    for name, value in given.items():
        if name in documented():
            assert str(value).startswith(f"${{{name}:"), f"{name} of .env does not get there"


def test_env_example_has_exactly_the_names_that_compose_reads() -> None:
    files = [ROOT / "docker-compose.yml", ROOT / "deploy/kafka-port.yml"]
    read = set(re.findall(r"\$\{(KOMPETEN_\w+)", "".join(file.read_text() for file in files)))
    assert documented() == read - TYPED


def test_the_preflight_is_given_what_any_service_is_given(compose: dict[str, Any]) -> None:
    given = compose["services"]["preflight"]
    for name in NAMES:
        assert (
            given["environment"].items()
            >= {
                one: value
                for one, value in compose["services"][name]["environment"].items()
                if not one.endswith("_PORT")
            }.items()
        )
        assert set(secrets_of(given)) >= set(secrets_of(compose["services"][name]))
    assert given["env_file"] == [{"path": ".env", "required": False}]


def test_published_ports_are_fixed_and_the_number_of_replicas_is_a_setting(compose: dict[str, Any]) -> None:
    for name, inside in zip(NAMES, (8001, 8002, 8003), strict=True):
        service, upper = compose["services"][name], name.upper()
        assert service["ports"] == [
            f"${{KOMPETEN_BIND:-127.0.0.1}}:${{KOMPETEN_{upper}_PORT:-{inside}}}:{inside}"
        ]
        assert service["deploy"] == {"replicas": f"${{KOMPETEN_{upper}_REPLICAS:-1}}"}


def test_services_do_not_wait_for_ever_for_a_set_up_that_failed(compose: dict[str, Any]) -> None:
    for name in NAMES:
        after = compose["services"][name]["depends_on"]["setup"]
        assert after == {"condition": "service_completed_successfully", "required": False}


@pytest.mark.slow
def test_a_container_is_made_anew_when_one_of_its_secrets_changed(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    for file in ("deploy/make-secrets.sh", "deploy/demo.env", "deploy/env.example"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / file, tmp_path / file)

    def states() -> dict[str, str]:
        subprocess.run([tmp_path / "deploy/make-secrets.sh"], check=True, capture_output=True)
        return {file.stem: file.read_text() for file in (tmp_path / "deploy/secrets/state").iterdir()}

    before = states()
    assert states() == before
    for secret in set(compose["secrets"]) - {"kompeten_secret"}:
        (tmp_path / "deploy/secrets" / secret).unlink()
        if secret == "kompeten_smtp_password":
            (tmp_path / "deploy/secrets" / secret).write_text("another one")
        after = states()
        holders = {name for name, one in compose["services"].items() if secret in secrets_of(one)}
        holders -= {"setup", "cli", "preflight"}  # each starts anew whenever it runs
        assert {name for name in after if after[name] != before[name]} == holders
        for name in holders:
            assert compose["services"][name]["env_file"] == f"deploy/secrets/state/{name}.env"
        before = after
