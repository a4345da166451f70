"""Traps of the Kafka client and of Motor (docs/reference/client-traps.md), each provoked on the real parts.

Where it can be shown, the bare client falls into the trap first; then ours does not.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OutOfOrderSequenceNumber

from devstack import Stack
from shared.contracts.topics import agency_topic
from shared.pipeline.consuming import consumer as consumer_module
from shared.pipeline.consuming.consumer import MAX_RECORDS, Consumer
from shared.pipeline.consuming.partition_table import Partition
from shared.pipeline.errors import Unavailable
from shared.pipeline.kafka.client import Assignments
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.pipeline_collections import DECISIONS, Decision
from shared.pipeline.storage.mongo import MongoSession, MongoStore
from shared.pipeline.store import Advance, Session, Write, in_transaction
from tests.chaos.members import WITHIN_S, Place, caught_up, place_of
from tests.chaos.system import until
from tests.chaos.test_positions import Held, events
from tests.chaos.traffic import AGENCIES

pytestmark = pytest.mark.full

SOON_S = 5.0
MAX_MS = 2**31 - 1


@pytest.fixture
async def place(stack: Stack) -> AsyncIterator[Place]:
    async with place_of(stack) as made:
        yield made


@asynccontextmanager
async def bare(place: Place, *topics: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """The client with its defaults, in a group of its own."""
    wanted = {"group_id": place.prefix + "bare", **place.stack.kafka.options(), **options}
    client = AIOKafkaConsumer(*topics, **wanted)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def came(client: AIOKafkaConsumer, within_s: float = SOON_S, most: int | None = None) -> int:
    """How many records the first fetch with any has; 0 when none came in time."""
    async with asyncio.timeout(within_s + WITHIN_S):
        fetched = await client.getmany(timeout_ms=round(within_s * 1000), max_records=most)
    return sum(len(records) for records in fetched.values())


# Defaults


async def test_our_producer_waits_for_all_replicas(place: Place) -> None:
    """Asked of the client itself: one broker can't show it, since Kafka 4 asks for no more replicas than there are."""
    async with AIOKafkaProducer(**place.stack.kafka.options()) as default:
        assert default._sender._acks == 1
    publisher = Publisher(place.stack.kafka, "traps")
    await publisher.send(place.agency(), b"1", partition=0)
    assert publisher._producer is not None
    assert publisher._producer._sender._acks == -1
    await publisher.stop()


async def test_a_new_topic_is_read_from_its_beginning(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 5))
    async with bare(place, topic) as client:
        assert await came(client, 2) == 0, "the client's default begins at the end"
    async with place.member():
        assert sorted(await place.decided(topic, 5)) == list(range(5))


async def test_nothing_is_noted_as_read_before_it_is_decided(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 5))
    tp = TopicPartition(topic, 0)
    async with bare(place, topic, auto_offset_reset="earliest") as client:
        assert await came(client, WITHIN_S) == 5
    noted = await place.admin.list_consumer_group_offsets(place.prefix + "bare")
    assert noted[tp].offset == 5, (
        "the client's default notes what was only fetched, at the latest when it stops"
    )
    slow = Held(place.store)
    async with place.member(slow):
        async with asyncio.timeout(WITHIN_S):
            await slow.begun.wait()
        await asyncio.sleep(2 * consumer_module.OFFSETS_EVERY_S)
        noted = await place.admin.list_consumer_group_offsets(place.prefix + "enrollment")
        assert tp not in noted or noted[tp].offset <= 0
        slow.go.set()
        await place.decided(topic, 5)


async def test_a_batch_has_an_end_however_much_is_there(place: Place) -> None:
    messages, batches = 3 * events(place, 900), list[int]()
    count = len(messages)
    await place.send(messages)

    class Counting(MongoStore):
        @asynccontextmanager
        async def transaction(self, *, as_holder: bool = False) -> AsyncIterator[MongoSession]:
            async with super().transaction(as_holder=as_holder) as session:
                yield Told(session.database, session.session)

    class Told(MongoSession):
        async def advance(self, steps: Sequence[Advance]) -> None:
            batches.append(sum(step.next - step.expected for step in steps))
            await super().advance(steps)

    async with bare(place, place.agency(), auto_offset_reset="earliest") as client:
        assert await came(client, WITHIN_S) > MAX_RECORDS, "the client's default has none"
    async with place.member(Counting(place.store.client, place.store.database.name)):
        await place.decided(place.agency(), count)
    assert max(batches) <= MAX_RECORDS + 1, "one more than its share is asked of each partition"
    assert sum(batches) == count


