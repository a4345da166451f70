"""What somebody deletes by hand in one service is seen, said, and made up for - on the real services."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from devstack import Stack
from devstack.kompeten import configure, make_topics, start
from devstack.processes import Processes
from tests.end_to_end.product import Person, Product, opened, somebody, until
from tests.factories import BODIES, OPD, completed

pytestmark = pytest.mark.xdist_group("end_to_end")
WHY = "dihapus dengan tangan"
CODE = "REKON"


@pytest.fixture(scope="module")
def product(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Its own: lists follow every change at once, and data is broken."""
    name = secrets.token_hex(4)
    kompeten = configure(
        stack, [OPD], topic_prefix=f"rec-{name}.", database_prefix=f"rec_{name}",
        bodies=dict.fromkeys(BODIES, OPD),
        settings={"enrollment": {"KOMPETEN_LIST_EVERY_S": "1"}},
    )  # fmt: skip
    make_topics(kompeten)
    with Processes(tmp_path_factory.mktemp("reconciliation")) as processes:
        start(kompeten, processes)
        with opened(kompeten, processes.logs) as product:
            yield product


def reconcile(product: Product, *words: str) -> tuple[int, Any]:
    env = {f"KOMPETEN_{name.upper()}_URL": url for name, url in product.kompeten.urls.items()}
    env["KOMPETEN_TOKEN"] = product.kompeten.token("operator")
    done = subprocess.run(
        [sys.executable, "-m", "cli", "reconcile", *words, "--json"],
        env=os.environ | env, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), (done.stdout, done.stderr)
    return done.returncode, json.loads(done.stdout)


def with_certificate(product: Product, person: Person) -> str:
    """Its completion, certified, credited, mailed."""
    product.publish(person.registration(), completed(person.number, code=CODE))
    product.settled()
    return completion_of(product, person)


def completion_of(product: Product, person: Person) -> str:
    found = product.client("operator").post("/admin/traces", json={"employee_number": person.number}).json()
    (id,) = found["completion_ids"]
    return str(id)


def wrong(document: Any) -> set[tuple[str, str, str]]:
    return {
        (one["completion_id"], one["service"], what) for one in document["wrong"] for what in one["lacks"]
    }


def gauge(product: Product, service: str) -> float:
    """Of all that lacks something there."""
    text = product.internal(service, "/metrics").text
    return sum(float(value) for value in re.findall(r"^kompeten_discrepancies\{[^}]*\} (\S+)$", text, re.M))


def forget_points(product: Product, id: str) -> None:
    database = product.database("incentive")
    assert database.earned_completions.delete_one({"_id": id}).deleted_count == 1
    assert database.point_entries.delete_many({"completion_id": id}).deleted_count == 1


def forget_letter(product: Product, id: str) -> None:
    database = product.database("notification")
    (letter,) = database.letters.find({"completion_id": id})
    assert database.letters.delete_one({"_id": letter["_id"]}).deleted_count == 1
    assert database.mails.delete_one({"_id": letter["_id"]}).deleted_count == 1


def letter_of(product: Product, id: str) -> str:
    (letter,) = product.database("notification").letters.find({"completion_id": id})
    return str(letter["_id"])


def list_all_again(product: Product) -> None:
    product.database("enrollment").listings.delete_many({})


def test_a_healthy_system_has_nothing_to_report(product: Product) -> None:
    people = [somebody() for _ in range(3)]
    for person in people:
        with_certificate(product, person)
    status, found = reconcile(product)
    assert (status, found["wrong"], found["in_doubt"], found["noted"]) == (0, [], [], [])
    assert found["completions"] >= 3
    until(lambda: product.database("enrollment").listings.find_one(), "lists were made")
    for service in ("incentive", "notification"):
        lists = until(
            lambda service=service: product.database(service).decisions.count_documents(
                {"v": "accepted", "s": {"$exists": False}}
            ),
            f"{service} read a list",
        )
        assert lists
        assert product.database(service).discrepancies.count_documents({}) == 0


