"""Who administers Kafka: options, then the environment, then what `make up` wrote down.

The command line alone makes topics, users and rights, with an administrator's own password. No service could.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr, ValidationError

from shared.cli.errors import CannotAsk
from shared.kafka_admin import KafkaAdmin
from shared.kafka_connection import KafkaConnection
from shared.kafka_settings import AdministratorSettings

PANEL: Final = "Kafka, as its administrator"


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
        try:
            said: dict[str, Any] = dict(self.given)
            if self.password_file is not None:
                said["kafka_password"] = _secret(self.password_file)
            settings = AdministratorSettings(**said)
        except ValidationError as error:
            raise CannotAsk("; ".join(_sentence(one) for one in error.errors(include_url=False))) from None
        except OSError as error:
            raise CannotAsk(
                f"the password file of Kafka's administrator cannot be read ({type(error).__name__}): name another"
                " one with --kafka-password-file"
            ) from None
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
    return SecretStr(file.read_text(encoding="utf-8").removesuffix("\n"))


def _sentence(error: Any) -> str:
    option = str(error["loc"][0]) if error["loc"] else "kafka"
    return f"KOMPETEN_{option.upper()} (--{option.replace('_', '-')}) {error['msg']}"
