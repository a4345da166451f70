"""How agencies' systems write their events: structured, binary, and wrong in the ways that occur."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from shared.contracts.cloudevents import STRUCTURED, encode
from shared.contracts.payload import Payload

Headers = tuple[tuple[str, bytes], ...]
STRUCTURED_HEADERS: Final[Headers] = (("content-type", STRUCTURED.encode()),)


class Message(NamedTuple):
    """A record as an agency's system publishes it."""

    opd: str
    kind: str
    """What it stands for in the demo's story; told in the table of what went in."""
    value: bytes
    headers: Headers
    dead_because: str = ""
    """What the dead letter's reason must contain, where it becomes one; of HTTP: the refusal's detail."""


def structured(opd: str, kind: str, payload: Payload, id: str, time: datetime) -> Message:
    value = encode(payload, id=id, source=f"urn:bandung:{opd}:simpeg", time=time, subject=kind,
                   partitionkey=kind, traceparent=None)  # fmt: skip
    return Message(opd, kind, value, STRUCTURED_HEADERS)


def binary(opd: str, kind: str, payload: Payload, id: str, time: datetime) -> Message:
    attributes = {
        "specversion": "1.0",
        "id": id,
        "source": f"urn:bandung:{opd}:lms",
        "type": payload.TYPE,
        "time": time.astimezone(UTC).isoformat(),
    }
    headers = (
        ("content-type", b"application/json"),
        *((f"ce_{name}", value.encode()) for name, value in attributes.items()),
    )
    return Message(opd, kind, payload.model_dump_json().encode(), headers)


class Fault(NamedTuple):
    name: str
    because: str
    """Part of the reason that the dead letter must give."""
    spoil: Callable[[bytes], bytes]


def _changed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def spoil(value: bytes) -> bytes:
        event = json.loads(value)
        change(event)
        return json.dumps(event, ensure_ascii=False).encode()

    return spoil


def _data(**fields: Callable[[Any], object]) -> Callable[[bytes], bytes]:
    def change(event: dict[str, Any]) -> None:
        event["data"].update({name: of(event["data"][name]) for name, of in fields.items()})

    return _changed(change)


FAULTS: Final = (
    Fault("truncated JSON", "not JSON", lambda value: value[: len(value) * 2 // 3]),
    Fault("number of 17 digits", "has 17 characters", _data(employee_number=lambda number: number[:-1])),
    Fault("no such date", "completed_on:", _data(completed_on=lambda _: "2026-02-30")),
    Fault("number as JSON number", "must be text", _data(employee_number=int)),
    Fault("unknown type", "type is unknown",
          _changed(lambda event: event.update(type="id.go.bandung.training.finished.v1"))),
    Fault("empty value", "has no value", lambda value: b""),
    Fault("invalid UTF-8", "not JSON", lambda value: value.replace(b"Etika", b"Etik\xe9")),
)  # fmt: skip
"""Each applied to a structured completion of the e-learning on ethics."""


def spoiled(message: Message, fault: Fault) -> Message:
    value = fault.spoil(message.value)
    return message._replace(kind="malformed", value=value, dead_because=fault.because)


def as_json(message: Message) -> Mapping[str, Any]:
    """As `POST /events` takes it; structured messages only."""
    event: Mapping[str, Any] = json.loads(message.value)
    return event
