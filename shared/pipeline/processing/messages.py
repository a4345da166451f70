"""From a record to an event with its handler, or to the reason why it is none."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Generic, TypeVar

from shared.contracts.cloudevents import (
    MAX_PARTS,
    TOO_MANY_PARTS,
    Undecodable,
    check_clock,
    decode,
    parts_of,
    peek,
    source_in,
)
from shared.contracts.payload import Payload
from shared.contracts.topics import AGENCY, MAX_RECORD_BYTES
from shared.observability.telemetry import parse_traceparent, root_traceparent
from shared.pipeline.channels import fault_of_channel, is_known
from shared.pipeline.documents import Key
from shared.pipeline.epochs import fault_of_version
from shared.pipeline.errors import Rejected
from shared.pipeline.handlers import Handler, Service
from shared.pipeline.kafka.unpacking import problem
from shared.pipeline.pipeline_collections import DeadLetter, WaitingRecord
from shared.pipeline.records import PackedBatch, Received, Record

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_SOURCE = 200
"""Characters of it that a decision keeps."""


@dataclass(slots=True)
class Message(Generic[T]):
    """A record on its way through a unit of work: an event with its handler, a fault, or neither (not ours)."""

    record: Record
    event_type: str = ""
    event: Received[Payload] | None = None
    handler: Handler[T] | None = None
    fault: Exception | None = None
    waited: WaitingRecord | None = None
    letter: DeadLetter | None = None
    """What it was until an operator had it decided again."""
    last: str = ""
    """See `Redecide`."""
    edited_by: str = ""
    """See `Redecide`."""
    rests_on: list[Key] = field(default_factory=list)
    """What its needs looked at, in this unit of work."""
    asked_at: int = 0
    """After how many changes of the state."""
    source: str = ""
    """Of the event, as its sender says it; nothing rests on it."""

    def fresh(self) -> "Message[T]":
        """As it was read, for another unit of work."""
        return Message(
            self.record,
            self.event_type,
            self.event,
            self.handler,
            self.fault,
            self.waited,
            self.letter,
            self.last,
            self.edited_by,
            source=self.source,
        )


class Decoder(Generic[T]):
    """Decodes records for a service. Done once a batch, however many units of work it takes."""

    def __init__(self, service: Service[T]) -> None:
        self.service = service
        self.types = {payload.TYPE: payload for payload in service.handlers}
        self._agencies = service.topic_prefix + AGENCY.partition("{")[0]

    def read(self, record: Record, waited: WaitingRecord | None = None) -> Message[T]:
        """A type that the service does not react to, on its own topic, leaves the item without event and fault."""
        message: Message[T] = Message(record, waited=waited)
        try:
            if isinstance(record.value, PackedBatch):
                raise Undecodable(problem(record.value))
            if record.size_bytes > MAX_RECORD_BYTES:
                raise Undecodable(
                    f"the record has {record.size_bytes / 1e6:.1f} MB with its key and headers, "
                    f"{MAX_RECORD_BYTES / 1e6:.1f} MB are allowed: send what the schema of its type names, no more"
                )
            if record.at.topic.startswith(self._agencies) and parts_of(record.value or b"") > MAX_PARTS:
                raise Undecodable(TOO_MANY_PARTS)
            message.event_type, document = peek(record.value, record.headers)
            if not is_known(message.event_type):
                raise Undecodable("its type is unknown: docs/reference/events.md lists those that exist")
            if (
                fault := fault_of_channel(message.event_type, record.at.topic, self.service.topic_prefix)
            ) is not None:
                raise Undecodable(fault)
            payload = self.types.get(message.event_type)
            if payload is None:
                return message
            assert record.value is not None
            # Before it is known to be right: its sender looks for it by both.
            message.source = source_in(document, record.headers)[:MAX_SOURCE]
            event = decode(record.value, record.headers, document, payload)
            if (fault := fault_of_version(event.data)) is not None:
                raise Undecodable(fault)
            now = EPOCH + timedelta(milliseconds=record.timestamp_ms)
            sender, traceparent = (
                sender_of(record.at.topic, self.service.topic_prefix),
                event.attributes.traceparent,
            )
            if parse_traceparent(traceparent) is None:  # else each of its consequences would begin a trace
                traceparent = root_traceparent(f"{sender}/{event.attributes.id}")
            message.event = Received(
                data=event.data,
                id=event.attributes.id,
                type=message.event_type,
                time=check_clock(event.attributes, now),
                sender=sender,
                now=now,
                traceparent=traceparent,
                at=record.at,
                arrived=now,
            )
            message.handler = self.service.handlers[payload]
        except Undecodable as error:
            message.fault = Rejected(str(error), error.alike)
        except Exception as error:  # noqa: BLE001 - a fault of this record; nothing around could bisect to it
            message.fault = error
        return message


@lru_cache(maxsize=1024)
def sender_of(topic: str, prefix: str) -> str:
    """`agency.<opd>.v1` -> the opd; a service's topic -> the service."""
    parts = topic.removeprefix(prefix).split(".")
    return parts[1] if parts[0] == "agency" else parts[0]
