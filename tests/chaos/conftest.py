"""A system a module, on the shared brokers; what it breaks is its own."""

from collections.abc import AsyncIterator

import pytest

from devstack import Stack
from devstack.processes import Processes
from tests.chaos.system import System


@pytest.fixture(scope="module")
async def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """Its topics are there, its services are not started."""
    with Processes(tmp_path_factory.mktemp("chaos") / "run") as processes:
        made = System(stack, processes)
        try:
            await made.make_topics()
            yield made
        finally:
            made.close()
