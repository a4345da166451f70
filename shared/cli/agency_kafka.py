"""What an agency has in Kafka: who administers that, what differs from the register, and passwords.

The command line alone does this, with an administrator's own password. No service could, and none learns a password.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr, ValidationError

from shared.cli.answers import Agency
from shared.cli.errors import CannotAsk
from shared.kafka_admin import AgencyQuota, AgencyState, KafkaAdmin
from shared.kafka_connection import KafkaConnection
from shared.kafka_settings import AdministratorSettings

PANEL: Final = "Kafka, as its administrator"
PASSWORD_BYTES: Final = 24


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


# Passwords.


@dataclass(frozen=True)
class Handed:
    """A new password, on its way to the agency: into a file that only its owner may read, or shown once."""

    file: Path | None
    again: bool = False
    """One that is in the file already is taken: it is of a run that was interrupted."""

    @cached_property
    def password(self) -> str:
        """Written before Kafka learns it: what nobody holds would have to be set again."""
        if self.file is None:
            return _new_password()
        try:
            if self.again and self.file.exists():
                return self.file.read_text(encoding="utf-8").removesuffix("\n")
            self.file.touch(mode=0o600, exist_ok=False)
            password = _new_password()
            self.file.write_text(password + "\n", encoding="utf-8")
        except FileExistsError:
            raise CannotAsk(f"{self.file} is there already: name another file, or remove this one") from None
        except OSError as error:
            raise CannotAsk(
                f"{self.file} cannot be read or written ({error.strerror}): name another one"
            ) from None
        return password

    def told(self) -> str:
        return f"in {self.file}, for its owner alone" if self.file is not None else self.password


def _new_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


# Register and Kafka, side by side.


def quota_of(
    bytes_per_s: int | None, request_percent: int | None, stands: Agency | None
) -> dict[str, int] | None:
    """What is to stand in the register; None when neither is named. What is not named stays, or is the usual."""
    if bytes_per_s is None and request_percent is None:
        return None
    known = None if stands is None else stands.quota
    usual = AgencyQuota()
    bytes_before = usual.producer_byte_rate if known is None else known.bytes_per_s
    percent_before = usual.request_percentage if known is None else known.request_percent
    return {
        "bytes_per_s": bytes_before if bytes_per_s is None else bytes_per_s,
        "request_percent": percent_before if request_percent is None else request_percent,
    }


def in_kafka(quota: Mapping[str, int] | None) -> AgencyQuota | None:
    """A quota of the register in Kafka's words."""
    if quota is None:
        return None
    return AgencyQuota(producer_byte_rate=quota["bytes_per_s"], request_percentage=quota["request_percent"])


def users_of(agency: Agency, admin: KafkaAdmin) -> list[str]:
    """Those of the register; of an agency that was connected before there was one, those that Kafka has."""
    return agency.kafka_users or admin.agency_users(agency.code)


def differences(agency: Agency, found: AgencyState) -> list[str]:
    """What Kafka has otherwise than the register says; one sentence each, with what mends it."""
    users = {user.name: user for user in found.users}
    told = [] if found.topic else [f"its topic is missing: `kompeten agency add {agency.code}` makes it"]
    for name in agency.kafka_users:
        user = users.get(name)
        if user is None or not user.may_write:
            told.append(
                f"user {name} is missing or may not write: `kompeten agency rotate {agency.code}` makes one"
            )
        elif user.denied and agency.active:
            told.append(f"user {name} is denied: `kompeten agency resume {agency.code}` lets it in")
        elif not user.denied and not agency.active:
            told.append(f"user {name} is not denied: `kompeten agency suspend {agency.code}` shuts it out")
    told += [
        f"user {user.name} can write and is not in the register: `kompeten agency rotate {agency.code}` replaces it"
        for user in found.users
        if agency.kafka_users and user.name not in agency.kafka_users and user.may_write and not user.denied
    ]
    return told + _quota_differences(agency, found)


def _quota_differences(agency: Agency, found: AgencyState) -> list[str]:
    wanted = in_kafka(None if agency.quota is None else agency.quota.model_dump())
    if wanted is None:
        return []
    return [
        f"the quota of {user.name} is another one: `kompeten agency change {agency.code}` sets it"
        for user in found.users
        if user.name in agency.kafka_users and dict(user.quota) != wanted.of_user()
    ]


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
