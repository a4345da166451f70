"""Any order, repetition, split and resend of the same events ends in the same record, JP, points and mails."""

import secrets
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devstack import Stack
from shared.pipeline.storage.mongo import MongoStore, connect
from tests.examples import QUIET, examples
from tests.property.harness import ROUGH, SERVICES, AnyStore, City, Sending
from tests.property.histories import deliveries, histories
from tests.property.observed import every_record_was_decided_once, observe, promises

Told = tuple[list[Sending], list[Sending]]
FEW = 4
NOTHING_NEW = {"duplicate", "superseded", "waiting", "refused", "nothing"}


@st.composite
def twice_told(draw: st.DrawFn) -> Told:
    """A history as it happened, and as it was delivered."""
    history = draw(histories())
    return history, draw(deliveries(history))


async def ends_alike(told: Told, seed: int, stores: Sequence[AnyStore] | None = None) -> None:
    history, delivery = told
    calm, rough = City(), City(stores, weather=ROUGH, random=Random(seed))
    await calm.deliver(history)
    await rough.deliver(delivery)
    for city in (calm, rough):
        await promises(city)
    assert await observe(rough) == await observe(calm)


async def stays_when_replayed(
    history: list[Sending], seed: int, stores: Sequence[AnyStore] | None = None
) -> None:
    """Enrollment decides its whole log again; what it says then, the others know."""
    city = City(stores, weather=ROUGH, random=Random(seed))
    await city.deliver(history)
    before = await observe(city)
    published, decided = sum(map(len, city.log.values())), len(city.members["enrollment"].decided)
    await city.start_again("enrollment")
    await city.recalculate()
    again = city.members["enrollment"].decided[decided:]
    verdicts = {one.verdict for batch in again for one in batch.decisions}
    assert verdicts <= NOTHING_NEW
    assert sum(map(len, city.log.values())) == published
    assert (await observe(city))._replace(dead=before.dead) == before
    await every_record_was_decided_once(city, replayed="enrollment")


class TestInMemory:
    @settings(max_examples=examples(), deadline=None, suppress_health_check=QUIET)
    @given(twice_told(), st.integers(0, 2**16))
    async def test_any_order_ends_in_the_same_place(self, told: Told, seed: int) -> None:
        await ends_alike(told, seed)

    @settings(max_examples=examples(30), deadline=None, suppress_health_check=QUIET)
    @given(histories(), st.integers(0, 2**16))
    async def test_a_replay_from_the_first_record_changes_nothing(
        self, history: list[Sending], seed: int
    ) -> None:
        await stays_when_replayed(history, seed)

    @settings(max_examples=examples(30), deadline=None, suppress_health_check=QUIET)
    @given(histories(), st.integers(0, 2**16))
    async def test_everything_sent_again_changes_nothing(self, history: list[Sending], seed: int) -> None:
        city = City(weather=ROUGH, random=Random(seed))
        await city.deliver(history)
        before = await observe(city)
        decided = len(city.members["enrollment"].decided)
        await city.deliver(history)
        assert await observe(city) == before
        again = city.members["enrollment"].decided[decided:]
        assert {one.verdict for batch in again for one in batch.decisions} <= NOTHING_NEW


@pytest.fixture(scope="module")
async def databases(stack: Stack) -> AsyncIterator[list[MongoStore]]:
    client = connect(stack.mongo)
    name = f"order_{secrets.token_hex(4)}"
    stores = [MongoStore(client, f"{name}_{service.name}") for service in SERVICES]
    for store, service in zip(stores, SERVICES, strict=True):
        await store.prepare(service.collections)
    yield stores
    for store in stores:
        await client.drop_database(store.database.name)
    client.close()


class TestOnMongo:
    @settings(max_examples=FEW, deadline=None, suppress_health_check=QUIET)
    @given(told=twice_told(), seed=st.integers(0, 2**16))
    async def test_any_order_ends_in_the_same_place(
        self, databases: list[MongoStore], told: Told, seed: int
    ) -> None:
        await emptied(databases)
        await ends_alike(told, seed, databases)

    @settings(max_examples=FEW, deadline=None, suppress_health_check=QUIET)
    @given(history=histories(), seed=st.integers(0, 2**16))
    async def test_a_replay_from_the_first_record_changes_nothing(
        self, databases: list[MongoStore], history: list[Sending], seed: int
    ) -> None:
        await emptied(databases)
        await stays_when_replayed(history, seed, databases)


async def emptied(stores: Sequence[MongoStore]) -> None:
    for store in stores:
        for name in await store.database.list_collection_names():
            await store.database[name].delete_many({})
