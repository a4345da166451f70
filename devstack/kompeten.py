"""Runs Kompeten itself on a stack: its topics and users, and the three services as processes."""

import json
import os
import secrets
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from devstack.choose import Stack
from devstack.ports import free_ports, url_answers
from devstack.processes import Child, Processes
from shared.contracts.rights import agency_user, service_user
from shared.contracts.services import SERVICES as DECLARED
from shared.contracts.topics import topic_specs
from shared.kafka.admin import AgencyQuota, KafkaAdmin
from shared.kafka.connection import SCRAM, KafkaConnection

SERVICES = tuple(service.name for service in DECLARED)
READY_WITHIN_S = 60.0
# As in deploy/Dockerfile: without them glibc keeps 20 to 30 MB more for each service, in an arena for each thread.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "1000000"}
# A demo or a test sends in seconds what an agency sends in a year.
LOCAL_QUOTA = AgencyQuota(producer_byte_rate=64 * 1024 * 1024, request_percentage=400)
ROLES = ("employee", "supervisor", "officer", "agency", "operator", "auditor")


@dataclass
class Kompeten:
    """The product as it runs; `env` is what each service was started with."""

    stack: Stack
    agencies: tuple[str, ...]
    topic_prefix: str
    database_prefix: str
    urls: dict[str, str]
    internal_urls: dict[str, str]
    """Where each tells its figures and describes its API."""
    env: dict[str, dict[str, str]]
    kafka_passwords: dict[str, str] = field(default_factory=dict, repr=False)
    """By user, of services and agencies."""
    children: dict[str, Child] = field(default_factory=dict)

    def database(self, service: str) -> str:
        return f"{self.database_prefix}_{service}"

    def kafka_of_service(self, service: str) -> KafkaConnection:
        return self._kafka(service_user(service, self.topic_prefix))

    def kafka_of_agency(self, opd: str) -> KafkaConnection:
        return self._kafka(agency_user(opd, prefix=self.topic_prefix))

    def _kafka(self, user: str) -> KafkaConnection:
        """On a stack that is given and asks nobody, as nobody."""
        if self.stack.kafka.security == "plaintext":
            return self.stack.kafka
        return replace(self.stack.kafka, user=user, password=self.kafka_passwords[user], mechanism=SCRAM)

    def token(self, role: str, **claims: str) -> str:
        """An access token of the local issuer; `employee_number` and `opd` say for whom."""
        request = urllib.request.Request(  # noqa: S310 - an address of our own stack
            f"{self.stack.issuer}/token",
            json.dumps({"role": role, **claims}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return str(json.load(answer)["access_token"])

    def describe(self) -> dict[str, object]:
        """For anybody's script: addresses, process ids, where to get a token."""
        return {
            "kafka": self.stack.kafka.bootstrap,
            "kafka_admin": asdict(self.stack.kafka),
            "kafka_users": {opd: _credentials(self.kafka_of_agency(opd)) for opd in self.agencies},
            "mongo": self.stack.mongo,
            "smtp": self.stack.smtp,
            "mail_page": self.stack.mail_page,
            "issuer": self.stack.issuer,
            "took": self.stack.took,
            "agencies": list(self.agencies),
            "topic_prefix": self.topic_prefix,
            "databases": {name: self.database(name) for name in SERVICES},
            "services": self.urls,
            "internal": self.internal_urls,
            "pids": {name: child.pid for name, child in self.children.items()},
            "tokens": {
                role: {
                    "method": "POST",
                    "url": f"{self.stack.issuer}/token",
                    "json": _wish(role, self.agencies[0]),
                }
                for role in ROLES
            },
        }


def _credentials(kafka: KafkaConnection) -> dict[str, str]:
    """In librdkafka's words, which kcat takes too."""
    return {name: value for name, value in kafka.librdkafka().items() if name != "bootstrap.servers"}


def _wish(role: str, opd: str) -> dict[str, str]:
    wish = {"role": role}
    if role in ("employee", "supervisor"):
        wish["employee_number"] = "198501012010011001"
    if role in ("agency", "officer", "supervisor"):
        wish["opd"] = opd
    return wish


def configure(
    stack: Stack,
    agencies: Sequence[str],
    *,
    topic_prefix: str = "",
    database_prefix: str = "kompeten",
    public_url: str | None = None,
    settings: Mapping[str, Mapping[str, str]] | None = None,
    bodies: Mapping[str, str] | None = None,
) -> Kompeten:
    """Settings for each service, on free ports; `settings` adds to them by service (`*`: for all). `bodies`: by code the
    agency that issues for it, empty where nobody is confirmed; each agency issues in its own name besides.

    Each has a user of its own in Kafka, whom `make_topics` makes."""
    every = free_ports(2 * len(SERVICES))
    ports = dict(zip(SERVICES, every[: len(SERVICES)], strict=True))
    internal = dict(zip(SERVICES, every[len(SERVICES) :], strict=True))
    urls, internal_urls = _urls(ports), _urls(internal)
    smtp_host, _, smtp_port = stack.smtp.rpartition(":")
    common = {
        "KOMPETEN_DEVELOPMENT": "true",
        "KOMPETEN_KAFKA": stack.kafka.bootstrap,
        "KOMPETEN_KAFKA_SECURITY": stack.kafka.security,
        **({"KOMPETEN_KAFKA_CA": stack.kafka.ca} if stack.kafka.ca else {}),
        "KOMPETEN_MONGO": stack.mongo,
        "KOMPETEN_DATABASE_PREFIX": database_prefix,
        "KOMPETEN_TOPIC_PREFIX": topic_prefix,
        "KOMPETEN_AGENCIES": ",".join(agencies),
        "KOMPETEN_PUBLIC_URL": public_url or urls["enrollment"],
        "KOMPETEN_SECRET": secrets.token_hex(32),
        "KOMPETEN_OIDC_ISSUER": stack.issuer,
    }
    issuers = {opd.upper(): opd for opd in agencies} | dict(bodies or {})
    # Nobody who tries it out waits five minutes for the mail of a correction.
    own = {"enrollment": {"KOMPETEN_BODIES": ",".join(f"{code}={opd}".rstrip("=") for code, opd in issuers.items())},
           "notification": {"KOMPETEN_SMTP_HOST": smtp_host, "KOMPETEN_SMTP_PORT": smtp_port,
                            "KOMPETEN_MAIL_FROM": "Kompeten Kota Bandung <kompeten@bandung.example>",
                            "KOMPETEN_REISSUE_QUIET_S": "1"}}  # fmt: skip
    added = settings or {}
    users = [service_user(name, topic_prefix) for name in SERVICES]
    users += [agency_user(opd, prefix=topic_prefix) for opd in agencies]
    passwords = {user: secrets.token_hex(24) for user in users}
    env = {
        name: {
            **common,
            "KOMPETEN_KAFKA_PASSWORD": passwords[service_user(name, topic_prefix)],
            "KOMPETEN_HTTP_PORT": str(ports[name]),
            "KOMPETEN_INTERNAL_PORT": str(internal[name]),
            **own.get(name, {}),
            **added.get("*", {}),
            **added.get(name, {}),
        }
        for name in SERVICES
    }
    return Kompeten(
        stack, tuple(agencies), topic_prefix, database_prefix, urls, internal_urls, env, passwords
    )


def _urls(ports: Mapping[str, int]) -> dict[str, str]:
    return {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def make_topics(kompeten: Kompeten) -> None:
    """With the users of services and agencies, and what each may do. Not inside an event loop."""
    admin = KafkaAdmin(kompeten.stack.kafka, kompeten.topic_prefix)
    admin.ensure_topics(topic_specs(kompeten.agencies, kompeten.topic_prefix))
    if kompeten.stack.kafka.security == "plaintext":
        return
    admin.ensure_services({name: kompeten.kafka_of_service(name).password for name in SERVICES})
    for opd in kompeten.agencies:
        user = kompeten.kafka_of_agency(opd)
        admin.ensure_agency(opd, user.user, user.password, LOCAL_QUOTA)


def start(kompeten: Kompeten, processes: Processes, names: Sequence[str] = SERVICES) -> None:
    """Starts the services and waits until each is ready, and senders are judged by the register of bodies."""
    for name in names:
        launch(kompeten, processes, name)
    for name in names:
        kompeten.children[name].wait_ready(
            partial(url_answers, f"{kompeten.urls[name]}/health/ready"), READY_WITHIN_S
        )
    if "enrollment" in names:
        kompeten.children["enrollment"].wait_ready(partial(_has_bodies, kompeten), READY_WITHIN_S)


def _has_bodies(kompeten: Kompeten) -> bool:
    request = urllib.request.Request(  # noqa: S310 - an address of our own stack
        f"{kompeten.urls['enrollment']}/bodies",
        headers={"authorization": f"Bearer {kompeten.token('auditor')}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return bool(json.load(answer))


def launch(kompeten: Kompeten, processes: Processes, name: str, **env: str) -> Child:
    """Starts one service without waiting; `env` adds to its settings."""
    wanted = {**kompeten.env[name], **env}
    # The starter's own variables (KOMPETEN_CACHE, KOMPETEN_SMTP) are no settings of a service, which refuses them.
    foreign = {name: None for name in os.environ if name.startswith("KOMPETEN_") and name not in wanted}
    child = processes.start_python(name, f"services.{name}", env={**foreign, **ALLOCATOR, **wanted})
    kompeten.children[name] = child
    return child


def write_description(kompeten: Kompeten, path: Path) -> None:
    """Whole or not at all: scripts wait for the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)  # it has passwords
    partial.write_text(json.dumps(kompeten.describe(), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