async def test_a_partition_without_a_position_is_taken_over_not_an_error(place: Place) -> None:
    topic = place.agency()
    await place.send(events(place, 3))
    async with bare(place, topic, auto_offset_reset="none") as client:
        with pytest.raises(NoOffsetForPartitionError):
            await came(client, WITHIN_S)
    async with place.member() as member:
        await place.decided(topic, 3)
        assert not member.faults()


# Rebalances


async def test_noting_offsets_of_a_partition_that_is_gone_ends_nothing(place: Place) -> None:
    """#929: IllegalStateError, not only CommitFailedError."""
    topic = place.agency()
    await place.send(events(place, 1))
    tp = TopicPartition(topic, 0)
    async with bare(place, place.agency(AGENCIES[1])) as client:
        with pytest.raises(IllegalStateError):
            await client.commit({tp: 1})
    async with place.member() as member:
        await place.decided(topic, 1)
        lost = TopicPartition(place.prefix + "lost", 0)
        member.table.read[lost] = Partition(1, 0, 1)
        member._offsets_at = 0.0
        await member._note_offsets()
        member.table.drop(lost)
        await place.send(events(place, 1, start=1))
        await place.decided(topic, 2)


async def test_what_a_failed_attempt_was_given_is_given_again(place: Place) -> None:
    """#826, #1046: the position moves on delivery, so a failure that forgets to seek back loses the batch."""
    topic, count = place.agency(), 40
    await place.send(events(place, count))
    async with bare(place, topic, auto_offset_reset="earliest") as client:
        assert await came(client, WITHIN_S) == count
        assert await came(client, 1) == 0, "the client takes them for read"

    class Failing(MongoStore):
        faults = 3

        @asynccontextmanager
        async def transaction(self, *, as_holder: bool = False) -> AsyncIterator[MongoSession]:
            if self.faults:
                self.faults -= 1
                raise RuntimeError("as a bulk write that can't be repeated")
            async with super().transaction(as_holder=as_holder) as session:
                yield session

    async with place.member(Failing(place.store.client, place.store.database.name)) as member:
        found = await place.decided(topic, count)
        assert not member.faults()
    assert found == dict.fromkeys(range(count), "accepted")


class Slow(ConsumerRebalanceListener):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def on_partitions_revoked(self, revoked: object) -> None:
        await asyncio.sleep(self.seconds)
        raise ZeroDivisionError("nobody hears of it")

    async def on_partitions_assigned(self, assigned: object) -> None:
        pass


async def test_our_revoke_callback_neither_waits_nor_can_fail(place: Place) -> None:
    """The client's `getmany` waits for it, and swallows what it raises."""
    topic = place.agency()
    async with bare(place, auto_offset_reset="earliest") as client:
        client.subscribe([topic], listener=Slow(3.0))
        await came(client, 1)
        async with bare(place, topic):  # a rebalance
            began = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() - began < 2:
                await client.getmany(timeout_ms=100)
    async with asyncio.timeout(0.1):
        await Assignments().on_partitions_revoked({TopicPartition(topic, 0)})


async def idle_member_takes_over(place: Place, group: str, max_poll_interval_ms: int) -> bool:
    """Of two members of a topic with one partition, one has none and does something else for 2 s; the other leaves."""
    topic = place.agency()
    options = {
        "group_id": place.prefix + group,
        "session_timeout_ms": 6_000,
        "heartbeat_interval_ms": 200,
        "max_poll_interval_ms": max_poll_interval_ms,
    }
    async with bare(place, topic, **options) as first, bare(place, topic, **options) as second:
        async with asyncio.timeout(WITHIN_S):
            while bool(first.assignment()) == bool(second.assignment()):
                await asyncio.gather(first.getmany(timeout_ms=100), second.getmany(timeout_ms=100))
        idle, busy = (first, second) if second.assignment() else (second, first)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            await busy.getmany(timeout_ms=100)
        await busy.stop()
        end = time.monotonic() + SOON_S
        while time.monotonic() < end and not idle.assignment():
            await asyncio.sleep(0.1)
        return bool(idle.assignment())


async def test_a_member_without_partitions_may_be_silent_as_long_as_it_likes(place: Place) -> None:
    """#1187: after `max_poll_interval_ms` without a fetch it rejoins nothing. Ours has the longest there is."""
    assert not await idle_member_takes_over(place, "short", 1_000)
    assert await idle_member_takes_over(place, "long", MAX_MS)
    async with place.member() as member:
        await until(lambda: bool(member.table.read), lambda: f"{member.faults()}", WITHIN_S)
        assert member._consumer is not None
        assert member._consumer._max_poll_interval_ms == MAX_MS


# Silence


