"""What somebody is shown of their own points."""

from collections.abc import Iterable
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from services.incentive.points.documents import (
    EARNED_COMPLETIONS,
    PEOPLE,
    POINT_ENTRIES,
    EarnedCompletion,
    PointEntry,
)
from services.incentive.points.reasons import NO_RULE
from services.incentive.rules.awards import PointRules, level_of, lines_of
from services.incentive.terms import Terms
from shared.http.access import Caller, Role, allow
from shared.http.numbers import own_of
from shared.http.problems import Problem
from shared.service import Components


class LineView(BaseModel):
    rule: str
    points: int


class EntryView(BaseModel):
    sequence: int
    completion_id: str
    """That it is of; the record of enrollment has it with its certificate."""
    title: str
    month: str
    points: int
    lines: list[LineView]
    reason: str | None
    """In Indonesian: why it was entered, and why a cap cut it; None: a first entry of what the rules give."""
    reason_en: str | None
    """The same in English; also None for entries from before that was kept."""
    recorded_at: datetime


class WithoutPointsView(BaseModel):
    completion_id: str
    title: str
    month: str
    """YYYY-MM of its completion."""
    lines: list[LineView]
    """What each rule gives, whatever the month's limit leaves of it; empty where it does not count."""
    reason: str
    """In Indonesian: why it has none."""
    reason_en: str | None


class PointsView(BaseModel):
    balance: int
    level: str
    level_name: str
    entries: list[EntryView]
    """Latest first; each says which rule gave it, and why a cap cut it."""
    without_points: list[WithoutPointsView]
    """Completions that have no points now, and why; those completed latest first."""


def own_points_router(components: Components[Terms]) -> APIRouter:
    router = APIRouter(tags=["own points"])

    @router.get("/me/points", summary="My points, and how each came about", **allow(Role.employee))
    async def my_points(caller: Caller) -> PointsView:
        if caller.employee_number is None:
            raise Problem("forbidden", "Your token names no employee number: sign in as an employee.")
        person = own_of(await components.store.select(PEOPLE, {"employee_numbers": caller.employee_number}))
        if person is None:
            raise Problem("not-found", "You are not registered yet: ask your agency's personnel office.")
        entries = await components.store.select(
            POINT_ENTRIES, {"employee_id": person.id}, sort=[("sequence", -1)]
        )
        ids = sorted({entry.completion_id for entry in entries})
        earned = await components.store.select(EARNED_COMPLETIONS, {"_id": {"$in": ids}})
        titles = {completion.id: completion.title for completion in earned}
        nothing = await components.store.select(EARNED_COMPLETIONS, {"employee_id": person.id, "points": 0})
        # From the ledger itself: what is shown always adds up.
        balance = sum(entry.points for entry in entries)
        level = level_of(balance, components.service.terms.rules)
        return PointsView(
            balance=balance,
            level=level.id,
            level_name=level.name.id,
            entries=[_view(entry, titles.get(entry.completion_id, entry.title)) for entry in entries],
            without_points=without_points(nothing, components.service.terms.rules),
        )

    return router


def _view(entry: PointEntry, title: str) -> EntryView:
    """`title`: as it was corrected since; an entry keeps what was sent then."""
    return EntryView(
        sequence=entry.sequence,
        completion_id=entry.completion_id,
        title=title,
        month=entry.month,
        points=entry.points,
        lines=[LineView(rule=line.rule, points=line.points) for line in entry.lines],
        reason=entry.reason,
        reason_en=entry.reason_en,
        recorded_at=entry.recorded_at,
    )


def without_points(completions: Iterable[EarnedCompletion], rules: PointRules) -> list[WithoutPointsView]:
    """Of completions with 0 points, which no entry may tell of."""
    found = []
    for completion in sorted(
        completions, key=lambda completion: (completion.completed_on, completion.id), reverse=True
    ):
        lines = lines_of(completion.achievement(), rules) if completion.month else ()
        # Noted before every 0 had its reason.
        id, en = (completion.reason, completion.reason_en) if completion.reason else NO_RULE
        found.append(
            WithoutPointsView(
                completion_id=completion.id,
                title=completion.title,
                month=f"{completion.completed_on:%Y-%m}",
                lines=[LineView(rule=line.rule, points=line.points) for line in lines],
                reason=id,
                reason_en=en,
            )
        )
    return found
