"""Decisions share their event loop with heartbeats and HTTP: after each slice of work the others have a turn."""

import asyncio
import time
from typing import Final

SLICE_S: Final = 0.02


class Pace:
    """CPU time of this thread since the last `begin`, and when to let others go on."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._began = self._since = time.thread_time()

    @property
    def busy_s(self) -> float:
        return time.thread_time() - self._began

    async def give_way(self) -> None:
        if time.thread_time() - self._since >= SLICE_S:
            await asyncio.sleep(0)
            self._since = time.thread_time()
