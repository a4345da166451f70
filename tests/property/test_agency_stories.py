"""What happens to agencies and their people: one story a test, told to all three services; nothing is lost or doubled."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

import pytest

from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.enrollment.certificates.documents import SEQUENCES
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.persons.current import is_held
from services.enrollment.persons.documents import EMPLOYEES, Employee
from services.enrollment.persons.homes import homes
from services.enrollment.persons.queries import people_in
from services.notification.letters.documents import ADDRESS_CHANGED, ISSUED, MAILS, RECORDED, REVOKED
from shared.contracts.agency import EmployeeReleased, ExternalCertificate, TrainingCompleted
from shared.contracts.bodies import BeginBodies, BodySeed
from shared.contracts.enrollment import EmployeeRecorded
from shared.contracts.payload import Payload
from shared.contracts.people import (
    ConfirmHome,
    MergeEmployees,
    RefoldCompletions,
    Refolded,
    RefoldPeople,
)
from shared.contracts.register import BeginRegister, DistrustAgency, ReplaceAgency, TrustAgency
from shared.contracts.topics import agency_topic
from shared.contracts.vocabulary import EmploymentType
from tests.factories import changed, completed, registered
from tests.property.harness import ENROLLMENT, INCENTIVE, NOTIFICATION, OFFICER, TERMS, City, Sending
from tests.property.observed import promises, published

BKPSDM, DINKES, DISDIK, DPU = "bkpsdm", "dinkes", "disdik", "dpu"
BUDI: Final = "198501012010011001"
FIRST_CONTRACT, SECOND_CONTRACT = "199001012018212001", "199001012023212001"


def person_number(n: int) -> str:
    return f"19850101201001{1 + n // 1000}{n % 1000:03d}"


class Bandung(City):
    """Its agencies; BKPSDM and DINKES issue for a body of their name, LAN is outside. Senders are judged."""

    def __init__(self, agencies: Sequence[str] = (BKPSDM, DINKES, DISDIK, DPU), *, seed: int = 0) -> None:
        enrollment = replace(ENROLLMENT, sources=tuple(agency_topic(one) for one in agencies))
        super().__init__(random=Random(seed), services=(enrollment, INCENTIVE, NOTIFICATION))
        self._agencies, self._said = tuple(agencies), 0

    async def begins(self) -> "Bandung":
        await self.officer(BeginRegister(codes=self._agencies))
        bodies = (
            BodySeed(code="BKPSDM", issuing=BKPSDM),
            BodySeed(code="DINKES", issuing=DINKES),
            BodySeed(code="LAN", outside=True),
        )
        await self.officer(BeginBodies(bodies=bodies))
        self.wait(60)
        return self

    async def agency(self, sender: str, *payloads: Payload) -> None:
        """Says it now."""
        self.wait(60)
        await self.deliver([self._sending(payload, sender) for payload in payloads])

    async def officer(self, command: Payload) -> str:
        """The command's id. Where it changes the register, all is judged anew."""
        self.wait(60)
        sending = self._sending(command, OFFICER)
        await self.deliver([sending])
        if isinstance(command, DistrustAgency | TrustAgency | ReplaceAgency):
            await self._sweep()
        return sending.id

    def _sending(self, payload: Payload, sender: str) -> Sending:
        self._said += 1
        return Sending(payload, f"said-{self._said}", self.now, sender)

    async def _sweep(self) -> None:
        """What the worker does."""
        (register,) = await self.documents("enrollment", REGISTERS)
        assert register.id == REGISTER
        people = tuple(one.id for one in await self.documents("enrollment", EMPLOYEES))
        found = tuple(
            Refolded(completion_id=one.id, employee_id=one.employee_id)
            for one in await self.documents("enrollment", COMPLETIONS)
        )
        commands = (
            RefoldPeople(generation=register.generation, found=people),
            RefoldCompletions(generation=register.generation, found=found),
        )
        await self.deliver([self._sending(one, OFFICER) for one in commands])

    # What came of it.

    async def person(self, number: str) -> Employee:
        """As it counts."""
        files = {one.id: one for one in await self.documents("enrollment", EMPLOYEES)}
        (id,) = [one.id for one in files.values() if number in one.numbers and not one.merged_into]
        (register,) = await self.documents("enrollment", REGISTERS)
        return people_in(files, [id], register)[id].whole

    async def whose(self, number: str) -> str | None:
        return homes(await self.person(number)).home

    async def completions(self) -> dict[str, Completion]:
        """By the training's code, of one person."""
        return {one.contents[0].facts.code: one for one in await self.documents("enrollment", COMPLETIONS)}

    async def mailed(self, template: str) -> int:
        return sum(one.letter.template == template for one in await self.documents("notification", MAILS))

    async def jp(self) -> dict[str, float]:
        return {code: float(one.jp) for code, one in (await self.completions()).items()}


