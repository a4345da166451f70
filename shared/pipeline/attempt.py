"""One attempt at a batch: lock and load what the keys name, fold the handlers, write.

Any failure throws all of it away: the caller starts again from the records.
"""

import heapq
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from shared.contracts.cloudevents import encode, event_id, id_in
from shared.contracts.payload import Payload
from shared.contracts.pipeline import ReleaseWaiting
from shared.contracts.topics import MOST_RECORD_BYTES
from shared.pipeline.books import (
    BUG,
    DEAD_LETTER_CHUNKS,
    DEAD_LETTERS,
    DECISIONS,
    PACKED,
    WAITING,
    Decision,
    Outgoing,
    WaitingRecord,
)
from shared.pipeline.burial import dead_letter, where
from shared.pipeline.documents import Collection, Doc, Docs, Document, Keys, Load, Lock, Need, State
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.items import EPOCH, Item, Reader
from shared.pipeline.mass_failure import Failures
from shared.pipeline.outcome import Fact, Outcome, Put, Verdict
from shared.pipeline.places import TopicPartition, digest, partition_of, position_id
from shared.pipeline.records import PackedBatch, Received, Record
from shared.pipeline.store import Advance, Encoded, Session, Store, Write
from shared.pipeline.waiting import WAITING_PAGE, waiting_id
from shared.telemetry import child_traceparent

T = TypeVar("T")

# MongoDB's limit is 16 MB a document; the rest of the 4 MB is for one event more.
MOST_PENDING_BYTES = 4_000_000
MOST_DOCUMENT_BYTES = 15_000_000
# The rest of what a record may have is for its frame in the log.
LARGEST_OUTGOING_BYTES = MOST_RECORD_BYTES - 4096
# Documents and locks that a record asks for at first sight, and how many more of them all records of a batch may: lists
# ask for hundreds each, and a backlog of them had notification hold 300 MB more.
USUALLY_ASKED = 10
MOST_ASKED = 2_000


class Decided(NamedTuple):
    """What a committed attempt has decided; `taken` records of each partition, from its first on."""

    steps: list[Advance]
    taken: dict[TopicPartition, int]
    decisions: list[Decision]
    outcomes: "Sequence[tuple[Item[Any], Outcome]]"
    """What led to each of the decisions."""
    failures: Failures
    outgoing: Sequence[Outgoing]
    """What is pending in all of the steps, in the order in which it was decided."""


async def _at_once(failures: Failures) -> None:
    """Nothing to wait for."""


