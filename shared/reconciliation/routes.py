"""`/admin/reconciliation`: what a service has of each completion, for a client that holds the services' books against
each other. No service reads another's database, and none asks another.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from shared.http.access import Role, allow
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DISCREPANCIES, OPEN, WAITING
from shared.pipeline.storage.mongo import MongoStore

MAX_LISTED: Final = 5_000
"""A page of books: some 500 KB."""
MAX_LOOKS: Final = 500
MAX_SEARCHED: Final = 500
"""Dead letters and waiting records in which an id is looked for."""
WAITS: Final = "waits: "
"""Begins a reason that is no failure."""
CompletionId = Annotated[str, Field(pattern=r"^cmp_[0-9a-f]{32}$")]
After = Annotated[str, Query(pattern=r"^cmp_[0-9a-f]{32}$", description="The last id of the page before")]


class Entry(BaseModel):
    """What a service has of one completion."""

    completion_id: str
    version: int
    """Enrollment: in which content or standing last changed. The others: the newest that they heard of."""
    standing: bool
    certified: bool = True
    """Enrollment: false where it is recorded without a certificate of ours, and so without a letter."""
    issued: int | None = None
    """Enrollment: the version that its letter tells of, where that is another one and its certificate is valid."""
    lacks: list[str]
    """What its own books lack of it: certificate, jp, pdf, pdf held, points, entries, mail."""
    changed_at: datetime | None = None
    """Enrollment: when that version came."""


class Some(NamedTuple):
    """Which completions: the next after one, or these."""

    after: str = ""
    ids: Sequence[str] | None = None
    limit: int = MAX_LISTED

    def of(self, field: str) -> dict[str, object]:
        """As a filter. Ids begin with a letter: none is lower than the empty text."""
        return {field: {"$gt": self.after} if self.ids is None else {"$in": list(self.ids)}}


Snapshot = Callable[[MongoStore, Some], Awaitable[list[Entry]]]
"""In order of id, at most `limit`, and none only where no more follow."""


class LooksBody(BaseModel):
    completion_ids: Annotated[list[CompletionId], Field(max_length=MAX_LOOKS)]


class LooksView(BaseModel):
    entries: list[Entry]
    reasons: dict[str, str]
    """Where a record about it waits here, or became a dead letter: why."""


class DiscrepancyView(BaseModel):
    completion_id: str
    version: int
    standing: bool
    lacks: list[str]
    since: datetime
    reason: str | None


def reconciliation_router(store: MongoStore, snapshot: Snapshot) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["operators"])
    readers = allow(Role.operator, Role.auditor)

    @router.get("/reconciliation", summary="What is here of each completion, in order of id", **readers)
    async def entries(
        after: After | None = None, limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = MAX_LISTED
    ) -> list[Entry]:
        return await snapshot(store, Some(after or "", None, limit))

    @router.post("/reconciliation/looks", summary="The same of these completions", **readers)
    async def looks(body: LooksBody) -> LooksView:
        found = await snapshot(store, Some(ids=body.completion_ids))
        return LooksView(entries=found, reasons=await reasons(store, body.completion_ids))

    @router.get(
        "/discrepancies", summary="Completions that lack something here, as lists showed it", **readers
    )
    async def discrepancies(
        after: After | None = None, limit: Annotated[int, Query(ge=1, le=MAX_LOOKS)] = MAX_LOOKS
    ) -> list[DiscrepancyView]:
        found = await store.select(
            DISCREPANCIES, {"_id": {"$gt": after or ""}}, sort=[("_id", 1)], limit=limit
        )
        why = await reasons(store, [discrepancy.id for discrepancy in found])
        return [
            DiscrepancyView(
                completion_id=discrepancy.id,
                version=discrepancy.version,
                standing=discrepancy.standing,
                lacks=discrepancy.lacks,
                since=discrepancy.since,
                reason=why.get(discrepancy.id),
            )
            for discrepancy in found
        ]

    return router


async def reasons(store: MongoStore, ids: Sequence[str]) -> dict[str, str]:
    """Of those that a record here is about which was not accepted."""
    if not ids:
        return {}
    waiting = await store.select(WAITING, {}, sort=[("since", 1)], limit=MAX_SEARCHED)
    dead = await store.select(
        DEAD_LETTERS, {"state": OPEN}, sort=[("last_failed_at", -1)], limit=MAX_SEARCHED
    )
    found: dict[str, str] = {}
    texts = [(record.value, WAITS + record.reason) for record in waiting]
    texts += [(letter.value, f"dead letter {letter.id}: {letter.reason}") for letter in dead]
    for value, why in texts:
        for id in ids:
            if value is not None and id.encode() in value:
                found.setdefault(id, why)
    return found
