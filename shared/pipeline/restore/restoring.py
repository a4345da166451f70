"""What a service does before it decides anything on a database that was put back from a backup.

The operator says so by raising `KOMPETEN_EPOCH`. Then the service notes where the logs end, adopts what it had
told the world since the backup (certificate numbers), and decides again what it had decided, in the order of
arrival; its workers begin nothing until it has come to those ends. Whoever forgets to raise it is told, as far
as Kafka's copy of the positions shows it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from shared.failpoints import failpoint
from shared.kafka.access import SET_UP
from shared.kafka.connection import KafkaConnection
from shared.pipeline.epochs import CURRENT, EPOCHS, End, Epoch
from shared.pipeline.errors import Unavailable
from shared.pipeline.handlers import Published, Service
from shared.pipeline.kafka.publisher import close
from shared.pipeline.kafka.reading import read_batches_our_way
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import POSITIONS, Position
from shared.pipeline.store import Session, Store, Write, in_transaction

T = TypeVar("T")
log = logging.getLogger(__name__)
MARGIN_MS: Final = 10 * 60 * 1000
"""Brokers' clocks may differ by so much."""
PAGE: Final = 2000
ANSWERED_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 1.0
_NOTE: Final = "epoch "
HOW_TO: Final = "docs/how-to/restore-from-a-backup.md"


class WrongEpoch(Unavailable):
    """The setting and the database are of different epochs: nothing is decided until they agree."""


