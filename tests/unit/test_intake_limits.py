"""What is too much for POST /events: too deep, too large when written out, too many in a short time."""

import codecs
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from services.enrollment.agencies.door import Door
from services.enrollment.intake.event_rate import EventRate
from services.enrollment.intake.routes import (
    ACCEPTED_TYPES,
    MAX_DEPTH,
    MAX_EVENTS,
    USUAL_PARTS,
    intake_router,
)
from shared.contracts.agency import NOT_OUR_LANGUAGE
from shared.contracts.cloudevents import MAX_PARTS, STRUCTURED, TOO_MANY_PARTS, Undecodable, decode, peek
from shared.http.access import Principal, Role
from shared.http.app import create_app
from shared.http.problems import Problem
from shared.pipeline.pipeline_collections import Outgoing
from tests.factories import as_record, completed, registered
from tests.unit.registers import Connected

BATCH = {"content-type": "application/cloudevents-batch+json"}
AGENCIES = ("dinas-a", "dinas-b")
PER_SECOND = 10
STRUCTURED_HEADERS = [("content-type", STRUCTURED.encode())]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Log:
    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        self.records += records


class TokenIsTheAgency:
    async def principal(self, token: str) -> Principal:
        return Principal("simpeg", frozenset({Role.agency}), None, token, "issuer")

    async def aclose(self) -> None:
        pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def agency(clock: Clock, log: Log) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> list[Any]:
        return []

    rate = EventRate(PER_SECOND, MAX_EVENTS, clock)
    router = intake_router(log, Door(Connected(*AGENCIES)), "", rate)  # type: ignore[arg-type]
    app = create_app("enrollment", routers=[router], readiness=ready, access=TokenIsTheAgency())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://intake", headers=BATCH) as client:
        yield client


async def post(agency: httpx.AsyncClient, body: object, opd: str = AGENCIES[0]) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await agency.post("/events", content=content, headers={"authorization": f"Bearer {opd}"})


def event(id: str, **more: object) -> dict[str, Any]:
    value = as_record(registered(), id=id).value
    assert value is not None
    made: dict[str, Any] = json.loads(value)
    made["data"].update(more)
    return made


def nested(depth: int, inmost: str = "1", open: str = "[", close: str = "]") -> str:
    return open * depth + inmost + close * depth


def with_raw(id: str, text: str) -> str:
    """An event with this JSON as an unknown field of its data, which is two levels deep."""
    return json.dumps(event(id, newer="RAW")).replace('"RAW"', text)


ONE = json.dumps(event("whole")).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "it ends before it is complete: send all of it"),
        (ONE[:-9], "it ends before it is complete: send all of it"),
        (b"[" + ONE, "it ends before it is complete: send all of it"),
        (ONE + b"\n" + ONE, "something follows the event: "),
        (ONE.decode().encode("utf-16"), "it is UTF-16: send UTF-8"),
        (ONE.decode().encode("utf-16-le"), "it is UTF-16: send UTF-8"),
        (ONE.replace(b"whole", "é ".encode("cp1252")), "some of its bytes are of another encoding"),
        (ONE.replace(b"whole", b"a\nb"), "a text in it has a bare control character"),
        (codecs.BOM_UTF8 * 2 + ONE, "it begins with two byte order marks: send none"),
        (b"type=x&data=y", "it is not written as JSON: have a JSON library write it"),
    ],
)
async def test_a_body_that_is_no_json_is_told_what_it_is_as_over_kafka(
    agency: httpx.AsyncClient, log: Log, body: bytes, said: str
) -> None:
    answer = await post(agency, body)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-request")
    assert answer.json()["detail"].startswith(f"The body is not JSON in UTF-8: {said}")
    if body:
        with pytest.raises(Undecodable, match=re.escape(f"the value is not JSON in UTF-8: {said}")):
            peek(body, STRUCTURED_HEADERS)
    assert log.records == []


async def test_a_language_that_letters_do_not_have_is_said_at_once(agency: httpx.AsyncClient) -> None:
    answer = await post(agency, [event("a", language="su"), event("b", language="Indonesia")])
    assert (answer.status_code, [one["status"] for one in answer.json()]) == (202, ["accepted", "accepted"])
    assert [one["detail"] for one in answer.json()] == [NOT_OUR_LANGUAGE, None]


