"""Records that met a bug, on real Kafka and MongoDB: the next version decides them, if it no longer fails on them."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from devstack import Stack
from services.enrollment.completions.terms import CompletionTerms
from shared.http.askers import Askers
from shared.http.commands import Commands, DecisionWaiter
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, OPEN, REPLAYED, DeadLetter
from shared.workers.bugs import PAGE, BugReplayer
from tests import factories
from tests.chaos.members import Place, failing_on, place_of
from tests.chaos.test_positions import events

COUNT = 40


@pytest.fixture
async def place(stack: Stack) -> AsyncIterator[Place]:
    async with place_of(stack) as made:
        yield made


@pytest.fixture
async def publisher(stack: Stack) -> AsyncIterator[Publisher]:
    made = Publisher(stack.kafka, "bugs")
    yield made
    await made.stop()


def bugs(place: Place, publisher: Publisher, behind_s: float = 0.0) -> "BugReplayer[CompletionTerms]":
    service, store = place.service, place.store
    commands = Commands(
        service.name,
        service.commands_topic,
        publisher,
        DecisionWaiter(store, service.commands_topic),
        Askers(service.name, "s" * 32),
    )
    return BugReplayer(service, store, commands, factories.always(behind_s))


async def letters(place: Place, state: str) -> list[DeadLetter]:
    found = await place.store.select(DEAD_LETTERS, {"state": state})
    return sorted(found, key=lambda one: one.offset)


async def commands_decided(place: Place, count: int) -> list[str]:
    """Their verdicts."""
    mine = {"_id": {"$regex": f"^{place.service.commands_topic}/"}}
    async with asyncio.timeout(30):
        while len(found := await place.store.select(DECISIONS, mine)) < count:
            await asyncio.sleep(0.05)
    return sorted(one.verdict for one in found)


async def met_bugs(place: Place, offsets: set[int]) -> None:
    place.service = failing_on(place.service, "1", lambda at: at.offset in offsets)
    await place.send(events(place, COUNT))
    async with place.member():
        await place.decided(place.agency(), COUNT)
    assert {one.offset for one in await letters(place, OPEN)} == offsets


async def test_the_next_version_decides_what_it_no_longer_fails_on(
    place: Place, publisher: Publisher
) -> None:
    await met_bugs(place, {3, 20, 37})
    place.service = failing_on(place.service, "2", lambda at: at.offset == 20)
    async with place.member():
        for _ in range(2):  # two replicas
            await bugs(place, publisher).step()
        assert await commands_decided(place, 4) == ["accepted", "accepted", "duplicate", "duplicate"]
    replayed = await letters(place, REPLAYED)
    assert [one.offset for one in replayed] == [3, 37]
    assert await place.verdicts(place.agency(), turn=1) == {3: "accepted", 37: "accepted"}
    why = replayed[0].resolution
    assert why is not None
    assert (why.operator, why.reason) == ("enrollment", "version 2 passes the dry run, 1 failed")
    (left,) = await letters(place, OPEN)
    assert (left.offset, left.rules, left.attempts) == (20, "1", 1), (
        "a version that mends nothing adds no letters"
    )
    place.service = failing_on(place.service, "3", lambda at: False)
    async with place.member():
        await bugs(place, publisher).step()
        await commands_decided(place, 5)
    assert not await letters(place, OPEN)


async def test_the_same_version_leaves_them_to_an_operator(place: Place, publisher: Publisher) -> None:
    await met_bugs(place, {5})
    place.service = failing_on(place.service, "1", lambda at: False)
    before = await commands_given(place)
    await bugs(place, publisher).step()
    assert await commands_given(place) == before


async def test_what_has_still_to_be_read_comes_first(place: Place, publisher: Publisher) -> None:
    await met_bugs(place, {5})
    place.service = failing_on(place.service, "2", lambda at: False)
    before = await commands_given(place)
    again_s = await bugs(place, publisher, behind_s=math.inf).step()
    assert again_s is not None
    assert again_s <= 1
    assert await commands_given(place) == before


async def test_however_many_there_are_each_is_looked_at_once(place: Place, publisher: Publisher) -> None:
    await met_bugs(place, {5})
    (one,) = await letters(place, OPEN)
    others: list[dict[str, object]] = [
        {**place.store.encode(one), "_id": f"elsewhere/0/{n:04d}/0", "topic": "elsewhere", "offset": n}
        for n in range(2 * PAGE)
    ]
    await place.store.database[DEAD_LETTERS.name].insert_many(others)
    place.service = failing_on(place.service, "2", lambda at: True)
    worker, looks = bugs(place, publisher), 1
    while await worker.step() is not None:
        looks += 1
    assert looks == 3


async def commands_given(place: Place) -> int:
    """Records in the topic of commands."""
    async with AIOKafkaConsumer(**place.stack.kafka.options()) as client:
        topic = place.service.commands_topic
        ends = await client.end_offsets([TopicPartition(topic, n) for n in range(place.partitions[topic])])
    return sum(ends.values())
