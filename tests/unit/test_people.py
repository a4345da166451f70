"""What officers see of people and may ask for: what waits for a decision, and who is told what."""

from typing import Any

import pytest

from services.enrollment.agencies.timeline import ACTIVE, Effective
from services.enrollment.employees.views import link_views, open_person_view, person_view
from services.enrollment.persons.documents import EMPLOYEES, Employee
from services.enrollment.persons.persons import Person
from services.enrollment.persons.queries import people_in
from services.enrollment.persons.rights import check_active, check_transfer, checked_merge, may_see, opd_of
from shared.contracts.agency import EmployeeReleased
from shared.contracts.people import MergeEmployees, SeparateEmployees
from shared.http.access import Principal, Role
from shared.http.problems import Problem
from shared.pipeline.outcome import Verdict
from tests.factories import NIP, registered
from tests.unit.given import Given
from tests.unit.test_authority import (
    EARLIER,
    HOME,
    LATER,
    OTHER,
    city,
    confirmed,
    merged,
    renewed_elsewhere,
)


def caller(role: Role = Role.officer, opd: str | None = None, subject: str = "u-1") -> Principal:
    return Principal(subject, frozenset({role}), None, opd, "https://sso.example")


OPERATOR, AUDITOR, ALL = caller(Role.operator), caller(Role.auditor), caller(opd="*")
AT_HOME, ELSEWHERE, STRANGER = caller(opd=HOME.upper()), caller(opd=OTHER), caller(opd="dinas-z")


def people(made: Given[Any]) -> dict[str, Person]:
    """By the number in force."""
    files: dict[str, Employee] = {one.id: one for one in made.all(EMPLOYEES)}
    mains = [one.id for one in files.values() if not one.merged_into]
    return {one.main.numbers[-1]: one for one in people_in(files, mains).values()}


def open_of(made: Given[Any]) -> dict[str, list[str]]:
    return {number: one.main.open for number, one in people(made).items()}


# Who may ask at all.


@pytest.mark.parametrize(
    ("who", "shut"),
    [
        (AT_HOME, True),
        (ELSEWHERE, False),
        (caller(opd="PUSDIK"), False),
        (ALL, False),
        (OPERATOR, False),
        (Principal("u", frozenset({Role.operator, Role.officer}), None, HOME, "https://sso.example"), False),
    ],
    ids=["its officer", "another's", "of a body that is no agency", "for all", "operator", "both"],
)
def test_officers_of_a_suspended_agency_are_shut_out_and_nobody_else(who: Principal, shut: bool) -> None:
    agencies = {HOME: Effective(HOME, "suspended", name="PU"), OTHER: Effective(OTHER, ACTIVE, name="X")}
    if not shut:
        check_active(who, agencies)
        return
    with pytest.raises(Problem, match="that you act for is suspended"):
        check_active(who, agencies)


# Worklists.


def test_a_person_is_in_the_list_of_disputed_until_somebody_decides() -> None:
    made = city((registered(NIP), OTHER))
    assert open_of(made) == {NIP: []}
    made.when(registered(NIP), sender=HOME)
    assert open_of(made) == {NIP: ["disputed"]}
    confirmed(made, HOME)
    assert open_of(made) == {NIP: []}


@pytest.mark.parametrize(
    ("reason", "open", "then"),
    [
        ("mistake", [], []),
        ("moved", ["unclaimed"], []),
        ("retired", [], ["disputed"]),
        ("died", [], ["disputed"]),
    ],
)
def test_whom_all_agencies_released_somebody_is_to_claim_unless_it_has_left(
    reason: str, open: list[str], then: list[str]
) -> None:
    """Whom another agency registers after that somebody is to decide about; mails wait until then."""
    made = city((registered(NIP), HOME))
    made.when(EmployeeReleased.model_validate({"employee_number": NIP, "reason": reason}), sender=HOME)
    assert open_of(made) == {NIP: open}
    made.when(registered(NIP), sender=OTHER)
    assert open_of(made) == {NIP: then}


