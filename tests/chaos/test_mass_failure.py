"""A deploy whose handler fails: its topic is not emptied into dead letters, and the next version goes on by itself."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from devstack import Stack
from services.enrollment.completions.terms import CompletionTerms
from shared.pipeline.handlers import Service
from shared.pipeline.partitioner import position_id
from tests.chaos.members import Place, failing_on, place_of, stopped
from tests.chaos.test_positions import events, others_go_on

pytestmark = pytest.mark.full

COUNT = 60


@pytest.fixture
async def place(stack: Stack) -> AsyncIterator[Place]:
    async with place_of(stack) as made:
        yield made


def failing(service: Service[CompletionTerms], rules: str, first: int) -> Service[CompletionTerms]:
    """Enrollment in a version that meets a bug on every registration of one agency from that record on."""
    return failing_on(
        service, rules, lambda at: at.topic.endswith("agency.dinas-a.v1") and at.offset >= first
    )


async def test_a_failing_version_stops_the_partition_and_the_next_one_goes_on(place: Place) -> None:
    good, topic = place.service, place.agency()
    await place.send(events(place, COUNT))
    place.service = failing(good, "2", first=10)
    async with place.member() as member:
        await stopped(place, member, topic, "the handler failed alike")
        await others_go_on(place, 200)
    letters = await place.dead_letters(topic)
    assert len(letters) <= 4, "the topic was emptied into dead letters"
    async with place.member() as member:  # the same version: a restart changes nothing
        await stopped(place, member, topic, "the handler failed alike")
    place.service = failing(good, "3", first=10)
    async with (
        place.member() as member
    ):  # another version that fails as well: tried, thrown away, stopped again
        await stopped(place, member, topic, "the handler failed alike")
    position = await place.position(topic)
    assert position is not None
    assert position.failing_rules == "3"
    place.service = replace(good, rules="4")
    async with place.member() as member:
        found = await place.decided(topic, COUNT)
        assert not member.faults()
    bugs = [offset for offset, verdict in found.items() if verdict == "bug"]
    assert len(bugs) == len(letters)
    assert sorted(found) == list(range(COUNT))


async def test_an_operator_may_have_them_as_dead_letters_without_a_restart(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, COUNT))
    place.service = failing(place.service, "2", first=0)
    async with place.member() as member:
        await stopped(place, member, topic, "the handler failed alike")
        id = position_id("enrollment", (topic, 0))
        assert await place.store.start(id, "by operator-1: known, replayed later", accepted_rules="2")
        await place.decided(topic, COUNT)
        assert not member.faults()
    assert len(await place.dead_letters(topic)) == COUNT
