"""`POST /events`: the way in for agencies without Kafka. Each event gets its own verdict."""

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Literal, NamedTuple

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from pydantic_core import from_json

from services.enrollment.agencies.door import Door
from services.enrollment.intake.event_rate import EventRate
from shared.contracts.agency import EmployeeSnapshot
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import (
    MAX_ID_CHARS,
    MAX_PARTS,
    STRUCTURED,
    TOO_MANY_PARTS,
    Undecodable,
    decode,
    json_fault,
    parts_of,
    peek,
    without_mark,
)
from shared.contracts.faults import FIELD_NAME
from shared.contracts.payload import NO_CONTROLS, Payload
from shared.contracts.topics import AGENCY, agency_topic
from shared.http.access import Caller, Role, RouteAccess, allow
from shared.http.app import MAX_BODY_BYTES
from shared.http.problems import MEDIA_TYPE, Problem
from shared.observability.telemetry import parse_traceparent
from shared.pipeline.errors import Unavailable
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.pipeline_collections import Outgoing

ACCEPTED_TYPES: dict[str, type[Payload]] = {
    payload.TYPE: payload for payload, topic in EVENT_TYPES.items() if topic == AGENCY
}
MAX_EVENTS = 1000
USUAL_PARTS = 50
"""As `parts_of` counts them; an event has 20 to 40, as its schema has it."""
MAX_DEPTH = 64
MAX_EVENT_BYTES = MAX_BODY_BYTES
MEDIA_TYPES = ("application/cloudevents-batch+json", "application/cloudevents+json", "application/json")

_JSON = msgspec.json.Encoder()


class EventVerdict(BaseModel):
    index: int
    """Place in the batch, from 0."""
    id: str | None
    status: Literal["accepted", "refused", "not_taken"]
    """accepted: Kafka has it. refused: correct it first. not_taken: send it again."""
    detail: str | None = None
    """Why it was not accepted; of an accepted one what its sender is to know, in most cases nothing."""


_VERDICT = {"$ref": "#/components/schemas/EventVerdict"}


class Checked(NamedTuple):
    verdict: EventVerdict
    value: bytes


