"""A letter that collects is let go when its time is over, by what the group has decided."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from services.notification.letters import timers
from services.notification.letters.documents import COLLECTING, LETTERS, Letter
from services.notification.letters.timers import LetterTimers
from shared.contracts.notification import ReleaseLetter
from shared.contracts.payload import EmployeeId, Payload
from shared.contracts.topics import PARTITIONS
from shared.pipeline.partitioner import key_into
from shared.pipeline.storage.mongo import MongoStore
from tests.integration.mailing import insert, mail


class Log:
    def __init__(self) -> None:
        self.released: list[str] = []

    async def submit(self, payload: Payload, **_: object) -> None:
        assert isinstance(payload, ReleaseLetter)
        self.released.append(payload.letter_id)


def letter(n: int, partition: int, due: datetime) -> Letter:
    return replace(mail(n).letter, state=COLLECTING, due=due, employee_id=EmployeeId(key_into(partition)))


def timers_of(store: MongoStore, behind: Mapping[int, float]) -> tuple[LetterTimers, Log]:
    async def behind_s(number: int) -> float:
        return behind.get(number, 0.0)

    log = Log()
    return LetterTimers(store, log, behind_s), log  # type: ignore[arg-type]


async def released(store: MongoStore, behind: Mapping[int, float]) -> list[str]:
    worker, log = timers_of(store, behind)
    await worker.step()
    return sorted(log.released)


async def test_points_that_may_stand_undecided_in_the_log_are_waited_for(mail_store: MongoStore) -> None:
    """On a busy day the log is never read to its last record: letters go out all the same."""
    now = datetime.now(UTC)
    letters = [letter(n, 3, now - timedelta(seconds=ago)) for n, ago in enumerate((-60, 5, 50))]
    await insert(mail_store, LETTERS, *letters, replace(mail(9).letter, state="released", due=now))
    ids = [one.id for one in letters]
    assert await released(mail_store, {3: math.inf}) == []
    assert await released(mail_store, {3: 20.0}) == [ids[2]]
    assert await released(mail_store, {3: 0.5}) == [ids[1], ids[2]]


async def test_a_replica_that_is_behind_holds_up_the_letters_of_its_partitions_alone(
    mail_store: MongoStore,
) -> None:
    """The other replica let them go without the points that stood in the log."""
    due = datetime.now(UTC) - timedelta(seconds=5)
    letters = [letter(n, n, due) for n in range(PARTITIONS)]
    await insert(mail_store, LETTERS, *letters)
    found = await released(mail_store, {0: 30.0, 2: math.inf})
    assert found == [one.id for n, one in enumerate(letters) if n not in (0, 2)]


async def test_however_many_are_held_up_the_others_have_their_turn(
    mail_store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "MAX_LETTERS", 4)
    due = datetime.now(UTC) - timedelta(seconds=50)
    held = [letter(n, 0, due) for n in range(10)]
    await insert(mail_store, LETTERS, *held, letter(77, 1, due + timedelta(seconds=9)))
    worker, log = timers_of(mail_store, {0: math.inf})
    for _ in range(3):
        await worker.step()
    assert log.released == ["let_0077"]
    for _ in range(3):
        await worker.step()
    assert log.released == ["let_0077"] * 2, "and round again"
