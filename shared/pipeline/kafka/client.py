"""The Kafka client of a service's consumer group: how it is set, and that topics are as they were declared."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import UnknownTopicOrPartitionError

from shared.kafka.access import SET_UP
from shared.kafka.connection import KafkaConnection
from shared.pipeline.errors import Unavailable
from shared.pipeline.handlers import Service
from shared.pipeline.kafka.reading import read_batches_our_way

# Of each partition so much is fetched ahead: at 4 MiB a service that lagged held 40 MB more.
FETCH_BYTES = 1024 * 1024
CONNECTED_WITHIN_S = 10.0


class Assignments(ConsumerRebalanceListener):
    """Whether there is a new one, which may have the same partitions and has forgotten where each was read."""

    def __init__(self) -> None:
        self.new = False

    async def on_partitions_revoked(self, revoked: object) -> None:
        pass

    async def on_partitions_assigned(self, assigned: object) -> None:
        self.new = True


def client_of(service: Service[Any], kafka: KafkaConnection, most_records: int) -> AIOKafkaConsumer:
    """Not started yet."""
    read_batches_our_way()
    return AIOKafkaConsumer(
        **kafka.options(),
        group_id=service.group,
        client_id=f"kompeten-{service.name}",
        auto_offset_reset="none",
        enable_auto_commit=False,
        isolation_level="read_committed",  # what a sender took back was never said
        max_poll_records=most_records,
        max_partition_fetch_bytes=FETCH_BYTES,
        session_timeout_ms=6_000,  # the least that brokers allow: who was killed is missed for so long
        heartbeat_interval_ms=1_000,
        rebalance_timeout_ms=30_000,
        # Else a member without partitions leaves after that long and never comes back (aiokafka #1187);
        # heartbeats tell a dead one, our own watchdog one that stands still.
        max_poll_interval_ms=2**31 - 1,
        fetch_max_wait_ms=100,
        metadata_max_age_ms=10_000,  # so long nobody notices that a topic was made anew
    )


async def start(client: AIOKafkaConsumer, partitions: Mapping[str, int]) -> None:
    """Raises Unavailable when a topic is not as declared or Kafka does not answer in time, else KafkaError."""
    started = False
    # A missing topic is waited for, for 40 s.
    with contextlib.suppress(TimeoutError, UnknownTopicOrPartitionError):
        await asyncio.wait_for(client.start(), CONNECTED_WITHIN_S)
        started = True
    for topic, wanted in partitions.items():
        there = client.partitions_for_topic(topic)
        if not there:
            raise Unavailable(f"topic {topic} does not exist: create it with `{SET_UP}`")
        if len(there) != wanted:
            raise Unavailable(f"topic {topic} has {len(there)} partitions, {wanted} are declared")
    if not started:
        raise Unavailable(f"Kafka did not answer within {CONNECTED_WITHIN_S:.0f} s")
