"""POST /events: what an agency without Kafka sends, event by event accepted or refused; and the same over Kafka."""

import codecs
import json
import secrets
from typing import Any

import httpx
import pytest

from shared.contracts.enrollment import CompletionRecorded
from tests.end_to_end.collector import Collector
from tests.end_to_end.product import OTHER_OPD, Product, fresh_id, somebody, structured
from tests.factories import OPD, completed, completion_recorded, registered

pytestmark = pytest.mark.xdist_group("end_to_end")

BATCH = "application/cloudevents-batch+json"
ONE = "application/cloudevents+json"


@pytest.fixture
def agency(product: Product) -> httpx.Client:
    return product.client("agency", opd=OPD)


def post(agency: httpx.Client, body: object, media_type: str = BATCH) -> httpx.Response:
    """JSON as Python writes it: a lone surrogate becomes its escape."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return agency.post("/events", content=content, headers={"content-type": media_type})


def logged(product: Product, opd: str = OPD) -> list[str]:
    """Ids of the events in the agency's topic that are JSON."""
    found = []
    for value in product.log_of(opd):
        try:
            found.append(json.loads(value).get("id"))
        except ValueError:
            continue
    return found


def registrations(count: int) -> list[dict[str, Any]]:
    return [structured(somebody().registration()) for _ in range(count)]


def test_half_a_character_costs_one_event_of_fifty(product: Product, agency: httpx.Client) -> None:
    events = registrations(50)
    events[24]["data"]["name"] = "Rina \ud83d"
    answer = post(agency, events)
    assert answer.status_code == 207
    verdicts = answer.json()
    assert [one["index"] for one in verdicts] == list(range(50))
    assert [one["id"] for one in verdicts] == [event["id"] for event in events]
    refused = verdicts.pop(24)
    assert refused["status"] == "refused"
    assert refused["detail"].startswith("data.name: ")
    assert {one["status"] for one in verdicts} == {"accepted"}
    recorded = [product.verdict(one["id"])["verdict"] for one in verdicts]
    assert recorded == ["accepted"] * 49
    assert product.decisions(events[24]["id"]) == []


def test_half_a_character_over_kafka_costs_one_dead_letter(product: Product) -> None:
    events = registrations(50)
    events[24]["data"]["name"] = "Rina \ud83d"
    product.publish(*events)
    product.settled()
    verdicts = [product.decisions(event["id"]) for event in events]
    assert [len(one) for one in verdicts] == [1] * 24 + [0] + [1] * 25
    letters = product.database("enrollment").dead_letters.find()
    (kept,) = [one for one in letters if events[24]["id"].encode() in (one["value"] or b"")]
    assert "half a character" in kept["reason"]


def test_a_byte_order_mark_before_an_event_means_nothing_either_way(
    product: Product, agency: httpx.Client
) -> None:
    over_http, over_kafka = registrations(2)
    assert post(agency, codecs.BOM_UTF8 + json.dumps([over_http]).encode()).status_code == 202
    product.publish(codecs.BOM_UTF8 + json.dumps(over_kafka).encode())
    verdicts = [product.verdict(event["id"])["verdict"] for event in (over_http, over_kafka)]
    assert verdicts == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "data.name: is empty: send its text"),
        ("Rina\0", "data.name: has the character U+0000"),
        ("Rina\t.", "data.name: has a control character"),
    ],
    ids=["empty", "NUL", "tab"],
)
def test_what_is_wrong_in_a_text_is_told_alike_either_way(
    product: Product, agency: httpx.Client, name: str, said: str
) -> None:
    (event,) = registrations(1)
    event["data"]["name"] = name
    (refused,) = post(agency, [event]).json()
    product.publish(event)
    decision = product.verdict(event["id"])
    assert (refused["status"], decision["verdict"]) == ("refused", "refused")
    assert refused["detail"] == decision["reason"]
    assert refused["detail"].startswith(said)


