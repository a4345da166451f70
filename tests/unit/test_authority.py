"""Who may say what about a person and a completion."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations
from random import Random
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from services.enrollment.agencies.documents import (
    AGENCIES,
    REGISTER,
    REGISTERS,
    Agency,
    Arrival,
    Distrust,
    Register,
    Said,
    Statement,
    Succession,
)
from services.enrollment.agencies.trust import trust_of
from services.enrollment.bodies.documents import BODIES, Body, BodySaid, BodyStatement, body_id
from services.enrollment.certificates.documents import SEQUENCES
from services.enrollment.completions.contents import with_content
from services.enrollment.completions.documents import COMPLETIONS, CONTESTED, Completion
from services.enrollment.completions.recalculation import (
    DECIDED_AGAINST,
    DOUBTED,
    NO_MORE,
    effective_training,
)
from services.enrollment.contests.handlers import MAX_CONTESTS
from services.enrollment.employees.registration import MAX_PENDING_LINKS
from services.enrollment.employees.transfers import MAX_CONFIRMATIONS
from services.enrollment.persons.current import has_left, is_held, waiting_links
from services.enrollment.persons.documents import EMPLOYEES, HEADCOUNTS, Confirmation, Employee
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person
from services.enrollment.persons.snapshots import MAX_DAYS
from services.enrollment.records.notes import Looked, note_of
from services.enrollment.records.views import completion_view
from shared.contracts.agency import EmployeeReleased, ExternalCertificate
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRevoked,
    CompletionRecorded,
    CompletionUncertified,
    ContestCompletion,
    DecideContest,
    EmployeeRecorded,
    JpCredited,
)
from shared.contracts.payload import EmployeeId, Payload
from shared.contracts.people import (
    AdoptHomes,
    ConfirmHome,
    EarliestHome,
    MergeEmployees,
    RefoldCompletions,
    Refolded,
    RefoldPeople,
    SeparateEmployees,
)
from shared.contracts.register import AddAgency, ChangeAgency, DistrustAgency, TrustAgency
from shared.contracts.vocabulary import Form
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.outcome import Verdict
from tests.factories import NIP, OTHER_NIP, completed, registered, reinstate, revoke
from tests.property.harness import ENROLLMENT
from tests.unit.given import NINE, Given

P = TypeVar("P", bound=Payload)
HOME, OTHER, BODY = "dinas-pu", "dinas-x", "bkpsdm"
MS, HOUR = timedelta(milliseconds=1), timedelta(hours=1)
LONG_AGO = Arrival(NINE - timedelta(days=1), "enrollment.commands.v1", 0, 0)


def city(*history: Any, **bodies: str | None) -> Given[Any]:
    """The register has judged since yesterday; body `DISKOMINFO` is issued by the agency, None: by nobody of the city."""
    made = Given(ENROLLMENT)
    made.stored[REGISTERS, REGISTER] = Register(REGISTER, 1, begun=True, judges_from=LONG_AGO)
    for code, agency in bodies.items():
        add_body(made, code, BodySaid(code=code, issuing=agency or "", outside=agency is None))
    for payload, sender in history:
        made.when(payload, sender=sender)
    return made


def add_body(made: Given[Any], code: str, said: BodySaid) -> None:
    statement = BodyStatement("1", LONG_AGO, "added", said)
    made.stored[BODIES, body_id(code)] = Body(id=body_id(code), statements=[statement])


def the(made: Given[Any]) -> Completion:
    return made.one(COMPLETIONS)


def looked(made: Given[Any]) -> Looked:
    """As if it had been read."""
    register = made.one(REGISTERS)
    people = {one.id: Person(one, trust=trust_of(register)) for one in made.all(EMPLOYEES)}
    return Looked({one.id: one for one in made.all(BODIES)}, people, register)


def test_a_body_issues_by_its_agency_alone() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    outcome = made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    assert outcome.verdict is Verdict.ACCEPTED
    assert "only bkpsdm issues for BKPSDM" in outcome.reason
    assert (the(made).certified, the(made).certificate) == (False, None)
    assert the(made).jp > 0
    assert made.kinds() == ["CompletionRecorded", "CompletionUncertified", "JpCredited"]
    assert made.all(SEQUENCES) == []


def test_its_certificate_follows_once_the_body_itself_reports_the_same() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    assert "CertificateIssued" in made.kinds()
    assert the(made).certificate is not None
    assert the(made).grounds == "issuing"


def test_the_body_reports_people_of_all_agencies() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    assert made.when(completed(NIP, organizer="BKPSDM"), sender=BODY).verdict is Verdict.ACCEPTED
    assert the(made).certificate is not None


def test_a_neighbour_changes_nothing_whatever_time_it_claims() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    made.when(completed(NIP, organizer="DISKOMINFO", title="True"), sender=HOME)
    for time in (NINE.replace(year=1970), made.now, made.now + timedelta(days=1)):
        outcome = made.when(
            completed(NIP, organizer="DISKOMINFO", title="False", revision=9), sender=OTHER, time=time
        )
        assert outcome.verdict in (Verdict.SUPERSEDED, Verdict.DUPLICATE)
        assert "dinas-x is not this person's agency" in outcome.reason
        assert made.kinds() == []
    assert effective_training(the(made)).title == "True"
    corrected = made.when(completed(NIP, organizer="DISKOMINFO", title="Corrected"), sender=HOME)
    assert corrected.verdict is Verdict.CORRECTION
    assert effective_training(the(made)).title == "Corrected"


def test_what_a_neighbour_reports_first_stands_for_nothing() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    assert (
        made.when(completed(NIP, organizer="DISKOMINFO", title="False"), sender=OTHER).verdict
        is Verdict.SUPERSEDED
    )
    assert made.kinds() == []
    assert (the(made).effective, the(made).certificate, the(made).learning_year) == (b"", None, "")
    assert made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME).verdict is Verdict.ACCEPTED


def test_a_completion_of_an_unknown_body_waits_for_it() -> None:
    made = city((registered(NIP), HOME))
    with pytest.raises(Waiting, match="the register has no body PUSDIK") as waits:
        made.when(completed(NIP, organizer="PUSDIK"), sender=HOME)
    assert waits.value.lacks == "body/pusdik"


def test_an_alias_is_the_same_completion_and_series() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.stored[BODIES, "badan kepegawaian"] = Body(id="badan kepegawaian", alias_of="bkpsdm")
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    made.when(completed(NIP, organizer="Badan Kepegawaian", title="Corrected"), sender=BODY)
    assert effective_training(the(made)).title == "Corrected"
    assert [one.id for one in made.all(SEQUENCES)] == ["bkpsdm/2026"]


def test_a_training_outside_the_city_has_no_number_of_ours() -> None:
    made = city((registered(NIP), HOME), **{"LAN RI": None})
    outcome = made.when(completed(NIP, organizer="LAN RI"), sender=HOME)
    assert "LAN RI is no body of the city" in outcome.reason
    assert the(made).certificate is None


def test_a_certificate_of_a_body_outside_is_recorded_when_it_comes() -> None:
    made = city((registered(NIP), HOME), **{"LAN RI": None})
    event = completed(NIP, organizer="LAN RI")
    made.when(event, sender=HOME)
    external = ExternalCertificate(issuer="LAN RI", certificate_number="00012/PKA/2026")
    outcome = made.when(event.model_copy(update={"external_certificate": external}), sender=HOME)
    assert outcome.verdict is Verdict.CORRECTION
    view = completion_view(the(made), looked(made), ENROLLMENT.terms)
    assert view.certificate is None
    assert view.external_certificate is not None
    assert view.external_certificate.number == "00012/PKA/2026"


def test_a_clock_seven_hours_ahead_ranks_by_arrival() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    made.when(
        completed(NIP, organizer="DISKOMINFO", title="First"), sender=HOME, time=made.now + timedelta(hours=7)
    )
    made.when(completed(NIP, organizer="DISKOMINFO", title="Second"), sender=HOME)
    assert effective_training(the(made)).title == "Second"


def test_what_stood_before_the_register_began_stands() -> None:
    made = Given(ENROLLMENT, registered(NIP))
    made.when(completed(NIP, organizer="LAN", title="Before"), sender=OTHER)
    number = the(made).certificate
    assert number is not None
    made.stored[REGISTERS, REGISTER] = Register(
        REGISTER, 1, begun=True, judges_from=Arrival(made.now, "zzz", 0, 0)
    )
    add_body(made, "LAN", BodySaid(code="LAN", outside=True))
    again = made.when(completed(NIP, organizer="LAN", title="Before"), sender=OTHER)
    assert (again.verdict, made.kinds()) == (Verdict.DUPLICATE, [])
    other = made.when(completed(NIP, organizer="LAN", title="After"), sender=OTHER)
    assert other.verdict is Verdict.SUPERSEDED
    assert the(made).certificate == number


# People.


def test_the_word_of_the_home_stands_whatever_time_others_claim() -> None:
    made = city((registered(NIP, name="True", email="true@example.org"), HOME))
    outcome = made.when(
        registered(NIP, name="False", email="false@example.org"),
        sender=OTHER,
        time=made.now + timedelta(days=1),
    )
    assert outcome.verdict is Verdict.SUPERSEDED
    assert made.one(EMPLOYEES).profile.email == "true@example.org"
    made.when(registered(NIP, name="True again", email="true@example.org"), sender=HOME)
    assert made.one(EMPLOYEES).profile.name == "True again"


def test_two_sources_that_send_each_night_don_t_flap() -> None:
    made = city((registered(NIP, name="One"), HOME), (registered(NIP, name="Other"), OTHER))
    version = made.one(EMPLOYEES).version
    for _ in range(12):
        made.now += timedelta(days=1)
        for name, sender in (("One", HOME), ("Other", OTHER)):
            assert made.when(registered(NIP, name=name), sender=sender).verdict is Verdict.DUPLICATE
            assert made.kinds() == []
    assert made.one(EMPLOYEES).version == version
    assert len(made.one(EMPLOYEES).claims) <= 18


EARLIER, LATER = "198501012010011001", "198501012023211001"


def test_a_number_of_another_agency_s_person_is_not_taken_over() -> None:
    """An unregistered number, and the victim's as the one before."""
    made = city((registered(EARLIER, name="Victim"), HOME))
    made.when(registered(LATER, name="Attacker", previous_employee_number=EARLIER), sender=OTHER)
    people = {one.profile.name: one for one in made.all(EMPLOYEES)}
    assert people["Victim"].numbers == [EARLIER]
    assert people["Attacker"].numbers == [LATER]
    assert [link.why for link in people["Attacker"].pending_links] == [
        "the agency of the person that has the other number, or an officer"
    ]


