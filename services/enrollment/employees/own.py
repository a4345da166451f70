"""`/me/home`: whose person the caller is; and where agencies dispute it, the caller says which of them is right."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from services.enrollment.agencies.register import CurrentAgencies
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.employees.views import WhoseState, state_of
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person
from services.enrollment.persons.queries import people_by_number
from shared.contracts.people import ConfirmHome
from shared.contracts.register import KnownAgencyCode
from shared.http.access import Caller, Principal, Role, allow
from shared.http.commands import Asking, commanding
from shared.http.problems import Problem
from shared.pipeline.storage.mongo import MongoStore
from shared.service import Components

EMPLOYEE: Final = allow(Role.employee)
REASON: Final = "the person said so, signed in"


class AgencyNameView(BaseModel):
    code: str
    name: str


class OwnHomeView(BaseModel):
    home: AgencyNameView | None
    """Whose person you are."""
    state: WhoseState
    choices: list[AgencyNameView]
    """Of a dispute: the agencies that say you are theirs. Say which is right, and your mails go on."""


class OwnHomeBody(BaseModel):
    agency: KnownAgencyCode = Field(description="Code of the one of `choices` that is yours.")


def own_home_router(components: Components[CompletionTerms], register: CurrentAgencies) -> APIRouter:
    router = APIRouter(prefix="/me", tags=["employee"])

    @router.get("/home", summary="Whose person I am, and who says so", **EMPLOYEE)
    async def own_home(caller: Caller) -> OwnHomeView:
        whose = homes((await _own(components.store, caller)).whole)
        names = {code: one.name for code, one in (await register.agencies()).items()}
        return OwnHomeView(
            home=None if whose.home is None else _named(whose.home, names),
            state=state_of(whose),
            choices=[_named(code, names) for code in whose.choices],
        )

    @router.post("/home", summary="Say which of them is my agency", **commanding(EMPLOYEE))
    async def choose(body: OwnHomeBody, asked: Asking) -> Response:
        person = await _own(components.store, asked.caller)
        # Not the subject: some issuers use the employee number.
        order = ConfirmHome(
            employee_id=person.main.id, agency=body.agency, officer="", opd=None, own=True, reason=REASON
        )
        route = f"{order.TYPE}/own/{person.main.id}"
        return await components.commands.answer(order, asked, route=route, key=person.main.id)

    return router


async def _own(store: MongoStore, caller: Principal) -> Person:
    number = caller.employee_number
    person = None if number is None else (await people_by_number(store, [number])).get(number)
    if person is None:
        raise Problem("not-found", "No agency has reported you yet: ask your agency's training officer.")
    return person


def _named(code: str, names: Mapping[str, str]) -> AgencyNameView:
    return AgencyNameView(code=code, name=names.get(code, code))
