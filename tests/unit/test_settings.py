"""A wrong deployment is refused at start: one sentence per problem, never a secret's value."""

import codecs
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError

from services.enrollment.settings import EnrollmentSettings
from shared.settings import sources as setting_sources
from shared.settings.common import Settings, reference_table
from shared.settings.hosts import leads_here, plain_host
from shared.settings.reading import load
from shared.settings.types import LinkRing, ring_of

KAFKA_PASSWORD = "kafka-hunter2"
SECRET = "b7f0c2a94d8e13567a0b9c8d7e6f5a41"


class IncentiveSettings(Settings):
    service: ClassVar[str] = "incentive"

    http_port: int = Field(8002, ge=0, le=65535, description="Port to listen on")
    caps_file: str | None = Field(None, description="File of dated caps", examples=["caps.yaml"])


class MailSettings(Settings):
    service: ClassVar[str] = "notification"

    smtp_host: str = Field(description="Mail server", examples=["mail.example"])


class PasswordSettings(Settings):
    service: ClassVar[str] = "notification"

    smtp_password: SecretStr | None = Field(None, description="Password")
    link_keys: LinkRing | None = Field(None, description="Ring")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setattr(setting_sources, "SECRETS_DIR", tmp_path / "secrets")
    for name in [name for name in os.environ if name.upper().startswith("KOMPETEN_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "MONGO": "mongodb://app:hunter2@db/?replicaSet=rs0",
        "KAFKA_PASSWORD": KAFKA_PASSWORD,
        "AGENCIES": "dinkes, bkpsdm",
        "PUBLIC_URL": "https://kompeten.example.go.id/belajar/",
        "SECRET": SECRET,
        "OIDC_ISSUER": "https://sso.example.go.id/realms/asn",
    }.items():
        monkeypatch.setenv(f"KOMPETEN_{name}", value)
    return monkeypatch


def refused(capsys: pytest.CaptureFixture[str], cls: type[Settings] = IncentiveSettings) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load(cls)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return str(err).splitlines()


def test_service_reads_common_and_own_settings() -> None:
    loaded = load(IncentiveSettings)
    assert loaded.public_url == "https://kompeten.example.go.id/belajar"
    assert loaded.agencies == ("dinkes", "bkpsdm")
    assert (loaded.http_port, loaded.caps_file, loaded.topic_prefix) == (8002, None, "")
    assert loaded.mongo.get_secret_value().startswith("mongodb://app:")


def test_event_types_may_wait_for_times_of_their_own(environment: pytest.MonkeyPatch) -> None:
    assert load(IncentiveSettings).waiting_budgets_h == {}
    environment.setenv(
        "KOMPETEN_WAITING_BUDGETS_H",
        "id.go.bandung.training.completed.v1=72, id.go.bandung.certificate.revoked.v1 = 0.5,",
    )
    assert load(IncentiveSettings).waiting_budgets_h == {
        "id.go.bandung.training.completed.v1": 72,
        "id.go.bandung.certificate.revoked.v1": 0.5,
    }


def test_settings_do_not_change_and_do_not_show_secrets() -> None:
    loaded = load(IncentiveSettings)
    with pytest.raises(ValidationError):
        loaded.http_port = 1  # type: ignore[misc]
    for shown in (repr(loaded), str(loaded), loaded.model_dump_json()):
        assert SECRET not in shown
        assert "hunter2" not in shown


def test_a_service_speaks_to_kafka_as_itself_with_credentials_and_tls(
    environment: pytest.MonkeyPatch,
) -> None:
    kafka = load(IncentiveSettings).kafka_connection()
    assert (kafka.user, kafka.password, kafka.security) == ("incentive", KAFKA_PASSWORD, "sasl_ssl")
    environment.setenv("KOMPETEN_TOPIC_PREFIX", "kota.")
    assert load(IncentiveSettings).kafka_connection().user == "kota.incentive"
    environment.setenv("KOMPETEN_KAFKA_USER", "somebody")
    assert load(IncentiveSettings).kafka_connection().user == "somebody"
    assert KAFKA_PASSWORD not in repr(kafka)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET", "changeme", "KOMPETEN_SECRET has fewer than 32 characters: generate it"),
        ("SECRET", "changeme" * 5, "KOMPETEN_SECRET is a placeholder: generate"),
        ("SECRET", "a" * 40, "KOMPETEN_SECRET is a placeholder: generate"),
        ("MONGO", "postgres://u:hunter2@db", "KOMPETEN_MONGO is not a MongoDB address"),
        *(
            (
                "MONGO",
                f"mongodb://u:{password}@db",
                "KOMPETEN_MONGO has a character in its user name or password",
            )
            for password in ("hunter2@x", "hunter2%", "hunter2%zz")
        ),
        ("MONGO", "mongodb://u:hunter2@db:99999999", "KOMPETEN_MONGO has a port that is none"),
        ("MONGO", "mongodb://u:hunter2@[::1", "KOMPETEN_MONGO is not a MongoDB address"),
        (
            "MONGO",
            "mongodb://u:hunter2@db/?replicatSet=rs0",
            "KOMPETEN_MONGO has an option that MongoDB's driver",
        ),
        ("MONGO", "mongodb://u:hunter2@db/?tls=yes", "KOMPETEN_MONGO has a value of tls"),
        ("MONGO", "mongodb://u@db/", "KOMPETEN_MONGO has a user name without a password"),
        ("MONGO", "mongodb://u:hunter2@/", "KOMPETEN_MONGO is not a MongoDB address"),
        ("MONGO", "mongodb://u:hunter2@db one/", "KOMPETEN_MONGO has a blank or a line end in it"),
        ("MONGO", "mongodb://u:hunter2@:27017/", "KOMPETEN_MONGO has a host that is neither"),
        ("MONGO", "mongodb+srv://u:hunter2@db.example:27017/", "KOMPETEN_MONGO is not a MongoDB address"),
        ("AGENCIES", "dinkes,Dinas Kesehatan", "KOMPETEN_AGENCIES has the agency code 'Dinas Kesehatan'"),
        (
            "AGENCIES",
            "-x",
            "KOMPETEN_AGENCIES has the agency code '-x': a code has 1 to 40 of a-z, 0-9 and '-', and",
        ),
        ("AGENCIES", "a" * 66, "KOMPETEN_AGENCIES has the agency code 'aaaa"),
        ("AGENCIES", "dinkes,dinkes", "KOMPETEN_AGENCIES names an agency twice"),
        ("PUBLIC_URL", "", "KOMPETEN_PUBLIC_URL is missing: set it"),
        ("PUBLIC_URL", "kompeten.example.go.id", "KOMPETEN_PUBLIC_URL is not a web address"),
        ("PUBLIC_URL", "ftp://kompeten.example.go.id", "KOMPETEN_PUBLIC_URL is not a web address"),
        ("PUBLIC_URL", "https://x:99999/", "KOMPETEN_PUBLIC_URL is not a web address"),
        ("PUBLIC_URL", "https://u:hunter2@x/", "KOMPETEN_PUBLIC_URL has a user name or password"),
        ("PUBLIC_URL", "https://x/?a=1", "KOMPETEN_PUBLIC_URL has a '?' or '#' part"),
        ("PUBLIC_URL", "http://localhost:8000", "KOMPETEN_PUBLIC_URL leads to this machine"),
        ("PUBLIC_URL", "http://127.0.0.1/x", "KOMPETEN_PUBLIC_URL leads to this machine"),
        *(
            ("PUBLIC_URL", f"https://{host}/", "KOMPETEN_PUBLIC_URL leads to this machine")
            for host in (
                "[::1]",
                "[::ffff:127.0.0.1]",
                "0x7f.1",
                "2130706433",
                "localhost.localdomain",
                "LocalHost.",
            )
        ),
        (
            "PUBLIC_URL",
            "https://kompeten.example\u3002go.id",
            "KOMPETEN_PUBLIC_URL has letters other than a-z",
        ),
        ("PUBLIC_URL", "https://127%2e0.0.1/", "KOMPETEN_PUBLIC_URL is not a web address: its host"),
        ("OIDC_ISSUER", "http://sso.example.go.id", "KOMPETEN_OIDC_ISSUER does not start with 'https://'"),
        (
            "HTTP_PORT",
            "eight",
            "KOMPETEN_HTTP_PORT='eight' is not accepted: write a whole number from 0 to 65535, for example ",
        ),
        ("HTTP_PORT", "70000", "KOMPETEN_HTTP_PORT='70000' is not accepted"),
        (
            "KAFKA",
            "kafka",
            "KOMPETEN_KAFKA has 'kafka': write host:port with a port from 1 to 65535, several",
        ),
        ("KAFKA", "kafka:99999999", "KOMPETEN_KAFKA has 'kafka:99999999': write host:port with a port"),
        ("KAFKA", "kafka:9092,", "KOMPETEN_KAFKA has ''"),
        (
            "KAFKA",
            "sasl_ssl://kafka:9092",
            "KOMPETEN_KAFKA has 'sasl_ssl://kafka:9092': write host:port alone",
        ),
        ("KAFKA", "u:hunter2@kafka:9092", "KOMPETEN_KAFKA has one that is none: write host:port alone"),
        (
            "KAFKA",
            "::1:9092",
            "KOMPETEN_KAFKA has '::1:9092': write a host's name or address before the port, an IPv6",
        ),
        (
            "KAFKA_PASSWORD",
            "",
            "KOMPETEN_KAFKA_PASSWORD is missing: set the one that Kafka knows this user by",
        ),
        ("KAFKA_SECURITY", "plaintext", "KOMPETEN_KAFKA_SECURITY is 'plaintext', where Kafka asks nobody"),
        ("KAFKA_SECURITY", "ssl", "KOMPETEN_KAFKA_SECURITY='ssl' is not accepted: write one of sasl_ssl, "),
        ("KAFKA_CA", "/nowhere/ca.pem", "KOMPETEN_KAFKA_CA names a file that has no certificates in PEM"),
        (
            "LOG_LEVEL",
            "LOUD",
            "KOMPETEN_LOG_LEVEL='LOUD' is not accepted: write one of DEBUG, INFO, WARNING, ERROR",
        ),
        (
            "LOG_LEVEL",
            "debug",
            "KOMPETEN_LOG_LEVEL='debug' is not accepted: write one of DEBUG, INFO, WARNING, ERROR",
        ),
        ("STOP_TIMEOUT_S", "0", "KOMPETEN_STOP_TIMEOUT_S='0' is not accepted"),
        ("DEVELOPMENT", "perhaps", "KOMPETEN_DEVELOPMENT='perhaps' is not accepted"),
        ("WAITING_BUDGETS_H", "72", "KOMPETEN_WAITING_BUDGETS_H has '72': write type=hours"),
        (
            "WAITING_BUDGETS_H",
            "id.go.bandung.training.complete.v1=72",
            "KOMPETEN_WAITING_BUDGETS_H names the event type 'id.go.bandung.training.complete.v1', which does not "
            "exist: did you mean id.go.bandung.training.completed.v1?",
        ),
        (
            "WAITING_BUDGETS_H",
            "x=1",
            "KOMPETEN_WAITING_BUDGETS_H names the event type 'x', which does not exist: docs/reference/events.md",
        ),
        *(
            (
                "WAITING_BUDGETS_H",
                f"id.go.bandung.training.completed.v1={wrong}",
                f"KOMPETEN_WAITING_BUDGETS_H gives id.go.bandung.training.completed.v1 {wrong!r}: that has to be hours",
            )
            for wrong in ("", "0", "-1", "nan", "inf", "3 days", "9000")
        ),
        (
            "WAITING_BUDGETS_H",
            "id.go.bandung.training.completed.v1=1,id.go.bandung.training.completed.v1=2",
            "KOMPETEN_WAITING_BUDGETS_H names id.go.bandung.training.completed.v1 twice",
        ),
        ("SECRT", "x", "KOMPETEN_SECRT is not known: did you mean KOMPETEN_SECRET?"),
        ("SMTP_URL", "x", "KOMPETEN_SMTP_URL is not known: did you mean KOMPETEN_SMTP_HOST?"),
        ("MONGO_URI", "x", "KOMPETEN_MONGO_URI is not known: did you mean KOMPETEN_MONGO?"),
        ("SMTP_PROT", "x", "KOMPETEN_SMTP_PROT is not known: did you mean KOMPETEN_SMTP_PORT?"),
        (
            "SMTP_PASSWORT_FILE",
            "x",
            "KOMPETEN_SMTP_PASSWORT_FILE is not known: did you mean KOMPETEN_SMTP_PASSWORD_F",
        ),
        ("COLOUR", "x", "KOMPETEN_COLOUR is not known: remove it, or see docs/reference/settings.md"),
        ("FAILPOINT", "after-commit", "KOMPETEN_FAILPOINT is not known"),
        ("SECRET_FILE", "/nowhere/hunter2", "KOMPETEN_SECRET_FILE names a file that cannot be read"),
    ],
)
def test_wrong_setting_is_one_sentence_without_its_secret(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, sentence: str
) -> None:
    if name.endswith("_FILE"):
        environment.delenv(f"KOMPETEN_{name.removesuffix('_FILE')}", raising=False)
    environment.setenv(f"KOMPETEN_{name}", value)
    (line,) = refused(capsys)
    assert line.startswith(sentence)
    assert line.endswith((".", "?"))
    assert "hunter2" not in line
    assert name not in ("SECRET", "MONGO") or value not in line


