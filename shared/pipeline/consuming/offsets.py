"""Kafka's copy of a group's positions: is it still there? Nothing is read by it, but lag tools and the look for a
database that was put back (restoring.py) rest on it, so its loss is said."""

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.pipeline.consuming import metrics
from shared.pipeline.pipeline_collections import Position

log = logging.getLogger(__name__)
ANSWERED_WITHIN_S: Final = 5.0
TOLD_FOR_S: Final = 24 * 3600.0


class CommittedOffsets:
    """Looked at once for each partition that this process takes over; from then on it writes the copy itself."""

    def __init__(self, service: str, group: str) -> None:
        self._service, self._group = service, group
        self._seen: set[TopicPartition] = set()
        self._lost: set[TopicPartition] = set()
        self._lost_at: datetime | None = None
        self._until = 0.0

    async def look(self, consumer: AIOKafkaConsumer, tp: TopicPartition, position: Position) -> None:
        """Where the database has decided records of a partition, the group must have an offset of it."""
        if tp in self._seen:
            return
        with contextlib.suppress(KafkaError, IllegalStateError, TimeoutError):
            committed = await asyncio.wait_for(consumer.committed(tp), ANSWERED_WITHIN_S)
            self._seen.add(tp)
            if committed is None and position.last_digest:
                self._note(tp, position)

    def remarks(self) -> list[str]:
        if not self._lost or time.monotonic() > self._until:
            return []
        return [
            f"Kafka had no offsets of group {self._group} any more for {len(self._lost)} partitions "
            f"({self._lost_at:%Y-%m-%dT%H:%MZ}): deleted by hand, or forgotten since the group was away for longer than "
            "offsets.retention.minutes. It went on from the positions in MongoDB, nothing is lost or read twice, and "
            "noted them anew. If the database was put back from a backup meanwhile, raise KOMPETEN_EPOCH: without them "
            "that is not noticed"
        ]

    def _note(self, tp: TopicPartition, position: Position) -> None:
        log.warning(
            "Kafka has no offset of group %s for %s/%s any more: it goes on from the position in MongoDB, %d",
            self._group,
            tp.topic,
            tp.partition,
            position.next,
        )
        self._lost.add(tp)
        self._lost_at, self._until = datetime.now(UTC), time.monotonic() + TOLD_FOR_S
        metrics.OFFSETS_LOST.labels(self._service).inc()
