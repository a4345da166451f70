"""A worker that looks every so often whether something is due."""

import asyncio
import contextlib
from abc import ABC, abstractmethod

from shared.pipeline.errors import Unavailable

AGAIN_S = 2.0


class Periodic(ABC):
    """`run` goes on until `stop`. While the database or the broker is away, readiness says so, and it tries again soon,
    however rarely it looks otherwise."""

    name: str

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._stopping = asyncio.Event()
        self._trouble = ""

    @abstractmethod
    async def step(self) -> float | None:
        """Does what is due; seconds until the next look, if sooner or later than usual."""

    def stop(self) -> None:
        self._stopping.set()

    def faults(self) -> list[str]:
        return [self._trouble] if self._trouble else []

    async def run(self) -> None:
        while not self._stopping.is_set():
            pause_s = None
            try:
                pause_s = await self.step()
                self._trouble = ""
            except Unavailable as error:
                self._trouble, pause_s = str(error), min(self._every_s, AGAIN_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s or self._every_s)
