"""One unit of work: lock and load what the needs name, decide each record, write.

Any failure throws all of it away: the caller starts again from the records.
"""

import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from shared.contracts.cloudevents import id_in
from shared.contracts.payload import Payload
from shared.contracts.pipeline import ReleaseWaiting
from shared.pipeline.documents import Collection, Doc, Document, Lock, State
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.limits import LIMITS, Limits
from shared.pipeline.outcome import Due, Outcome, OutgoingEvent, Put, Recalculation, Remove, Stale, Verdict
from shared.pipeline.partitioner import TopicPartition, digest, position_id
from shared.pipeline.pipeline_collections import (
    BUG,
    DEAD_BYTES,
    DEAD_LETTER_CHUNKS,
    DEAD_LETTERS,
    DECISIONS,
    EXPIRED,
    PACKED,
    WAITING,
    DeadBytes,
    Decision,
    Outgoing,
    WaitingRecord,
)
from shared.pipeline.processing.dead_letters import dead_letter, weighed, where, without_bytes
from shared.pipeline.processing.failure_guard import Failures
from shared.pipeline.processing.loader import Loader
from shared.pipeline.processing.messages import EPOCH, Decoder, Message
from shared.pipeline.processing.outbox import Outbox
from shared.pipeline.processing.pace import Pace
from shared.pipeline.processing.stale import StaleDocuments
from shared.pipeline.records import PackedBatch, Received, Record
from shared.pipeline.store import Advance, Encoded, Session, Store, Write
from shared.pipeline.waiting import WAITING_PAGE, kind_of, waiting_id

T = TypeVar("T")

MAX_DOCUMENT_BYTES = 15_000_000


class Decided(NamedTuple):
    """What a committed unit of work has decided; `taken` records of each partition, from its first on."""

    steps: list[Advance]
    taken: dict[TopicPartition, int]
    decisions: list[Decision]
    outcomes: "Sequence[tuple[Message[Any], Outcome]]"
    """What led to each of the decisions."""
    followed: Mapping[int, Sequence[OutgoingEvent]]
    """By the place of an outcome: the facts that followed from it when the batch was recalculated."""
    failures: Failures
    outgoing: Sequence[Outgoing]
    """What is pending in all of the steps, in the order in which it was decided."""


async def _at_once(failures: Failures) -> None:
    """Nothing to wait for."""


class NotRecalculable(Exception):
    """What follows from several records together can't be worked out: each is recalculated by itself, to find which."""


Change = tuple[Put | Remove, Encoded | None]


