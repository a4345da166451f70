"""Settings from `KOMPETEN_*` variables and files: read once at start, refused with one sentence a problem."""

import codecs
import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from shared.contracts.rights import service_user
from shared.kafka_connection import KafkaConnection
from shared.pipeline.epochs import MOST_EPOCH
from shared.redaction import redact
from shared.setting_types import (
    LONGEST_WAIT_H,
    CertificateFile,
    HttpUrl,
    KafkaPassword,
    KafkaSecurity,
    MongoUrl,
    OpdCodes,
    ProtectedUrl,
    PublicUrl,
    Secret,
    WaitingBudgets,
)

PREFIX: Final = "KOMPETEN_"
SECRETS_DIR: Final = Path("/run/secrets")
EXIT_STATUS: Final = 2
IDENTITY_KEY: Final = "secret"
_BYTE_ORDER_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Settings(BaseSettings):
    """What all services share; a service subclasses it, sets `service` and adds its own fields."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )
    service: ClassVar[str] = "all"

    # First, as checks of later fields depend on it.
    development: bool = Field(False, description="Allows localhost and plain http; never in production")
    kafka: str = Field(
        "127.0.0.1:9092",
        pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$",
        description="Kafka bootstrap servers, host:port separated by commas",
    )
    kafka_security: KafkaSecurity = Field(
        "sasl_ssl",
        description="How Kafka is spoken to: with credentials and TLS (sasl_ssl), with credentials on a network that "
        "nobody else reaches (sasl_plaintext), or, in development only, without any (plaintext)",
    )
    kafka_user: str = Field(
        "",
        description="User in Kafka (SCRAM-SHA-512); without it KOMPETEN_TOPIC_PREFIX and the service's name",
    )
    kafka_password: KafkaPassword = Field(
        None, validate_default=True, description="Password of the user in Kafka; needed unless plaintext"
    )
    kafka_ca: CertificateFile = Field(
        None,
        description="File of the authority that signed Kafka's certificate (PEM); without it the system's own",
    )
    mongo: MongoUrl = Field(
        description="MongoDB address, with its password; needs a replica set",
        examples=["mongodb://db/?replicaSet=rs0"],
    )
    database_prefix: str = Field(
        "kompeten", pattern=r"^[a-z][a-z0-9_]{0,30}$", description="Start of each service's database name"
    )
    topic_prefix: str = Field(
        "", pattern=r"^[a-zA-Z0-9._-]{0,60}$", description="Start of every topic name, for a shared cluster"
    )
    agencies: OpdCodes = Field(
        (),
        description="Agencies that the register begins with, at the very first start: codes separated by commas",
    )
    http_host: str = Field("127.0.0.1", description="Address to listen on")
    http_port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    internal_host: str = Field(
        "127.0.0.1",
        description="Address to listen on for metrics and the API's description; never the public's",
    )
    internal_port: int = Field(9000, ge=0, le=65535, description="Port for them; 0 takes any free one")
    public_url: PublicUrl = Field(
        description="Address under which the public reaches Kompeten, with path; in certificates and mails"
    )
    secret: Secret = Field(
        description="Identity key, 32 characters or more: ids, codes and digests come from it, so it stays for good"
    )
    oidc_issuer: ProtectedUrl = Field(description="Issuer of access tokens, exactly as in the token's 'iss'")
    oidc_audience: str = Field("kompeten", min_length=1, description="Audience that access tokens must name")
    oidc_jwks_url: ProtectedUrl | None = Field(
        None, description="Address of the issuer's keys; without it, found by the issuer's discovery document"
    )
    oidc_roles_claim: str = Field(
        "roles", min_length=1, description="Claim with the roles, or a path such as realm_access.roles"
    )
    oidc_employee_number_claim: str = Field(
        "employee_number", min_length=1, description="Claim with the NIP or NI PPPK, as text"
    )
    oidc_opd_claim: str = Field(
        "opd", min_length=1, description="Claim with the agency code; in officers' tokens * is all of them"
    )
    otlp_endpoint: HttpUrl | None = Field(
        None, description="OpenTelemetry collector for traces (OTLP over HTTP); without it, no traces"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged"
    )
    waiting_budget_h: float = Field(
        24,
        gt=0,
        le=LONGEST_WAIT_H,
        description="Hours that an event waits for what it lacks, then it is a dead letter",
    )
    waiting_budgets_h: WaitingBudgets = Field(
        {},
        description="Other hours for single event types: type=hours, separated by commas",
    )
    epoch: int = Field(
        0,
        ge=0,
        le=MOST_EPOCH,
        description="Raise by one, for good, after a restore from a backup: part of every id and version from then on",
    )
    stop_timeout_s: float = Field(20, gt=0, le=600, description="Seconds to finish work when told to stop")

    def kafka_connection(self) -> KafkaConnection:
        """As the service itself."""
        password = "" if self.kafka_password is None else self.kafka_password.get_secret_value()
        user = self.kafka_user or service_user(self.service, self.topic_prefix)
        return KafkaConnection(self.kafka, user, password, self.kafka_security, ca=self.kafka_ca or "")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _Files(settings_cls)


class _Files(PydanticBaseSettingsSource):
    """`KOMPETEN_MONGO_FILE=/path` or `/run/secrets/kompeten_mongo`, for any setting."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = _file_of(field_name)
        return (None if path is None else read_exactly(path) or None), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        values = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in values.items() if value is not None}


class FileProblem(ValueError):
    """What is wrong with a setting's file, as the end of a sentence that begins with the file."""


