"""Whoever takes a position over does not wait for what the one before left open in the database."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from pymongo.read_concern import ReadConcern

from devstack import Stack
from shared.pipeline.errors import Moved
from shared.pipeline.storage.mongo import MongoSession, MongoStore, connect
from shared.pipeline.store import Advance, Session, in_transaction

PARTITION = "enrollment/agency.dinas-a.v1/0"
SOON_S = 20.0
"""MongoDB itself ends an open transaction after 60 s."""


@pytest.fixture
async def stores(stack: Stack) -> AsyncIterator[tuple[MongoStore, MongoStore]]:
    """Two processes' of the same service."""
    clients = connect(stack.mongo), connect(stack.mongo)
    database = f"take_over_{secrets.token_hex(4)}"
    first, second = (MongoStore(client, database) for client in clients)
    await first.prepare(())
    yield first, second
    await clients[0].drop_database(database)
    for client in clients:
        client.close()


def step(expected: int, next: int) -> Advance:
    return Advance(PARTITION, expected, next, [], 0, b"")


async def in_hand(store: MongoStore) -> bool:
    running = {"$match": {"ns": f"{store.database.name}.slow", "command.find": "slow"}}
    admin = store.client.get_database("admin", read_concern=ReadConcern("local"))
    operations = admin.aggregate([{"$currentOp": {}}, running])
    return bool(await operations.to_list(1))


async def test_a_transaction_that_a_dead_member_left_open_is_ended(
    stores: tuple[MongoStore, MongoStore],
) -> None:
    first, second = stores
    assert (await first.take_over(PARTITION, 0)).next == 0
    held, go = asyncio.Event(), asyncio.Event()

    async def half(session: Session) -> None:
        await session.lock(["employee"])
        await session.advance([step(0, 5)])
        held.set()
        await go.wait()  # as a process that was killed, or stopped: its transaction stays open

    async def whole(session: Session) -> None:
        await session.lock(["employee"])
        await session.advance([step(0, 3)])

    hanging = asyncio.create_task(in_transaction(first, half, as_holder=True))
    await held.wait()
    async with asyncio.timeout(SOON_S):
        assert (await second.take_over(PARTITION, 0)).next == 0
        await in_transaction(second, whole, as_holder=True)
    assert (await second.position(PARTITION, 0)).next == 3
    go.set()  # it wakes up, tries again, and finds that it was replaced
    with pytest.raises(Moved):
        await hanging
    assert (await second.position(PARTITION, 0)).next == 3


async def test_a_command_that_is_interrupted_by_it_is_no_fault_of_its_record(
    stores: tuple[MongoStore, MongoStore],
) -> None:
    """MongoDB says Interrupted without the label of a transaction that is to be tried again: a good record became a
    dead letter."""
    first, second = stores
    await first.take_over(PARTITION, 0)
    await first.database["slow"].insert_many([{"n": n} for n in range(400)])
    tries = []

    async def work(session: Session) -> int:
        assert isinstance(session, MongoSession)
        tries.append(None)
        if len(tries) == 1:
            await session.advance([step(0, 5)])
            slow = first.database["slow"].find({"$where": "sleep(50) || true"}, session=session.session)
            return len(await slow.to_list(None))
        await session.advance([step(0, 5)])
        return -1

    hanging = asyncio.create_task(in_transaction(first, work, as_holder=True))
    async with asyncio.timeout(SOON_S):
        while not await in_hand(first):
            await asyncio.sleep(0.02)
        await second.take_over(PARTITION, 0)
        assert await hanging == -1
    assert len(tries) > 1
    assert (await second.position(PARTITION, 0)).next == 5


async def test_who_takes_over_again_from_itself_ends_nothing(stores: tuple[MongoStore, MongoStore]) -> None:
    first, _ = stores
    await first.take_over(PARTITION, 0)

    async def work(session: Session) -> int:
        await session.advance([step(0, 4)])
        return (await first.take_over(PARTITION, 0)).next  # as after a rebalance that left it its partitions

    assert await in_transaction(first, work, as_holder=True) == 0
    assert (await first.position(PARTITION, 0)).next == 4
