"""What an operator does at two in the morning: sees what failed, mends it, and asks where a certificate is."""

import json
import os
import secrets
import subprocess
import sys
from typing import Any

import httpx
import pytest

from shared.contracts.topics import ENROLLMENT_EVENTS, PARTITIONS, agency_topic
from tests.end_to_end.product import Person, Product, fresh_id, somebody, structured, until
from tests.factories import OPD, completed

pytestmark = pytest.mark.xdist_group("end_to_end")

WHY = "tanggal diperbaiki menurut telepon dinas"


@pytest.fixture
def operator(product: Product) -> httpx.Client:
    return product.client("operator")


def faulty(person: Person) -> dict[str, Any]:
    """A completion whose day comes before its training's first."""
    event = structured(completed(person.number), fresh_id())
    return event | {"data": event["data"] | {"completed_on": "2019-01-01"}}


def dead_letter(product: Product, operator: httpx.Client, event: dict[str, Any]) -> str:
    """Published, refused; the dead letter's id."""
    product.publish(event)
    verdict = product.verdict(event["id"])
    assert verdict["verdict"] == "refused"
    return str(verdict["record"])


def post(operator: httpx.Client, path: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    return operator.post(path, json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)})


def test_a_dead_letter_is_found_rehearsed_mended_and_replayed(
    product: Product, operator: httpx.Client
) -> None:
    person = somebody()
    event = faulty(person)
    product.publish(person.registration())
    id = dead_letter(product, operator, event)

    details = operator.get("/admin/dead-letters/letter", params={"id": id}).json()
    assert details["event"] == event
    assert details["state"] == "open"
    assert [one["verdict"] for one in details["decisions"]] == ["refused"]
    groups = operator.get("/admin/dead-letters", params={"limit": 500}).json()
    group = next(one for one in groups if one["fingerprint"] == details["fingerprint"])
    assert group["count"] >= 1
    listed = operator.get(
        "/admin/dead-letters/letters", params={"fingerprint": group["fingerprint"], "limit": 500}
    )
    assert id in [one["id"] for one in listed.json()]

    mended = event | {"data": completed(person.number).model_dump(mode="json")}
    rehearsal = post(operator, "/admin/dead-letters/dry-runs", {"id": id, "event": mended}).json()
    assert rehearsal["verdict"] == "accepted"
    assert {"completions", "renderings"} <= {one["collection"] for one in rehearsal["documents"]}
    assert "id.go.bandung.certificate.issued.v1" in [one["type"] for one in rehearsal["events"]]
    assert product.record(person)["completions"] == [], "a dry run wrote something"

    body, key = {"id": id, "reason": WHY, "event": mended}, secrets.token_hex(8)
    answer = post(operator, "/admin/dead-letters/replays", body, key)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["verdict"], answer.json()["outcome"]) == ("accepted", "accepted")
    again = post(operator, "/admin/dead-letters/replays", body, key)
    assert again.json() == answer.json(), "the same request has the same answer"
    other = post(operator, "/admin/dead-letters/replays", body)
    assert other.json()["verdict"] == "duplicate"
    product.settled()
    assert len(product.record(person)["completions"]) == 1
    assert len(product.mails_for(person.email)) == 1
    kept = operator.get("/admin/dead-letters/letter", params={"id": id}).json()
    assert (kept["state"], kept["event"], kept["resolution"]["edited"]) == ("replayed", event, mended)
    assert kept["resolution"]["reason"] == WHY
    assert [one["verdict"] for one in kept["decisions"]] == ["refused", "accepted"]
    # Its PDF was told to enrollment meanwhile, by another event.
    assert kept["decisions"][-1]["subject"] in [one["subject"] for one in kept["history"]]
    assert event["id"] not in [one["event_id"] for one in kept["history"]]


def test_an_edit_that_changes_the_id_is_refused_before_anything_is_written(
    product: Product, operator: httpx.Client
) -> None:
    person = somebody()
    id = dead_letter(product, operator, faulty(person))
    other = structured(completed(person.number), fresh_id())
    answer = post(operator, "/admin/dead-letters/replays", {"id": id, "reason": WHY, "event": other})
    assert answer.status_code == 422
    assert "id must stay" in answer.json()["detail"]


def test_a_letter_is_discarded_with_a_reason(product: Product, operator: httpx.Client) -> None:
    id = dead_letter(product, operator, faulty(somebody()))
    answer = post(operator, "/admin/dead-letters/discards", {"id": id, "reason": "percobaan"})
    assert (answer.status_code, answer.json()["outcome"]) == (200, "discarded")
    kept = operator.get("/admin/dead-letters/letter", params={"id": id}).json()
    assert (kept["state"], kept["resolution"]["reason"]) == ("discarded", "percobaan")


def test_what_waits_is_shown_looked_at_and_given_up(product: Product, operator: httpx.Client) -> None:
    person = somebody()
    (event_id,) = product.publish(completed(person.number))
    assert product.verdict(event_id)["verdict"] == "waiting"
    trace = operator.post("/admin/traces", json={"event_id": event_id}).json()
    assert [one["what"] for one in trace["missing"]] == ["employee"]
    lacks = product.verdict(event_id)["subject"]
    assert lacks in [one["lacks"] for one in operator.get("/admin/waiting", params={"limit": 500}).json()]
    assert post(operator, "/admin/waiting/looks", {"lacks": lacks, "reason": WHY}).status_code == 200
    assert product.verdict(event_id)["verdict"] == "waiting"
    answer = post(operator, "/admin/waiting/give-ups", {"lacks": lacks, "reason": "pegawai dinas lain"})
    assert answer.json()["outcome"] == "refused"
    letter = product.verdict(event_id)
    assert letter["verdict"] == "refused"
    assert "pegawai dinas lain" in letter["reason"]
    product.publish(person.registration())
    replayed = post(operator, "/admin/dead-letters/replays", {"id": letter["record"], "reason": WHY})
    assert replayed.json()["outcome"] == "accepted"