def test_all_problems_are_told_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MONGO", "SECRET", "OIDC_ISSUER"):
        environment.delenv(f"KOMPETEN_{name}")
    environment.setenv("KOMPETEN_KAFKA_", "x")
    assert len(refused(capsys)) == 4


def test_development_allows_localhost_and_plain_http_but_no_placeholder_secret(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("KOMPETEN_DEVELOPMENT", "true")
    environment.setenv("KOMPETEN_PUBLIC_URL", "http://localhost:8000/")
    environment.setenv("KOMPETEN_OIDC_ISSUER", "http://localhost:9000")
    assert load(IncentiveSettings).public_url == "http://localhost:8000"
    environment.setenv("KOMPETEN_SECRET", "changeme")
    assert len(refused(capsys)) == 1


def test_secret_comes_from_the_file_that_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET[::-1]}\n")
    environment.delenv("KOMPETEN_SECRET")
    environment.setenv("KOMPETEN_SECRET_FILE", str(tmp_path / "key"))
    assert load(IncentiveSettings).secret.get_secret_value() == SECRET[::-1]


def test_secret_comes_from_the_mounted_directory(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "kompeten_secret").write_text(SECRET[::-1])
    environment.delenv("KOMPETEN_SECRET")
    assert load(IncentiveSettings).secret.get_secret_value() == SECRET[::-1]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        *(
            (f"{text}{end}", text)
            for text in ("pass word", " pass\t", "\npass\rx", "p\u00e4ss\u00a0", "\u2028pass ")
            for end in ("", "\n", "\r\n")
        ),
        ("pass\n\n", "pass\n"),
        ("pass\r", "pass\r"),
    ],
)
@pytest.mark.parametrize("mounted", [False, True])
def test_a_secret_is_what_its_file_holds_but_for_one_line_end(
    environment: pytest.MonkeyPatch, tmp_path: Path, raw: str, value: str, mounted: bool
) -> None:
    """It was a fault: blanks were cut, so a password that ends in one was another password."""
    file = tmp_path / "secrets/kompeten_smtp_password" if mounted else tmp_path / "file"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(raw.encode())
    if not mounted:
        environment.setenv("KOMPETEN_SMTP_PASSWORD_FILE", str(file))
    password = load(PasswordSettings).smtp_password
    assert password is not None
    assert password.get_secret_value() == value


