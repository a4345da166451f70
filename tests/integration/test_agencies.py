"""Enrollment's subscription follows the register, on real Kafka and MongoDB, with two replicas and no restart."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import pytest
from aiokafka.admin import NewTopic

from devstack import Stack
from services.enrollment.agencies.documents import REGISTER
from services.enrollment.agencies.register import RegisterCopy
from services.enrollment.completions.terms import CompletionTerms
from shared.contracts.payload import Payload
from shared.contracts.register import AddAgency, BeginRegister, ResumeAgency, SuspendAgency
from shared.contracts.rights import service_user
from shared.contracts.topics import CONFIG, ENROLLMENT_COMMANDS, PARTITIONS
from shared.http.askers import Askers
from shared.http.commands import Commands, DecisionWaiter
from shared.kafka.admin import KafkaAdmin
from shared.kafka.admin.acls import Acl
from shared.kafka.connection import SCRAM, KafkaConnection
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.consuming.sources import Sources
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.pipeline_collections import Decision
from shared.pipeline.storage.mongo import MongoStore
from tests.chaos.members import Place, place_of
from tests.chaos.system import producer, put, until
from tests.chaos.test_positions import events

WITHIN_S: Final = 60.0
OLD: Final = ("dinas-a", "dinas-b")
TRAFFIC_EVERY_S: Final = 0.02


@dataclass
class Replica:
    consumer: Consumer[CompletionTerms]
    sources: Sources
    delays_s: list[float] = field(default_factory=list)
    """From a record's arrival in the log to its decision, for all that this one decided."""

    def decided(self, decisions: Sequence[Decision]) -> None:
        now = datetime.now(UTC)
        self.delays_s += [(now - one.decided_at).total_seconds() for one in decisions]


@dataclass
class City:
    """Replicas that read what the register says, and an operator who writes to it through the log."""

    place: Place
    commands: Commands
    given: int = 0
    kafka: KafkaConnection | None = None
    """As whom the replicas read; None: as the administrator."""

    @asynccontextmanager
    async def replica(self) -> AsyncIterator[Replica]:
        place = self.place
        kafka = self.kafka or place.stack.kafka
        publisher = Publisher(kafka, "agencies")
        store = MongoStore(place.store.client, place.store.database.name)
        sources = Sources("enrollment", kafka, place.partitions)
        register = RegisterCopy(store, (), place.prefix)
        sources.register = register

        def decided(decisions: Sequence[Decision]) -> None:
            register.decided(decisions)
            made.decided(decisions)

        consumer = Consumer(
            place.service, store, publisher, kafka, place.partitions, on_decided=decided, sources=sources
        )
        made = Replica(consumer, sources)
        running = asyncio.create_task(consumer.run())
        try:
            yield made
        finally:
            consumer.stop()
            async with asyncio.timeout(WITHIN_S):
                await running
                await publisher.stop()

    async def says(self, *commands: Payload) -> None:
        for command in commands:
            self.given += 1
            await self.commands.submit(command, id=f"operator-{self.given}", key=REGISTER)

    async def add(self, code: str) -> None:
        await self.says(AddAgency(code=code, name=f"Dinas {code}", operator="op"))

    async def suspend(self, code: str) -> None:
        await self.says(SuspendAgency(code=code, operator="op", reason="a password leaked"))

    async def resume(self, code: str) -> None:
        await self.says(ResumeAgency(code=code, operator="op", reason="it has a new one"))

    async def sends(self, code: str, count: int, start: int = 0) -> None:
        await self.place.send(events(self.place, count, code, start))

    async def decided(self, code: str, count: int) -> None:
        await self.place.decided(self.place.agency(code), count)


@asynccontextmanager
async def city_on(stack: Stack) -> AsyncIterator[City]:
    """With two agencies, connected as by the setting."""
    async with AsyncExitStack() as ends:
        place = await ends.enter_async_context(place_of(stack, OLD))
        place.service = replace(place.service, sources=())
        place.partitions = {place.prefix + ENROLLMENT_COMMANDS: PARTITIONS}
        publisher = Publisher(stack.kafka, "operator")
        ends.push_async_callback(publisher.stop)
        topic = place.service.commands_topic
        askers = Askers("enrollment", "s" * 32)
        commands = Commands("enrollment", topic, publisher, DecisionWaiter(place.store, topic), askers)
        made = City(place, commands)
        await made.says(BeginRegister(codes=OLD))
        yield made


