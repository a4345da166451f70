"""Number and revision of a certificate: the next ones, or those that were told before a restore (restore.py)."""

import functools
from datetime import date, datetime
from typing import NamedTuple

import msgspec

from services.enrollment.certificates.documents import PRIOR_ISSUES, SEQUENCES, NumberSequence, PriorIssue
from services.enrollment.certificates.face import FIRST_FIELDS, CertificateFace
from services.enrollment.certificates.issuing_bodies import IssuingBodies, certificate_number, sequence_id
from services.enrollment.terms import Terms
from services.enrollment.training import CompletedTraining
from shared.contracts.payload import CertificateId, CompletionId
from shared.pipeline.context import Context
from shared.pipeline.documents import State

_JSON = msgspec.json.Encoder()


@functools.cache
def _later(kind: type[CertificateFace]) -> list[tuple[str, object]]:
    """Fields that came after certificates were issued, with their defaults."""
    fields = msgspec.structs.fields(kind)
    return [
        (field.name, field.default) for field in fields if not (field.required or field.name in FIRST_FIELDS)
    ]


Sequences = dict[str, NumberSequence]
"""By id, those that numbers were taken from by one decision, as they stand from now on."""


class Numbered(NamedTuple):
    text: str
    """As it is printed."""
    series: str
    ordinal: int


def prior_issue(completion_id: CompletionId, context: Context[Terms]) -> PriorIssue | None:
    """What was told of its certificate before a restore."""
    return context.state.get(PRIOR_ISSUES, completion_id) if context.terms.epoch else None


def numbered(
    facts: CompletedTraining,
    given: PriorIssue | None,
    sequences: Sequences,
    state: State,
    bodies: IssuingBodies,
) -> Numbered:
    """The number that was told, else the lowest that is nobody's, of the facts' body and year; `sequences` takes note."""
    if given is not None:
        return Numbered(given.number, given.series, given.ordinal)
    series = sequence_id(facts.organizer_code, facts.completed_on.year)
    known = sequences.get(series) or state.get(SEQUENCES, series) or NumberSequence(id=series, last=0)
    if known.free:
        ordinal, after = known.free[0], msgspec.structs.replace(known, free=known.free[1:])
    else:
        ordinal, after = known.last + 1, msgspec.structs.replace(known, last=known.last + 1)
    sequences[series] = after
    organizer, day = facts.organizer_code, facts.completed_on
    template = bodies.at(organizer, day).template
    text = certificate_number(template, ordinal, organizer, day, code=facts.code, batch=facts.batch)
    return Numbered(text, series, ordinal)


class Issue(NamedTuple):
    revision: int
    at: datetime


def issue(given: PriorIssue | None, before: int, content_digest: str, now: datetime) -> Issue:
    """Revision and moment of an issue after revision `before`.

    What was issued with this content keeps both, so that its code and PDF stay what they were; another
    content takes a revision that nobody has seen.
    """
    if given is None:
        return Issue(before + 1, now)
    for earlier in given.issues:
        if earlier.revision > before and earlier.content_digest == content_digest:
            return Issue(earlier.revision, earlier.at)
    return Issue(max(before, given.revision) + 1, now)


def codes_before(id: CertificateId, revision: int, given: PriorIssue | None, terms: Terms) -> list[str]:
    """Of all revisions that somebody may hold, but for the one that stands."""
    highest = max(revision, 0 if given is None else given.revision)
    return [terms.ids.verification_code(id, other) for other in range(1, highest + 1) if other != revision]


def content_digest(face: CertificateFace, terms: Terms) -> str:
    """Of all that is printed but number, revision, code and day of issue. Keyed: it covers an employee number."""
    plain = msgspec.structs.replace(face, number="", revision=1, verification_url="", issued_on=date.min)
    covered = msgspec.structs.asdict(plain)
    for name, default in _later(type(face)):
        if covered[name] == default:
            del covered[name]
    return terms.ids.content(_JSON.encode(covered)).hex()
