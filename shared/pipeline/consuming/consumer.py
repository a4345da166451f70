"""Takes batches from Kafka and has them decided; the position in MongoDB is the truth, Kafka's is a copy."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

from shared.backoff import Backoff
from shared.failpoints import failpoint
from shared.kafka.access import explained
from shared.kafka.connection import KafkaConnection
from shared.pipeline.consuming import metrics
from shared.pipeline.consuming.fairness import shares
from shared.pipeline.consuming.merge_by_time import MergeByTime
from shared.pipeline.consuming.observability import tell
from shared.pipeline.consuming.offsets import CommittedOffsets
from shared.pipeline.consuming.partition_table import Partition, PartitionTable
from shared.pipeline.consuming.sources import Sources
from shared.pipeline.errors import Collided, MassFailure, Moved, Unavailable
from shared.pipeline.handlers import Service
from shared.pipeline.kafka.client import Assignments, client_of, start
from shared.pipeline.kafka.publisher import Publisher, close
from shared.pipeline.partitioner import digest, position_id
from shared.pipeline.pipeline_collections import Decision
from shared.pipeline.processing.dead_letters import where
from shared.pipeline.processing.failure_guard import FailureGuard, Failures
from shared.pipeline.processing.messages import Decoder, Message
from shared.pipeline.processing.pace import Pace
from shared.pipeline.processing.unit_of_work import Decided, UnitOfWork
from shared.pipeline.records import Record, RecordMetadata
from shared.pipeline.restore.restoring import Restoration, note_of
from shared.pipeline.store import Store, give_way

T = TypeVar("T")
Raw = ConsumerRecord[bytes, bytes]
log = logging.getLogger(__name__)

# Small batches pay the round trips of a transaction each; larger ones take longer to repeat.
MAX_RECORDS = 1000
POLL_MS = 200
OFFSETS_EVERY_S = 1.0
AFTER_FAILURES = Backoff(0.05, 2.0, spread=0.5)
ANSWERED_WITHIN_S = 5.0
STALLED_AFTER_S = 30.0
POSITIONS_LOOK_S = 5.0
ENDS_LOOK_S = 5.0
# uvloop raises RuntimeError where a connection is written to that was closed in the middle of its handshake.
NOT_ANSWERED = (KafkaError, TimeoutError, RuntimeError)
# Of a partition that is ahead of the others, while they are decided in the order of arrival. More than a batch takes: it
# is paused beyond, and what one batch empties nobody would resume.
MAX_HELD = 4 * MAX_RECORDS


class Consumer(Generic[T]):
    """`run()` goes on until `stop()`; whatever happens in between is decided, waits or is stopped loudly."""

    def __init__(
        self,
        service: Service[T],
        store: Store,
        publisher: Publisher,
        kafka: KafkaConnection,
        partitions: dict[str, int],
        *,
        on_decided: Callable[[Sequence[Decision]], None] = lambda decisions: None,
        restoration: Restoration[T] | None = None,
        sources: Sources | None = None,
    ) -> None:
        """`restoration`: asked before anything is decided; None trusts the database. `sources`: what it reads besides
        the service's own topics; None: nothing."""
        self.restoration = restoration
        self.sources = sources or Sources(service.name, kafka, partitions)
        self._following: asyncio.Task[None] | None = None
        self._subscribed: tuple[str, ...] = ()
        self.service, self.store, self.publisher = service, store, publisher
        self.kafka, self.partitions, self.on_decided = kafka, partitions, on_decided
        self.decoder = Decoder(service)
        self.table: PartitionTable[T] = PartitionTable()
        self.offsets = CommittedOffsets(service.name, service.group)
        self.trouble = "has not started yet"
        self.unanswered = ""
        """Why Kafka seems to be away: a fetch that waits in vain tells nothing."""
        self._answered_at = time.monotonic()
        self.moved_at = time.monotonic()
        self._assignments = Assignments()
        self._consumer: AIOKafkaConsumer | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._watch = FailureGuard()
        self._merging: MergeByTime[TopicPartition] = MergeByTime(
            lambda tp: tp.topic == service.commands_topic
        )
        self._looked_at = 0.0
        self._stopping = asyncio.Event()
        self._offsets_at = 0.0
        self._ends_at = 0.0

    async def run(self) -> None:
        self._following = asyncio.create_task(self.sources.follow(), name="sources")
        try:
            await self._run()
        finally:
            self._following.cancel()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._connect()
                if self.restoration is not None:
                    await self.restoration.begin()
                failures = 0
                while not self._stopping.is_set():
                    await self._cycle()
            except Unavailable as error:
                self._trouble(str(error))
            except KafkaError as error:
                self._trouble(await explained(self.kafka, error))
            finally:
                await self._disconnect()
            failures += 1
            await self._pause(AFTER_FAILURES.random_pause_s(failures))

    def stop(self) -> None:
        self._stopping.set()

    def lag(self) -> dict[TopicPartition, int]:
        """Records not decided yet in the partitions that this member has."""
        if self._consumer is None:
            return {}
        # A rebalance takes partitions away at any await; the table hears of it in the next cycle.
        ours = self._consumer.assignment()
        return {
            tp: max(0, max(self._consumer.last_stable_offset(tp) or 0, one.asked_end) - one.reached)
            for tp, one in self.table.read.items()
            if tp in ours
        }

    async def ends(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Where the records end in these partitions, also in those of other members; empty while Kafka is away."""
        if self._consumer is None or self.trouble:  # a client that has not started yet can't be asked
            return {}
        wanted = [TopicPartition(*place) for place in places if self.sources.can_be_asked(place[0])]
        try:
            ends = await asyncio.wait_for(self._consumer.end_offsets(wanted), ANSWERED_WITHIN_S)
        except NOT_ANSWERED:
            return {}
        found = {(tp.topic, tp.partition): end for tp, end in ends.items()}
        for tp, one in self.table.read.items():
            if ends.get(tp) == one.reached:  # nothing but markers behind it
                found[tp.topic, tp.partition] = one.next
        return found

    async def progress(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """How far these partitions are decided and all that it caused is published, whichever member has them: offset of
        the first record that is not. Those of which nobody can tell are left out; so is what stands still here."""
        if self._consumer is None or self.trouble:
            return {}
        assigned = self._consumer.assignment()
        found = {(tp.topic, tp.partition): one.done for tp, one in self.table.read.items() if tp in assigned}
        others = [tp for place in places if (tp := TopicPartition(*place)) not in assigned]
        with contextlib.suppress(*NOT_ANSWERED):
            noted = await asyncio.wait_for(
                asyncio.gather(*map(self._consumer.committed, others)), ANSWERED_WITHIN_S
            )
            found |= {
                (tp.topic, tp.partition): offset
                for tp, offset in zip(others, noted, strict=True)
                if offset is not None
            }
        return found

    def faults(self) -> list[str]:
        """Why this member is not ready; empty when all is well."""
        found = [fault for fault in (self.trouble, self.unanswered) if fault]
        found += [
            f"partition {tp.topic}/{tp.partition} is stopped: {why}" for tp, why in self.table.stopped.items()
        ]
        if any(self.lag().values()) and time.monotonic() - self.moved_at > STALLED_AFTER_S:
            found.append(f"no progress for {STALLED_AFTER_S:.0f} s although records are waiting")
        return found

    async def _cycle(self) -> None:
        assert self._consumer is not None
        consumer = self._consumer
        if self._following is not None and self._following.done():
            self._following.result()  # ended by a fault of ours, and with it this
        if self._subscribed != self._topics():
            self._subscribe()
        if self._assignments.new:
            self._assignments.new = False
            self._forget()
        await self._look_at_positions()
        if new := [tp for tp in consumer.assignment() if tp not in self.table]:
            # Asked once for all: each question waits for the fetch before it, which the broker holds for a while.
            beginnings, ends = await consumer.beginning_offsets(new), await consumer.end_offsets(new)
            for tp in new:
                await self._delivered()
                await self._take_over(tp, beginnings[tp], ends[tp])
                self._offsets_at = 0.0
        # Before the first batch: a copy that stays ahead of a position that was set back looks like a lost database.
        await self._note_offsets()
        batch = self.table.take_rest() or await self._fetch()
        if batch is None:
            return
        if self._subscribed != self._topics():
            batch = self._still_read(batch)
        if batch:
            await self._decide(batch)
            self.moved_at = time.monotonic()
            await self._look_past_markers(batch)
        else:
            await self._delivered()
            await self._ask_ends()
            await self._look_past_markers(())
            if not any(self.lag().values()):
                self.moved_at = time.monotonic()
            elif time.monotonic() - self.moved_at > STALLED_AFTER_S:
                # aiokafka's fetchers end without a word (#625, #1037): only a new client goes on.
                self.moved_at = time.monotonic()
                raise Unavailable(
                    f"no record came for {STALLED_AFTER_S:.0f} s although some are there: connecting anew"
                )
        if self._restoring():
            assert self.restoration is not None
            await self.restoration.look(
                {self._position(tp): one.reached for tp, one in self.table.read.items()}
            )
        await self._note_offsets()

    async def _fetch(self) -> dict[TopicPartition, list[Message[T]]] | None:
        """What comes next, decoded; None when partitions have to be taken over first."""
        assert self._consumer is not None
        try:
            fetched = await self._fetched()
        except (NoOffsetForPartitionError, OffsetOutOfRangeError):
            self._forget()  # assigned while we polled; or taking over tells a gap from a recreated topic
            return None
        except TopicAuthorizationFailedError as error:
            if not self.sources.refused(str(error.args[0]), await explained(self.kafka, error)):
                raise
            return None
        except UnsupportedCodecError as error:
            raise Unavailable(f"a topic's compression can't be read: {error}; install its codec") from error
        self.trouble = ""
        if self._assignments.new:  # read from where Kafka thinks we stand
            return None
        batch = {tp: ours for tp, records in fetched.items() if (ours := await self._ours(tp, records))}
        if self._merging or self._restoring():
            batch = await self._as_arrived(batch)
        return {tp: await self._read(records) for tp, records in batch.items()}

    async def _fetched(self) -> dict[TopicPartition, list[Raw]]:
        """What the client has for us, up to a batch, of each topic its share; where it has nothing, waits for some."""
        assert self._consumer is not None
        fetched: dict[TopicPartition, list[Raw]] = {}
        lag = self.lag()
        try:
            if sum(lag.values()) > MAX_RECORDS:
                part = shares(lag, MAX_RECORDS)
                for tp in lag:
                    # One more than its share, and one where nothing waits: aiokafka fetches of a partition again only
                    # when it was asked for a record and had none left.
                    fetched |= await self._consumer.getmany(tp, timeout_ms=0, max_records=part.get(tp, 0) + 1)
            if (left := MAX_RECORDS - sum(map(len, fetched.values()))) > 0:
                wait_ms = 0 if fetched else POLL_MS
                more = await self._consumer.getmany(timeout_ms=wait_ms, max_records=left)
                fetched |= {tp: [*fetched.get(tp, ()), *records] for tp, records in more.items()}
        except KafkaError:
            if not fetched:
                raise
            # It comes again with the next fetch; what the client has given out it does not give twice.
        return fetched

    async def _read(self, records: Sequence[Record]) -> list[Message[T]]:
        pace, messages = Pace(), []
        for record in records:
            messages.append(self.decoder.read(record))
            await pace.give_way()
        return messages

    def _still_read(
        self, batch: dict[TopicPartition, list[Message[T]]]
    ) -> dict[TopicPartition, list[Message[T]]]:
        """Without what came while its topic was taken from those that are read; it stays in the log."""
        topics = self._topics()
        for tp in [tp for tp in batch if tp.topic not in topics]:
            del batch[tp]
            self._seek(tp, self.table.read[tp].next)
        return batch

    def _restoring(self) -> bool:
        return self.restoration is not None and not self.restoration.passed

    async def _as_arrived(
        self, fetched: dict[TopicPartition, list[Record]]
    ) -> dict[TopicPartition, list[Record]]:
        """What of all that was fetched can be decided, since nothing that arrived before it can come any more."""
        assert self._consumer is not None
        assert self.restoration is not None
        for tp, records in fetched.items():
            self._merging.add(tp, records)
        more = []
        for tp in self.table.read:
            with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
                end = self.restoration.ends.get(self._position(tp), 0)
                if await self._consumer.position(tp) < end:
                    more.append(tp)
                if self._merging.held(tp) > MAX_HELD:
                    self._consumer.pause(tp)
                elif tp in self._consumer.paused():
                    self._consumer.resume(tp)
        return self._merging.take(more, MAX_RECORDS)

    async def _decide(self, batch: dict[TopicPartition, list[Message[T]]]) -> None:
        """One transaction for all partitions of the batch; what it left pending is published while the next batch
        is fetched and decided, and acknowledged before that one is written."""
        started = time.perf_counter()
        messages: dict[tuple[str, int], list[Message[T]]] = {
            (tp.topic, tp.partition): part for tp, part in batch.items()
        }
        expected = {(tp.topic, tp.partition): self.table.read[tp].next for tp in batch}
        failpoint("before-transaction")
        try:
            decided = await self._unit_of_work(messages, expected)
        except Moved:
            for tp in batch:
                self.table.drop(tp)
            return
        except MassFailure as failure:
            failing = TopicPartition(failure.topic, failure.partition)
            await self._halt(failing, str(failure), self.service.rules)
            for tp in batch.keys() - {failing}:  # nothing of the batch stands: the others are read again
                self._seek(tp, self.table.read[tp].next)
            return
        self._watch.note(decided.failures)
        failpoint("after-commit")
        for step, place in zip(decided.steps, decided.taken, strict=True):
            self.table.read[TopicPartition(*place)].next = step.next
        for tp, part in batch.items():
            self.table.read[tp].rest = list(part[decided.taken.get((tp.topic, tp.partition), 0) :])
        self._delivery = asyncio.create_task(self._deliver(decided, started, self.table.decided()))

    async def _deliver(self, decided: Decided, started: float, next: dict[TopicPartition, int]) -> None:
        await self.publisher.publish(decided.outgoing)
        self.table.note_published(next)
        failpoint("after-publish")
        self.on_decided(decided.decisions)
        seconds = time.perf_counter() - started
        metrics.batch(self.service.name, decided, seconds)
        tell(self.service, decided, seconds)

    async def _may_write(self, failures: Failures) -> None:
        self._watch.check(failures)
        await self._delivered()

    async def _delivered(self) -> None:
        """When the batch before is acknowledged, down to its last event; Unavailable if it was not."""
        if self._delivery is not None:
            await self._delivery
            self._delivery = None

    async def _unit_of_work(
        self, messages: dict[tuple[str, int], list[Message[T]]], expected: dict[tuple[str, int], int]
    ) -> Decided:
        """The one that committed: after collisions, and of fewer records where not all of them can be written."""
        collisions = 0
        while True:
            try:
                async with self.store.transaction(as_holder=True) as session:
                    unit = UnitOfWork(self.decoder, self.store, session)
                    decided = await unit.run(messages, self.service.name, expected, self._may_write)
                    failpoint("before-commit")
                    return decided
            except Collided:
                collisions += 1
                await give_way(collisions)
            except (Moved, Unavailable, MassFailure):
                raise
            except Exception as error:  # noqa: BLE001 - raised again where nothing smaller is left
                await self._delivered()  # a fault of the delivery is none of these records'
                messages = self._fewer(messages, error)

    def _fewer(
        self, messages: dict[tuple[str, int], list[Message[T]]], error: Exception
    ) -> dict[tuple[str, int], list[Message[T]]]:
        """The first half of one partition, and the rest comes next; a record that is alone is itself what can't be
        written."""
        (tp, part), *others = messages.items()
        if others or len(part) > 1:
            return {tp: part[: max(1, len(part) // 2)]}
        if isinstance(part[0].fault, WriteFault):
            raise error
        # Without its text: a bulk write error repeats the whole document.
        log.error("record %s can't be written: %s", part[0].record.at, where(error))
        return {tp: [replace(part[0], fault=WriteFault(type(error).__name__))]}

    async def _ours(self, tp: TopicPartition, records: list[Raw]) -> list[Record]:
        """The records from `next` on; a partition that doesn't continue where we stood is taken over or stopped."""
        if (ours := self.table.read.get(tp)) is None:
            return []
        verify, ours.unverified = ours.unverified, None
        found = [_record(record, ours.redelivery) for record in records]
        if verify is not None and found[0].at.offset == verify.next - 1:
            last, found = found[0], found[1:]
            if (last.timestamp_ms, digest(last)) != (verify.last_timestamp_ms, verify.last_digest):
                await self._halt(
                    tp,
                    f"record {verify.next - 1} is not the one that was decided: topic recreated or database restored",
                )
                return []
        found = [record for record in found if record.at.offset >= ours.next]
        if found and found[0].at.offset > ours.next:
            assert self._consumer is not None
            beginning = (await self._consumer.beginning_offsets([tp]))[tp]
            if beginning > ours.next:
                await self._halt(tp, gap(ours.next, beginning))
                return []
        return found

    async def _take_over(self, tp: TopicPartition, beginning: int, end: int) -> None:
        """Reads where the group stands, publishes what may not have been, and goes on from there. `end`: as it was
        asked before; who had the partition may have decided more since."""
        assert self._consumer is not None
        position = await self.store.take_over(self._position(tp), beginning)
        if position.next > end:
            end = (await self._consumer.end_offsets([tp]))[tp]
        await self.offsets.look(self._consumer, tp, position)
        if position.failing_rules not in ("", self.service.rules):
            # Where these fail too, the unit of work is thrown away, and the partition stops again where it stands.
            log.warning("partition %s/%s goes on: other handlers and rules than those that failed", *tp)
            await self.store.start(position.id, f"by version {self.service.rules}")
            position = msgspec.structs.replace(position, stopped="")
        self._watch.begin((tp.topic, tp.partition), position.accepted_rules == self.service.rules)
        if position.stopped:
            self._pause_partition(tp, position.stopped)
        elif position.next < beginning:
            await self._halt(tp, gap(position.next, beginning))
        elif position.next > end:
            await self._halt(
                tp, f"the log ends at {end}, we stood at {position.next}: topic recreated or truncated"
            )
        else:
            await self.publisher.publish(position.pending)
            verifiable = position.next > beginning and position.last_digest
            if self._seek(tp, position.next - 1 if verifiable else position.next):
                self.table.read[tp] = Partition(
                    position.next, position.redelivery, position.next, position if verifiable else None
                )

    def _forget(self) -> None:
        """Every partition is taken over again."""
        self.table.clear()
        self._merging.clear()

    def _seek(self, tp: TopicPartition, offset: int) -> bool:
        """From there on it is fetched anew; whether it is still ours."""
        assert self._consumer is not None
        self._merging.forget(tp)
        try:
            self._consumer.seek(tp, offset)
            self._consumer.resume(tp)  # it may have been ahead of the others
        except IllegalStateError:  # taken from us meanwhile
            self.table.drop(tp)
            return False
        if (ours := self.table.read.get(tp)) is not None:
            ours.rest, ours.passed = [], 0
        return True

    async def _ask_ends(self) -> None:
        """When nothing comes: whether nothing is there, or the client's fetcher ended without a word."""
        if time.monotonic() - self._ends_at < ENDS_LOOK_S or not self.table.read:
            return
        self._ends_at = time.monotonic()
        assert self._consumer is not None
        with contextlib.suppress(KafkaError, TimeoutError):
            asked = self._consumer.end_offsets(list(self.table.read))
            for tp, end in (await asyncio.wait_for(asked, ANSWERED_WITHIN_S)).items():
                self.table.read[tp].asked_end = end

    async def _look_past_markers(self, batch: Collection[TopicPartition]) -> None:
        """Where nothing came, all that was given to us is decided."""
        assert self._consumer is not None
        for tp, records in self.lag().items():
            if records and tp not in batch and not self._merging.held(tp):
                with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
                    self.table.read[tp].passed = await self._consumer.position(tp)

    async def _look_at_positions(self) -> None:
        """An operator may have started a stopped partition, or set one back that nothing comes into."""
        if time.monotonic() - self._looked_at < POSITIONS_LOOK_S:
            return
        self._looked_at = time.monotonic()
        assert self._consumer is not None
        for tp in self.table:
            position = await self.store.position(self._position(tp), 0)
            ours = self.table.read.get(tp)
            if ours is None:
                if not position.stopped:
                    self.table.stopped.pop(tp)
                    with contextlib.suppress(IllegalStateError):
                        self._consumer.resume(tp)
            elif (position.next, position.redelivery) != (ours.next, ours.redelivery):
                if (
                    self.restoration is not None
                    and position.next < ours.next
                    and position.redelivery == ours.redelivery
                ):
                    self.restoration.doubt()
                    raise Unavailable(f"the database went back under us, in {tp.topic}/{tp.partition}")
                self.table.drop(tp)

    async def _halt(self, tp: TopicPartition, why: str, failing_rules: str = "") -> None:
        log.critical("partition %s/%s stopped: %s", tp.topic, tp.partition, why)
        await self.store.stop(self._position(tp), why, failing_rules)
        self._pause_partition(tp, why)

    def _pause_partition(self, tp: TopicPartition, why: str) -> None:
        assert self._consumer is not None
        self.table.stop(tp, why)
        self._merging.forget(tp)
        try:
            self._consumer.seek(tp, 0)  # a position, so that getmany serves the others
            self._consumer.pause(tp)
        except IllegalStateError:
            self.table.stopped.pop(tp, None)

    async def _connect(self) -> None:
        await self.sources.look()
        self._consumer = client_of(self.service, self.kafka, MAX_RECORDS)
        self._subscribe()
        self._answered_at = time.monotonic()
        await start(self._consumer, self.partitions)

    def _topics(self) -> tuple[str, ...]:
        return (*self.sources.topics, *self.service.topics)

    def _subscribe(self) -> None:
        """Costs the group a rebalance. Members that hear of it one after the other do no harm: a partition goes to one
        that subscribes to it, and where it goes on the database says."""
        assert self._consumer is not None
        self._subscribed = self._topics()
        for tp in [tp for tp in self.table.read if tp.topic not in self._subscribed]:
            self.table.drop(tp)
            self._merging.forget(tp)
        self._consumer.subscribe(self._subscribed, listener=self._assignments)

    async def _disconnect(self) -> None:
        consumer, self._consumer = self._consumer, None
        self.unanswered = ""
        self._forget()
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            with contextlib.suppress(Unavailable):  # whoever takes over publishes it
                await delivery
        metrics.lag(self.service.name, {})
        if consumer is not None:
            await close(consumer)

    async def _note_offsets(self) -> None:
        """A copy for lag tools, and a sign of life; nothing reads it back. Whoever sees a group at the end of its
        topics knows that nothing of theirs is on its way any more."""
        if (
            time.monotonic() - self._offsets_at < OFFSETS_EVERY_S
            or not self.table.read
            or self._consumer is None
        ):
            return
        self._offsets_at = time.monotonic()
        metrics.lag(self.service.name, self.lag())
        try:
            noted = {tp: (one.done, note_of(self.service.epoch)) for tp, one in self.table.read.items()}
            await asyncio.wait_for(self._consumer.commit(noted), ANSWERED_WITHIN_S)
            self.unanswered, self._answered_at = "", time.monotonic()
        except (IllegalStateError, CommitFailedError) as error:  # a rebalance
            log.info("offsets not noted: %s", type(error).__name__)
            self._answered_at = time.monotonic()
        except (KafkaError, TimeoutError) as error:
            self.unanswered = f"Kafka does not answer ({type(error).__name__}); work goes on when it is back"
            if time.monotonic() - self._answered_at > STALLED_AFTER_S:
                # A client whose metadata task ended waits for ever: on uvloop, writing to a connection that was closed
                # in the middle of a handshake raises RuntimeError, which aiokafka does not expect.
                raise Unavailable(
                    f"Kafka did not answer this client for {STALLED_AFTER_S:.0f} s: connecting anew"
                ) from error

    def _position(self, tp: TopicPartition) -> str:
        return position_id(self.service.name, (tp.topic, tp.partition))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _trouble(self, what: str) -> None:
        if what != self.trouble:
            log.warning("paused: %s", what)
        self.trouble = what


class WriteFault(Exception):
    """Only writing showed that the record can't be stored."""


def gap(next: int, beginning: int) -> str:
    return (
        f"records {next} to {beginning - 1} were deleted by retention before they were decided: "
        "restore them or set the position forward by hand"
    )


def _record(record: Raw, redelivery: int) -> Record:
    return Record(
        at=RecordMetadata(record.topic, record.partition, record.offset),
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        redelivery=redelivery,
    )
