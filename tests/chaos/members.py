"""Consumers of enrollment inside the test's own process, on topics and a database of its own."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from devstack import Stack
from services.enrollment.app import COLLECTIONS, HANDLERS
from services.enrollment.completions.handlers import recalculate_completions
from services.enrollment.completions.terms import CompletionTerms, load_terms
from shared.contracts.agency import EmployeeRegistered
from shared.contracts.topics import CONFIG, ENROLLMENT_COMMANDS, ENROLLMENT_EVENTS, PARTITIONS, agency_topic
from shared.kafka.topics import create_topics
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.documents import State
from shared.pipeline.handlers import Handler, Service
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.outcome import Outcome
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import (
    DEAD_LETTER_CHUNKS,
    DEAD_LETTERS,
    DECISIONS,
    POSITIONS,
    DeadLetter,
    Position,
)
from shared.pipeline.records import Received, RecordMetadata
from shared.pipeline.storage.mongo import MongoStore, connect
from tests.chaos.system import producer, put, until
from tests.chaos.traffic import AGENCIES, Message

SECRET = "0123456789abcdef" * 4
WITHIN_S = 60.0


class Place:
    """Topics and a database; members come and go."""

    def __init__(self, stack: Stack, admin: AIOKafkaAdminClient, store: MongoStore, prefix: str) -> None:
        self.stack, self.admin, self.store, self.prefix = stack, admin, store, prefix
        self.service: Service[CompletionTerms] = Service(
            name="enrollment",
            terms=load_terms(SECRET, "http://127.0.0.1:1"),
            handlers=HANDLERS,
            recalculate=recalculate_completions,
            collections=COLLECTIONS,
            sources=tuple(agency_topic(one) for one in AGENCIES),
            events_topic=ENROLLMENT_EVENTS,
            topic_prefix=prefix,
        )
        self.partitions = {agency_topic(one, prefix): 1 for one in AGENCIES}
        self.partitions[prefix + ENROLLMENT_COMMANDS] = PARTITIONS

    def agency(self, name: str = AGENCIES[0]) -> str:
        return agency_topic(name, self.prefix)

    @asynccontextmanager
    async def member(self, store: MongoStore | None = None) -> AsyncIterator[Consumer[CompletionTerms]]:
        publisher = Publisher(self.stack.kafka, "chaos")
        # Of its own: two consumers that share one end each other's transactions.
        store = store or MongoStore(self.store.client, self.store.database.name)
        consumer = Consumer(self.service, store, publisher, self.stack.kafka, self.partitions)
        running = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            consumer.stop()
            async with asyncio.timeout(WITHIN_S):
                await running
                await publisher.stop()

    async def create(self, topic: str, **config: str) -> None:
        await create_topics(self.stack.kafka, [(topic, 1, {**CONFIG, **config})])

    async def recreate(self, topic: str) -> None:
        await self.admin.delete_topics([topic])
        async with asyncio.timeout(WITHIN_S):
            while topic in await self.admin.list_topics():
                await asyncio.sleep(0.05)
            while True:  # the broker deletes in the background
                answer: Any = await self.admin.create_topics(
                    [NewTopic(topic, 1, 1, topic_configs=dict(CONFIG))]
                )
                if answer.topic_errors[0][1] == 0:
                    break
                await asyncio.sleep(0.05)
        await self.create(topic)

    async def delete_before(self, topic: str, offset: int) -> None:
        await self.admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})

    async def forget_group(self) -> None:
        """While no member is there; the broker takes a moment to see that the last one has left."""
        client = AdminClient(self.stack.kafka.librdkafka())
        deadline = time.monotonic() + WITHIN_S
        while True:
            (deleted,) = client.delete_consumer_groups([self.service.group]).values()
            try:
                await asyncio.to_thread(deleted.result, WITHIN_S)
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise AssertionError("the group is not empty") from error
                await asyncio.sleep(0.1)
            else:
                return

    async def send(self, messages: Iterable[Message], **options: Any) -> None:
        async with producer(self.stack.kafka, **options) as sender:
            await asyncio.gather(*[await put(sender, message) for message in messages])

    async def position(self, topic: str, partition: int = 0) -> Position | None:
        return await self.store.read(POSITIONS, position_id("enrollment", (topic, partition)))

    async def verdicts(self, topic: str, turn: int = 0) -> dict[int, str]:
        """By offset."""
        found = await self.store.select(DECISIONS, {"_id": {"$regex": f"^{topic}/0/[0-9]+/{turn}$"}})
        return {int(one.id.split("/")[2]): one.verdict for one in found}

    async def decided(self, topic: str, count: int, within_s: float = WITHIN_S) -> dict[int, str]:
        async with asyncio.timeout(within_s):
            while len(found := await self.verdicts(topic)) < count:
                await asyncio.sleep(0.1)
        return found

    async def dead_letters(self, topic: str) -> dict[int, tuple[DeadLetter, bytes | None]]:
        """By offset, each with its raw value."""
        found: dict[int, tuple[DeadLetter, bytes | None]] = {}
        for letter in await self.store.select(DEAD_LETTERS, {"topic": topic}):
            value = letter.value
            if letter.chunks:
                ids = [f"{letter.id}/{n}" for n in range(letter.chunks)]
                chunks = {
                    one.id: one.value
                    for one in await self.store.select(DEAD_LETTER_CHUNKS, {"_id": {"$in": ids}})
                }
                value = b"".join(chunks[id] for id in ids)
            found[letter.offset] = (letter, value)
        return found


def failing_on(
    service: Service[CompletionTerms], rules: str, fails: Callable[[RecordMetadata], bool]
) -> Service[CompletionTerms]:
    """Enrollment in a version that meets a bug on these of the registrations."""
    known = HANDLERS[EmployeeRegistered]

    def decide(event: Received[Any], state: State, terms: Any) -> Outcome:
        if fails(event.at):
            raise ZeroDivisionError
        return known.decide(event, state, terms)

    handlers = {**HANDLERS, EmployeeRegistered: Handler(known.needs, decide)}
    return replace(service, handlers=handlers, rules=rules)


def caught_up(member: Consumer[CompletionTerms]) -> bool:
    return bool(member.table.read) and not member.trouble and not any(member.lag().values())


async def stopped(place: Place, member: Consumer[CompletionTerms], topic: str, why: str) -> None:
    """The partition stands still, says so, and says so after a restart too."""
    await until(
        lambda: any(topic in fault and why in fault for fault in member.faults()),
        lambda: f"{why!r} expected, readiness says {member.faults()}",
        WITHIN_S,
    )
    position = await place.position(topic)
    assert position is not None
    assert why in position.stopped


@asynccontextmanager
async def place_of(stack: Stack, topics: Sequence[str] = AGENCIES) -> AsyncIterator[Place]:
    run = secrets.token_hex(4)
    async with AsyncExitStack() as ends:
        admin = AIOKafkaAdminClient(**stack.kafka.options())
        await admin.start()
        ends.push_async_callback(admin.close)
        client = connect(stack.mongo)
        ends.callback(client.close)
        ends.push_async_callback(client.drop_database, f"chaos_{run}")
        store = MongoStore(client, f"chaos_{run}")
        await store.prepare(COLLECTIONS)
        place = Place(stack, admin, store, f"chaos-{run}.")
        own = [place.prefix + ENROLLMENT_COMMANDS, place.prefix + ENROLLMENT_EVENTS]
        await create_topics(
            stack.kafka,
            [(agency_topic(one, place.prefix), 1, CONFIG) for one in topics]
            + [(topic, PARTITIONS, CONFIG) for topic in own],
        )
        yield place
