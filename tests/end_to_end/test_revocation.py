"""Certificates are taken back and given back: everything follows, whoever asks how often and in which order."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.http.access import Principal
from shared.http.commands import command_id
from tests.end_to_end.product import OTHER_OPD, Person, Product, somebody, until
from tests.factories import OPD, completed

pytestmark = pytest.mark.xdist_group("end_to_end")

BODY = "BKPSDM"
REASON = "Daftar hadir tertukar dengan angkatan lain."
AGAIN = "Daftar hadirnya ternyata benar."


@dataclass(frozen=True)
class Held:
    """A certificate, and who holds it."""

    person: Person
    id: str
    completion_id: str
    verification_url: str
    number: str


@pytest.fixture
def officer(product: Product) -> httpx.Client:
    return product.client("officer", opd="bkpsdm")


@pytest.fixture
def held(product: Product) -> Held:
    person = somebody()
    product.publish(person.registration(), completed(person.number, organizer=BODY))
    product.settled()
    return holding(product, person)


def holding(product: Product, person: Person) -> Held:
    (completion,) = product.record(person)["completions"]
    certificate = completion["certificate"]
    return Held(
        person,
        certificate["certificate_id"],
        completion["completion_id"],
        certificate["verification_url"],
        certificate["number"],
    )


def revoke(officer: httpx.Client, held: Held, key: str | None = None, reason: str = REASON) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return officer.post(f"/certificates/{held.id}/revocations", json={"reason": reason}, headers=headers)


def reinstate(
    officer: httpx.Client, held: Held, revocation_id: str, key: str | None = None, reason: str = AGAIN
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"reason": reason, "revocation_id": revocation_id}
    return officer.post(f"/certificates/{held.id}/reinstatements", json=body, headers=headers)


def decided(product: Product, answer: httpx.Response) -> dict[str, Any]:
    """The decision, from the answer or from the address that it gives."""
    assert answer.status_code in (200, 202), answer.text
    if answer.status_code == 202:
        id = answer.headers["location"].removeprefix("/decisions/")
        assert id == answer.json()["command_id"]
        decision = product.verdict(id)
        return {"command_id": id, "verdict": decision["verdict"], **decision["answer"]}
    found: dict[str, Any] = answer.json()
    return found


def status(held: Held, url: str | None = None) -> str:
    shown = httpx.get(url or held.verification_url, headers={"accept": "application/json"}, timeout=60).json()
    return str(shown["status"])


def test_revoking_takes_everything_back_and_says_so(
    product: Product, officer: httpx.Client, held: Held
) -> None:
    (issued,) = product.mails_for(held.person.email)
    link = next(word for word in issued["Text"].split() if "/d/" in word)
    answer = decided(product, revoke(officer, held))
    assert (answer["verdict"], answer["status"], answer["revocations_standing"]) == ("accepted", "revoked", 1)
    product.settled()

    record = product.record(held.person)
    (completion,) = record["completions"]
    assert record["years"] == [{"year": 2026, "jp": 0.0, "duty_jp": 20.0, "still_owed_jp": 20.0}]
    assert (completion["jp"], completion["certificate"]["status"]) == (0.0, "revoked")
    assert completion["certificate"]["revocation_ids"] == [answer["command_id"]]
    points = product.points(held.person)
    assert [entry["points"] for entry in points["entries"]] == [-15, 15]
    assert points["balance"] == 0
    assert points["entries"][0]["reason"] == "sertifikat dicabut"

    _, revoked = product.mails_for(held.person.email)
    assert revoked["Subject"].startswith("Sertifikat Anda dicabut: ")
    for part in (revoked["Text"], revoked["HTML"]):
        assert held.number in part
        assert REASON in part
    assert status(held) == "revoked"
    page = httpx.get(held.verification_url, headers={"accept": "text/html"}, timeout=60)
    assert "Sertifikat ini telah dicabut" in page.text
    for gone in (
        httpx.get(link, headers={"accept": "application/json"}, timeout=60),
        product.employee(held.person).get(f"/certificates/{held.id}/pdf"),
        officer.get(f"/certificates/{held.id}/pdf"),
    ):
        assert (gone.status_code, gone.json()["type"]) == (410, "/problems/certificate-revoked")


def test_reinstating_gives_everything_back_and_the_history_explains_it(
    product: Product, officer: httpx.Client, held: Held
) -> None:
    revocation = decided(product, revoke(officer, held))["command_id"]
    product.settled()  # else the mail about the revocation may be overtaken, and is not sent
    answer = decided(product, reinstate(officer, held, revocation))
    assert (answer["verdict"], answer["status"], answer["revocations_standing"]) == ("accepted", "valid", 0)
    product.settled()

    record, points = product.record(held.person), product.points(held.person)
    (completion,) = record["completions"]
    certificate = completion["certificate"]
    assert (completion["jp"], certificate["status"], certificate["number"]) == (8.0, "valid", held.number)
    assert certificate["revocation_ids"] == []
    assert [entry["points"] for entry in points["entries"]] == [15, -15, 15]
    assert all(entry["reason"] or entry["lines"] for entry in points["entries"])
    assert points["balance"] == 15
    assert status(held, certificate["verification_url"]) == "valid"
    assert status(held) == "replaced"
    assert product.employee(held.person).get(f"/certificates/{held.id}/pdf").status_code == 200
    assert len(product.mails_for(held.person.email)) == 3

    # Everything again, as a broker may deliver it: nothing moves.
    product.publish(completed(held.person.number, organizer=BODY))
    decided(product, reinstate(officer, held, revocation))
    product.settled()
    assert product.points(held.person) == points
    assert product.record(held.person) == record
    assert len(product.mails_for(held.person.email)) == 3


def test_a_revocation_may_come_before_its_completion(product: Product, officer: httpx.Client) -> None:
    person = somebody()
    body = {
        "employee_number": person.number,
        "organizer_code": BODY,
        "training_code": "PPBD",
        "batch": "2026-1",
        "reason": REASON,
    }
    answer = decided(product, officer.post("/completions/revocations", json=body))
    assert (answer["verdict"], answer["status"]) == ("accepted", "unknown")
    product.publish(completed(person.number, organizer=BODY))
    product.publish(person.registration())
    product.settled()
    record = product.record(person)
    (completion,) = record["completions"]
    assert (completion["jp"], completion["certificate"]["status"]) == (0.0, "revoked")
    assert product.points(person)["balance"] == 0
    assert [entry["points"] for entry in product.points(person)["entries"]] == []
    mails = product.mails_for(person.email)
    assert [mail["Subject"].split(":")[0] for mail in mails] == ["Sertifikat Anda dicabut"]
    held = holding(product, person)
    assert status(held) == "revoked"

    decided(product, reinstate(officer, held, answer["command_id"]))
    product.settled()
    assert product.record(person)["completions"][0]["jp"] == 8.0
    assert product.points(person)["balance"] == 15


def test_a_repeated_request_gets_the_first_ones_answer(
    product: Product, officer: httpx.Client, held: Held
) -> None:
    key = secrets.token_hex(8)
    first = decided(product, revoke(officer, held, key))
    lift = secrets.token_hex(8)
    lifted = decided(product, reinstate(officer, held, first["command_id"], lift))
    for _ in range(2):
        assert answered(product, revoke(officer, held, key)) == first
        assert answered(product, reinstate(officer, held, first["command_id"], lift)) == lifted
    product.settled()
    assert [entry["points"] for entry in product.points(held.person)["entries"]] == [15, -15, 15]


def answered(product: Product, answer: httpx.Response) -> dict[str, Any]:
    """A 202 leads to the decision; the first under its id is the one that was asked for."""
    if answer.status_code == 202:
        id = answer.json()["command_id"]
        first = until(lambda: product.decisions(id), "the decision")[0]
        return {"command_id": id, "status": "decided", "verdict": first["verdict"],
                "reason": first["reason"], **first["answer"]}  # fmt: skip
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_key_is_of_one_request(product: Product, officer: httpx.Client, held: Held) -> None:
    key, lift = secrets.token_hex(8), secrets.token_hex(8)
    first = decided(product, revoke(officer, held, key))
    decided(product, reinstate(officer, held, first["command_id"], lift))
    for other in (
        revoke(officer, held, key, reason="Salah orang."),
        reinstate(officer, held, "another-revocation", lift),
        reinstate(officer, held, first["command_id"], lift, reason="Salah orang."),
    ):
        assert other.status_code == 422, other.text
        assert other.headers["content-type"] == "application/problem+json"
        assert other.json()["type"] == "/problems/idempotency-key-reused"
    product.settled()
    assert product.points(held.person)["balance"] == 15


@pytest.mark.parametrize("key", ["short", "x" * 201, "with blank in it"])
def test_a_key_that_is_none_is_refused(officer: httpx.Client, held: Held, key: str) -> None:
    answer = revoke(officer, held, key)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/Idempotency-Key")


def test_only_an_officer_of_the_issuing_body_may(product: Product, officer: httpx.Client, held: Held) -> None:
    other = product.client("officer", opd="diskominfo")
    refused = revoke(other, held)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-your-agency")
    in_advance = other.post(
        "/completions/revocations",
        json={
            "employee_number": somebody().number,
            "organizer_code": BODY,
            "training_code": "PPBD",
            "batch": "1",
            "reason": REASON,
        },
    )
    assert (in_advance.status_code, in_advance.json()["type"]) == (403, "/problems/not-your-agency")
    revocation = decided(product, revoke(officer, held))["command_id"]
    refused = reinstate(other, held, revocation)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-your-agency")
    assert status(held) == "revoked"
    found = other.post("/certificates/search", json={"certificate_number": held.number})
    assert found.json() == []
    found = officer.post("/certificates/search", json={"certificate_number": held.number})
    assert [one["certificate"]["number"] for one in found.json()] == [held.number]


def test_who_acts_for_all_says_so_and_who_says_nothing_acts_for_none(product: Product, held: Held) -> None:
    refused = revoke(product.client("officer"), held)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    assert status(held) == "valid"
    decided(product, revoke(product.client("officer", opd="*"), held))
    assert status(held) == "revoked"
    completion = product.database("enrollment").completions.find_one({"_id": held.completion_id})
    assert [one["opd"] for one in completion["revocations"]] == [None]  # as it always stood in the log


def test_a_revocation_in_advance_tells_nothing_of_the_number(product: Product, officer: httpx.Client) -> None:
    known, unknown = somebody(), somebody()
    product.publish(known.registration())
    product.settled()

    def told(person: Person) -> tuple[str, str | None, dict[str, Any]]:
        body = {
            "employee_number": person.number,
            "organizer_code": BODY,
            "training_code": "BELUM",
            "batch": "1",
        }
        answer = officer.post("/completions/revocations", json={**body, "reason": REASON})
        assert answer.status_code in (200, 202)
        decision = product.verdict(answer.json()["command_id"])
        return decision["verdict"], decision["reason"], decision["answer"]

    assert told(known) == told(unknown)


def test_officers_find_their_own_commands_and_their_agencys_events_alone(
    product: Product, held: Held
) -> None:
    callers = {
        "its officer": product.client("officer", opd=BODY.lower(), sub="officer-own"),
        "colleague": product.client("officer", opd=BODY.lower(), sub="officer-colleague"),
        "other officer": product.client("officer", opd="diskominfo", sub="officer-other"),
        "agency's officer": product.client("officer", opd=OPD),
        "neighbour's officer": product.client("officer", opd=OTHER_OPD),
        "operator": product.client("operator"),
    }
    key = secrets.token_hex(8)
    command = decided(product, revoke(callers["its officer"], held, key))["command_id"]
    (event,) = product.publish(completed(held.person.number, organizer=BODY), source="urn:simpeg")
    product.verdict(event)

    def who_sees(id: str) -> set[str]:
        return {who for who, one in callers.items() if one.get(f"/decisions/{id}").status_code == 200}

    assert who_sees(command) == {"its officer", "operator"}
    assert who_sees(event) == {"agency's officer", "operator"}
    assert product.decisions(event)[-1]["source"] == "urn:simpeg"
    assert "officer-own" not in str(product.decisions(command))


@pytest.mark.full
@pytest.mark.parametrize("lifted", [10, 8], ids=["all lifted", "two stand"])
def test_twenty_callers_at_once_all_get_the_decision_that_stands(
    product: Product, held: Held, lifted: int
) -> None:
    """Ten revoke, others lift those very revocations, many before they are there; ids follow from the keys."""
    subject = f"officer-{secrets.token_hex(4)}"
    caller = Principal(subject, frozenset(), None, None, product.kompeten.stack.issuer)
    keys = [secrets.token_hex(8) for _ in range(10)]
    revocations = [command_id(caller, f"revoke/{held.completion_id}", key) for key in keys]
    callers = [
        product.client("officer", opd="bkpsdm", sub=subject, fresh=True) for _ in range(len(keys) + lifted)
    ]

    def call(number: int) -> httpx.Response:
        if number < len(keys):
            return revoke(callers[number], held, keys[number])
        return reinstate(callers[number], held, revocations[number - len(keys)], secrets.token_hex(8))

    with ThreadPoolExecutor(len(callers)) as threads:
        answers = list(threads.map(call, range(len(callers))))
    product.settled()

    for answer in answers:
        told = decided(product, answer)
        (decision,) = product.decisions(told["command_id"])
        assert decision["verdict"] == "accepted"
        assert {
            "command_id": told["command_id"],
            "verdict": "accepted",
            **decision["answer"],
        }.items() <= told.items()
    assert [decided(product, answer)["command_id"] for answer in answers[:10]] == revocations

    (completion,) = product.record(held.person)["completions"]
    certificate = completion["certificate"]
    assert set(certificate["revocation_ids"]) == set(revocations[lifted:])
    stands = "valid" if lifted == 10 else "revoked"
    assert certificate["status"] == stands
    assert product.points(held.person)["balance"] == (15 if stands == "valid" else 0)
    assert product.record(held.person)["years"][0]["jp"] == (8.0 if stands == "valid" else 0.0)
    decisions = sorted(
        (product.decisions(decided(product, answer)["command_id"])[0] for answer in answers),
        key=lambda one: int(one["record"].split("/")[-2]),
    )
    assert decisions[-1]["answer"]["status"] == stands


def test_twenty_callers_with_one_key_cause_one_revocation(product: Product, held: Held) -> None:
    key, subject = secrets.token_hex(8), f"officer-{secrets.token_hex(4)}"
    callers = [product.client("officer", opd="bkpsdm", sub=subject, fresh=True) for _ in range(20)]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda caller: revoke(caller, held, key), callers))
    told = [answered(product, answer) for answer in answers]
    assert all(one == told[0] for one in told)
    product.settled()
    assert [entry["points"] for entry in product.points(held.person)["entries"]] == [-15, 15]
    assert len(product.mails_for(held.person.email)) == 2
