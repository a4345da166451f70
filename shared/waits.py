"""Records that wait: looked at again every half minute, and given up when their time is over.

What appears has them decided in its own transaction (DESIGN rule 5). This looks for those that were missed all
the same, and ends a wait for what never comes.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from shared.contracts.cloudevents import event_id
from shared.contracts.payload import milliseconds
from shared.contracts.pipeline import GiveUpWaiting, ReleaseWaiting
from shared.http.commands import Commands
from shared.mongo import MongoStore
from shared.periodic import Periodic
from shared.pipeline.attempt import Reader
from shared.pipeline.books import WAITING
from shared.pipeline.outcome import Verdict
from shared.pipeline.reactions import Service
from shared.pipeline.rehearsal import rehearse
from shared.telemetry import root_traceparent

T = TypeVar("T")
EVERY_S: Final = 30.0
BEHIND_S: Final = 1.0
PAGE: Final = 500
"""So many a look, however many wait: 100,000 are through in 100 minutes."""
log = logging.getLogger(__name__)


class Waits(Periodic, Generic[T]):
    """Any replica may: the commands of two are the same, and the second changes nothing."""

    def __init__(
        self,
        service: Service[T],
        store: MongoStore,
        commands: Commands,
        budget: timedelta,
        caught_up: Callable[[], bool],
    ) -> None:
        """`caught_up`: while the consumer is behind, what they lack may be among what it has not read yet."""
        super().__init__(EVERY_S)
        self._reader = Reader(service)
        self._store, self._commands, self._budget, self._caught_up = store, commands, budget, caught_up
        self._after = ""

    async def step(self) -> float | None:
        if not self._caught_up():
            return BEHIND_S
        await self._give_up()
        await self._look_again()
        return None

    async def _give_up(self) -> None:
        before = datetime.now(UTC) - self._budget
        late: list[dict[str, Any]] = await self._store.aggregate(WAITING, [
            {"$match": {"since": {"$lte": before}}},
            {"$group": {"_id": "$lacks", "newest": {"$max": "$since"}}},
            {"$limit": PAGE},
        ])  # fmt: skip
        hours = f"{self._budget.total_seconds() / 3600:g}"
        for one in late:
            command = GiveUpWaiting(
                lacks=one["_id"], before=one["newest"], reason=f"it did not come within {hours} hours"
            )
            await self._submit(command, one["_id"], milliseconds(one["newest"]))

    async def _look_again(self) -> None:
        page = await self._store.select(WAITING, {"_id": {"$gt": self._after}}, sort=[("_id", 1)], limit=PAGE)
        self._after = page[-1].id if len(page) == PAGE else ""
        if not page:
            return
        now_ms = milliseconds(datetime.now(UTC))
        rehearsal = await rehearse(self._reader, self._store, [(one.record(), one) for one in page], now_ms)
        moved = {
            record.at for record, outcome in rehearsal.outcomes if outcome.verdict is not Verdict.WAITING
        }
        lacking = {one.lacks for one in page if one.record().at in moved}
        if lacking:
            log.warning("%d records waited for what is there: decided now", len(moved))
        for lacks in sorted(lacking):
            await self._submit(ReleaseWaiting(lacks=lacks, page=0), lacks, now_ms // int(EVERY_S * 1000))

    async def _submit(self, command: GiveUpWaiting | ReleaseWaiting, lacks: str, version: int) -> None:
        id = event_id(0, "waiting/" + lacks, version, command.TYPE)
        await self._commands.submit(command, id=id, key=lacks, traceparent=root_traceparent(id))