def test_the_home_renews_a_number_by_itself() -> None:
    made = city((registered(EARLIER), HOME))
    made.when(registered(LATER, previous_employee_number=EARLIER), sender=HOME)
    assert made.one(EMPLOYEES).numbers == [EARLIER, LATER]


def test_the_number_in_force_is_the_end_of_the_chain() -> None:
    made = city((registered(EARLIER), HOME), (registered(LATER, previous_employee_number=EARLIER), HOME))
    made.when(registered(EARLIER, name="Under the old number"), sender=HOME)
    profile = made.one(EMPLOYEES).profile
    assert (profile.name, profile.employee_number) == ("Under the old number", LATER)


def test_dates_of_birth_that_differ_are_an_officer_s_to_decide() -> None:
    made = city((registered(EARLIER), HOME))
    made.when(registered("198602022023211001", previous_employee_number=EARLIER), sender=HOME)
    assert len(made.all(EMPLOYEES)) == 2


VICTIM = "198501012010011009"


def test_a_number_that_was_claimed_ahead_is_nobody_s_prize() -> None:
    """A made-up person of the attacker's, and the victim's number as its next one; then the victim's agency comes."""
    made = city((registered(EARLIER, name="Made up"), OTHER), DISKOMINFO=HOME)
    made.when(registered(VICTIM, name="Attacker", previous_employee_number=EARLIER), sender=OTHER)
    made.when(registered(VICTIM, name="Victim"), sender=HOME)
    people = {tuple(one.numbers): one for one in made.all(EMPLOYEES)}
    assert set(people) == {(EARLIER,), (VICTIM,)}
    assert homes(people[VICTIM,]).disputed
    made.when(completed(VICTIM, organizer="DISKOMINFO"), sender=HOME)
    assert the(made).employee_id == people[VICTIM,].id


def test_what_was_reported_under_a_number_goes_along_when_it_leaves_a_record() -> None:
    """A PPPK renewed elsewhere, whose new agency came first: a resend made a second certificate."""
    made = city((registered(LATER, name="New", previous_employee_number=EARLIER), OTHER), DISKOMINFO=HOME)
    made.when(completed(EARLIER, organizer="DISKOMINFO"), sender=HOME)
    number = the(made).certificate
    assert number is not None
    made.when(registered(EARLIER, name="Old"), sender=HOME)
    people = {tuple(one.numbers): one for one in made.all(EMPLOYEES)}
    assert the(made).employee_id == people[EARLIER,].id
    assert made.when(completed(EARLIER, organizer="DISKOMINFO"), sender=HOME).verdict is Verdict.DUPLICATE
    corrected = completed(EARLIER, organizer="DISKOMINFO", title="Corrected", revision=2)
    assert made.when(corrected, sender=HOME).verdict is Verdict.CORRECTION
    assert the(made).certificate is not None
    assert the(made).certificate.number == number.number
    link = waiting_links(Person(people[LATER,]), people[LATER,])
    assert [(one.previous, one.number, one.agency) for one in link] == [(EARLIER, LATER, OTHER)]
    assert merged(made, EARLIER, LATER).verdict is Verdict.ACCEPTED
    assert made.when(completed(LATER, organizer="DISKOMINFO"), sender=HOME).verdict is not Verdict.ACCEPTED


def test_what_waited_for_a_number_that_was_claimed_ahead_goes_to_whose_it_is() -> None:
    made = city((registered(EARLIER, name="Made up"), OTHER), BKPSDM=BODY)
    made.when(registered(VICTIM, name="Attacker", previous_employee_number=EARLIER), sender=OTHER)
    made.when(completed(VICTIM, organizer="BKPSDM"), sender=BODY)
    made.when(registered(VICTIM, name="Victim"), sender=HOME)
    victim = next(one for one in made.all(EMPLOYEES) if one.numbers == [VICTIM])
    assert the(made).employee_id == victim.id
    again = made.when(completed(VICTIM, organizer="BKPSDM"), sender=BODY)
    assert again.verdict is Verdict.DUPLICATE


def test_a_number_that_was_claimed_as_an_earlier_one_is_not_swallowed() -> None:
    made = city()
    made.when(registered(LATER, name="Attacker", previous_employee_number=EARLIER), sender=OTHER)
    made.when(registered(EARLIER, name="Victim"), sender=HOME)
    assert sorted(one.numbers for one in made.all(EMPLOYEES)) == [[EARLIER], [LATER]]


def test_the_agency_that_linked_a_number_goes_on_with_it() -> None:
    made = city((registered(LATER, previous_employee_number=EARLIER), HOME))
    made.when(registered(EARLIER, name="By the earlier one"), sender=HOME)
    assert made.one(EMPLOYEES).numbers == [EARLIER, LATER]


# Whose person it is.


def confirmed(made: Given[Any], agency: str, opd: str | None = None) -> Any:
    employee = made.one(EMPLOYEES)
    command = ConfirmHome(employee_id=employee.id, agency=agency, officer="o", opd=opd, reason="SK 1")
    return made.when(command, sender="enrollment")


def test_a_second_agency_makes_a_dispute_which_an_officer_ends() -> None:
    made = city((registered(NIP, name="First"), OTHER), (registered(NIP, name="True"), HOME))
    assert homes(made.one(EMPLOYEES)).disputed
    assert confirmed(made, HOME).verdict is Verdict.ACCEPTED
    assert made.one(EMPLOYEES).profile.name == "True"
    assert not homes(made.one(EMPLOYEES)).disputed
    again = made.when(registered(NIP, name="First, later"), sender=OTHER)
    assert "this person is dinas-pu's" in again.reason


def test_a_snapshot_of_the_day_before_the_transfer_stands_after_it() -> None:
    made = city((registered(NIP, name="Old"), OTHER))
    confirmed(made, OTHER)
    made.when(registered(NIP, name="New"), sender=HOME)
    assert made.one(EMPLOYEES).profile.name == "Old"
    assert confirmed(made, HOME, opd=OTHER).verdict is Verdict.ACCEPTED
    assert made.one(EMPLOYEES).profile.name == "New"


def test_an_officer_of_the_agency_that_would_gain_decides_nothing() -> None:
    made = city((registered(NIP), OTHER), (registered(NIP), HOME))
    outcome = confirmed(made, HOME, opd=HOME)
    assert (outcome.verdict, outcome.answer) == (Verdict.REFUSED, {"problem": "not-your-agency"})
    assert made.one(EMPLOYEES).confirmations == []
    assert confirmed(made, OTHER, opd=HOME).answer == {"problem": "not-your-agency"}, "nor for the other one"


def test_who_reported_a_completion_while_it_was_the_home_stays_entitled() -> None:
    made = city((registered(NIP), OTHER), **{"LAN RI": None})
    confirmed(made, OTHER)
    made.when(completed(NIP, organizer="LAN RI", title="By the old home"), sender=OTHER)
    confirmed(made, HOME)
    assert effective_training(the(made)).title == "By the old home"
    late = made.when(completed(NIP, organizer="LAN RI", title="Too late"), sender=OTHER)
    assert late.verdict is Verdict.SUPERSEDED
    assert (
        made.when(completed(NIP, organizer="LAN RI", title="By the new"), sender=HOME).verdict
        is Verdict.CORRECTION
    )
    assert effective_training(the(made)).title == "By the new"


def test_what_the_new_home_reported_before_the_transfer_stands_after_it() -> None:
    made = city((registered(NIP), OTHER), **{"LAN RI": None})
    confirmed(made, OTHER)
    made.when(completed(NIP, organizer="LAN RI"), sender=HOME)
    assert the(made).effective == b""
    confirmed(made, HOME)
    assert the(made).grounds == "home"
    assert the(made).jp > 0


