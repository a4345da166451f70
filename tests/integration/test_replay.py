"""A replay on real Kafka and MongoDB: the position is set back while the consumer runs, and nothing changes."""

import asyncio
import secrets
from dataclasses import replace
from time import monotonic

import msgspec

from devstack import Stack
from services.enrollment.completions.documents import COMPLETIONS, Completion
from shared.contracts.topics import topic_specs
from shared.kafka.topics import create_topics
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import DECISIONS, WAITING
from shared.pipeline.storage.mongo import MongoStore, connect
from tests.factories import OTHER_NIP, as_record, completed, registered
from tests.property.harness import AGENCIES, ENROLLMENT
from tests.property.histories import BUDI

WITHIN_S = 30.0


def unsaid(completion: Completion) -> Completion:
    contents = [msgspec.structs.replace(one, again=None) for one in completion.contents]
    return msgspec.structs.replace(completion, contents=contents)


async def test_a_replay_while_the_consumer_runs_decides_all_again_and_changes_nothing(stack: Stack) -> None:
    """It met its own earlier decisions, and the consumer ended on them whenever it was started."""
    prefix = f"replay-{secrets.token_hex(4)}."
    service = replace(ENROLLMENT, topic_prefix=prefix)
    specs = topic_specs(AGENCIES, prefix)
    await create_topics(stack.kafka, [(one.name, one.partitions, one.config) for one in specs])
    client, publisher = connect(stack.mongo), Publisher(stack.kafka, "replay")
    store = MongoStore(client, prefix.rstrip(".").replace("-", "_"))
    await store.prepare(service.collections)
    topics = {spec.name: spec.partitions for spec in specs if spec.name in service.topics}
    consumer = Consumer(service, store, publisher, stack.kafka, topics)
    running = asyncio.create_task(consumer.run())

    async def decided(count: int) -> None:
        began = monotonic()
        while await store.count(DECISIONS, {}) < count:
            assert not running.done(), running.exception()
            assert monotonic() - began < WITHIN_S, f"{await store.count(DECISIONS, {})} of {count} decisions"
            await asyncio.sleep(0.05)

    try:
        topic = prefix + f"agency.{AGENCIES[0]}.v1"
        for n, payload in enumerate(
            [registered(BUDI), completed(BUDI), completed(BUDI), completed(OTHER_NIP)]
        ):
            record = as_record(payload, id=str(n), topic=topic)
            assert record.value is not None
            await publisher.send(topic, record.value, partition=0)
        await decided(4)
        before = [unsaid(one) for one in await store.select(COMPLETIONS, {})]
        await store.set_back(position_id(service.name, (topic, 0)), 0)
        await decided(8)  # by itself: nothing comes in
        record = as_record(completed(BUDI), id="after", topic=topic)
        assert record.value is not None
        await publisher.send(topic, record.value, partition=0)
        await decided(9)
        found = await store.select(DECISIONS, {}, sort=[("t", 1), ("_id", 1)])
        assert sorted(one.verdict for one in found) == [
            "accepted", "accepted", *["duplicate"] * 5, "waiting", "waiting"
        ]  # fmt: skip
        # In which minute it was said again last is all that a copy may change.
        assert [unsaid(one) for one in await store.select(COMPLETIONS, {})] == before
        assert await store.count(WAITING, {}) == 1
    finally:
        consumer.stop()
        await running
        await publisher.stop()
        await client.drop_database(store.database.name)
        client.close()
