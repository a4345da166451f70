"""The mail's link: nobody finds it in a topic, nobody can make one, and it ends when the address changes."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.notification.letters.documents import ADDRESS_CHANGED
from shared.contracts.cloudevents import peek
from shared.contracts.enrollment import CertificateIssued
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.identity.identifiers import Ids
from shared.identity.link_keys import LinkKeys
from shared.identity.links import Links
from tests.end_to_end.product import Person, Product, somebody, structured, until
from tests.factories import as_record, certificate_issued, completed

pytestmark = pytest.mark.xdist_group("end_to_end")

PAGE = {"accept": "text/html"}


def mailed_link(mail: dict[str, Any]) -> str:
    return next(word for word in mail["Text"].split() if "/d/" in word)


def certified(product: Product, person: Person, **training: object) -> str:
    """The link of the mail."""
    product.publish(person.registration(), completed(person.number, **training))
    product.settled()
    return mailed_link(product.mails_for(person.email)[-1])


def status(link: str) -> int:
    return httpx.get(link, headers=PAGE, timeout=60).status_code


def test_no_topic_and_no_database_has_a_link(product: Product) -> None:
    person = somebody()
    token = certified(product, person).rpartition("/")[2]
    for topic in (
        ENROLLMENT_EVENTS,
        "incentive.events.v1",
        "notification.commands.v1",
        "enrollment.commands.v1",
    ):
        for record in product.records_of(topic):
            assert record is None or b"/d/crt_" not in record
    ours = [
        json.loads(record)["data"]
        for record in product.records_of(ENROLLMENT_EVENTS)
        if record is not None and peek(record, ())[0] == CertificateIssued.TYPE
    ]
    assert {one["download_url"] for one in ours} == {""}
    for service in ("enrollment", "notification"):
        database = product.database(service)
        for name in database.list_collection_names():
            for document in database[name].find():
                assert token not in str(document), name


def test_a_changed_address_withdraws_the_links_that_went_to_the_other(product: Product) -> None:
    person = somebody()
    link = certified(product, person)
    assert status(link) == 200
    product.publish(person.registration(golongan="IV/a"))
    product.settled()
    assert status(link) == 200
    product.publish(person.registration(email=f"baru.{person.email}"))
    product.settled()
    page = httpx.get(link, headers=PAGE, timeout=60)
    assert page.status_code == 410
    assert "selama alamat surel Anda tetap" in page.text
    _, told = product.mails_for(person.email)
    assert told["Subject"] == "Alamat surel Anda di Kompeten telah diubah"
    for unsaid in ("http", "baru.", person.number):
        assert unsaid not in told["Text"] + told["HTML"]
    product.publish(completed(person.number, place="Cimahi"))
    product.settled()
    (again,) = product.mails_for(f"baru.{person.email}")
    assert status(mailed_link(again)) == 200
    assert status(link) == 410
    assert len(product.mails_for(person.email)) == 2, "of one change the address before is told once"
    mails = product.employee(person, "notification").get("/me/mails").json()
    assert [
        (one["certificate_number"], one["state"]) for one in mails if one["template"] == ADDRESS_CHANGED
    ] == [(None, "sent")]


def test_the_link_of_an_earlier_issue_opens_the_certificate_that_stands(product: Product) -> None:
    person = somebody()
    link = certified(product, person)
    before = httpx.get(link, timeout=60).content
    product.publish(completed(person.number, place="Lembang"))
    product.settled()
    assert httpx.get(link, timeout=60).content != before
    assert product.record(person)["completions"][0]["certificate"]["revision"] == 2


def test_a_link_of_before_there_was_a_ring_lives_until_the_address_changes(product: Product) -> None:
    person = somebody()
    certified(product, person)
    env = product.kompeten.env["enrollment"]
    certificate = product.record(person)["completions"][0]["certificate"]["certificate_id"]
    text = f"{certificate}.{int(datetime.now(UTC).timestamp()) + 30 * 24 * 3600}"
    link = f"{env['KOMPETEN_PUBLIC_URL']}/d/{text}.{Ids(env['KOMPETEN_SECRET']).signature(text)}"
    assert status(link) == 200
    # Written a second ago at the latest: the link's time has whole seconds.
    until(
        lambda: datetime.now(UTC).timestamp() > int(text.rpartition(".")[2]) - 30 * 24 * 3600 + 1, "a second"
    )
    product.publish(person.registration(email=f"baru.{person.email}"))
    product.settled()
    assert status(link) == 410


def test_whoever_lacks_the_keys_makes_no_link(product: Product) -> None:
    """Knowing all that a topic has: the certificate's id, its revision, the address."""
    person = somebody()
    genuine = certified(product, person)
    certificate = product.record(person)["completions"][0]["certificate"]["certificate_id"]
    for key in ("", "0" * 32, product.kompeten.env["enrollment"]["KOMPETEN_SECRET"][::-1]):
        ids = Ids(key)
        forging = Links(product.kompeten.urls["enrollment"], ids, LinkKeys(ids))
        link, _ = forging.download(certificate, 1, person.email, datetime.now(UTC))
        assert status(link) == 404
    other = certified(product, somebody())
    said, signature = genuine.rpartition(".")[0], other.rpartition(".")[2]
    assert status(f"{said}.{signature}") == 404


@pytest.mark.parametrize(
    "address", ["https://stranger.example/v/" + "a" * 26, "javascript:alert(document.cookie)"]
)
def test_a_forged_certificate_is_not_mailed_and_says_why(product: Product, address: str) -> None:
    person = somebody()
    certified(product, person)
    (employee,) = product.database("notification").contacts.find({"email": person.email})
    event = certificate_issued(
        employee_id=employee["_id"], verification_url=address, download_url=address, title="Palsu"
    )
    record = as_record(event, id=f"forged-{address[:5]}-{person.number}", source="urn:enrollment")
    product.write(ENROLLMENT_EVENTS, record)
    decision = product.verdict(f"forged-{address[:5]}-{person.number}", "notification")
    assert decision["verdict"] == "refused"
    assert "enrollment did not publish this event" in decision["reason"]
    assert address not in decision["reason"]
    product.settled()
    assert [re.search("Palsu", one["Text"]) for one in product.mails_for(person.email)] == [None]


def test_an_event_that_is_sent_again_makes_no_second_link_or_mail(product: Product) -> None:
    person = somebody()
    event = structured(completed(person.number))
    product.publish(person.registration(), *[event] * 5)
    product.settled()
    assert len(product.mails_for(person.email)) == 1
