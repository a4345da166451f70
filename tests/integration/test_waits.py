"""Time budgets of waiting records, on real Kafka and MongoDB: what never came is said, the rest goes on waiting."""

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devstack import Stack
from shared.contracts.agency import TrainingCompleted
from shared.http.askers import Askers
from shared.http.commands import Commands, DecisionWaiter
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, WAITING, Decision, WaitingRecord
from shared.workers.waits import PAGE, Budgets, WaitingSweeper
from tests import factories
from tests.chaos.members import Place, place_of
from tests.chaos.traffic import AGENCIES, Message

OTHER = "id.go.bandung.employee.registered.v1"
HOUR = timedelta(hours=1)


@pytest.fixture
async def place(stack: Stack) -> AsyncIterator[Place]:
    async with place_of(stack) as made:
        yield made


@pytest.fixture
async def publisher(stack: Stack) -> AsyncIterator[Publisher]:
    made = Publisher(stack.kafka, "waits")
    yield made
    await made.stop()


def completion(place: Place, n: int) -> Message:
    payload = factories.completed(f"19800101200001{1 + n % 2}{n:03}")
    record = factories.as_record(payload, id=f"early-{n}")
    assert record.value is not None
    return Message(place.agency(AGENCIES[0]), 0, None, record.value, record.headers)


async def waiting_since(place: Place, ages: list[timedelta]) -> None:
    """Completions of so many unknown employees, by the broker's clock that long ago."""
    await place.send(completion(place, n) for n in range(len(ages)))
    await place.decided(place.agency(), len(ages))
    for n, age in enumerate(ages):
        await place.store.database[WAITING.name].update_one(
            {"event_id": f"early-{n}"}, {"$set": {"since": datetime.now(UTC) - age}}
        )


def waits(
    place: Place, publisher: Publisher, budgets: Budgets, behind_s: float = 0.0
) -> "WaitingSweeper[Any]":
    service, store = place.service, place.store
    commands = Commands(
        service.name,
        service.commands_topic,
        publisher,
        DecisionWaiter(store, service.commands_topic),
        Askers(service.name, "s" * 32),
    )
    return WaitingSweeper(service, store, commands, budgets, factories.always(behind_s))


async def reasons(place: Place, count: int) -> dict[str, str]:
    """By event id, of so many dead letters."""
    async with asyncio.timeout(30):
        while await place.store.count(DEAD_LETTERS, {}) < count:
            await asyncio.sleep(0.05)
    found = await place.store.select(DEAD_LETTERS, {})
    assert {one.kind for one in found} == {"expired"}
    by_offset = {one.offset: one.reason for one in found}
    return {f"early-{offset}": reason for offset, reason in by_offset.items()}


async def test_each_type_waits_for_its_own_time_and_the_letter_says_what_never_came(
    place: Place, publisher: Publisher
) -> None:
    async with place.member():
        await waiting_since(place, [1 * HOUR, 25 * HOUR, 73 * HOUR])
        await waits(place, publisher, Budgets.of_hours(24, {TrainingCompleted.TYPE: 72})).step()
        found = await reasons(place, 1)
        assert list(found) == ["early-2"]
        assert "employee is not known yet" in found["early-2"]
        assert "did not come within 72 hours" in found["early-2"]
        await waits(place, publisher, Budgets.of_hours(24, {OTHER: 72})).step()
        found = await reasons(place, 2)
        assert "did not come within 24 hours" in found["early-1"]
        assert [one.event_id for one in await place.store.select(WAITING, {})] == ["early-0"]


