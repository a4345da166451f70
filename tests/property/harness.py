"""The three services on stores of one's choice, and the log between them, driven one batch at a time.

A `City` is the consumers without Kafka: it splits batches anywhere, publishes twice or out of order, crashes
before and after commits, and hands everything out again. `observe` tells what came of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Generic, NamedTuple, TypeVar

from msgspec.structs import replace

from services.enrollment.app import COLLECTIONS as ENROLLMENT_COLLECTIONS
from services.enrollment.app import HANDLERS as ENROLLMENT_HANDLERS
from services.enrollment.certificates.documents import RENDERINGS
from services.enrollment.completions.handlers import recalculate_completions
from services.enrollment.completions.terms import CompletionTerms, load_terms
from services.incentive.app import COLLECTIONS as INCENTIVE_COLLECTIONS
from services.incentive.app import HANDLERS as INCENTIVE_HANDLERS
from services.incentive.points.handlers import recalculate_points
from services.incentive.terms import load_terms as load_incentive_terms
from services.notification.app import COLLECTIONS as NOTIFICATION_COLLECTIONS
from services.notification.app import HANDLERS as NOTIFICATION_HANDLERS
from services.notification.letters import documents as notification
from services.notification.terms import load_terms as load_notification_terms
from shared.contracts.cloudevents import STRUCTURED, event_id
from shared.contracts.enrollment import StoreRendering
from shared.contracts.notification import ReleaseLetter
from shared.contracts.payload import Payload
from shared.contracts.topics import (
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    INCENTIVE_EVENTS,
    NOTIFICATION_COMMANDS,
    agency_topic,
)
from shared.pipeline.documents import Collection, Document
from shared.pipeline.handlers import Published, Restore, Service
from shared.pipeline.limits import LIMITS, Limits
from shared.pipeline.partitioner import TopicPartition, partition_of, position_id
from shared.pipeline.pipeline_collections import Outgoing
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.processing.unit_of_work import Decided, UnitOfWork
from shared.pipeline.records import Headers, Record, RecordMetadata
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.store import Session, in_transaction
from tests.factories import as_record
from tests.memory_store import MemoryStore, Stored

T = TypeVar("T")
D = TypeVar("D", bound=Document)
AnyStore = MemoryStore | MongoStore
SECRET: Final = "0123456789abcdef0123456789abcdef"
AGENCIES: Final = ("dinas-a", "dinas-b")
OFFICER: Final = "officer"
"""The sender of commands."""
MORNING: Final = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
TERMS: Final = load_terms(SECRET, "https://kompeten.example")
MAX_TURNS: Final = 5_000
UNHURRIED: Final = LIMITS._replace(most_busy_s=float("inf"))
"""A batch is one on any machine."""

ENROLLMENT: Final[Service[CompletionTerms]] = Service(
    name="enrollment",
    terms=TERMS,
    handlers=ENROLLMENT_HANDLERS,
    recalculate=recalculate_completions,
    collections=ENROLLMENT_COLLECTIONS,
    sources=tuple(agency_topic(opd) for opd in AGENCIES),
    events_topic=ENROLLMENT_EVENTS,
)
INCENTIVE: Final = Service(
    name="incentive",
    terms=load_incentive_terms(),
    handlers=INCENTIVE_HANDLERS,
    recalculate=recalculate_points,
    collections=INCENTIVE_COLLECTIONS,
    sources=(ENROLLMENT_EVENTS,),
    events_topic=INCENTIVE_EVENTS,
)
NOTIFICATION: Final = Service(
    name="notification",
    terms=load_notification_terms(SECRET, "https://kompeten.example"),
    handlers=NOTIFICATION_HANDLERS,
    collections=NOTIFICATION_COLLECTIONS,
    sources=(ENROLLMENT_EVENTS, INCENTIVE_EVENTS),
)
SERVICES: Final[tuple[Service[Any], ...]] = (ENROLLMENT, INCENTIVE, NOTIFICATION)


@dataclass(frozen=True)
class Sending:
    """An event that an agency publishes, or a command that an officer gives."""

    payload: Payload
    id: str
    time: datetime = MORNING
    sender: str = AGENCIES[0]

    def __repr__(self) -> str:
        """What matters of it, for reading a failure."""
        shown = self.payload.model_dump(mode="json", exclude_none=True)
        if (training := shown.get("training")) is not None:
            shown = {"by": shown["employee_number"][:4], "code": training["code"], "form": training["form"],
                     "from": training["start_date"], "to": training["end_date"], "on": shown["completed_on"],
                     "result": shown["result"], "revision": shown.get("revision")}  # fmt: skip
        return f"\n  {self.id} {self.sender} {self.time:%m-%d %H} {type(self.payload).__name__} {shown}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def record(self) -> Record:
        if self.sender == OFFICER:
            employee_id = getattr(self.payload, "employee_id", "")
            return as_record(
                self.payload, id=self.id, time=self.time, topic=ENROLLMENT_COMMANDS,
                partition=partition_of(employee_id),
            )  # fmt: skip
        return as_record(self.payload, id=self.id, time=self.time, topic=agency_topic(self.sender))


@dataclass
class Weather:
    """How rough the world is; each a probability."""

    crash: float = 0.0
    """After a commit: what it left pending is published in part, then again."""
    interrupt: float = 0.0
    """Before a commit: the attempt starts again."""
    double: float = 0.0
    """A published record stands in the log twice."""
    shuffle: float = 0.0
    """What a batch leaves pending is published in any order, and some of it after that of later batches."""
    shortage: float = 0.0
    """A batch may do little only: the rest of it is read again."""
    timers: float = 0.0
    """A minute passes, and letters that are due go without their points."""


CALM = Weather()
ROUGH = Weather(crash=0.1, interrupt=0.1, double=0.2, shuffle=0.3, shortage=0.3, timers=0.05)


@dataclass
class Member(Generic[T]):
    service: Service[T]
    store: AnyStore
    decoder: Decoder[T]
    next: dict[TopicPartition, int] = field(default_factory=dict)
    decided: list[Decided] = field(default_factory=list)


class Backup(NamedTuple):
    collections: dict[str, dict[str, Stored]]
    next: dict[TopicPartition, int]


class City:
    def __init__(
        self,
        stores: Sequence[AnyStore] | None = None,
        *,
        random: Random | None = None,
        weather: Weather = CALM,
        services: Sequence[Service[Any]] = SERVICES,
    ) -> None:
        self.random, self.weather = random or Random(0), weather
        stores = stores or [MemoryStore(self._interrupted) for _ in services]
        self.members = {
            service.name: Member(service, store, Decoder(service))
            for service, store in zip(services, stores, strict=True)
        }
        self.log: dict[TopicPartition, list[Record]] = {}
        self.now_ms = int(MORNING.timestamp() * 1000)
        self.told: set[str] = set()
        self.held: list[Outgoing] = []

    def _interrupted(self) -> bool:
        return self.random.random() < self.weather.interrupt

    # The log.

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> Record:
        records = self.log.setdefault((topic, partition), [])
        self.now_ms += 1000
        record = Record(RecordMetadata(topic, partition, len(records)), self.now_ms, key, value, headers)
        records.append(record)
        return record

    def send(self, sending: Sending) -> Record:
        record = sending.record()
        return self.append(record.at.topic, record.at.partition, record.key, record.value, record.headers)

    def publish(self, pending: Sequence[Outgoing]) -> None:
        for one in pending:
            for _ in range(2 if self.random.random() < self.weather.double else 1):
                self.append(
                    one.topic, one.partition, one.key, one.value, (("content-type", STRUCTURED.encode()),)
                )

    def release(self) -> bool:
        """Publishes what was held back; whether there was any."""
        held, self.held = self.held, []
        self.publish(held)
        return bool(held)

    def wait(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    # What happens.

    async def deliver(self, sendings: Sequence[Sending]) -> None:
        """Sends one after the other, with the services at work in between; ends when all is decided."""
        for sending in sendings:
            self.send(sending)
            while self.random.random() < 0.4:
                await self.work()
        await self.recalculate()

    async def recalculate(self) -> None:
        """Until nothing is left to do."""
        for _ in range(MAX_TURNS):
            while await self.work():
                pass
            if not self.release() and not await self.render() and not await self.tick(wait=True):
                return
        raise AssertionError("the services never come to an end")

    async def work(self) -> bool:
        """One batch of one service, split anywhere; whether there was anything to decide."""
        if self.held and self.random.random() < 0.1:
            self.release()
        behind = [member for member in self.members.values() if self.lag(member)]
        if not behind:
            return False
        if self.random.random() < self.weather.timers:
            await self.tick(wait=self.random.random() < 0.5)
        member = self.random.choice(behind)
        lag = self.lag(member)
        chosen = self.random.sample(sorted(lag), self.random.randint(1, len(lag)))
        await self.batch(member, {tp: self.random.randint(1, lag[tp]) for tp in chosen})
        return True

    def lag(self, member: Member[Any]) -> dict[TopicPartition, int]:
        topics = set(member.service.topics)
        lag = {
            tp: len(records) - member.next.get(tp, 0) for tp, records in self.log.items() if tp[0] in topics
        }
        return {tp: count for tp, count in lag.items() if count}

    async def batch(self, member: Member[Any], counts: dict[TopicPartition, int]) -> Decided:
        """One transaction over the next records of these partitions, then what it left pending."""
        positions = {
            tp: await member.store.position(position_id(member.service.name, tp), 0) for tp in counts
        }
        expected = {tp: position.next for tp, position in positions.items()}
        items = {
            tp: [
                member.decoder.read(replace(record, redelivery=positions[tp].redelivery))
                for record in self.log[tp][expected[tp] : expected[tp] + count]
            ]
            for tp, count in counts.items()
        }

        short = self.random.random() < self.weather.shortage
        limits = self._short() if short else UNHURRIED

        async def unit_of_work(session: Session) -> Decided:
            made = UnitOfWork(member.decoder, member.store, session, limits=limits)
            return await made.run(items, member.service.name, expected)

        decided = await in_transaction(member.store, unit_of_work)
        member.decided.append(decided)
        pending = [record for step in decided.steps for record in step.pending]
        if self.random.random() < self.weather.shuffle:
            self.random.shuffle(pending)
            count = self.random.randint(0, len(pending))
            pending, self.held = pending[count:], self.held + pending[:count]
        if self.random.random() < self.weather.crash:
            self.publish(pending[: self.random.randint(0, len(pending))])
            pending = []
            for tp in decided.taken:
                position = await member.store.position(position_id(member.service.name, tp), 0)
                pending += position.pending
        for tp, step in zip(decided.taken, decided.steps, strict=True):
            member.next[tp] = step.next
        self.publish(pending)
        return decided

    def _short(self) -> Limits:
        draw = self.random.randint
        return Limits(
            usually_asked=0, most_asked=draw(1, 30), most_in_sets=draw(1, 20), most_decisions=draw(1, 20),
            most_stale=draw(1, 10),
        )  # fmt: skip

    async def start_again(self, name: str) -> None:
        """An operator has a service decide its whole log again."""
        member = self.members[name]
        for tp in list(member.next):
            await member.store.set_back(position_id(name, tp), 0)
            member.next[tp] = 0

    async def restored(self, name: str, at: "Backup", restore: Restore | None = None) -> None:
        """The database is lost and put back from a backup, a new epoch begins, and what came after the backup is decided
        again in the order of arrival, up to where the log ended."""
        member = self.members[name]
        assert isinstance(member.store, MemoryStore)
        self.release()
        member.store.collections = dict(at.collections)
        member.next = dict(at.next)
        epoch = member.service.epoch + 1
        terms = member.service.terms
        if hasattr(terms, "epoch"):  # of a service that gives out versions
            terms = replaced(terms, epoch=epoch)
        member.service = replaced(member.service, terms=terms, epoch=epoch)
        member.decoder = Decoder(member.service)
        if restore is not None:
            await self._adopt(member, restore)
        behind = [
            (record.timestamp_ms, tp[0] == member.service.commands_topic, tp)
            for tp in self.lag(member)
            for record in self.log[tp][member.next.get(tp, 0) :]
        ]
        behind.sort(key=lambda one: one[:2])
        while behind:
            some = self.random.randint(1, len(behind))
            counts = Counter(tp for *_, tp in behind[:some])
            decided = await self.batch(member, dict(counts))
            for tp, taken in decided.taken.items():
                for _ in range(taken):
                    behind.remove(next(one for one in behind if one[2] == tp))

    async def _adopt(self, member: Member[Any], restore: Restore) -> None:
        told = [
            Published(record.value, record.headers)
            for (topic, _), records in self.log.items()
            if topic == member.service.events_topic
            for record in records
        ]
        await restore.adopt(told, member.store)
        writes = await restore.finish(member.store)
        await in_transaction(member.store, lambda session: session.write(writes))

    def backup(self, name: str) -> "Backup":
        """All of a service's database as it is at this moment."""
        member = self.members[name]
        assert isinstance(member.store, MemoryStore)
        return Backup(dict(member.store.collections), dict(member.next))

    async def render(self) -> bool:
        """Workers finish the PDFs that are queued; whether there were any."""
        if "enrollment" not in self.members:
            return False
        queued = [one for one in await self.documents("enrollment", RENDERINGS) if one.id not in self.told]
        for one in queued:
            self.told.add(one.id)
            command = StoreRendering(
                certificate_id=one.certificate_id, completion_id=one.completion_id, revision=one.revision,
                sha256=one.id, size_bytes=1,
            )  # fmt: skip
            self.command(ENROLLMENT_COMMANDS, command, event_id(0, one.id, 1, command.TYPE), one.employee_id)
        return bool(queued)

    async def tick(self, *, wait: bool) -> bool:
        """The ticker asks for the letters that are due; whether there were any. `wait`: until all of them are."""
        if "notification" not in self.members:
            return False
        letters = await self.documents("notification", notification.LETTERS)
        collecting = [one for one in letters if one.state == notification.COLLECTING]
        if wait and collecting:
            last = max(one.due for one in collecting)
            self.wait(1 + max(0.0, (last - self.now).total_seconds()))
        due = [one for one in collecting if one.due <= self.now]
        for one in due:
            command = ReleaseLetter(letter_id=one.id)
            self.command(
                NOTIFICATION_COMMANDS, command, event_id(0, one.id, 1, command.TYPE), one.employee_id
            )
        return bool(due)

    def command(self, topic: str, payload: Payload, id: str, key: str) -> None:
        record = as_record(payload, id=id, time=self.now)
        self.append(topic, partition_of(key), key.encode(), record.value, record.headers)

    async def documents(self, service: str, collection: Collection[D]) -> list[D]:
        store = self.members[service].store
        if isinstance(store, MemoryStore):
            return await store.documents(collection)
        return await store.select(collection, {}, sort=[("_id", 1)])