@pytest.fixture
async def city(stack: Stack) -> AsyncIterator[City]:
    async with city_on(stack) as made:
        yield made


def reads(replica: Replica, *codes: str) -> Callable[[], bool]:
    """Exactly the topics of these agencies."""
    return lambda: (
        {topic.split("agency.")[1] for topic in replica.sources.topics} == {f"{c}.v1" for c in codes}
    )


async def soon(condition: Callable[[], bool], replica: Replica) -> None:
    await until(condition, lambda: f"reads {replica.sources.topics}, {replica.sources.remarks()}", WITHIN_S)


async def flowing(city: City, while_doing: Callable[[], Awaitable[None]]) -> int:
    """Traffic of the old agencies while something is done; how many events of each."""
    sent, done = 0, asyncio.Event()

    async def traffic() -> None:
        nonlocal sent
        async with producer(city.place.stack.kafka) as sender:
            while not done.is_set():
                for code in OLD:
                    await (await put(sender, events(city.place, 1, code, sent)[0]))
                sent += 1
                await asyncio.sleep(TRAFFIC_EVERY_S)

    flowing = asyncio.create_task(traffic())
    await while_doing()
    done.set()
    await flowing
    return sent


async def connect_under_traffic(city: City) -> list[float]:
    """A new agency beside two that go on; the delay (s) of each record that was decided meanwhile."""
    await city.place.create(city.place.agency("dinas-new"))
    async with city.replica() as one, city.replica() as other:
        for replica in (one, other):
            await soon(reads(replica, *OLD), replica)
        await city.sends(OLD[0], 1, 900)
        await city.sends(OLD[1], 1, 900)
        await city.decided(OLD[0], 1)
        await city.decided(OLD[1], 1)

        async def connect() -> None:
            for replica in (one, other):
                replica.delays_s.clear()
            await city.add("dinas-new")
            await city.sends("dinas-new", 1)
            await city.decided("dinas-new", 1)
            for replica in (one, other):
                await soon(reads(replica, *OLD, "dinas-new"), replica)

        sent = await flowing(city, connect)
        for code in OLD:
            await city.decided(code, sent + 1)
        assert (one.consumer.faults(), other.consumer.faults()) == ([], [])
        return [*one.delays_s, *other.delays_s]


async def test_an_agency_added_under_traffic_speaks_and_stops_nobody(city: City) -> None:
    """For how long the others wait is measured by `python -m tests.bench.connecting`."""
    assert await connect_under_traffic(city)


async def test_a_replica_that_hears_of_an_agency_later_does_no_harm(city: City) -> None:
    await city.place.create(city.place.agency("dinas-new"))
    async with city.replica() as quick, city.replica() as slow:
        for replica in (quick, slow):
            await soon(reads(replica, *OLD), replica)
        slow.sources.register = None  # it never asks again
        await city.add("dinas-new")
        await soon(reads(quick, *OLD, "dinas-new"), quick)
        for code in (*OLD, "dinas-new"):
            await city.sends(code, 20)
        for code in (*OLD, "dinas-new"):
            await city.decided(code, 20)


async def test_a_suspended_agency_is_read_no_more_and_goes_on_where_it_stood(city: City) -> None:
    async with city.replica() as one:
        await city.sends(OLD[0], 5)
        await city.decided(OLD[0], 5)
        await city.suspend(OLD[0])
        await soon(reads(one, OLD[1]), one)
        await city.sends(OLD[0], 7, 5)
        await city.sends(OLD[1], 3)
        await city.decided(OLD[1], 3)
        topic = city.place.agency(OLD[0])
        assert len(await city.place.verdicts(topic)) == 5
        position = await city.place.position(topic)
        assert position is not None
        ends = await one.consumer.ends([(topic, 0)])
        assert ends[topic, 0] - position.next == 7, "they wait in the log"
        await city.resume(OLD[0])
        await city.decided(OLD[0], 12)


@pytest.mark.full
async def test_a_member_that_starts_while_an_agency_is_suspended_leaves_it_alone(city: City) -> None:
    async with city.replica():
        await city.suspend(OLD[0])
        await city.sends(OLD[1], 1)
        await city.decided(OLD[1], 1)
    await city.sends(OLD[0], 4)
    async with city.replica() as again:
        await city.sends(OLD[1], 3, 1)
        await city.decided(OLD[1], 4)
        assert reads(again, OLD[1])()
        assert not await city.place.verdicts(city.place.agency(OLD[0]))