class Attempt(Generic[T]):
    """One transaction's work. Made anew for each try, so that nothing of a failed one is kept."""

    usually_asked, most_asked = USUALLY_ASKED, MOST_ASKED

    def __init__(self, reader: Reader[T], store: Store, session: Session) -> None:
        self.reader, self.service, self.store, self.session = reader, reader.service, store, session
        self.state = State()
        self.encoded: dict[tuple[Collection[Document], str], Encoded] = {}
        self.inserts: list[Write] = []
        self.decisions: list[Decision] = []
        self.outcomes: list[tuple[Item[T], Outcome]] = []
        self.outgoing: list[Outgoing] = []
        self.outgoing_bytes = 0
        self.bugs: dict[int, str] = {}
        """Identity of an item -> fingerprint of the bug that it met."""

    async def run(
        self,
        batch: Mapping[TopicPartition, Sequence[Item[T]]],
        group: str,
        expected: Mapping[TopicPartition, int],
        before_writes: Callable[[Failures], Awaitable[None]] = _at_once,
    ) -> Decided:
        """Decides the batch, or as much of its beginning as fits into memory.

        `before_writes` is awaited before the positions are moved on, which replaces what was pending there; told
        which records met bugs, it may throw the attempt away.
        """
        items = {tp: [item.fresh() for item in those] for tp, those in batch.items()}
        arrived = list(self.as_arrived(items))
        everyone = [item for _, item in arrived]
        del arrived[await self.gather(everyone, self.most_asked) :], everyone[len(arrived) :]
        steps: list[Advance] = []
        taken: dict[TopicPartition, int] = {}
        pending: dict[TopicPartition, list[Outgoing]] = {}
        for tp, item in arrived:
            if self.outgoing_bytes >= MOST_PENDING_BYTES:
                break
            start = len(self.outgoing)
            await self.fold(item, item.record, everyone)
            taken[tp] = taken.get(tp, 0) + 1
            pending.setdefault(tp, []).extend(self.outgoing[start:])
        for tp, count in taken.items():
            last = items[tp][count - 1].record
            step = Advance(
                position_id(group, tp),
                expected[tp],
                last.at.offset + 1,
                pending[tp],
                last.timestamp_ms,
                digest(last),
            )
            steps.append(step)
        failures = {
            tp: [self.bugs.get(id(item)) for item in items[tp][:count]] for tp, count in taken.items()
        }
        await before_writes(failures)
        # The fence first: to who has lost the partition, decisions that are there already look like a bad record.
        await self.session.advance(steps)
        await self.session.write([*self.inserts, *self.writes()])
        return Decided(steps, taken, self.decisions, self.outcomes, failures, self.outgoing)

    def as_arrived(
        self, items: Mapping[TopicPartition, Sequence[Item[T]]]
    ) -> Iterator[tuple[TopicPartition, Item[T]]]:
        """All partitions' items by the log's time; each partition keeps its order. Our own commands come after others
        of the same millisecond, as effects after their causes."""
        own = self.service.commands_topic
        runs = [
            [(tp, item) for item in those]
            for tp, those in sorted(items.items(), key=lambda one: one[0][0] == own)
        ]
        return heapq.merge(*runs, key=lambda one: one[1].record.timestamp_ms)

    async def gather(self, items: Sequence[Item[T]], most: int = sys.maxsize) -> int:
        """Locks and loads what the items' `keys` name: one round of bulk calls for each LOAD among them.

        For how many of the items, from the first on: once they ask for `most` more than usual, the others are left.
        """
        running: list[tuple[Item[T], Keys]] = []
        needs: set[Need] = set()
        through, surplus = len(items), 0
        for n, item in enumerate(items):
            if surplus >= most:
                through = n
                break
            if item.event is not None and item.fault is None:
                before, keys = len(needs), self.keys_of(item)
                if self.ask(item, keys, needs):
                    running.append((item, keys))
                surplus += max(0, len(needs) - before - self.usually_asked)
        while needs:
            await self.load(needs)
            # What waits for something that one of these may bring is decided with it: its needs come along.
            for need in needs:
                if isinstance(need, Docs) and need.collection is WAITING:
                    for waiting in self.state.all(WAITING, "lacks", need.value):
                        waiter = self.reader.read(waiting.record(), waiting)
                        if waiter.fault is None:
                            running.append((waiter, self.keys_of(waiter)))
            needs = set()
            running = [(item, keys) for item, keys in running if self.ask(item, keys, needs)]
        return through

    def keys_of(self, item: Item[T]) -> Keys:
        assert item.event is not None
        assert item.reaction is not None
        item.rests_on, item.asked_at = [], self.state.changes
        return item.reaction.keys(item.event, self.state, self.service.terms)

    def ask(self, item: Item[T], keys: Keys, needs: set[Need]) -> bool:
        """Adds what the item lacks, up to the next LOAD that has to wait for it; False when it is through."""
        wanting = False
        self.state.looked_at = item.rests_on
        try:
            for need in keys:
                if isinstance(need, Load):
                    if wanting:
                        return True
                elif need not in self.state.met:
                    needs.add(need)
                    wanting = True
        except Exception as error:  # noqa: BLE001 - a fault of this event, not of the batch
            item.fault = error
        finally:
            self.state.looked_at = None
        return False

    def overtaken(self, item: Item[T]) -> bool:
        """Whether an earlier record of the batch changed what this item's keys rest on, since they were asked.

        Asked again at every change of the batch, 800 events with their employees' registrations took 1.7 s.
        """
        changed_at = self.state.changed_at
        return any(changed_at.get(key, 0) > item.asked_at for key in item.rests_on)

    async def load(self, needs: Iterable[Need]) -> None:
        locks: list[str] = []
        docs: dict[Collection[Document], list[str]] = {}
        sets: dict[tuple[Collection[Document], str, int], list[str]] = {}
        needs = list(needs)
        for need in needs:
            if isinstance(need, Lock):
                locks.append(need.name)
            elif isinstance(need, Doc):
                docs.setdefault(need.collection, []).append(need.id)
            else:
                sets.setdefault((need.collection, need.field, need.limit), []).append(need.value)
        if locks:
            await self.session.lock(locks)
        found: list[tuple[Collection[Document], Document]] = []
        for collection, ids in docs.items():
            found += [(collection, document) for document in await self.session.find(collection, ids)]
        for (collection, name, limit), values in sets.items():
            found += [
                (collection, document)
                for document in await self.session.find_by(collection, name, values, limit)
            ]
        self.state.loaded(needs, found)

    async def fold(self, item: Item[T], cause: Record, everyone: Sequence[Item[T]]) -> None:
        """Decides one record and applies what follows; its own faults end in a decision too."""
        item.folded = True
        if item.event is None and item.fault is None:
            return
        try:
            if item.fault is not None:
                raise item.fault
            assert item.event is not None
            assert item.reaction is not None
            if self.overtaken(item):
                await self.gather(
                    [
                        item,
                        *(
                            one
                            for one in everyone
                            if one is not item and not one.folded and self.overtaken(one)
                        ),
                    ]
                )
            if item.fault is not None:
                raise item.fault
            event = item.event
            if item.waited is not None or item.letter is not None:
                event = msgspec.structs.replace(event, now=EPOCH + timedelta(milliseconds=cause.timestamp_ms))
            outcome = item.reaction.decide(event, self.state, self.service.terms)
            encoded = [
                (change, self.encode(change.document) if isinstance(change, Put) else None)
                for change in outcome.changes
            ]
            outgoing = [self.outgoing_of(fact, event) for fact in outcome.facts]
        except Waiting as waiting:
            self.keep_waiting(item, waiting, cause)
        except Rejected as error:
            kind = PACKED if isinstance(item.record.value, PackedBatch) else "rejected"
            self.bury(item, kind, str(error), error, cause)
        except Exception as error:  # noqa: BLE001 - kept as a bug of this event; the batch goes on
            self.bury(item, BUG, where(error), error, cause)
        else:
            for change, document in encoded:
                if isinstance(change, Put):
                    assert document is not None
                    self.state.apply(change.collection, change.document.id, change.document)
                    self.encoded[change.collection, change.document.id] = document
                else:
                    self.state.apply(change.collection, change.id, None)
            for record in outgoing:
                self.send(record)
            if outcome.again:
                outcome = await self.decide_again(outcome, cause, everyone)
            self.decide(item, outcome, cause)
            await self.release(outcome, cause, everyone)

    async def decide_again(self, outcome: Outcome, cause: Record, everyone: Sequence[Item[T]]) -> Outcome:
        """Decides the records that the outcome names; who asked for it is told what became of them."""
        items = []
        for one in outcome.again:
            item = self.reader.read(one.record, one.waited)
            item.letter, item.last, item.edited_by = one.letter, one.last, one.edited_by
            items.append(item)
        await self.gather(items)
        first = len(self.outcomes)
        for item in items:
            await self.fold(item, cause, [*items, *everyone])
        became = {id(item): outcome for item, outcome in self.outcomes[first:]}
        verdicts = [became[id(item)] for item in items if id(item) in became]
        answer = {**outcome.answer, "decided_again": len(items)}
        if len(items) == 1:
            answer |= {
                "outcome": verdicts[0].verdict.value if verdicts else Verdict.NOTHING.value,
                "outcome_reason": verdicts[0].reason if verdicts else "",
            }
        return msgspec.structs.replace(outcome, answer=answer)

    async def release(self, outcome: Outcome, cause: Record, everyone: Sequence[Item[T]]) -> None:
        """Decides what waited for the things that appeared; a full page is followed by a command to oneself."""
        for lacks in outcome.appeared:
            page = self.state.all(WAITING, "lacks", lacks)
            waiters = [self.reader.read(waiting.record(), waiting) for waiting in page]
            await self.gather(waiters)  # all at once: by an earlier number each asked for itself
            for waiter in waiters:
                await self.fold(waiter, cause, [*waiters, *everyone])
            # Where none of them could be decided the next page can't either: a look in vain would go on for ever.
            if len(page) >= WAITING_PAGE and len(self.state.all(WAITING, "lacks", lacks)) < len(page):
                command = ReleaseWaiting(lacks=lacks, page=cause.at.offset)
                self.send(self.outgoing_of(Fact(command, "waiting/" + lacks, cause.at.offset, lacks), None))

    def encode(self, document: Document) -> Encoded:
        encoded = self.store.encode(document)
        if encoded.size_bytes > MOST_DOCUMENT_BYTES:
            raise Rejected(
                f"its document would have {encoded.size_bytes} bytes, {MOST_DOCUMENT_BYTES} are allowed: "
                "split what it carries"
            )
        return encoded

    def outgoing_of(self, fact: Fact, event: Received[Payload] | None) -> Outgoing:
        payload = fact.payload
        id = event_id(self.service.epoch, fact.aggregate, fact.version, payload.TYPE)
        value = encode(
            payload,
            id=id,
            source=f"urn:kompeten:{self.service.name}",
            time=event.now if event is not None else EPOCH,
            subject=fact.aggregate,
            partitionkey=fact.key,
            traceparent=child_traceparent(event.traceparent if event is not None else None, id),
        )
        if len(value) + len(fact.key) > LARGEST_OUTGOING_BYTES:
            raise Rejected(  # else it is published in vain for ever, and nothing after it
                f"the event {payload.TYPE} that follows from it would be larger than the log takes: "
                "send the ids and texts that Kompeten itself gave out"
            )
        return Outgoing(
            self.service.topic_of(type(payload)), partition_of(fact.key), fact.key.encode(), value
        )

    def send(self, record: Outgoing) -> None:
        self.outgoing.append(record)
        self.outgoing_bytes += len(record.value) + len(record.key) + 64

    def decide(self, item: Item[T], outcome: Outcome, cause: Record) -> None:
        event = item.event
        if item.edited_by:
            outcome = msgspec.structs.replace(outcome, answer={**outcome.answer, "edited_by": item.edited_by})
        decision = Decision(
            id=f"{item.record.at}/{item.record.turn}",
            event_id=event.id if event is not None else id_in(item.record.value, item.record.headers),
            verdict=outcome.verdict.value,
            decided_at=EPOCH + timedelta(milliseconds=cause.timestamp_ms),
            subject=outcome.subject,
            content=outcome.content,
            reason=outcome.reason,
            answer=outcome.answer,
            rules=self.service.rules,
        )
        self.decisions.append(decision)
        self.outcomes.append((item, outcome))
        self.insert(DECISIONS, decision)
        if item.waited is not None and outcome.verdict is not Verdict.WAITING:
            self.state.apply(WAITING, item.waited.id, None)

    def keep_waiting(self, item: Item[T], waiting: Waiting, cause: Record) -> None:
        record, event = item.record, item.event
        assert event is not None
        if item.last:
            self.bury(item, "expired", f"{waiting}; {item.last}", waiting, cause)
            return
        id = waiting_id(record.at)
        since = (
            item.waited.since
            if item.waited is not None
            else EPOCH + timedelta(milliseconds=cause.timestamp_ms)
        )
        document = WaitingRecord(
            id=id, lacks=waiting.lacks, reason=str(waiting), event_type=item.event_type, event_id=event.id,
            topic=record.at.topic, partition=record.at.partition, offset=record.at.offset,
            timestamp_ms=record.timestamp_ms, key=record.key, value=record.value, headers=list(record.headers),
            turn=record.turn, since=since,
        )  # fmt: skip
        self.encoded[WAITING, id] = self.store.encode(document)
        self.state.apply(WAITING, id, document)
        self.decide(item, Outcome(Verdict.WAITING, reason=str(waiting), subject=waiting.lacks), cause)

    def bury(self, item: Item[T], kind: str, reason: str, error: Exception, cause: Record) -> None:
        moment = EPOCH + timedelta(milliseconds=cause.timestamp_ms)
        letter, chunks = dead_letter(item, kind, reason, error, moment, self.service.rules)
        if kind == BUG:
            self.bugs[id(item)] = letter.fingerprint
        self.insert(DEAD_LETTERS, letter)
        for chunk in chunks:
            self.insert(DEAD_LETTER_CHUNKS, chunk)
        verdict = Verdict.BUG if kind == BUG else Verdict.REFUSED
        self.decide(item, Outcome(verdict, reason=reason), cause)

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