@pytest.mark.parametrize("body", [b"7", b'"x"', b"null", b"[[]]"])
async def test_a_body_that_holds_no_object_is_told_what_an_event_is(
    agency: httpx.AsyncClient, body: bytes
) -> None:
    answer = await post(agency, body)
    assert answer.status_code == 422
    assert answer.json()[0]["detail"].startswith("the value is JSON but no CloudEvent: ")


async def test_a_byte_order_mark_means_nothing_over_http_as_over_kafka(
    agency: httpx.AsyncClient, log: Log
) -> None:
    body = codecs.BOM_UTF8 + ONE
    assert (await post(agency, body)).status_code == 202
    (record,) = log.records
    type, document = peek(body, STRUCTURED_HEADERS)
    assert decode(body, STRUCTURED_HEADERS, document, ACCEPTED_TYPES[type]) == decode(
        record.value, STRUCTURED_HEADERS, json.loads(record.value), ACCEPTED_TYPES[type]
    )


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, 100, 900, 5_000, 100_000])
@pytest.mark.parametrize(
    ("open", "close"), [("[", "]"), ('{"a":', "}"), ('[{"\\"[":[', "]}]")], ids=["lists", "objects", "mixed"]
)
async def test_an_event_without_bottom_costs_itself_alone(
    agency: httpx.AsyncClient, log: Log, depth: int, open: str, close: str
) -> None:
    if len(open + close) * depth > 1_000_000:
        depth = 900_000 // len(open + close)
    events = [with_raw("a", "1"), with_raw("deep", nested(depth, "1", open, close)), with_raw("b", '"[[["')]
    answer = await post(agency, f"[{','.join(events)}]".encode())
    assert answer.status_code == 207
    verdicts = answer.json()
    assert [one["status"] for one in verdicts] == ["accepted", "refused", "accepted"]
    assert [one["id"] for one in verdicts] == ["a", "deep", "b"]
    assert f"nested deeper than {MAX_DEPTH} levels" in verdicts[1]["detail"]
    assert [json.loads(one.value)["id"] for one in log.records] == ["a", "b"]


async def test_an_event_of_very_many_parts_costs_itself_alone(agency: httpx.AsyncClient, log: Log) -> None:
    """It holds others up by the parts that are made of it: 640,000 a record, in a topic, cost them half a minute."""
    many = with_raw("many", "[" + "[[]]," * MAX_PARTS + "1]")
    answer = await post(agency, f"[{with_raw('a', '1')},{many},{with_raw('b', '1')}]".encode())
    assert [one["status"] for one in answer.json()] == ["accepted", "refused", "accepted"]
    assert answer.json()[1]["detail"] == TOO_MANY_PARTS
    assert [json.loads(one.value)["id"] for one in log.records] == ["a", "b"]


async def test_an_event_as_large_as_several_spends_as_many(agency: httpx.AsyncClient, clock: Clock) -> None:
    large = with_raw("large", "[" + "1," * (MAX_PARTS - 100) + "1]")
    assert (await post(agency, f"[{','.join([large] * 100)}]".encode())).status_code == 202
    refused = await post(agency, b"[]")
    assert refused.status_code == 429
    spent = 100 * (MAX_PARTS - 100) / USUAL_PARTS
    assert int(refused.headers["retry-after"]) >= (spent - MAX_EVENTS) / PER_SECOND > 0


async def test_as_deep_as_is_allowed_is_taken(agency: httpx.AsyncClient) -> None:
    answer = await post(agency, f"[{with_raw('a', nested(MAX_DEPTH - 2))}]".encode())
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (nested(100_000), 422),
        (nested(100_000, open='{"a":', close="}"), 422),
        ("[" * 1_000_000, 400),
        ('[{"a":' * 100_000, 400),
        ("]" * 100_000 + "[" * 100_000, 400),
        (nested(2_000, '"' + '\\"' * 200_000), 400),
        (nested(2_000, '"\\'), 400),
    ],
    ids=[
        "lists",
        "objects",
        "unclosed",
        "unclosed objects",
        "inside out",
        "unclosed text",
        "a last backslash",
    ],
)
async def test_a_bottomless_body_is_refused_and_said_why(
    agency: httpx.AsyncClient, log: Log, body: str, status: int
) -> None:
    answer = await post(agency, body.encode())
    assert answer.status_code == status
    assert ("nested deeper" if status == 422 else "not JSON") in answer.text
    assert log.records == []