def given_to(number: str, agency: str) -> ConfirmHome:
    return ConfirmHome(
        employee_id=TERMS.ids.employee(number), agency=agency, officer="o", opd=None, reason="SK 800/1"
    )


def seminar(number: str = BUDI, **training: object) -> TrainingCompleted:
    return completed(number, score=None, predicate=None, **training)  # type: ignore[arg-type]


ABROAD: Final[dict[str, object]] = {"organizer": "LAN", "code": "LAN", "start_date": "2026-04-01"}


# Between agencies.


async def test_who_moves_keeps_the_hours_of_all_years_and_the_certificates() -> None:
    """There are no recaps yet, by whom a year would be closed: hours are the person's, whoever is the home."""
    city = await Bandung().begins()
    await city.agency(DINKES, registered(BUDI))
    await city.agency(DINKES, seminar(code="OLD", organizer="DINKES", start_date="2025-05-05"))
    await city.agency(DINKES, seminar(code="NEW", organizer="DINKES", start_date="2026-05-05"))
    before, jp = await city.completions(), await city.jp()
    assert all(jp.values())
    await city.agency(DINKES, EmployeeReleased(employee_number=BUDI, reason="moved"))
    await city.agency(DISDIK, registered(BUDI, opd="Dinas Pendidikan"))
    assert (await city.whose(BUDI), is_held(await city.person(BUDI))) == (DISDIK, False)
    assert await city.completions() == before
    await city.agency(DISDIK, seminar(code="NEXT", organizer="LAN", start_date="2026-06-01"))
    assert await city.jp() == {**jp, "NEXT": 4.0 if jp["NEW"] == 4 else (await city.jp())["NEXT"]}
    await promises(city)


async def test_after_a_transfer_the_new_home_corrects_and_the_old_one_does_not() -> None:
    city = await Bandung().begins()
    await city.agency(DINKES, registered(BUDI))
    await city.agency(DISDIK, registered(BUDI))
    await city.agency(DINKES, seminar(title="As it was", **ABROAD))
    await city.officer(given_to(BUDI, DISDIK))
    await city.agency(DINKES, seminar(title="By the old home", revision=5, **ABROAD))
    assert effective_training((await city.completions())["LAN"]).title == "As it was"
    await city.agency(DISDIK, seminar(title="By the new home", **ABROAD))
    assert effective_training((await city.completions())["LAN"]).title == "By the new home"
    await city.agency(DINKES, seminar(title="By the old home again", revision=9, **ABROAD))
    assert effective_training((await city.completions())["LAN"]).title == "By the new home"
    await promises(city)


async def test_a_contract_renewed_at_another_agency_is_one_person_once_an_officer_says_so() -> None:
    city = await Bandung().begins()
    await city.agency(DINKES, changed(FIRST_CONTRACT, previous_employee_number=None, name="Sri"))
    await city.agency(BKPSDM, seminar(FIRST_CONTRACT, code="A", organizer="BKPSDM", start_date="2026-02-02"))
    await city.agency(
        DISDIK, changed(SECOND_CONTRACT, previous_employee_number=FIRST_CONTRACT, name="Sri W.")
    )
    await city.agency(BKPSDM, seminar(SECOND_CONTRACT, code="B", organizer="BKPSDM", start_date="2026-03-03"))
    two = {one.employee_id for one in (await city.completions()).values()}
    assert len(two) == 2, "the link waits: nobody takes a number over by claiming it"
    numbers = {
        code: one.certificate.number for code, one in (await city.completions()).items() if one.certificate
    }
    await city.officer(
        MergeEmployees(
            employee_id=TERMS.ids.employee(SECOND_CONTRACT), into=TERMS.ids.employee(FIRST_CONTRACT),
            home=DISDIK, officer="o", opd=None, reason="SK 800/2",
        )
    )  # fmt: skip
    assert await city.whose(FIRST_CONTRACT) == DISDIK
    person = await city.person(SECOND_CONTRACT)
    assert (person.numbers, person.profile.name) == ([FIRST_CONTRACT, SECOND_CONTRACT], "Sri W.")
    assert {one.employee_id for one in (await city.completions()).values()} == {person.id}
    await city.agency(BKPSDM, seminar(FIRST_CONTRACT, code="A", organizer="BKPSDM", start_date="2026-02-02"))
    after = await city.completions()
    assert {code: one.certificate.number for code, one in after.items() if one.certificate} == numbers
    await promises(city)


