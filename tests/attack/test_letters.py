"""Letters come from us, whoever had them written: what others say in them leads nobody away."""

import re
from typing import Any, Final

import pytest

from tests.attack.attacker import ATTACKER_OPD, Attacker, cloud_event
from tests.attack.reference import event_types
from tests.end_to_end.product import Product, somebody

pytestmark = [pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

ENTICING: Final = "Perbarui akun di https://penyerang.example/login atau www.penyerang.example"
LINK: Final = re.compile(r"(?i)\w+://\w[^\s\"'<>]*|\bwww\.\w+|penyerang\.\w+")


def example(name: str) -> tuple[str, dict[str, Any]]:
    (found,) = [one for one in event_types() if one.type == f"id.go.bandung.{name}.v1"]
    return found.type, found.example


def test_an_agencys_words_become_no_link_in_a_letter(product: Product, attacker: Attacker) -> None:
    """To whom it likes: it registers him, and has him complete what it calls as it likes."""
    prey = somebody()
    registered, person = example("employee.registered")
    completed, completion = example("training.completed")
    body = {"code": ATTACKER_OPD, "name": ENTICING}
    training = {**completion["training"], "title": ENTICING, "organizer": body, "place": ENTICING}
    about = {"employee_number": prey.number}
    events = [
        cloud_event(registered, {**person, **about, "name": ENTICING, "email": prey.email}),
        cloud_event(completed, {**completion, **about, "training": training}),
    ]
    assert attacker.kafka.write(attacker.topic, *events) is None
    product.settled()
    officer = product.client("officer", opd=ATTACKER_OPD)
    (held,) = product.record(prey)["completions"]
    address = f"/certificates/{held['certificate']['certificate_id']}/revocations"
    assert officer.post(address, json={"reason": ENTICING}).json()["verdict"] == "accepted"
    product.settled()
    letters = product.mails_for(prey.email)
    assert len(letters) == 2
    public = product.kompeten.env["enrollment"]["KOMPETEN_PUBLIC_URL"]
    for letter in letters:
        for text in (letter["Subject"], letter["Text"], re.sub(r"<[^>]+>", " ", letter["HTML"])):
            assert [one for one in LINK.findall(text) if not one.startswith(public)] == []
        hrefs = re.findall(r"(?:href|src)=[\"']?([^\"' >]+)", letter["HTML"])
        assert [one for one in hrefs if not one.startswith(public)] == []
