"""What each setting answers to wrong values: one line that names it as one writes it and says what to write instead.

The settings are those of the models, so a new one is asked too.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic.fields import FieldInfo

from shared.kafka_setup import SetUpSettings
from shared.settings import sources as setting_sources
from shared.settings.reading import FromEnvironment, WrongSettings, load, read
from shared.settings.sentences import ANY_TEXT, example, form, is_secret
from shared.settings.sources import variable
from tools.reference import settings_classes

HIDDEN: Final = "hunter2-0f1e2d3c4b5a69788796a5b4c3d2e1f0"
GOOD: Final = {
    "KOMPETEN_MONGO": f"mongodb://app:{HIDDEN}@db/?replicaSet=rs0",
    "KOMPETEN_KAFKA_PASSWORD": HIDDEN,
    "KOMPETEN_PUBLIC_URL": "https://192.0.2.1",
    "KOMPETEN_SECRET": HIDDEN,
    "KOMPETEN_OIDC_ISSUER": "https://sso.example.go.id",
    "KOMPETEN_MAIL_FROM": "Kompeten <kompeten@bandung.example>",
}
BLANK: Final = ("   ", "\n")
QUOTED: Final = ("'x'", '"1"')
TWO_LINES: Final = ("1\n2", "a\u2028b")
NO_NUMBERS: Final = ("five", "-1", "9" * 5000, "NaN", "inf", "\uff11\uff12", "1,5")
# Everywhere else tried too, and if one is refused its answer is read.
ODD: Final = ("0", "9" * 400, f"ftp://u:{HIDDEN}@x", "\u0430dmin", "x,,=")
# Of secrets: what is wrong with these, they must not repeat.
SECRETS: Final = {
    "mongo": (
        *(f"mongodb://u:{HIDDEN}{wrong}@db" for wrong in ("@x", "%", "%zz", "/", ":", "?")),
        *(
            f"mongodb://u:{HIDDEN}@db{wrong}"
            for wrong in (":99999999", ":x", "/?w=x&wtimeoutms=x", "/?nope=1", ",,")
        ),
        *(
            HIDDEN,
            f"postgres://u:{HIDDEN}@db",
            f"'mongodb://u:{HIDDEN}@db'",
            "mongodb://",
            f"mongodb://u:{HIDDEN}@ \n",
        ),
    ),
    "secret": (HIDDEN[:31], "   ", "changeme" * 5, "a" * 40),
    "link_keys": (HIDDEN[:20], f"{HIDDEN}\n{HIDDEN}", " \n", "changeme" * 5),
    "kafka_password": (),
    "smtp_password": (HIDDEN,),
}


def asked() -> Iterator[tuple[type[FromEnvironment], str]]:
    """Each field once for each of its meanings."""
    seen: set[tuple[str, str, str]] = set()
    for cls in (*settings_classes(), SetUpSettings):
        for name, field in cls.model_fields.items():
            if (meaning := (name, repr(field), "")) not in seen:
                seen.add(meaning)
                yield cls, name


EACH: Final = pytest.mark.parametrize(
    ("cls", "name"), [pytest.param(cls, name, id=f"{cls.service}-{name}") for cls, name in asked()]
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setattr(setting_sources, "SECRETS_DIR", tmp_path / "secrets")
    for name in [name for name in os.environ if name.upper().startswith("KOMPETEN_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def answer(cls: type[FromEnvironment], **given: Any) -> str | None:
    """None where it was taken."""
    try:
        read(cls, **given)
    except WrongSettings as wrong:
        (line,) = wrong.sentences
        return line
    return None


def check(line: str, name: str, field: FieldInfo, service: str) -> None:
    assert line.startswith(variable(name)), line
    assert line.isprintable(), line
    assert line.endswith((".", "?")), line
    assert HIDDEN[:12] not in line, line
    assert "input should" not in line.lower(), line
    shown = re.sub(r"\bSERVICE\b", service, example(name, field))
    assert shown in line or "did you mean" in line or "openssl rand" in line, line


def must_refuse(name: str, field: FieldInfo) -> tuple[str, ...]:
    if is_secret(field):
        return SECRETS[name]
    if form(field) == ANY_TEXT:
        return (*BLANK, *QUOTED, *TWO_LINES)
    few = (*BLANK, *QUOTED, *TWO_LINES, *NO_NUMBERS)
    return few if "number" in form(field) else (*few, "INFO ME", "TRUE-ish", "sasl-ssl", "\u0430")


@EACH
def test_every_setting_has_an_example_that_it_takes(
    cls: type[FromEnvironment], name: str, environment: Any
) -> None:
    field = cls.model_fields[name]
    shown, _, value = example(name, field).partition("=")
    assert value, "give the field an example"
    if shown == variable(name) and name not in ("kafka_ca", "smtp_user"):  # a file, and one of a pair
        environment.setenv(shown, value)
        assert answer(cls) is None


@pytest.mark.slow
@EACH
def test_each_wrong_value_is_answered_by_what_to_write(
    cls: type[FromEnvironment], name: str, environment: Any
) -> None:
    field = cls.model_fields[name]
    for value in (*must_refuse(name, field), *(() if is_secret(field) else ODD)):
        environment.setenv(variable(name), value)
        line = answer(cls)
        if line is None:
            assert value not in must_refuse(name, field), f"{value[:40]!r} was taken"
        elif not (name == "smtp_user" and line.startswith("KOMPETEN_SMTP_PASSWORD and KOMPETEN_SMTP_USER")):
            check(line, name, field, cls.service)


@EACH
def test_an_empty_variable_is_none(cls: type[FromEnvironment], name: str, environment: Any) -> None:
    environment.setenv(variable(name), "")
    line, field = answer(cls), cls.model_fields[name]
    assert (line is not None) == (field.is_required() or name == "kafka_password")
    if line is not None:
        assert line.startswith(f"{variable(name)} is missing: ")
        check(line, name, field, cls.service)


@pytest.mark.slow
@EACH
def test_each_file_that_cannot_be_taken_is_answered_by_what_to_do(
    cls: type[FromEnvironment], name: str, environment: Any, tmp_path: Path
) -> None:
    environment.delenv(variable(name), raising=False)
    files = {
        "none": "cannot be read (FileNotFoundError): make it",
        "folder": "is a folder: put a file with the value in its place",
        "file/in-a-file": "cannot be read (NotADirectoryError): name another one",
        "latin-1": "is not UTF-8: save it as that",
        "windows": "begins with a byte order mark: save it as UTF-8 without one",
        "huge": "is larger than 1 MiB: name one that holds the value alone",
        "n" * 300: "cannot be read (OSError): name another one",
    }
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "latin-1").write_bytes(HIDDEN.encode() + b"\xe4\xff")
    (tmp_path / "windows").write_bytes(HIDDEN.encode("utf-16"))
    (tmp_path / "huge").write_bytes(b"x" * (1 << 20) + b"x")
    if os.geteuid():  # nothing is closed to root
        (tmp_path / "closed").touch(mode=0)
        files["closed"] = "cannot be read (PermissionError): let the user that this runs as read it"
    for file, said in files.items():
        environment.setenv(f"{variable(name)}_FILE", str(tmp_path / file))
        line = answer(cls)
        assert line is not None
        assert line.startswith(f"{variable(name)}_FILE names a file that {said}")
        assert HIDDEN[:12] not in line


@pytest.mark.parametrize("cls", [*settings_classes(), SetUpSettings], ids=lambda cls: cls.service)
def test_all_that_is_wrong_is_told_and_the_process_ends_with_status_2(
    cls: type[FromEnvironment], environment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("KOMPETEN_KAFKA", "kafka")
    environment.setenv("KOMPETEN_KAFKA_PASWORD", HIDDEN)
    environment.setenv("KOMPETEN_DEVELOPMENT", "perhaps")
    with pytest.raises(SystemExit) as ended:
        load(cls)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert (out, HIDDEN in err) == ("", False)
    assert [line.split()[0].partition("=")[0] for line in sorted(err.splitlines())] == [
        "KOMPETEN_DEVELOPMENT", "KOMPETEN_KAFKA", "KOMPETEN_KAFKA_PASWORD"
    ]  # fmt: skip


def test_an_example_of_who_signs_in_names_the_service_that_is_told(environment: Any) -> None:
    """Notification was told to write `mongodb://enrollment:...`."""
    environment.setenv("KOMPETEN_MONGO", "")
    for cls in settings_classes():
        assert f"KOMPETEN_MONGO=mongodb://{cls.service}:PASSWORD@" in str(answer(cls))
