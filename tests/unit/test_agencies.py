"""The register of agencies, rule by rule: what operators say, what holds, and for whom a token speaks."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError

from services.enrollment.agencies.documents import (
    ADDED,
    AGENCIES,
    CHANGED,
    REGISTER,
    REGISTERS,
    RESUMED,
    SUSPENDED,
    Arrival,
    Binding,
    Quota,
    Said,
    Statement,
)
from services.enrollment.agencies.door import Door, speaks_for
from services.enrollment.agencies.queries import Traffic
from services.enrollment.agencies.timeline import Effective, effective, with_statement
from services.enrollment.agencies.views import agency_view
from shared.contracts.register import (
    AddAgency,
    AgencyQuota,
    BeginRegister,
    ChangeAgency,
    DistrustAgency,
    ReplaceAgency,
    ResumeAgency,
    SuspendAgency,
    TokenBinding,
    TrustAgency,
)
from shared.http.access import Principal, Role
from shared.http.problems import Problem
from shared.pipeline.epochs import VERSIONS
from shared.pipeline.outcome import Outcome, Verdict
from tests.property.harness import ENROLLMENT
from tests.unit.given import NINE, Given
from tests.unit.registers import Connected

ISSUER = "https://sso.bandung.example"
CLIENT = TokenBinding(issuer=ISSUER, client_ids=("simpeg-kominfo",))
DINAS = AddAgency(code="diskominfo", name="Dinas Komunikasi dan Informatika", operator="op")


def added(**changes: object) -> AddAgency:
    return AddAgency(**{**DINAS.model_dump(), **changes})


def changed(**says: Any) -> ChangeAgency:
    return ChangeAgency(code="diskominfo", operator="op", reason="says so", **says)


def suspended(code: str = "diskominfo") -> SuspendAgency:
    return SuspendAgency(code=code, operator="op", reason="a password leaked")


def resumed(code: str = "diskominfo") -> ResumeAgency:
    return ResumeAgency(code=code, operator="op", reason="it has a new one")


def stands(city: Given[Any]) -> Effective:
    found = effective(city.one(AGENCIES))
    assert found is not None
    return found


def generation(city: Given[Any]) -> int:
    return city.one(REGISTERS).generation


def problem(outcome: Outcome) -> object:
    assert outcome.verdict is Verdict.REFUSED
    return outcome.answer["problem"]


# What operators say.


def test_an_added_agency_stands_as_it_was_said() -> None:
    quota = AgencyQuota(bytes_per_s=1_000_000, request_percent=50)
    city = Given(ENROLLMENT)
    outcome = city.when(added(token_bindings=(CLIENT,), kafka_users=("agency.diskominfo.1",), quota=quota))
    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.answer == {"code": "diskominfo", "state": "active"}
    assert stands(city) == Effective(
        "diskominfo",
        "active",
        name=DINAS.name,
        bindings=(Binding(ISSUER, ["simpeg-kominfo"]),),
        kafka_users=("agency.diskominfo.1",),
        quota=Quota(1_000_000, 50),
    )


def test_the_same_again_changes_nothing() -> None:
    city = Given(ENROLLMENT, DINAS)
    before = dict(city.stored)
    assert city.when(DINAS).verdict is Verdict.DUPLICATE
    assert city.stored == before


def test_a_code_that_is_taken_is_refused_with_other_particulars() -> None:
    city = Given(ENROLLMENT, DINAS)
    assert problem(city.when(added(name="Dinas lain"))) == "refused"
    assert stands(city).name == DINAS.name


def test_adding_an_agency_again_does_not_lift_its_suspension() -> None:
    city = Given(ENROLLMENT, DINAS, suspended())
    assert city.when(DINAS).verdict is Verdict.DUPLICATE
    assert not stands(city).active


def test_a_change_replaces_what_it_names_and_leaves_the_rest() -> None:
    city = Given(ENROLLMENT, added(token_bindings=(CLIENT,), contact="simpeg@diskominfo.example"))
    city.when(changed(name_en="Communications Agency", token_bindings=()))
    after = stands(city)
    assert (after.name, after.name_en, after.contact, after.bindings) == (
        DINAS.name, "Communications Agency", "simpeg@diskominfo.example", (),
    )  # fmt: skip


def test_a_suspended_agency_is_resumed_and_nothing_of_it_is_forgotten() -> None:
    city = Given(ENROLLMENT, DINAS, suspended())
    assert not stands(city).active
    city.when(resumed())
    assert stands(city).active
    assert [one.kind for one in city.one(AGENCIES).statements] == [ADDED, SUSPENDED, RESUMED]
    assert [one.reason for one in city.one(AGENCIES).statements][1] == "a password leaked"


def distrust_of(code: str = "diskominfo", hours: int = 0) -> DistrustAgency:
    since = NINE - timedelta(days=2) + timedelta(hours=hours)
    return DistrustAgency(code=code, since=since, until=None, operator="op", reason="leaked")


def test_the_same_distrust_again_is_so_already_and_names_the_decision_that_holds() -> None:
    city = Given(ENROLLMENT, DINAS, added(code="diskominfo-2"))
    city.when(distrust_of(), id="d-1")
    again = city.when(distrust_of(), id="d-2")
    assert (again.verdict, again.answer["decision"]) == (Verdict.DUPLICATE, "d-1")
    assert again.reason == "so already: decision d-1 says it, and holds"
    assert len(city.one(REGISTERS).distrusts) == 1
    for id, other in (("d-3", distrust_of(hours=1)), ("d-4", distrust_of("diskominfo-2"))):
        assert city.when(other, id=id).verdict is Verdict.ACCEPTED
    city.when(TrustAgency(code="diskominfo", distrust="d-1", operator="op", reason="no"))
    assert city.when(distrust_of(), id="d-5").verdict is Verdict.ACCEPTED, "the first was taken back"


def test_a_repeated_distrust_that_is_read_again_after_it_was_taken_back_is_none() -> None:
    city = Given(ENROLLMENT, DINAS)
    city.when(distrust_of(), id="d-1")
    city.when(distrust_of(), id="d-2")
    now, arrived = city.now, city.arrived
    city.when(TrustAgency(code="diskominfo", distrust="d-1", operator="op", reason="no"))
    city.now, city.arrived = now - timedelta(seconds=1), arrived - 1
    assert city.when(distrust_of(), id="d-2").verdict is Verdict.DUPLICATE


def test_taking_a_distrust_back_names_what_holds_still_over_that_time() -> None:
    city = Given(ENROLLMENT, DINAS)
    for n in range(2):
        city.when(distrust_of(hours=n), id=f"d-{n}")
    trust = TrustAgency(code="diskominfo", distrust="d-0", operator="op", reason="no")
    taken = city.when(trust, id="t-1")
    assert taken.verdict is Verdict.ACCEPTED
    assert taken.reason == "still distrusted over some of that time, or all of it, by decision d-1"
    assert "d-1" in city.when(trust, id="t-2").reason
    assert city.when(trust.model_copy(update={"distrust": "d-1"}), id="t-3").reason == ""


def test_an_hr_master_source_is_no_agency_s_heir_nor_an_agency_a_source_s() -> None:
    city = Given(ENROLLMENT, DINAS, added(code="bkd", master=True), added(code="bkd-2", master=True))
    for code, heir in (("diskominfo", "bkd"), ("bkd", "diskominfo")):
        order = ReplaceAgency(code=code, heir=heir, operator="op", reason="renamed")
        refused = city.when(order)
        assert (problem(refused), "bkd is an HR master source" in refused.reason) == ("refused", True)
    again = ReplaceAgency(code="bkd", heir="bkd-2", operator="op", reason="a new system")
    assert city.when(again).verdict is Verdict.ACCEPTED


def test_what_was_said_of_an_agency_s_word_is_shown_with_the_decision_that_takes_it_back() -> None:
    since = NINE - timedelta(days=2)
    distrust = DistrustAgency(code="diskominfo", since=since, until=NINE, operator="op", reason="leaked")
    city = Given(ENROLLMENT, DINAS, added(code="diskominfo-2"))
    decision = city.when(distrust, id="d-1").answer["decision"]
    city.when(TrustAgency(code="diskominfo", distrust=str(decision), operator="op", reason="it was not"))
    city.when(
        ReplaceAgency(code="diskominfo", heir="diskominfo-2", operator="op", reason="renamed"), id="r-1"
    )
    agency = next(one for one in city.all(AGENCIES) if one.id == "diskominfo")
    said = agency_view(agency, Traffic("agency.diskominfo.v1", "", None, None)).statements[1:]
    shown = [(one.kind, one.since, one.until, one.distrust, one.heir) for one in said]
    assert shown == [
        ("distrusted", since, NINE, None, None),
        ("trusted", None, None, "d-1", None),
        ("succeeded", None, None, None, "diskominfo-2"),
    ]
    assert (said[0].decision, said[2].decision) == ("d-1", "r-1")


@pytest.mark.parametrize("again", [suspended(), changed(name=DINAS.name)], ids=["suspend", "change"])
def test_what_the_register_says_already_is_no_new_statement(again: SuspendAgency | ChangeAgency) -> None:
    city = Given(ENROLLMENT, DINAS, suspended())
    before = dict(city.stored)
    outcome = city.when(again)
    assert (outcome.verdict, outcome.answer["state"]) == (Verdict.DUPLICATE, "suspended")
    assert city.stored == before


@pytest.mark.parametrize(
    "command", [suspended(), resumed(), changed(name="X")], ids=["suspend", "resume", "change"]
)
def test_an_agency_that_nobody_added_is_not_found(command: Any) -> None:
    city = Given(ENROLLMENT)
    assert problem(city.when(command)) == "not-found"
    assert not city.stored


def test_a_repeated_request_is_done_once_whatever_came_between() -> None:
    city = Given(ENROLLMENT, DINAS)
    first = city.when(changed(name="A"), id="request-1")
    city.when(changed(name="B"), id="request-2")
    again = city.when(changed(name="A"), id="request-1")
    assert (again.verdict, again.content) == (Verdict.DUPLICATE, first.content)
    assert stands(city).name == "B"


def test_one_idempotency_key_for_two_requests_is_refused() -> None:
    city = Given(ENROLLMENT, DINAS)
    city.when(changed(name="A"), id="request-1")
    assert problem(city.when(changed(name="B"), id="request-1")) == "idempotency-key-reused"


def test_each_change_and_nothing_else_is_a_new_generation() -> None:
    city = Given(ENROLLMENT, DINAS, DINAS, suspended(), suspended(), resumed())
    assert generation(city) == 3


def test_a_restored_register_counts_on_where_nobody_has_counted() -> None:
    city = Given(ENROLLMENT, DINAS)
    city.service = replace(ENROLLMENT, terms=replace(ENROLLMENT.terms, epoch=1))
    city.when(suspended())
    assert generation(city) == VERSIONS + 1


@pytest.mark.parametrize(
    "code", ["", "Dinas", "-dinas", "dinas.sda", "dinas_sda", "d" * 41, "dinás", "dinas\n"]
)
def test_a_new_code_is_lower_case_letters_digits_and_hyphens(code: str) -> None:
    with pytest.raises(ValidationError):
        added(code=code)


@pytest.mark.parametrize("code", ["a", "1", "dinas-sumber-daya-air", "d" * 40])
def test_codes_that_are_allowed(code: str) -> None:
    assert added(code=code).code == code


# How the register begins.


def test_the_register_begins_with_the_agencies_of_the_setting() -> None:
    city = Given(ENROLLMENT, BeginRegister(codes=("dinas-a", "-dinas-b")))
    assert [(one.id, effective(one)) for one in city.all(AGENCIES)] == [
        (code, Effective(code, "active", name=code)) for code in ("-dinas-b", "dinas-a")
    ]


def test_it_begins_once_and_without_those_that_were_added_before() -> None:
    city = Given(ENROLLMENT, added(code="dinas-a"), suspended("dinas-a"))
    city.when(BeginRegister(codes=("dinas-a", "dinas-b")))
    assert {one.id: len(one.statements) for one in city.all(AGENCIES)} == {"dinas-a": 2, "dinas-b": 1}
    before = dict(city.stored)
    assert city.when(BeginRegister(codes=("dinas-c",))).verdict is Verdict.NOTHING
    assert city.stored == before


def test_a_register_without_any_agency_has_begun_too() -> None:
    city = Given(ENROLLMENT, BeginRegister(codes=()))
    assert city.stored[REGISTERS, REGISTER].begun  # type: ignore[attr-defined]


# What holds, in whatever order it was decided.


def said(n: int, kind: str, **says: Any) -> Statement:
    return Statement(f"c{n}", Arrival(NINE + timedelta(seconds=n), "commands", 0, n), kind, Said(**says))


HISTORY = [
    said(1, ADDED, name="Dinas"),
    said(2, CHANGED, kafka_users=["u.1"], contact="Bidang A"),
    said(3, SUSPENDED),
    said(4, CHANGED, kafka_users=["u.1", "u.2"]),
    said(5, RESUMED),
]


@pytest.mark.parametrize(
    "order", list(permutations(HISTORY)), ids=lambda order: "".join(one.command[1:] for one in order)
)
def test_statements_end_in_the_same_agency_in_whatever_order_they_are_decided(order: list[Statement]) -> None:
    agency = None
    for one in order:
        agency = with_statement(agency, "dinas", one)
    assert agency is not None
    assert agency.statements == HISTORY
    assert effective(agency) == Effective(
        "dinas", "active", name="Dinas", contact="Bidang A", kafka_users=("u.1", "u.2")
    )


@pytest.mark.parametrize(("n", "state"), [(1, None), (2, "active"), (4, "suspended"), (6, "active")], ids=str)
def test_a_record_meets_the_agency_as_it_stood_when_the_record_arrived(n: int, state: str | None) -> None:
    agency = None
    for one in HISTORY:
        agency = with_statement(agency, "dinas", one)
    met = effective(agency, before=Arrival(NINE + timedelta(seconds=n), "agency.dinas.v1", 0, 0))
    assert (None if met is None else met.state) == state


def test_in_one_millisecond_the_place_in_the_log_decides() -> None:
    first, second = Arrival(NINE, "commands", 0, 7), Arrival(NINE, "commands", 0, 8)
    agency = with_statement(None, "dinas", Statement("b", second, SUSPENDED))
    agency = with_statement(agency, "dinas", Statement("a", first, ADDED))
    found = effective(agency)
    assert found is not None
    assert found.state == "suspended"


# For whom a token speaks.

FREE = Effective("dinas-a", "active", name="A")
BOUND = Effective("dinas-b", "active", name="B", bindings=(Binding(ISSUER, ["client-b"]),))
ALSO = Effective("dinas-c", "active", name="C", bindings=(Binding(ISSUER, ["client-c", "vendor"]),))
THIRD = Effective("dinas-d", "active", name="D", bindings=(Binding(ISSUER, ["vendor"]),))
CITY = {one.code: one for one in (FREE, BOUND, ALSO, THIRD)}


def token(opd: str | None, client_id: str | None = None, issuer: str = ISSUER) -> Principal:
    return Principal("simpeg", frozenset({Role.agency}), None, opd, issuer, client_id)


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        (token("dinas-a"), "dinas-a"),
        (token("dinas-a", "any-client"), "dinas-a"),
        (token("dinas-b", "client-b"), "dinas-b"),
        (token("dinas-c", "vendor"), "dinas-c"),
        (token("dinas-d", "vendor"), "dinas-d"),
    ],
    ids=[
        "unbound",
        "unbound, some client",
        "bound",
        "a vendor of two",
        "the other of the two",
    ],
)
def test_a_token_speaks_for_its_agency(caller: Principal, code: str) -> None:
    assert speaks_for(caller, CITY).code == code


@pytest.mark.parametrize(
    "caller",
    [
        token(None),
        token("dinas-x"),
        token("dinas-b"),
        token("dinas-b", "client-c"),
        token("dinas-b", "client-b", "https://other.example"),
        token("dinas-a", "client-b"),
        token("dinas-x", "client-b"),
        token(None, "client-b"),
        token("dinas-b", "vendor"),
    ],
    ids=[
        "no claim",
        "unknown",
        "the claim alone",
        "another agency's client",
        "another issuer",
        "a bound client as an unbound agency",
        "a bound client as an unknown agency",
        "a bound client that names none",
        "a vendor of others",
    ],
)
def test_a_token_that_speaks_for_no_agency_is_refused(caller: Principal) -> None:
    with pytest.raises(Problem) as refused:
        speaks_for(caller, CITY)
    assert refused.value.type_slug == "not-your-agency"


async def test_a_suspended_agency_is_told_so() -> None:
    door = Door(Connected(Effective("dinas-a", "suspended", name="A")))
    with pytest.raises(Problem) as refused:
        await door.agency(token("dinas-a"))
    assert refused.value.type_slug == "agency-suspended"


async def test_an_agency_without_a_usable_topic_is_put_off_before_it_holds_up_others() -> None:
    faults = {"x.agency.dinas-a.v1": "it does not exist"}
    door = Door(Connected("dinas-a", "dinas-b"), "x.", lambda topic: faults.get(topic, ""))
    assert await door.agency(token("dinas-b")) == "dinas-b"
    with pytest.raises(Problem) as refused:
        await door.agency(token("dinas-a"))
    assert refused.value.type_slug == "not-ready"
