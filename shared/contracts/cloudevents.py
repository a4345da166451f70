"""CloudEvents 1.0 over Kafka: structured and binary are read, structured is written.

Sources: CloudEvents 1.0.2, its JSON format and its Kafka protocol binding; the extensions
`partitionkey` and `traceparent` (W3C Trace Context).
"""

import base64
import binascii
import codecs
import hashlib
import json
import math
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from shared.contracts.faults import nul_at, sentence
from shared.contracts.payload import NO_CONTROLS, Payload, Timestamp

P = TypeVar("P", bound=Payload)
JSON = "application/json"
STRUCTURED = "application/cloudevents+json; charset=UTF-8"
MAX_ID_CHARS = 200
MAX_AHEAD = timedelta(days=1)
Text = Annotated[str, StringConstraints(min_length=1, pattern=NO_CONTROLS)]
NAMESPACE = uuid.UUID("6f1d8a52-6a2e-5c8b-9a55-0c3c8e0f7a11")
_NAMESPACE = NAMESPACE.bytes


class Undecodable(ValueError):
    """The record is no event that we know. The text says why and what to do, and repeats nothing of it."""

    def __init__(self, why: str, alike: str = "") -> None:
        """`alike`: what it has in common with others of its kind, without what senders choose; empty: all of it."""
        super().__init__(why)
        self.alike = alike or why


class Attributes(BaseModel):
    """Context attributes of one event."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    specversion: str
    id: Text
    source: Text
    type: Text
    time: Timestamp | None = None
    subject: Text | None = None
    traceparent: str | None = None


class _Structured(Attributes, Generic[P]):
    data: P


class _Written(msgspec.Struct, omit_defaults=True, kw_only=True):
    # First what tells a reader that this is a CloudEvent; a default would be left out.
    specversion: str
    id: str
    source: str
    type: str
    time: datetime
    subject: str
    partitionkey: str
    datacontenttype: str
    traceparent: str | None = None
    data: msgspec.Raw


_WRITER = msgspec.json.Encoder()


class Event(NamedTuple):
    attributes: Attributes
    data: Payload


@cache
def _structured(payload: type[Payload]) -> type[_Structured[Payload]]:
    return _Structured[payload]  # type: ignore[valid-type]


_ATTRIBUTES = tuple((f"ce_{name}", name) for name in Attributes.model_fields)


MAX_PARTS: Final = 2_000
"""Of an agency's event: its objects, lists, their fields and entries."""
TOO_MANY_PARTS: Final = (
    f"the event has more than {MAX_PARTS} fields and entries of lists: "
    "send what the schema of its type names, no more"
)


def parts_of(value: bytes) -> int:
    """About how many parts reading would make of it, without reading it: what JSON costs goes by them more than by bytes.
    Commas in texts count too."""
    return value.count(b",") + value.count(b"{") + value.count(b"[")