@pytest.mark.full
def test_what_was_deleted_by_hand_is_seen_healed_and_never_doubled(product: Product) -> None:
    person, other = somebody(), somebody()
    id, untouched = with_certificate(product, person), with_certificate(product, other)
    points, mails = product.points(person), product.mails_for(person.email)
    until(
        lambda: product.database("notification").mail_notes.find_one({"_id": letter_of(product, id)}),
        "it is noted",
    )
    forget_points(product, id)
    forget_letter(product, id)
    list_all_again(product)

    status, found = reconcile(product)
    assert (status, wrong(found)) == (1, {(id, "incentive", "points"), (id, "notification", "letter")})
    until(lambda: gauge(product, "incentive") == gauge(product, "notification") == 1, "both count it")
    _, found = reconcile(product)
    assert {(one["service"], one["completion_id"]) for one in found["noted"]} == {
        ("incentive", id),
        ("notification", id),
    }

    status, healed = reconcile(product, "--heal", "--reason", WHY)
    assert (status, healed["wrong"]) == (0, [])
    assert healed["restated"] == {id: "accepted"}
    product.settled()
    after = product.points(person)
    assert (after["balance"], [one["points"] for one in after["entries"]]) == (
        points["balance"],
        [one["points"] for one in points["entries"]],
    )
    account = product.database("incentive").accounts.find_one({"_id": _employee(product, id)})
    assert account["balance"] == points["balance"]
    assert [one["state"] for one in product.mail_states(person)] == ["sent"]
    # The log remembers that it went.
    assert len(product.mails_for(person.email)) == len(mails) == 1
    assert len(product.mails_for(other.email)) == 1
    until(lambda: gauge(product, "incentive") + gauge(product, "notification") == 0, "nobody counts it")

    status, again = reconcile(product, "--heal", "--reason", WHY)
    assert (status, again["restated"]) == (0, {})
    product.settled()
    assert product.points(person) == after
    assert product.database("incentive").point_entries.count_documents({"completion_id": untouched}) == 1


def test_a_restatement_of_what_is_all_there_sends_nothing(product: Product) -> None:
    person = somebody()
    id = with_certificate(product, person)
    operator = product.client("operator")
    body = {"completion_id": id, "reason": WHY}
    answer = operator.post("/admin/reconciliation/restatements", json=body)
    assert (answer.status_code, answer.json()["verdict"]) == (200, "accepted"), answer.text
    product.settled()
    assert len(product.mails_for(person.email)) == 1
    assert len(product.points(person)["entries"]) == 1
    assert reconcile(product)[0] == 0
    decision = product.verdict(answer.json()["command_id"])
    assert decision["answer"]["why"] == WHY
    assert decision["answer"]["operator"]


def test_a_pdf_that_is_gone_is_made_again(product: Product) -> None:
    person = somebody()
    id = with_certificate(product, person)
    database = product.database("enrollment")
    certificate = database.completions.find_one({"_id": id})["certificate"]["id"]
    path = f"/certificates/{certificate}/pdf"
    assert product.employee(person).get(path).status_code == 200
    assert database.stored_pdfs.delete_many({"certificate_id": certificate}).deleted_count == 1
    status, found = reconcile(product)
    assert (status, wrong(found)) == (1, {(id, "enrollment", "pdf")})
    assert reconcile(product, "--heal", "--reason", WHY)[0] == 0
    product.settled()
    assert product.employee(person).get(path).status_code == 200
    assert len(product.mails_for(person.email)) == 1


def test_points_of_a_completion_that_nobody_knows_are_named_and_left_alone(product: Product) -> None:
    known = product.database("incentive").earned_completions.find_one({"month": {"$ne": ""}})
    orphan = known | {"_id": "cmp_" + secrets.token_hex(16), "points": 0, "month": ""}
    product.database("incentive").earned_completions.insert_one(orphan)
    status, found = reconcile(product, "--heal", "--reason", WHY)
    assert (status, wrong(found), found["restated"]) == (1, {(orphan["_id"], "incentive", "orphan")}, {})
    product.database("incentive").earned_completions.delete_one({"_id": orphan["_id"]})


def test_an_auditor_may_look_and_not_heal(product: Product) -> None:
    auditor = product.client("auditor")
    assert auditor.get("/admin/reconciliation", params={"limit": 1}).status_code == 200
    body = {"completion_id": "cmp_" + "0" * 32, "reason": WHY}
    assert auditor.post("/admin/reconciliation/restatements", json=body).status_code == 403
    operator = product.client("operator")
    assert operator.post("/admin/reconciliation/restatements", json=body).status_code == 404


def _employee(product: Product, id: str) -> str:
    return str(product.database("enrollment").completions.find_one({"_id": id})["employee_id"])
