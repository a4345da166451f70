"""Traps that need a Kafka which goes away, or one that makes topics when asked for them: a Kafka of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from types import MappingProxyType

import pytest
from aiokafka import AIOKafkaProducer

from devstack import Stack, broker
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.errors import Unavailable
from shared.pipeline.kafka import publisher as publisher_module
from shared.pipeline.kafka.publisher import Publisher
from tests.chaos.members import WITHIN_S, Place, caught_up, place_of
from tests.chaos.system import until
from tests.chaos.test_outages import Brokers, own
from tests.chaos.test_positions import events

pytestmark = pytest.mark.chaos

HANGS_S = 5.0
"""Longer than an ordinary call, and what a hanging one has not ended in."""


@pytest.fixture(scope="module")
async def brokers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Brokers]:
    with own(tmp_path_factory.mktemp("traps")) as started:
        made = Brokers(started)
        await made.start_kafka()
        yield made


@pytest.fixture
async def place(stack: Stack, brokers: Brokers) -> AsyncIterator[Place]:
    async with place_of(replace(stack, kafka=brokers.kafka)) as made:
        yield made


async def test_nothing_hangs_while_kafka_is_away(
    place: Place, brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#1101: an idempotent batch never expires, so that sending and stopping hang. #773: so does a consumer's stop."""
    monkeypatch.setattr(publisher_module, "STOPPED_WITHIN_S", 2.0)
    topic = place.agency()
    default = AIOKafkaProducer(
        **place.stack.kafka.options(), enable_idempotence=True, request_timeout_ms=1_000
    )
    await default.start()
    await default.send_and_wait(topic, b"there", partition=0)
    publisher = Publisher(place.stack.kafka, "traps")
    await publisher.send(topic, b"there", partition=0)
    member = Consumer(place.service, place.store, publisher, place.stack.kafka, place.partitions)
    running = asyncio.create_task(member.run())
    await place.decided(topic, 2)

    brokers.kafka_process.kill()
    hanging = asyncio.create_task(default.send_and_wait(topic, b"away", partition=0))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await publisher.send(topic, b"away", partition=0, within_s=1)
    assert time.monotonic() - began < HANGS_S, "our sending has an end"
    _, still = await asyncio.wait({hanging}, timeout=HANGS_S)
    assert still, "the client's sending had one too: the trap is gone, see client-traps.md"
    began = time.monotonic()
    member.stop()
    async with asyncio.timeout(30):
        await running
        await publisher.stop()
    hanging.cancel()

    await brokers.start_kafka()
    await publisher_module.close(default)
    async with place.member() as again:
        await place.send(events(place, 1))
        await until(lambda: caught_up(again), lambda: f"{again.faults()}", 2 * WITHIN_S)
    assert len(await place.verdicts(topic)) >= 3


async def test_a_broker_that_makes_topics_by_itself_is_noticed(
    place: Place, brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever subscribes makes the topic, with one partition: the declared number is held against it."""
    settings = MappingProxyType({**broker.SETTINGS, "auto.create.topics.enable": "true"})
    monkeypatch.setattr(broker, "SETTINGS", settings)
    brokers.kafka_process.kill()
    await brokers.start_kafka()
    missing = place.prefix + "forgotten"
    consumer = Consumer(
        place.service, place.store, Publisher(place.stack.kafka, "traps"), place.stack.kafka, {missing: 6}
    )
    consumer.service = replace(place.service, sources=("forgotten",))
    running = asyncio.create_task(consumer.run())
    try:
        await until(
            lambda: any(
                f"{missing} has 1 partitions, 6 are declared" in fault for fault in consumer.faults()
            ),
            lambda: f"{consumer.faults()}",
            WITHIN_S,
        )
    finally:
        consumer.stop()
        async with asyncio.timeout(WITHIN_S):
            await running
    assert missing in await place.admin.list_topics(), "this broker falls into the trap"
