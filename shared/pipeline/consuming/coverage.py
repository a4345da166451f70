"""Until when the log is read, by all members of a group together.

Whether something never came (points of a letter, what a record waits for) can be said once all that came until then is
decided. A lag of zero would tell that too, but a group into which records come without a pause has none.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from shared.pipeline.partitioner import TopicPartition

LOOK_EVERY_S: Final = 1.0

Offsets = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]


class Coverage:
    """Asks where the log ends, and looks later whether the group has come there: then all is decided that was in the log
    at the moment of the question. A partition awaits one end at a time, so what is said is at most twice as old as what
    is not decided yet, and a look or two."""

    def __init__(
        self, partitions: Callable[[], Mapping[str, int]], *, ends: Offsets, progress: Offsets
    ) -> None:
        """`partitions`: by topic, how many. `ends`, `progress`: where the log of each ends, and how far it is decided by
        whoever has it; what they can't tell they leave out."""
        self._partitions, self._ends, self._progress = partitions, ends, progress
        self._awaited: dict[TopicPartition, tuple[int, float]] = {}
        self._covered: dict[TopicPartition, float] = {}
        self._looked_at = -math.inf
        self._looking = asyncio.Lock()

    async def behind_s(self, number: int | None = None) -> float:
        """How old the oldest record may be that is not decided yet; infinite until what the log had at the first look is.
        `number`: in partitions of this number alone; in our own topics each person has one."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
                await self._look()
                self._looked_at = time.monotonic()
        covered = [
            self._covered.get(place, -math.inf) for place in self._places() if number in (None, place[1])
        ]
        return time.monotonic() - min(covered, default=-math.inf)

    async def _look(self) -> None:
        places = self._places()
        progress = await self._progress(places)
        asked_at = time.monotonic()
        ends = await self._ends(places)
        for place, end in ends.items():
            awaited, since = self._awaited.get(place, (end, asked_at))
            if awaited > end:  # the topic was made anew
                awaited, since = end, asked_at
            self._awaited[place] = awaited, since
            if (reached := progress.get(place)) is not None and reached >= awaited:
                self._covered[place] = asked_at if reached >= end else since
                self._awaited[place] = end, asked_at

    def _places(self) -> list[TopicPartition]:
        return [(topic, number) for topic, count in self._partitions().items() for number in range(count)]
