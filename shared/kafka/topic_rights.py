"""What a user may do with topics, and whether they are as declared: for readiness, and before one administers.

A consumer notices a topic that vanished late, and a producer that is idle never; so readiness asks the broker."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from shared.kafka.access import ANSWERED_WITHIN_S, SET_UP, NoAccess, Refused, connected
from shared.kafka.connection import KafkaConnection

LOOK_EVERY_S: Final = 5.0
_UNKNOWN_TOPIC: Final = 3
_NOT_ALLOWED: Final = 29
# Bits of what a user may do (AclOperation in Kafka's protocol).
_BITS: Final = {"read": 3, "write": 4, "create": 5, "alter": 7, "describe": 8, "alter configs": 11}
_ADMINISTERS: Final = ("create", "alter", "describe", "alter configs")


class Wanted(NamedTuple):
    """What has to be so for one topic."""

    operations: Sequence[str]
    """`read`, `write`"""
    partitions: int


class TopicCheck:
    """What readiness says about a service's own topics; asks the broker at most every 5 s."""

    def __init__(self, kafka: KafkaConnection, wanted: Mapping[str, Wanted], client_id: str) -> None:
        self._kafka, self._wanted, self._client_id = kafka, wanted, client_id
        self._faults: list[str] = []
        self._looked_at = float("-inf")
        self._turn = asyncio.Lock()

    async def faults(self) -> list[str]:
        async with self._turn:
            if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
                self._faults = await self._look()
                self._looked_at = time.monotonic()
        return self._faults

    async def _look(self) -> list[str]:
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await topic_faults(self._kafka, self._wanted, self._client_id)
        except NoAccess as error:
            return [str(error)]
        except TimeoutError:
            return [f"Kafka does not answer within {ANSWERED_WITHIN_S:g} s; work goes on when it does"]


async def topic_faults(kafka: KafkaConnection, wanted: Mapping[str, Wanted], client_id: str) -> list[str]:
    """A sentence for each topic that is not there, not as declared, or not open to this user. Raises NoAccess."""
    found = await faults_by_topic(kafka, wanted, client_id)
    return [fault for faults in found.values() for fault in faults]


async def faults_by_topic(
    kafka: KafkaConnection, wanted: Mapping[str, Wanted], client_id: str
) -> dict[str, list[str]]:
    """The same, by topic; none for one that is well."""
    answer = await _metadata(kafka, sorted(wanted), client_id)
    asks_nobody = kafka.security == "plaintext"
    return {
        name: _faults(
            kafka.user,
            name,
            wanted[name],
            code=code,
            partitions=len(partitions),
            allowed=-1 if asks_nobody else allowed,
        )
        for code, name, _, partitions, allowed in answer.topics
    }


async def check_administrator(kafka: KafkaConnection) -> None:
    """Raises NoAccess unless this user may make topics, users and rights."""
    answer = await _metadata(kafka, [], "kompeten-admin")
    missing = [
        operation for operation in _ADMINISTERS if not _may(answer.cluster_authorized_operations, operation)
    ]
    if missing and kafka.security != "plaintext":
        raise Refused(
            f"user {kafka.user!r} does not administer Kafka: it may not {', '.join(missing)} in the cluster. "
            "Set KOMPETEN_KAFKA_USER and _PASSWORD of one who does"
        )


def _faults(user: str, topic: str, wanted: Wanted, *, code: int, partitions: int, allowed: int) -> list[str]:
    if code == _UNKNOWN_TOPIC:
        return [f"topic {topic} does not exist: create it with `{SET_UP}`"]
    if code == _NOT_ALLOWED:
        return [_may_not(user, wanted.operations, topic)]
    faults = []
    if partitions != wanted.partitions:
        faults.append(f"topic {topic} has {partitions} partitions, {wanted.partitions} are declared")
    missing = [operation for operation in wanted.operations if not _may(allowed, operation)]
    return [*faults, _may_not(user, missing, topic)] if missing else faults


def _may(allowed: int, operation: str) -> bool:
    return bool(allowed >> _BITS[operation] & 1)


def _may_not(user: str, operations: Sequence[str], topic: str) -> str:
    return f"user {user!r} may not {' or '.join(operations)} topic {topic}: grant its rights with `{SET_UP}`"


async def _metadata(kafka: KafkaConnection, topics: Sequence[str], client_id: str) -> Any:
    try:
        async with connected(kafka, client_id) as connection:
            return await asyncio.wait_for(connection.send(_Metadata(topics)), ANSWERED_WITHIN_S)
    except (KafkaError, OSError, TimeoutError) as error:
        raise NoAccess(f"Kafka did not say which topics there are ({type(error).__name__})") from error


class _MetadataResponse(Response):
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataRequest(RequestStruct):
    """KIP-430: the answer says what the asking user may do with each topic, and in the cluster."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Metadata(Request[_MetadataRequest]):
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        return request_struct_class(list(self._topics), False, True, True)
