"""Positions against a log that is not what it was, and against a member that is no longer who it thinks it is."""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from devstack import Stack
from services.enrollment.completions.terms import CompletionTerms
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.consuming.coverage import Coverage
from shared.pipeline.errors import Moved
from shared.pipeline.pipeline_collections import POSITIONS
from shared.pipeline.storage.mongo import MongoSession, MongoStore
from tests import factories
from tests.chaos.members import SECRET, WITHIN_S, Place, caught_up, place_of, stopped
from tests.chaos.system import producer, put, until
from tests.chaos.traffic import AGENCIES, Message, Traffic


@pytest.fixture
async def place(stack: Stack) -> AsyncIterator[Place]:
    async with place_of(stack) as made:
        yield made


def events(place: Place, count: int, agency: str = AGENCIES[0], start: int = 0) -> list[Message]:
    return [
        _structured(place, agency, f"event-{agency}-{n}", f"19800101200001{1 + n % 2}{n:03}")
        for n in range(start, start + count)
    ]


def _structured(place: Place, agency: str, id: str, number: str) -> Message:
    record = factories.as_record(factories.registered(number), id=id)
    assert record.value is not None
    return Message(place.agency(agency), 0, None, record.value, record.headers)


async def others_go_on(place: Place, start: int = 0) -> None:
    topic, before = place.agency(AGENCIES[1]), await place.verdicts(place.agency(AGENCIES[1]))
    await place.send(events(place, 3, AGENCIES[1], start=start))
    await place.decided(topic, len(before) + 3)


async def test_a_topic_made_anew_stops_its_partition(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 5))
    async with place.member():
        await place.decided(topic, 5)
    await place.recreate(topic)
    await place.send(events(place, 8, start=100))
    async with place.member() as member:
        await stopped(place, member, topic, "is not the one that was decided")
        await others_go_on(place, 200)
    async with place.member() as member:  # a restart doesn't forget it
        await stopped(place, member, topic, "is not the one that was decided")
        assert len(await place.verdicts(topic)) == 5


async def test_a_position_beyond_the_end_of_the_log_stops_its_partition(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 5))
    async with place.member():
        await place.decided(topic, 5)
    await place.recreate(topic)
    await place.send(events(place, 2, start=100))
    async with place.member() as member:
        await stopped(place, member, topic, "the log ends at 2, we stood at 5")
        await others_go_on(place, 200)


@pytest.mark.full
async def test_a_topic_made_anew_under_a_running_member_stops_its_partition(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 5))
    async with place.member() as member:
        await place.decided(topic, 5)
        await place.recreate(topic)
        await place.send(events(place, 2, start=100))
        await stopped(place, member, topic, "we stood at 5")  # before they came, or after
        await others_go_on(place, 200)


async def test_records_deleted_before_they_were_decided_stop_their_partition(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 3))
    async with place.member():
        await place.decided(topic, 3)
    await place.send(events(place, 7, start=3))
    await place.delete_before(topic, 6)
    async with place.member() as member:
        await stopped(place, member, topic, "records 3 to 5 were deleted by retention")
        await others_go_on(place)
    # An operator accepts the loss: the position is set forward by hand.
    position = await place.position(topic)
    assert position is not None
    await place.store.database[POSITIONS.name].update_one(
        {"_id": position.id}, {"$set": {"next": 6, "stopped": ""}}
    )
    async with place.member() as member:
        found = await place.decided(topic, 7)
        assert sorted(found) == [0, 1, 2, 6, 7, 8, 9]
        assert not member.faults()


async def transaction(place: Place, messages: list[Message], *, kept: bool = True) -> None:
    async with producer(place.stack.kafka, transactional_id=place.prefix) as sender:
        await sender.begin_transaction()
        await asyncio.gather(*[await put(sender, message) for message in messages])
        await (sender.commit_transaction() if kept else sender.abort_transaction())


