"""Sends events to Kafka and waits until every replica in sync has them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from shared.failpoints import failpoint
from shared.kafka.access import explained
from shared.kafka.connection import KafkaConnection
from shared.pipeline.errors import Unavailable
from shared.pipeline.pipeline_collections import Outgoing

log = logging.getLogger(__name__)

# An idempotent producer never gives up by itself (aiokafka #1101), so every wait has an end.
ACKNOWLEDGED_WITHIN_S = 30.0
STOPPED_WITHIN_S = 5.0
BATCH_BYTES = 512 * 1024


class Publisher:
    def __init__(self, kafka: KafkaConnection, client_id: str) -> None:
        self.kafka, self.client_id = kafka, client_id
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """All of them acknowledged, in order within each partition; else Unavailable, and the caller repeats all."""
        if not records:
            return
        by_partition: dict[tuple[str, int], list[Outgoing]] = {}
        for record in records:
            by_partition.setdefault((record.topic, record.partition), []).append(record)

        async def send(producer: AIOKafkaProducer) -> None:
            acknowledgements = []
            for (topic, partition), ordered in by_partition.items():
                at = 0
                while at < len(ordered):
                    batch = producer.create_batch()
                    first = at
                    while at < len(ordered) and batch.append(
                        key=ordered[at].key, value=ordered[at].value, timestamp=None, headers=HEADERS
                    ):
                        at += 1
                    if at == first:  # larger than a batch: alone, and let the broker say whether it may be
                        record = ordered[at]
                        acknowledgements.append(
                            await producer.send(topic, record.value, record.key, partition, headers=HEADERS)
                        )
                        at += 1
                    else:
                        batch.close()
                        acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
                failpoint("half-published")
            await asyncio.gather(*acknowledgements)

        await self._bounded(send)

    async def send(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        on_accepted: Callable[[], None] | None = None,
        within_s: float = ACKNOWLEDGED_WITHIN_S,
    ) -> tuple[int, int]:
        """(partition, offset) of one record. `on_accepted` is called once the producer has it: from then on
        a failure to hear back does not mean that it is not in the log."""
        place: tuple[int, int] = (-1, -1)

        async def one(producer: AIOKafkaProducer) -> None:
            nonlocal place
            waiting = await producer.send(topic, value, key, partition, headers=headers)
            if on_accepted is not None:
                on_accepted()
            metadata = await waiting
            place = (metadata.partition, metadata.offset)

        await self._bounded(one, within_s)
        return place

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer)

    async def _bounded(
        self, send: Callable[[AIOKafkaProducer], Awaitable[None]], within_s: float = ACKNOWLEDGED_WITHIN_S
    ) -> None:
        producer = await self._started()
        try:
            await asyncio.wait_for(send(producer), within_s)
        except (KafkaError, TimeoutError) as error:
            # OutOfOrderSequence and the like stay until the producer is made anew (aiokafka #1017).
            if self._producer is producer:
                self._producer = None
                self._closing = asyncio.ensure_future(close(producer))
            if isinstance(error, TopicAuthorizationFailedError):
                raise Unavailable(await explained(self.kafka, error)) from error
            raise Unavailable(f"Kafka did not acknowledge: {type(error).__name__}") from error

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self.kafka.options(),
                    client_id=self.client_id,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=4 * 1024 * 1024,
                    request_timeout_ms=15_000,
                )
                try:
                    await asyncio.wait_for(producer.start(), ACKNOWLEDGED_WITHIN_S)
                except (KafkaError, TimeoutError) as error:
                    self._closing = asyncio.ensure_future(close(producer))
                    raise Unavailable(await explained(self.kafka, error)) from error
                self._producer = producer
            return self._producer


HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


async def close(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Stops a client in time and without an error, whatever state it and Kafka are in.

    While Kafka is away, `stop` hangs (aiokafka #773) or ends with the cancellation of the client's own fetch
    and leaves its connections behind.
    """
    stopping = asyncio.ensure_future(client.stop())  # type: ignore[no-untyped-call]  # aiokafka has none
    await asyncio.wait({stopping}, timeout=STOPPED_WITHIN_S)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    stopping.cancel()
    log.warning("%s did not stop cleanly", type(client).__name__)
    connections = client._client if isinstance(client, AIOKafkaConsumer) else client.client
    await asyncio.wait({asyncio.ensure_future(connections.close())}, timeout=STOPPED_WITHIN_S)