class UnitOfWork(Generic[T]):
    """One transaction's work. Made anew for each try, so that nothing of a failed one is kept."""

    def __init__(
        self,
        decoder: Decoder[T],
        store: Store,
        session: Session,
        *,
        limits: Limits = LIMITS,
        one_by_one: bool = False,
    ) -> None:
        """`one_by_one`: what follows from a record is worked out at once, and its faults are the record's."""
        self.decoder, self.service, self.store, self.session = decoder, decoder.service, store, session
        self.limits, self.pace = limits, Pace()
        self.begin(one_by_one)

    def begin(self, one_by_one: bool) -> None:
        self.one_by_one = one_by_one
        self.state = State()
        self.loader = Loader(self.decoder, self.session, self.state, self.pace, self.limits)
        self.ahead: deque[Message[T]] = deque()
        """Records that are decided next."""
        self.stale = StaleDocuments(self.state)
        self.encoded: dict[tuple[Collection[Document], str], Encoded] = {}
        self.inserts: list[Write] = []
        self.decisions: list[Decision] = []
        self.outcomes: list[tuple[Message[T], Outcome]] = []
        self.followed: dict[int, list[OutgoingEvent]] = {}
        """By the place of an outcome: what followed from it once all of its batch was recalculated."""
        self.taking: TopicPartition = ("", 0)
        """Whose record is being decided."""
        self.outbox = Outbox(self.service)
        self.dead_bytes: dict[str, DeadBytes] = {}
        """By topic, as they are from now on."""
        self.bugs: dict[int, str] = {}
        """Identity of an item -> fingerprint of the bug that it met."""

    async def run(
        self,
        batch: Mapping[TopicPartition, Sequence[Message[T]]],
        group: str,
        expected: Mapping[TopicPartition, int],
        before_writes: Callable[[Failures], Awaitable[None]] = _at_once,
    ) -> Decided:
        """Decides the batch, or as much of its beginning as its bounds allow.

        `before_writes` is awaited before the positions are moved on, which replaces what was pending there; told
        which records met bugs, it may throw the unit of work away.
        """
        try:
            taken = await self.decide_all(batch)
        except NotRecalculable:
            self.begin(one_by_one=True)
            taken = await self.decide_all(batch)
        steps: list[Advance] = []
        failures: dict[TopicPartition, list[str | None]] = {}
        for tp, messages in taken.items():
            last = messages[-1].record
            step = Advance(
                position_id(group, tp),
                expected[tp],
                last.at.offset + 1,
                self.outbox.pending.get(tp, []),
                last.timestamp_ms,
                digest(last),
            )
            steps.append(step)
            failures[tp] = [self.bugs.get(id(message)) for message in messages]
        await before_writes(failures)
        # The fence first: to who has lost the partition, decisions that are there already look like a bad record.
        await self.session.advance(steps)
        await self.session.write([*self.inserts, *self.writes(), *self.notes()])
        counts = {tp: len(messages) for tp, messages in taken.items()}
        return Decided(
            steps, counts, self.decisions, self.outcomes, self.followed, failures, self.outbox.outgoing
        )

    async def decide_all(
        self, batch: Mapping[TopicPartition, Sequence[Message[T]]]
    ) -> dict[TopicPartition, list[Message[T]]]:
        """The records that were taken of each partition, from its first on."""
        arrived = list(
            self.as_arrived({tp: [message.fresh() for message in part] for tp, part in batch.items()})
        )
        del arrived[await self.loader.load_needs([message for _, message in arrived], bounded=True) :]
        self.ahead = deque(message for _, message in arrived)
        taken: dict[TopicPartition, list[Message[T]]] = {}
        self.pace.begin()
        for tp, message in arrived:
            if taken and self.is_full():
                break
            self.taking = tp
            await self.decide_record(self.ahead.popleft(), message.record)
            if self.stale.weight >= self.limits.most_stale:
                await self.recalculate()
            taken.setdefault(tp, []).append(message)
        await self.recalculate()
        return taken

    def is_full(self) -> bool:
        return (
            self.outbox.size_bytes >= self.limits.most_pending_bytes
            or len(self.decisions) >= self.limits.most_decisions
            or self.pace.busy_s >= self.limits.most_busy_s
        )

    def as_arrived(
        self, messages: Mapping[TopicPartition, Sequence[Message[T]]]
    ) -> Iterator[tuple[TopicPartition, Message[T]]]:
        """All partitions' items by the log's time; each partition keeps its order. Our own commands come after others
        of the same millisecond, as effects after their causes."""
        if len(messages) == 1:
            ((tp, part),) = messages.items()
            return ((tp, message) for message in part)
        own = self.service.commands_topic
        runs = [
            [(tp, message) for message in part]
            for tp, part in sorted(messages.items(), key=lambda one: one[0][0] == own)
        ]
        return heapq.merge(*runs, key=lambda one: one[1].record.timestamp_ms)

    async def decide_record(self, message: Message[T], cause: Record) -> None:
        """Decides one record and applies what follows; its own faults end in a decision too."""
        if message.event is None and message.fault is None:
            return
        if self.stale.are_asked_for(message):
            await self.recalculate()
        await self.pace.give_way()
        if message.fault is None:
            # Not below: what the database does meanwhile is no fault of the record. Those of its needs it notes.
            await self.loader.again(message, self.ahead)
            if self.stale.are_asked_for(message):  # what was left joined a set that it had looked at before
                await self.recalculate()
                await self.loader.again(message, self.ahead)
        try:
            if message.fault is not None:
                raise message.fault
            assert message.event is not None
            assert message.handler is not None
            event = message.event
            if message.waited is not None or message.letter is not None:
                event = msgspec.structs.replace(event, now=EPOCH + timedelta(milliseconds=cause.timestamp_ms))
            outcome = message.handler.decide(event, self.state, self.service.terms)
            if outcome.stale is not None and self.one_by_one:
                outcome = self.recalculated(outcome, outcome.stale, event)
            changes = self.prepared(outcome.changes)
            outgoing = [self.outbox.encoded(fact, event) for fact in outcome.facts]
        except Waiting as waiting:
            await self.keep_waiting(message, waiting, cause)
        except NotRecalculable:
            raise
        except Rejected as error:
            kind = PACKED if isinstance(message.record.value, PackedBatch) else "rejected"
            await self.to_dead_letter(message, kind, str(error), error, cause)
        except Exception as error:  # noqa: BLE001 - kept as a bug of this event; the batch goes on
            await self.to_dead_letter(message, BUG, where(error), error, cause)
        else:
            self.apply(changes)
            for record in outgoing:
                self.outbox.add(record, self.taking)
            if outcome.redecide:
                outcome = await self.decide_again(outcome, cause)
            self.decide(message, outcome, cause)
            if outcome.stale is not None:
                self.stale.leave(outcome.stale, event, len(self.outcomes) - 1, self.taking)
                self.encoded.pop((outcome.stale.collection, outcome.stale.document.id), None)
            await self.release(outcome, cause)

    def prepared(self, changes: Sequence[Put | Remove]) -> list[Change]:
        return [
            (change, self.encode(change.document) if isinstance(change, Put) else None) for change in changes
        ]

    def apply(self, changes: Sequence[Change]) -> None:
        for change, document in changes:
            if isinstance(change, Put):
                assert document is not None
                self.state.apply(change.collection, change.document.id, change.document)
                self.encoded[change.collection, change.document.id] = document
            else:
                self.state.apply(change.collection, change.id, None)

    # What follows from several records of the batch together.

    def recalculated(self, outcome: Outcome, stale: Stale, event: Received[Payload]) -> Outcome:
        """The outcome with what follows from it alone."""
        before = self.state.get(stale.collection, stale.document.id)
        recalculation = self.recalculation([Due(before, stale.document, event)])
        return msgspec.structs.replace(
            outcome,
            changes=[*outcome.changes, *recalculation.changes],
            facts=[*outcome.facts, *(fact for fact, _ in recalculation.facts)],
            stale=None,
        )

    def recalculation(self, due: Sequence[Due[Any]]) -> Recalculation:
        assert self.service.recalculate is not None
        return self.service.recalculate(due, self.state, self.service.terms)

    async def recalculate(self) -> None:
        """Works out what follows from all that was left stale; raises NotRecalculable where that fails."""
        for left in self.stale.take():
            try:
                recalculation = self.recalculation(self.stale.due(left))
                changes = self.prepared(recalculation.changes)
                outgoing = [
                    (self.outbox.encoded(fact, cause.event), left[cause.after.id].taking)
                    for fact, cause in recalculation.facts
                ]
            except Exception as error:
                raise NotRecalculable from error
            self.apply(changes)
            for record, taking in outgoing:
                self.outbox.add(record, taking)
            for fact, cause in recalculation.facts:
                self.followed.setdefault(left[cause.after.id].outcome, []).append(fact)
            await self.pace.give_way()

    # Records that are decided once more.

    async def decide_again(self, outcome: Outcome, cause: Record) -> Outcome:
        """Decides the records that the outcome names; who asked for it is told what became of them."""
        messages = []
        for again in outcome.redecide:
            message = self.decoder.read(again.record, again.waited)
            message.letter, message.last, message.edited_by = again.letter, again.last, again.edited_by
            messages.append(message)
        first = len(self.outcomes)
        await self.decide_now(messages, cause)
        became = {id(message): outcome for message, outcome in self.outcomes[first:]}
        verdicts = [became[id(message)] for message in messages if id(message) in became]
        answer = {**outcome.answer, "decided_again": len(messages)}
        if len(messages) == 1:
            answer |= {
                "outcome": verdicts[0].verdict.value if verdicts else Verdict.NOTHING.value,
                "outcome_reason": verdicts[0].reason if verdicts else "",
            }
        return msgspec.structs.replace(outcome, answer=answer)

    async def decide_now(self, messages: Sequence[Message[T]], cause: Record) -> None:
        """All asked at once: by an earlier number each of those that waited for it asked for itself."""
        await self.loader.load_needs(messages)
        self.ahead.extendleft(reversed(messages))
        for _ in messages:
            await self.decide_record(self.ahead.popleft(), cause)

    async def release(self, outcome: Outcome, cause: Record) -> None:
        """Decides what waited for what the outcome unblocks; a full page is followed by a command to oneself."""
        for lacks in outcome.unblocks:
            page = self.state.all(WAITING, "lacks", lacks)
            await self.decide_now([self.decoder.read(waiting.record(), waiting) for waiting in page], cause)
            # Where none of them could be decided the next page can't either: a look in vain would go on for ever.
            if len(page) >= WAITING_PAGE and self.state.count(WAITING, "lacks", lacks) < len(page):
                command = ReleaseWaiting(lacks=lacks, page=cause.at.offset)
                fact = OutgoingEvent(command, "waiting/" + lacks, cause.at.offset, lacks)
                self.outbox.add(self.outbox.encoded(fact, None), self.taking)

    def encode(self, document: Document) -> Encoded:
        encoded = self.store.encode(document)
        if encoded.size_bytes > MAX_DOCUMENT_BYTES:
            raise Rejected(
                f"its document would have {encoded.size_bytes} bytes, {MAX_DOCUMENT_BYTES} are allowed: "
                "split what it carries"
            )
        return encoded

    def decide(self, message: Message[T], outcome: Outcome, cause: Record) -> None:
        event = message.event
        if message.edited_by:
            outcome = msgspec.structs.replace(
                outcome, answer={**outcome.answer, "edited_by": message.edited_by}
            )
        decision = Decision(
            id=f"{message.record.at}/{message.record.redelivery}",
            event_id=event.id if event is not None else id_in(message.record.value, message.record.headers),
            verdict=outcome.verdict.value,
            decided_at=EPOCH + timedelta(milliseconds=cause.timestamp_ms),
            subject=outcome.subject,
            content=outcome.content,
            reason=outcome.reason,
            answer=outcome.answer,
            rules=self.service.rules,
            source=message.source,
        )
        self.decisions.append(decision)
        self.outcomes.append((message, outcome))
        self.insert(DECISIONS, decision)
        if message.waited is not None and outcome.verdict is not Verdict.WAITING:
            self.state.apply(WAITING, message.waited.id, None)

    async def keep_waiting(self, message: Message[T], waiting: Waiting, cause: Record) -> None:
        record, event = message.record, message.event
        assert event is not None
        if message.last:
            await self.to_dead_letter(message, EXPIRED, f"{waiting}; {message.last}", waiting, cause)
            return
        id = waiting_id(record.at)
        since = (
            message.waited.since
            if message.waited is not None
            else EPOCH + timedelta(milliseconds=cause.timestamp_ms)
        )
        document = WaitingRecord(
            id=id, lacks=waiting.lacks, reason=str(waiting), event_type=message.event_type, event_id=event.id,
            topic=record.at.topic, partition=record.at.partition, offset=record.at.offset,
            timestamp_ms=record.timestamp_ms, key=record.key, value=record.value, headers=list(record.headers),
            redelivery=record.redelivery, since=since, kind=kind_of(waiting.lacks),
        )  # fmt: skip
        self.encoded[WAITING, id] = self.store.encode(document)
        self.state.apply(WAITING, id, document)
        self.decide(message, Outcome(Verdict.WAITING, reason=str(waiting), subject=waiting.lacks), cause)

    async def to_dead_letter(
        self, message: Message[T], kind: str, reason: str, error: Exception, cause: Record
    ) -> None:
        moment = EPOCH + timedelta(milliseconds=cause.timestamp_ms)
        letter, chunks = dead_letter(message, kind, reason, error, moment=moment, rules=self.service.rules)
        if kind == BUG:
            self.bugs[id(message)] = letter.fingerprint
        # What waited in vain may have been right, and is replayed when its employee is known.
        elif kind != EXPIRED and not await self.has_room(message.record, moment):
            letter, chunks = without_bytes(letter, message.record), []
        self.insert(DEAD_LETTERS, letter)
        for chunk in chunks:
            self.insert(DEAD_LETTER_CHUNKS, chunk)
        verdict = Verdict.BUG if kind == BUG else Verdict.REFUSED
        self.decide(message, Outcome(verdict, reason=reason), cause)

    async def has_room(self, record: Record, moment: datetime) -> bool:
        """Whether the bytes of what its sender got wrong are kept. Not by `needs`: what is wrong, only deciding shows."""
        topic = record.at.topic
        await self.loader.meet([Lock("dead-bytes/" + topic), Doc(DEAD_BYTES, topic)])
        known = self.dead_bytes.get(topic) or self.state.get(DEAD_BYTES, topic)
        self.dead_bytes[topic], kept = weighed(known, record, moment)
        return kept

    def insert(self, collection: Collection[Document], document: Document) -> None:
        self.inserts.append(Write(collection, document.id, self.store.encode(document), new=True))

    def writes(self) -> Iterator[Write]:
        for (collection, id), document in self.state.changed.items():
            stored = self.state.stored(collection, id)
            if document is not None:
                # A waiting record is not loaded by its id, and after a replay it may be there.
                new = not stored and collection is not WAITING
                yield Write(collection, id, self.encoded[collection, id], new=new)
            elif stored:
                yield Write(collection, id, None, new=False)

    def notes(self) -> Iterator[Write]:
        for topic, one in self.dead_bytes.items():
            new = not self.state.stored(DEAD_BYTES, topic)
            yield Write(DEAD_BYTES, topic, self.store.encode(one), new=new)