def intake_router(publisher: Publisher, door: Door, topic_prefix: str, rate: EventRate) -> APIRouter:
    router = APIRouter(tags=["events"])

    @router.post(
        "/events",
        summary="Publish a batch of CloudEvents as one's own agency",
        response_model=list[EventVerdict],
        status_code=202,
        **_documented(allow(Role.agency)),
    )
    async def publish(request: Request, caller: Caller) -> Response:
        agency = await door.agency(caller)
        body = await request.body()
        rate.check(agency)
        events: list[Any] = []
        try:
            events = _events(body, request)
        finally:  # nonsense costs work too, and so do events as large as several
            rate.spend(agency, max(1, len(events), parts_of(body) // USUAL_PARTS))
        traced = parse_traceparent(request.headers.get("traceparent")) is not None
        parent = request.state.traceparent if traced else None
        checked = [_check(index, event, parent) for index, event in enumerate(events)]
        topic = agency_topic(agency, topic_prefix)
        verdicts = await _publish(checked, publisher, topic)
        return JSONResponse([verdict.model_dump() for verdict in verdicts], _status(verdicts))

    return router


def _documented(access: RouteAccess) -> RouteAccess:
    """The body is read by hand, since one wrong event must not cost the others: so it is described by hand."""
    event = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "maxLength": MAX_ID_CHARS},
            "source": {"type": "string"},
            "type": {"enum": sorted(ACCEPTED_TYPES)},
            "time": {"type": "string", "format": "date-time"},
            "traceparent": {"type": "string"},
            "data": {"type": "object", "description": "By type: docs/reference/schemas/<type>.json"},
        },
    }
    batch = {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": event}
    one_or_batch = {"oneOf": [event, batch]}
    schemas = dict(zip(MEDIA_TYPES, (batch, event, one_or_batch), strict=True))
    access["openapi_extra"]["requestBody"] = {
        "required": True,
        "content": {name: {"schema": schema} for name, schema in schemas.items()},
    }
    verdicts = {"application/json": {"schema": {"type": "array", "items": _VERDICT}}}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    access["responses"] |= {
        207: {"description": "Some were accepted: see each verdict", "content": verdicts},
        422: {"description": "None could be read: see each verdict", "content": verdicts},
        429: {
            "description": "Too many events in a short time: send them again after Retry-After seconds",
            "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "In seconds"}},
            "content": problem,
        },
        503: {"description": "Kafka did not take them: send them again", "content": {**verdicts, **problem}},
    }
    return access


def _events(body: bytes, request: Request) -> list[Any]:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise Problem("unsupported-media-type", f"Send {MEDIA_TYPES[0]}: a JSON array of CloudEvents.")
    try:
        document = _parsed(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise Problem("bad-request", f"The body is not JSON in UTF-8: {_fault(body)}.") from None
    events = document if isinstance(document, list) else [document]
    if not 0 < len(events) <= MAX_EVENTS:
        raise Problem("too-large" if events else "bad-request", f"Send 1 to {MAX_EVENTS} events at a time.")
    return events


def _fault(body: bytes) -> str:
    text = without_mark(body)
    try:
        from_json(text)
    except ValueError as error:
        return json_fault(text, error)
    return "send a JSON array of CloudEvents"


def _parsed(text: str) -> Any:
    def read(text: str) -> Any:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_float=_number,
            parse_constant=lambda name: _Unclear(f"{name} is no JSON: leave the field out"),
        )

    try:
        return read(text)
    except RecursionError:  # one bottomless event: without what is in its depths the others can be read
        return read("".join(_shallow(text, MAX_DEPTH + 2)))


_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def _shallow(text: str, most: int) -> Iterator[str]:
    """The text of a document with `null` for all that is nested deeper than `most`."""
    depth, start = 0, 0
    for token in _BRACKETS.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == most + 1:
                yield text[start : token.start()] + "null"
        elif token[0] in ("]", "}"):
            if depth == most + 1:
                start = token.end()
            depth -= 1
    if depth <= most:
        yield text[start:]


def _check(index: int, event: Any, parent: str | None = None) -> Checked:
    """`parent`: the span of a request whose sender traces it; an event's own traceparent goes before."""
    id = event.get("id") if isinstance(event, dict) else None
    id = id if isinstance(id, str) and len(id) <= MAX_ID_CHARS and _can_be_told(id) else None
    try:
        if (fault := next(_unclear(event, "", 1), None)) is not None:
            raise Undecodable(fault)
        if parent is not None and isinstance(event, dict) and event.get("traceparent") is None:
            event = event | {"traceparent": parent}
        value = _JSON.encode(event)
        if len(value) > MAX_EVENT_BYTES:
            raise Undecodable(
                f"event: has {len(value)} bytes, {MAX_EVENT_BYTES} are allowed: leave out what the schema of its "
                "type does not name"
            )
        if parts_of(value) > MAX_PARTS:
            raise Undecodable(TOO_MANY_PARTS)
        type, document = peek(value, [("content-type", STRUCTURED.encode())])
        payload = ACCEPTED_TYPES.get(type)
        if payload is None:
            raise Undecodable(f"type: agencies publish {', '.join(sorted(ACCEPTED_TYPES))}")
        data = decode(value, (), document, payload).data
    except Undecodable as error:
        return Checked(EventVerdict(index=index, id=id, status="refused", detail=str(error)), b"")
    note = data.note or None if isinstance(data, EmployeeSnapshot) else None
    return Checked(EventVerdict(index=index, id=id, status="accepted", detail=note), value)


class _Unclear(NamedTuple):
    """Stands where readers of JSON would differ: a fault of its event, not of the batch."""

    why: str


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Unclear("a field stands twice in it: send it once")


def _whole_number(digits: str) -> Any:
    # Longer ones were never taken: Python itself refuses more than 4,300 digits, and with them the whole batch.
    return (
        msgspec.Raw(digits.encode())
        if len(digits) <= 400
        else _Unclear("has more digits than any field takes")
    )


def _number(text: str) -> Any:
    """As it is written: a float would round it, and its sender would not hear of it."""
    return msgspec.Raw(text.encode()) if isfinite(float(text)) else _Unclear("is larger than any field takes")


def _unclear(node: Any, path: str, depth: int) -> Iterator[str]:
    """One sentence for each place of the event that others would read differently, or not at all."""
    place = path.lstrip(".") or "event"
    if isinstance(node, _Unclear):
        yield f"{place}: {node.why}"
    elif depth > MAX_DEPTH and isinstance(node, dict | list):
        yield f"event: is nested deeper than {MAX_DEPTH} levels: send its data as its schema shows it"
    elif isinstance(node, str):
        if _halved(node):
            yield f"{place}: has half a character (a lone surrogate): send the text as UTF-8"
    elif isinstance(node, dict):
        for name, value in node.items():
            if _halved(name):
                yield f"{place}: a name in it has half a character (a lone surrogate): send it as UTF-8"
            else:
                # A name is input too, so one that is none of ours is not repeated.
                shown = name if FIELD_NAME.fullmatch(name) else "*"
                yield from _unclear(value, f"{path}.{shown}", depth + 1)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _unclear(value, f"{path}.{number}", depth + 1)


def _can_be_told(id: str) -> bool:
    return re.match(NO_CONTROLS, id) is not None and not _halved(id)


def _halved(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


async def _publish(checked: list[Checked], publisher: Publisher, topic: str) -> list[EventVerdict]:
    """In the order of the batch; `accepted` only after Kafka's acknowledgement."""
    records = [Outgoing(topic, 0, b"", entry.value) for entry in checked if entry.value]
    try:
        await publisher.publish(records)
    except Unavailable:
        detail = "the log did not acknowledge it in time: send it again, a copy does no harm"
        update = {"status": "not_taken", "detail": detail}
        return [
            entry.verdict.model_copy(update=update) if entry.value else entry.verdict for entry in checked
        ]
    return [entry.verdict for entry in checked]


def _status(verdicts: list[EventVerdict]) -> int:
    """202 when Kafka has all, 422 when none could be read, 503 when none was taken, else 207."""
    statuses = {verdict.status for verdict in verdicts}
    if len(statuses) > 1:
        return 207
    return {"accepted": 202, "refused": 422, "not_taken": 503}[statuses.pop()]
