"""What somebody may do in Kafka, found out by doing it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from shared.kafka.connection import KafkaConnection

SOON_S: Final = 10.0


@asynccontextmanager
async def producer(kafka: KafkaConnection, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        **kafka.options(), acks="all", enable_idempotence=True, request_timeout_ms=5_000, **options
    ) as made:
        yield made


async def writes(kafka: KafkaConnection, *topics: str) -> set[str]:
    """Those that it may write."""
    try:
        async with producer(kafka) as sender:
            return {
                topic
                for topic in topics
                if await allowed(lambda topic=topic: sender.send_and_wait(topic, b"{}", partition=0))
            }
    except ClusterAuthorizationFailedError:  # who may write nothing gets no idempotent producer
        return set()


async def reads(kafka: KafkaConnection, *topics: str) -> set[str]:
    """Those that it gets a record of."""
    async with AIOKafkaConsumer(**kafka.options(), enable_auto_commit=False) as consumer:

        async def first(topic: str) -> object:
            await consumer._client._wait_on_metadata(topic)  # else the client waits for ever
            consumer.assign([tp := TopicPartition(topic, 0)])
            consumer.seek(tp, 0)
            return await consumer.getone()

        return {topic for topic in topics if await allowed(lambda topic=topic: first(topic))}


async def allowed(attempt: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(SOON_S):
            await attempt()
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
        return False
    return True
