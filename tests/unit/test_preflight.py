"""What the preflight says of settings, secrets and places, before anything is asked over the network."""

import os
from pathlib import Path

import pytest

from services import preflight
from services.enrollment.settings import EnrollmentSettings
from services.incentive.settings import IncentiveSettings


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As Compose gives them: variables of all services, and a password for each in a file."""
    for folder in ("mongo", "kafka"):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(preflight, folder.upper(), tmp_path / folder)
    for name in ("enrollment", "incentive"):
        (tmp_path / "mongo" / name).write_text(f"mongodb://{name}:secret-pw@mongo/?replicaSet=rs0\n")
        (tmp_path / "kafka" / name).write_text("secret-pw-of-kafka-0123456789\n")
    given = {
        "DEVELOPMENT": "true",
        "KAFKA": "kafka:9092",
        "KAFKA_SECURITY": "sasl_plaintext",
        "PUBLIC_URL": "http://127.0.0.1:8001",
        "OIDC_ISSUER": "http://issuer:8009",
        "SECRET": bytes(range(32)).hex(),
        "PDF_WORKERS": "2",
        "STOP_TIMEOUT_S": "",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"KOMPETEN_{name}", value)
    monkeypatch.delenv("KOMPETEN_CACHE", raising=False)
    return tmp_path


def wrong(found: list[preflight.Finding]) -> list[str]:
    return [one.said for one in found if not one.well]


def test_each_service_has_its_own_variables_and_passwords() -> None:
    enrollment, _ = preflight.settings_of(EnrollmentSettings)
    incentive, found = preflight.settings_of(IncentiveSettings)
    assert isinstance(enrollment, EnrollmentSettings)
    assert enrollment.pdf_workers == 2
    assert incentive is not None
    assert incentive.mongo.get_secret_value().startswith("mongodb://incentive:")
    assert wrong(found) == []


def test_what_a_service_would_refuse_is_said_in_its_words_without_a_secret(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOMPETEN_PDF_WORKERS", "many")
    settings, found = preflight.settings_of(EnrollmentSettings)
    assert settings is None
    assert ["KOMPETEN_PDF_WORKERS" in sentence for sentence in wrong(found)] == [True]
    (installation / "kafka/enrollment").unlink()
    _, found = preflight.settings_of(EnrollmentSettings)
    assert "KOMPETEN_KAFKA_PASSWORD_FILE names a file" in wrong(found)[0]
    assert "secret-pw" not in "".join(wrong(found))


def test_a_service_is_not_to_take_longer_to_stop_than_its_container_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KOMPETEN_STOP_TIMEOUT_S", "40")
    _, found = preflight.settings_of(IncentiveSettings)
    assert wrong(found) == ["KOMPETEN_STOP_TIMEOUT_S is at most 25 in Compose, which kills after 30 s"]


def test_names_that_nothing_reads_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("KOMPETEN_")]:
        monkeypatch.delenv(name)
    assert wrong(list(preflight.unknown_names())) == []
    monkeypatch.setenv("KOMPETEN_SMTP_PROT", "25")
    monkeypatch.setenv("KOMPETEN_OIDC_ISSUER_FILE", "/x")
    sentences = wrong(list(preflight.unknown_names()))
    assert sentences == ["KOMPETEN_SMTP_PROT is no setting: did you mean KOMPETEN_SMTP_PORT?"]


@pytest.mark.parametrize(
    ("replicas", "port", "sentence"),
    [
        ("", "", None),
        ("1", "8002", None),
        ("3", "8100-8102", None),
        ("3", "8100-8101", "3 of them need as many ports"),
        ("2", "8002", "2 of them need as many ports"),
        ("two", "8002", "KOMPETEN_INCENTIVE_REPLICAS is a number (3)"),
        ("2", "8100:8119", "_PORT a port (8100) or a range (8100-8119)"),
    ],
)
def test_several_replicas_need_as_many_ports(
    monkeypatch: pytest.MonkeyPatch, replicas: str, port: str, sentence: str | None
) -> None:
    monkeypatch.setenv("KOMPETEN_INCENTIVE_REPLICAS", replicas)
    monkeypatch.setenv("KOMPETEN_INCENTIVE_PORT", port)
    sentences = wrong(list(preflight.places()))
    assert len(sentences) == (sentence is not None)
    assert sentence is None or sentence in sentences[0]


def test_what_all_services_would_refuse_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five faults were fifteen lines."""
    monkeypatch.setenv("KOMPETEN_PUBLIC_URL", "nowhere")
    monkeypatch.setenv("KOMPETEN_OIDC_ISSUER", "")
    found = [one for cls in (EnrollmentSettings, IncentiveSettings) for one in preflight.settings_of(cls)[1]]
    told = preflight.together(
        [*found, preflight.Finding("Kafka", "is well"), preflight.Finding("Mail", "is well")]
    )
    assert [(one.what, one.said.split()[0]) for one in told] == [
        ("settings and secrets of enrollment, incentive", "KOMPETEN_PUBLIC_URL"),
        ("settings and secrets of enrollment, incentive", "KOMPETEN_OIDC_ISSUER"),
        ("Kafka", "is"),
        ("Mail", "is"),
    ]


def test_what_kafkas_administrator_lacks_is_named(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was `its password or address cannot be read`."""
    monkeypatch.setattr(preflight, "KAFKA_ADMIN", installation / "kafka_admin")
    _, (fault,) = preflight.administrator()
    assert "deploy/secrets/kafka_admin" in fault
    assert "FileNotFoundError" in fault
    (installation / "kafka_admin").write_text("secret-pw-of-kafka-0123456789\n")
    settings, faults = preflight.administrator()
    assert settings is not None
    assert (settings.connection().user, faults) == ("admin", [])
    monkeypatch.setenv("KOMPETEN_KAFKA", "kafka")
    _, (fault,) = preflight.administrator()
    assert fault.startswith("KOMPETEN_KAFKA ")