@asynccontextmanager
async def steady(place: Place) -> AsyncIterator[None]:
    """One record after the other."""
    over = asyncio.Event()

    async def flow() -> None:
        for n in itertools.count():
            await place.send(
                [_structured(place, AGENCIES[0], f"steady-{n}", f"198001012000011{n % 1000:03}")]
            )
            if over.is_set():
                return

    flowing = asyncio.create_task(flow())
    try:
        yield
    finally:
        over.set()
        await flowing


def coverage_of(member: Consumer[CompletionTerms]) -> Coverage:
    return Coverage(member.sources.partitions, ends=member.ends, progress=member.progress)


async def test_while_records_come_without_a_pause_it_is_a_little_behind(place: Place) -> None:
    """Letters that are due, waits that are over and the beginning of the register wait for this, not for a lag of zero:
    a service that always had a record in hand never came to them."""
    topic = place.agency()
    await place.send(events(place, 300))
    async with place.member() as member, steady(place), asyncio.timeout(WITHIN_S):
        coverage = coverage_of(member)
        while math.isinf(await coverage.behind_s()):
            await asyncio.sleep(0.1)
        assert len(await place.verdicts(topic)) >= 300, "what stood there was not decided"
        while await coverage.behind_s() > 5:
            await asyncio.sleep(0.1)


async def test_a_quiet_topic_of_a_transactional_sender_holds_nobody_up(place: Place) -> None:
    quiet = place.agency(AGENCIES[1])
    async with place.member() as member, steady(place), asyncio.timeout(WITHIN_S):
        coverage = coverage_of(member)
        await transaction(place, events(place, 1, AGENCIES[1]))
        await place.decided(quiet, 1)
        began = time.monotonic()
        while time.monotonic() - await coverage.behind_s() < began:
            await asyncio.sleep(0.1)


async def test_each_member_knows_how_far_the_others_are(place: Place) -> None:
    """A replica that was up to date let letters go whose points another one had still to read."""
    async with place.member() as first, place.member() as second, asyncio.timeout(WITHIN_S):
        while not (first.table.read and second.table.read):
            await asyncio.sleep(0.1)
        topics = {tp.topic for tp in second.table.read} & set(place.partitions)
        tp = next(tp for tp in second.table.read if tp.topic in topics)
        coverage = coverage_of(first)
        while math.isinf(await coverage.behind_s()):
            await asyncio.sleep(0.1)
        await second._delivered()
        goes_on = asyncio.Event()
        second._cycle = goes_on.wait  # type: ignore[assignment,method-assign]
        try:
            record = events(place, 1)[0]
            await place.send([record._replace(topic=tp.topic, partition=tp.partition)])
            while await coverage.behind_s() < 5:
                await asyncio.sleep(0.1)
            assert not any(first.lag().values()), "it is behind itself"
        finally:
            del second._cycle
            goes_on.set()
        while await coverage.behind_s() > 5:
            await asyncio.sleep(0.1)


@pytest.mark.full
async def test_a_senders_transactions_are_respected_and_their_markers_are_no_lag(place: Place) -> None:
    """A marker is a record that nobody is given: a service that counted it was never ready again, nor caught up."""
    topic = place.agency()
    async with place.member() as member:
        await transaction(place, events(place, 3))
        await place.decided(topic, 3)
        await until(lambda: caught_up(member), lambda: f"it lags behind: {member.lag()}", WITHIN_S)
        assert not member.faults()
        assert await member.ends([(topic, 0)]) == {(topic, 0): 3}
        await transaction(place, events(place, 2, start=3), kept=False)
        await transaction(place, events(place, 2, start=5))
        found = await place.decided(topic, 5)
        await until(lambda: caught_up(member), lambda: f"it lags behind: {member.lag()}", WITHIN_S)
        assert sorted(found) == [0, 1, 2, 7, 8], "what was taken back was decided"
    async with place.member() as member:  # taken over before a marker
        await until(lambda: caught_up(member), lambda: f"it lags behind: {member.lag()}", WITHIN_S)
        await place.send(events(place, 1, start=7))
        await place.decided(topic, 6)


