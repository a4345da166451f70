"""A member stops beyond its session while another takes its partitions, and goes on with stale state."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from devstack import Stack
from devstack.processes import Processes
from tests.chaos.system import System, until

pytestmark = pytest.mark.chaos

SESSION_S = 10


@pytest.fixture(scope="module")
async def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    # Nothing is revoked: commands and agencies' events may be two members', whose order is not promised.
    with Processes(tmp_path_factory.mktemp("stopped") / "run") as processes:
        made = System(stack, processes, seed=2, revoking=False)
        try:
            await made.make_topics()
            yield made
        finally:
            made.close()


async def test_a_stopped_member_writes_nothing_stale(system: System) -> None:
    """Enrollment and incentive at once; each of both members is stopped in turn, so one had what was busy."""
    replicas = {"enrollment": [], "incentive": []}
    await system.started()
    for service, names in replicas.items():
        system.replica(service)
        names += [name for name in system.kompeten.children if name.partition("-")[0] == service]
    await system.ready(*system.kompeten.children)
    sending = asyncio.create_task(system.flow(240, per_batch=4, pause_s=0.6))
    for place in range(2):
        await asyncio.sleep(2)
        stopped = [system.child(names[place]) for names in replicas.values()]
        for child in stopped:
            assert child.send_signal(signal.SIGSTOP)
        await asyncio.sleep(SESSION_S + 4)
        for child in stopped:
            child.send_signal(signal.SIGCONT)
            assert child.poll() is None
    await sending
    await system.settled()
    await until(
        lambda: all(system.faults_of(name) == [] for name in system.kompeten.children),
        lambda: str({name: system.faults_of(name) for name in system.kompeten.children}),
        60,
    )