async def test_who_becomes_a_civil_servant_for_good_stays_the_same_person_at_the_same_agency() -> None:
    """CPNS to PNS: the number stays, grade and kind of employment change."""
    city = await Bandung().begins()
    await city.agency(DINKES, registered(BUDI, employment_type=EmploymentType.CPNS, golongan="III/a"))
    await city.agency(DINKES, seminar(code="A", organizer="DINKES", start_date="2026-02-02"))
    before = await city.completions()
    await city.agency(DINKES, registered(BUDI, employment_type=EmploymentType.PNS, golongan="III/a"))
    person = await city.person(BUDI)
    assert (person.profile.employment_type, person.numbers, await city.whose(BUDI)) == ("pns", [BUDI], DINKES)
    assert (await city.completions(), await city.mailed(ISSUED)) == (before, 1)
    await promises(city)


async def test_two_agencies_that_send_all_people_each_night_change_nobody_back_and_forth() -> None:
    city = await Bandung().begins()
    theirs = {DINKES: "dinkes@example.org", DISDIK: "disdik@example.org"}

    async def night() -> None:
        city.wait(24 * 3600)
        for agency, email in theirs.items():
            await city.agency(agency, registered(BUDI, name=agency, email=email))

    await night()
    assert is_held(await city.person(BUDI))
    told = len(published(city, EmployeeRecorded))
    await city.agency(BKPSDM, seminar(code="A", organizer="BKPSDM", start_date="2026-02-02"))
    for _ in range(9):
        await night()
    assert len(published(city, EmployeeRecorded)) == told, "nothing new was said of the person"
    assert ((await city.person(BUDI)).profile.name, (await city.jp())["A"] > 0) == (DINKES, True)
    await city.officer(given_to(BUDI, DISDIK))
    told = len(published(city, EmployeeRecorded))
    for _ in range(3):
        await night()
    person = await city.person(BUDI)
    assert (is_held(person), person.profile.email) == (False, theirs[DISDIK])
    assert len(published(city, EmployeeRecorded)) == told
    assert await city.mailed(ADDRESS_CHANGED) == 1
    await promises(city)


async def test_a_typing_error_leaves_nothing_with_the_stranger_whose_number_it_was() -> None:
    city = await Bandung().begins()
    await city.agency(DINKES, registered(BUDI, name="Somebody else", email="else@example.org"))
    await city.agency(DINKES, seminar(title="Somebody else's", **ABROAD))
    await city.agency(DISDIK, registered(BUDI, name="Budi", email="budi@example.org"))
    assert is_held(await city.person(BUDI))
    await city.agency(DINKES, EmployeeReleased(employee_number=BUDI, reason="mistake"))
    person = await city.person(BUDI)
    assert (await city.whose(BUDI), is_held(person), person.profile.name) == (DISDIK, False, "Budi")
    assert (await city.jp())["LAN"] == 0, "it was reported of somebody else"
    await city.agency(DISDIK, seminar(title="Budi's own", **ABROAD))
    assert effective_training((await city.completions())["LAN"]).title == "Budi's own"
    assert (await city.jp())["LAN"] > 0
    await promises(city)


# Agencies that are reorganised.


@pytest.mark.parametrize("kind", ["renamed", "merged", "split"])
async def test_an_agency_that_is_no_more_leaves_all_to_its_heir_and_some_people_to_another(kind: str) -> None:
    city = await Bandung().begins()
    numbers = [person_number(n) for n in range(10)]
    await city.agency(DINKES, *(registered(one) for one in numbers))
    await city.agency(
        DINKES, *(seminar(one, code="A", organizer="DINKES", start_date="2026-02-02") for one in numbers)
    )
    if kind == "merged":
        await city.agency(DISDIK, registered(person_number(99)))
    before = {one.id: (one.certificate, one.jp) for one in await city.documents("enrollment", COMPLETIONS)}
    mails = len(await city.documents("notification", MAILS))
    await city.officer(ReplaceAgency(code=DINKES, heir=DISDIK, operator="op", reason="SOTK 2026"))
    moved = numbers[:5] if kind == "split" else []
    for one in moved:
        await city.officer(given_to(one, DPU))
    await city.agency(DPU, *(registered(one) for one in moved))
    await city.agency(DISDIK, *(registered(one) for one in numbers if one not in moved))
    await city.agency(DINKES, *(registered(one) for one in numbers if one not in moved))
    for one in numbers:
        assert await city.whose(one) == (DPU if one in moved else DISDIK)
        assert not is_held(await city.person(one))
    after = {one.id: (one.certificate, one.jp) for one in await city.documents("enrollment", COMPLETIONS)}
    assert after == before
    assert len(await city.documents("notification", MAILS)) == mails, "nobody is told"
    corrected = seminar(
        numbers[-1], code="A", organizer="DINKES", start_date="2026-02-02", title="By the heir"
    )
    await city.agency(DISDIK, corrected)
    titles = {effective_training(one).title for one in await city.documents("enrollment", COMPLETIONS)}
    assert "By the heir" in titles
    await city.agency(DISDIK, seminar(numbers[-1], code="B", organizer="DINKES", start_date="2026-03-02"))
    (last,) = [one.last for one in await city.documents("enrollment", SEQUENCES)]
    assert last == 11, "the body's numbers go on"
    await promises(city)


