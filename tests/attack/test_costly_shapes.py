"""Events that are each in order and together cost much: by one agency, at its own people. The others notice nothing."""

import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.attack.attacker import ANSWERED_WITHIN_S, ATTACKER_OPD, Attacker, cloud_event, stays_ready
from tests.attack.reference import event_types
from tests.attack.victim import VICTIM_OPD
from tests.end_to_end.product import Person, Product, somebody, until
from tests.factories import completed

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

MANY: Final = 1_000
PEOPLES: Final = "completions of one person"
PARTS: Final = "an unknown field of very many parts"
FEWER: Final = {PEOPLES: 300, PARTS: 100}
"""Each of the former makes a PDF; of the latter each has as many parts as two thousand events."""
OTHERS_WITHIN_S: Final = 90.0
"""Some seconds on an idle machine; minutes before the work of a batch was bounded."""


def training(number: str, **changes: object) -> dict[str, Any]:
    (found,) = [one for one in event_types() if one.type.endswith("training.completed.v1")]
    data = {**found.example, "employee_number": number}
    data["training"] = {**data["training"], "organizer": {"code": ATTACKER_OPD, "name": "Dinas Contoh"}}
    for name, value in changes.items():
        (data["training"] if name in data["training"] else data)[name] = value
    return cloud_event(found.type, data)


def registration(number: str, **changes: object) -> dict[str, Any]:
    (found,) = [one for one in event_types() if one.type.endswith("employee.registered.v1")]
    return cloud_event(
        found.type, {**found.example, "employee_number": number, "supervisor_number": None, **changes}
    )


SHAPES: Final[dict[str, Callable[[str, int], dict[str, Any]]]] = {
    "contents of one completion": lambda number, n: training(number, place=f"Bandung {n}"),
    "revisions of one completion": lambda number, n: training(number, revision=n + 1, place=f"Cimahi {n}"),
    PEOPLES: lambda number, n: training(number, code=f"P-{n}"),
    "snapshots of one person": lambda number, n: registration(number, email=None, name=f"Penyerang {n}"),
    PARTS: lambda number, n: registration(number, email=None, newer=[[[{}] * 3] * 3] * 8_000),
    "one long text after another": lambda number, n: training(number, code="PANJANG", title=f"{n} " + "x" * 190),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flood_of_one_agency_holds_up_no_certificate_of_another(
    product: Product, attacker: Attacker, shape: str
) -> None:
    # Without an address: what letters to one address may come to is held by tests/integration/test_allowance.py.
    person, other = somebody("Penyerang Contoh"), somebody("Warga Contoh")
    assert attacker.kafka.write(attacker.topic, registration(person.number, email=None)) is None
    events = [SHAPES[shape](person.number, n) for n in range(FEWER.get(shape, MANY))]
    assert attacker.kafka.write(attacker.topic, *events) is None
    began = time.monotonic()
    product.publish(other.registration(), completed(other.number, organizer=VICTIM_OPD), opd=VICTIM_OPD)
    until(lambda: certified(product, other), f"the others' certificate, beside {shape}", OTHERS_WITHIN_S)
    stays_ready(product)
    assert time.monotonic() - began < OTHERS_WITHIN_S + ANSWERED_WITHIN_S
    product.settled()
    assert attacker.verdict(events[-1]["id"])


def certified(product: Product, person: Person) -> bool:
    answer = product.employee(person).get("/me/record")
    return answer.status_code == 200 and any(one["certificate"] for one in answer.json()["completions"])
