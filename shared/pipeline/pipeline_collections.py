"""The pipeline's own documents, the same in every service's database."""

from collections.abc import Sequence
from datetime import datetime

import cramjam
import msgspec

from shared.pipeline.documents import Collection, Document
from shared.pipeline.epochs import EPOCHS
from shared.pipeline.records import PackedBatch, Record, RecordMetadata


class Outgoing(msgspec.Struct, frozen=True, array_like=True):
    """A record to be published, as bytes: published again after a crash it is the same."""

    topic: str
    partition: int
    key: bytes
    value: bytes


_HEAD = msgspec.msgpack.Decoder(tuple[bytes | None, list[tuple[str, bytes | None]]])
_OUTGOING = msgspec.msgpack.Decoder(list[Outgoing])


def pack(records: Sequence[Outgoing]) -> bytes:
    """MessagePack in Zstandard (RFC 8878): events are alike, and MongoDB journals and replicates every byte."""
    return bytes(cramjam.zstd.compress(msgspec.msgpack.encode(records), level=1)) if records else b""


class Position(msgspec.Struct, frozen=True):
    """Where a consumer group stands in a partition; written by the transaction of each batch."""

    id: str = msgspec.field(name="_id")
    next: int
    """Offset of the first record that is not decided yet."""
    packed: bytes = b""
    """See `pending`."""
    last_timestamp_ms: int = 0
    last_digest: bytes = b""
    """Of record `next - 1`: tells a recreated topic or a rolled-back database from ours."""
    stopped: str = ""
    """Why the partition stands still until an operator says otherwise."""
    failing_rules: str = ""
    """Not empty: it stands still because these handlers and rules failed; others go on by themselves."""
    accepted_rules: str = ""
    """An operator has what these fail on as dead letters: they don't stop it again."""
    started: str = ""
    """Who started it again last, when, and why."""
    redelivery: int = msgspec.field(default=0, name="turn")
    """That of records as they are read; setting `next` back raises it, since decisions are never overwritten."""
    holder: bytes = b""
    """The database's session of who took it over last: if that one is dead, its open transaction is ended by it."""

    @property
    def pending(self) -> list[Outgoing]:
        """Decided, perhaps not yet published."""
        return _OUTGOING.decode(bytes(cramjam.zstd.decompress(self.packed))) if self.packed else []


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, rename={
    "id": "_id", "event_id": "e", "subject": "s", "content": "c", "verdict": "v",
    "reason": "r", "answer": "a", "decided_at": "t", "rules": "p", "source": "o",
}):  # fmt: skip  # one letter a field: there is one document a record, for good
    """Insert-only. Receipts, traces and HTTP answers are reads of decisions."""

    id: str
    """topic/partition/offset/turn"""
    event_id: str
    verdict: str
    decided_at: datetime
    subject: str = ""
    content: bytes = b""
    reason: str = ""
    answer: dict[str, str | int | bool | None] = {}
    rules: str = ""
    """Version of handlers and rules that decided."""
    source: str = ""
    """Of the event, as ids are unique per source (CloudEvents); of a command, who gave it (shared/http/askers.py).
    Empty where it could not be read, and before it was kept."""


class Resolution(msgspec.Struct, frozen=True):
    """What an operator had done with a dead letter."""

    command: str
    operator: str
    reason: str
    at: datetime
    edited: str | None = None
    """The event as it was mended, in JSON."""


