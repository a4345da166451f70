"""Lines that repeat are counted: what was wrong at midnight is still in the log in the morning.

While Kafka was away its client alone wrote 2,400 lines a minute, and in a night the log's five files of 20 MB had turned
over many times.
"""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TextIO

INTERVALS_S: Final = (60.0, 600.0, 3600.0)
"""After the first line one tells of the repetitions after a minute, then after ten, then each hour."""
MAX_LINES: Final = 1_000
"""That are kept in mind; of the one that was longest not seen is told when it is forgotten."""
MAX_ALIKE: Final = 20
"""Of a library's lines that differ in what was filled in alone (a number of a request), in one interval."""
MAX_TOLD: Final = 200
"""Of our own warnings that differ, as of records that were refused: each is kept where it is dealt with."""
LOOK_EVERY_S: Final = 1.0
OURS: Final = ("services", "shared", "kompeten", "__main__")
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

Key = tuple[object, ...]


@dataclass
class _Seen:
    """A line that was written, and how often it came since."""

    record: logging.LogRecord
    template: Key
    since: float
    others: bool = False
    """It stands for all further lines of a template."""
    step: int = 0
    count: int = 0
    last: float = 0.0
    """When it came last, by the clock on the wall."""

    def is_over(self, now: float) -> bool:
        return now - self.since >= INTERVALS_S[self.step]

    def told(self, now: float) -> logging.LogRecord:
        """The line once more, with its moment of now."""
        what = "and others like it, " if self.others else ""
        told = logging.makeLogRecord(self.record.__dict__)
        times = "once" if self.count == 1 else f"{self.count} times"
        last = datetime.fromtimestamp(self.last, UTC)
        told.msg = (
            f"{_rendered(self.record)} ({what}repeated {times} in the last {now - self.since:.0f} s, "
            f"last at {last:%Y-%m-%dT%H:%M:%SZ})"
        )
        told.args, told.exc_info, told.exc_text = None, None, None
        told.created = time.time()
        return told


class CountingHandler(logging.StreamHandler[TextIO]):
    """Writes a line that is new at once, and repetitions as one line: when their interval is over and anything is logged,
    or at the end. Lines of ours with fields of their own tell of one thing each, and are written, of warnings so many."""

    def __init__(
        self,
        stream: TextIO,
        context: Callable[[], tuple[object, ...]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`context`: what a line of ours is about, beside its text."""
        super().__init__(stream)
        self._context, self._clock = context, clock
        self._seen: OrderedDict[Key, _Seen] = OrderedDict()
        """The one that came longest ago first."""
        self._alike: Counter[Key] = Counter()
        """By template of a library's lines: how many different ones are in mind."""
        self._looked_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        for told in [*self._over(now), *self._too_many(now)]:
            self._tell(told)
        if self._is_new(record, now):
            super().emit(record)

    def close(self) -> None:
        now = self._clock()
        for seen in self._seen.values():
            if seen.count:
                self._tell(seen.told(now))
        self._seen.clear()
        super().close()

    def _tell(self, told: logging.LogRecord) -> None:
        """Not as a part of the trace in which somebody else writes a line just now."""
        Context().run(super().emit, told)

    def _is_new(self, record: logging.LogRecord, now: float) -> bool:
        ours = record.name.partition(".")[0] in OURS
        own = record.__dict__.keys() - _STANDARD if ours else frozenset[str]()
        if own and record.levelno < logging.WARNING:
            return True
        template: Key = (record.name, record.levelno, str(record.msg))
        error = record.exc_info[1] if record.exc_info else None
        about = self._context() if ours else ()
        fields = [str(record.__dict__[name]) for name in sorted(own)]
        key = (*template, _rendered(record), type(error), str(error), *about, *fields)
        most = MAX_TOLD if own else MAX_ALIKE
        others = key not in self._seen and (bool(own) or not ours) and self._alike[template] >= most
        if others:
            key = template
        if (known := self._seen.get(key)) is not None:
            known.count += 1
            known.last = record.created
            self._seen.move_to_end(key)
            return False
        self._seen[key] = _Seen(record, template, now, others, count=int(others), last=record.created)
        self._alike[template] += 1
        return not others

    def _over(self, now: float) -> Iterator[logging.LogRecord]:
        """What is to be told of those whose interval is over; what did not come again is forgotten."""
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        for key, seen in [(key, seen) for key, seen in self._seen.items() if seen.is_over(now)]:
            if not seen.count:
                self._forget(key)
                continue
            yield seen.told(now)
            seen.since, seen.count, seen.step = now, 0, min(seen.step + 1, len(INTERVALS_S) - 1)

    def _too_many(self, now: float) -> Iterator[logging.LogRecord]:
        while len(self._seen) >= MAX_LINES:
            seen = self._forget(next(iter(self._seen)))
            if seen.count:
                yield seen.told(now)

    def _forget(self, key: Key) -> _Seen:
        seen = self._seen.pop(key)
        self._alike[seen.template] -= 1
        if not self._alike[seen.template]:
            del self._alike[seen.template]
        return seen


def _rendered(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  whoever formats it says so
        return str(record.msg)