def test_a_trace_tells_all_three_services_part(product: Product, operator: httpx.Client) -> None:
    person = somebody()
    _, event_id = product.publish(person.registration(), completed(person.number))
    product.settled()
    by_event = operator.post("/admin/traces", json={"event_id": event_id}).json()
    by_number = operator.post("/admin/traces", json={"employee_number": person.number}).json()
    (certificate,) = [one["certificate"] for one in product.record(person)["completions"]]
    by_certificate = operator.post("/admin/traces", json={"certificate_number": certificate["number"]}).json()
    assert by_event["completion_ids"] == by_number["completion_ids"] == by_certificate["completion_ids"]
    assert by_event["missing"] == []
    told = " ".join(one["what"] for one in by_event["steps"])
    assert certificate["number"] in told
    assert "JP" in told
    assert "PDF" in told
    for service, expected in (("incentive", "points"), ("notification", "sent")):
        client = product.client("operator", service)
        trace = client.post("/admin/traces", json={"completion_ids": by_event["completion_ids"]}).json()
        assert expected in " ".join(one["what"] for one in trace["steps"])
        assert trace["missing"] == []
    assert person.number not in json.dumps([by_event, by_certificate])


def test_status_tells_where_each_partition_stands(product: Product) -> None:
    for service in ("enrollment", "incentive", "notification"):
        client = product.client("operator", service)

        def caught_up(client: httpx.Client = client) -> Any:
            status = client.get("/admin/status").json()
            return (
                status if status["ready"] and all(one["lag"] == 0 for one in status["partitions"]) else None
            )

        status = until(caught_up, f"{service} is ready and caught up")
        assert status["faults"] == []
    topics = {one["topic"] for one in product.client("operator").get("/admin/status").json()["partitions"]}
    assert agency_topic(OPD, product.kompeten.topic_prefix) in topics


def test_the_command_line_does_it_too(product: Product, operator: httpx.Client) -> None:
    """`kompeten` against the real services: what is listed is mended, and a partition is read again."""
    person = somebody()
    product.publish(person.registration())
    id = dead_letter(product, operator, faulty(person))

    def kompeten(*words: str) -> Any:
        env = {f"KOMPETEN_{name.upper()}_URL": url for name, url in product.kompeten.urls.items()}
        env["KOMPETEN_TOKEN"] = product.kompeten.token("operator")
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words, "--json"],
            env=os.environ | env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    assert id in json.dumps(kompeten("dead-letters", "show", id))
    assert kompeten("dead-letters", "discard", id, "--reason", WHY)["outcomes"] == {"discarded": 1}
    assert operator.get("/admin/dead-letters/letter", params={"id": id}).json()["state"] == "discarded"
    topic = agency_topic(OPD, product.kompeten.topic_prefix)
    record = id.removesuffix("/0").rsplit("/", 1)[1]
    kompeten(
        "partitions",
        "start",
        topic,
        "0",
        "--service",
        "enrollment",
        "--next",
        record,
        "--reason",
        "read again",
    )
    until(
        lambda: any(turn != id for turn in _turns(operator, id)),
        "the record is decided in another turn",
    )
    assert kompeten("status")
    _nothing_is_passed_over_in_silence(operator, topic)
    events = product.kompeten.topic_prefix + ENROLLMENT_EVENTS
    start = ("partitions", "start", events, "--service", "incentive", "--reason", "read again")
    assert {one["outcome"] for one in kompeten(*start)["partitions"]} == {"not stopped"}
    told = kompeten(*start, "--next", "0", "--yes")["partitions"]
    assert [(one["partition"], one["outcome"]) for one in told] == [(n, "started") for n in range(PARTITIONS)]
    read = product.client("operator", "incentive")
    until(
        lambda: all(one["lag"] == 0 for one in read.get("/admin/status").json()["partitions"]),
        "the whole topic is decided again",
    )


def _turns(operator: httpx.Client, id: str) -> list[str]:
    """Dead letters of the same record."""
    place = id.rsplit("/", 1)[0] + "/"
    letters = operator.get("/admin/dead-letters/letters", params={"limit": 500}).json()
    return [one["id"] for one in letters if one["id"].startswith(place)]


def _nothing_is_passed_over_in_silence(operator: httpx.Client, topic: str) -> None:
    """A typing error set a partition ahead of its log; the next records were never decided, and all looked well."""
    (one,) = [one for one in operator.get("/admin/status").json()["partitions"] if one["topic"] == topic]
    order = {"topic": topic, "partition": 0, "reason": "a typing error"}
    beyond = operator.post(
        "/admin/partitions/starts", json={**order, "next": one["end"] + 1, "pass_over": True}
    )
    assert (beyond.status_code, beyond.json()["type"]) == (409, "/problems/refused")
    assert f"The log ends at record {one['end']}:" in beyond.json()["detail"]