def test_each_of_those_who_dispute_a_person_is_told_so_each_time() -> None:
    made = city((registered(NIP, name="First"), OTHER))
    said = [made.when(registered(NIP, name="True"), sender=HOME) for _ in range(2)]
    said += [made.when(registered(NIP, name="First"), sender=OTHER)]
    assert [one.verdict for one in said] == [Verdict.SUPERSEDED, Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert all("registered this person too" in one.reason for one in said)


def test_who_let_a_person_go_is_told_that_no_revision_helps() -> None:
    made = city((registered(NIP), OTHER), **{"LAN RI": None})
    confirmed(made, OTHER)
    made.when(completed(NIP, organizer="LAN RI", title="Before", revision=2), sender=OTHER)
    confirmed(made, HOME, opd=OTHER)
    late = made.when(completed(NIP, organizer="LAN RI", title="After", revision=3), sender=OTHER)
    assert late.verdict is Verdict.SUPERSEDED
    assert "higher revision" not in late.reason


def test_no_agency_s_links_shut_out_another_s() -> None:
    made = city((registered(NIP, name="True"), HOME))
    for n in range(MAX_PENDING_LINKS + 2):
        made.when(registered(NIP, previous_employee_number=f"1985010120100110{n + 30}"), sender=OTHER)
    made.when(registered(EARLIER), sender=HOME)
    made.when(registered(NIP, previous_employee_number="198501012010012077"), sender=HOME)
    links = [one for person in made.all(EMPLOYEES) for one in person.pending_links]
    assert sum(one.agency == OTHER for one in links) <= MAX_PENDING_LINKS


def test_a_link_that_an_officer_decided_about_is_not_said_to_wait() -> None:
    made = renewed_elsewhere()
    merged(made, EARLIER, LATER, home=HOME)
    again = made.when(registered(LATER, name="New", previous_employee_number=EARLIER), sender=HOME)
    assert "waits" not in again.reason


def test_a_body_prints_a_name_that_was_wrong_anew_by_a_higher_revision() -> None:
    made = city((registered(NIP, name="Squatted"), OTHER), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    made.when(registered(NIP, name="True"), sender=HOME)
    confirmed(made, HOME)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    assert the(made).certificate.holder_name == "Squatted"  # type: ignore[union-attr]
    made.when(completed(NIP, organizer="BKPSDM", revision=1), sender=BODY)
    certificate = the(made).certificate
    assert certificate is not None
    assert (certificate.holder_name, certificate.revision) == ("True", 2)
    made.when(completed(NIP, organizer="BKPSDM", revision=2), sender=BODY)
    after = the(made).certificate
    assert after is not None
    assert replace(after, printed=certificate.printed) == certificate, "it is right by now"


def test_a_typing_error_is_taken_back_by_who_made_it() -> None:
    made = city((registered(NIP, name="Stranger"), OTHER))
    made.when(EmployeeReleased(employee_number=NIP, reason="mistake"), sender=OTHER)
    made.when(registered(NIP, name="True"), sender=HOME)
    assert not homes(made.one(EMPLOYEES)).disputed
    assert made.one(EMPLOYEES).profile.name == "True"


def test_moved_between_agencies_without_an_officer() -> None:
    made = city((registered(NIP, name="Old"), OTHER), (registered(NIP, name="New"), HOME))
    made.when(EmployeeReleased(employee_number=NIP, reason="moved"), sender=OTHER)
    whose = homes(made.one(EMPLOYEES))
    assert (whose.home, whose.disputed) == (HOME, False)
    assert made.one(EMPLOYEES).profile.name == "New"


def test_who_was_first_and_is_not_confirmed_ends_no_dispute_by_giving_the_person_to_a_third_one() -> None:
    made = city((registered(NIP, name="Squatted"), OTHER), (registered(NIP, name="True"), HOME))
    assert confirmed(made, BODY, opd=OTHER).verdict is Verdict.ACCEPTED
    whose = homes(made.one(EMPLOYEES))
    assert (whose.confirmed, whose.choices) == (False, [BODY, HOME])
    assert is_held(made.one(EMPLOYEES))


def test_whom_a_stranger_registered_and_gave_away_the_true_agency_disputes_all_the_same() -> None:
    made = city((registered(NIP, name="Squatted"), OTHER))
    confirmed(made, BODY, opd=OTHER)
    assert (homes(made.one(EMPLOYEES)).home, homes(made.one(EMPLOYEES)).confirmed) == (BODY, False)
    made.when(registered(NIP, name="True"), sender=HOME)
    assert homes(made.one(EMPLOYEES)).choices == [BODY, HOME]


def test_who_gave_a_person_away_makes_no_dispute_by_the_snapshots_that_go_on() -> None:
    made = city((registered(NIP), OTHER), (registered(NIP), HOME))
    confirmed(made, HOME, opd=OTHER)
    made.when(registered(NIP, name="Of the night"), sender=OTHER)
    whose = homes(made.one(EMPLOYEES))
    assert (whose.home, whose.disputed) == (HOME, False)


def test_a_claim_beside_a_confirmed_home_takes_nobody_over_when_that_lets_go() -> None:
    made = city((registered(NIP), HOME))
    confirmed(made, HOME)
    made.when(registered(NIP, name="Silent"), sender=OTHER)
    made.when(EmployeeReleased(employee_number=NIP, reason="moved"), sender=HOME)
    assert homes(made.one(EMPLOYEES)).home is None
    assert is_held(made.one(EMPLOYEES))
    made.when(registered(NIP, name="Said again"), sender=OTHER)
    assert homes(made.one(EMPLOYEES)).home == OTHER


@pytest.mark.parametrize("reason", ["retired", "died"])
def test_who_has_left_is_nobody_s_until_somebody_decides(reason: str) -> None:
    made = city((registered(NIP), HOME))
    confirmed(made, HOME)
    made.when(registered(NIP, name="Silent"), sender=OTHER)
    released = EmployeeReleased.model_validate({"employee_number": NIP, "reason": reason})
    made.when(released, sender=HOME)
    assert has_left(made.one(EMPLOYEES))
    made.when(registered(NIP, name="Said again"), sender=OTHER)
    assert (homes(made.one(EMPLOYEES)).home, homes(made.one(EMPLOYEES)).choices) == (None, [OTHER])
    assert is_held(made.one(EMPLOYEES))
    confirmed(made, OTHER)
    assert homes(made.one(EMPLOYEES)).home == OTHER


def test_a_contest_of_who_was_decided_against_counts_no_more() -> None:
    made = city((registered(NIP), OTHER), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    assert contested(made, OTHER).answer["counts"] is False
    made.when(registered(NIP), sender=HOME)
    confirmed(made, HOME)
    assert the(made).jp > 0
    assert made.all(CONTESTED) == []


# Two records of one person.


def merged(
    made: Given[Any], previous: str, number: str, home: str | None = None, opd: str | None = None
) -> Any:
    ids = {number: one.id for one in made.all(EMPLOYEES) for number in one.own_numbers or one.numbers}
    command = MergeEmployees(
        employee_id=ids[number], into=ids[previous], home=home, officer="o", opd=opd, reason="SK 2"
    )
    return made.when(command, sender="enrollment")


def renewed_elsewhere() -> Given[Any]:
    """A PPPK whose new contract is with another agency; one training was reported under both numbers."""
    made = city((registered(EARLIER, name="Old"), OTHER), DISKOMINFO=OTHER, BKPSDM=BODY)
    made.when(completed(EARLIER, organizer="DISKOMINFO", code="A"), sender=OTHER)
    made.when(completed(EARLIER, organizer="BKPSDM", code="B"), sender=BODY)
    made.when(registered(LATER, name="New", previous_employee_number=EARLIER), sender=HOME)
    made.when(completed(LATER, organizer="BKPSDM", code="B", score=None), sender=BODY)
    made.when(completed(LATER, organizer="BKPSDM", code="C"), sender=BODY)
    return made


def counted(made: Given[Any]) -> dict[str, tuple[str, bool, bool]]:
    """By code and number: whose it is, whether it counts, whether its certificate is good."""
    names = {one.id: one.profile.name for one in made.all(EMPLOYEES)}
    return {
        counted_as(one): (
            names[one.employee_id],
            bool(one.learning_year),
            one.certificate is not None and not one.certificate.revoked,
        )
        for one in made.all(COMPLETIONS)
    }


def test_a_number_renewed_at_another_agency_is_merged_and_parted_again() -> None:
    made = renewed_elsewhere()
    before, certificates = counted(made), [one.certificate for one in made.all(COMPLETIONS)]
    assert merged(made, EARLIER, LATER, home=HOME, opd=OTHER).verdict is Verdict.ACCEPTED
    main, joined = sorted(made.all(EMPLOYEES), key=lambda one: one.merged_into)
    assert (main.numbers, main.profile.name) == ([EARLIER, LATER], "New")
    assert homes(Person(main, (joined,)).whole).home == HOME
    assert counted(made) == {
        "A 2010": ("New", True, True),
        "B 2010": ("New", True, True),
        "B 2023": ("New", False, True),
        "C 2023": ("New", True, True),
    }
    assert [one.certificate for one in made.all(COMPLETIONS)] == certificates
    # A resend finds its completion, whichever number it names.
    assert made.when(completed(LATER, organizer="BKPSDM", code="C"), sender=BODY).verdict is Verdict.DUPLICATE
    assert len(made.all(COMPLETIONS)) == 4
    # The new home speaks for the person from then on.
    made.when(registered(LATER, name="New, M.Si."), sender=HOME)
    assert next(one for one in made.all(EMPLOYEES) if not one.merged_into).profile.name == "New, M.Si."
    part = SeparateEmployees(
        employee_id=next(one.id for one in made.all(EMPLOYEES) if one.merged_into),
        officer="o",
        opd=None,
        reason="x",
    )
    assert made.when(part, sender="enrollment").verdict is Verdict.ACCEPTED
    assert [one.merged_into for one in made.all(EMPLOYEES)] == ["", ""]
    assert {key: one[1:] for key, one in counted(made).items()} == {
        key: one[1:] for key, one in before.items()
    }
    assert sorted(one.numbers for one in made.all(EMPLOYEES)) == [[EARLIER], [LATER]]


def test_only_who_lets_the_person_go_merges() -> None:
    made = renewed_elsewhere()
    assert merged(made, EARLIER, LATER, home=HOME, opd=HOME).answer == {"problem": "not-your-agency"}
    assert merged(made, EARLIER, LATER, home=HOME).verdict is Verdict.ACCEPTED
    assert "is as before" in merged(made, EARLIER, LATER, home=HOME).reason


def test_the_twin_counts_again_when_the_other_is_revoked() -> None:
    made = renewed_elsewhere()
    merged(made, EARLIER, LATER, home=HOME)
    first = next(one for one in made.all(COMPLETIONS) if counted_as(one) == "B 2010")
    made.when(revoke(completion_id=first.id, employee_id=first.employee_id, opd=None), sender="enrollment")
    assert counted(made)["B 2010"][1:] == (False, False)
    assert counted(made)["B 2023"][1:] == (True, True)


def test_the_certificate_of_a_twin_can_be_revoked() -> None:
    made = renewed_elsewhere()
    merged(made, EARLIER, LATER, home=HOME)
    twin = next(one for one in made.all(COMPLETIONS) if one.twin_of)
    made.when(revoke(completion_id=twin.id, employee_id=twin.employee_id, opd=None), sender="enrollment")
    assert "CertificateRevoked" in made.kinds()
    assert counted(made)["B 2010"][1:] == (True, True)
    assert counted(made)["B 2023"][1:] == (False, False)


def counted_as(one: Completion) -> str:
    return f"{effective_training(one).code} {one.contents[0].number[8:12]}"


def recorded(made: Given[Any]) -> EmployeeRecorded:
    """What the last decision told of the person."""
    (fact,) = (one for one in made.facts if isinstance(one, EmployeeRecorded))
    return fact


def test_whom_two_agencies_claim_is_held_until_somebody_decided() -> None:
    made = city((registered(NIP), HOME))
    assert not recorded(made).held
    made.when(registered(NIP, name="Other"), sender=OTHER)
    assert recorded(made).held
    person = made.one(EMPLOYEES)
    word = Confirmation(HOME, Arrival(made.now, "zzz", 0, 0), "c", "officer", None, "")
    made.stored[EMPLOYEES, person.id] = replace(person, confirmations=[word])
    made.when(registered(NIP, name="Renamed"), sender=HOME)
    assert not recorded(made).held


def test_nobody_is_held_while_senders_are_not_judged() -> None:
    """There is nobody who could decide, and the newest word stands whoever says it."""
    made = Given(ENROLLMENT, registered(NIP))
    made.when(registered(NIP, name="Other"), sender=OTHER)
    assert not recorded(made).held


def test_each_change_of_an_address_has_a_moment_of_its_own() -> None:
    """The log gives all records of a batch one time, and a topic that lags an earlier one."""
    made, moments = city(), []
    made.when(registered(NIP, email="a@example.org"), sender=HOME, time=NINE - 9 * HOUR)
    assert recorded(made).addressed_at is None
    for ago, email in ((3, "b@example.org"), (2, "a@example.org"), (1, "b@example.org")):
        made.when(registered(NIP, email=email), sender=HOME, time=NINE - ago * HOUR, after_s=0)
        moments.append(recorded(made).addressed_at)
    assert moments == [made.now, made.now + MS, made.now + 2 * MS]
    made.when(registered(NIP, email="c@example.org"), sender=HOME, time=NINE, after_s=-0.5)
    assert recorded(made).addressed_at == moments[-1] + MS


@pytest.mark.parametrize(
    ("body", "sender", "note"),
    [
        ({"LAN": None}, HOME, "LAN bukan lembaga kota."),
        ({"LAN": BODY}, HOME, "hanya bkpsdm yang menerbitkan untuk LAN."),
        ({"LAN": BODY}, BODY, None),
    ],
)
def test_a_record_says_why_a_completion_has_no_certificate_of_ours(
    body: dict[str, str | None], sender: str, note: str | None
) -> None:
    made = city((registered(NIP), HOME), **body)
    made.when(completed(NIP, organizer="LAN"), sender=sender)
    view = completion_view(the(made), looked(made), made.service.terms)
    assert view.certified == (note is None)
    assert view.note == (note and f"Tercatat, tanpa sertifikat dari kami: {note}")


def test_what_nobody_may_say_is_noted_for_officers_and_operators() -> None:
    made = city((registered(NIP), HOME), LAN=BODY)
    made.when(completed(NIP, organizer="LAN"), sender=OTHER)
    said = note_of(the(made), looked(made))
    assert said is not None
    assert said.people.startswith(
        "Tidak berlaku: dinas-x bukan instansi pegawai ini dan tidak menerbitkan untuk LAN"
    )
    assert said.operators.startswith("kept, does not stand: dinas-x is not this person's agency")


def test_a_completion_of_nobody_known_says_that_the_registration_itself_may_wait() -> None:
    made = city(DISKOMINFO=HOME)
    with pytest.raises(Waiting, match="claims more people than its headcount allows"):
        made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME)


def test_who_has_no_certificate_of_ours_is_told_why_and_what_is_known() -> None:
    made = city((registered(NIP), HOME), LAN=None)
    abroad = completed(NIP, organizer="LAN").model_copy(
        update={"external_certificate": ExternalCertificate(issuer="LAN RI", certificate_number="12/LAN")}
    )
    made.when(abroad, sender=HOME)
    (told,) = [one for one in made.facts if isinstance(one, CompletionUncertified)]
    assert (told.why, told.organizer_code, told.issuing) == ("outside", "LAN", None)
    assert (told.external_issuer, told.external_certificate, told.jp) == ("LAN RI", "12/LAN", the(made).jp)
    assert told.certificate_id == made.service.terms.ids.certificate(the(made).id)
    made.when(abroad, sender=HOME)
    assert made.kinds() == []
    made.when(completed(NIP, organizer="LAN", revision=1), sender=HOME)
    (again,) = [one for one in made.facts if isinstance(one, CompletionUncertified)]
    assert (again.certificate_id, again.external_certificate) == (told.certificate_id, None), "of one letter"


def test_what_stood_before_senders_were_judged_tells_nobody_anything() -> None:
    made = Given(ENROLLMENT, registered(NIP))
    made.when(completed(NIP, organizer="LAN"), sender=HOME)
    assert "CompletionUncertified" not in made.kinds()


def test_what_its_reporter_only_claims_says_so() -> None:
    made = city((registered(NIP), HOME), (registered(NIP), OTHER), LAN=BODY)
    made.when(completed(NIP, organizer="LAN"), sender=OTHER)
    said = note_of(the(made), looked(made))
    assert said is not None
    assert "belum dipastikan bahwa pelapornya instansi pegawai ini" in said.people
    assert "nobody has confirmed" in said.operators


def test_a_body_of_which_nobody_knows_who_issues_is_named() -> None:
    made = city((registered(NIP), HOME), LAN=None)
    made.when(completed(NIP, organizer="LAN"), sender=HOME)
    said = note_of(the(made), looked(made)._replace(bodies={}))
    assert said is not None
    assert said.people.endswith("belum dipastikan siapa yang menerbitkan untuk LAN.")


# What reaches back: distrust and succession.


def register_with(made: Given[Any], **changes: Any) -> None:
    """As if the register said so by now; and the sweep has passed."""
    known = made.stored[REGISTERS, REGISTER]
    assert isinstance(known, Register)
    made.stored[REGISTERS, REGISTER] = replace(known, generation=known.generation + 1, **changes)
    people = RefoldPeople(generation=known.generation + 1, found=tuple(one.id for one in made.all(EMPLOYEES)))
    made.when(people, sender="enrollment")


def test_a_reason_names_the_agency_that_issues_for_a_body_by_now() -> None:
    made = city((registered(NIP), HOME), LAN=BODY)
    made.when(completed(NIP, organizer="LAN"), sender=HOME)
    register_with(made, successions=[Succession("s", BODY, "bkpsdm-2", 2)])
    said = note_of(the(made), looked(made))
    assert said is not None
    assert said.people.endswith("hanya bkpsdm-2 yang menerbitkan untuk LAN.")
    made.when(completed(NIP, organizer="LAN", code="NEW"), sender=HOME)
    (told,) = [one for one in made.facts if isinstance(one, CompletionUncertified)]
    assert told.issuing == "bkpsdm-2"
    made.when(completed(NIP, organizer="LAN", code="NEW"), sender=BODY)
    assert "CertificateIssued" in made.kinds(), "what the old one still sends is the heir's"


def distrusted(made: Given[Any], agency: str, since: datetime, until: datetime | None = None) -> Distrust:
    return Distrust("d", agency, since, until, 2)


def as_known(made: Given[Any]) -> Employee:
    """The one person, by the register of now."""
    register = made.stored[REGISTERS, REGISTER]
    assert isinstance(register, Register)
    return Person(made.one(EMPLOYEES), trust=trust_of(register)).whole


def test_a_day_of_a_compromised_agency_counts_for_nothing_and_again_when_it_is_restored() -> None:
    made = city((registered(NIP, name="True", email="true@example.org"), HOME), DISKOMINFO=HOME)
    made.when(completed(NIP, organizer="DISKOMINFO", title="True"), sender=HOME)
    leaked = made.now + timedelta(milliseconds=1)
    made.when(registered(NIP, name="False", email="false@example.org"), sender=HOME)
    made.when(completed(NIP, organizer="DISKOMINFO", title="False", revision=1), sender=HOME)
    made.when(completed(NIP, organizer="DISKOMINFO", title="Made up", code="NEW"), sender=HOME)
    said = distrusted(made, HOME, leaked, made.now + timedelta(seconds=1))
    register_with(made, distrusts=[said])
    by_title = {effective_training(one).title: one for one in made.all(COMPLETIONS)}
    assert by_title["True"].learning_year
    assert by_title["Made up"].certificate is not None
    assert (by_title["Made up"].certificate.revoked, by_title["Made up"].jp) == (True, 0)
    register_with(made, distrusts=[replace(said, lifted=True, generation=3)])
    by_title = {effective_training(one).title: one for one in made.all(COMPLETIONS)}
    assert by_title["False"].learning_year
    assert by_title["Made up"].jp > 0


def test_what_an_agency_said_before_a_leak_on_the_same_day_stands_again() -> None:
    made = city((registered(NIP, name="True", email="true@example.org"), HOME), DISKOMINFO=HOME)
    leaked = made.now + MS
    made.when(registered(NIP, name="False", email="false@example.org"), sender=HOME)
    assert made.one(EMPLOYEES).profile.name == "False"
    register_with(made, distrusts=[distrusted(made, HOME, leaked)])
    made.when(registered(NIP, name="Still false"), sender=HOME)
    assert made.one(EMPLOYEES).profile.name == "True"
    assert not is_held(as_known(made))


def test_no_mail_goes_where_nobody_who_is_trusted_has_said_it_goes() -> None:
    made = city((registered(NIP, name="Old"), HOME))
    leaked = made.now + MS
    for day in range(MAX_DAYS + 1):
        made.when(registered(NIP, name=f"False {day}"), sender=HOME, after_s=86_400)
    register_with(made, distrusts=[distrusted(made, HOME, leaked)])
    assert (homes(as_known(made)).home, is_held(as_known(made))) == (HOME, True)


def test_the_old_system_of_an_agency_that_is_no_more_changes_nothing_once_its_successor_has_spoken() -> None:
    made = city((registered(NIP, name="Old", email="old@example.org"), OTHER))
    register_with(made, successions=[Succession("s", OTHER, HOME, 2)])
    made.when(registered(NIP, name="By the successor", email="new@example.org"), sender=HOME)
    for n in range(3):
        made.when(registered(NIP, name=f"Old {n}", email="old@example.org"), sender=OTHER)
        assert made.one(EMPLOYEES).profile.name == "By the successor"
        assert not any(isinstance(one, EmployeeRecorded) for one in made.facts)


def test_what_was_sent_while_nobody_trusted_its_agency_says_so_and_counts_once_it_is_sent_again() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    leaked = made.now + MS
    made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME)
    number = the(made).certificate.number  # type: ignore[union-attr]
    closed = made.now + MS
    register_with(made, distrusts=[distrusted(made, HOME, leaked, closed)])
    assert (the(made).jp, the(made).jp_rule) == (0, "without-ground")
    told = note_of(the(made), looked(made))
    assert told is not None
    assert told.operators.startswith(
        f"kept, does not stand: {HOME} is distrusted from 2026-03-05 09:00 WIB to "
    )
    assert told.people.startswith(
        f"Tidak berlaku: laporan {HOME} yang diterima dari 5 Maret 2026 pukul 09.00 WIB sampai "
    )

    at_once = made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME, after_s=-1.5)
    assert at_once.verdict is Verdict.DUPLICATE
    assert f"{HOME} is distrusted from" in at_once.reason
    assert the(made).jp == 0
    again = made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME, after_s=300)
    assert again.verdict is Verdict.ACCEPTED
    assert the(made).jp > 0
    assert the(made).certificate.number == number  # type: ignore[union-attr]
    assert note_of(the(made), looked(made)) is None


