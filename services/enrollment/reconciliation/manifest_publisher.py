"""Lists what changed of late, so that the other services hold their books against enrollment's.

A worker reads, the command that it writes is decided like all else, and its facts go into the partitions that have
the facts they list. What is listed was decided: up to `until` no record is open in any partition but those that lag,
and what those bring later is listed when they have caught up.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from services.enrollment.certificates.documents import RENDERINGS, rendering_id
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.recalculation import DONE
from services.enrollment.reconciliation.documents import MANIFEST_CURSORS, ManifestCursor
from services.enrollment.reconciliation.reconciling import LISTING
from shared.contracts.cloudevents import event_id
from shared.contracts.enrollment import Lagging, ListCompletions, PartitionList
from shared.contracts.lists import Claim, grouped
from shared.contracts.payload import CompletionId, milliseconds
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.partitioner import partition_of
from shared.pipeline.pipeline_collections import POSITIONS
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

LOOK_EVERY_S: Final = 30.0
# Clocks of broker and database may differ, and another replica may have decided what it has not published yet.
NOT_YET: Final = timedelta(seconds=30)
# Below it the frames of the events would be more than 1 % of what they list (tests/property/test_lists.py).
WORTH_A_LIST: Final = 2_000
PAGE: Final = 2_500
# Who reads a list loads what it names: a backlog of pages in one of their batches grew them by 90 MB.
MAX_A_SECOND: Final = 2_500
MAX_INCOMPLETE: Final = 500
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
LogEnds = Callable[[Sequence[tuple[str, int]]], Awaitable[dict[tuple[str, int], int]]]


class Span(NamedTuple):
    """Times of `stated_at`, the first excluded."""

    after: datetime
    until: datetime


class Change(NamedTuple):
    id: CompletionId
    employee_id: str
    version: int
    standing: bool
    certified: bool
    issued: int | None
    """See AtVersion."""
    stated_at: datetime
    incomplete: str
    """What would make up for what it seems to lack: id of a rendering, or "none" where more is missing than a PDF."""


class ManifestPublisher(Periodic):
    """Any replica may: of two lists of the same stretch the second is void."""

    name = "lister"

    def __init__(
        self,
        store: MongoStore,
        commands: Commands,
        *,
        group: str,
        topics: Callable[[], Collection[str]],
        log_ends: LogEnds,
        every_s: float,
    ) -> None:
        """`topics`: those whose records are decided, also if they can't be read at present. `every_s`: so old a change
        may become before it is listed, be there ever so few."""
        super().__init__(min(LOOK_EVERY_S, every_s))
        self._store, self._commands, self._log_ends = store, commands, log_ends
        self._group, self._topics = group, topics
        self._every = timedelta(seconds=every_s)
        self._not_yet = min(NOT_YET, self._every)

    async def step(self) -> None:
        now = datetime.now(UTC).replace(microsecond=0) - self._not_yet
        reached = await self._reached(now)
        if not reached:
            return
        mark = await self._store.read(MANIFEST_CURSORS, LISTING) or ManifestCursor(id=LISTING, until=NEVER)
        if now <= mark.until:
            return
        lagging, spans = progress(mark, now, reached)
        pages = self._pages(spans)
        page = await _next(pages)
        if not page or (len(page) < WORTH_A_LIST and page[0].stated_at > now - self._every):
            return
        while page:
            following = await _next(pages)
            await self._list(page, mark, None if following else now, lagging)
            await asyncio.sleep(len(page) / MAX_A_SECOND)
            if self._stopping.is_set():  # the next replica begins this stretch again
                return
            page = following

    async def _reached(self, now: datetime) -> dict[str, datetime]:
        """By position: up to where all records are decided; empty when nobody can tell."""
        topics = self._topics()
        places = {
            (topic, int(number)): position
            for position in await self._store.select(
                POSITIONS, {"_id": {"$gt": f"{self._group}/", "$lt": f"{self._group}0"}}
            )
            for _, topic, number in [position.id.split("/")]
            if topic in topics
        }
        ends = await self._log_ends(list(places))
        if not ends:
            return {}
        return {
            one.id: now
            if one.next >= ends.get(place, one.next + 1)
            else min(now, NEVER + timedelta(milliseconds=max(0, one.last_timestamp_ms - 1)))
            for place, one in places.items()
        }

    async def _pages(self, spans: Sequence[Span]) -> AsyncIterator[list[Change]]:
        for span in spans:
            after, id = span.after, "~"  # above every id: none of that moment again
            while True:
                found: list[dict[str, Any]] = await self._store.aggregate(COMPLETIONS, [
                    {"$match": {"stated_at": {"$gte": after, "$lte": span.until},
                                "$or": [{"stated_at": {"$gt": after}}, {"_id": {"$gt": id}}]}},
                    {"$sort": {"stated_at": 1, "_id": 1}},
                    {"$limit": PAGE},
                    {"$project": {"employee_id": 1, "stated": 1, "learning_year": 1, "stated_at": 1, "jp_rule": 1,
                                  "certified": 1, "certificate.id": 1, "certificate.revision": 1,
                                  "certificate.sha256": 1, "certificate.revoked": 1,
                                  "certificate.completion_version": 1}},
                ])  # fmt: skip
                if found:
                    yield [_change(document) for document in found]
                if len(found) < PAGE:
                    break
                after, id = found[-1]["stated_at"], found[-1]["_id"]

    async def _list(
        self,
        page: list[Change],
        mark: ManifestCursor,
        until: datetime | None,
        lagging: Mapping[str, datetime],
    ) -> None:
        by_partition: dict[int, list[Claim]] = {}
        for change in page:
            by_partition.setdefault(partition_of(change.employee_id), []).append(
                Claim(change.id, change.version, change.standing, change.certified, change.issued)
            )
        command = ListCompletions(
            since=mark.until,
            until=until,
            lagging=tuple(Lagging(position=id, until=at) for id, at in lagging.items()) if until else (),
            lists=tuple(
                PartitionList(partition=partition, completions=grouped(claims))
                for partition, claims in sorted(by_partition.items())
            ),
            incomplete=await self._incomplete(page),
        )
        id = event_id(0, f"list/{page[0].id}/{len(page)}", milliseconds(mark.until), command.TYPE)
        await self._commands.submit(command, id=id, key="list", traceparent=root_traceparent(id))

    async def _incomplete(self, page: list[Change]) -> tuple[CompletionId, ...]:
        """Those that lack something which no worker is about to make."""
        lacking = [change for change in page if change.incomplete]
        open_work: list[dict[str, Any]] = await self._store.aggregate(RENDERINGS, [
            {"$match": {"_id": {"$in": [change.incomplete for change in lacking]}, "state": {"$ne": DONE}}},
            {"$project": {"_id": 1}},
        ])  # fmt: skip
        being_made = {document["_id"] for document in open_work}
        return tuple(change.id for change in lacking if change.incomplete not in being_made)[:MAX_INCOMPLETE]


async def _next(pages: AsyncIterator[list[Change]]) -> list[Change]:
    """Empty after the last one."""
    async for page in pages:
        return page
    return []


def progress(
    mark: ManifestCursor, now: datetime, reached: Mapping[str, datetime]
) -> tuple[dict[str, datetime], list[Span]]:
    """Positions that lag, with how far each is; and the stretches of time that came to an end since `mark`."""
    before = {id: mark.lagging.get(id, mark.until) for id in reached}
    after = {id: max(until, before[id]) for id, until in reached.items()}
    spans = [Span(mark.until, now)]
    # Of one that lagged, what it has decided since then lies in a stretch that was listed without it.
    spans += [
        Span(begun, min(after[id], mark.until))
        for id, begun in before.items()
        if begun < min(after[id], mark.until)
    ]
    return {id: until for id, until in after.items() if until < now}, _merged(spans)


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.after <= merged[-1].until:
            merged[-1] = Span(merged[-1].after, max(merged[-1].until, span.until))
        else:
            merged.append(span)
    return merged


def _change(raw: dict[str, Any]) -> Change:
    standing, certificate = bool(raw["learning_year"]), raw.get("certificate") or {}
    certified = bool(raw.get("certified", True))
    told = None if certificate.get("revoked") else certificate.get("completion_version")
    incomplete = ""
    if standing and not (raw.get("jp_rule") and (certificate or not certified)):
        incomplete = "none"
    elif standing and certified and not certificate.get("sha256"):
        incomplete = rendering_id(certificate["id"], certificate["revision"])
    return Change(
        id=CompletionId(raw["_id"]),
        employee_id=raw["employee_id"],
        version=raw["stated"],
        standing=standing,
        certified=certified,
        issued=None if (told, True) == (raw["stated"], standing) else told,
        stated_at=raw["stated_at"],
        incomplete=incomplete,
    )
