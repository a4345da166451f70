"""Since when all members of a group together have decided what is in the log."""

import math
from collections.abc import Mapping, Sequence

import pytest

from shared.pipeline.consuming import coverage as module
from shared.pipeline.consuming.coverage import Coverage
from shared.pipeline.partitioner import TopicPartition

QUIET, BUSY = ("events", 0), ("events", 1)


class Log:
    """Time goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.partitions = {"events": 2}
        self.end = {QUIET: 0, BUSY: 0}
        self.decided: dict[TopicPartition, int] = {QUIET: 0, BUSY: 0}
        self.away = False
        self.coverage = Coverage(lambda: self.partitions, ends=self.ends, progress=self.progress)

    def monotonic(self) -> float:
        return self.now

    async def ends(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {} if self.away else {place: self.end[place] for place in places}

    async def progress(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {} if self.away else dict(self.decided)

    async def later(self, seconds: float = 1.0, number: int | None = None) -> float:
        self.now += seconds
        return await self.coverage.behind_s(number)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(module, "time", log)
    return log


async def test_what_stood_in_the_log_at_the_first_look_is_awaited(log: Log) -> None:
    log.end[BUSY] = 10
    assert await log.later() == math.inf
    log.decided[BUSY], log.end[BUSY] = 9, 30
    assert await log.later() == math.inf
    log.decided[BUSY] = 10
    assert await log.later() == 2.0, "what came since the first look is not decided"


async def test_records_that_come_without_a_pause_leave_it_a_little_behind(log: Log) -> None:
    behind_s = []
    for n in range(100):  # ten a second; three of them are always in hand
        log.decided[BUSY], log.end[BUSY] = 10 * n, 10 * n + 3
        behind_s.append(await log.later())
    assert behind_s[0] == math.inf
    assert set(behind_s[1:]) == {1.0}


@pytest.mark.parametrize("late_s", [3, 30])
async def test_whoever_is_late_is_said_to_be_at_most_twice_as_late(log: Log, late_s: int) -> None:
    for second in range(10 * late_s):
        log.end[BUSY], log.decided[BUSY] = second, max(0, second - late_s)
        behind_s = await log.later()
        if second > 3 * late_s:
            assert late_s <= behind_s <= 2 * late_s + 2


async def test_each_number_is_told_by_itself(log: Log) -> None:
    await log.later()
    log.end[BUSY] = 5  # and it stands still
    await log.later(100)
    assert await log.later(number=0) == 0.0
    assert await log.later(0, number=1) == 101.0
    assert await log.later(0) == 101.0


async def test_a_partition_of_which_nobody_can_tell_is_not_left_out(log: Log) -> None:
    """One that is stopped, or in between two members: the others said that all was read."""
    del log.decided[BUSY]
    for _ in range(3):
        assert await log.later() == math.inf
    assert await log.later(number=0) == 0.0
    log.decided[BUSY] = 0
    assert await log.later() == 0.0
    del log.decided[BUSY]
    assert await log.later() == 1.0


async def test_a_topic_that_is_new_counts_from_its_first_look(log: Log) -> None:
    assert await log.later() == 0.0
    new = ("agency", 0)
    log.partitions["agency"], log.end[new] = 1, 2
    assert await log.later() == math.inf
    log.decided[new] = 2
    assert await log.later() == 0.0
    del log.partitions["agency"], log.decided[new]
    assert await log.later() == 0.0


async def test_a_topic_that_was_made_anew_is_awaited_from_its_new_end(log: Log) -> None:
    log.end[BUSY] = 1_000
    await log.later()
    log.end[BUSY], log.decided[BUSY] = 3, 0
    await log.later()
    log.decided[BUSY] = 3
    assert await log.later() == 0.0


async def test_while_kafka_is_away_it_gets_older(log: Log) -> None:
    assert await log.later() == 0.0
    log.away = True
    assert await log.later(50) == 50.0
    log.away = False
    assert await log.later() == 0.0


async def test_it_looks_once_a_second_however_many_ask(log: Log) -> None:
    assert await log.later() == 0.0
    log.end[BUSY] = 7
    assert await log.later(0.5) == 0.5
    log.decided[BUSY] = 7
    assert await log.later(0.5) == 0.0