def test_a_distrust_without_an_end_says_what_ends_it() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    register_with(made, distrusts=[distrusted(made, HOME, made.now)])
    outcome = made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME)
    assert outcome.verdict is Verdict.SUPERSEDED
    assert f"{HOME} is distrusted from 2026-03-05 09:00 WIB on" in outcome.reason
    assert "until that is taken back" in outcome.reason


def test_of_a_flood_of_copies_one_a_minute_is_noted_the_same_one_in_any_order() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME)
    (first,) = the(made).contents
    seconds = (0, 20, 70, 90, 130, 150, 170)
    copies = [replace(first, arrival=Arrival(NINE + timedelta(seconds=n), "t", 0, n)) for n in seconds]
    for order in permutations(copies, 4):
        kept = replace(the(made), contents=[])
        for one in order:
            kept = with_content(kept, one)
        assert kept == with_content(kept, order[0])
        (content,) = kept.contents
        times = sorted(one.arrival.at for one in order if one.arrival)
        latest = max(at.replace(second=0) for at in times)
        expected = next(at for at in times if at.replace(second=0) == latest)
        noted = None if content.again is None else content.again.at
        assert noted == (None if latest == times[0].replace(second=0) else expected)


def test_a_distrusted_claim_is_none() -> None:
    made = city((registered(NIP, name="Squatter"), OTHER), (registered(NIP, name="True"), HOME))
    assert recorded(made).held
    register_with(made, distrusts=[distrusted(made, OTHER, NINE)])
    assert (recorded(made).held, made.one(EMPLOYEES).profile.name) == (False, "True")