async def test_numbers_reach_the_log_as_they_were_written(agency: httpx.AsyncClient, log: Log) -> None:
    """Neither longer, as 1E15 is with all its zeros, nor rounded to what a float holds."""
    numbers = "[1E15,0.12345678901234567890,-0,12345678901234567890123]"
    answer = await post(agency, f"[{with_raw('a', numbers)}]".encode())
    assert [one["status"] for one in answer.json()] == ["accepted"]
    assert numbers.encode() in log.records[0].value


async def test_a_number_that_a_float_would_round_is_refused_over_http_too(
    agency: httpx.AsyncClient, log: Log
) -> None:
    value = as_record(completed()).value
    assert value is not None
    body = value.decode().replace("88.5", "100.00000000000000001")
    answer = await post(agency, f"[{body}]".encode())
    assert (
        answer.json()[0]["detail"]
        == "data.result.score: has more digits behind the point than are kept: round it"
    )
    assert log.records == []


async def test_a_batch_at_once_then_so_many_a_second(
    agency: httpx.AsyncClient, clock: Clock, log: Log
) -> None:
    assert (await post(agency, [event("x")] * MAX_EVENTS)).status_code == 202
    answer = await post(agency, [event("one more")])
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-requests")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert len(log.records) == MAX_EVENTS
    clock.now += 1
    assert (await post(agency, [event("x")] * 25)).status_code == 202
    assert (await post(agency, [event("x")])).headers["retry-after"] == "2"


async def test_waiting_as_long_as_was_said_is_enough(agency: httpx.AsyncClient, clock: Clock) -> None:
    began = clock.now
    for _ in range(4):
        answer = await post(agency, [event("x")] * MAX_EVENTS)
        if answer.status_code == 429:
            clock.now += int(answer.headers["retry-after"])
            answer = await post(agency, [event("x")] * MAX_EVENTS)
        assert answer.status_code == 202
    assert clock.now - began > 2 * MAX_EVENTS / PER_SECOND  # the average is kept all the same


async def test_an_agency_does_not_spend_anothers_events(agency: httpx.AsyncClient) -> None:
    assert (await post(agency, [event("x")] * MAX_EVENTS)).status_code == 202
    assert (await post(agency, [event("x")])).status_code == 429
    assert (await post(agency, [event("x")] * MAX_EVENTS, AGENCIES[1])).status_code == 202


async def test_nonsense_counts_and_is_not_even_parsed_then(agency: httpx.AsyncClient) -> None:
    statuses = [(await post(agency, b"[nonsense")).status_code for _ in range(MAX_EVENTS + 1)]
    assert (set(statuses[:MAX_EVENTS]), statuses[MAX_EVENTS]) == ({400}, 429)


def test_no_limit_is_none() -> None:
    rate = EventRate(0, MAX_EVENTS, Clock())
    for _ in range(100):
        rate.spend("dinas-a", MAX_EVENTS)
    rate.check("dinas-a")


def test_a_long_silence_saves_up_one_batch() -> None:
    clock = Clock()
    rate = EventRate(PER_SECOND, MAX_EVENTS, clock)
    clock.now += 1e6
    rate.spend("dinas-a", MAX_EVENTS)
    with pytest.raises(Problem):
        rate.check("dinas-a")


@pytest.mark.parametrize("length", ["9" * 5_000, "1048577", "-1", "x"])
async def test_a_length_beyond_the_limit_or_reason_is_refused_unread(
    agency: httpx.AsyncClient, length: str
) -> None:
    headers = {"authorization": f"Bearer {AGENCIES[0]}", "content-length": length}
    answer = await agency.post("/events", content=b"[]", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