def test_accepted_means_that_kafka_has_it(product: Product, agency: httpx.Client) -> None:
    events = registrations(3)
    answer = post(agency, events)
    in_log = logged(product)  # read after the answer
    assert answer.status_code == 202
    assert [one["status"] for one in answer.json()] == ["accepted"] * 3
    assert [id for id in in_log if id in {event["id"] for event in events}] == [e["id"] for e in events]


@pytest.mark.parametrize("media_type", [ONE, "application/json", f"{ONE}; charset=UTF-8"])
def test_a_single_event_needs_no_list(product: Product, agency: httpx.Client, media_type: str) -> None:
    event = structured(somebody().registration())
    answer = post(agency, event, media_type)
    assert answer.status_code == 202
    assert [one["id"] for one in answer.json()] == [event["id"]]
    assert product.verdict(event["id"])["verdict"] == "accepted"


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "", "multipart/form-data"])
def test_another_media_type_is_refused(agency: httpx.Client, media_type: str) -> None:
    answer = post(agency, registrations(1), media_type)
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")
    assert BATCH in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        (b"", 400),
        (b"[{", 400),
        (b'["\xff"]', 400),
        ([1, None, "x", []], 422),
        ([{"type": "x"}] * 1001, 413),
        (b" " * (1024 * 1024 + 1), 413),
    ],
    ids=["empty batch", "no body", "half", "not UTF-8", "no events", "over 1000", "over 1 MiB"],
)
def test_what_is_no_batch_is_refused_whole(
    product: Product, agency: httpx.Client, body: object, status: int
) -> None:
    product.settled()
    before = len(product.log_of())
    answer = post(agency, body)
    assert answer.status_code == status
    if status != 422:
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(product.log_of()) == before


def test_a_thousand_are_taken(product: Product, agency: httpx.Client) -> None:
    event = structured(registered())
    event["data"] = {
        name: event["data"][name] for name in ("employee_number", "name", "employment_type", "opd")
    }
    answer = post(agency, [{**event, "id": fresh_id()} for _ in range(1000)])
    assert answer.status_code == 202
    assert len(answer.json()) == 1000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "id.go.bandung.training.abandoned.v1"}, "type: agencies publish "),
        ({"type": CompletionRecorded.TYPE, "data": completion_recorded().model_dump(mode="json")}, "type: "),
        ({"specversion": "0.3"}, "specversion is not 1.0"),
        ({"id": ""}, "id: "),
        ({"time": 1_772_677_800}, "time: must be a moment"),
        ({"data": None}, "data: "),
    ],
    ids=["unknown type", "a service's type", "specversion", "no id", "time as number", "no data"],
)
def test_an_event_that_cannot_be_read_is_told_why(
    agency: httpx.Client, change: dict[str, Any], said: str
) -> None:
    answer = post(agency, [{**structured(somebody().registration()), **change}])
    assert answer.status_code == 422
    (verdict,) = answer.json()
    assert verdict["status"] == "refused"
    assert said in verdict["detail"]


def test_an_employee_number_as_json_number_is_refused(product: Product, agency: httpx.Client) -> None:
    event = structured(completed(somebody().number))
    event["data"]["employee_number"] = int(event["data"]["employee_number"])
    for sent in (event, json.dumps(event).replace("001,", "000,").encode()):  # rounded by JavaScript
        answer = post(agency, sent, ONE)
        assert answer.status_code == 422
        assert answer.json()[0]["detail"] == "data.employee_number: must be text: send it in quotation marks"
        assert "19850101" not in answer.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"specversion":"1.0","specversion":"1.0"}', "a field stands twice"),
        (b'{"data":{"name":"A","name":"B"}}', "data"),
        (b'{"data":{"training":{"programme_jp":NaN}}}', "programme_jp"),
    ],
)
def test_json_that_readers_differ_on_is_refused(agency: httpx.Client, body: bytes, said: str) -> None:
    whole = json.dumps(
        {key: value for key, value in structured(completed()).items() if key != "data"}
    ).encode()
    answer = post(agency, b"[" + whole[:-1] + b"," + body[1:] + b"]")
    assert answer.status_code in (400, 422)
    assert said in answer.text


