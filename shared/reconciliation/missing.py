"""What lists showed to be missing: looked at again until it is there, and counted while it is not.

A list may be a moment ahead of what it lists, where another replica has decided and not yet published; so nothing
counts before a second look (docs/adr/0014-reconciliation.md).
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from prometheus_client import Gauge

from shared.contracts.cloudevents import STRUCTURED, encode, event_id
from shared.contracts.payload import CompletionId, milliseconds
from shared.contracts.pipeline import ReviewDiscrepancies
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.handlers import Service
from shared.pipeline.pipeline_collections import DISCREPANCIES
from shared.pipeline.processing.dry_run import run_dry
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.records import Record, RecordMetadata
from shared.pipeline.storage.mongo import MongoStore
from shared.reconciliation.routes import WAITS, reasons
from shared.workers.periodic import Periodic

T = TypeVar("T")
EVERY_S: Final = 15.0
SECOND_LOOK_AFTER: Final = timedelta(seconds=20)
PAGE: Final = 500
MAX_PAGES: Final = 10
"""What is noted beyond them is counted without a second look."""
LACKING: Final = Gauge(
    "kompeten_discrepancies",
    "Completions that lack something in this service's books",
    ["service", "lacks", "why"],  # lost; or its record waits, or is a dead letter
)


class Reconciliation(Periodic, Generic[T]):
    """Any replica may: a look changes nothing, and what follows from it is a command."""

    name = "reconciliation"

    def __init__(self, service: Service[T], store: MongoStore, commands: Commands) -> None:
        super().__init__(EVERY_S)
        self._reader = Decoder(service)
        self._service, self._store, self._commands = service, store, commands
        self._shown: set[tuple[str, str]] = set()

    async def step(self) -> None:
        now, counts, after = datetime.now(UTC), Counter[tuple[str, str]](), ""
        old: dict[str, object] = {"since": {"$lte": now - SECOND_LOOK_AFTER}}
        for _ in range(MAX_PAGES):
            filter = {**old, "_id": {"$gt": after}}
            page = await self._store.select(DISCREPANCIES, filter, sort=[("_id", 1)], limit=PAGE)
            if not page:
                break
            after = page[-1].id
            still = await self._review([CompletionId(discrepancy.id) for discrepancy in page], now)
            why = await reasons(self._store, sorted(still))
            counts.update(
                (lacks, _kind(why.get(discrepancy.id)))
                for discrepancy in page
                if discrepancy.id in still
                for lacks in discrepancy.lacks
            )
        else:
            more = await self._store.count(DISCREPANCIES, {**old, "_id": {"$gt": after}})
            counts["more", "lost"] = more
        for labels in self._shown | counts.keys():
            LACKING.labels(self._service.name, *labels).set(counts[labels])
        self._shown |= counts.keys()

    async def _review(self, ids: list[CompletionId], now: datetime) -> set[str]:
        """Those that still lack the same; the notes about others are put right."""
        command = ReviewDiscrepancies(completion_ids=tuple(ids))
        rehearsal = await run_dry(
            self._reader, self._store, [(self._record(command), None)], milliseconds(now)
        )
        changed = {id for collection, id, _, _ in rehearsal.changes if collection is DISCREPANCIES}
        if changed:
            command = ReviewDiscrepancies(completion_ids=tuple(id for id in ids if id in changed))
            id = event_id(
                0, f"discrepancies/{ids[0]}", milliseconds(now) // int(EVERY_S * 1000), command.TYPE
            )
            await self._commands.submit(command, id=id, key="discrepancies", traceparent=root_traceparent(id))
        return {id for id in ids if id not in changed}

    def _record(self, command: ReviewDiscrepancies) -> Record:
        """As the command would stand in the log."""
        now = datetime.now(UTC)
        value = encode(
            command, id="rehearsal", source=f"urn:kompeten:{self._service.name}", time=now,
            subject="discrepancies", partitionkey="discrepancies", traceparent=None,
        )  # fmt: skip
        at = RecordMetadata(self._service.commands_topic, 0, 0)
        return Record(at, milliseconds(now), None, value, (("content-type", STRUCTURED.encode()),))


def _kind(reason: str | None) -> str:
    return "lost" if reason is None else "waiting" if reason.startswith(WAITS) else "dead_letter"
