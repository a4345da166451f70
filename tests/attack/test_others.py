"""An agency with its own credentials alone speaks of another's people, completions and bodies. Each is kept and stands
for nothing; the people are this file's own, since what was said about them is kept with them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts.agency import EmployeeChanged
from tests.attack.attacker import ATTACKER_OPD, Attacker
from tests.attack.victim import VICTIM_OPD, Victim
from tests.end_to_end.product import Person, Product, somebody, structured
from tests.factories import completed, registered

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

BODY = VICTIM_OPD.upper()


@pytest.fixture
def person(product: Product, victim: Victim) -> Person:
    """With a certificate of the own agency's, and a home that an officer for all has confirmed."""
    one = somebody("Wening Contoh Asih")
    product.publish(
        one.registration(), completed(one.number, organizer=BODY, title="Pelatihan Asli"), opd=VICTIM_OPD
    )
    product.settled()
    officer = product.client("officer", opd="*")
    found = officer.post("/people/search", json={"employee_number": one.number}).json()
    order = {"agency": VICTIM_OPD, "reason": "Data induk kepegawaian."}
    answer = officer.post(f"/people/{found['employee_id']}/homes", json=order)
    assert answer.json()["verdict"] == "accepted", answer.text
    return one


def say(attacker: Attacker, *events: dict[str, Any]) -> list[str]:
    """Verdicts."""
    assert attacker.kafka.write(attacker.topic, *events) is None
    return [attacker.verdict(event["id"])["verdict"] for event in events]


def at(event: dict[str, Any], time: datetime) -> dict[str, Any]:
    return {**event, "time": time.isoformat()}


def test_another_agency_s_person_is_not_renamed_nor_readdressed(
    product: Product, attacker: Attacker, person: Person
) -> None:
    stranger = somebody("Penerima Asing")
    false = EmployeeChanged(**registered(person.number, name="Palsu", email=stranger.email).model_dump())
    ahead = datetime.now(UTC) + timedelta(hours=23)
    assert say(attacker, at(structured(false), ahead)) == ["superseded"]
    training = completed(person.number, organizer=BODY, title="Pelatihan Kedua", code="K-2")
    product.publish(training, opd=VICTIM_OPD)
    product.settled()
    assert product.record(person)["name"] == person.name
    assert product.mails_for(stranger.email) == []
    assert any("Pelatihan Kedua" in mail["Text"] for mail in product.mails_for(person.email))


def test_the_true_agency_is_not_locked_out(product: Product, attacker: Attacker, person: Person) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=23)
    say(attacker, at(structured(registered(person.number, name="Palsu")), ahead))
    product.publish(person.registration(name="Wening Contoh Asih, M.Si."), opd=VICTIM_OPD)
    product.settled()
    assert product.record(person)["name"] == "Wening Contoh Asih, M.Si."


def test_a_number_of_one_s_own_reads_no_other_record(
    product: Product, attacker: Attacker, person: Person
) -> None:
    """An unregistered number, and the victim's as the one before."""
    own = Person(somebody().number, "Penyerang", somebody().email)
    linked = registered(own.number, name=own.name, email=own.email, previous_employee_number=person.number)
    say(attacker, structured(linked))
    product.settled()
    assert product.record(own)["completions"] == []
    assert product.points(own)["entries"] == []
    assert product.mail_states(own) == []
    assert len(product.record(person)["completions"]) == 1


def test_a_number_that_was_claimed_ahead_swallows_nothing(product: Product, attacker: Attacker) -> None:
    made_up, true = somebody("Rekaan"), somebody("Laras Contoh")
    say(
        attacker,
        structured(made_up.registration()),
        structured(registered(true.number, name="Rekaan", previous_employee_number=made_up.number)),
    )
    product.publish(
        true.registration(), completed(true.number, organizer=BODY, title="Milik Laras"), opd=VICTIM_OPD
    )
    product.settled()
    assert product.record(made_up)["completions"] == []
    assert [one["title"] for one in product.record(true)["completions"]] == ["Milik Laras"]


@pytest.mark.parametrize("time", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)])
def test_a_completion_is_not_taken_over_by_an_earlier_time(
    product: Product, attacker: Attacker, person: Person, time: datetime
) -> None:
    (before,) = product.record(person)["completions"]
    mails = len(product.mails_for(person.email))
    false = completed(person.number, organizer=BODY, title="Judul Palsu", revision=99)
    assert say(attacker, at(structured(false), time)) == ["superseded"]
    product.settled()
    assert product.record(person)["completions"] == [before]
    assert len(product.mails_for(person.email)) == mails
    product.publish(completed(person.number, organizer=BODY, title="Pelatihan Asli, jilid 2"), opd=VICTIM_OPD)
    product.settled()
    assert product.record(person)["completions"][0]["title"] == "Pelatihan Asli, jilid 2"


@pytest.mark.parametrize("organizer", ["BKPSDM", BODY, "bkpsdm "])
def test_nobody_issues_in_another_body_s_name(product: Product, attacker: Attacker, organizer: str) -> None:
    """Also not for an own person: what a body holds it issues for itself."""
    own = somebody("Pegawai Penyerang")
    product.publish(own.registration(), opd=ATTACKER_OPD)
    say(attacker, structured(completed(own.number, organizer=organizer)))
    product.settled()
    (completion,) = product.record(own)["completions"]
    assert completion["certificate"] is None
    assert completion["certified"] is False


@pytest.mark.parametrize("organizer", ["ВKPSDM", "BKPSDM.", "BKN", "dınas-air"])
def test_a_body_that_only_looks_like_one_waits(product: Product, attacker: Attacker, organizer: str) -> None:
    own = somebody("Pegawai Penyerang")
    product.publish(own.registration(), opd=ATTACKER_OPD)
    assert say(attacker, structured(completed(own.number, organizer=organizer))) == ["waiting"]
    assert product.record(own)["completions"] == []
