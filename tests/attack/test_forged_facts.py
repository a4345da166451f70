"""In depth: as if the broker's rights had failed, facts of services written by somebody who is none of them."""

import json
import re
from typing import Any, Final

import pytest

from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.pipeline.records import Record, RecordMetadata
from tests.attack.attacker import cloud_event
from tests.attack.reference import SERVICES, event_types
from tests.attack.victim import Holder, Victim
from tests.end_to_end.product import Product

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

ADDRESS: Final = "penyerang@example.com"
STRANGER: Final = "https://penyerang.example/v/" + "a" * 26
LINKS: Final = (
    STRANGER,
    "javascript:alert(document.cookie)",
    "//penyerang.example/v/a",
    "data:text/html,x",
    "",
)
NEWEST: Final = 2**53 - 1
FORGED: Final = "Pelatihan Palsu"


def example(name: str, **changes: object) -> dict[str, Any]:
    (found,) = [one for one in event_types() if one.type == f"id.go.bandung.{name}.v1"]
    assert changes.keys() <= found.example.keys(), (
        f"{name} has no field {changes.keys() - found.example.keys()}"
    )
    return cloud_event(found.type, {**found.example, **changes}, source="urn:kompeten:enrollment")


def forge(product: Product, holder: Holder, *events: dict[str, Any]) -> None:
    """Among enrollment's facts, under the key that enrollment would use."""
    product.write(ENROLLMENT_EVENTS, *(record_of(event, holder.employee_id) for event in events))


def record_of(event: dict[str, Any], key: str) -> Record:
    headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    return Record(
        RecordMetadata(ENROLLMENT_EVENTS, 0, 0), 0, key.encode(), json.dumps(event).encode(), headers
    )


def letters(product: Product, holder: Holder) -> list[str]:
    return [mail["Text"] + mail["HTML"] for mail in product.mails_for(holder.person.email)]


def test_a_forged_certificate_is_mailed_to_nobody(product: Product, victim: Victim) -> None:
    holder = victim.valid
    for link in LINKS:
        event = example(
            "certificate.issued",
            employee_id=holder.employee_id,
            completion_id=holder.completion_id,
            certificate_id=holder.certificate_id,
            revision=NEWEST,
            completion_version=NEWEST,
            title=FORGED,
            verification_url=link,
            download_url=link,
        )
        forge(product, holder, event)
        assert product.verdict(event["id"], "notification")["verdict"] == "refused", link
    product.settled()
    assert not [text for text in letters(product, holder) if FORGED in text or "penyerang" in text]


def test_a_forged_revocation_is_mailed_to_nobody(product: Product, victim: Victim) -> None:
    holder = victim.valid
    event = example(
        "certificate.revoked",
        employee_id=holder.employee_id,
        completion_id=holder.completion_id,
        certificate_id=holder.certificate_id,
        revision=NEWEST,
        completion_version=NEWEST,
        title=FORGED,
        verification_url=STRANGER,
    )
    forge(product, holder, event)
    assert product.verdict(event["id"], "notification")["verdict"] == "refused"


def test_a_genuine_code_makes_no_forged_certificate_newer(product: Product, victim: Victim) -> None:
    """Code and id of a certificate stand in its mail: who was shown them has all but the key."""
    holder, public = victim.valid, product.kompeten.env["enrollment"]["KOMPETEN_PUBLIC_URL"]
    for revision in (1, 2, NEWEST):
        event = example(
            "certificate.issued",
            employee_id=holder.employee_id,
            completion_id=holder.completion_id,
            certificate_id=holder.certificate_id,
            certificate_number=holder.number,
            revision=revision,
            completion_version=revision,
            title=FORGED,
            verification_url=f"{public}/v/{holder.code}",
        )
        forge(product, holder, event)
        expected = {"refused"} if revision > 1 else {"refused", "duplicate", "superseded", "nothing"}
        assert product.verdict(event["id"], "notification")["verdict"] in expected, revision
    product.settled()
    assert not [text for text in letters(product, holder) if FORGED in text]


def test_a_version_beyond_all_does_not_replace_an_address_for_good(product: Product, victim: Victim) -> None:
    holder = victim.valid
    events = [
        example(
            "employee.recorded",
            employee_id=holder.employee_id,
            employee_numbers=[holder.person.number],
            version=version,
            email=ADDRESS,
        )
        for version in (NEWEST, 2**53, 2**63 - 1, 2**64, -1, 0)
    ]
    forge(product, holder, *events)
    product.settled()
    for service, event in ((service, event) for service in SERVICES for event in events):
        verdicts = {one["verdict"] for one in product.decisions(event["id"], service)}
        assert verdicts <= {"refused", "superseded"}, (service, event["data"]["version"])


def test_every_fact_with_a_version_beyond_all_is_refused_by_whoever_reads_it(
    product: Product, victim: Victim
) -> None:
    newest = dict.fromkeys(("version", "completion_version", "revision"), NEWEST)
    about = {"employee_id": victim.valid.employee_id, "completion_id": victim.valid.completion_id, **newest}
    events = []
    for one in event_types():
        for topic in (address for address in one.addresses if address.endswith(".events.v1")):
            known = {name: value for name, value in about.items() if name in one.example}
            events.append(cloud_event(one.type, {**one.example, **known}, source="urn:kompeten:enrollment"))
            product.write(topic, record_of(events[-1], victim.valid.employee_id))
    product.settled()
    for service, event in ((service, event) for service in SERVICES for event in events):
        verdicts = {one["verdict"] for one in product.decisions(event["id"], service)}
        assert "version" not in event["data"] or verdicts <= {"refused", "nothing"}, (service, event["type"])


def test_no_letter_goes_to_or_names_the_attackers_address(product: Product, victim: Victim) -> None:
    """Over all letters of the run: each leads to this installation only."""
    public = product.kompeten.env["enrollment"]["KOMPETEN_PUBLIC_URL"]
    assert product.mails_for(ADDRESS) == []
    for holder in victim.holders:
        for text in letters(product, holder):
            assert {
                link for link in re.findall(r"https?://[^\s\"'<>]+", text) if not link.startswith(public)
            } == set()
            assert "javascript:" not in text