async def test_a_fetcher_that_ended_without_a_word_is_noticed_and_replaced(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#625, #1037: the client goes on to believe what its fetcher saw last, that nothing is there."""
    monkeypatch.setattr(consumer_module, "STALLED_AFTER_S", 3.0)
    monkeypatch.setattr(consumer_module, "ENDS_LOOK_S", 0.5)
    topic = place.agency()
    await place.send(events(place, 2))
    async with place.member() as member:
        await place.decided(topic, 2)
        await until(lambda: caught_up(member), lambda: f"{member.faults()}", WITHIN_S)
        client = member._consumer
        assert client is not None
        client._fetcher._fetch_task.cancel()
        in_flight = set(client._fetcher._pending_tasks)
        if in_flight:
            await asyncio.wait(in_flight)
        await place.send(events(place, 3, start=2))
        await until(
            lambda: not caught_up(member), lambda: "it believes that it has caught up", WITHIN_S, 0.05
        )
        assert len(await place.verdicts(topic)) == 2, "this client still reads: the trap is gone"
        found = await place.decided(topic, 5)
        assert set(found.values()) == {"accepted"}
        assert member._consumer is not client, "it goes on with another client"
        await until(lambda: not member.faults(), lambda: f"{member.faults()}", WITHIN_S)


async def test_a_client_that_waits_for_ever_is_replaced(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does whose metadata task ended by an error that aiokafka does not expect while it connects. uvloop has one
    (RuntimeError, not OSError) for writing to a connection that was closed in the middle of a handshake."""
    monkeypatch.setattr(consumer_module, "STALLED_AFTER_S", 3.0)
    monkeypatch.setattr(consumer_module, "ANSWERED_WITHIN_S", 0.5)
    await place.send(events(place, 2))
    async with place.member() as member:
        await place.decided(place.agency(), 2)
        client, never = member._consumer, asyncio.Event()
        assert client is not None
        monkeypatch.setattr(client._coordinator, "ensure_coordinator_known", never.wait)
        await until(lambda: bool(member.unanswered), lambda: "it does not miss an answer", WITHIN_S)
        # Nothing comes in, so that no lag tells.
        await until(
            lambda: member._consumer not in (None, client) and not member.faults(),
            lambda: f"{member.faults()}",
            WITHIN_S,
        )


async def test_nobody_makes_a_topic_by_asking_for_it(place: Place) -> None:
    missing = agency_topic("nobody", place.prefix)
    service, partitions = place.service, {missing: 1}
    publisher = Publisher(place.stack.kafka, "traps")
    consumer = Consumer(service, place.store, publisher, place.stack.kafka, partitions)
    running = asyncio.create_task(consumer.run())
    try:
        with pytest.raises(Unavailable):
            await publisher.send(missing, b"into nowhere", partition=0, within_s=2)
        await until(
            lambda: any(f"topic {missing} does not exist" in fault for fault in consumer.faults()),
            lambda: f"{consumer.faults()}",
            WITHIN_S,
        )
    finally:
        consumer.stop()
        async with asyncio.timeout(WITHIN_S):
            await running
            await publisher.stop()
    assert missing not in await place.admin.list_topics()


# The producer


async def test_a_producer_out_of_sequence_is_made_anew(place: Place) -> None:
    """#1017: the fault stays until then."""
    topic = place.agency()
    publisher = Publisher(place.stack.kafka, "traps")
    try:
        await publisher.send(topic, b"1", partition=0)
        first = publisher._producer
        assert first is not None
        first._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 7)
        with pytest.raises(Unavailable) as caught:
            await publisher.send(topic, b"2", partition=0)
        assert isinstance(caught.value.__cause__, OutOfOrderSequenceNumber)
        assert await publisher.send(topic, b"3", partition=0) == (0, 1)
        assert publisher._producer is not first
    finally:
        await publisher.stop()


# Motor


async def test_what_is_cancelled_in_a_transaction_leaves_nothing_behind(place: Place) -> None:
    """A Motor call that is cancelled goes on in its thread: the transaction is ended all the same, and holds no lock
    that others would wait for."""
    begun = asyncio.Event()

    def decision(id: str) -> Write:
        one = Decision(id=id, event_id=id, verdict="accepted", decided_at=datetime.now(UTC))
        return Write(DECISIONS, id, place.store.encode(one), new=True)

    async def slow(session: Session) -> None:
        await session.lock(["hot"])
        await session.write([decision("cancelled")])
        begun.set()
        while True:  # cancelled in the middle of a call
            await session.find(DECISIONS, ["cancelled"])

    async def quick(session: Session) -> None:
        await session.lock(["hot"])
        await session.write([decision("after")])

    running = asyncio.create_task(in_transaction(place.store, slow))
    async with asyncio.timeout(WITHIN_S):
        await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(SOON_S):  # MongoDB itself ends a transaction after 60 s
        await in_transaction(place.store, quick)
    assert [one.id for one in await place.store.select(DECISIONS, {})] == ["after"]
