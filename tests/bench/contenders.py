"""One stage, by us and by others: the same events, the same pure decision, the same facts published.

    python -m tests.bench.contenders CONTENDER MONGO RUN EVENTS    (prints one line of JSON; started by tests.bench.stage)

ours              lock, position and pending events in each batch's transaction, a decision for every record
faststream        a handler a message, one transaction each; offsets by FastStream after the handler
faststream_batch  batch=True, one transaction a batch, bulk reads and writes, facts published in one go
bare              getmany, bulk reads, insert_many, send: no transaction, no lock, no position, no decision

All: acks=all, idempotent producer, w:majority journaled, batches of at most 1,000, the same topic and partition.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import InsertOne, ReadPreference, ReplaceOne, WriteConcern
from pymongo.read_concern import ReadConcern

from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.handlers import (
    completion_needs,
    recalculate_completions,
    record_completion,
)
from services.enrollment.completions.terms import CompletionTerms
from shared.contracts.agency import TrainingCompleted
from shared.contracts.cloudevents import decode, encode, event_id, peek
from shared.contracts.topics import agency_topic
from shared.kafka.connection import KafkaConnection
from shared.pipeline.consuming.consumer import MAX_RECORDS, Consumer
from shared.pipeline.documents import Collection, Doc, Docs, Document, Load, Lock, Need, State
from shared.pipeline.kafka.client import FETCH_BYTES
from shared.pipeline.kafka.publisher import HEADERS, Publisher
from shared.pipeline.outcome import Due, OutgoingEvent, Put, Remove
from shared.pipeline.partitioner import partition_of
from shared.pipeline.pipeline_collections import Decision
from shared.pipeline.processing.messages import EPOCH
from shared.pipeline.records import Received, RecordMetadata
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.pipeline.storage.mongo import encode as bson_of
from shared.service import tune_gc
from tests.bench.workload import OPD, heard, load, settings_for

CompletedTraining = list[tuple[bytes, bytes, int]]
Event = Received[TrainingCompleted]
Found = list[tuple[Collection[Document], Document]]


def received(
    value: bytes, headers: Sequence[tuple[str, bytes]], timestamp_ms: int, offset: int
) -> Received[TrainingCompleted]:
    _, structured = peek(value, headers)
    event = decode(value, headers, structured, TrainingCompleted)
    assert isinstance(event.data, TrainingCompleted)
    now = EPOCH.fromtimestamp(timestamp_ms / 1000, EPOCH.tzinfo)
    attributes = event.attributes
    return Received(event.data, attributes.id, attributes.type, attributes.time or now, OPD, now,
                    attributes.traceparent, RecordMetadata("", 0, offset), now)  # fmt: skip


class Peer:
    """What an expert would write around the same pure decision: bulk reads in three steps, fold, bulk write."""

    def __init__(self, kafka: KafkaConnection, mongo: str, run: str) -> None:
        self.terms: CompletionTerms = load()
        self.client = connect(mongo)
        self.store = MongoStore(self.client, f"{run}_enrollment")
        self.database = self.store.database
        self.kafka, self.run = kafka, run
        self.topic_out = f"{run}.enrollment.events.v1"

    async def decide(
        self, events: Sequence[Event], session: object, transactional: bool
    ) -> CompletedTraining:
        state = await self.loaded(events, session)
        facts: CompletedTraining = []
        stale: dict[str, dict[str, tuple[Document | None, Event]]] = {}
        for event in events:
            outcome = record_completion(event, state, self.terms)
            self.apply(outcome.changes, state)
            facts += [self.encoded(fact, event) for fact in outcome.facts]
            if (left := outcome.stale) is not None:
                those = stale.setdefault(left.aggregate, {})
                id = left.document.id
                before = those[id][0] if id in those else state.get(left.collection, id)
                those[id] = (before, event)
                state.apply(left.collection, left.document.id, left.document)
        for those in stale.values():
            due = [
                Due[Any](before, state.get(COMPLETIONS, id), event) for id, (before, event) in those.items()
            ]
            recalculation = recalculate_completions(due, state, self.terms)
            self.apply(recalculation.changes, state)
            facts += [self.encoded(fact, cause.event) for fact, cause in recalculation.facts]
        await self.write(state, session)
        return facts

    def apply(self, changes: Sequence[Put | Remove], state: State) -> None:
        for change in changes:
            assert isinstance(change, Put)
            state.apply(change.collection, change.document.id, change.document)

    async def loaded(self, events: Sequence[Event], session: object) -> State:
        state = State()
        running = [completion_needs(event, state, self.terms) for event in events]
        while running:
            needs: set[Need] = set()
            paused = []
            for keys in running:
                for need in keys:
                    if isinstance(need, Load):
                        paused.append(keys)
                        break
                    if not isinstance(need, Lock) and need not in state.met:
                        needs.add(need)
            await self.load(state, needs, session)
            running = paused
        return state

    async def load(self, state: State, needs: set[Need], session: object) -> None:
        docs: dict[Collection[Document], list[str]] = {}
        sets: dict[tuple[Collection[Document], str], list[str]] = {}
        for need in needs:
            if isinstance(need, Doc):
                docs.setdefault(need.collection, []).append(need.id)
            elif isinstance(need, Docs):
                sets.setdefault((need.collection, need.field), []).append(need.value)
        found: list[tuple[Collection[Document], Document]] = []
        for collection, ids in docs.items():
            found += await self.find(collection, {"_id": {"$in": ids}}, session)
        for (collection, field), values in sets.items():
            found += await self.find(collection, {field: {"$in": values}}, session)
        state.loaded(needs, found)

    async def find(
        self, collection: Collection[Document], query: dict[str, object], session: object
    ) -> list[tuple[Collection[Document], Document]]:
        import msgspec

        raw = await self.database[collection.name].find(query, session=session).to_list(None)
        return [(collection, msgspec.convert(one, collection.document)) for one in raw]

    async def write(self, state: State, session: object) -> None:
        by_collection: dict[str, list[object]] = {}
        for (collection, id), document in state.changed.items():
            assert document is not None
            new = not state.stored(collection, id)
            operation = InsertOne(bson_of(document)) if new else ReplaceOne({"_id": id}, bson_of(document))
            by_collection.setdefault(collection.name, []).append(operation)
        for name, operations in by_collection.items():
            await self.database[name].bulk_write(operations, ordered=False, session=session)

    def encoded(self, fact: OutgoingEvent, event: Event) -> tuple[bytes, bytes, int]:
        id = event_id(0, fact.aggregate, fact.version, fact.payload.TYPE)
        value = encode(fact.payload, id=id, source="urn:bench", time=event.now, subject=fact.aggregate,
                       partitionkey=fact.key, traceparent=event.traceparent)  # fmt: skip
        return fact.key.encode(), value, partition_of(fact.key)

    async def transaction(self, events: Sequence[Event]) -> CompletedTraining:
        async with (
            await self.client.start_session() as session,
            session.start_transaction(
                ReadConcern("snapshot"), WriteConcern("majority", j=True), ReadPreference.PRIMARY
            ),
        ):
            return await self.decide(events, session, True)


async def ours(
    kafka: KafkaConnection,
    mongo: str,
    run: str,
    events: int,
    count: Callable[[Sequence[Decision]], int] = len,
) -> float:
    """Seconds until as many as `events` are decided; `count`: how many of a batch's decisions count."""
    settings = settings_for(kafka, mongo, run)
    from services.enrollment.app import service_of

    # By name: the register, which says it otherwise, would take a turn of its own.
    service = replace(service_of(settings, load()), sources=(agency_topic(OPD),))
    store = MongoStore(connect(mongo), f"{run}_enrollment")
    publisher = Publisher(kafka, "bench")
    done, finished = 0, asyncio.Event()

    def on_decided(decisions: Sequence[Decision]) -> None:
        nonlocal done
        done += count(decisions)
        if done >= events:
            finished.set()

    consumer = Consumer(service, store, publisher, kafka, {}, on_decided=on_decided)
    task = asyncio.create_task(consumer.run())
    while not consumer.table.read:
        await asyncio.sleep(0.01)
    start = time.perf_counter()
    await finished.wait()
    seconds = time.perf_counter() - start
    consumer.stop()
    await task
    await publisher.stop()
    return seconds


