"""Who administers Kafka: options, then the environment, then what `make up` wrote down.

The command line alone makes topics, users and rights, with an administrator's own password. No service could.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr

from cli.errors import CannotAsk
from shared.kafka.admin import KafkaAdmin
from shared.kafka.connection import KafkaConnection
from shared.kafka.settings import AdministratorSettings
from shared.settings.reading import WrongSettings, read
from shared.settings.sources import PREFIX, FileProblem, read_exactly

PANEL: Final = "Kafka, as its administrator"
OPTIONS: Final = ("kafka", "kafka_user", "kafka_security", "kafka_mechanism", "kafka_ca")


@dataclass(frozen=True)
class KafkaAccess:
    """What options and environment say of Kafka's administrator; None where they are silent."""

    given: Mapping[str, str] = field(default_factory=dict)
    password_file: Path | None = None

    def admin(self, stack: Path) -> KafkaAdmin:
        """Raises CannotAsk when nothing says where Kafka is and as whom to speak to it. `stack`: what `make up`
        wrote; used where nothing else names a broker."""
        local = {} if self._names_a_broker else _described(stack)
        if (known := local.get("kafka_admin")) is not None:
            return KafkaAdmin(KafkaConnection(**known), str(local.get("topic_prefix", "")))
        said: dict[str, Any] = dict(self.given)
        if self.password_file is not None:
            said["kafka_password"] = _secret(self.password_file)
        try:
            settings = read(AdministratorSettings, **said)
        except WrongSettings as wrong:
            raise CannotAsk(" ".join(map(_with_option, wrong.sentences)).removesuffix(".")) from None
        return KafkaAdmin(settings.connection(), settings.topic_prefix)

    @property
    def _names_a_broker(self) -> bool:
        return "kafka" in self.given


def kafka_access(
    *,
    kafka: Annotated[
        str | None,
        typer.Option(envvar="KOMPETEN_KAFKA", help="Broker, host:port", rich_help_panel=PANEL),
    ] = None,
    kafka_user: Annotated[
        str | None,
        typer.Option(envvar="KOMPETEN_KAFKA_USER", help="Who may change rights", rich_help_panel=PANEL),
    ] = None,
    kafka_password_file: Annotated[
        Path | None,
        typer.Option(
            envvar="KOMPETEN_KAFKA_PASSWORD_FILE", help="Holds that one's password", rich_help_panel=PANEL
        ),
    ] = None,
    kafka_security: Annotated[
        str | None,
        typer.Option(
            envvar="KOMPETEN_KAFKA_SECURITY",
            help="sasl_ssl, or sasl_plaintext on a network of its own",
            rich_help_panel=PANEL,
        ),
    ] = None,
    kafka_mechanism: Annotated[
        str | None,
        typer.Option(
            envvar="KOMPETEN_KAFKA_MECHANISM", help="scram-sha-512, or plain", rich_help_panel=PANEL
        ),
    ] = None,
    kafka_ca: Annotated[
        str | None,
        typer.Option(
            envvar="KOMPETEN_KAFKA_CA",
            help="Who signed the broker's certificate (PEM)",
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> KafkaAccess:
    given = {
        "kafka": kafka,
        "kafka_user": kafka_user,
        "kafka_security": kafka_security,
        "kafka_mechanism": kafka_mechanism,
        "kafka_ca": kafka_ca,
    }
    return KafkaAccess({name: value for name, value in given.items() if value}, kafka_password_file)


def _described(stack: Path) -> dict[str, Any]:
    try:
        described = json.loads(stack.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return described if isinstance(described, dict) else {}


def _secret(file: Path) -> SecretStr:
    try:
        return SecretStr(read_exactly(file))
    except FileProblem as problem:
        raise CannotAsk(
            f"KOMPETEN_KAFKA_PASSWORD_FILE (--kafka-password-file) names a file that {problem}"
        ) from None


def _with_option(sentence: str) -> str:
    """Beside the variable, as whoever typed the option knows it by that."""
    name, rest = re.fullmatch(r"(\w+)(.*)", sentence, re.DOTALL).groups()  # type: ignore[union-attr]
    option = name.removeprefix(PREFIX).lower()
    return f"{name} (--{option.replace('_', '-')}){rest}" if option in OPTIONS else sentence
