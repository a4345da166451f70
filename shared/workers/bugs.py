"""Records that met a bug: decided again by the next handlers and rules, where a dry run says that these are better.

A bug is kept until a new version or an operator (DESIGN rule 8). What a dry run still fails on stays as it is, so that
a version which mends nothing adds no dead letters.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from shared.contracts.cloudevents import event_id
from shared.contracts.payload import milliseconds
from shared.contracts.pipeline import ReplayDeadLetter
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.handlers import Service
from shared.pipeline.operations.dead_letter_commands import is_split
from shared.pipeline.outcome import Verdict
from shared.pipeline.pipeline_collections import BUG, DEAD_LETTER_CHUNKS, DEAD_LETTERS, OPEN, DeadLetter
from shared.pipeline.processing.dry_run import run_dry
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.records import Record
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

T = TypeVar("T")
BEHIND_S: Final = 1.0
AGAIN_S: Final = 24 * 3600.0
"""A version does not change while it runs; a replica of the one before may have failed on more since."""
PAGE: Final = 100
MAX_A_SECOND: Final = 50
log = logging.getLogger(__name__)


class BugReplayer(Periodic, Generic[T]):
    """Any replica may: the commands of two are the same, and the second changes nothing."""

    name = "bugs"

    def __init__(
        self,
        service: Service[T],
        store: MongoStore,
        commands: Commands,
        behind_s: Callable[[], Awaitable[float]],
    ) -> None:
        """`behind_s`: infinite while what it found in the log is still to be read; that comes before these."""
        super().__init__(AGAIN_S)
        self._service, self._reader = service, Decoder(service)
        self._store, self._commands, self._behind_s = store, commands, behind_s
        self._after = ""

    async def step(self) -> float | None:
        if math.isinf(await self._behind_s()):
            return BEHIND_S
        page = await self._store.select(
            DEAD_LETTERS,
            {"state": OPEN, "kind": BUG, "rules": {"$ne": self._service.rules}, "_id": {"$gt": self._after}},
            sort=[("_id", 1)],
            limit=PAGE,
        )
        mended = [letter for letter in page if await self._mended(letter)]
        if page:
            log.info("%d of %d records that met a bug are decided again", len(mended), len(page))
        for letter in mended:
            await self._replay(letter)
        self._after = page[-1].id if len(page) == PAGE else ""
        return None if len(page) < PAGE else BEHIND_S

    async def _mended(self, letter: DeadLetter) -> bool:
        """Each in a dry run of its own: one that fails says nothing about the others."""
        now_ms = milliseconds(datetime.now(UTC))
        record = await record_of(self._store, letter)
        run = await run_dry(self._reader, self._store, [(record, None)], now_ms)
        return all(outcome.verdict is not Verdict.BUG for _, outcome in run.outcomes)

    async def _replay(self, letter: DeadLetter) -> None:
        rules = self._service.rules
        command = ReplayDeadLetter(
            dead_letter=letter.id,
            operator=self._service.name,
            reason=f"version {rules} passes the dry run, {letter.rules} failed",
        )
        id = event_id(0, f"bugs/{letter.id}/{rules}", milliseconds(letter.last_failed_at), command.TYPE)
        await self._commands.submit(command, id=id, key=letter.id, traceparent=root_traceparent(id))
        await asyncio.sleep(1 / MAX_A_SECOND)


async def record_of(store: MongoStore, letter: DeadLetter) -> Record:
    """As it came, also where parts of it are kept apart."""
    if not is_split(letter):
        return letter.record()
    return letter.record(await store.select(DEAD_LETTER_CHUNKS, {"dead_letter": letter.id}))