async def bare(kafka: KafkaConnection, mongo: str, run: str, events: int) -> float:
    peer = Peer(kafka, mongo, run)
    consumer = AIOKafkaConsumer(agency_topic(OPD, run + "."), **kafka.options(), group_id="bare",
                                auto_offset_reset="earliest", max_poll_records=MAX_RECORDS,
                                max_partition_fetch_bytes=FETCH_BYTES)  # fmt: skip
    producer = AIOKafkaProducer(**kafka.options(), acks="all", enable_idempotence=True, linger_ms=2)
    await consumer.start()
    await producer.start()
    done = 0
    while not consumer.assignment():
        await asyncio.sleep(0.01)
    start = time.perf_counter()
    while done < events:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            batch = [received(r.value, r.headers, r.timestamp, r.offset) for r in records]
            facts = await peer.decide(batch, None, False)
            acks = [await producer.send(peer.topic_out, v, k, p, headers=HEADERS) for k, v, p in facts]
            await asyncio.gather(*acks)
            done += len(records)
    seconds = time.perf_counter() - start
    await consumer.stop()
    await producer.stop()
    return seconds


async def faststream(kafka: KafkaConnection, mongo: str, run: str, events: int, batch: bool = False) -> float:
    import logging

    from faststream.kafka import KafkaBroker, KafkaMessage
    from faststream.security import SASLPlaintext

    peer = Peer(kafka, mongo, run)
    # The same user as everybody's here, whom the broker knows by PLAIN.
    guarded = kafka.security != "plaintext"
    security = SASLPlaintext(kafka.user, kafka.password, use_ssl=False) if guarded else None
    broker = KafkaBroker(
        kafka.bootstrap,
        security=security,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        logger=None,
        log_level=logging.ERROR,
    )
    done, finished, start = 0, asyncio.Event(), 0.0
    topic = agency_topic(OPD, run + ".")
    options = {
        "group_id": "faststream",
        "auto_offset_reset": "earliest",
        "max_partition_fetch_bytes": FETCH_BYTES,
    }

    async def publish(facts: CompletedTraining) -> None:
        acks = [
            await broker.publish(v, peer.topic_out, key=k, partition=p, no_confirm=True) for k, v, p in facts
        ]
        await asyncio.gather(*acks)

    async def handle_one(body: bytes, message: KafkaMessage) -> None:
        nonlocal done, start
        start = start or time.perf_counter()
        raw = message.raw_message
        await publish(await peer.transaction([received(raw.value, raw.headers, raw.timestamp, raw.offset)]))
        done += 1
        if done >= events:
            finished.set()

    async def handle_batch(body: list[bytes], message: KafkaMessage) -> None:
        nonlocal done, start
        start = start or time.perf_counter()
        raws = message.raw_message
        await publish(
            await peer.transaction([received(r.value, r.headers, r.timestamp, r.offset) for r in raws])
        )
        done += len(raws)
        if done >= events:
            finished.set()

    async def raw_body(message: object) -> object:
        return getattr(message, "body", b"")

    if batch:
        broker.subscriber(
            topic, batch=True, max_records=MAX_RECORDS, batch_timeout_ms=200, decoder=raw_body, **options
        )(handle_batch)
    else:
        broker.subscriber(topic, decoder=raw_body, **options)(handle_one)
    async with broker:
        await broker.start()
        await finished.wait()
        return time.perf_counter() - start


async def main(contender: str, kafka: KafkaConnection, mongo: str, run: str, events: int) -> None:
    contenders = {
        "ours": ours,
        "bare": bare,
        "faststream": faststream,
        "faststream_batch": lambda *args: faststream(*args, batch=True),
    }
    tune_gc()
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    seconds = await contenders[contender](kafka, mongo, run, events)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime
    print(json.dumps({"contender": contender, "events": events, "seconds": seconds,
                      "events_per_s": events / seconds, "cpu_us_per_event": cpu_s / events * 1e6}))  # fmt: skip


if __name__ == "__main__":
    try:
        import uvloop

        run_loop = uvloop.run
    except ImportError:
        run_loop = asyncio.run
    name, mongo_url, run_name, count = sys.argv[1:]
    run_loop(main(name, heard(), mongo_url, run_name, int(count)))
