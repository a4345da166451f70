"""CloudEvents 1.0 over Kafka: structured and binary are read, structured is written.

Sources: CloudEvents 1.0.2, its JSON format and its Kafka protocol binding; the extensions
`partitionkey` and `traceparent` (W3C Trace Context).
"""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from shared.contracts.payload import NO_CONTROLS, Payload, Timestamp

P = TypeVar("P", bound=Payload)
JSON = "application/json"
STRUCTURED = "application/cloudevents+json; charset=UTF-8"
LONGEST_ID = 200
MOST_AHEAD = timedelta(days=1)
NAMESPACE = uuid.UUID("6f1d8a52-6a2e-5c8b-9a55-0c3c8e0f7a11")
_NAMESPACE = NAMESPACE.bytes


class Undecodable(ValueError):
    """The record is no event that we know; the text says why and what to do, without repeating its content."""


class Attributes(BaseModel):
    """Context attributes of one event."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    specversion: str
    id: str
    source: str
    type: str
    time: Timestamp | None = None
    subject: str | None = None
    traceparent: str | None = None


class _Structured(Attributes, Generic[P]):
    data: P


class Event(NamedTuple):
    attributes: Attributes
    data: Payload


@cache
def _structured(payload: type[Payload]) -> type[_Structured[Payload]]:
    return _Structured[payload]  # type: ignore[valid-type]


def peek(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> tuple[str, bool]:
    """The event's type, and whether it is structured; raises Undecodable when it is no CloudEvent."""
    if not value:
        raise Undecodable("the record has no value: send the event as JSON (tombstones mean nothing here)")
    named = dict(headers)
    content_type = named.get("content-type", b"").decode("latin-1").split(";")[0].strip().lower()
    if content_type.startswith("application/cloudevents-batch"):
        raise Undecodable("header content-type is a batch: send one event per Kafka record")
    if "ce_specversion" in named or "ce_type" in named:
        if content_type not in ("", JSON) and not content_type.endswith("+json"):
            raise Undecodable("header content-type of a binary CloudEvent must be application/json")
        return _header(named, "ce_type"), False
    if content_type not in ("", JSON, "application/cloudevents+json", "application/cloudevents"):
        raise Undecodable(
            "header content-type is neither application/cloudevents+json nor, with ce_ headers, application/json"
        )
    try:
        document = from_json(value)
    except ValueError as error:
        raise Undecodable(f"the value is not JSON in UTF-8: {_safe(error)}") from error
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise Undecodable(
            "the value is JSON but no CloudEvent: it needs specversion, id, source, type and data "
            "(or ce_ headers: ce_specversion, ce_id, ce_source, ce_type)"
        )
    return document["type"], True


def decode(
    value: bytes, headers: Iterable[tuple[str, bytes]], structured: bool, payload: type[Payload]
) -> Event:
    """Reads an event of a known type; raises Undecodable with one sentence for each field that is wrong."""
    if b"\\u0000" in value or b"\x00" in value:
        raise Undecodable("the event contains the character U+0000, which no database key or text may hold")
    try:
        if structured:
            event = _decode_structured(value, payload)
        else:
            named = dict(headers)
            attributes = Attributes.model_validate(
                {name[3:]: _header(named, name) for name in named if name.startswith("ce_")}
            )
            event = Event(attributes, payload.model_validate_json(value))
    except ValidationError as error:
        raise Undecodable(describe(error)) from None  # the cause repeats the input
    if event.attributes.specversion != "1.0":
        raise Undecodable("specversion is not 1.0: send CloudEvents 1.0")
    if not 0 < len(event.attributes.id) <= LONGEST_ID:
        raise Undecodable(f"id must have 1 to {LONGEST_ID} characters")
    return event


def _decode_structured(value: bytes, payload: type[Payload]) -> Event:
    try:
        event = _structured(payload).model_validate_json(value)
    except ValidationError:
        document = from_json(value)
        if "data" in document or "data_base64" not in document:
            raise
        try:
            data = base64.b64decode(document["data_base64"], validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise Undecodable("data_base64 is not base64: send the event's data as JSON in `data`") from None
        return Event(Attributes.model_validate(document), payload.model_validate_json(data))
    return Event(event, event.data)


def check_clock(attributes: Attributes, arrived: datetime) -> datetime:
    """The event's own time, or its arrival; a time that lies ahead would outrank all later events."""
    if attributes.time is None:
        return arrived
    if attributes.time > arrived + MOST_AHEAD:
        raise Undecodable(
            "time lies more than a day ahead of the arrival: set the sender's clock, send again"
        )
    return attributes.time


def encode(
    payload: Payload,
    *,
    id: str,
    source: str,
    time: datetime,
    subject: str,
    partitionkey: str,
    traceparent: str | None,
) -> bytes:
    """One structured CloudEvent."""
    attributes = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": payload.TYPE,
        "time": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "subject": subject,
        "partitionkey": partitionkey,
        "datacontenttype": JSON,
    }
    if traceparent is not None:
        attributes["traceparent"] = traceparent
    try:
        return (
            to_json(attributes)[:-1] + b',"data":' + payload.__pydantic_serializer__.to_json(payload) + b"}"
        )
    except PydanticSerializationError as error:
        raise ValueError(f"{payload.TYPE} cannot be written as JSON: {error}") from error


def event_id(epoch: int, aggregate: str, version: int, type: str) -> str:
    """The same fact has the same id, however often it is published (a UUID of version 5, RFC 9562)."""
    # As uuid.uuid5, without its objects: 2 us instead of 10, three times an event.
    raw = bytearray(hashlib.sha1(_NAMESPACE + f"{epoch}/{aggregate}/{version}/{type}".encode()).digest()[:16])  # noqa: S324
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def describe(error: ValidationError) -> str:
    """One sentence per wrong field; the values stay out, since they may be personal data."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'event'}: {_plain(fault['type'], fault['msg'])}"
        for fault in faults[:10]
    )


_PLAIN: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be text: send it in quotation marks",
    "string_pattern_mismatch": "has a control character or does not match its pattern",
    "date_type": "must be a date YYYY-MM-DD, as text",
}


def _plain(kind: str, message: str) -> str:
    return _PLAIN.get(kind, message.removeprefix("Value error, "))


def _header(named: Mapping[str, bytes], name: str) -> str:
    try:
        return named[name].decode()
    except KeyError:
        raise Undecodable(f"header {name} is missing") from None
    except UnicodeDecodeError:
        raise Undecodable(f"header {name} is not UTF-8") from None


def _safe(error: ValueError) -> str:
    return str(error).split(" at line")[0]


__all__ = [
    "NO_CONTROLS",
    "STRUCTURED",
    "Attributes",
    "Event",
    "Undecodable",
    "check_clock",
    "decode",
    "describe",
    "encode",
    "event_id",
    "peek",
]
