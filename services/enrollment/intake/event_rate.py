"""How many events an agency may send to `POST /events`: a token bucket each, in this process."""

import time
from collections.abc import Callable
from math import ceil

from shared.http.problems import Problem


class EventRate:
    """`per_second` events on average, at most `saved` of them saved up; `per_second` 0: as many as they like.

    Who has one left may spend more, and waits the longer: so what is refused need not be parsed to be counted,
    and waiting as long as was said is always enough.
    """

    def __init__(self, per_second: int, saved: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._saved, self._clock = per_second, saved, clock
        self._left: dict[str, tuple[float, float]] = {}
        """By agency: how many it had left, and when that was."""

    def check(self, agency: str) -> None:
        """Raises Problem (429) when none is left."""
        left = self._now_left(agency)
        if self._per_second and left < 1:
            raise Problem(
                "too-many-requests",
                f"At most {self._per_second} events a second are taken from an agency: none of these was; "
                "send the same again after as many seconds as Retry-After says.",
                headers={"Retry-After": str(ceil((1 - left) / self._per_second))},
            )

    def spend(self, agency: str, events: int) -> None:
        self._left[agency] = self._now_left(agency) - events, self._clock()

    def _now_left(self, agency: str) -> float:
        left, at = self._left.get(agency, (self._saved, 0.0))
        return min(self._saved, left + (self._clock() - at) * self._per_second)