def test_before_the_register_judges_senders_nothing_is_to_be_decided() -> None:
    made: Given[Any] = Given(city().service, registered(NIP))
    made.when(registered(NIP), sender=OTHER)
    assert open_of(made) == {NIP: []}


def test_a_link_waits_until_its_two_numbers_are_one_person_s() -> None:
    made = renewed_elsewhere()
    assert open_of(made) == {EARLIER: [], LATER: ["links"]}
    merged(made, EARLIER, LATER, home=HOME)
    assert [one.open for one in made.all(EMPLOYEES)] == [[], []]


def separated(made: Given[Any], number: str, opd: str | None = None) -> Any:
    (id,) = (one.id for one in made.all(EMPLOYEES) if number in (one.own_numbers or one.numbers))
    command = SeparateEmployees(employee_id=id, officer="o", opd=opd, reason="x")
    return made.when(command, sender="enrollment")


def test_two_that_an_officer_parted_wait_for_nobody_any_more() -> None:
    made = renewed_elsewhere()
    merged(made, EARLIER, LATER, home=HOME)
    separated(made, LATER)
    assert open_of(made) == {EARLIER: [], LATER: []}


def test_a_link_that_is_wrong_is_decided_against_for_good() -> None:
    made = renewed_elsewhere()
    assert separated(made, LATER, opd=OTHER).answer == {"problem": "not-your-agency"}
    version = people(made)[LATER].main.version
    assert separated(made, LATER, opd=HOME).verdict is Verdict.ACCEPTED
    assert open_of(made) == {EARLIER: [], LATER: []}
    assert (made.facts, people(made)[LATER].main.version) == ([], version), "readers see no difference"
    again = registered(LATER, name="New", previous_employee_number=EARLIER)
    made.when(again, sender=HOME)
    assert open_of(made)[LATER] == [], "the same said again is no news"
    assert "as before" in separated(made, LATER).reason
    made.when(again, sender="dinas-z")
    assert "links" in open_of(made)[LATER], "another agency's word is"


# Who sees whom.


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        (OPERATOR, True), (AUDITOR, True), (ALL, True), (AT_HOME, True), (ELSEWHERE, True), (STRANGER, False),
        (caller(opd=HOME[:-1]), False), (caller(Role.operator, opd="dinas-z"), True),
    ],
)  # fmt: skip
def test_an_officer_sees_people_of_which_the_agency_is_home_or_claimant(who: Principal, sees: bool) -> None:
    made = city((registered(NIP), OTHER), (registered(NIP), HOME))
    assert may_see(who, people(made)[NIP].whole) is sees


def test_whom_another_agency_got_is_not_seen_any_more() -> None:
    made = city((registered(NIP), OTHER))
    confirmed(made, HOME)
    whole = people(made)[NIP].whole
    assert (may_see(AT_HOME, whole), may_see(ELSEWHERE, whole)) == (True, False)


def test_an_operator_decides_for_all_and_an_officer_for_the_own_agency() -> None:
    assert [opd_of(one) for one in (OPERATOR, ALL, ELSEWHERE)] == [None, None, OTHER]
    both = Principal("u-1", frozenset({Role.operator, Role.officer}), None, OTHER, "https://sso.example")
    assert opd_of(both) is None


def test_a_person_is_shown_with_claims_decisions_and_records() -> None:
    made = city((registered(NIP), OTHER), (registered(NIP), HOME))
    view = open_person_view(people(made)[NIP], ALL)
    assert (view.home, view.state, [one.agency for one in view.claimants]) == (
        OTHER, "disputed", [OTHER, HOME],
    )  # fmt: skip
    confirmed(made, HOME)
    whole = person_view(people(made)[NIP], {}, AT_HOME)
    assert (whole.home, whole.state, whole.held) == (HOME, "confirmed", False)
    (decision,) = whole.decisions
    assert (decision.kind, decision.agency, decision.acting_for, decision.reason) == (
        "home",
        HOME,
        None,
        "SK 1",
    )
    assert decision.command_id == "3"


