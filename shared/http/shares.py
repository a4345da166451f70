"""So much of something for all callers together, and at most a part of it for each: nobody takes what others need."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from shared.http.problems import Problem

RETRY_AFTER_S: Final = 2


class Share:
    """What one request holds of it."""

    def __init__(self, shares: "Shares", caller: str) -> None:
        self._shares, self._caller, self._held = shares, caller, 0

    def take(self, amount: int) -> None:
        """Raises Problem: busy."""
        self._shares.take(self._caller, amount)
        self._held += amount

    def give_back(self) -> None:
        self._shares.give_back(self._caller, self._held)
        self._held = 0


class Shares:
    """`total` for all, `each` for one caller, in the same unit. All who have not signed in are one caller."""

    def __init__(self, total: int, each: int) -> None:
        self._total, self._each = total, each
        self.taken = 0
        self._taken: Counter[str] = Counter()

    @contextmanager
    def share(self, caller: str) -> Iterator[Share]:
        share = Share(self, caller)
        try:
            yield share
        finally:
            share.give_back()

    def take(self, caller: str, amount: int) -> None:
        if self._taken[caller] + amount > self._each or self.taken + amount > self._total:
            raise Problem("busy", headers={"Retry-After": str(RETRY_AFTER_S)})
        self._taken[caller] += amount
        self.taken += amount

    def give_back(self, caller: str, amount: int) -> None:
        self.taken -= amount
        self._taken[caller] -= amount
        if self._taken[caller] <= 0:
            del self._taken[caller]
