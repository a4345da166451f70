"""People on a real MongoDB: worklists page by page, and what an order about people would do."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import httpx
import pytest

from devstack import Stack
from services.enrollment import app
from services.enrollment.agencies.timeline import ACTIVE, Effective
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.contests.routes import contests_router
from services.enrollment.employees.previews import preview
from services.enrollment.employees.routes import people_router
from services.enrollment.persons.documents import DISPUTED, EMPLOYEES, LINKS
from services.enrollment.persons.queries import linked_people, people_by_number, people_of, worklist
from services.enrollment.settings import EnrollmentSettings
from shared.contracts.bodies import BeginBodies, BodySeed
from shared.contracts.payload import EmployeeId
from shared.contracts.people import ConfirmHome, MergeEmployees, SeparateEmployees
from shared.contracts.register import BeginRegister
from shared.http.access import Principal, Role
from shared.http.app import create_app
from shared.pipeline.pipeline_collections import DECISIONS
from shared.service import ON_PAPER, Components
from tests.factories import completed, registered
from tests.property.harness import AGENCIES, ENROLLMENT, OFFICER, SECRET, City, Sending
from tests.unit.registers import Connected

A, B = AGENCIES
NOW: Final = datetime(2026, 6, 2, tzinfo=UTC)
FOR_ALL: Final = Principal("u", frozenset({Role.officer}), None, "*", "https://sso.example")
EARLIER, LATER = "198501012010011001", "198501012023211001"


@pytest.fixture
async def components(stack: Stack) -> AsyncIterator[Components[CompletionTerms]]:
    name = f"people_{secrets.token_hex(4)}"
    settings = {**ON_PAPER, "mongo": stack.mongo, "database_prefix": name, "secret": SECRET}
    made = app.build(EnrollmentSettings(**settings)).components
    await made.store.prepare(made.service.collections)
    yield made
    await made.store.client.drop_database(made.store.database.name)
    made.store.client.close()


class Story:
    """Two agencies, a body of the first one's, and a register that judges; each event as it is told."""

    def __init__(self, components: Components[CompletionTerms]) -> None:
        self.city, self.ids, self.told = (
            City([components.store], services=[ENROLLMENT]),
            components.service.terms.ids,
            0,
        )

    async def begins(self) -> "Story":
        seeds = (BodySeed(code="BKPSDM", issuing=A),)
        await self.tell(OFFICER, BeginRegister(codes=AGENCIES), BeginBodies(bodies=seeds))
        return self

    async def tell(self, sender: str, *payloads: Any) -> None:
        sendings = []
        for payload in payloads:
            self.told += 1
            sendings.append(Sending(payload, f"e-{self.told}", sender=sender))
        for one in sendings:  # each arrives when the ones before are decided
            await self.city.deliver([one])

    def id(self, number: str) -> EmployeeId:
        return self.ids.employee(number)


@pytest.fixture
async def story(components: Components[CompletionTerms]) -> Story:
    return await Story(components).begins()


def number(n: int) -> str:
    return f"198501012010011{n:03d}"


async def test_a_worklist_has_pages_of_the_size_asked_for(
    components: Components[CompletionTerms], story: Story
) -> None:
    for sender in AGENCIES:
        await story.tell(sender, *(registered(number(n)) for n in range(5)))
    await story.tell(A, registered(number(9)))
    seen: list[str] = []
    after: str | None = ""
    sizes = []
    while after is not None:
        page = await worklist(components.store, DISPUTED, after, 2)
        seen += [one.main.id for one in page.people]
        sizes.append(len(page.people))
        after = page.next
    assert (sizes, seen) == ([2, 2, 1], sorted(story.id(number(n)) for n in range(5)))
    plan = await components.store.database.command(
        "explain", {"count": EMPLOYEES.name, "query": {"open": DISPUTED}}, verbosity="executionStats"
    )
    assert plan["executionStats"]["totalDocsExamined"] <= 5, "by the index"


