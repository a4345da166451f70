"""A record as the log holds it, and an event as a handler sees it."""

from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import msgspec

from shared.contracts.payload import Payload

P = TypeVar("P", bound=Payload)
Headers = tuple[tuple[str, bytes | None], ...]  # Kafka lets a header have no value


class RecordMetadata(NamedTuple):
    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class PackedBatch(bytes):
    """In place of a record's value: a whole batch as the log has it, which unpacks to more than we hold.

    Nothing else that comes from Kafka has this type (unpacking.py).
    """


class Record(msgspec.Struct, frozen=True):
    at: RecordMetadata
    timestamp_ms: int
    """The log's own time of arrival (LogAppendTime): `now` for whatever is decided."""
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    redelivery: int = 0
    """0 as first read from the log; above, how often it was taken up again, after waiting or by a replay."""

    @property
    def head_bytes(self) -> int:
        """Size of all but the value."""
        headers = sum(len(name) + len(content or b"") for name, content in self.headers)
        return headers + len(self.key or b"")

    @property
    def size_bytes(self) -> int:
        """As it unpacks: compressed in the log it may have been small."""
        return self.head_bytes + len(self.value or b"")


class Received(msgspec.Struct, Generic[P], frozen=True):
    """A decoded event. `sender` is the agency (from its topic) or the service that wrote it."""

    data: P
    id: str
    type: str
    time: datetime
    sender: str
    now: datetime
    traceparent: str | None
    at: RecordMetadata
    arrived: datetime
    """The log's time of arrival, whenever it is decided; `now` is later for what waited or is replayed."""

    @property
    def said_at(self) -> datetime:
        """Its time, by which what one sender says is ordered; that of its arrival where the sender's clock was ahead,
        as local time marked as UTC is."""
        return min(self.time, self.arrived)
