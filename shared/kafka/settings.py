"""How an administrator reaches Kafka: for the set-up step, the command line and a stack that is given."""

from typing import ClassVar

from pydantic import Field

from shared.kafka.connection import SCRAM, KafkaConnection, Mechanism
from shared.settings.reading import FromEnvironment
from shared.settings.types import (
    CertificateFile,
    KafkaAddresses,
    KafkaPassword,
    KafkaSecurity,
    TopicPrefix,
    Visible,
)


class AdministratorSettings(FromEnvironment):
    """The names are those of `shared.settings.common.Settings`; the user is one who may change rights."""

    service: ClassVar[str] = "kafka_setup"

    development: bool = Field(False, description="Allows Kafka without credentials; never in production")
    kafka: KafkaAddresses = Field(
        "127.0.0.1:9092", description="Kafka bootstrap servers, host:port separated by commas"
    )
    kafka_security: KafkaSecurity = Field("sasl_ssl", description="As for the services")
    kafka_mechanism: Mechanism = Field(
        SCRAM,
        description="`plain` for an administrator whom the broker knows from its own configuration, as in Compose",
    )
    kafka_user: Visible = Field(
        "admin", description="Who administers Kafka: may make topics, users, rights and quotas"
    )
    kafka_password: KafkaPassword = Field(
        None,
        validate_default=True,
        description="The administrator's password; KOMPETEN_KAFKA_PASSWORD_FILE names a file that has it",
    )
    kafka_ca: CertificateFile = Field(
        None, description="As for the services", examples=["/run/secrets/kafka_ca.pem"]
    )
    topic_prefix: TopicPrefix = Field("", description="As for the services", examples=["kota."])

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