async def test_people_are_read_with_all_their_files(
    components: Components[CompletionTerms], story: Story
) -> None:
    await story.tell(A, registered(EARLIER, name="Old"))
    await story.tell(B, registered(LATER, name="New", previous_employee_number=EARLIER))
    page = await worklist(components.store, LINKS, "", 10)
    assert [one.main.profile.name for one in page.people] == ["New"]
    linked = await linked_people(components.store, page.people)
    assert {number: one.main.profile.name for number, one in linked.items()} == {EARLIER: "Old"}
    await story.tell(OFFICER, merge(story, home=B))
    for found in (await people_of(components.store, [story.id(LATER)])).values():
        assert (found.main.id, [one.id for one in found.merged]) == (story.id(EARLIER), [story.id(LATER)])
    assert set(await people_by_number(components.store, [LATER, EARLIER, number(7)])) == {EARLIER, LATER}
    assert await people_of(components.store, ["emp_" + "0" * 32]) == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/people/disputed"),
        ("GET", "/people/links"),
        ("POST", "/people/search"),
        ("POST", "/people/separations"),
        ("GET", "/completions/contested"),
        ("POST", "/completions/contests"),
    ],
)
async def test_an_officer_of_a_suspended_agency_is_refused_over_http(
    components: Components[CompletionTerms], method: str, path: str
) -> None:
    async def ready() -> list[Any]:
        return []

    async def answered(*agencies: Effective) -> httpx.Response:
        register = Connected(*agencies)
        routes = [people_router(components, register), contests_router(components, register)]
        app = create_app("enrollment", routers=routes, readiness=ready, access=IsAnOfficer())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path, headers={"Authorization": "Bearer x"}, json=BODY)

    shut = await answered(Effective(A, "suspended", name=A))
    assert (shut.status_code, shut.json()["type"]) == (403, "/problems/agency-suspended")
    told = await answered(Effective(A, ACTIVE, name=A))
    assert told.json().get("type") != "/problems/agency-suspended"


BODY: Final = {"employee_id": "emp_" + "0" * 32, "completion_id": "cmp_" + "0" * 32, "reason": "x"}


class IsAnOfficer:
    """Of A, whatever token."""

    async def principal(self, token: str) -> Principal:
        return Principal("u", frozenset({Role.officer}), None, A, "https://sso.example")

    async def aclose(self) -> None:
        pass


def merge(story: Story, home: str | None = None, opd: str | None = None) -> MergeEmployees:
    return MergeEmployees(
        employee_id=story.id(LATER), into=story.id(EARLIER), home=home, officer="o", opd=opd, reason="SK"
    )


async def test_a_transfer_is_shown_with_the_profile_that_would_stand_and_mails_that_would_go(
    components: Components[CompletionTerms], story: Story
) -> None:
    await story.tell(A, registered(EARLIER, name="By A", email="a@example.org"))
    await story.tell(B, registered(EARLIER, name="By B", email="b@example.org"))
    await story.tell(A, completed(EARLIER, organizer="BKPSDM"))
    before = await components.store.size(DECISIONS)
    order = ConfirmHome(employee_id=story.id(EARLIER), agency=B, officer="o", opd=None, reason="SK")
    told = await preview(components, order, FOR_ALL, NOW)
    assert told.verdict == "accepted"
    (change,) = told.people
    was, will = change.before, change.after
    assert was is not None
    assert will is not None
    assert (was.name, was.home, was.state, was.held) == ("By A", A, "disputed", True)
    assert (will.name, will.email, will.home) == ("By B", "b***@example.org", B)
    assert (will.state, will.held, will.jp) == ("confirmed", False, was.jp)
    assert sum(will.jp.values()) > 0
    assert await components.store.size(DECISIONS) == before
    (found,) = (await people_of(components.store, [story.id(EARLIER)])).values()
    assert found.main.open == ["disputed"], "nothing is written"