def test_one_number_too_long_costs_one_event(product: Product, agency: httpx.Client) -> None:
    events = registrations(2)
    body = json.dumps(events).replace('"language": "id"', '"language": ' + "9" * 5000, 1).encode()
    answer = post(agency, body)
    assert answer.status_code == 207
    assert [one["status"] for one in answer.json()] == ["refused", "accepted"]


def test_an_agency_publishes_as_itself_alone(product: Product) -> None:
    event = structured(somebody().registration(), id=fresh_id())
    event["source"] = f"urn:{OPD}:simpeg"  # what it says of itself counts for nothing
    answer = post(product.client("agency", opd=OTHER_OPD), [event])
    assert answer.status_code == 202
    assert event["id"] in logged(product, OTHER_OPD)
    assert event["id"] not in logged(product, OPD)
    seen_by = {
        opd: product.client("agency", opd=opd).get(f"/decisions/{event['id']}").status_code
        for opd in (OPD, OTHER_OPD)
        if product.verdict(event["id"])
    }
    assert seen_by == {OPD: 404, OTHER_OPD: 200}


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"opd": "dinas-asing"}, "not-your-agency"),
        ({"opd": "dinas"}, "not-your-agency"),
        ({}, "forbidden"),
        ({"opd": "*"}, "forbidden"),
    ],
    ids=["not connected", "a prefix", "none", "all"],
)
def test_a_token_of_no_connected_agency_is_refused(
    product: Product, claims: dict[str, str], problem: str
) -> None:
    answer = post(product.client("agency", **claims), registrations(1))
    assert (answer.status_code, answer.json()["type"]) == (403, f"/problems/{problem}")


def test_personal_data_that_is_wrong_is_never_repeated(
    product: Product, agency: httpx.Client, collector: Collector
) -> None:
    digits = f"19{secrets.randbelow(10**15):015d}"
    address = f"sari.{secrets.token_hex(4)}@@dinas contoh"
    local = address.partition("@")[0]
    wrong = structured(registered())
    wrong["data"]["employee_number"] = digits
    mailless = structured(somebody().registration())
    mailless["data"]["email"] = address
    completion = structured(completed())
    completion["data"]["employee_number"] = digits
    as_number = structured(completed())
    as_number["data"]["employee_number"] = int(digits)
    events = [wrong, mailless, completion, as_number]

    answer = post(agency, events)
    assert answer.status_code == 422
    replies = [answer.text]
    product.publish(*events)
    replies += [str(product.verdict(event["id"])) for event in events if product_decides(product, event)]
    for path in (f"/decisions/{digits}", f"/v/{digits}", f"/d/{digits}.{local}", f"/{digits}/{local}"):
        for client in (product.client("operator"), product.client(None)):
            replies.append(client.get(path).text)
    replies.append(
        product.client("officer", opd=OPD)
        .post(
            "/completions/revocations", json={"employee_number": digits, "reason": address, "batch": [local]}
        )
        .text
    )
    replies += [product.client("employee", employee_number=digits).get("/me/record").text]
    replies += [product.internal(service, "/metrics").text for service in product.kompeten.urls]
    product.settled()

    everything = {
        "replies": "\n".join(replies),
        "traces": b"\n".join(collector.raw).decode("latin-1"),
        **{name: "\n".join(lines) for name, lines in product.log_lines().items()},
    }
    for place, text in everything.items():
        assert digits not in text, place
        assert local not in text, place


def product_decides(product: Product, event: dict[str, Any]) -> bool:
    """Undecodable events are dead letters: their decision has no id to be found under."""
    product.settled()
    return bool(product.decisions(event["id"]))
