"""`/completions/contests`: an agency doubts what another body reported of its person, and somebody decides about it."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.enrollment.agencies.register import CurrentAgencies
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.contests.doubts import (
    COMPLETION_ID,
    ContestBody,
    ContestDecisionBody,
    ContestedPageView,
    ContestPreviewView,
    Order,
    contested_page,
    preview,
)
from services.enrollment.persons.queries import people_of
from services.enrollment.persons.rights import found, not_found, officers_of_active, sees_all
from shared.contracts.enrollment import ContestCompletion, DecideContest
from shared.http.access import ALL_AGENCIES, Caller, Principal, Role, allow
from shared.http.commands import Asking, CommandRequest, commanding
from shared.http.problems import Problem
from shared.pipeline.storage.mongo import MongoStore
from shared.service import Components

OFFICER: Final = allow(Role.officer)
After = Annotated[str, Query(pattern=f"^$|{COMPLETION_ID}", description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Of completions.")]


def contests_router(components: Components[CompletionTerms], register: CurrentAgencies) -> APIRouter:
    router = APIRouter(prefix="/completions", tags=["officer"], dependencies=officers_of_active(register))
    store = components.store

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
        **commanding(OFFICER),
    )
    async def contest(body: ContestBody, asked: Asking) -> Response:
        order, _ = await _contest(store, body, asked.caller)
        return await _give(components, order, asked)

    @router.post("/contests/preview", summary="What that would change; nothing is written", **OFFICER)
    async def preview_contest(body: ContestBody, caller: Caller) -> ContestPreviewView:
        return await preview(components, *await _contest(store, body, caller), caller, datetime.now(UTC))

    @router.post("/contests/decisions", summary="Decide about a contest", **commanding(OFFICER))
    async def decide(body: ContestDecisionBody, asked: Asking) -> Response:
        order, _ = await _decision(store, body, asked.caller)
        return await _give(components, order, asked)

    @router.post(
        "/contests/decisions/preview", summary="What that would change; nothing is written", **OFFICER
    )
    async def preview_decision(body: ContestDecisionBody, caller: Caller) -> ContestPreviewView:
        return await preview(components, *await _decision(store, body, caller), caller, datetime.now(UTC))

    return router


async def _give(components: Components[CompletionTerms], order: Order, asked: CommandRequest) -> Response:
    about = f"/{order.contest_id}" if isinstance(order, DecideContest) else ""
    route = f"{order.TYPE}/{order.completion_id}{about}"
    return await components.commands.answer(order, asked, route=route, key=order.employee_id)


async def _contest(
    store: MongoStore, body: ContestBody, caller: Principal
) -> tuple[ContestCompletion, Completion]:
    completion = await _named(store, body.completion_id, caller)
    order = ContestCompletion(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        reason=body.reason,
        officer=caller.subject,
        opd=caller.opd_of_commands,
    )
    return order, completion


async def _decision(
    store: MongoStore, body: ContestDecisionBody, caller: Principal
) -> tuple[DecideContest, Completion]:
    if caller.opd != ALL_AGENCIES:
        raise _of_all_alone()
    completion = await _named(store, body.completion_id, caller)
    if all(contest.id != body.contest_id for contest in completion.contests):
        raise Problem("not-found", "The completion was not contested by that id: list the contested ones.")
    order = DecideContest(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        contest_id=body.contest_id,
        upheld=body.upheld,
        reason=body.reason,
        officer=caller.subject,
        opd=caller.opd_of_commands,
    )
    return order, completion


async def _named(store: MongoStore, id: str, caller: Principal) -> Completion:
    """Raises Problem where there is none, or none of a person whom the caller may look up: the same to a stranger."""
    completion = await store.read(COMPLETIONS, id)
    if completion is None:
        raise not_found()
    found((await people_of(store, [completion.employee_id])).get(completion.employee_id), caller)
    return completion


def _of_all_alone() -> Problem:
    return Problem("not-your-agency", "Only an officer who acts for all agencies decides about contests.")
