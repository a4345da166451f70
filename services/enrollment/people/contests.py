"""`/completions/contests`: an agency doubts what another body reported of its person, and somebody decides about it."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.enrollment.documents import COMPLETIONS, Completion
from services.enrollment.people.doubts import (
    COMPLETION_ID,
    ContestBody,
    ContestDecisionBody,
    ContestedPageView,
    contested_page,
)
from services.enrollment.people.queries import people_of
from services.enrollment.people.rights import found, not_found, sees_all
from services.enrollment.terms import Terms
from shared.contracts.enrollment import ContestCompletion, DecideContest
from shared.http.access import ALL_AGENCIES, Caller, Principal, Role, allow
from shared.http.commands import Asking, commanding
from shared.http.problems import Problem
from shared.mongo import MongoStore
from shared.service import Parts

OFFICER: Final = commanding(allow(Role.officer))
After = Annotated[str, Query(pattern=f"^$|{COMPLETION_ID}", description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Of completions.")]


def contests_router(parts: Parts[Terms]) -> APIRouter:
    router = APIRouter(prefix="/completions", tags=["officer"])
    store = parts.store

    @router.get(
        "/contested",
        summary="Completions that somebody contests, and nobody has decided about",
        **allow(Role.officer, Role.operator, Role.auditor),
    )
    async def contested(caller: Caller, after: After = "", limit: Limit = 100) -> ContestedPageView:
        if not sees_all(caller):
            raise _of_all_alone()
        return await contested_page(store, caller, after, limit)

    @router.post(
        "/contests",
        summary="Say that a completion is not the person's: it counts for nothing meanwhile",
        **OFFICER,
    )
    async def contest(body: ContestBody, asked: Asking) -> Response:
        completion = await _named(store, body.completion_id, asked.caller)
        command = ContestCompletion(
            completion_id=completion.id,
            employee_id=completion.employee_id,
            reason=body.reason,
            officer=asked.caller.subject,
            opd=asked.caller.opd_of_commands,
        )
        route = f"contest/{completion.id}"
        return await parts.commands.answer(command, asked, route=route, key=completion.employee_id)

    @router.post("/contests/decisions", summary="Decide about a contest", **OFFICER)
    async def decide(body: ContestDecisionBody, asked: Asking) -> Response:
        if asked.caller.opd != ALL_AGENCIES:
            raise _of_all_alone()
        completion = await _named(store, body.completion_id, asked.caller)
        if all(one.id != body.contest_id for one in completion.contests):
            raise Problem(
                "not-found", "The completion was not contested by that id: list the contested ones."
            )
        command = DecideContest(
            completion_id=completion.id,
            employee_id=completion.employee_id,
            contest_id=body.contest_id,
            upheld=body.upheld,
            reason=body.reason,
            officer=asked.caller.subject,
            opd=asked.caller.opd_of_commands,
        )
        route = f"contest/decide/{completion.id}/{body.contest_id}"
        return await parts.commands.answer(command, asked, route=route, key=completion.employee_id)

    return router


async def _named(store: MongoStore, id: str, caller: Principal) -> Completion:
    """Raises Problem where there is none, or none of a person whom the caller may look up: the same to a stranger."""
    completion = await store.read(COMPLETIONS, id)
    if completion is None:
        raise not_found()
    found((await people_of(store, [completion.employee_id])).get(completion.employee_id), caller)
    return completion


def _of_all_alone() -> Problem:
    return Problem("not-your-agency", "Only an officer who acts for all agencies decides about contests.")
