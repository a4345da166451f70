"""Decisions by which the services' books are held against each other: lists of what changed, and restatements.

A list is made of what a worker read, since each claim of it stays true: versions only grow.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.enrollment.certificates.documents import RENDERINGS, STORED_PDFS, rendering_id
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import DONE, restate
from services.enrollment.completions.recalculation_needs import recalculation_needs
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.persons import person_of
from services.enrollment.reconciliation.documents import (
    MANIFEST_CURSORS,
    ManifestCursor,
    issued_version,
    stated_version,
)
from shared.contracts.enrollment import CompletionsListed, ListCompletions, RestateCompletion
from shared.contracts.lists import Claim
from shared.contracts.payload import CompletionId, Payload
from shared.pipeline.context import Context
from shared.pipeline.documents import LOAD, Doc, Lock, Needs, State
from shared.pipeline.errors import Rejected
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.operations.discrepancies import CompletenessCheck, note_needs, noted, reviewing
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Remove, Verdict
from shared.pipeline.partitioner import key_into
from shared.pipeline.records import Received

_JSON = msgspec.json.Encoder(order="deterministic")
LISTING: Final = "completions"
COMPLETION, CERTIFICATE, JP, PDF = "completion", "certificate", "jp", "pdf"
PDF_HELD: Final = "pdf held"
"""Said by the books and the trace alike: no font draws it, which no restatement mends."""

# Does enrollment itself have what belongs to a completion?


def _needs(ids: Sequence[CompletionId], state: State, terms: object) -> Needs:
    for id in ids:
        yield Doc(COMPLETIONS, id)
    yield LOAD
    for id in ids:
        completion = state.get(COMPLETIONS, id)
        if completion is not None and (item := _item(completion)):
            yield Doc(RENDERINGS, item)


def _lacks(claim: Claim, state: State) -> list[str]:
    completion = state.get(COMPLETIONS, claim.completion_id)
    if completion is None:
        return [COMPLETION]
    item = _item(completion)
    rendering = state.get(RENDERINGS, item) if item else None
    return lacks(completion, rendering is not None and rendering.state != DONE)


def _item(completion: Completion) -> str:
    """Id of the rendering that it needs; empty while it needs none."""
    certificate = completion.certificate
    if certificate is None or certificate.revoked:
        return ""
    return rendering_id(certificate.id, certificate.revision)


def lacks(completion: Completion, being_rendered: bool) -> list[str]:
    """Of what follows from a completion that stands; JP that a cap cut to 0 have their rule all the same."""
    if not completion.learning_year:
        return []
    certificate = completion.certificate
    return [
        *([] if certificate is not None or not completion.certified else [CERTIFICATE]),
        *([] if completion.jp_rule else [JP]),
        *(
            []
            if being_rendered or not completion.certified or (certificate is not None and certificate.sha256)
            else [PDF]
        ),
    ]


COMPLETENESS_CHECK: Final = CompletenessCheck(_needs, _lacks)

# Lists.


def listing_needs(event: Received[ListCompletions], state: State, terms: CompletionTerms) -> Needs:
    yield Lock("listing")
    yield Doc(MANIFEST_CURSORS, LISTING)
    yield from note_needs(event.data.incomplete, state, COMPLETENESS_CHECK, terms)


def list_completions(event: Received[ListCompletions], state: State, terms: CompletionTerms) -> Outcome:
    data = event.data
    if data.until is not None and data.until > event.now:
        raise Rejected(
            "until lies ahead: nothing would be listed up to then; only what was decided is listed"
        )
    known = state.get(MANIFEST_CURSORS, LISTING)
    if known is not None and known.until != data.since:
        return Outcome(Verdict.NOTHING, f"listed up to {known.until.isoformat()} already")
    facts = [
        OutgoingEvent(
            CompletionsListed(completions=listed.completions),
            f"list/{listed.partition}",
            event.at.offset,
            key_into(listed.partition),
        )
        for listed in data.lists
    ]
    incomplete = [state.get(COMPLETIONS, id) for id in dict.fromkeys(data.incomplete)]
    claims = [
        Claim(
            completion.id,
            stated_version(completion),
            bool(completion.learning_year),
            completion.certified,
            issued_version(completion),
        )
        for completion in incomplete
        if completion is not None
    ]
    changes: list[Put | Remove] = noted(claims, state, COMPLETENESS_CHECK, event.now)
    if data.until is not None:
        lagging = {lag.position: lag.until for lag in data.lagging}
        changes.append(Put(MANIFEST_CURSORS, ManifestCursor(id=LISTING, until=data.until, lagging=lagging)))
    return Outcome(Verdict.ACCEPTED, changes=changes, facts=facts)


# Restatements.


def restatement_needs(event: Received[RestateCompletion], state: State, terms: CompletionTerms) -> Needs:
    data = event.data
    yield from recalculation_needs(data.completion_id, data.employee_id, state, terms)
    completion = state.get(COMPLETIONS, data.completion_id)
    if completion is not None and (item := _item(completion)):
        yield Doc(RENDERINGS, item)
        yield Doc(STORED_PDFS, item)


def restate_completion(event: Received[RestateCompletion], state: State, terms: CompletionTerms) -> Outcome:
    data = event.data
    known, person = state.get(COMPLETIONS, data.completion_id), person_of(data.employee_id, state)
    if known is not None and data.employee_id not in (known.employee_id, known.file):
        raise Rejected("completion_id is a completion of another employee than employee_id: send both of one")
    content = terms.ids.content(_JSON.encode((data.completion_id, data.version, data.operator, data.reason)))
    if known is None or not known.effective or person is None:
        reason = "there is nothing to restate: no agency has reported this completion"
        return Outcome(Verdict.REFUSED, reason, data.completion_id, content, answer={"problem": "not-found"})
    if known.version != data.version:
        return Outcome(
            Verdict.DUPLICATE, "it was restated or changed since it was asked for", known.id, content,
            answer={"completion_id": known.id, "version": known.version},
        )  # fmt: skip
    settled = restate(known, person, Context.of(event, state, terms))
    answer: dict[str, str | int | bool | None] = {
        "completion_id": known.id,
        "version": settled.completion.version,
        "operator": data.operator,
        "why": data.reason,
    }
    return Outcome(Verdict.ACCEPTED, "", known.id, content, settled.changes, settled.facts, answer=answer)


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    ListCompletions: handler(listing_needs, list_completions),
    RestateCompletion: handler(restatement_needs, restate_completion),
    **reviewing(COMPLETENESS_CHECK),
}