def test_an_agency_that_took_another_s_place_speaks_for_its_people_and_bodies() -> None:
    made = city((registered(NIP, name="Old"), HOME), DISKOMINFO=HOME)
    made.when(completed(NIP, organizer="DISKOMINFO", title="By the old"), sender=HOME)
    version = made.one(EMPLOYEES).version
    register_with(made, successions=[Succession("s", HOME, "dinas-baru", 2)])
    assert made.kinds() == []
    assert made.one(EMPLOYEES).version == version
    made.when(registered(NIP, name="New"), sender="dinas-baru")
    assert made.one(EMPLOYEES).profile.name == "New"
    assert not recorded(made).held
    corrected = made.when(completed(NIP, organizer="DISKOMINFO", title="By the new"), sender="dinas-baru")
    assert corrected.verdict is Verdict.CORRECTION
    assert len(made.all(COMPLETIONS)) == 1


# What another body reports of an agency's person.


def contested(made: Given[Any], opd: str | None, id: str = "contest") -> Any:
    one = the(made)
    command = ContestCompletion(
        completion_id=one.id, employee_id=one.employee_id, reason="not ours", officer="o", opd=opd
    )
    return made.when(command, sender="enrollment", id=id)


def test_the_home_contests_and_it_counts_for_nothing_until_it_is_decided() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    assert contested(made, BODY, "theirs").answer == {"problem": "not-your-agency"}
    assert the(made).jp > 0
    assert made.all(CONTESTED) == []
    assert contested(made, HOME).answer["counts"] is False
    assert made.kinds() == ["CompletionRecorded", "JpCredited"]
    one = the(made)
    assert one.certificate is not None
    assert (one.jp, one.certificate.revoked, one.jp_rule) == (0, False, "contested")
    decided = DecideContest(
        completion_id=one.id, employee_id=one.employee_id, contest_id="contest", upheld=False, reason="it was",
        officer="o", opd=None,
    )  # fmt: skip
    refused = made.when(decided.model_copy(update={"opd": HOME}), sender="enrollment", id="d1")
    assert refused.answer == {"problem": "not-your-agency"}
    assert made.when(decided, sender="enrollment", id="d2").answer["counts"] is True
    assert the(made).jp > 0


def decides(made: Given[Any], contest_id: str, upheld: bool, id: str) -> Any:
    one = the(made)
    command = DecideContest(
        completion_id=one.id, employee_id=one.employee_id, contest_id=contest_id, upheld=upheld, reason="looked",
        officer="o", opd=None,
    )  # fmt: skip
    return made.when(command, sender="enrollment", id=id)


@pytest.mark.parametrize("upheld", [True, False])
def test_a_contested_completion_is_listed_until_each_contest_is_decided(upheld: bool) -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    assert made.all(CONTESTED) == []
    contested(made, HOME)
    contested(made, HOME)
    made.when(
        ContestCompletion(
            completion_id=the(made).id,
            employee_id=the(made).employee_id,
            reason="nor mine",
            officer="p",
            opd=None,
        ),
        sender="enrollment",
        id="second",
    )
    assert [one.id for one in made.all(CONTESTED)] == [the(made).id]
    decides(made, "contest", upheld, "d1")
    assert len(made.all(CONTESTED)) == 1, "the second one waits"
    decides(made, "second", upheld, "d2")
    assert made.all(CONTESTED) == []


def test_a_contest_that_was_decided_before_it_came_is_not_listed() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    decides(made, "contest", False, "d1")
    assert contested(made, HOME).answer["counts"] is True
    assert made.all(CONTESTED) == []


def test_what_the_home_itself_reported_is_corrected_not_contested() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    answered = contested(made, HOME)
    assert answered.answer["counts"] is True
    assert "reported it too" in answered.reason
    assert made.all(CONTESTED) == []


def test_a_contest_ends_once_the_home_itself_reports_the_same() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    contested(made, HOME)
    assert len(made.all(CONTESTED)) == 1
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    assert the(made).jp > 0
    assert made.all(CONTESTED) == []


def test_what_was_upheld_is_not_undone_by_a_report() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    contested(made, HOME)
    decides(made, "contest", True, "d1")
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    assert (the(made).jp, the(made).jp_rule) == (0, "contested")


