"""Leases against a real MongoDB: an item has one worker, and what a late worker says is void."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from devstack import Stack
from shared.pipeline.documents import Collection
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.pipeline.work import Note, WorkQueue, deferral

LONG_S, SHORT_S = 60.0, 0.05


class Errand(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    due: datetime
    state: str = "queued"
    reason: str = ""
    attempts: int = 0
    done_at: datetime | None = None
    lease: str = ""
    lease_until: datetime | None = None


ERRANDS = Collection("errands", Errand, indexes=(("state", "due"),))


@pytest.fixture
async def store(stack: Stack) -> AsyncIterator[MongoStore]:
    client = connect(stack.mongo)
    name = f"work_{secrets.token_hex(6)}"
    store = MongoStore(client, name)
    await store.prepare([ERRANDS])
    yield store
    await client.drop_database(name)
    client.close()


async def put(store: MongoStore, count: int, due: datetime | None = None) -> list[str]:
    due = due or datetime.now(UTC) - timedelta(minutes=5)
    errands = [Errand(f"errand-{i:05}", due + timedelta(milliseconds=i)) for i in range(count)]
    await store.database[ERRANDS.name].insert_many([dict(store.encode(errand)) for errand in errands])
    return [errand.id for errand in errands]


async def stored(store: MongoStore, id: str) -> Errand:
    errand = await store.read(ERRANDS, id)
    assert errand is not None
    return errand


async def until(look: Callable[[], Awaitable[Any]], within_s: float = 10) -> Any:
    deadline = time.monotonic() + within_s
    while not (seen := await look()):
        assert time.monotonic() < deadline, "not seen in time"
    return seen


async def test_oldest_items_come_first_with_a_lease(store: MongoStore) -> None:
    ids = await put(store, 5)
    leased = await WorkQueue(store, ERRANDS, LONG_S).lease(3)
    assert [errand.id for errand in leased] == ids[:3]
    assert {errand.state for errand in leased} == {"leased"}
    assert len({errand.lease for errand in leased} - {""}) == 1
    assert all(errand.lease_until and errand.lease_until > datetime.now(UTC) for errand in leased)


async def test_what_is_not_due_is_not_leased(store: MongoStore) -> None:
    await put(store, 3, due=datetime.now(UTC) + timedelta(hours=1))
    assert await WorkQueue(store, ERRANDS, LONG_S).lease(10) == []


async def test_racing_workers_never_share_an_item(store: MongoStore) -> None:
    ids = await put(store, 1000)
    taken: list[str] = []

    async def work() -> None:
        queue = WorkQueue(store, ERRANDS, LONG_S)
        while len(taken) < len(ids):
            leased = await queue.lease(30)
            taken.extend(errand.id for errand in leased)
            notes = [Note(errand.id, errand.lease, "done") for errand in leased]
            assert await queue.finish_many(notes) == len(leased)

    await asyncio.gather(*(work() for _ in range(8)))
    assert sorted(taken) == ids


async def test_an_expired_lease_is_taken_over_and_a_late_finish_refused(store: MongoStore) -> None:
    await put(store, 1)
    slow, quick = WorkQueue(store, ERRANDS, SHORT_S), WorkQueue(store, ERRANDS, LONG_S)
    (late,) = await slow.lease(1)
    (taken,) = await until(lambda: quick.lease(1))
    assert taken.lease != late.lease
    assert not await slow.finish(late.id, late.lease, "done", reason="late")
    assert not await slow.defer(late.id, late.lease, "late", 1)
    assert await slow.renew([late]) == []
    assert await quick.finish(taken.id, taken.lease, "done", reason="in time")
    assert (await stored(store, late.id)).reason == "in time"


async def test_a_lease_that_nobody_took_over_still_counts(store: MongoStore) -> None:
    await put(store, 1)
    queue = WorkQueue(store, ERRANDS, SHORT_S)
    (errand,) = await queue.lease(1)
    server_past = {"_id": errand.id, "$expr": {"$lt": ["$lease_until", "$$NOW"]}}
    await until(lambda: store.count(ERRANDS, server_past))
    assert await queue.finish(errand.id, errand.lease, "done")


async def test_a_held_item_is_kept_and_only_its_lost_neighbour_missing(store: MongoStore) -> None:
    await put(store, 2)
    queue = WorkQueue(store, ERRANDS, LONG_S)
    first, second = await queue.lease(2)
    await queue.release([first])
    assert [errand.id for errand in await queue.hold([first, second], "handing_over")] == [second.id]
    assert (await stored(store, second.id)).state == "handing_over"
    assert (await stored(store, first.id)).state == "queued"


async def test_an_item_left_behind_past_its_point_of_no_return_is_not_simply_leased(
    store: MongoStore,
) -> None:
    await put(store, 1)
    gone, other = WorkQueue(store, ERRANDS, SHORT_S), WorkQueue(store, ERRANDS, LONG_S)
    await gone.hold(await gone.lease(1), "handing_over")
    (found,) = await until(lambda: other.lease_abandoned(10, ["handing_over"], "unknown"))
    assert found.state == "unknown"
    assert await other.lease(10) == []
    assert await other.finish(found.id, found.lease, "unknown", reason="held")
    # Final now: it has no lease that could be over.
    assert await other.lease_abandoned(10, ["handing_over", "unknown"], "unknown") == []


async def test_a_deferred_item_comes_back_when_due_and_is_counted(store: MongoStore) -> None:
    await put(store, 1)
    queue = WorkQueue(store, ERRANDS, LONG_S)
    (errand,) = await queue.lease(1)
    assert await queue.defer(errand.id, errand.lease, "$reason is text", SHORT_S)
    assert (await stored(store, errand.id)).reason == "$reason is text"
    (again,) = await until(lambda: queue.lease(1))
    assert again.attempts == 1
    await queue.finish_many([deferral(again.id, again.lease, "later", 3600)])
    assert await queue.lease(1) == []


async def test_a_released_item_is_free_at_once_and_not_counted(store: MongoStore) -> None:
    await put(store, 1)
    queue = WorkQueue(store, ERRANDS, LONG_S)
    assert await queue.release(await queue.lease(1)) == 1
    (again,) = await queue.lease(1)
    assert again.attempts == 0


async def test_times_are_the_servers(store: MongoStore) -> None:
    await put(store, 1)
    queue = WorkQueue(store, ERRANDS, LONG_S)
    (errand,) = await queue.lease(1)
    await queue.finish_many([Note(errand.id, errand.lease, "done", stamp=("done_at",))])
    done = await stored(store, errand.id)
    assert done.done_at is not None
    assert abs(done.done_at - datetime.now(UTC)) < timedelta(seconds=30)
    assert (done.lease, done.lease_until) == ("", None)


async def test_a_thousand_items_take_a_handful_of_round_trips(store: MongoStore) -> None:
    await put(store, 1000)
    queue = WorkQueue(store, ERRANDS, LONG_S)
    leased = await queue.lease(1000)
    assert len(await queue.hold(leased, "handing_over")) == 1000
    assert await queue.finish_many([Note(errand.id, errand.lease, "done") for errand in leased]) == 1000
    assert await store.count(ERRANDS, {"state": "done"}) == 1000
