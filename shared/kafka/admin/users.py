"""SCRAM users: Kafka keeps salted hashes of their passwords in its own log, never the passwords."""

from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from shared.kafka.admin.errors import AdminError, translated
from shared.kafka.admin.waiting import TIMEOUT_S

SCRAM: Final = ScramMechanism.SCRAM_SHA_512
# The least that Kafka takes: passwords are random, so that more would only make connecting slower.
ITERATIONS: Final = 4096
PASSWORD_MIN_CHARS: Final = 16


class Users:
    def __init__(self, client: AdminClient) -> None:
        self._client = client

    def all(self) -> set[str]:
        with translated("users could not be read"):
            described: Any = self._client.describe_user_scram_credentials(request_timeout=TIMEOUT_S)
            return set(described.result())

    def set_password(self, user: str, password: str) -> None:
        """Makes the user if there is none; open connections go on."""
        if len(password) < PASSWORD_MIN_CHARS:
            raise AdminError(
                f"the password of {user} has fewer than {PASSWORD_MIN_CHARS} characters: "
                "generate it with 'openssl rand -hex 24'"
            )
        upsertion = UserScramCredentialUpsertion(
            user, ScramCredentialInfo(SCRAM, ITERATIONS), password.encode()
        )
        with translated(f"the password of {user} could not be set"):
            self._client.alter_user_scram_credentials([upsertion], request_timeout=TIMEOUT_S)[user].result()

    def delete(self, user: str) -> None:
        """Nothing to do when there is none. Open connections go on: take their rights first."""
        deletion = UserScramCredentialDeletion(user, SCRAM)
        with translated(f"user {user} could not be deleted"):
            try:
                self._client.alter_user_scram_credentials([deletion], request_timeout=TIMEOUT_S)[
                    user
                ].result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.RESOURCE_NOT_FOUND:
                    raise
