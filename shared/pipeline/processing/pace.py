"""Decisions share their event loop with heartbeats and HTTP: after each slice of work the others have a turn."""

import asyncio
import time
from typing import Final

SLICE_S: Final = 0.02


class Pace:
    """CPU time of this thread since the last `begin`, and when to let others go on.

    Asked several times for each record, so that it looks at the clock of the thread, a system call, only when the one on
    the wall shows that a slice may have passed.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._began = self._since = time.thread_time()
        self._look_at = time.monotonic() + SLICE_S
        self.busy_s = 0.0
        """As of the last look: at most a slice too little."""

    async def give_way(self) -> None:
        if time.monotonic() < self._look_at:
            return
        now = time.thread_time()
        self.busy_s = now - self._began
        if now - self._since >= SLICE_S:
            await asyncio.sleep(0)
            now = self._since = time.thread_time()
        self._look_at = time.monotonic() + SLICE_S - (now - self._since)
