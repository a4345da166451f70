"""Asks a server that a service needs, before anybody needs it: a wrong setting is told at the start.

It is a remark and no fault: what the service does without that server goes on, and a replacement would meet the same.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from shared.workers.periodic import Periodic

AGAIN_S: Final = 15.0
"""While it is not in order."""
EVERY_S: Final = 600.0
log = logging.getLogger(__name__)


class ReachCheck(Periodic):
    name = "reachcheck"

    def __init__(self, what: str, ask: Callable[[], Awaitable[str]], do: str) -> None:
        """`ask`: a few words about what is wrong; empty: nothing. `do`: what to do then."""
        super().__init__(EVERY_S)
        self._what, self._ask, self._do = what, ask, do
        self._trouble_there = ""

    def remarks(self) -> list[str]:
        return [f"{self._trouble_there}: {self._do}"] if self._trouble_there else []

    async def step(self) -> float | None:
        trouble = await self._ask()
        if trouble and not self._trouble_there:
            log.warning("%s: %s: %s", self._what, trouble, self._do)
        if self._trouble_there and not trouble:
            log.info("%s: is in order", self._what)
        self._trouble_there = trouble
        return AGAIN_S if trouble else None
