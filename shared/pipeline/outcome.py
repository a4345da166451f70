"""What a handler returns: its verdict, the documents that change, the facts that follow."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from shared.contracts.payload import Payload
from shared.pipeline.documents import Collection, Document
from shared.pipeline.pipeline_collections import DeadLetter, WaitingRecord
from shared.pipeline.records import Received, Record

D = TypeVar("D", bound=Document)


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    CORRECTION = "correction"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    REFUSED = "refused"
    BUG = "bug"
    NOTHING = "nothing"


class Put(NamedTuple):
    """The document as it stands from now on."""

    collection: Collection[Document]
    document: Document


class Remove(NamedTuple):
    collection: Collection[Document]
    id: str


class OutgoingEvent(NamedTuple):
    """An event to publish. Its id follows from (aggregate, version, type), so a repetition has the same id."""

    payload: Payload
    aggregate: str
    version: int
    key: str
    """Orders it: facts of one key share a partition. Also the CloudEvents `partitionkey`."""


class Redecide(NamedTuple):
    """A record to be decided once more, in the same transaction: one that waits, or a dead letter."""

    record: Record
    waited: WaitingRecord | None = None
    letter: DeadLetter | None = None
    last: str = ""
    """Not empty: it becomes a dead letter if it still lacks something, and this is added to the reason."""
    edited_by: str = ""
    """Not empty: the operator who mended it; its decision says so."""


class Stale(NamedTuple):
    """A document as a record changed it, from which more follows: worked out once for all records of a batch that
    change the same aggregate (`Service.recalculate`). One record at a time, n completions of a person's year were
    recounted n times, and each recount told of all that it moved."""

    aggregate: str
    collection: Collection[Document]
    document: Document
    weight: int = 1
    """About how many documents are recounted."""


class Due(NamedTuple, Generic[D]):
    """A document to be recalculated."""

    before: D | None
    """As it was recalculated last; None: never."""
    after: D
    event: Received[Any]
    """The last one that changed it."""


class Recalculation(NamedTuple):
    changes: Sequence[Put | Remove]
    """All that were due are among them."""
    facts: Sequence[tuple[OutgoingEvent, Due[Any]]]
    """Each with what it follows from: it goes out in the name, and at the time, of that event."""


class Outcome(msgspec.Struct, frozen=True):
    verdict: Verdict
    reason: str = ""
    subject: str = ""
    """The aggregate that was decided about: an id of ours, never an employee number."""
    content: bytes = b""
    """Digest of the business content, by which a copy is known."""
    changes: Sequence[Put | Remove] = ()
    facts: Sequence[OutgoingEvent] = ()
    unblocks: Sequence[str] = ()
    """What records may have been waiting for and is there now (`Waiting.lacks`)."""
    redecide: Sequence[Redecide] = ()
    stale: Stale | None = None
    answer: dict[str, str | int | bool | None] = {}
    """For an HTTP caller who waits for the decision."""