@pytest.mark.full
async def test_records_that_were_decided_may_be_deleted(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 5))
    async with place.member():
        await place.decided(topic, 5)
    await place.delete_before(topic, 5)
    await place.send(events(place, 2, start=5))
    async with place.member() as member:
        await place.decided(topic, 7)
        assert not member.faults()


async def test_a_group_that_lost_its_offsets_goes_on_where_it_stood_and_says_so(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Deleted by a tool, or forgotten by Kafka: nothing was said."""
    topic = place.agency()
    await place.send(events(place, 5))
    async with place.member() as member:
        await place.decided(topic, 5)
        await until(lambda: caught_up(member), lambda: f"it lags behind: {member.lag()}", WITHIN_S)
        assert member.offsets.remarks() == []
    await place.forget_group()
    await place.send(events(place, 2, start=5))
    async with place.member() as member:
        assert sorted(await place.decided(topic, 7)) == [*range(7)], "each once"
        (said,) = member.offsets.remarks()
        assert "Kafka had no offsets of group" in said
        assert "nothing is lost or read twice" in said
        await until(lambda: caught_up(member), lambda: f"it lags behind: {member.lag()}", WITHIN_S)
    assert [one for one in caplog.messages if f"for {topic}/0 any more" in one]
    async with place.member() as member:  # noted anew
        await until(lambda: caught_up(member), lambda: f"it lags behind: {member.lag()}", WITHIN_S)
        assert member.offsets.remarks() == []


class Held(MongoStore):
    """Holds its first attempt until `go`; then what became of it."""

    def __init__(self, like: MongoStore) -> None:
        super().__init__(like.client, like.database.name)
        self.begun, self.go, self.came_to = asyncio.Event(), asyncio.Event(), list[str]()

    @asynccontextmanager
    async def transaction(self, *, as_holder: bool = False) -> AsyncIterator[MongoSession]:
        self.begun.set()
        await self.go.wait()
        try:
            async with super().transaction(as_holder=as_holder) as session:
                yield session
        except Moved:
            self.came_to.append("moved")
            raise
        self.came_to.append("written")


async def test_a_member_that_lost_its_partition_writes_nothing(place: Place) -> None:
    """It has a batch in hand while another member takes over a partition of it and decides that."""
    topics = [place.agency(one) for one in AGENCIES]
    for turn in range(5):  # what it has in hand may be of the agency that it keeps
        for agency in AGENCIES:
            await place.send(events(place, 4, agency, start=100 * turn + 10 * AGENCIES.index(agency)))
        slow, count = Held(place.store), 4 * (turn + 1)
        async with place.member(slow):
            async with asyncio.timeout(WITHIN_S):
                await slow.begun.wait()
            async with place.member():
                async with asyncio.timeout(WITHIN_S):
                    while not [topic for topic in topics if len(await place.verdicts(topic)) == count]:
                        await asyncio.sleep(0.1)
                slow.go.set()
                for topic in topics:
                    verdicts = await place.decided(topic, count)
                    assert verdicts == dict.fromkeys(range(count), "accepted")
        if slow.came_to[0] == "moved":
            return
    pytest.fail("it never had a batch in hand that was another's by then")


@pytest.mark.full
async def test_two_agencies_traffic_survives_members_that_come_and_go(place: Place) -> None:
    """Rebalances only: each record has one decision, however often its partition moved."""
    traffic = Traffic(SECRET, place.prefix, 5, revoking=False)
    async with place.member():
        for _ in range(4):
            async with place.member():
                await place.send(traffic.batch(15))
                await asyncio.sleep(1)
        for agency in AGENCIES:
            topic = place.agency(agency)
            await place.decided(topic, sum(message.topic == topic for message in traffic.messages))
    assert await place.store.database["completions"].count_documents({}) == 60