def test_a_contest_waits_for_its_completion_and_for_whose_person_it_is() -> None:
    ahead, other = city((registered(NIP), HOME), BKPSDM=BODY), city((registered(NIP), HOME), BKPSDM=BODY)
    ahead.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    contest = ContestCompletion(
        completion_id=the(ahead).id,
        employee_id=the(ahead).employee_id,
        reason="not ours",
        officer="o",
        opd=HOME,
    )
    other.when(contest, sender="enrollment", id="contest")
    other.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    assert (the(other).jp, the(other).jp_rule) == (0, "contested")
    assert len(other.all(CONTESTED)) == 1


def test_no_agency_s_contests_shut_out_another_s() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    for n in range(MAX_CONTESTS + 1):
        answered = contested(made, OTHER, f"contest-{n}")
    assert answered.answer == {"problem": "refused"}
    assert len(the(made).contests) == MAX_CONTESTS
    assert contested(made, HOME).answer["counts"] is False


def test_e_learning_reported_in_mass_takes_no_hours_from_what_the_home_reported() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME, BKPSDM=BODY)
    days = {"form": "e_learning", "start_date": "2026-02-02", "end_date": "2026-02-02", "programme_jp": 3}
    early = {"form": "e_learning", "start_date": "2026-01-02", "end_date": "2026-02-02", "programme_jp": 96}
    made.when(
        completed(NIP, organizer="DISKOMINFO", code="TRUE", completed_on="2026-02-03", **days), sender=HOME
    )
    made.when(
        completed(NIP, organizer="BKPSDM", code="MASS", completed_on="2026-02-02", **early), sender=BODY
    )
    hours = {effective_training(one).code: one.jp for one in made.all(COMPLETIONS)}
    assert hours["TRUE"] == 3
    assert hours["MASS"] == 93


# How many people an agency may claim.


def test_who_claims_more_people_than_it_has_waits_for_the_operator() -> None:
    made = city()
    made.when(AddAgency(code=OTHER, name="X", headcount=10, operator="o"), sender="enrollment")
    numbers = [f"19850101201001{1 + n % 2}{n:03d}" for n in range(12)]
    for number in numbers[:11]:
        made.when(registered(number), sender=OTHER)
    with pytest.raises(Waiting, match="claims more than a tenth beyond") as waits:
        made.when(registered(numbers[11]), sender=OTHER)
    assert waits.value.lacks == "headcount/dinas-x"
    made.when(registered(numbers[0], name="Changed"), sender=OTHER)
    made.when(EmployeeReleased(employee_number=numbers[0], reason="retired"), sender=OTHER)
    with pytest.raises(Waiting, match="claims more than a tenth beyond"):
        made.when(registered(numbers[11]), sender=OTHER)
    day = 86_400
    made.when(EmployeeReleased(employee_number=numbers[1], reason="retired"), sender=OTHER, after_s=day)
    made.when(registered(numbers[11]), sender=OTHER)


def test_whom_somebody_decided_against_no_longer_counts_as_the_agency_s() -> None:
    made = city((registered(NIP), OTHER), (registered(NIP), HOME))
    counts = {one.id: one.people for one in made.all(HEADCOUNTS)}
    confirmed(made, HOME)
    after = {one.id: one.people for one in made.all(HEADCOUNTS)}
    assert (after[OTHER], after[HOME]) == (counts[OTHER] - 1, counts[HOME])


def test_claiming_others_people_counts_too() -> None:
    made = city()
    made.when(AddAgency(code=OTHER, name="X", headcount=1, operator="o"), sender="enrollment")
    for n in range(2):
        made.when(registered(f"19850101201001100{n}"), sender=HOME)
    made.when(registered("198501012010011000"), sender=OTHER)
    with pytest.raises(Waiting):
        made.when(registered("198501012010011001"), sender=OTHER)
    raised = ChangeAgency(code=OTHER, headcount=5, operator="o", reason="counted")
    assert made.when(raised, sender="enrollment").unblocks == ["headcount/dinas-x"]
    made.when(registered("198501012010011001"), sender=OTHER)


def test_homes_that_are_adopted_at_once_give_each_certificate_a_number_of_its_own() -> None:
    """Each person's were numbered as if they were the only ones of the command: all got the same next number."""
    made = city()
    add_body(made, "BKPSDM", BodySaid(code="BKPSDM", used_by=[]))
    people = (NIP, OTHER_NIP)
    for number in people:
        made.when(registered(number), sender=HOME)
    for one in made.all(EMPLOYEES):  # as a version from before homes were noted wrote it
        made.stored[EMPLOYEES, one.id] = replace(one, claims=[], snapshots=[], home_known=False)
    for number in people:
        made.when(completed(number, organizer="BKPSDM"), sender=HOME)
    assert [one.certificate for one in made.all(COMPLETIONS)] == [None, None]
    first = [
        EarliestHome(employee_id=one.id, agency=HOME, arrived=NINE, topic="topic", partition=0, offset=n)
        for n, one in enumerate(made.all(EMPLOYEES))
    ]
    made.when(AdoptHomes(homes=tuple(first)))
    assert sorted(one.certificate.ordinal for one in made.all(COMPLETIONS) if one.certificate) == [1, 2]
    assert made.one(SEQUENCES).last == 2


def test_a_snapshot_from_before_sources_were_told_apart_is_a_copy_when_it_comes_again() -> None:
    """Decided again in a replay, each was accepted a second time."""
    made = city((registered(NIP), HOME))
    person = made.one(EMPLOYEES)
    made.stored[EMPLOYEES, person.id] = replace(person, claims=[], snapshots=[], home_known=False)
    assert made.when(registered(NIP), sender=HOME).verdict is Verdict.DUPLICATE
    assert [one.source for one in made.one(EMPLOYEES).snapshots] == ["", HOME]


MASTER = "bkd"


def with_master(*history: Any, **bodies: str | None) -> Given[Any]:
    made = city(**bodies)
    for code in (HOME, OTHER):
        made.when(AddAgency(code=code, name=code, operator="op"), sender="operator")
    made.when(AddAgency(code=MASTER, name="BKD", master=True, operator="op"), sender="operator")
    for payload, sender in history:
        made.when(payload, sender=sender)
    return made


def test_the_master_source_alone_gives_homes_and_says_names_and_ranks() -> None:
    made = with_master((registered(NIP, name="Typo", email="a@b.example"), HOME), (registered(NIP), OTHER))
    assert homes(made.one(EMPLOYEES)).disputed
    made.when(registered(NIP, name="True Name", email=None, home=HOME), sender=MASTER)
    employee = made.one(EMPLOYEES)
    assert (homes(employee).home, homes(employee).disputed, employee.open) == (HOME, False, [])
    assert (employee.profile.name, employee.profile.email) == ("True Name", "a@b.example")
    made.when(registered(NIP, name="True Name", email=None, home=OTHER), sender=MASTER)
    assert homes(made.one(EMPLOYEES)).home == OTHER


def test_where_the_master_source_knows_a_person_nobody_else_moves_it() -> None:
    made = with_master((registered(NIP), HOME), (registered(NIP, home=HOME), MASTER))
    made.when(registered(NIP, home=OTHER), sender=OTHER)
    made.when(EmployeeReleased(employee_number=NIP, reason="moved"), sender=HOME)
    id = made.one(EMPLOYEES).id
    order = ConfirmHome(employee_id=id, agency=OTHER, officer="o", opd=None, reason="moved here")
    refused = made.when(order, sender="officer")
    assert refused.verdict is Verdict.REFUSED
    assert "bkd says whose person this is" in refused.reason
    assert homes(made.one(EMPLOYEES)).home == HOME


def test_it_has_no_word_on_completions() -> None:
    made = with_master((registered(NIP, home=HOME), MASTER), PUSDIK=BODY)
    outcome = made.when(completed(NIP, organizer="PUSDIK"), sender=MASTER)
    assert outcome.verdict is Verdict.SUPERSEDED
    assert the(made).effective == b""


def test_who_left_by_its_word_gets_no_mail_any_more() -> None:
    made = with_master((registered(NIP), HOME), (registered(NIP, home=HOME), MASTER))
    made.when(EmployeeReleased(employee_number=NIP, reason="retired"), sender=MASTER)
    (told,) = [one for one in made.facts if isinstance(one, EmployeeRecorded)]
    assert (homes(made.one(EMPLOYEES)).home, told.email, told.held) == (None, None, False)


def test_a_home_that_is_no_agency_is_said_so() -> None:
    made = with_master()
    with pytest.raises(Rejected, match="dinas-zz, which is no agency of the register"):
        made.when(registered(NIP, home="dinas-zz"), sender=MASTER)


def test_a_master_source_that_moves_many_waits_for_the_operator() -> None:
    numbers = [f"19850101201001{1000 + n}" for n in range(12)]
    made = with_master()
    for number in numbers:
        made.when(registered(number, home=HOME), sender=MASTER)
    for number in numbers[:10]:
        made.when(registered(number, home=OTHER), sender=MASTER)
    with pytest.raises(Waiting, match="bkd gave 10 people another home within an hour"):
        made.when(registered(numbers[10], home=OTHER), sender=MASTER)
    made.when(
        ChangeAgency(code=MASTER, moves_per_hour=100, operator="op", reason="checked"), sender="operator"
    )
    made.when(registered(numbers[10], home=OTHER), sender=MASTER)


