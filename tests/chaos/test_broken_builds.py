"""The comparison with the model can fail: builds with one rule broken are caught, and the same run unbroken is not."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from typing import Final

import pytest

from devstack import Stack
from devstack.processes import Child, Processes
from tests.chaos import ledger
from tests.chaos.system import System, foreign
from tests.faults.broken import WAYS

pytestmark = pytest.mark.chaos

KILLED_AT: Final = {
    "positions outside the transaction": "before-commit:6",
    "published only when newly written": "after-commit:6",
    "offsets committed by the client": "before-commit:6",
    "not broken": "before-commit:6",
}
"""None for what two members do to each other without any kill."""
QUIET_S: Final = 8.0
SETTLED_S: Final = 60.0


@pytest.fixture
async def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    with Processes(tmp_path_factory.mktemp("broken") / "run") as processes:
        made = System(stack, processes, seed=4, revoking=False)
        try:
            await made.make_topics()
            yield made
        finally:
            made.close()


def start(system: System, name: str, way: str, **env: str) -> Child:
    wanted = {**system.kompeten.env[name], **env}
    child = system.processes.start_python(
        name, "tests.faults.broken", way, "enrollment", env={**foreign(wanted), **wanted}
    )
    system.kompeten.children[name] = child
    return child


async def settled(system: System) -> None:
    """Until all is done, or what is missing has stayed the same for a while."""
    deadline = time.monotonic() + SETTLED_S
    left, since = system.unfinished(), time.monotonic()
    while left and time.monotonic() < deadline and time.monotonic() - since < QUIET_S:
        await asyncio.sleep(0.5)
        system.hasten()
        now = system.unfinished()
        if now != left:
            left, since = now, time.monotonic()


@pytest.mark.parametrize("way", WAYS)
async def test_a_broken_build_is_caught(system: System, way: str) -> None:
    for service in ("incentive", "notification"):
        system.launch(service)
    if point := KILLED_AT.get(way):
        first = start(system, "enrollment", way, KOMPETEN_FAILPOINT=point)
        sending = asyncio.create_task(system.flow(100, pause_s=0.3))
        assert await system.died("enrollment") == -signal.SIGKILL, first.tail()
        system.expire_leases("enrollment")
        start(system, "enrollment", way)
        await system.ready("enrollment")
    else:
        start(system, "enrollment", way)
        await system.ready("enrollment")  # both at once, it fails to begin its database
        second = system.spare("enrollment")
        start(system, second, way)
        await system.ready(*system.kompeten.children)
        sending = asyncio.create_task(system.flow(900, per_batch=5, pause_s=0.1))
    await sending
    await settled(system)
    found = ledger.findings(system.traffic, await system.read())
    assert bool(found) == (way != "not broken"), [str(one) for one in found[:10]]
