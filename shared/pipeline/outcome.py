"""What a handler returns: its verdict, the documents that change, the facts that follow."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from shared.contracts.payload import Payload
from shared.pipeline.books import DeadLetter, WaitingRecord
from shared.pipeline.documents import Collection, Document
from shared.pipeline.records import Record


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


class Fact(NamedTuple):
    """An event to publish. Its id follows from (aggregate, version, type), so a repetition has the same id."""

    payload: Payload
    aggregate: str
    version: int
    key: str
    """Orders it: facts of one key share a partition. Also the CloudEvents `partitionkey`."""


class Again(NamedTuple):
    """A record to be decided once more, in the same transaction: one that waits, or a dead letter."""

    record: Record
    waited: WaitingRecord | None = None
    letter: DeadLetter | None = None
    last: str = ""
    """Not empty: it becomes a dead letter if it still lacks something, and this is added to the reason."""
    edited_by: str = ""
    """Not empty: the operator who mended it; its decision says so."""


class Outcome(msgspec.Struct, frozen=True):
    verdict: Verdict
    reason: str = ""
    subject: str = ""
    """The aggregate that was decided about: an id of ours, never an employee number."""
    content: bytes = b""
    """Digest of the business content, by which a copy is known."""
    changes: Sequence[Put | Remove] = ()
    facts: Sequence[Fact] = ()
    appeared: Sequence[str] = ()
    """What records may have been waiting for and is there now (`Waiting.lacks`)."""
    again: Sequence[Again] = ()
    answer: dict[str, str | int | bool | None] = {}
    """For an HTTP caller who waits for the decision."""