def moving_too_many(made: Given[Any]) -> str:
    """Number of a person whose move waits, as ten people moved within the hour."""
    *moved, held = [f"19850101201001{1000 + n}" for n in range(11)]
    for number in (*moved, held):
        made.when(registered(number, home=HOME), sender=MASTER)
    for number in moved:
        made.when(registered(number, home=OTHER), sender=MASTER)
    with pytest.raises(Waiting):
        made.when(registered(held, home=OTHER), sender=MASTER)
    return held


def decided_again(made: Given[Any], payload: Any, arrived: datetime) -> Any:
    """What waited since then, looked at now."""
    now, made.now = made.now, arrived - timedelta(seconds=1)
    try:
        return made.when(payload, sender=MASTER)
    finally:
        made.now = now


def home_of(made: Given[Any], number: str) -> str | None:
    return next(homes(one).home for one in made.all(EMPLOYEES) if number in one.numbers)


def test_a_move_that_waits_is_not_let_through_by_a_distrust_that_is_taken_back() -> None:
    made = with_master()
    held = moving_too_many(made)
    arrived = made.now
    order = DistrustAgency(
        code=MASTER, since=arrived - timedelta(seconds=1), until=None, operator="op", reason="?"
    )
    said = str(made.when(order, sender="operator", id="d-1").answer["decision"])
    with pytest.raises(Waiting, match="no more is done unseen"):
        decided_again(made, registered(held, home=OTHER), arrived)
    made.when(TrustAgency(code=MASTER, distrust=said, operator="op", reason="fine"), sender="operator")
    with pytest.raises(Waiting, match="no more is done unseen"):
        decided_again(made, registered(held, home=OTHER), arrived)
    assert home_of(made, held) == HOME
    raised = ChangeAgency(code=MASTER, moves_per_hour=11, operator="op", reason="checked")
    made.when(raised, sender="operator")
    decided_again(made, registered(held, home=OTHER), arrived)
    assert home_of(made, held) == OTHER


def test_a_move_that_waits_takes_no_later_hour_s_place() -> None:
    made = with_master()
    held = moving_too_many(made)
    arrived = made.now
    other = "198501012010012000"
    made.when(registered(other, home=HOME), sender=MASTER, after_s=3600)
    made.when(registered(other, home=OTHER), sender=MASTER)
    assert home_of(made, other) == OTHER
    with pytest.raises(Waiting, match="no more is done unseen"):
        decided_again(made, registered(held, home=OTHER), arrived)
    made.when(
        ChangeAgency(code=MASTER, moves_per_hour=11, operator="op", reason="checked"), sender="operator"
    )
    decided_again(made, registered(held, home=OTHER), arrived)
    assert home_of(made, held) == OTHER
    assert (made.all(HEADCOUNTS)[-1].moves, made.all(HEADCOUNTS)[-1].full[0].moves) == (1, 11)


def test_a_person_ends_a_dispute_about_itself_and_does_nothing_else() -> None:
    made = city((registered(NIP), HOME))
    id = made.one(EMPLOYEES).id
    own = ConfirmHome(employee_id=id, agency=OTHER, officer="", opd=None, own=True, reason="it is mine")
    assert made.when(own, sender="person").verdict is Verdict.REFUSED
    made.when(registered(NIP), sender=OTHER)
    assert homes(made.one(EMPLOYEES)).disputed
    assert made.when(own, sender="person").verdict is Verdict.ACCEPTED
    assert (homes(made.one(EMPLOYEES)).home, made.one(EMPLOYEES).open) == (OTHER, [])
    back = own.model_copy(update={"agency": HOME})
    assert made.when(back, sender="person").verdict is Verdict.REFUSED


@pytest.mark.slow
def test_order_never_decides_what_a_master_source_says() -> None:
    said = [
        (registered(NIP, name="One", email="one@a.example"), HOME),
        (registered(NIP, name="Two", email="two@a.example"), OTHER),
        (registered(NIP, name="Master", home=HOME), MASTER),
        (EmployeeReleased(employee_number=NIP, reason="moved"), HOME),
        (registered(NIP, name="Master", home=OTHER), MASTER),
        (registered(NIP, name="Master later", home=OTHER), MASTER),
        (registered(NIP, name="One later", email="one@a.example"), HOME),
    ]

    def decided(order: Sequence[int]) -> object:
        made, left = with_master(), list(order)
        begin, arrived = made.now, made.arrived
        while left:
            place = left.pop(0)
            made.now, made.arrived = begin + timedelta(seconds=place), arrived + place
            try:
                made.when(said[place][0], sender=said[place][1])
            except Waiting:  # for the person, whom the next ones register
                left.append(place)
        one = made.one(EMPLOYEES)
        return homes(one), one.profile, one.placements, one.snapshots, one.open

    in_order = decided(range(len(said)))
    every = list(permutations(range(len(said))))
    for order in Random(0).sample(every, 300):
        assert decided(order) == in_order, order


def test_what_one_agency_alone_merged_parts_once_another_one_registers_the_number() -> None:
    made = city((registered(EARLIER, name="Own"), OTHER), (registered(LATER, name="Squatted"), OTHER))
    assert merged(made, EARLIER, LATER, opd=OTHER).verdict is Verdict.ACCEPTED
    made.when(registered(LATER, name="Of the night"), sender=OTHER)
    assert made.kinds() == ["EmployeeRecorded"]
    made.when(registered(LATER, name="Victim"), sender=HOME)
    (order,) = [one for one in made.facts if isinstance(one, SeparateEmployees)]
    made.when(order, sender="enrollment", id="parted")
    people = {one.numbers[0]: one for one in made.all(EMPLOYEES)}
    assert {number: one.merged_into for number, one in people.items()} == {EARLIER: "", LATER: ""}
    assert homes(people[LATER]).disputed


def test_what_two_agencies_say_is_one_person_stays_so_whoever_registers_it() -> None:
    made = renewed_elsewhere()
    merged(made, EARLIER, LATER, home=HOME, opd=OTHER)
    made.when(registered(LATER, name="By a typing error"), sender=BODY)
    assert not any(isinstance(one, SeparateEmployees) for one in made.facts)


def test_officers_of_agencies_use_up_no_word_of_who_acts_for_all() -> None:
    made = city((registered(NIP), OTHER))
    for n in range(2 * MAX_CONFIRMATIONS + 2):
        agency, opd = (HOME, OTHER) if n % 2 == 0 else (OTHER, HOME)
        last = confirmed(made, agency, opd=opd)
    assert last.verdict is Verdict.REFUSED
    assert confirmed(made, BODY).verdict is Verdict.ACCEPTED
    assert homes(made.one(EMPLOYEES)).home == BODY


def test_a_key_that_was_used_for_another_order_is_refused() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    contested(made, HOME)
    decides(made, "contest", True, "same-key")
    assert decides(made, "contest", True, "same-key").verdict is Verdict.DUPLICATE
    assert decides(made, "contest", False, "same-key").answer == {"problem": "idempotency-key-reused"}


# What people are told of it.


def said_of(made: Given[Any], kind: type[P]) -> P:
    (fact,) = [one for one in made.facts if isinstance(one, kind)]
    return fact


def named(made: Given[Any], code: str, name: str) -> None:
    made.stored[AGENCIES, code] = Agency(code, [Statement("1", LONG_AGO, "added", Said(name=name))])


def test_who_keeps_the_hours_is_told_so_and_why_the_certificate_is_gone() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    named(made, BODY, "BKPSDM Kota Bandung")
    since = made.now + MS
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    register_with(made, distrusts=[distrusted(made, BODY, since)])
    told = said_of(made, CertificateRevoked)
    assert the(made).jp > 0
    assert (told.hours, told.organizer_name) == ("kept", "Lembaga BKPSDM")
    assert told.reason == (
        "Pengelola Kompeten memutuskan bahwa laporan BKPSDM Kota Bandung yang diterima sejak 5 Maret 2026 pukul "
        "09.00 WIB tidak dipakai. Keputusan itu bukan tentang Anda. Sertifikat ini berlaku lagi bila "
        "keputusan itu dicabut."
    )
    assert told.reason_en is not None
    assert "BKPSDM Kota Bandung that were received since 5 March 2026 at 09:00 WIB" in told.reason_en
    register_with(made, distrusts=[])
    again = said_of(made, CertificateIssued)
    assert (again.revision, again.reinstated, again.reinstated_reason) == (2, True, None)


def test_what_its_agency_reported_and_nobody_uses_is_not_said_to_be_missing() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    register_with(made, distrusts=[distrusted(made, BODY, made.now)])
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    assert said_of(made, CompletionUncertified).issuing_unused is True
    other = city((registered(NIP), HOME), BKPSDM=BODY)
    other.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    assert said_of(other, CompletionUncertified).issuing_unused is False


def test_an_heir_is_named_in_the_place_of_the_agency_that_is_no_more() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    named(made, "bkpsdm-baru", "BKPSDM yang Baru")
    register_with(made, successions=[Succession("s", BODY, "bkpsdm-baru", 2)])
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    told = said_of(made, CompletionUncertified)
    assert (told.issuing, told.issuing_name) == ("bkpsdm-baru", "BKPSDM yang Baru")


def test_who_loses_the_hours_is_told_so_and_what_brings_them_back() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    since = made.now + MS
    made.when(completed(NIP, organizer="DISKOMINFO"), sender=HOME)
    register_with(made, distrusts=[distrusted(made, HOME, since, made.now + HOUR)])
    told = said_of(made, CertificateRevoked)
    assert told.hours == "taken_back"
    assert "bila dinas-pu mengirim laporannya lagi, atau bila keputusan itu dicabut" in told.reason
    assert "once dinas-pu sends its report again" in (told.reason_en or "")
    recorded = said_of(made, CompletionRecorded)
    assert (recorded.why_not, recorded.why_not_en) == NO_MORE


