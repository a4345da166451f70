"""All services run, and again and again one of them is killed at no chosen place."""

import asyncio
import random
from typing import Final

import pytest

from devstack.kompeten import SERVICES
from tests.chaos.system import System

pytestmark = pytest.mark.chaos

COMPLETIONS: Final = 1500
KILLS: Final = 10
SEED: Final = 20260305


async def test_ten_kills_lose_and_double_nothing(system: System) -> None:
    dice = random.Random(SEED)
    await system.started()
    sending = asyncio.create_task(system.flow(COMPLETIONS, per_batch=30, pause_s=0.7))
    service = ""
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(1.0, 6.0))
        # Never the last one again: killed while its group takes its new member in, it is missed for a minute.
        service = dice.choice([one for one in SERVICES if one != service])
        assert system.child(service).poll() is None, system.child(service).tail()
        system.child(service).kill()
        system.expire_leases(service)
        system.launch(service)
    await sending
    found = await system.settled(within_s=240)
    assert len(found.completions) == COMPLETIONS
