"""How an administrator reaches Kafka: for the set-up step, the command line and a stack that is given."""

import os
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.kafka_connection import SCRAM, KafkaConnection, Mechanism
from shared.setting_types import CertificateFile, KafkaPassword, KafkaSecurity

SECRETS_DIR: Final = Path("/run/secrets")
_FILE: Final = "KOMPETEN_KAFKA_PASSWORD_FILE"
_MOUNTED: Final = SECRETS_DIR / "kompeten_kafka_password"


def _password() -> SecretStr | None:
    """From the file that is named, or mounted as Docker does; one final newline is none of it."""
    path = Path(os.environ[_FILE]) if os.environ.get(_FILE) else _MOUNTED
    if path == _MOUNTED and not path.is_file():
        return None
    return SecretStr(path.read_text(encoding="utf-8").removesuffix("\n"))


class AdministratorSettings(BaseSettings):
    """The names are those of `shared.settings.Settings`; the user is one who may change rights."""

    model_config = SettingsConfigDict(
        env_prefix="KOMPETEN_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )
    development: bool = Field(False, description="Allows Kafka without credentials; never in production")
    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port separated by commas")
    kafka_security: KafkaSecurity = Field("sasl_ssl", description="As for the services")
    kafka_mechanism: Mechanism = Field(
        SCRAM,
        description="`plain` for an administrator whom the broker knows from its own configuration, as in Compose",
    )
    kafka_user: str = Field(
        "admin", description="Who administers Kafka: may make topics, users, rights and quotas"
    )
    kafka_password: KafkaPassword = Field(
        default_factory=_password,
        validate_default=True,
        description="The administrator's password; KOMPETEN_KAFKA_PASSWORD_FILE names a file that has it",
    )
    kafka_ca: CertificateFile = Field(None, description="As for the services")
    topic_prefix: str = Field("", description="As for the services")

    def connection(self) -> KafkaConnection:
        password = "" if self.kafka_password is None else self.kafka_password.get_secret_value()
        return KafkaConnection(
            self.kafka,
            self.kafka_user,
            password,
            self.kafka_security,
            self.kafka_mechanism,
            self.kafka_ca or "",
        )


def administrator() -> AdministratorSettings:
    """From KOMPETEN_* variables; raises ValidationError, or OSError for a password file that cannot be read."""
    return AdministratorSettings()
