"""Records that wait: looked at again every half minute, and given up when their time is over.

What appears has them decided in its own transaction (DESIGN rule 5). This looks for those that were missed all
the same, and ends a wait for what never comes.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from shared.contracts.cloudevents import event_id
from shared.contracts.payload import milliseconds
from shared.contracts.pipeline import GiveUpWaiting, ReleaseWaiting
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.handlers import Service
from shared.pipeline.outcome import Verdict
from shared.pipeline.pipeline_collections import WAITING
from shared.pipeline.processing.dry_run import run_dry
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

T = TypeVar("T")
EVERY_S: Final = 30.0
BEHIND_S: Final = 1.0
PAGE: Final = 500
"""So many a look, however many wait: 100,000 are through in 100 minutes."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Budgets:
    """How long an event waits for what it lacks; a type may have a time of its own, and a kind of what is lacked one
    that goes before it."""

    default: timedelta
    by_type: Mapping[str, timedelta] = field(default_factory=dict)
    by_kind: Mapping[str, timedelta] = field(default_factory=dict)

    @classmethod
    def of_hours(
        cls,
        default_h: float,
        by_type_h: Mapping[str, float],
        by_kind: Mapping[str, timedelta] | None = None,
    ) -> "Budgets":
        by_type = {type: timedelta(hours=hours) for type, hours in by_type_h.items()}
        return cls(timedelta(hours=default_h), by_type, by_kind or {})

    def of(self, event_type: str) -> timedelta:
        """For what has no kind of its own."""
        return self.by_type.get(event_type, self.default)


class WaitingSweeper(Periodic, Generic[T]):
    """Any replica may: the commands of two are the same, and the second changes nothing."""

    name = "waits"

    def __init__(
        self,
        service: Service[T],
        store: MongoStore,
        commands: Commands,
        budgets: Budgets,
        behind_s: Callable[[], Awaitable[float]],
    ) -> None:
        """`behind_s`: what they lack may be among what the group has not decided since then."""
        super().__init__(EVERY_S)
        self._reader = Decoder(service)
        self._store, self._commands, self._budgets, self._behind_s = store, commands, budgets, behind_s
        self._after = ""

    async def step(self) -> float | None:
        if math.isinf(behind_s := await self._behind_s()):
            return BEHIND_S
        await self._give_up(datetime.now(UTC) - timedelta(seconds=behind_s))
        if behind_s < 2 * EVERY_S + BEHIND_S:  # else what has them decided may itself be among that
            await self._look_again()
        return None

    async def _give_up(self, read_until: datetime) -> None:
        # By the minute, so that the commands of two replicas are the same.
        minute = read_until.replace(second=0, microsecond=0)
        by_kind = self._budgets.by_kind
        for event_type in await self._store.distinct(WAITING, "event_type"):
            await self._end(event_type, {"$nin": list(by_kind)}, minute, self._budgets.of(event_type))
            for kind, budget in by_kind.items():
                await self._end(event_type, kind, minute, budget)

    async def _end(self, event_type: str, kind: object, minute: datetime, budget: timedelta) -> None:
        """Reads the beginnings of one index, by type, kind and since: no more than is over, however many wait, and those
        of a kind that may wait for long never stand before others. `kind`: as MongoDB asks for it."""
        before, hours = minute - budget, f"{budget.total_seconds() / 3600:g}"
        late: list[dict[str, Any]] = await self._store.aggregate(WAITING, [
            {"$match": {"event_type": event_type, "kind": kind, "since": {"$lte": before}}},
            {"$sort": {"event_type": 1, "kind": 1, "since": 1}},
            {"$limit": PAGE},
            {"$group": {"_id": "$lacks"}},
        ])  # fmt: skip
        for record in late:
            lacks = record["_id"]
            command = GiveUpWaiting(
                lacks=lacks, before=before, event_type=event_type, reason=f"it did not come within {hours} hours"
            )  # fmt: skip
            await self._submit(command, lacks, f"{lacks}/{event_type}", milliseconds(before))

    async def _look_again(self) -> None:
        page = await self._store.select(WAITING, {"_id": {"$gt": self._after}}, sort=[("_id", 1)], limit=PAGE)
        self._after = page[-1].id if len(page) == PAGE else ""
        if not page:
            return
        now_ms = milliseconds(datetime.now(UTC))
        run = await run_dry(self._reader, self._store, [(record.record(), record) for record in page], now_ms)
        moved = {record.at for record, outcome in run.outcomes if outcome.verdict is not Verdict.WAITING}
        lacking = {record.lacks for record in page if record.record().at in moved}
        if lacking:
            log.warning("%d records waited for what is there: decided now", len(moved))
        for lacks in sorted(lacking):
            command = ReleaseWaiting(lacks=lacks, page=0)
            await self._submit(command, lacks, lacks, now_ms // int(EVERY_S * 1000))

    async def _submit(
        self, command: GiveUpWaiting | ReleaseWaiting, lacks: str, about: str, version: int
    ) -> None:
        id = event_id(0, "waiting/" + about, version, command.TYPE)
        await self._commands.submit(command, id=id, key=lacks, traceparent=root_traceparent(id))