async def test_what_would_be_refused_says_why(components: Components[CompletionTerms], story: Story) -> None:
    await story.tell(A, registered(EARLIER))
    order = ConfirmHome(employee_id=story.id(EARLIER), agency=A, officer="o", opd=B, reason="SK")
    told = await preview(components, order, FOR_ALL, NOW)
    assert (told.verdict, told.people) == ("refused", [])
    assert "its officer lets the person go" in (told.reason or "")


async def test_of_another_agency_s_person_a_preview_says_how_much_and_not_who(
    components: Components[CompletionTerms], story: Story
) -> None:
    await story.tell(A, registered(EARLIER, name="Old"))
    await story.tell(B, registered(LATER, name="New", previous_employee_number=EARLIER))
    await story.tell(B, *(completed(LATER, code=code, organizer="BKPSDM") for code in "BC"))
    of_a = Principal("u", frozenset({Role.officer}), None, A, "https://sso.example")
    told = await preview(components, merge(story, home=B, opd=A), of_a, NOW)
    stands = {one.employee_id: (one.before, one.after) for one in told.people}
    known, unknown = stands[story.id(EARLIER)], stands[story.id(LATER)]
    assert known[0] is not None
    assert unknown[0] is not None
    assert known[1] is not None
    assert (known[0].name, unknown[0].name, known[1].name) == ("Old", "", "")
    assert (unknown[0].employee_numbers, unknown[0].jp, unknown[0].email) == ([], {}, None)
    assert (told.moved.count, told.moved.first) == (2, [])


async def test_a_merge_is_shown_with_what_moves_and_counts_once_and_its_separation_the_reverse(
    components: Components[CompletionTerms], story: Story
) -> None:
    await story.tell(A, registered(EARLIER, name="Old"))
    await story.tell(B, registered(LATER, name="New", previous_employee_number=EARLIER))
    for employee, codes in ((EARLIER, "AB"), (LATER, "BC")):
        await story.tell(A, *(completed(employee, code=code, organizer="BKPSDM") for code in codes))
    told = await preview(components, merge(story, home=B), FOR_ALL, NOW)
    changes = {one.employee_id: (one.before, one.after) for one in told.people}
    main, joining = changes[story.id(EARLIER)], changes[story.id(LATER)]
    assert joining[1] is None
    assert main[0] is not None
    assert main[1] is not None
    assert joining[0] is not None
    assert (main[1].employee_numbers, main[1].name, main[1].home) == ([EARLIER, LATER], "New", B)
    assert (told.moved.count, told.counted_once.count, told.counted_again.count) == (2, 1, 0)
    assert {one.employee_id for one in told.moved.first} == {story.id(EARLIER)}
    assert (told.certificates_issued, told.certificates_revoked) == (0, 0)
    each = main[0].jp[2026] / 2
    assert (joining[0].jp[2026], main[1].jp[2026]) == (2 * each, 3 * each)

    await story.tell(OFFICER, merge(story, home=B))
    part = SeparateEmployees(employee_id=story.id(LATER), officer="o", opd=None, reason="x")
    back = await preview(components, part, FOR_ALL, NOW)
    changes = {one.employee_id: (one.before, one.after) for one in back.people}
    assert changes[story.id(LATER)][0] is None
    assert [one.jp[2026] for _, one in changes.values() if one is not None] == [2 * each, 2 * each]
    assert (back.moved.count, back.counted_once.count, back.counted_again.count) == (2, 0, 1)


async def test_keeping_two_apart_is_shown_as_a_link_less(
    components: Components[CompletionTerms], story: Story
) -> None:
    await story.tell(A, registered(EARLIER))
    await story.tell(B, registered(LATER, previous_employee_number=EARLIER))
    part = SeparateEmployees(employee_id=story.id(LATER), officer="o", opd=B, reason="x")
    (change,) = (await preview(components, part, FOR_ALL, NOW)).people
    assert [one and one.links for one in (change.before, change.after)] == [1, 0]
    assert change.before is not None
    assert change.before.jp == dict[int, Decimal]()