@pytest.mark.parametrize("empty", ["", "\n", "\r\n"])
def test_an_empty_file_is_no_secret(environment: pytest.MonkeyPatch, tmp_path: Path, empty: str) -> None:
    (tmp_path / "file").write_bytes(empty.encode())
    environment.setenv("KOMPETEN_SMTP_PASSWORD_FILE", str(tmp_path / "file"))
    assert load(PasswordSettings).smtp_password is None


@pytest.mark.parametrize("name", ["SECRET", "MONGO", "LINK_KEYS", "SMTP_PASSWORD"])
@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (codecs.BOM_UTF8 + SECRET.encode(), "begins with a byte order mark: save it as UTF-8 without one"),
        (SECRET.encode("utf-16"), "begins with a byte order mark: save it as UTF-8 without one"),
        (SECRET.encode() + b"\xff\xe4", "is not UTF-8: save it as that"),
    ],
)
@pytest.mark.parametrize("mounted", [False, True])
def test_a_file_that_an_editor_made_something_else_of_is_refused_in_a_sentence(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    raw: bytes,
    sentence: str,
    mounted: bool,
) -> None:
    file = tmp_path / f"secrets/kompeten_{name.lower()}" if mounted else tmp_path / "file"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(raw)
    environment.delenv(f"KOMPETEN_{name}", raising=False)
    if not mounted:
        environment.setenv(f"KOMPETEN_{name}_FILE", str(file))
    (line,) = refused(capsys, PasswordSettings)
    where = (
        f"KOMPETEN_{name} is read from {file}, which "
        if mounted
        else f"KOMPETEN_{name}_FILE names a file that "
    )
    assert line.startswith(where + sentence)
    assert SECRET not in line


