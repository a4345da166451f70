"""What the routes under `/admin` take and answer (admin.py)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from shared.contracts.payload import Reason
from shared.http.decisions import DecisionView

Id = Annotated[str, Field(min_length=1, max_length=400)]


class PartitionView(BaseModel):
    topic: str
    partition: int
    next: int
    """Offset of the first record that is not decided yet."""
    end: int | None
    lag: int | None
    stopped: str | None


class StatusView(BaseModel):
    service: str
    ready: bool
    faults: list[str]
    remarks: list[str]
    """What somebody must mend, though the service is ready."""
    rules: str
    partitions: list[PartitionView]
    waiting: int
    dead_letters: dict[str, int]
    work: dict[str, dict[str, int]]


class GroupView(BaseModel):
    """Open dead letters that fail alike."""

    fingerprint: str
    kind: str
    event_type: str
    """Of the sample."""
    event_types: list[str]
    """Some of those that are in it, the latest first: unknown types of one topic are one group."""
    count: int
    reason: str
    """Of the sample."""
    sample: str
    first_failed_at: datetime
    last_failed_at: datetime
    rules: str


class LetterView(BaseModel):
    id: str
    """topic/partition/offset/turn"""
    kind: str
    event_type: str
    event_id: str | None
    reason: str
    fingerprint: str
    topic: str
    partition: int
    offset: int
    first_failed_at: datetime
    last_failed_at: datetime
    attempts: int
    state: str


class ResolutionView(BaseModel):
    command: str
    operator: str
    reason: str
    at: datetime
    edited: Any | None


class LetterDetails(LetterView):
    event: Any | None
    """The event's JSON, if it is JSON."""
    raw_base64: str | None
    """Its bytes, if it is not."""
    headers: dict[str, str | None]
    rules: str
    resolution: ResolutionView | None
    decisions: list[DecisionView]
    """What was decided about the same event, in all its turns."""
    history: list[DecisionView]
    """The latest decisions about the same completion, employee or letter, by other events; latest last."""


class DocumentView(BaseModel):
    collection: str
    id: str
    change: str
    """new, changed or removed"""
    document: Any | None


class EventView(BaseModel):
    type: str
    subject: str
    data: Any


class RehearsalView(BaseModel):
    verdict: str
    reason: str | None
    subject: str | None
    documents: list[DocumentView]
    events: list[EventView]


class WaitingView(BaseModel):
    lacks: str
    reason: str
    event_type: str
    count: int
    oldest: datetime
    newest: datetime


class DryRunBody(BaseModel):
    id: Id
    event: dict[str, Any] | None = None
    """The mended event, a structured CloudEvent; as it came when absent."""


class ReplayBody(DryRunBody):
    reason: Reason


class DiscardBody(BaseModel):
    id: Id
    reason: Reason


class StartBody(BaseModel):
    topic: Annotated[str, Field(min_length=1, max_length=249)]
    partition: Annotated[int, Field(ge=0)]
    next: Annotated[int | None, Field(ge=0)] = None
    """Go on from this record: an earlier one has all from there decided again. From where it stands when absent."""
    pass_over: bool = False
    """`next` may lie ahead of where it stands: what is between is never decided."""
    reason: Reason


class StartedView(BaseModel):
    """It goes on within seconds."""

    topic: str
    partition: int
    next: int | None
    note: str
    """As it is kept in the position."""


class WaitingBody(BaseModel):
    lacks: Id
    reason: Reason
