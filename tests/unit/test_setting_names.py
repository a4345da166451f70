"""The names of settings in code, in the Compose files and in what is given to operators are the same ones."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from devstack.processes import ROOT
from shared.contracts.services import SERVICES
from shared.kafka_setup import SetUpSettings
from shared.settings.common import main
from shared.settings.names import OTHERS, known, unknown
from shared.settings.reading import FromEnvironment
from shared.settings.sources import variable
from tools.reference import settings_classes

NAME: Final = re.compile(r"KOMPETEN_[A-Z0-9]+(?:_[A-Z0-9]+)*")
FILLED_IN: Final = re.compile(r"\$\{(KOMPETEN_\w+)")
READ_BY_TESTS: Final = re.compile(r"os\.environ[^\n]*?(KOMPETEN_[A-Z0-9_]+[A-Z0-9])")
CLASSES: Final[list[type[FromEnvironment]]] = [*settings_classes(), SetUpSettings]
COMPOSE_NAMES: Final = {"kafka_setup": "setup"}

# What the Compose file says itself, so that an .env has no say in it.
BY_COMPOSE: Final = {
    "KOMPETEN_KAFKA": "its own broker",
    "KOMPETEN_KAFKA_SECURITY": "of its own broker",
    "KOMPETEN_KAFKA_USER": "a service's name",
    "KOMPETEN_KAFKA_CA": "its own broker is spoken to without TLS",
    "KOMPETEN_KAFKA_MECHANISM": "of its own broker",
    "KOMPETEN_KAFKA_SERVICES_DIR": "where it mounts secrets",
    "KOMPETEN_KAFKA_AGENCIES_DIR": "where it mounts secrets",
    "KOMPETEN_MONGO": "a secret, of its own MongoDB",
    "KOMPETEN_KAFKA_PASSWORD": "a secret",
    "KOMPETEN_SECRET": "a secret",
    "KOMPETEN_LINK_KEYS": "a secret",
    "KOMPETEN_SMTP_PASSWORD": "a secret",
    "KOMPETEN_HTTP_HOST": "inside a container: all",
    "KOMPETEN_HTTP_PORT": "inside a container",
    "KOMPETEN_INTERNAL_HOST": "inside a container: all",
    "KOMPETEN_INTERNAL_PORT": "inside a container",
    "KOMPETEN_DATABASE_PREFIX": "users of its MongoDB have rights on these databases alone",
    "KOMPETEN_TOPIC_PREFIX": "its broker is shared with nobody",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def documented() -> set[str]:
    text = (ROOT / "deploy/env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^(KOMPETEN_\w+)=", text, re.MULTILINE))


def filled_in(value: object) -> str:
    """The variable of an .env that it is; else empty."""
    found = FILLED_IN.match(str(value))
    return found[1] if found else ""


def names_in_code() -> set[str]:
    paths = [
        *(
            path
            for folder in ("shared", "services", "cli", "devstack", "demo")
            for path in (ROOT / folder).rglob("*.py")
        ),
        *(path for path in (ROOT / "deploy").rglob("*") if path.is_file() and "secrets" not in path.parts),
        ROOT / "docker-compose.yml",
        ROOT / "Makefile",
    ]
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    paths.remove(ROOT / "shared/settings/names.py")
    found = {name for path in paths for name in NAME.findall(path.read_text(encoding="utf-8"))}
    return found | {name for name in READ_BY_TESTS.findall(tests) if not name.endswith("_FILE")}


def test_every_name_that_something_reads_is_known() -> None:
    assert not unknown(dict.fromkeys(names_in_code(), "") | {"KOMPETEN_DEVELOPMENT": "true"})


def test_every_name_beside_the_settings_is_read_by_something() -> None:
    assert OTHERS.keys() <= names_in_code()


@pytest.mark.parametrize("file", ["deploy/env.example", "deploy/demo.env"])
def test_what_operators_copy_has_known_names_alone(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(ROOT / file)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.service)
def test_every_setting_that_is_documented_reaches_each_service_that_reads_it(
    cls: type[FromEnvironment], compose: dict[str, Any]
) -> None:
    given = compose["services"][COMPOSE_NAMES.get(cls.service, cls.service)]["environment"]
    settings = {variable(name) for name in cls.model_fields} - BY_COMPOSE.keys() - {"KOMPETEN_DEVELOPMENT"}
    passed_on = {name for name in settings if filled_in(given.get(name)) == name}
    assert settings - passed_on == set(), "give it on in docker-compose.yml, or say in BY_COMPOSE why not"
    assert settings <= documented(), "tell operators of it in deploy/env.example"
    assert not [name for name in given if name not in known()]


def test_every_documented_name_is_one_that_compose_fills_in() -> None:
    files = ("docker-compose.yml", "deploy/kafka-port.yml")
    names = {name for file in files for name in FILLED_IN.findall((ROOT / file).read_text(encoding="utf-8"))}
    assert documented() <= names


def test_no_setting_is_both_fixed_by_compose_and_offered_to_operators() -> None:
    assert not documented() & BY_COMPOSE.keys()


def test_a_misspelt_name_in_an_env_file_is_told_before_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# KOMPETEN_COLOUR=1\nCOMPOSE_PROFILES=demo\nexport KOMPETEN_SMTP_PROT = 25\nKOMPETEN_BIND=\n"
    )
    assert main(["--check", str(file)]) == 2
    assert capsys.readouterr().err == "KOMPETEN_SMTP_PROT is not known: did you mean KOMPETEN_SMTP_PORT?\n"
    assert main(["--check", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_the_names_are_printed_with_who_reads_them() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "shared.settings"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "KOMPETEN_SMTP_HOST notification\n" in printed
    assert {service.name for service in SERVICES} < set(printed.split())