class Restoration(Generic[T]):
    """One a process. `begin` before anything is decided, then `look` until it has `passed`."""

    def __init__(
        self,
        service: Service[T],
        store: Store,
        kafka: KafkaConnection,
        partitions: Callable[[], Mapping[str, int]],
    ) -> None:
        """`partitions`: of each topic that the service reads at that moment, how many."""
        self._service, self._store, self._kafka = service, store, kafka
        self._partitions = partitions
        self._doing = ""
        self._begun = False
        self._looked_at = 0.0
        self.ends: dict[str, int] = {}
        """By position: where the logs ended when the epoch began; empty once all are passed."""
        self.opened = asyncio.Event()
        """Workers may begin: nothing is left that was decided before."""

    @property
    def _sources(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic, partition)
            for topic, count in self._partitions().items()
            for partition in range(count)
        ]

    @property
    def passed(self) -> bool:
        return self.opened.is_set()

    def fault(self) -> str:
        """What it is doing; empty when there is nothing to do."""
        if self._begun and self.ends:
            return f"decides again what came after the backup: {len(self.ends)} partitions are not at their end yet"
        return self._doing

    async def begin(self) -> None:
        """Raises WrongEpoch, and Unavailable or KafkaError; to be tried again."""
        if self._begun:
            return
        wanted, stored = self._service.epoch, await self._stored()
        known = 0 if stored is None else stored.epoch
        if wanted < known:
            raise self._wrong(
                f"the database is of epoch {known} and KOMPETEN_EPOCH is {wanted}: set it to {known} (see {HOW_TO})"
            )
        committed = await self._committed()  # before the positions, which only go forward
        begun = max((epoch_noted(partition.metadata) for partition in committed.values()), default=0)
        async with self._reader() as kafka:
            if wanted > known:
                if begun >= wanted:
                    raise self._wrong(
                        f"epoch {wanted} was begun before, on a database that is gone (this one is of {known}): set "
                        f"KOMPETEN_EPOCH={begun + 1} (see {HOW_TO})"
                    )
                stored = await self._new_epoch(kafka, wanted)
            elif stored is None or not stored.ends:
                offsets = {tp: one.offset for tp, one in committed.items()}
                await self._compare(kafka, offsets, max(known, begun) + 1)
        if stored is None:
            stored = await self._write(Epoch(id=CURRENT, epoch=wanted))
        self._begun, self._doing = True, ""
        self._take(stored)

    def doubt(self) -> None:
        """The database went back under a service that runs: `begin` is asked again."""
        self._begun = False

    async def look(self, reached: Mapping[str, int]) -> None:
        """`reached`: by position, how far this member has come."""
        if self.passed or time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()

        async def work(session: Session) -> Epoch:
            stored = await _epoch(session)
            assert stored is not None
            left = [end for end in stored.ends if reached.get(end.position, 0) < end.next]
            if len(left) < len(stored.ends):
                stored = Epoch(id=CURRENT, epoch=stored.epoch, ends=left)
                await session.write([Write(EPOCHS, CURRENT, self._store.encode(stored), new=False)])
            return stored

        self._take(await in_transaction(self._store, work))

    def _take(self, stored: Epoch) -> None:
        ours = {self._id(tp) for tp in self._sources}  # an agency may have left since
        self.ends = {end.position: end.next for end in stored.ends if end.position in ours}
        if not self.ends:
            self.opened.set()

    async def _stored(self) -> Epoch | None:
        return await in_transaction(self._store, _epoch)

    async def _write(self, epoch: Epoch, writes: Sequence[Write] = ()) -> Epoch:
        """Unless another replica was faster: then what stands."""

        async def work(session: Session) -> Epoch:
            await session.lock([CURRENT])
            stored = await _epoch(session)
            if stored is not None and stored.epoch >= epoch.epoch:
                return stored
            write = Write(EPOCHS, CURRENT, self._store.encode(epoch), new=stored is None)
            await session.write([*writes, write])
            return epoch

        return await in_transaction(self._store, work)

    def _wrong(self, why: str) -> WrongEpoch:
        if self._doing != why:
            log.critical("%s", why)
        self._doing = why
        return WrongEpoch(why)

    # A new epoch

    async def _new_epoch(self, kafka: AIOKafkaConsumer, wanted: int) -> Epoch:
        self._doing = "adopts what it had published since the backup"
        log.warning("epoch %d begins: %s", wanted, self._doing)
        sources = self._sources
        ends = await kafka.end_offsets(sources)
        positions = await self._positions()
        since_ms = max((position.last_timestamp_ms for position in positions.values()), default=0) - MARGIN_MS
        restore = self._service.restore
        writes: Sequence[Write] = ()
        if restore is not None and self._service.events_topic:
            adopted = 0
            async for page in self._published(kafka, max(0, since_ms)):
                adopted += await restore.adopt(page, self._store)
                self._doing = f"adopts what it had published since the backup: {adopted} so far"
            writes = await restore.finish(self._store)
            log.warning("%d of what was published since the backup adopted", adopted)
        behind = [
            End(self._id(tp), ends[tp])
            for tp in sources
            if (position := positions.get(self._id(tp))) is None or position.next < ends[tp]
        ]
        failpoint("restore-adopted")
        return await self._write(Epoch(id=CURRENT, epoch=wanted, ends=behind), writes)

    async def _published(self, kafka: AIOKafkaConsumer, since_ms: int) -> AsyncIterator[list[Published]]:
        """The service's own events since a moment of the log, to the log's end."""
        topic = self._service.topic_prefix + self._service.events_topic
        await kafka._client.set_topics([topic, *{tp.topic for tp in self._sources}])
        partitions = [
            TopicPartition(topic, number) for number in sorted(kafka.partitions_for_topic(topic) or ())
        ]
        if not partitions:
            raise Unavailable(f"topic {topic} does not exist: create it with `{SET_UP}`")
        ends = await kafka.end_offsets(partitions)
        starts = await kafka.offsets_for_times(dict.fromkeys(partitions, since_ms))
        reading = {tp for tp, start in starts.items() if start is not None and start.offset < ends[tp]}
        kafka.assign(list(reading))
        for tp in reading:
            kafka.seek(tp, starts[tp].offset)
        while reading:
            fetched = await kafka.getmany(timeout_ms=500, max_records=PAGE)
            page = [
                Published(record.value, tuple(record.headers))
                for tp, records in fetched.items()
                for record in records
                if record.offset < ends[tp]
            ]
            if page:
                yield page
            reading = {tp for tp in reading if await kafka.position(tp) < ends[tp]}

    # A database that is behind what Kafka saw

    async def _compare(
        self, kafka: AIOKafkaConsumer, committed: Mapping[TopicPartition, int], next_epoch: int
    ) -> None:
        """Raises WrongEpoch when the group had decided records that the database knows nothing of."""
        positions = await self._positions()
        suspects: dict[TopicPartition, int] = {}
        for tp in self._sources:
            position, was = positions.get(self._id(tp)), committed.get(tp, -1)
            if position is None:
                suspects |= {tp: -1} if was > 0 else {}
            # Set back by an operator, to decide records again: that raises the turn and keeps no digest.
            elif was > position.next and not (position.redelivery and not position.last_digest):
                suspects[tp] = position.next
        if not suspects:
            return
        beginnings = await kafka.beginning_offsets(list(suspects))
        for tp, next in suspects.items():
            start = max(next, beginnings[tp])
            if start < committed[tp] and await self._has_record(kafka, tp, start, committed[tp]):
                raise self._wrong(
                    f"record {start} of {tp.topic}/{tp.partition} and more were decided once (the group stood at "
                    f"{committed[tp]}), but the database does not know them. If it was restored from a backup, or is "
                    f"new, set KOMPETEN_EPOCH={next_epoch} (see {HOW_TO})"
                )

    async def _has_record(self, kafka: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int) -> bool:
        """A group stands beyond the markers of a sender's transactions, a position does not."""
        kafka.assign([tp])
        kafka.seek(tp, start)
        deadline = time.monotonic() + ANSWERED_WITHIN_S
        while time.monotonic() < deadline:
            for records in (await kafka.getmany(timeout_ms=500, max_records=1)).values():
                return bool(records[0].offset < end)
            if await kafka.position(tp) >= end:
                return False
        raise Unavailable(f"Kafka did not give record {start} of {tp.topic}/{tp.partition}")

    async def _committed(self) -> dict[TopicPartition, OffsetAndMetadata]:
        admin = AIOKafkaAdminClient(**self._kafka.options())
        try:
            await asyncio.wait_for(admin.start(), ANSWERED_WITHIN_S)
            found: dict[TopicPartition, OffsetAndMetadata] = await asyncio.wait_for(
                admin.list_consumer_group_offsets(self._service.group), ANSWERED_WITHIN_S
            )
        except TimeoutError as error:
            raise Unavailable("Kafka did not say where the group stands") from error
        finally:
            await admin.close()
        return found

    # Both

    def _id(self, tp: TopicPartition) -> str:
        return position_id(self._service.name, (tp.topic, tp.partition))

    async def _positions(self) -> dict[str, Position]:
        ids = [self._id(tp) for tp in self._sources]

        async def work(session: Session) -> list[Any]:
            return list(await session.find(POSITIONS, ids))

        return {
            position.id: position
            for position in cast("list[Position]", await in_transaction(self._store, work))
        }

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Of no group: it moves nothing."""
        read_batches_our_way()
        kafka = AIOKafkaConsumer(
            **self._kafka.options(),
            group_id=None,
            client_id=f"{self._service.name}-restoring",
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
        )
        try:
            await asyncio.wait_for(kafka.start(), ANSWERED_WITHIN_S)
            yield kafka
        except TimeoutError as error:
            raise Unavailable("Kafka did not answer") from error
        except KafkaError:
            raise
        finally:
            await close(kafka)


def note_of(epoch: int) -> str:
    """Beside a committed offset: Kafka remembers which epochs a service had, whatever became of its database."""
    return f"{_NOTE}{epoch}" if epoch else ""


def epoch_noted(metadata: str | None) -> int:
    text = (metadata or "").removeprefix(_NOTE)
    return int(text) if text.isdecimal() else 0


async def _epoch(session: Session) -> Epoch | None:
    found = await session.find(EPOCHS, [CURRENT])
    return cast("Epoch", found[0]) if found else None