@pytest.mark.full
@pytest.mark.parametrize("partitions", [0, 3], ids=["missing", "three partitions"])
async def test_one_bad_topic_stops_nobody_and_is_named(city: City, partitions: int) -> None:
    bad = city.place.agency("dinas-bad")
    if partitions:
        await city.place.admin.create_topics([NewTopic(bad, partitions, 1, topic_configs=dict(CONFIG))])
    async with city.replica() as one:
        await city.add("dinas-bad")
        await soon(lambda: bool(one.sources.remarks()), one)
        (remark,) = one.sources.remarks()
        said = "does not exist" if not partitions else "has 3 partitions, 1 are declared"
        assert remark.startswith(f"{bad} is not read, the others are: ")
        assert said in remark
        for code in OLD:
            await city.sends(code, 3)
            await city.decided(code, 3)
        assert one.consumer.faults() == []
    async with city.replica() as again:  # nor does it keep one from starting
        for code in OLD:
            await city.sends(code, 3, 10)
            await city.decided(code, 6)
        assert again.sources.fault_of(bad)


async def test_a_topic_that_this_service_may_not_read_stops_nobody_and_is_read_once_it_may(
    city: City,
) -> None:
    """The right is taken away while it is read, as by a rule for a whole cluster, and given back."""
    admin = KafkaAdmin(city.place.stack.kafka, city.place.prefix)
    user, password = service_user("enrollment", city.place.prefix), secrets.token_hex(24)
    await asyncio.to_thread(admin.ensure_services, {"enrollment": password})
    city.kafka = replace(city.place.stack.kafka, user=user, password=password, mechanism=SCRAM)
    topic = city.place.agency(OLD[0])
    denial = Acl(user, "read", "topic", topic, allows=False)
    async with city.replica() as one:
        for code in OLD:
            await city.sends(code, 3)
            await city.decided(code, 3)
        await asyncio.to_thread(admin.acls.ensure, [denial])
        for n in range(4, 100):  # a fetch of that topic is refused from now on, sooner or later
            await city.sends(OLD[0], 1, n)
            await city.sends(OLD[1], 1, n)
            await city.decided(OLD[1], n)
            if one.sources.fault_of(topic):
                break
        assert "may not read" in one.sources.fault_of(topic) or "does not let" in one.sources.fault_of(topic)
        assert one.consumer.faults() == []
        async with city.replica() as another:  # nor does it keep one from starting
            await city.sends(OLD[1], 1, 200)
            await city.decided(OLD[1], n + 1)
            assert another.sources.fault_of(topic)
        await asyncio.to_thread(admin.acls.delete, [denial])
        await city.decided(OLD[0], n)
        await soon(lambda: not one.sources.remarks(), one)


@pytest.mark.full
async def test_a_topic_that_is_made_later_is_read_without_a_restart(city: City) -> None:
    bad = city.place.agency("dinas-late")
    async with city.replica() as one:
        await city.add("dinas-late")
        await soon(lambda: bool(one.sources.fault_of(bad)), one)
        await city.place.create(bad)
        await city.sends("dinas-late", 2)
        await city.decided("dinas-late", 2)
        assert one.sources.remarks() == []


@pytest.mark.full
async def test_a_topic_that_is_deleted_while_it_is_read_stops_nobody(city: City) -> None:
    async with city.replica() as one:
        for code in OLD:
            await city.sends(code, 3)
            await city.decided(code, 3)
        await city.place.admin.delete_topics([city.place.agency(OLD[0])])
        await city.sends(OLD[1], 3, 10)
        await city.decided(OLD[1], 6)
        await soon(lambda: bool(one.sources.fault_of(city.place.agency(OLD[0]))), one)
        await city.sends(OLD[1], 3, 20)
        await city.decided(OLD[1], 9)
        assert one.consumer.faults() == []


async def test_until_the_register_has_begun_the_setting_is_read(city: City) -> None:
    fresh = MongoStore(city.place.store.client, city.place.store.database.name + "_empty")
    register = RegisterCopy(fresh, ("dinas-a", "dinas-c"), "x.")
    assert await register.sources() == {"x.agency.dinas-a.v1": True, "x.agency.dinas-c.v1": True}
