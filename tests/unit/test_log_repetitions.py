"""Lines that repeat are counted and not written: whoever looks in the morning still finds what was wrong at night."""

import io
import logging
import re
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from devstack.ports import HOST, free_ports
from shared.observability.log_repetitions import (
    INTERVALS_S,
    MAX_ALIKE,
    MAX_LINES,
    MAX_TOLD,
    CountingHandler,
)


class Log:
    """A handler with a clock of its own on the loggers of a library and of ours."""

    def __init__(self) -> None:
        self.now, self.stream, self.about = 0.0, io.StringIO(), ""
        self.handler = CountingHandler(self.stream, lambda: (self.about,), lambda: self.now)
        self.library, self.ours = logging.getLogger("aiokafka"), logging.getLogger("shared.of_a_test")

    @property
    def lines(self) -> list[str]:
        """Moments are of the clock on the wall."""
        return re.sub(r"last at \d{4}-[0-9T:-]+Z", "last at AT", self.stream.getvalue()).splitlines()

    def after(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    for logger in (made.library, made.ours):
        logger.addHandler(made.handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    yield made
    for logger in (made.library, made.ours):
        logger.removeHandler(made.handler)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def test_a_line_that_repeats_is_written_at_once_and_then_counted(log: Log) -> None:
    for _ in range(2_400):
        log.library.error("Unable connect to node with id %s", 1)
        log.after(0.025)
    assert log.lines == ["Unable connect to node with id 1"]
    log.after(1)
    log.library.error("Unable connect to node with id %s", 1)
    assert (
        log.lines[1] == "Unable connect to node with id 1 (repeated 2399 times in the last 61 s, last at AT)"
    )


@pytest.mark.slow
def test_a_night_of_it_is_some_lines_and_its_end_is_told_too(log: Log) -> None:
    for _ in range(10 * 3600):
        log.library.error("Unable connect to node with id %s", 1)
        log.after(1)
    assert len(log.lines) <= 2 + 10
    log.after(max(INTERVALS_S))
    log.ours.info("it is back")
    assert "repeated" in log.lines[-2]
    log.after(max(INTERVALS_S))
    log.ours.info("later")
    log.library.error("Unable connect to node with id %s", 1)
    assert log.lines[-1] == "Unable connect to node with id 1", "new again"


def test_what_is_left_is_told_at_the_end(log: Log) -> None:
    for _ in range(3):
        log.ours.warning("paused")
    log.handler.close()
    assert log.lines == ["paused", "paused (repeated 2 times in the last 0 s, last at AT)"]


def test_another_broker_another_error_and_another_level_are_other_lines(log: Log) -> None:
    for _ in range(2):
        log.library.error("Unable connect to %s: %s", "b-1:9092", "refused")
        log.library.error("Unable connect to %s: %s", "b-2:9092", "refused")
        log.library.error("Unable connect to %s: %s", "b-1:9092", "timed out")
        log.library.warning("Unable connect to %s: %s", "b-1:9092", "refused")
    assert len(log.lines) == 4


def test_lines_of_a_library_that_differ_by_a_number_each_are_counted_together(log: Log) -> None:
    for number in range(1_000):
        log.library.warning("request %s failed", number)
    assert len(log.lines) == MAX_ALIKE
    log.after(61)
    log.library.info("another")
    assert any("and others like it, repeated 980 times" in line for line in log.lines)


def test_lines_of_ours_that_differ_are_all_written(log: Log) -> None:
    for number in range(100):
        log.ours.warning("partition %s stopped", number)
        log.ours.info("answered", extra={"status": 200})
        log.about = f"event-{number}"
        log.ours.warning("late")
    assert len(log.lines) == 300


def test_warnings_of_ours_about_one_record_each_are_so_many_and_then_counted(log: Log) -> None:
    """Each record is a dead letter; a flood of them must not turn over the log."""
    for number in range(1_000):
        log.ours.warning("refused: record %s", number, extra={"reason": "unknown type"})
    assert len(log.lines) == MAX_TOLD
    log.handler.close()
    assert "and others like it, repeated 800 times" in log.lines[-1]


def test_what_is_kept_in_mind_is_bounded(log: Log) -> None:
    for number in range(3 * MAX_LINES):
        log.ours.warning("partition %s stopped", number)
        log.ours.warning("partition %s stopped", number)
    assert len(log.handler._seen) <= MAX_LINES
    assert sum("repeated once" in line for line in log.lines) >= 2 * MAX_LINES, "what is forgotten is told"


async def test_a_client_whose_broker_is_away_repeats_nothing(log: Log) -> None:
    (port,) = free_ports(1)
    written = []
    for _ in range(3):
        client = AIOKafkaConsumer(bootstrap_servers=f"{HOST}:{port}")
        with pytest.raises(KafkaConnectionError):
            await client.start()
        await client.stop()
        written.append(len(log.lines))
    assert written[0] > 0
    assert written == [written[0]] * 3, log.lines
