"""What all services are told by `KOMPETEN_*` variables and files, and the reference of it."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic.fields import FieldInfo

from shared.contracts.rights import service_user
from shared.kafka.connection import KafkaConnection
from shared.pipeline.epochs import MAX_EPOCH
from shared.settings.hosts import resolves_here
from shared.settings.names import known, unknown
from shared.settings.reading import EXIT_STATUS, FromEnvironment
from shared.settings.sentences import ANY_TEXT, example, form, is_secret
from shared.settings.sources import PREFIX, FileProblem, read_exactly, variable
from shared.settings.types import (
    LEADS_HERE,
    MAX_WAIT_H,
    CertificateFile,
    Host,
    HttpUrl,
    KafkaAddresses,
    KafkaPassword,
    KafkaSecurity,
    MongoUrl,
    OpdCodes,
    ProtectedUrl,
    PublicUrl,
    Secret,
    TopicPrefix,
    Visible,
    WaitingBudgets,
    text_of,
)

_UNITS: Final = {
    "_s": "seconds",
    "_h": "hours",
    "_days": "days",
    "_per_second": "events a second",
    "_a_day": "mails",
}


class Settings(FromEnvironment):
    """What all services share; a service subclasses it, sets `service` and adds its own fields."""

    # First, as checks of later fields depend on it.
    development: bool = Field(False, description="Allows localhost and plain http; never in production")
    kafka: KafkaAddresses = Field(
        "127.0.0.1:9092",
        description="Kafka bootstrap servers, host:port separated by commas",
        examples=["kafka-1:9092,kafka-2:9092"],
    )
    kafka_security: KafkaSecurity = Field(
        "sasl_ssl",
        description="How Kafka is spoken to: with credentials and TLS (sasl_ssl), with credentials on a network that "
        "nobody else reaches (sasl_plaintext), or, in development only, without any (plaintext)",
    )
    kafka_user: Visible = Field(
        "",
        description="User in Kafka (SCRAM-SHA-512); without it KOMPETEN_TOPIC_PREFIX and the service's name",
        examples=["SERVICE"],
    )
    kafka_password: KafkaPassword = Field(
        None, validate_default=True, description="Password of the user in Kafka; needed unless plaintext"
    )
    kafka_ca: CertificateFile = Field(
        None,
        description="File of the authority that signed Kafka's certificate (PEM); without it the system's own",
        examples=["/run/secrets/kafka_ca.pem"],
    )
    mongo: MongoUrl = Field(
        description="MongoDB address, with its password; needs a replica set",
        examples=["mongodb://SERVICE:PASSWORD@mongo:27017/?replicaSet=rs0"],
    )
    database_prefix: Annotated[
        str,
        text_of(r"[a-z][a-z0-9_]{0,30}", "at most 31 of a-z, 0-9 and '_', with a letter first"),
    ] = Field("kompeten", description="Start of each service's database name")
    topic_prefix: TopicPrefix = Field(
        "", description="Start of every topic name, for a shared cluster", examples=["kota."]
    )
    agencies: OpdCodes = Field(
        (),
        description="Agencies that the register begins with, at the very first start: codes separated by commas",
        examples=["diskominfo,bkpsdm"],
    )
    http_host: Host = Field("127.0.0.1", description="Address to listen on")
    http_port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    internal_host: Host = Field(
        "127.0.0.1",
        description="Address to listen on for metrics and the API's description; never the public's",
    )
    internal_port: int = Field(9000, ge=0, le=65535, description="Port for them; 0 takes any free one")
    public_url: PublicUrl = Field(
        description="Address under which the public reaches Kompeten, with path; in certificates and mails",
        examples=["https://kompeten.bandung.go.id"],
    )
    secret: Secret = Field(
        description="Identity key, 32 characters or more: ids, codes and digests come from it, so it stays for good"
    )
    oidc_issuer: ProtectedUrl = Field(
        description="Issuer of access tokens, exactly as in the token's 'iss'",
        examples=["https://sso.bandung.go.id/realms/asn"],
    )
    oidc_audience: Visible = Field("kompeten", description="Audience that access tokens must name")
    oidc_jwks_url: ProtectedUrl | None = Field(
        None,
        description="Address of the issuer's keys; without it, found by the issuer's discovery document",
        examples=["https://sso.bandung.go.id/realms/asn/protocol/openid-connect/certs"],
    )
    oidc_roles_claim: Visible = Field(
        "roles", description="Claim with the roles, or a path such as realm_access.roles"
    )
    oidc_employee_number_claim: Visible = Field(
        "employee_number", description="Claim with the NIP or NI PPPK, as text"
    )
    oidc_opd_claim: Visible = Field(
        "opd", description="Claim with the agency code; in officers' tokens * is all of them"
    )
    otlp_endpoint: HttpUrl | None = Field(
        None,
        description="OpenTelemetry collector for traces (OTLP over HTTP); without it, no traces",
        examples=["http://collector:4318"],
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged"
    )
    waiting_budget_h: float = Field(
        24,
        gt=0,
        le=MAX_WAIT_H,
        description="Hours that an event waits for what it lacks, then it is a dead letter",
    )
    waiting_budgets_h: WaitingBudgets = Field(
        {},
        description="Other hours for single event types: type=hours, separated by commas",
        examples=["id.go.bandung.training.completed.v1=72"],
    )
    epoch: int = Field(
        0,
        ge=0,
        le=MAX_EPOCH,
        description="Raise by one, for good, after a restore from a backup: part of every id and version from then on",
    )
    stop_timeout_s: float = Field(20, gt=0, le=600, description="Seconds to finish work when told to stop")

    def kafka_connection(self) -> KafkaConnection:
        """As the service itself."""
        password = "" if self.kafka_password is None else self.kafka_password.get_secret_value()
        user = self.kafka_user or service_user(self.service, self.topic_prefix)
        return KafkaConnection(self.kafka, user, password, self.kafka_security, ca=self.kafka_ca or "")

    def faults(self) -> list[str]:
        host = urlsplit(self.public_url).hostname or ""
        if self.development or not resolves_here(host):
            return []
        found = "by what this machine finds its name to be"
        return [f"{variable('public_url')} {LEADS_HERE} ({found}: see /etc/hosts and DNS)."]


def reference_table(classes: Sequence[type[FromEnvironment]]) -> str:
    """Markdown: a row per variable with the services that read it; refuses a field that nobody could set by its row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for cls in classes:
        for name, field in cls.model_fields.items():
            if not field.description:
                raise ValueError(f"{cls.__name__}.{name} has no description: add one for the reference")
            if not example(name, field):
                raise ValueError(
                    f"{cls.__name__}.{name} has no example: add one, which sentences name as well"
                )
            row = (
                variable(name),
                _written(field),
                _unit(name),
                _default(field),
                _shown(field),
                field.description,
            )
            rows.setdefault(row, []).append(cls.service)
    lines = ["| variable | written as | unit | default | example | read by | description |", "|---" * 7 + "|"]
    for (name, *cells, description), services in sorted(rows.items()):
        readers = "all" if len(services) == len(classes) > 1 else ", ".join(sorted(services))
        shown = (f"`{name}`", *cells, readers, description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in shown) + " |")
    return "\n".join([*lines, ""])


