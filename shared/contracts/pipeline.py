"""Commands that every service gives itself."""

from typing import ClassVar

from shared.contracts.payload import CompletionId, Count, Payload, Reason, Timestamp


class ReleaseWaiting(Payload):
    """What was waited for is there: decide the next page of the records that wait for it."""

    TYPE: ClassVar[str] = "id.go.bandung.waiting.release.v1"
    lacks: str
    page: Count
    operator: str | None = None
    """Who asked for it; none when it appeared by itself."""
    reason: Reason | None = None


class GiveUpWaiting(Payload):
    """Decide the records that wait for something a last time: those that still lack it become dead letters."""

    TYPE: ClassVar[str] = "id.go.bandung.waiting.give-up.v1"
    lacks: str
    before: Timestamp
    """Those that have waited since then or longer."""
    event_type: str | None = None
    """Only these, since each type may have a time of its own; all when absent."""
    operator: str | None = None
    """Who asked for it; none when their time was over."""
    reason: Reason


class ReplayDeadLetter(Payload):
    """Decide a dead letter's record again, on what stands today."""

    TYPE: ClassVar[str] = "id.go.bandung.deadletter.replay.v1"
    dead_letter: str
    """topic/partition/offset/turn"""
    operator: str
    reason: Reason
    event: str | None = None
    """The event as it was mended, a structured CloudEvent in JSON with the id it had; as it came when absent."""


class DiscardDeadLetter(Payload):
    """A dead letter that needs nothing done: it is kept and no longer listed as open."""

    TYPE: ClassVar[str] = "id.go.bandung.deadletter.discard.v1"
    dead_letter: str
    operator: str
    reason: Reason


class ReviewDiscrepancies(Payload):
    """Look again whether these completions still lack something in this service's books."""

    TYPE: ClassVar[str] = "id.go.bandung.discrepancies.review.v1"
    completion_ids: tuple[CompletionId, ...]
