"""An agency registers the people of another one first, and does with them what an agency may with its own. The true
agency comes later, and each person ends where it belongs; the people are this file's own."""

from typing import Any

import pytest

from shared.contracts.agency import EmployeeReleased
from tests.attack.attacker import ATTACKER_OPD, OTHER_OPD, Attacker
from tests.attack.victim import VICTIM_OPD
from tests.end_to_end.product import Person, Product, somebody, structured, until
from tests.factories import completed, registered

pytestmark = [pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

BODY = VICTIM_OPD.upper()


def squat(attacker: Attacker, true: Person) -> tuple[Person, str]:
    """Whose mailbox stands in the record now, and the record's id."""
    stranger = somebody("Penghuni Liar")
    event = structured(registered(true.number, name=stranger.name, email=stranger.email))
    assert attacker.kafka.write(attacker.topic, event) is None
    attacker.verdict(event["id"])
    return stranger, searched(attacker.product, true.number)["employee_id"]


def searched(product: Product, number: str) -> dict[str, Any]:
    officer = product.client("officer", opd="*")
    found: dict[str, Any] = officer.post("/people/search", json={"employee_number": number}).json()
    return found


def comes(product: Product, true: Person, *events: Any) -> None:
    for id in product.publish(true.registration(), *events, opd=VICTIM_OPD):
        product.verdict(id)


@pytest.mark.full
def test_whom_a_stranger_registered_first_it_gives_to_nobody(product: Product, attacker: Attacker) -> None:
    true = somebody("Kinanti Contoh")
    stranger, id = squat(attacker, true)
    comes(product, true, completed(true.number, organizer=BODY, title="Milik Kinanti"))
    own = product.client("officer", opd=ATTACKER_OPD)
    given = own.post(f"/people/{id}/homes", json={"agency": OTHER_OPD, "reason": "Pindah."})
    assert given.json().get("verdict") == "accepted", given.text
    assert searched(product, true.number)["state"] == "disputed"
    me = product.client("employee", employee_number=true.number, sub=f"user-{true.number[-6:]}")
    assert VICTIM_OPD in [one["code"] for one in me.get("/me/home").json()["choices"]]
    assert product.mails_for(stranger.email) == []
    assert me.post("/me/home", json={"agency": VICTIM_OPD}).status_code == 200
    until(
        lambda: any("Milik Kinanti" in mail["Text"] for mail in product.mails_for(true.email)),
        "the mail that waited goes out",
    )
    assert product.record(true)["name"] == true.name
    assert not any("/d/" in mail["Text"] for mail in product.mails_for(stranger.email))


def test_whom_a_stranger_merged_into_its_own_person_parts_from_it(
    product: Product, attacker: Attacker
) -> None:
    true, accomplice = somebody("Larasati Contoh"), somebody("Kaki Tangan")
    product.publish(accomplice.registration(), opd=ATTACKER_OPD)
    _, id = squat(attacker, true)
    into = searched(product, accomplice.number)["employee_id"]
    own = product.client("officer", opd=ATTACKER_OPD)
    merged = own.post("/people/merges", json={"employee_id": id, "into": into, "reason": "Nomor baru."})
    assert merged.json().get("verdict") == "accepted", merged.text
    comes(product, true, completed(true.number, organizer=BODY, title="Milik Larasati"))
    until(
        lambda: searched(product, true.number)["employee_id"] != into, "the true agency's word parts the two"
    )
    until(
        lambda: "Milik Larasati" not in str(product.record(accomplice)),
        "what is the true person's goes along",
    )
    assert [one["title"] for one in product.record(true)["completions"]] == ["Milik Larasati"]


def test_who_waits_beside_a_confirmed_home_inherits_nobody(product: Product, attacker: Attacker) -> None:
    true = somebody("Pandan Contoh")
    comes(product, true)
    id = searched(product, true.number)["employee_id"]
    officer = product.client("officer", opd="*")
    officer.post(f"/people/{id}/homes", json={"agency": VICTIM_OPD, "reason": "Data induk."})
    squat(attacker, true)
    left = structured(EmployeeReleased(employee_number=true.number, reason="retired"))
    product.publish(left, opd=VICTIM_OPD)
    product.verdict(left["id"])
    assert searched(product, true.number)["home"] is None
    squat(attacker, true)
    assert searched(product, true.number)["state"] == "disputed"


def test_more_people_than_an_agency_has_are_set_aside(product: Product, attacker: Attacker) -> None:
    operator = product.client("operator")
    counted = product.database("enrollment").headcounts.find_one({"_id": ATTACKER_OPD})
    count = counted["people"] if counted else 0
    room = int(max(1, count) * 1.1) - count
    limit = {"headcount": max(1, count), "reason": "Daftar pegawai."}
    assert operator.patch(f"/agencies/{ATTACKER_OPD}", json=limit).status_code == 200
    try:
        events = [structured(somebody("Dikarang").registration()) for _ in range(room + 5)]
        assert attacker.kafka.write(attacker.topic, *events) is None
        verdicts = [attacker.verdict(one["id"])["verdict"] for one in events]
        assert verdicts == ["accepted"] * room + ["waiting"] * 5
    finally:
        operator.patch(f"/agencies/{ATTACKER_OPD}", json={**limit, "headcount": 100_000})