def _written(field: FieldInfo) -> str:
    if is_secret(field):
        return "secret"
    if form(field) != ANY_TEXT:
        return form(field)
    return "list" if re.search("Opd|tuple|dict", str(field.annotation)) else "text"


def _unit(name: str) -> str:
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default in ("", (), {}):
        return "none"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _shown(field: FieldInfo) -> str:
    return f"`{field.examples[0]}`" if field.examples else ""


def check(file: Path) -> list[str]:
    """What is wrong with the names in an env file, a sentence each; values are looked at by who reads them."""
    try:
        lines = read_exactly(file).splitlines()
    except FileProblem as problem:
        return [f"{file} {problem}."]
    given = re.compile(rf"\s*(?:export\s+)?({PREFIX}\w*)\s*=\s*(.*)", re.IGNORECASE)
    names = {found[1].upper(): found[2] for line in lines if (found := given.match(line))}
    return unknown(names)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m shared.settings",
        description="The names of settings: lists them, or looks for misspelt ones.",
    )
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="an env file, such as .env, to look through"
    )
    chosen = parser.parse_args(arguments)
    if chosen.check is None:
        sys.stdout.write("".join(f"{name} {' '.join(readers)}\n" for name, readers in known().items()))
        return 0
    problems = check(chosen.check)
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return EXIT_STATUS if problems else 0
