"""Records of several partitions in the order of their arrival in the log (LogAppendTime).

A service that is up to date decides records as they arrive. One that reads months anew would be given a
thousand of one partition, then a thousand of another: a revocation before the correction that it followed.
"""

from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Generic, TypeVar

from shared.pipeline.records import Record

TP = TypeVar("TP", bound=Hashable)


class MergeByTime(Generic[TP]):
    """Holds what was fetched until nothing earlier can come."""

    def __init__(self, last: Callable[[TP], bool]) -> None:
        """`last`: partitions whose records come after others of the same millisecond, as effects after causes."""
        self._last = last
        self._held: dict[TP, deque[Record]] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def held(self, tp: TP) -> int:
        return len(self._held.get(tp, ()))

    def add(self, tp: TP, records: Sequence[Record]) -> None:
        self._held.setdefault(tp, deque()).extend(records)

    def forget(self, tp: TP) -> None:
        """They will be fetched again."""
        self._held.pop(tp, None)

    def clear(self) -> None:
        self._held.clear()

    def take(self, more: Collection[TP], limit: int) -> dict[TP, list[Record]]:
        """At most `limit` records that nothing precedes; `more`: partitions that have records not fetched yet."""
        taken: dict[TP, list[Record]] = {}
        for _ in range(limit):
            if not self._held or any(tp not in self._held for tp in more):
                break
            tp = min(self._held, key=lambda one: (self._held[one][0].timestamp_ms, self._last(one)))
            records = self._held[tp]
            taken.setdefault(tp, []).append(records.popleft())
            if not records:
                del self._held[tp]
        return taken
