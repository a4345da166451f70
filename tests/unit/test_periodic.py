"""A worker that looks every so often."""

import asyncio

import pytest

from shared.pipeline.errors import Unavailable
from shared.workers import periodic
from shared.workers.periodic import Periodic

SOON_S = 5.0


class Looking(Periodic):
    """The database is away at its first look."""

    def __init__(self) -> None:
        super().__init__(3600)
        self.looks = 0

    async def step(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise Unavailable("MongoDB is away")


async def test_a_worker_that_looks_rarely_looks_again_soon_after_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Readiness complained for half a minute after the database was back."""
    monkeypatch.setattr(periodic, "AGAIN_S", 0.05)
    worker = Looking()
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(SOON_S):
        while not worker.faults():
            await asyncio.sleep(0.01)
        assert worker.faults() == ["MongoDB is away"]
        while worker.faults():
            await asyncio.sleep(0.01)
    assert worker.looks == 2
    worker.stop()
    async with asyncio.timeout(SOON_S):
        await running