def read_exactly(path: Path) -> str:
    """What the file holds, but for one line end at its end, which every editor writes. Raises FileProblem."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FileProblem(f"cannot be read ({type(error).__name__})") from error
    if raw.startswith(_BYTE_ORDER_MARKS):
        raise FileProblem(
            "begins with a byte order mark: save it as UTF-8 without one, or write it with printf"
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError:  # has the file's bytes in it: not kept as the cause
        raise FileProblem("is not UTF-8: save it as that, or write it with printf") from None
    return re.sub(r"\r?\n\Z", "", text)


_Loaded = TypeVar("_Loaded", bound=Settings)


def load(cls: type[_Loaded]) -> _Loaded:
    """The settings; or exit status 2 and one sentence per problem on stderr, without secrets."""
    problems = [*_unknown_variables(cls), *_file_problems(cls)]
    try:
        settings = cls()
    except FileProblem:
        pass  # told above
    except ValidationError as error:
        problems += [_sentence(cls, one) for one in error.errors(include_url=False)]
    except SettingsError:
        problems.append("A KOMPETEN_ variable has a value that cannot be parsed.")
    else:
        if not problems:
            return settings
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    raise SystemExit(EXIT_STATUS)


def variable(field_name: str) -> str:
    return PREFIX + field_name.upper()


def reference_table(classes: Sequence[type[Settings]]) -> str:
    """Markdown: a row per variable with the services that read it; refuses a field without description."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for cls in classes:
        for name, field in cls.model_fields.items():
            if not field.description:
                raise ValueError(f"{cls.__name__}.{name} has no description: add one for the reference")
            row = (variable(name), _type_name(field), _default(field), field.description)
            rows.setdefault(row, []).append(cls.service)
    lines = ["| variable | type | default | services | description |", "|---|---|---|---|---|"]
    for (name, kind, default, description), services in sorted(rows.items()):
        readers = "all" if len(services) == len(classes) else ", ".join(sorted(services))
        cells = (f"`{name}`", kind, default, readers, description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _file_of(field_name: str) -> Path | None:
    named = _environment().get(variable(field_name) + "_FILE")
    if named:
        return Path(named)
    mounted = SECRETS_DIR / variable(field_name).lower()
    return mounted if mounted.is_file() else None


def _environment() -> Mapping[str, str]:
    return {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}


def _unknown_variables(cls: type[Settings]) -> list[str]:
    environment = _environment()
    names = {name.upper() for name in cls.model_fields}
    files = {f"{name}_FILE" for name in names}
    known = names | files
    if environment.get(f"{PREFIX}DEVELOPMENT") == "true":
        known |= {"FAILPOINT"}  # tests kill a service with it (shared/failpoints.py); never in production
    sentences = []
    for given in sorted(name.removeprefix(PREFIX) for name in environment):
        if given in known:
            continue
        # Compared without the prefix, which would make everything look alike.
        near = difflib.get_close_matches(given, files if given.endswith("_FILE") else names, n=2, cutoff=0.8)
        advice = f"did you mean {' or '.join(PREFIX + name for name in near)}?" if near else "remove it."
        sentences.append(f"{PREFIX}{given} is no setting of {cls.service}: {advice}")
    return sentences


def _file_problems(cls: type[Settings]) -> list[str]:
    """Of those that are named, and of those that are mounted."""
    environment, sentences = _environment(), []
    for field_name in cls.model_fields:
        name, path = variable(field_name), _file_of(field_name)
        named = environment.get(f"{name}_FILE")
        if named and environment.get(name):
            sentences.append(f"{name} and {name}_FILE are both set: keep one of them.")
        if path is None:
            continue
        file = f"{name}_FILE names a file that" if named else str(path)
        try:
            text = read_exactly(path)
        except FileProblem as problem:
            sentences.append(f"{file} {problem}.")
            continue
        if field_name == IDENTITY_KEY and text != text.strip():
            sentences.append(
                f"{file} begins or ends with blanks or empty lines, which earlier versions did not count: take them "
                "out, as this key must stay what it was."
            )
    return sentences


def _sentence(cls: type[Settings], error: Any) -> str:
    location = [str(part) for part in error["loc"]]
    field = cls.model_fields.get(location[0]) if location else None
    if field is None:
        return f"The settings of {cls.service} are not valid: {error['type']}."
    name, description = variable(location[0]), (field.description or "").split(";")[0]
    if error["type"] == "missing":
        return f"{name} is missing: set it ({description})."
    if error["type"] == "setting":
        return f"{name} {error['msg']}."
    # Pydantic's texts for the types used here are made from the schema; what could quote goes to the value.
    return f"{name}{_given(field, error['input'])} is not accepted: {error['msg'].lower()} ({description})."


def _given(field: FieldInfo, value: object) -> str:
    # Only plain values, as an address may have a password in it and a secret is one.
    shown = isinstance(value, str) and field.annotation in (int, float, bool) and len(value) <= 20
    return f"={redact(str(value))!r}" if shown else ""


def _type_name(field: FieldInfo) -> str:
    annotation = str(field.annotation)
    if "SecretStr" in annotation:
        return "secret"
    if "Opd" in annotation or "tuple" in annotation or "dict" in annotation:
        return "list"
    if "Literal" in annotation:
        return " or ".join(re.findall(r"'(\w+)'", annotation))
    for kind, name in (("bool", "true or false"), ("int", "whole number"), ("float", "number")):
        if kind in annotation:
            return name
    return "text"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{field.default}`" if field.default not in ("", {}) else "empty"