@pytest.mark.parametrize("raw", [f" {SECRET}", f"{SECRET} \n", f"{SECRET}\n\n", f"\n{SECRET}\n"])
def test_blanks_that_earlier_versions_cut_off_the_identity_key_are_not_counted_in(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, raw: str
) -> None:
    """With them it would be another key, and each event sent again a new one."""
    (tmp_path / "key").write_text(raw)
    environment.delenv("KOMPETEN_SECRET")
    environment.setenv("KOMPETEN_SECRET_FILE", str(tmp_path / "key"))
    (line,) = refused(capsys)
    assert "begins or ends with blanks or empty lines" in line
    assert SECRET not in line


@pytest.mark.parametrize(
    ("ring", "keys"),
    [
        (SECRET, (SECRET,)),
        ("identity", ("identity",)),
        (f"{SECRET[::-1]}\n{SECRET}\nidentity\n", (SECRET[::-1], SECRET, "identity")),
        (f"{SECRET} identity", (SECRET, "identity")),
    ],
)
def test_the_ring_of_link_keys_has_one_on_each_line(
    environment: pytest.MonkeyPatch, ring: str, keys: tuple[str, ...]
) -> None:
    environment.setenv("KOMPETEN_LINK_KEYS", ring)
    assert ring_of(load(PasswordSettings).link_keys) == keys