def test_a_revocation_of_what_did_not_count_takes_nothing_back() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    contested(made, HOME)
    one = the(made)
    made.when(revoke(completion_id=one.id, employee_id=one.employee_id, opd="BKPSDM"), sender="enrollment")
    told = said_of(made, CertificateRevoked)
    assert (told.hours, told.reason_en) == ("none", None)


def test_what_an_officer_reinstates_says_so_with_the_reason_and_a_correction_does_not() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    assert said_of(made, CertificateIssued).reinstated is False
    one = the(made)
    about = {"completion_id": one.id, "employee_id": one.employee_id, "opd": "BKPSDM"}
    made.when(revoke(**about), sender="enrollment", id="r")
    assert said_of(made, CertificateRevoked).hours == "taken_back"
    made.when(reinstate(**about, revocation_id="r", reason="The list was right"), sender="enrollment")
    again = said_of(made, CertificateIssued)
    assert (again.reinstated, again.reinstated_reason) == (True, "The list was right")
    made.when(completed(NIP, organizer="BKPSDM", title="Corrected", revision=1), sender=BODY)
    corrected = said_of(made, CertificateIssued)
    assert (corrected.revision, corrected.reinstated, corrected.reinstated_reason) == (3, False, None)


def test_the_agency_that_issues_and_the_one_that_reported_are_named() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    named(made, BODY, "BKPSDM Kota Bandung")
    named(made, HOME, "Dinas Pekerjaan Umum")
    made.when(completed(NIP, organizer="BKPSDM"), sender=HOME)
    told = said_of(made, CompletionUncertified)
    assert (told.issuing, told.issuing_name) == (BODY, "BKPSDM Kota Bandung")
    assert (told.reporter, told.reporter_name) == (HOME, "Dinas Pekerjaan Umum")
    assert said_of(made, CompletionRecorded).why_not is None
    names = {BODY: "BKPSDM Kota Bandung"}
    said = note_of(the(made), looked(made)._replace(names=names))
    assert said is not None
    assert said.people.endswith("hanya BKPSDM Kota Bandung yang menerbitkan untuk BKPSDM.")
    assert said.operators.endswith("only bkpsdm issues for BKPSDM")


def test_a_contest_says_who_decides_and_then_what_was_decided() -> None:
    made = city((registered(NIP), HOME), BKPSDM=BODY)
    made.when(completed(NIP, organizer="BKPSDM"), sender=BODY)
    contested(made, HOME)
    recorded, jp = said_of(made, CompletionRecorded), said_of(made, JpCredited)
    assert (recorded.why_not, recorded.why_not_en, jp.reason) == (*DOUBTED, DOUBTED.id)
    decides(made, "contest", True, "d")
    recorded, jp = said_of(made, CompletionRecorded), said_of(made, JpCredited)
    assert (recorded.why_not, recorded.why_not_en, jp.reason) == (*DECIDED_AGAINST, DECIDED_AGAINST.id)
    assert "CertificateIssued" not in made.kinds()
    decides(made, "contest", False, "d2")
    assert the(made).jp > 0
    assert not the(made).contest_upheld


def test_hours_that_a_cap_cut_have_their_reason_in_english_too() -> None:
    made = city((registered(NIP), HOME), DISKOMINFO=HOME)
    made.when(
        completed(NIP, organizer="DISKOMINFO", form=Form.E_LEARNING, programme_jp=Decimal(20)), sender=HOME
    )
    told = said_of(made, CertificateIssued)
    days = "dari 3 Maret 2026 sampai 4 Maret 2026 (2 hari, 6 JP)"
    assert told.jp_reason == f"20 JP menurut tarif, 6 JP diakui: batas 3 JP sehari untuk bentuk ini, {days}"
    days = "from 3 March 2026 to 4 March 2026 (2 days, 6 JP)"
    assert told.jp_reason_en == f"20 JP by rate, 6 JP count: the daily limit of 3 JP for this form, {days}"
    assert (the(made).jp_reason, the(made).jp_reason_en) == (told.jp_reason, told.jp_reason_en)


# Places among others, where a cap is shared: by since when the hours have been asked for without a break.

MINE, ANOTHERS = "diskominfo", "bkpsdm"
THREE_HOURS = {"form": "e_learning", "start_date": "2026-02-02", "programme_jp": 3}


def mine(revision: int | None = None, *, course: bool = False, title: str = "S") -> Payload:
    asked = {"form": "course", "start_date": "2026-02-02", "programme_jp": 1} if course else THREE_HOURS
    return completed(NIP, organizer="DISKOMINFO", code="S", title=title, revision=revision, **asked)


ANOTHER = completed(NIP, organizer="BKPSDM", code="V", **THREE_HOURS)


def hours_of(made: Given[Any]) -> dict[str, Decimal]:
    return {effective_training(one).code: one.jp for one in made.all(COMPLETIONS)}


def two_bodies() -> Given[Any]:
    return city((registered(NIP), HOME), DISKOMINFO=MINE, BKPSDM=ANOTHERS)


def test_hours_that_were_given_up_have_no_place_from_before_when_they_are_asked_for_again() -> None:
    made = two_bodies()
    made.when(mine(1), sender=MINE)
    made.when(mine(2, course=True), sender=MINE)
    made.when(ANOTHER, sender=ANOTHERS)
    arrived = made.now
    made.when(mine(3), sender=MINE)
    assert hours_of(made) == {"S": 0, "V": 3}
    (told,) = [
        one
        for one in made.facts
        if isinstance(one, CompletionRecorded) and one.organizer_code == "DISKOMINFO"
    ]
    assert told.arrived is not None
    assert told.arrived > arrived


def test_a_corrected_title_keeps_the_place() -> None:
    made = two_bodies()
    made.when(mine(1), sender=MINE)
    made.when(ANOTHER, sender=ANOTHERS)
    made.when(mine(2, title="Another"), sender=MINE)
    assert hours_of(made) == {"S": 3, "V": 0}


def test_what_never_stood_gives_no_place() -> None:
    made = two_bodies()
    made.when(mine(), sender="dinas-kesehatan")
    made.when(ANOTHER, sender=ANOTHERS)
    made.when(mine(), sender=MINE)
    assert hours_of(made) == {"S": 0, "V": 3}


def test_many_contents_do_not_hide_that_hours_were_given_up() -> None:
    """Of a sender's contents the bound keeps those of the highest revisions, and the first one."""
    for first in (1, None):
        made = two_bodies()
        made.when(mine(first), sender=MINE, time=NINE)
        made.when(mine(first and 2, course=True), sender=MINE, time=NINE + HOUR)
        made.when(ANOTHER, sender=ANOTHERS)
        for n in range(25):
            made.when(mine(first and 3 + n, title=f"T{n}"), sender=MINE, time=NINE + MS * n)
        assert len(the_mine(made).contents) <= 21
        assert hours_of(made) == {"S": 0, "V": 3}


def test_a_copy_with_an_earlier_time_does_not_hide_that_hours_were_given_up() -> None:
    made = two_bodies()
    made.when(mine(), sender=MINE, time=NINE)
    made.when(mine(course=True), sender=MINE, time=NINE + HOUR)
    made.when(ANOTHER, sender=ANOTHERS)
    made.when(mine(course=True), sender=MINE, time=NINE - HOUR)
    assert effective_training(the_mine(made)).form == "e_learning"
    assert hours_of(made) == {"S": 0, "V": 3}


def test_a_content_that_is_sent_again_and_again_costs_what_replaced_it_no_place() -> None:
    made = two_bodies()
    made.when(mine(course=True), sender=MINE, time=NINE)
    made.when(mine(), sender=MINE, time=NINE + MS)
    made.when(ANOTHER, sender=ANOTHERS)
    made.now += HOUR
    made.when(mine(course=True), sender=MINE, time=NINE)
    assert hours_of(made) == {"S": 3, "V": 0}


def test_what_was_settled_before_places_were_kept_keeps_that_of_its_first_content() -> None:
    made = two_bodies()
    made.when(mine(1), sender=MINE)
    made.when(ANOTHER, sender=ANOTHERS)
    for one in made.all(COMPLETIONS):
        made.stored[COMPLETIONS, one.id] = replace(one, asked_since=None)
    made.when(completed(NIP, organizer="BKPSDM", code="W", **THREE_HOURS), sender=ANOTHERS)
    assert hours_of(made) == {"S": 3, "V": 0, "W": 0}


def the_mine(made: Given[Any]) -> Completion:
    (one,) = [one for one in made.all(COMPLETIONS) if one.contents[0].facts.code == "S"]
    return one


def test_a_completion_that_is_another_ones_by_now_is_not_judged_under_the_name_it_was_found_with() -> None:
    """It was found before a merge, and decided after it: what it is judged by is another's."""
    made = city((registered(NIP), HOME), (completed(NIP, organizer="DISKOMINFO"), HOME), DISKOMINFO=HOME)
    known = the(made)
    nobody = EmployeeId("emp_" + "0" * 32)
    refold = RefoldCompletions(
        generation=known.judged + 1, found=(Refolded(completion_id=known.id, employee_id=nobody),)
    )
    assert made.when(refold, sender="enrollment").verdict is Verdict.NOTHING
    assert the(made) == known
