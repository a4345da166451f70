"""How long to wait after failures: twice as long after each in a row, up to a limit, some of it by chance. Pure but for
`random_pause_s`."""

import random
from typing import Final, NamedTuple

MAX_DOUBLINGS: Final = 64


class Backoff(NamedTuple):
    first_s: float
    """The longest pause after the first failure."""
    max_s: float
    """The longest after any."""
    spread: float = 0.0
    """The share of a pause that chance decides, so that those who failed together don't come back together: 0 none,
    1 all of it."""

    def pause_s(self, failures: int, chance: float = 1.0) -> float:
        """`failures`: how many in a row, from 1 on. `chance`: 0 to 1, from outside; 1 is the longest pause."""
        longest_s = min(self.first_s * 2.0 ** min(failures - 1, MAX_DOUBLINGS), self.max_s)
        return longest_s * (1 - self.spread * (1 - chance))

    def random_pause_s(self, failures: int) -> float:
        return self.pause_s(failures, random.random())  # noqa: S311  it keeps apart, and guards nothing
