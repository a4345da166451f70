"""`POST /events`: the way in for agencies without Kafka. Each event gets its own verdict."""

import json
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Literal, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from shared.contracts.agency import EmployeeChanged, EmployeeRegistered, TrainingCompleted
from shared.contracts.cloudevents import LONGEST_ID, STRUCTURED, Undecodable, decode, peek
from shared.contracts.payload import Payload
from shared.contracts.topics import agency_topic
from shared.http.access import Caller, Role, RouteAccess, allow
from shared.http.problems import FIELD_NAME, Problem
from shared.pipeline.books import Outgoing
from shared.pipeline.errors import Unavailable
from shared.pipeline.publisher import Publisher

ACCEPTED_TYPES: dict[str, type[Payload]] = {
    payload.TYPE: payload for payload in (EmployeeRegistered, EmployeeChanged, TrainingCompleted)
}
MOST_EVENTS = 1000
MEDIA_TYPES = ("application/cloudevents-batch+json", "application/cloudevents+json", "application/json")


class EventVerdict(BaseModel):
    index: int
    """Place in the batch, from 0."""
    id: str | None
    status: Literal["accepted", "refused", "not_taken"]
    """accepted: Kafka has it. refused: correct it first. not_taken: send it again."""
    detail: str | None = None


_VERDICT = {"$ref": "#/components/schemas/EventVerdict"}


class Checked(NamedTuple):
    verdict: EventVerdict
    value: bytes


def intake_router(publisher: Publisher, agencies: Sequence[str], topic_prefix: str) -> APIRouter:
    router = APIRouter(tags=["events"])

    @router.post(
        "/events",
        summary="Publish a batch of CloudEvents as one's own agency",
        response_model=list[EventVerdict],
        status_code=202,
        **_documented(allow(Role.agency)),
    )
    async def publish(request: Request, caller: Caller) -> Response:
        if caller.opd is None or caller.opd not in agencies:
            raise Problem(
                "not-your-agency", "Your token names no agency that is connected here: ask the operator."
            )
        checked = [_check(index, event) for index, event in enumerate(_events(await request.body(), request))]
        topic = agency_topic(caller.opd, topic_prefix)
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
            "id": {"type": "string", "maxLength": LONGEST_ID},
            "source": {"type": "string"},
            "type": {"enum": sorted(ACCEPTED_TYPES)},
            "time": {"type": "string", "format": "date-time"},
            "traceparent": {"type": "string"},
            "data": {"type": "object", "description": "By type: docs/reference/schemas/<type>.json"},
        },
    }
    batch = {"type": "array", "minItems": 1, "maxItems": MOST_EVENTS, "items": event}
    one_or_batch = {"oneOf": [event, batch]}
    schemas = dict(zip(MEDIA_TYPES, (batch, event, one_or_batch), strict=True))
    access["openapi_extra"]["requestBody"] = {
        "required": True,
        "content": {name: {"schema": schema} for name, schema in schemas.items()},
    }
    verdicts = {"application/json": {"schema": {"type": "array", "items": _VERDICT}}}
    access["responses"] |= {
        207: {"description": "Some were accepted: see each verdict", "content": verdicts},
        422: {"description": "None could be read: see each verdict", "content": verdicts},
        503: {"description": "Kafka did not take them: send them again", "content": verdicts},
    }
    return access


def _events(body: bytes, request: Request) -> list[Any]:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise Problem("unsupported-media-type", f"Send {MEDIA_TYPES[0]}: a JSON array of CloudEvents.")
    try:
        document = json.loads(
            body,
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_float=_number,
            parse_constant=lambda name: _Unclear(f"{name} is no JSON: leave the field out"),
        )
    except (ValueError, RecursionError):
        raise Problem(
            "bad-request", "The body is not JSON in UTF-8: send a JSON array of CloudEvents."
        ) from None
    events = document if isinstance(document, list) else [document]
    if not 0 < len(events) <= MOST_EVENTS:
        raise Problem("too-large" if events else "bad-request", f"Send 1 to {MOST_EVENTS} events at a time.")
    return events


def _check(index: int, event: Any) -> Checked:
    id = event.get("id") if isinstance(event, dict) else None
    id = id if isinstance(id, str) and id.isprintable() and len(id) <= 200 else None
    try:
        if (fault := next(_unclear(event, ""), None)) is not None:
            raise Undecodable(fault)
        value = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        type, document = peek(value, [("content-type", STRUCTURED.encode())])
        payload = ACCEPTED_TYPES.get(type)
        if payload is None:
            raise Undecodable(f"type: agencies publish {', '.join(sorted(ACCEPTED_TYPES))}")
        decode(value, (), document, payload)
    except Undecodable as error:
        return Checked(EventVerdict(index=index, id=id, status="refused", detail=str(error)), b"")
    return Checked(EventVerdict(index=index, id=id, status="accepted"), value)


class _Unclear(NamedTuple):
    """Stands where readers of JSON would differ: a fault of its event, not of the batch."""

    why: str


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Unclear("a field stands twice in it: send it once")


def _whole_number(digits: str) -> Any:
    # Python itself refuses more than 4,300 digits, and with them the whole batch.
    return int(digits) if len(digits) <= 400 else _Unclear("has more digits than any field takes")


def _number(text: str) -> Any:
    number = float(text)
    return number if isfinite(number) else _Unclear("is larger than any field takes")


def _unclear(node: Any, path: str) -> Iterator[str]:
    """One sentence for each place of the event that others would read differently, or not at all."""
    place = path.lstrip(".") or "event"
    if isinstance(node, _Unclear):
        yield f"{place}: {node.why}"
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
                yield from _unclear(value, f"{path}.{shown}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _unclear(value, f"{path}.{number}")


def _halved(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


async def _publish(checked: list[Checked], publisher: Publisher, topic: str) -> list[EventVerdict]:
    """In the order of the batch; `accepted` only after Kafka's acknowledgement."""
    records = [Outgoing(topic, 0, b"", one.value) for one in checked if one.value]
    try:
        await publisher.publish(records)
    except Unavailable:
        detail = "the log did not acknowledge it in time: send it again, a copy does no harm"
        update = {"status": "not_taken", "detail": detail}
        return [one.verdict.model_copy(update=update) if one.value else one.verdict for one in checked]
    return [one.verdict for one in checked]


def _status(verdicts: list[EventVerdict]) -> int:
    """202 when Kafka has all, 422 when none could be read, 503 when none was taken, else 207."""
    statuses = {verdict.status for verdict in verdicts}
    if len(statuses) > 1:
        return 207
    return {"accepted": 202, "refused": 422, "not_taken": 503}[statuses.pop()]