# Trainings.


@pytest.mark.slow
async def test_a_webinar_of_five_hundred_people_of_forty_agencies_is_five_hundred_certificates() -> None:
    agencies = [f"dinas-{n}" for n in range(40)]
    city = await Bandung((BKPSDM, *agencies)).begins()
    homes_of = {person_number(n): agencies[n % 40] for n in range(500)}
    for number, agency in homes_of.items():
        city.send(Sending(registered(number), f"person-{number}", city.now, agency))
    await city.recalculate()
    for number in homes_of:
        webinar = seminar(number, code="WEBINAR", organizer="BKPSDM", form="webinar", start_date="2026-05-20")
        city.send(Sending(webinar, f"webinar-{number}", city.now, BKPSDM))
    await city.recalculate()
    found = await city.documents("enrollment", COMPLETIONS)
    assert (len(found), {one.grounds for one in found}) == (500, {"issuing"})
    assert len({one.certificate.number for one in found if one.certificate}) == 500
    assert len({one.jp for one in found}) == 1
    assert await city.mailed(ISSUED) == 500
    people = await city.documents("enrollment", EMPLOYEES)
    assert {one.numbers[0]: homes(one).home for one in people} == homes_of
    await promises(city)


async def test_a_training_outside_the_city_counts_with_and_without_the_number_of_its_certificate() -> None:
    city = await Bandung().begins()
    await city.agency(DINKES, registered(BUDI))
    with_number = seminar(organizer="LAN", code="WITH", start_date="2026-04-01").model_copy(
        update={
            "external_certificate": ExternalCertificate(issuer="LAN RI", certificate_number="12/LAN/2026")
        }
    )
    without = seminar(organizer="LAN", code="WITHOUT", start_date="2026-04-08")
    await city.agency(DINKES, with_number, without)
    assert await city.mailed(RECORDED) == 2
    await city.agency(
        DINKES,
        without.model_copy(
            update={
                "revision": 1,
                "external_certificate": ExternalCertificate(
                    issuer="LAN RI", certificate_number="13/LAN/2026"
                ),
            }
        ),
    )
    found = await city.completions()
    numbers = {
        code: one.contents and effective_training(one).external_certificate for code, one in found.items()
    }
    assert {code: one.number for code, one in numbers.items() if one} == {
        "WITH": "12/LAN/2026", "WITHOUT": "13/LAN/2026",
    }  # fmt: skip
    assert all(one.jp > 0 and one.certificate is None for one in found.values())
    assert await city.documents("enrollment", SEQUENCES) == [], "no number of ours is used up"
    assert (await city.mailed(RECORDED), await city.mailed(ISSUED)) == (2, 0), "one letter each"
    await promises(city)


# Somebody writes in an agency's name.


async def test_a_day_in_which_somebody_wrote_in_an_agencys_name_leaves_nothing_and_can_be_restored() -> None:
    city = await Bandung().begins()
    await city.agency(DINKES, registered(BUDI, email="budi@example.org"))
    await city.agency(DINKES, seminar(code="TRUE", organizer="DINKES", start_date="2026-02-02"))
    city.wait(24 * 3600)
    since = city.now
    await city.agency(DINKES, registered(BUDI, email="thief@example.org"))
    await city.agency(DINKES, seminar(code="FALSE", organizer="DINKES", start_date="2026-03-02"))
    honest = seminar(code="SAME-DAY", organizer="DINKES", start_date="2026-03-09")
    await city.agency(DINKES, honest)
    city.wait(60)
    said = await city.officer(
        DistrustAgency(code=DINKES, since=since, until=city.now, operator="op", reason="leaked")
    )
    assert {code: jp > 0 for code, jp in (await city.jp()).items()} == {
        "TRUE": True, "FALSE": False, "SAME-DAY": False,
    }  # fmt: skip
    assert await city.mailed(REVOKED) == 2
    assert (await city.person(BUDI)).profile.email == "budi@example.org"
    await city.agency(DINKES, honest)
    jp = await city.jp()
    assert (jp["SAME-DAY"] > 0, jp["FALSE"]) == (True, 0), "what is true is sent again"
    await promises(city)
    await city.officer(TrustAgency(code=DINKES, distrust=said, operator="op", reason="it was its own"))
    assert all((await city.jp()).values())
    assert (await city.person(BUDI)).profile.email == "thief@example.org"
    await promises(city)
