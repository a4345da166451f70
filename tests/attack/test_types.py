"""Every event type, from an agency's own channel: what is not an agency's to say is refused, and the agency is told."""

from typing import Any, Final

import pytest

from tests.attack.attacker import Attacker, cloud_event
from tests.attack.reference import OF_AGENCIES, EventType, event_types
from tests.attack.victim import VICTIM_OPD, Victim
from tests.end_to_end.product import somebody, structured

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

FOREIGN: Final = [one for one in event_types() if OF_AGENCIES not in one.addresses]
OWN: Final = [one for one in event_types() if OF_AGENCIES in one.addresses]
BATCH: Final = {"content-type": "application/cloudevents-batch+json"}


def aimed(event_type: EventType, victim: Victim) -> list[dict[str, Any]]:
    """The reference's example, at each of the victim's people."""
    return [
        {
            **event_type.example,
            **{name: value for name, value in known.items() if name in event_type.example},
        }
        for holder in victim.holders
        for known in [
            {
                "employee_id": holder.employee_id,
                "completion_id": holder.completion_id,
                "certificate_id": holder.certificate_id,
                "certificate_number": holder.number,
                "employee_numbers": [holder.person.number],
                "revocation_id": victim.revocation_id,
                "version": 2**53 - 1,
                "revision": 2**53 - 1,
                "email": "penyerang@example.com",
                "code": "dinas-air",
                "opd": None,
            }
        ]
    ]


def test_the_reference_has_the_types_of_agencies_and_others() -> None:
    assert len(OWN) == 4
    assert len(FOREIGN) > 20


def test_over_kafka_each_type_of_another_is_refused(attacker: Attacker, victim: Victim) -> None:
    events = [cloud_event(one.type, data) for one in FOREIGN for data in aimed(one, victim)]
    assert attacker.kafka.write(attacker.topic, *events) is None
    for event in events:
        told = attacker.verdict(event["id"])
        assert told["verdict"] == "refused", event["type"]
        assert not [one for one in victim.secrets if one in str(told)], event["type"]


def test_an_unknown_type_stands_for_nothing(attacker: Attacker, victim: Victim) -> None:
    kinds = [
        "id.go.bandung.certificate.revoke.v2",
        "certificate.revoke",
        "ID.GO.BANDUNG.CERTIFICATE.REVOKE.V1",
    ]
    (revoke,) = [one for one in FOREIGN if one.type.endswith("certificate.revoke.v1")]
    padded = [f"{revoke.type} ", f"{revoke.type}\x00", f"\ufeff{revoke.type}"]
    events = [cloud_event(kind, data) for kind in kinds + padded for data in aimed(revoke, victim)]
    assert attacker.kafka.write(attacker.topic, *events) is None
    attacker.product.settled()
    assert {one["verdict"] for event in events for one in attacker.told(event["id"])} <= {
        "refused",
        "nothing",
    }


def test_over_http_each_type_of_another_is_refused_by_itself(attacker: Attacker, victim: Victim) -> None:
    events = [cloud_event(one.type, data) for one in FOREIGN for data in aimed(one, victim)]
    answer = attacker.agency.post("/events", json=events, headers=BATCH)
    assert answer.status_code == 422
    assert {one["status"] for one in answer.json()} == {"refused"}
    attacker.product.settled()
    assert not [event for event in events if attacker.told(event["id"])]


@pytest.mark.parametrize("one", OWN, ids=lambda one: one.type)
def test_an_agencys_own_types_are_decided(attacker: Attacker, one: EventType) -> None:
    """The other side: what is refused above is refused for its channel, not for how it is written."""
    event = cloud_event(one.type, {**one.example, "employee_number": attacker.person.number})
    assert attacker.kafka.write(attacker.topic, event) is None
    assert attacker.verdict(event["id"])["verdict"] != "refused"


def test_anothers_id_and_source_take_nothing_from_it(attacker: Attacker, victim: Victim) -> None:
    """Who knows or guesses the id of an event that is to come, and sends something under it first."""
    product, person = attacker.product, somebody()
    theirs = structured(person.registration())
    mine = {**structured(attacker.person.registration()), "id": theirs["id"], "source": theirs["source"]}
    assert attacker.kafka.write(attacker.topic, mine) is None
    assert attacker.verdict(mine["id"])
    product.publish(theirs, opd=VICTIM_OPD)
    product.settled()
    agency = product.client("agency", opd=VICTIM_OPD)
    (told,) = agency.get("/decisions", params={"id": theirs["id"]}).json()
    assert (told["verdict"], told["record"].split("/")[0].endswith(f"agency.{VICTIM_OPD}.v1")) == (
        "accepted",
        True,
    )
    assert [one["record"].split("/")[0] for one in attacker.told(mine["id"])] == [attacker.topic]
    assert product.record(person)["completions"] == []
