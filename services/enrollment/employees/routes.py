"""`/people`: whose somebody is, and which records are one person's. Each decision goes through the log.

An employee number stands in bodies of requests alone. A record's id says nothing of anybody.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from services.enrollment.agencies.register import CurrentAgencies
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.contests.doubts import completions_of
from services.enrollment.employees.previews import Order, preview
from services.enrollment.employees.views import (
    EMPLOYEE_ID,
    HomeBody,
    MergeBody,
    OpenLinksView,
    OpenPeopleView,
    PeoplePreviewView,
    PersonView,
    SearchBody,
    SeparationBody,
    link_views,
    open_person_view,
    person_view,
)
from services.enrollment.persons.documents import DISPUTED, LINKS, UNCLAIMED
from services.enrollment.persons.persons import Person
from services.enrollment.persons.queries import linked_people, people_by_number, people_of, worklist
from services.enrollment.persons.rights import (
    check_agency,
    check_transfer,
    checked_merge,
    found,
    links_between,
    may_see,
    not_found,
    officers_of_active,
    opd_of,
)
from shared.contracts.payload import EmployeeId
from shared.contracts.people import ConfirmHome, MergeEmployees, SeparateEmployees
from shared.http.access import Caller, Principal, Role, allow
from shared.http.commands import Asking, CommandRequest, command_id, commanding
from shared.service import Components

READERS: Final = allow(Role.officer, Role.operator, Role.auditor)
DECIDERS: Final = allow(Role.officer, Role.operator)
EmployeeIdPath = Annotated[EmployeeId, Path(pattern=EMPLOYEE_ID)]
After = Annotated[str, Query(pattern=f"^$|{EMPLOYEE_ID}", description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Of people that are looked at.")]


def people_router(components: Components[CompletionTerms], register: CurrentAgencies) -> APIRouter:
    router = APIRouter(prefix="/people", tags=["people"], dependencies=officers_of_active(register))
    store, orders = components.store, Orders(components, register)

    @router.post("/search", summary="A person by number: whose it is, by whose word, what waits", **READERS)
    async def search(body: SearchBody, caller: Caller) -> PersonView:
        if body.employee_number is not None:
            people = await people_by_number(store, [body.employee_number])
        else:
            people = await people_of(store, [str(body.employee_id)])
        person = found(next(iter(people.values()), None), caller)
        linked = await linked_people(store, [person])
        return person_view(person, linked, caller, await completions_of(store, person, caller))

    @router.get("/disputed", summary="People whom several agencies say are theirs; mails wait", **READERS)
    async def disputed(caller: Caller, after: After = "", limit: Limit = 100) -> OpenPeopleView:
        return await open_people(DISPUTED, caller, after, limit)

    @router.get("/unclaimed", summary="People whom all agencies have released; mails wait", **READERS)
    async def unclaimed(caller: Caller, after: After = "", limit: Limit = 100) -> OpenPeopleView:
        return await open_people(UNCLAIMED, caller, after, limit)

    @router.get("/links", summary="Numbers that are said to be one person's, and wait for a word", **READERS)
    async def links(caller: Caller, after: After = "", limit: Limit = 100) -> OpenLinksView:
        page = await worklist(store, LINKS, after, limit)
        linked = await linked_people(store, page.people)
        return OpenLinksView(
            links=[view for person in page.people for view in link_views(person, linked, caller)],
            next=page.next,
        )

    async def open_people(kind: str, caller: Principal, after: str, limit: int) -> OpenPeopleView:
        page = await worklist(store, kind, after, limit)
        shown = [open_person_view(person, caller) for person in page.people if may_see(caller, person.whole)]
        return OpenPeopleView(people=shown, next=page.next)

    @router.post("/{employee_id}/homes", summary="Say whose person it is from now on", **commanding(DECIDERS))
    async def confirm_home(employee_id: EmployeeIdPath, body: HomeBody, asked: Asking) -> Response:
        return await orders.give(await orders.home(employee_id, body, asked.caller, asked), asked)

    @router.post(
        "/{employee_id}/homes/preview", summary="What that would change; nothing is written", **DECIDERS
    )
    async def preview_home(employee_id: EmployeeIdPath, body: HomeBody, caller: Caller) -> PeoplePreviewView:
        return await preview(
            components, await orders.home(employee_id, body, caller), caller, datetime.now(UTC)
        )

    @router.post("/merges", summary="Say that two records are one person's", **commanding(DECIDERS))
    async def merge(body: MergeBody, asked: Asking) -> Response:
        return await orders.give(await orders.merge(body, asked.caller, asked), asked)

    @router.post("/merges/preview", summary="What that would change; nothing is written", **DECIDERS)
    async def preview_merge(body: MergeBody, caller: Caller) -> PeoplePreviewView:
        return await preview(components, await orders.merge(body, caller), caller, datetime.now(UTC))

    @router.post("/separations", summary="Say that a record is a person of its own", **commanding(DECIDERS))
    async def separate(body: SeparationBody, asked: Asking) -> Response:
        return await orders.give(await orders.separation(body, asked.caller), asked)

    @router.post("/separations/preview", summary="What that would change; nothing is written", **DECIDERS)
    async def preview_separation(body: SeparationBody, caller: Caller) -> PeoplePreviewView:
        return await preview(components, await orders.separation(body, caller), caller, datetime.now(UTC))

    return router


class Orders:
    """Commands as they are asked for, of those who may; the rest raises Problem. A repetition is not looked at again: who
    has let a person go sees it no more. `asked`: None for a preview."""

    def __init__(self, components: Components[CompletionTerms], register: CurrentAgencies) -> None:
        self._parts, self._register = components, register

    async def home(
        self, employee_id: EmployeeId, body: HomeBody, caller: Principal, asked: CommandRequest | None = None
    ) -> ConfirmHome:
        opd = opd_of(caller)
        order = ConfirmHome(
            employee_id=employee_id, agency=body.agency, officer=caller.subject, opd=opd, reason=body.reason
        )
        person = await self._person(employee_id)
        if not _repeats(order, person, asked):
            found(person, caller)
            check_transfer(opd, body.agency)
            check_agency(body.agency, await self._register.agencies())
        return order

    async def merge(
        self, body: MergeBody, caller: Principal, asked: CommandRequest | None = None
    ) -> MergeEmployees:
        order = MergeEmployees(
            employee_id=EmployeeId(body.employee_id),
            into=EmployeeId(body.into),
            home=body.home,
            officer=caller.subject,
            opd=opd_of(caller),
            reason=body.reason,
        )
        into, joining = await self._person(body.into), await self._person(body.employee_id)
        if not _repeats(order, into, asked):
            into = found(into, caller)
            if joining is None or not (may_see(caller, joining.whole) or links_between(joining, into)):
                raise not_found()
            if body.home is not None:
                check_agency(body.home, await self._register.agencies())
            order = checked_merge(order, joining, into)
        return order

    async def separation(self, body: SeparationBody, caller: Principal) -> SeparateEmployees:
        found(await self._person(body.employee_id), caller)
        return SeparateEmployees(
            employee_id=EmployeeId(body.employee_id),
            officer=caller.subject,
            opd=opd_of(caller),
            reason=body.reason,
        )

    async def give(self, order: Order, asked: CommandRequest) -> Response:
        return await self._parts.commands.answer(order, asked, route=_route(order), key=order.employee_id)

    async def _person(self, id: str) -> Person | None:
        return (await people_of(self._parts.store, [id])).get(id)


def _route(order: Order) -> str:
    about = order.employee_id + (f"/{order.into}" if isinstance(order, MergeEmployees) else "")
    return f"{order.TYPE}/{about}"


def _repeats(order: Order, person: Person | None, asked: CommandRequest | None) -> bool:
    """Whether this very request was decided before."""
    if person is None or asked is None or asked.idempotency_key is None:
        return False
    id = command_id(asked.caller, _route(order), asked.idempotency_key)
    confirmed = (said.command for file in person.files for said in file.confirmations)
    merged = (said.command for file in person.files for said in file.merges)
    return id in confirmed or id in merged