async def test_what_may_wait_for_long_is_given_up_by_its_own_time_and_stands_before_nobody(
    place: Place, publisher: Publisher
) -> None:
    """More of them than a look reads, all older than what is over."""
    async with place.member():
        await waiting_since(place, [25 * HOUR])
        old = [
            waiting(n, TrainingCompleted.TYPE, "body", (29 if n else 31) * 24 * HOUR) for n in range(PAGE + 1)
        ]
        waiting_ones = place.store.database[WAITING.name]
        await waiting_ones.insert_many([dict(place.store.encode(one)) for one in old])
        budgets = Budgets.of_hours(24, {TrainingCompleted.TYPE: 12}, {"body": 30 * 24 * HOUR})
        await waits(place, publisher, budgets)._give_up(datetime.now(UTC))
        async with asyncio.timeout(30):
            while len(given_up := await decisions(place)) < 2:
                await asyncio.sleep(0.05)
        assert {one.subject for one in given_up} == {"body/0", *(await lacked_by_early(place))}
        letters = {one.topic: one.reason for one in await place.store.select(DEAD_LETTERS, {})}
        assert "did not come within 12 hours" in letters[place.agency(AGENCIES[0])]


async def lacked_by_early(place: Place) -> list[str]:
    found = await place.store.select(DECISIONS, {"e": "early-0", "v": "waiting"})
    return [one.subject for one in found]


def waiting(n: int, event_type: str, kind: str, age: timedelta) -> WaitingRecord:
    return WaitingRecord(
        id=f"t/0/{n:019d}", lacks=f"{kind}/{n}", reason="", event_type=event_type, event_id=str(n), topic="t",
        partition=0, offset=n, timestamp_ms=0, key=None, value=b"", headers=[], redelivery=0,
        since=datetime.now(UTC) - age, kind=kind,
    )  # fmt: skip


async def test_two_replicas_give_up_by_the_same_command(place: Place, publisher: Publisher) -> None:
    async with place.member():
        await waiting_since(place, [25 * HOUR])
    minute = datetime.now(UTC).minute
    for _ in range(2):
        await waits(place, publisher, Budgets(24 * HOUR)).step()
    commands = 1 if datetime.now(UTC).minute == minute else 2
    async with place.member():
        async with asyncio.timeout(30):
            while len(found := await decisions(place)) < 2:
                await asyncio.sleep(0.05)
        await reasons(place, 1)
    assert len({one.event_id for one in found}) == commands


async def test_what_is_over_waits_as_long_as_what_it_lacks_may_stand_unread_in_the_log(
    place: Place, publisher: Publisher
) -> None:
    async with place.member():
        await waiting_since(place, [25 * HOUR, 27 * HOUR])
        await waits(place, publisher, Budgets(24 * HOUR), math.inf).step()
        await waits(place, publisher, Budgets(24 * HOUR), 2 * 3600.0).step()
        assert set(await reasons(place, 1)) == {"early-1"}
        await waits(place, publisher, Budgets(24 * HOUR), 60.0).step()
        assert set(await reasons(place, 2)) == {"early-0", "early-1"}


async def decisions(place: Place) -> list[Decision]:
    """Of commands."""
    return await place.store.select(DECISIONS, {"_id": {"$regex": f"^{place.service.commands_topic}/"}})


async def test_a_look_reads_only_what_is_over_however_many_wait(place: Place, publisher: Publisher) -> None:
    kinds = ("employee", "employee", "body", "", "contact")
    records = [
        waiting(
            n, (TrainingCompleted.TYPE, OTHER)[n % 2], kinds[n % len(kinds)], 30 * HOUR if n < 6 else HOUR
        )
        for n in range(5 * PAGE)
    ]
    database = place.store.database
    await database[WAITING.name].insert_many([dict(place.store.encode(one)) for one in records])
    await database.command("profile", 2)
    await waits(place, publisher, Budgets(100 * HOUR, {OTHER: 24 * HOUR}, {"body": 20 * HOUR})).step()
    await database.command("profile", 0)
    read = [
        (raw["docsExamined"], raw["keysExamined"])
        async for raw in database["system.profile"].find({"ns": f"{database.name}.{WAITING.name}"})
        if {"aggregate", "distinct"} & raw["command"].keys()  # the look at what may be there goes by id
    ]
    assert read
    # Keys: two at the begin of each kind besides.
    assert all(documents <= 3 and keys <= 10 for documents, keys in read), read