BUG, PACKED, EXPIRED = "bug", "packed", "expired"
OPEN, REPLAYED, DISCARDED = "open", "replayed", "discarded"


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that could not be accepted, with all that is needed to replay it."""

    id: str = msgspec.field(name="_id")
    kind: str
    """rejected | packed: a whole batch as it came | bug | expired: what it lacked never came"""
    reason: str
    fingerprint: str
    event_type: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    chunks: int
    """Above 0 the value is too large for one document: it is in `dead_letter_chunks`, in that many parts."""
    first_failed_at: datetime
    last_failed_at: datetime
    attempts: int
    rules: str
    head_chunks: int = 0
    """Above 0 the same holds for key and headers: in so many parts `<id>/head/<n>`, [key, headers] as MessagePack."""
    redelivery: int = msgspec.field(default=0, name="turn")
    state: str = OPEN
    resolution: Resolution | None = None
    left_out_bytes: int = 0
    """Above 0 key, value and headers are not kept (dead_letters.py): the log has them, as long as it keeps records."""
    left_out_digest: bytes = b""
    """Of the record in the log (partitioner.py)."""

    def record(self, chunks: "Sequence[DeadLetterChunk]" = ()) -> Record:
        """To be decided again. `chunks`: those of this letter, in any order, if it has any."""
        parts = {chunk.id: chunk.value for chunk in chunks}
        key, headers, value = self.key, self.headers, self.value
        if self.chunks:
            value = b"".join(parts[f"{self.id}/{n}"] for n in range(self.chunks))
        if self.kind == PACKED and value is not None:
            value = PackedBatch(value)
        if self.head_chunks:
            head = b"".join(parts[f"{self.id}/head/{n}"] for n in range(self.head_chunks))
            key, headers = _HEAD.decode(head)
        return Record(
            at=RecordMetadata(self.topic, self.partition, self.offset),
            timestamp_ms=self.timestamp_ms,
            key=key,
            value=value,
            headers=tuple((name, content) for name, content in headers),
            redelivery=self.redelivery + 1,
        )


class DeadLetterChunk(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    dead_letter: str
    value: bytes


class DeadBytes(msgspec.Struct, frozen=True):
    """What a topic's dead letters of one day weigh that are their senders' fault."""

    id: str = msgspec.field(name="_id")
    """The topic."""
    day: str
    """By the log's time, in UTC: YYYY-MM-DD."""
    kept_bytes: int
    left_out: int = 0
    """Dead letters of that day without their bytes."""


class WaitingRecord(msgspec.Struct, frozen=True):
    """A record that lacks something; decided in the transaction in which that appears."""

    id: str = msgspec.field(name="_id")
    lacks: str
    reason: str
    event_type: str
    event_id: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    redelivery: int = msgspec.field(name="turn")
    since: datetime
    kind: str = ""
    """Of what it lacks: what stands before the first / of `lacks`. Empty where that was not kept yet."""

    def record(self) -> Record:
        return Record(
            at=RecordMetadata(self.topic, self.partition, self.offset),
            timestamp_ms=self.timestamp_ms,
            key=self.key,
            value=self.value,
            headers=tuple((name, content) for name, content in self.headers),
            redelivery=self.redelivery + 1,
        )


class Discrepancy(msgspec.Struct, frozen=True):
    """A completion of which enrollment says more than this service's own books do."""

    id: str = msgspec.field(name="_id")
    """Of the completion."""
    version: int
    """Enrollment said this version of it, or a later one."""
    standing: bool
    lacks: list[str]
    """Names of what is missing: certificate, jp, pdf, completion, points, entries, letter, mail."""
    since: datetime
    """When a list first showed it."""
    certified: bool = True
    issued: int | None = None


# By so much a replay raises the redelivery: more often nothing is taken up again after waiting.
REDELIVERIES_A_REPLAY = 1_000_000

POSITIONS = Collection("positions", Position)
# By time within an id: ids are anybody's to choose, so there may be any number of decisions under one.
DECISIONS = Collection("decisions", Decision, indexes=(("event_id", "decided_at"), ("subject",)))
# Up to 8 MB each, by the weight of usual documents of some 4 KB: a batch replays about ten of them at once.
DEAD_LETTERS = Collection(
    "dead_letters",
    DeadLetter,
    weight=200,
    indexes=(("state", "fingerprint"), ("state", "last_failed_at"), ("state", "kind", "id")),
)
DEAD_LETTER_CHUNKS = Collection(
    "dead_letter_chunks", DeadLetterChunk, indexes=(("dead_letter",),), weight=2_000
)
DEAD_BYTES = Collection("dead_bytes", DeadBytes)
WAITING = Collection("waiting", WaitingRecord, indexes=(("lacks", "id"), ("event_type", "kind", "since")))
DISCREPANCIES = Collection("discrepancies", Discrepancy)
LOCKS = "locks"

PIPELINE_COLLECTIONS: tuple[Collection[Document], ...] = (
    POSITIONS,
    DECISIONS,
    DEAD_LETTERS,
    DEAD_LETTER_CHUNKS,
    DEAD_BYTES,
    WAITING,
    DISCREPANCIES,
    EPOCHS,
)
