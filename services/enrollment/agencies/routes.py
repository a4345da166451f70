"""`/agencies`: the register as operators see and change it. Each change goes through the log.

What an agency has in Kafka (topic, users, rights) is made by whoever has an administrator's password there, the
command line above all (cli/agency.py): no service has that right.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path
from fastapi.responses import Response

from services.enrollment.agencies.documents import AGENCIES, REGISTER
from services.enrollment.agencies.queries import all_agencies, traffic_of
from services.enrollment.agencies.views import (
    AgencyBody,
    AgencyChangeBody,
    AgencyView,
    StateBody,
    agency_view,
)
from services.enrollment.terms import Terms
from shared.contracts.register import AddAgency, ChangeAgency, ResumeAgency, SuspendAgency
from shared.http.access import Role, allow
from shared.http.commands import Asking, commanding
from shared.http.problems import Problem
from shared.service import Components

Code = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,200}$")]
READERS = allow(Role.operator, Role.auditor)
OPERATOR = commanding(allow(Role.operator))


Claimed = Callable[[], Awaitable[Mapping[str, int]]]
"""By code, how many people each agency claims: whoever knows people says it."""


async def _nobody() -> Mapping[str, int]:
    return {}


AnyTerms = TypeVar("AnyTerms", bound=Terms)


def agencies_router(components: Components[AnyTerms], claimed: Claimed = _nobody) -> APIRouter:
    router = APIRouter(prefix="/agencies", tags=["agencies"])

    @router.get("", summary="All agencies: who is connected, how, and what waits", **READERS)
    async def agencies() -> list[AgencyView]:
        found = await all_agencies(components)
        traffic = await traffic_of(components, [agency.id for agency in found])
        people = await claimed()
        return [agency_view(agency, traffic[agency.id], people.get(agency.id, 0)) for agency in found]

    @router.get("/{code}", summary="One agency, with all that was said about it", **READERS)
    async def agency(code: Code) -> AgencyView:
        found = await components.store.read(AGENCIES, code)
        if found is None:
            raise Problem("not-found", "The register has no agency of this code: list them first.")
        people = await claimed()
        return agency_view(found, (await traffic_of(components, [code]))[code], people.get(code, 0))

    @router.post("", summary="Connect an agency", **OPERATOR)
    async def add(body: AgencyBody, asked: Asking) -> Response:
        command = AddAgency(**dict(body), operator=asked.caller.subject)
        return await components.commands.answer(command, asked, route=f"agency/add/{body.code}", key=REGISTER)

    @router.patch("/{code}", summary="Change what is named; the rest stays as it is", **OPERATOR)
    async def change(code: Code, body: AgencyChangeBody, asked: Asking) -> Response:
        command = ChangeAgency(code=code, **dict(body), operator=asked.caller.subject)
        return await components.commands.answer(command, asked, route=f"agency/change/{code}", key=REGISTER)

    @router.post(
        "/{code}/suspensions", summary="Shut an agency out: nothing more of it is taken or read", **OPERATOR
    )
    async def suspend(code: Code, body: StateBody, asked: Asking) -> Response:
        command = SuspendAgency(code=code, operator=asked.caller.subject, reason=body.reason)
        return await components.commands.answer(command, asked, route=f"agency/suspend/{code}", key=REGISTER)

    @router.post("/{code}/resumptions", summary="Let a suspended agency speak again", **OPERATOR)
    async def resume(code: Code, body: StateBody, asked: Asking) -> Response:
        command = ResumeAgency(code=code, operator=asked.caller.subject, reason=body.reason)
        return await components.commands.answer(command, asked, route=f"agency/resume/{code}", key=REGISTER)

    return router
