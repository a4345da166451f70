"""Handlers of every service that keeps books about completions: are they complete?

What a list of enrollment's claims and these books lack is noted, and taken back when a later look finds it. A look
locks no employee: a claim stays true (versions only grow), and nothing is reported before a second look.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from shared.contracts.enrollment import CompletionsListed
from shared.contracts.lists import Claim, claims_of
from shared.contracts.payload import CompletionId, Payload
from shared.contracts.pipeline import ReviewDiscrepancies
from shared.pipeline.documents import Doc, Lock, Needs, State
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, Put, Remove, Verdict
from shared.pipeline.pipeline_collections import DISCREPANCIES, Discrepancy
from shared.pipeline.records import Received

T = TypeVar("T")
# Held by lists and reviews alone: two replicas must not both make the same note.
NOTES = Lock("discrepancies")


class CompletenessCheck(NamedTuple):
    """How a service finds out whether it has all that belongs to a completion."""

    needs: Callable[[Sequence[CompletionId], State, Any], Needs]
    """What `lacks` looks at; the last argument are the service's terms."""
    lacks: Callable[[Claim, State], list[str]]
    """Names of what is missing; empty when nothing is."""


def noted(
    claims: Iterable[Claim], state: State, check: CompletenessCheck, now: datetime
) -> list[Put | Remove]:
    """The notes as they are from now on; the documents of `note_needs` must be loaded."""
    changes: list[Put | Remove] = []
    for claim in claims:
        known = state.get(DISCREPANCIES, claim.completion_id)
        lacks = check.lacks(claim, state)
        if lacks:
            note = Discrepancy(
                id=claim.completion_id,
                version=claim.version,
                standing=claim.standing,
                lacks=lacks,
                since=now if known is None else known.since,
                certified=claim.certified,
                issued=claim.issued,
            )
            if note != known:
                changes.append(Put(DISCREPANCIES, note))
        elif known is not None:
            changes.append(Remove(DISCREPANCIES, known.id))
    return changes


def note_needs(ids: Sequence[CompletionId], state: State, check: CompletenessCheck, terms: object) -> Needs:
    yield NOTES
    for id in ids:
        yield Doc(DISCREPANCIES, id)
    yield from check.needs(ids, state, terms)


def reviewing(check: CompletenessCheck) -> dict[type[Payload], Handler[Any]]:
    """For a service that makes notes: looks again, at its own command."""

    def needs(event: Received[ReviewDiscrepancies], state: State, terms: object) -> Needs:
        yield from note_needs(event.data.completion_ids, state, check, terms)

    def review(event: Received[ReviewDiscrepancies], state: State, terms: object) -> Outcome:
        found = [state.get(DISCREPANCIES, id) for id in dict.fromkeys(event.data.completion_ids)]
        claims = [
            Claim(
                CompletionId(discrepancy.id),
                discrepancy.version,
                discrepancy.standing,
                discrepancy.certified,
                discrepancy.issued,
            )
            for discrepancy in found
            if discrepancy is not None
        ]
        changes = noted(claims, state, check, event.now)
        return Outcome(
            Verdict.ACCEPTED if changes else Verdict.NOTHING,
            f"{len(changes)} of {len(claims)} are different by now",
            changes=changes,
        )

    return {ReviewDiscrepancies: handler(needs, review)}


def reconciling(check: CompletenessCheck) -> dict[type[Payload], Handler[Any]]:
    """For a service that reads enrollment's lists."""

    def needs(event: Received[CompletionsListed], state: State, terms: object) -> Needs:
        yield from note_needs(
            [claim.completion_id for claim in claims_of(event.data.completions)], state, check, terms
        )

    def compare(event: Received[CompletionsListed], state: State, terms: object) -> Outcome:
        claims = {claim.completion_id: claim for claim in claims_of(event.data.completions)}
        changes = noted(claims.values(), state, check, event.now)
        lacking = sum(isinstance(change, Put) for change in changes)
        return Outcome(
            Verdict.ACCEPTED, f"{lacking} of {len(claims)} lack something" if lacking else "", changes=changes
        )

    return {CompletionsListed: handler(needs, compare), **reviewing(check)}
