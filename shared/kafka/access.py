"""Whether Kafka lets a user in: asked on a connection of its own.

aiokafka's clients log a refused password and say "unable to bootstrap" (KafkaConnectionError), as if nobody were
there, and go on without a word when one is refused later. So this asks again, and tells.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from shared.kafka.connection import KafkaConnection

SET_UP: Final = "python -m shared.kafka_setup"
ANSWERED_WITHIN_S: Final = 3.0


class NoAccess(Exception):
    """Nobody is let in with these credentials, or nobody answers; the text says which, for readiness."""


class Refused(NoAccess):
    """Kafka answers, and will not let this user in until somebody changes something."""


@asynccontextmanager
async def connected(kafka: KafkaConnection, client_id: str) -> AsyncIterator[AIOKafkaConnection]:
    """To the first broker that lets us in. Raises Refused if one does not, NoAccess if none answers."""
    connection = await _connect(kafka, client_id)
    try:
        yield connection
    finally:
        connection.close()


async def explained(kafka: KafkaConnection, error: KafkaError | TimeoutError) -> str:
    """A sentence for an error of one of aiokafka's clients that connected as `kafka` says."""
    if isinstance(error, TopicAuthorizationFailedError):
        return f"Kafka does not let user {kafka.user!r} use topic {_names(error)}: grant its rights with `{SET_UP}`"
    if isinstance(error, ClusterAuthorizationFailedError):
        return f"Kafka does not let user {kafka.user!r} write any topic: grant its rights with `{SET_UP}`"
    if isinstance(error, GroupAuthorizationFailedError):
        return f"Kafka does not let user {kafka.user!r} use group {_names(error)}: grant its rights with `{SET_UP}`"
    if isinstance(error, KafkaConnectionError):
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S), connected(kafka, "kompeten-access"):
                pass
        except NoAccess as why:
            return str(why)
        except TimeoutError:
            pass
    return f"Kafka: {type(error).__name__}"


async def _connect(kafka: KafkaConnection, client_id: str) -> AIOKafkaConnection:
    options = {**kafka.security_options(), "request_timeout_ms": int(ANSWERED_WITHIN_S * 1000)}
    why = ""
    for host, port in kafka.addresses():
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                connection: AIOKafkaConnection = await create_conn(host, port, client_id=client_id, **options)
                if kafka.security == "plaintext":
                    # A listener that asks who somebody is lets anybody connect, and hangs up at the first request.
                    await connection.send(MetadataRequest([]))
            return connection
        except (KafkaError, OSError, TimeoutError) as error:
            if refusal := _refusal(kafka, error):
                raise Refused(refusal) from error
            why = type(error).__name__
    raise NoAccess(
        f"Kafka does not answer at {kafka.bootstrap}, spoken to by {kafka.security} ({why}): see whether "
        "it runs, and whether KOMPETEN_KAFKA and KOMPETEN_KAFKA_SECURITY are those of one of its listeners"
    )


def _refusal(kafka: KafkaConnection, error: BaseException) -> str:
    """Why Kafka will go on refusing; empty for what may pass by itself."""
    if isinstance(error, SaslAuthenticationFailed):
        return (
            f"Kafka does not know user {kafka.user!r} by the password in KOMPETEN_KAFKA_PASSWORD: "
            f"set the right one, or set this one in Kafka with `{SET_UP}`"
        )
    if isinstance(error, UnsupportedSaslMechanismError | IllegalSaslStateError):
        return (
            f"Kafka takes no {kafka.mechanism.upper()} at {kafka.bootstrap}: "
            "set KOMPETEN_KAFKA to a listener that does"
        )
    if isinstance(error, KafkaConnectionError) and kafka.security == "plaintext":
        return (
            f"Kafka asks at {kafka.bootstrap} who somebody is: set KOMPETEN_KAFKA_SECURITY and _PASSWORD, "
            "and take KOMPETEN_KAFKA_SECURITY=plaintext away"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"Kafka's certificate at {kafka.bootstrap} is not trusted ({error.verify_message}): "
            "set KOMPETEN_KAFKA_CA to the file of the authority that signed it"
        )
    return ""


def _names(error: KafkaError) -> str:
    found = error.args[0] if error.args else "?"
    return ", ".join(sorted(found)) if isinstance(found, set | frozenset | list | tuple) else str(found)
