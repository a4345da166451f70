"""A copy of the register in memory, for what can't ask the database each time: requests, and the subscription."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from services.enrollment.agencies.documents import AGENCIES, REGISTER, REGISTERS, SUBJECT
from services.enrollment.agencies.timeline import ACTIVE, Effective, effective
from shared.contracts.topics import agency_topic
from shared.pipeline.errors import Unavailable
from shared.pipeline.pipeline_collections import Decision
from shared.pipeline.storage.mongo import MongoStore

log = logging.getLogger(__name__)
FRESH_S: Final = 0.5
"""So old a copy is used without a question; what another replica decided is seen within about a second."""
ANSWERS_WITHIN_S: Final = 1.0
"""So long one waits for the database. Beyond it what was read last holds: where the database is away nothing is
decided, so nobody is suspended either."""

Agencies = Mapping[str, Effective]
"""By code."""


class CurrentAgencies(Protocol):
    async def agencies(self) -> Agencies:
        """As they stand, or stood a moment ago; raises Unavailable when nobody could be asked yet."""


class RegisterCopy:
    """One a process. Implements `CurrentAgencies` and `shared.pipeline.consuming.sources.SourceRegister`."""

    def __init__(self, store: MongoStore, setting: Sequence[str], topic_prefix: str = "") -> None:
        """`setting`: the agencies that are connected until the register has begun with them (beginning.py)."""
        self._store, self._prefix = store, topic_prefix
        self._before = {code: Effective(code, ACTIVE, name=code) for code in setting}
        self._generation = -1
        self._copy: Agencies | None = None
        self._read_at = self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def agencies(self) -> Agencies:
        if time.monotonic() - self._read_at > FRESH_S:
            await self._ask()
        if self._copy is None:
            raise Unavailable("MongoDB did not say which agencies are connected")
        return self._copy

    async def sources(self) -> dict[str, bool]:
        """Each agency's topic, and whether it is to be read."""
        agencies = await self.agencies()
        return {agency_topic(code, self._prefix): one.active for code, one in agencies.items()}

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Called by the consumer after each batch: what it decided about an agency holds at once."""
        if any(decision.subject.startswith(SUBJECT) for decision in decisions):
            self._read_at = float("-inf")

    async def _ask(self) -> None:
        """One question for all who wait, and no wait at all for a database that has been silent for long."""
        if self._asking is None or self._asking.done():
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._read())
        within_s = ANSWERS_WITHIN_S - (time.monotonic() - self._asked_at)
        await asyncio.wait({self._asking}, timeout=None if self._copy is None else max(0.0, within_s))
        if self._asking.done():
            self._asking.result()  # a fault that is not the database's being away

    async def _read(self) -> None:
        asked_at = time.monotonic()
        try:
            register = await self._store.read(REGISTERS, REGISTER)
            generation = 0 if register is None else register.generation
            if generation != self._generation or self._copy is None:
                found = await self._store.select(AGENCIES, {})
                effective_by_id = {
                    agency.id: current for agency in found if (current := effective(agency)) is not None
                }
                before = {} if register is not None and register.begun else self._before
                self._copy, self._generation = {**before, **effective_by_id}, generation
        except Unavailable as error:
            log.warning("the register can't be read, what was read last holds: %s", error)
        else:
            self._read_at = asked_at
