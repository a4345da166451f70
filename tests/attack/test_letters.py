"""Letters, pages and certificates come from us, whoever had them written: others' words in them are words."""

import re
from io import BytesIO
from typing import Any, Final

import httpx
import pytest
from pypdf import PdfReader

from tests.attack.attacker import ATTACKER_OPD, Attacker, cloud_event
from tests.attack.reference import event_types
from tests.attack.victim import mailed_link
from tests.end_to_end.product import Person, Product, somebody

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

ENTICING: Final = "Perbarui akun di https://penyerang.example/login atau www.penyerang.example"
LINK: Final = re.compile(r"(?i)\w+://\w[^\s\"'<>]*|\bwww\.\w+|penyerang\.\w+/")


def example(name: str) -> tuple[str, dict[str, Any]]:
    (found,) = [one for one in event_types() if one.type == f"id.go.bandung.{name}.v1"]
    return found.type, found.example


def told(prey: Person, words: str) -> list[dict[str, Any]]:
    """To whom it likes: it registers him, and has him complete what it calls as it likes."""
    registered, person = example("employee.registered")
    completed, completion = example("training.completed")
    body = {"code": ATTACKER_OPD, "name": words}
    training = {**completion["training"], "title": words, "organizer": body, "place": words}
    about = {"employee_number": prey.number}
    return [
        cloud_event(registered, {**person, **about, "name": words, "email": prey.email}),
        cloud_event(completed, {**completion, **about, "training": training}),
    ]


def test_an_agencys_words_become_no_link_in_a_letter(product: Product, attacker: Attacker) -> None:
    prey = somebody()
    assert attacker.kafka.write(attacker.topic, *told(prey, ENTICING)) is None
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


MARKUP: Final = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>", "{{ 7 * 7 }} {% include '/etc/passwd' %}",
    '#read("/etc/passwd") #import "x" $x$', "\\input{/etc/passwd} *_`@x", "a\u202eb\u200bc\ufeffd",
)  # fmt: skip


def test_markup_in_a_text_is_text_in_letter_page_and_pdf(product: Product, attacker: Attacker) -> None:
    """HTML, templates of ours, the typesetter's language, characters that turn a text round."""
    people = {words: somebody() for words in MARKUP}
    for words, prey in people.items():
        assert attacker.kafka.write(attacker.topic, *told(prey, words)) is None
    product.settled()
    for words, prey in people.items():
        (held,) = product.record(prey)["completions"]
        page = httpx.get(held["certificate"]["verification_url"], headers={"accept": "text/html"}, timeout=60)
        (letter,) = product.mails_for(prey.email)
        link = mailed_link(letter)
        pdf = httpx.get(link, timeout=60)
        assert (page.status_code, pdf.status_code) == (200, 200), words
        for text in (page.text, letter["HTML"], letter["Text"], text_of(pdf.content)):
            assert "root:" not in text
            assert "\u202e" not in text
        for text in (page.text, letter["HTML"]):
            assert "<script" not in text
            assert "<img src=x" not in text


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