def peek(
    value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> tuple[str, dict[str, Any] | None]:
    """The event's type, and its document if it is structured; raises Undecodable when it is no CloudEvent."""
    if not value:
        raise Undecodable("the record has no value: send the event as JSON (tombstones mean nothing here)")
    named = dict(headers)
    content_type = (named.get("content-type") or b"").decode("latin-1").split(";")[0].strip().lower()
    if content_type.startswith("application/cloudevents-batch"):
        raise Undecodable("header content-type is a batch: send one event per Kafka record")
    # The content type decides, as the Kafka binding says: relays copy ce_ headers beside structured events.
    structured = content_type in ("application/cloudevents+json", "application/cloudevents")
    if not structured and ("ce_specversion" in named or "ce_type" in named):
        if content_type not in ("", JSON) and not content_type.endswith("+json"):
            raise Undecodable("header content-type of a binary CloudEvent must be application/json")
        return _header(named, "ce_type"), None
    if not structured and content_type not in ("", JSON):
        raise Undecodable(
            "header content-type is neither application/cloudevents+json "
            "nor, with ce_ headers, application/json"
        )
    document = _document(without_mark(value))
    if isinstance(document, list):
        raise Undecodable("the value is JSON but no CloudEvent: it is a list, send each event by itself")
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise Undecodable(
            "the value is JSON but no CloudEvent: send one JSON object with specversion, id, source, type and data "
            "(over Kafka the attributes may be headers: ce_specversion, ce_id, ce_source, ce_type)"
        )
    return document["type"], document


def id_in(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> str:
    """The id that a record seems to have, or "": so that its sender finds what became of it though it can't be read."""
    id = _attribute_in("id", value, headers)
    return id if id is not None and id.isprintable() and len(id) <= MAX_ID_CHARS else ""


def source_in(document: dict[str, Any] | None, headers: Iterable[tuple[str, bytes | None]]) -> str:
    """The source that an event seems to have, or "": as `id_in`. `document` is what `peek` found."""
    if document is not None:
        source = document.get("source")
    else:
        source = (dict(headers).get("ce_source") or b"").decode("utf-8", "replace")
    return source if isinstance(source, str) and source.isprintable() else ""


def subject_of(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The subject that a record seems to have."""
    return _attribute_in("subject", value, headers)


def _attribute_in(name: str, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    if (
        value is not None and parts_of(value) > MAX_PARTS
    ):  # not worth reading: what its beginning seems to say
        seen = re.search(rb'"%s"\s*:\s*"([^"\\]*)"' % name.encode(), value[:MAX_PARTS])
        value = None if seen is None else b'{"%s":"%s"}' % (name.encode(), seen[1])
    try:
        found = dict(headers).get("ce_" + name) or from_json(without_mark(value or b""))[name]
        found = found.decode() if isinstance(found, bytes) else found
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return found if isinstance(found, str) else None


def decode(
    value: bytes,
    headers: Iterable[tuple[str, bytes | None]],
    document: dict[str, Any] | None,
    payload: type[Payload],
) -> Event:
    """Reads an event of a known type; raises Undecodable with one sentence for each field that is wrong.

    `document` is what `peek` found.
    """
    value = without_mark(value)
    _check_unambiguous(value, document)
    try:
        if document is not None:
            event = _decode_structured(value, document, payload)
        else:
            named = dict(headers)
            attributes = Attributes.model_validate(
                {name: _header(named, header) for header, name in _ATTRIBUTES if header in named}
            )
            event = Event(attributes, payload.model_validate_json(_with_exact_numbers(value)))
    except ValidationError as error:
        # Alike by its first fault: of all together a sender could make a kind for each event.
        raise Undecodable(describe(error), describe(error, most=1)) from None  # the cause repeats the input
    if event.attributes.specversion != "1.0":
        raise Undecodable("specversion is not 1.0: send CloudEvents 1.0")
    if len(event.attributes.id) > MAX_ID_CHARS:
        raise Undecodable(f"id must have 1 to {MAX_ID_CHARS} characters")
    return event


def _decode_structured(value: bytes, document: dict[str, Any], payload: type[Payload]) -> Event:
    if "data_base64" in document and "data" not in document:
        try:
            data = without_mark(base64.b64decode(document["data_base64"], validate=True))
        except (binascii.Error, TypeError, ValueError):
            raise Undecodable("data_base64 is not base64: send the event's data as JSON in `data`") from None
        if parts_of(data) > MAX_PARTS:  # the count of the whole did not see them
            raise Undecodable(TOO_MANY_PARTS)
        _check_unambiguous(data, None)
        return Event(
            Attributes.model_validate(document), payload.model_validate_json(_with_exact_numbers(data))
        )
    event = _structured(payload).model_validate_json(_with_exact_numbers(value))
    return Event(event, event.data)


# Of a number that a float may not hold; in a text it costs a look, and changes nothing.
_LONG_NUMBER: Final = re.compile(rb"[:\[,]\s*-?(?:[0-9.]{16}|[0-9.]+[eE])")


def _with_exact_numbers(value: bytes) -> bytes:
    """With numbers as texts where a float would round them: the validator reads all numbers as floats, and 1E-400, or a
    score of 100.00000000000000001, is to be refused, not to pass as 0 or 100."""
    if _LONG_NUMBER.search(value) is None:
        return value
    document = json.loads(value, parse_float=_exact)
    return json.dumps(document, ensure_ascii=False).encode()


def _exact(written: str) -> float | str:
    number = float(written)
    if not math.isfinite(number):
        return number
    try:
        return number if Decimal(written) == Decimal(repr(number)) else written
    except InvalidOperation:  # an exponent beyond any that is reckoned with
        return written


def without_mark(value: bytes) -> bytes:
    """Without the byte order mark that tools on Windows write before UTF-8: readers of JSON may ignore it (RFC 8259,
    section 8.1), and ours do, whichever way an event comes."""
    return value[len(codecs.BOM_UTF8) :] if value[:3] == codecs.BOM_UTF8 else value


def _document(value: bytes) -> Any:
    try:
        return from_json(value, cache_strings="keys")
    except ValueError as error:
        raise Undecodable(f"the value is not JSON in UTF-8: {json_fault(value, error)}") from None


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_BLANKS = b" \t\r\n"


def _check_unambiguous(value: bytes, document: dict[str, Any] | None) -> None:
    """Raises Undecodable unless every reader sees the same document; it is parsed where it was not yet."""
    if document is None:
        document = _document(value)
    if b"\\u0000" in value and _NUL.search(value) is not None:
        place = next(nul_at(document), "event")
        fault = "has the character U+0000, which no database may hold: take it out"
        raise Undecodable(f"{place}: {fault}", fault)
    # A quotation mark before a colon ends a name or, seldom, belongs to a text: only where there are more of
    # them than names does the slow reader look (11 us for 500 bytes; counting takes 2).
    if value.translate(None, _BLANKS).count(b'":') != _names(document):
        json.loads(value, object_pairs_hook=_distinct, parse_int=_skipped, parse_float=_skipped)


def _names(document: object) -> int:
    """How many names its objects have; plain loops, since this runs for every event."""
    parts: Iterable[object] = ()
    count = 0
    if isinstance(document, dict):
        count, parts = len(document), document.values()
    elif isinstance(document, list):
        parts = document
    for part in parts:
        if part.__class__ is dict or part.__class__ is list:
            count += _names(part)
    return count


def _distinct(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Undecodable(
            "a field stands twice in one object, so readers differ in what it says: send it once"
        )


def _skipped(_number: str) -> None:
    return None


def check_clock(attributes: Attributes, arrived: datetime) -> datetime:
    """The event's own time, or its arrival; a time that lies ahead would outrank all later events."""
    if attributes.time is None:
        return arrived
    if attributes.time > arrived + MAX_AHEAD:
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
    try:
        data = payload.__pydantic_serializer__.to_json(payload)
    except PydanticSerializationError as error:
        raise ValueError(f"{payload.TYPE} cannot be written as JSON: {error}") from error
    written = _Written(
        specversion="1.0",
        id=id,
        source=source,
        type=payload.TYPE,
        time=time.astimezone(UTC),
        subject=subject,
        partitionkey=partitionkey,
        datacontenttype=JSON,
        traceparent=traceparent,
        data=msgspec.Raw(data),
    )
    return _WRITER.encode(written)


def event_id(epoch: int, aggregate: str, version: int, type: str) -> str:
    """The same fact has the same id, however often it is published (a UUID of version 5, RFC 9562)."""
    # As uuid.uuid5, without its objects, which cost more than the hash, three times an event.
    raw = bytearray(hashlib.sha1(_NAMESPACE + f"{epoch}/{aggregate}/{version}/{type}".encode()).digest()[:16])  # noqa: S324
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def describe(error: ValidationError, most: int = 10) -> str:
    """One sentence per wrong field; the values stay out, since they may be personal data."""
    faults = error.errors(include_url=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'event'}: {sentence(fault)}"
        for fault in faults[:most]
    )


def _header(named: Mapping[str, bytes | None], name: str) -> str:
    value = named.get(name)
    if value is None:
        raise Undecodable(f"header {name} is missing")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Undecodable(f"header {name} is not UTF-8") from None


_BEGINNINGS: Mapping[bytes, str] = {
    codecs.BOM_UTF8: "it begins with two byte order marks: send none",
    codecs.BOM_UTF16_LE: "it is UTF-16: send UTF-8",
    codecs.BOM_UTF16_BE: "it is UTF-16: send UTF-8",
    b"\x1f\x8b": "it is packed by gzip: send it plain, the producer may compress its batches",
}
# By what the reader's own sentence has; those are for whoever wrote the reader.
_FAULTS: Mapping[str, str] = {
    "surrogate": "an escape \\ud800 to \\udfff is half a character: send both halves, or the character itself",
    "hex escape": "an escape \\ud800 to \\udfff is half a character: send both halves, or the character itself",
    "EOF": "it ends before it is complete: send all of it",
    "trailing characters": "something follows the event: over Kafka send one event per record, over HTTP several "
    "as one JSON array",
    "trailing comma": "a comma is followed by nothing: take it out",
    "control character": "a text in it has a bare control character (a tab, a line end, NUL...): take it out",
    "recursion limit": "it is nested deeper than any event: send its data as its schema shows it",
    "out of range": "a number in it has more digits than any field takes: send the number that is meant",
    "key must be": "a field's name is not in double quotation marks: have a JSON library write it",
}


def json_fault(value: bytes, error: ValueError) -> str:
    """Why `from_json` could not read it, and what to do; repeats nothing of it."""
    for beginning, fault in _BEGINNINGS.items():
        if value.startswith(beginning):
            return fault
    if b"\0" in value[:2]:
        return "it is UTF-16: send UTF-8"
    try:
        value.decode()
    except UnicodeDecodeError:
        return "some of its bytes are of another encoding (Windows-1252, perhaps): send UTF-8"
    for part, fault in _FAULTS.items():
        if part in str(error):
            return fault
    return "it is not written as JSON: have a JSON library write it"


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