def test_who_decided_is_told_to_the_own_agency_and_to_who_acts_for_all() -> None:
    made = city((registered(NIP), OTHER))
    confirmed(made, HOME, opd=OTHER)
    person = people(made)[NIP]
    told = {who: person_view(person, {}, who).decisions[0].by for who in (OPERATOR, AUDITOR, ALL, AT_HOME)}
    assert told == {OPERATOR: "o", AUDITOR: "o", ALL: "o", AT_HOME: None}
    assert person_view(person, {}, ELSEWHERE).decisions == [], "the person is no more its own"


def test_a_merged_person_shows_its_records_and_who_joined_them() -> None:
    made = renewed_elsewhere()
    merged(made, EARLIER, LATER, home=HOME)
    view = person_view(people(made)[LATER], {}, OPERATOR)
    assert view.employee_numbers == [EARLIER, LATER]
    assert [one.employee_numbers for one in view.merged] == [[LATER]]
    assert [(one.kind, one.agency, one.into) for one in view.decisions] == [
        ("merged", HOME, view.employee_id)
    ]


def test_a_link_names_the_other_person_to_who_may_look_it_up() -> None:
    made = renewed_elsewhere()
    there = people(made)
    linked = {EARLIER: there[EARLIER]}
    for who, others in ((OPERATOR, "Old"), (ELSEWHERE, "Old"), (AT_HOME, None)):
        (view,) = link_views(there[LATER], linked, who)
        assert (view.said_by, view.employee_number, view.previous_employee_number) == (HOME, LATER, EARLIER)
        assert (view.into_name, view.into is None) == (others, others is None)
    assert link_views(there[LATER], linked, STRANGER) == []


# What an officer of one agency may ask for.


def test_an_officer_lets_people_go_and_takes_none() -> None:
    check_transfer(None, HOME)
    check_transfer(OTHER, HOME)
    with pytest.raises(Problem, match="lets its people go"):
        check_transfer(HOME.upper(), HOME)


def asks(made: Given[Any], opd: str | None, home: str | None = None) -> None:
    there = people(made)
    joining, into = there[LATER], there[EARLIER]
    command = MergeEmployees(
        employee_id=joining.main.id, into=into.main.id, home=home, officer="o", opd=opd, reason="x"
    )
    checked_merge(command, joining, into)


def test_an_officer_merges_what_the_other_agency_says_or_what_is_all_its_own() -> None:
    made = renewed_elsewhere()
    asks(made, OTHER, home=HOME)
    asks(made, None)
    own = city((registered(EARLIER), HOME), (registered(LATER), HOME))
    asks(own, HOME)
    with pytest.raises(Problem, match="lets its people go"):
        asks(own, HOME, home=HOME)


def test_nobody_takes_over_a_person_by_a_merge() -> None:
    """The attacker has a made-up person, and says that the victim's number is its later one."""
    made = city((registered(EARLIER), OTHER), (registered(LATER), HOME))
    with pytest.raises(Problem, match="its agency does not say"):
        asks(made, OTHER)
    made.when(registered(LATER, previous_employee_number=EARLIER), sender=OTHER)
    with pytest.raises(Problem, match="have that decided first"):
        asks(made, OTHER)
    first = city((registered(EARLIER), OTHER), (registered(LATER), OTHER), (registered(LATER), HOME))
    with pytest.raises(Problem, match="have that decided first"):
        asks(first, OTHER)


def test_who_merely_claims_a_person_is_told_what_it_said_itself() -> None:
    """Numbers can be guessed."""
    made = city((registered(NIP, name="True"), HOME), (registered(NIP, name="Guessed"), OTHER))
    view = open_person_view(people(made)[NIP], ELSEWHERE)
    assert (view.name, view.employee_numbers) == ("Guessed", [NIP])
    assert open_person_view(people(made)[NIP], ALL).name == "True"