@pytest.mark.parametrize(
    ("ring", "sentence"),
    [
        (" \n ", "KOMPETEN_LINK_KEYS has 0 keys: it takes 1 to 8"),
        (
            " ".join(SECRET.replace("b", str(n)) for n in range(9)),
            "KOMPETEN_LINK_KEYS has 9 keys: it takes 1 to 8",
        ),
        (f"{SECRET}\n{SECRET}", "KOMPETEN_LINK_KEYS has a key twice"),
        (f"{SECRET}\nshort", "KOMPETEN_LINK_KEYS has fewer than 32 characters"),
        ("changeme" * 5, "KOMPETEN_LINK_KEYS is a placeholder"),
    ],
)
def test_a_ring_that_protects_nothing_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ring: str, sentence: str
) -> None:
    environment.setenv("KOMPETEN_LINK_KEYS", ring)
    (line,) = refused(capsys, PasswordSettings)
    assert line.startswith(sentence)
    assert SECRET not in line


def test_variable_and_file_together_are_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(SECRET)
    environment.setenv("KOMPETEN_SECRET_FILE", str(tmp_path / "key"))
    assert refused(capsys) == ["KOMPETEN_SECRET and KOMPETEN_SECRET_FILE are both set: keep one of them."]


def test_process_with_bad_settings_ends_with_2_and_no_traceback() -> None:
    program = "from shared.settings.common import Settings; from shared.settings.reading import load; load(Settings)"
    environment = {"PATH": "", "KOMPETEN_SECRET": "hunter2"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Traceback" not in ran.stderr
    assert "hunter2" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 5


def test_reference_names_every_variable_once_with_its_readers() -> None:
    table = reference_table([IncentiveSettings, MailSettings])
    assert (
        "| `KOMPETEN_SMTP_HOST` | text |  | required | `mail.example` | notification | Mail server |" in table
    )
    assert "| `KOMPETEN_SECRET` | secret |  | required |  | all |" in table
    assert "| `KOMPETEN_HTTP_PORT` | a whole number from 0 to 65535 |  | `8002` |  | incentive |" in table
    assert "| `KOMPETEN_DEVELOPMENT` | true or false |  | `false` |  | all |" in table
    assert "| `KOMPETEN_STOP_TIMEOUT_S` | a number, more than 0 and at most 600 | seconds | `20` |" in table


def test_setting_without_description_is_refused() -> None:
    class Undescribed(Settings):
        depth: int = 3

    class WithoutExample(Settings):
        colour: str | None = Field(None, description="Colour")

    with pytest.raises(ValueError, match=r"Undescribed.depth has no description"):
        reference_table([Undescribed])
    with pytest.raises(ValueError, match=r"WithoutExample.colour has no example"):
        reference_table([WithoutExample])


@pytest.mark.parametrize(
    "name", ["SMTP_PORT", "SMTP_PASSWORD_FILE", "BODIES", "CACHE", "TOKEN", "BIND", "KAFKA_HOST"]
)
def test_what_another_one_reads_may_stand_in_the_environment_of_all(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv(f"KOMPETEN_{name}", "x")
    assert load(IncentiveSettings)


def test_a_public_name_that_nobody_can_look_up_now_stops_no_service(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KOMPETEN_PUBLIC_URL", "https://nobody-knows.invalid/")
    assert load(IncentiveSettings).public_url == "https://nobody-knows.invalid"


def test_a_public_name_that_leads_here_by_the_hosts_file_alone_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = [name for name in hosts_of_this_machine() if not leads_here(name)]
    if not here:
        pytest.skip("the hosts file has only localhost")
    environment.setenv("KOMPETEN_PUBLIC_URL", f"https://{here[0]}/")
    (line,) = refused(capsys)
    assert line.startswith("KOMPETEN_PUBLIC_URL leads to this machine itself")
    environment.setenv("KOMPETEN_DEVELOPMENT", "true")
    assert load(IncentiveSettings)


def hosts_of_this_machine() -> list[str]:
    lines = [
        line.split("#")[0].split() for line in Path("/etc/hosts").read_text(encoding="utf-8").splitlines()
    ]
    names = [name for address, *names in filter(None, lines) if address.startswith("127.") for name in names]
    return [name for name in names if plain_host(name)]


def test_bodies_are_read_with_who_issues_for_each(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KOMPETEN_BODIES", "DISKOMINFO=diskominfo, LAN RI = outside,BKN/Kanreg-3,")
    loaded = load(EnrollmentSettings)
    assert loaded.bodies == {"DISKOMINFO": "diskominfo", "LAN RI": "outside", "BKN/Kanreg-3": ""}
    assert loaded.unknown_body_days == 30


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "BODIES",
            "DISKOMINFO=",
            "KOMPETEN_BODIES has 'DISKOMINFO=': write CODE=agency, CODE=outside, or CODE",
        ),
        ("BODIES", "=diskominfo", "KOMPETEN_BODIES has '=diskominfo': write CODE=agency"),
        ("BODIES", "X=Dinas Kominfo", "KOMPETEN_BODIES has 'X=Dinas Kominfo': write CODE=agency"),
        ("BODIES", "LAN RI,lan  ri=outside", "KOMPETEN_BODIES names 'lan  ri' twice: name each once"),
        ("UNKNOWN_BODY_DAYS", "0", "KOMPETEN_UNKNOWN_BODY_DAYS='0' is not accepted"),
        ("UNKNOWN_BODY_DAYS", "61", "KOMPETEN_UNKNOWN_BODY_DAYS='61' is not accepted"),
    ],
)
def test_what_is_wrong_with_bodies_is_one_sentence(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, sentence: str
) -> None:
    environment.setenv(f"KOMPETEN_{name}", value)
    (said,) = refused(capsys, EnrollmentSettings)
    assert said.startswith(sentence)
