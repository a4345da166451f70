"""The contents of a completion and whether it is revoked: folds over sets, the same in any order. Which of the contents
stands is judged in authority.py."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from services.enrollment.agencies.documents import Arrival
from services.enrollment.agencies.statements import arrival_of
from services.enrollment.completions.documents import Completion, Content, Contest, Revocation
from services.enrollment.training import CompletedTraining, ExternalCertificate
from shared.contracts.agency import TrainingCompleted
from shared.contracts.payload import CompletionId, EmployeeId
from shared.identity.identifiers import Ids, key, training_key
from shared.pipeline.records import Received

_JSON = msgspec.json.Encoder(order="deterministic")
# 20, 20.0 and 2E+1 are the same content.
TENTH, HUNDREDTH = Decimal("0.1"), Decimal("0.01")
# Of one sender about one completion; an honest one reports two or three.
MAX_CONTENTS = 20


class ContestState(StrEnum):
    UNDECIDED = "undecided"
    UPHELD = "upheld"
    DISMISSED = "dismissed"


def facts_of(event: TrainingCompleted, organizer: str) -> CompletedTraining:
    """`organizer`: code of the body, where the event names it by an alias."""
    training, result, external = event.training, event.result, event.external_certificate
    return CompletedTraining(
        code=training.code,
        batch=training.batch,
        title=training.title,
        form=training.form.value,
        pathway=training.pathway.value,
        level=training.level.value,
        organizer_code=organizer,
        organizer_name=training.organizer.name,
        start_date=training.start_date,
        end_date=training.end_date,
        completed_on=event.completed_on,
        programme_jp=None if training.programme_jp is None else training.programme_jp.quantize(TENTH),
        sessions=training.sessions,
        place=training.place,
        score=None if result.score is None else result.score.quantize(HUNDREDTH),
        predicate=result.predicate,
        external_certificate=None
        if external is None
        else ExternalCertificate(external.issuer, external.certificate_number, external.date),
    )


def begun(id: CompletionId, file: EmployeeId, owner: EmployeeId) -> Completion:
    """Nothing is said of it yet. `file`: that it is named by; `owner`: the person's main one."""
    return Completion(id=id, employee_id=owner, learning_year="", file="" if file == owner else file)


def content_of(
    facts: CompletedTraining, event: Received[TrainingCompleted], ids: Ids, known: Sequence[Content] = ()
) -> Content:
    """`facts` as one sender reported them; absent fields don't count, so a newer sender's null is no change, and neither
    is another spelling of the codes. `known`: of that completion; those from before that was so keep their digests."""
    digest = _digest(facts, ids, known)
    return Content(
        digest=digest,
        sender=event.sender,
        first_time=event.said_at,
        revision=event.data.revision or 0,
        facts=facts,
        arrival=arrival_of(event),
        number=event.data.employee_number,
    )


def _digest(facts: CompletedTraining, ids: Ids, known: Sequence[Content]) -> bytes:
    digests = {content.digest for content in known}
    spellings = {(content.facts.organizer_code, content.facts.code, content.facts.batch) for content in known}
    own = (facts.organizer_code, facts.code, facts.batch)
    for organizer, code, batch in sorted(spellings, key=lambda spelling: (spelling != own, spelling)):
        spelled = msgspec.structs.replace(facts, organizer_code=organizer, code=code, batch=batch)
        before = ids.content(_JSON.encode(spelled))
        if before in digests:
            return before
    # Upper case, as codes mostly are: then it is the digest of the facts as they are spelled.
    alike = msgspec.structs.replace(
        facts,
        organizer_code=training_key(facts.organizer_code).upper(),
        code=training_key(facts.code).upper(),
        batch=training_key(facts.batch).upper(),
    )
    return ids.content(_JSON.encode(alike))


def with_content(completion: Completion, content: Content) -> Completion:
    """The completion with this content in its set, if that is one of those that are kept; the same completion when
    that changes nothing."""
    if not completion.contents:
        return msgspec.structs.replace(completion, contents=[content])
    own = {
        (earlier.digest, earlier.revision): earlier
        for earlier in completion.contents
        if earlier.sender == content.sender
    }
    known = own.get((content.digest, content.revision))
    if known is not None:
        content = _joined(known, content)
        if content == known:
            return completion
    own[content.digest, content.revision] = content
    kept = _kept(own.values())
    if known is None and content not in kept:
        return completion
    others = [other for other in completion.contents if other.sender != content.sender]
    contents = sorted(
        [*others, *kept], key=lambda one: (one.first_time, one.digest, one.sender, one.revision)
    )
    return msgspec.structs.replace(completion, contents=contents)


def is_mere_copy(before: Completion, after: Completion, content: Content) -> bool:
    """Whether nothing is new but when it was said again, which matters where somebody is distrusted alone."""
    known, kept = kept_as(before, content), kept_as(after, content)
    if known is None or kept is None or len(before.contents) != len(after.contents):
        return False
    return msgspec.structs.replace(kept, again=known.again) == known


def _joined(one: Content, copy: Content) -> Content:
    """What was kept before arrivals were has none: it came before all that have."""
    first = min(one, copy, key=_arrived)
    timed = min((one.first_time, _since(_timed(one))), (copy.first_time, _since(_timed(copy))))[1][1]
    return msgspec.structs.replace(
        first,
        facts=min(one, copy, key=_spelled).facts,
        first_time=min(one.first_time, copy.first_time),
        number=first.number or one.number or copy.number,
        timed=None if timed == first.arrival else timed,
        again=_said_again(first.arrival, (one.arrival, copy.arrival, one.again, copy.again)),
    )


def _spelled(content: Content) -> tuple[datetime, str, str, str]:
    """The codes of the copy that was sent first by its time stand, whichever came first."""
    facts = content.facts
    return (content.first_time, facts.organizer_code, facts.code, facts.batch)


def _arrived(content: Content) -> tuple[bool, Arrival | None]:
    return _since(content.arrival)


def _since(arrival: Arrival | None) -> tuple[bool, Arrival | None]:
    return (arrival is not None, arrival)


def _timed(content: Content) -> Arrival | None:
    return content.timed or content.arrival


def _said_again(first: Arrival | None, arrivals: Iterable[Arrival | None]) -> Arrival | None:
    """The first arrival of the latest minute that has one, if that is later than the first one's: of a flood of copies a
    few are written down, the same ones in any order."""
    later = [
        arrival
        for arrival in arrivals
        if arrival is not None and (first is None or _minute(arrival) > _minute(first))
    ]
    latest = max((_minute(arrival) for arrival in later), default=None)
    return min((arrival for arrival in later if _minute(arrival) == latest), default=None)


def _minute(arrival: Arrival) -> datetime:
    return arrival.at.replace(second=0, microsecond=0)


def _kept(contents: Iterable[Content]) -> list[Content]:
    """Of one sender: the `MAX_CONTENTS` of the highest revisions, of the same revision those first seen earliest, and
    the one seen earliest of all, which says whose the completion is.

    Both are the lowest by a key that a copy can only lower (the earliest time), so what was dropped and comes again
    is dropped again, unless it comes with a time by which it would have been kept from the first: the set is the same
    in any order of arrival. Of the same revision the latest would do better, but then a copy of what was dropped
    would pass for new. What stands is among them, as `effective` looks at nothing else.
    """
    by_rank = sorted(contents, key=lambda content: (-content.revision, content.first_time, content.digest))
    kept = by_rank[:MAX_CONTENTS]
    first = min(by_rank, key=_seen)
    return kept if first in kept else [*kept, first]


def kept_as(completion: Completion, content: Content) -> Content | None:
    """With the arrivals of its copies; None: it is beyond the bound on contents of its sender."""
    said = (content.digest, content.sender, content.revision)
    return next(
        (known for known in completion.contents if (known.digest, known.sender, known.revision) == said), None
    )


def is_reported_under(number: str, completion: Completion) -> bool:
    """By all who reported it; what is from before numbers were kept is not."""
    return bool(completion.contents) and all(content.number == number for content in completion.contents)


def _seen(content: Content) -> tuple[datetime, bytes, str]:
    return (content.first_time, content.digest, content.sender)


def first_asked(completion: Completion, facts: CompletedTraining) -> Arrival | None:
    """When the first content arrived that asks for the hours and points that this one does: what was recalculated before
    it was kept since when those are asked has its place among others by that."""
    asked = asks(facts)
    same = [content for content in completion.contents if asks(content.facts) == asked]
    return min(same, key=_arrived).arrival if same else None


def without_gaps(contents: Sequence[Content]) -> list[Content]:
    """Those than which each sender's others, also those that are not kept, have lower revisions. See `_kept`: what it
    dropped may have stood, and may have been of the lowest revision that it kept."""
    if len(contents) < MAX_CONTENTS:
        return list(contents)
    by_sender: dict[str, list[Content]] = {}
    for content in contents:
        by_sender.setdefault(content.sender, []).append(content)
    found: list[Content] = []
    for sent in by_sender.values():
        highest = sorted((content.revision for content in sent), reverse=True)[:MAX_CONTENTS]
        full = len(highest) == MAX_CONTENTS
        found += [content for content in sent if not full or content.revision > highest[-1]]
    return found


def asks(facts: CompletedTraining) -> tuple[object, ...]:
    """All that hours and points depend on."""
    return (
        facts.form,
        facts.level,
        facts.start_date,
        facts.end_date,
        facts.completed_on,
        facts.programme_jp,
        facts.sessions,
        facts.predicate,
    )


def effective_before(contents: Sequence[Content]) -> Content | None:
    """The content that counts where nobody judges who may say what, as before there was a register of bodies.

    The sender whose content has the earliest event time owns the completion, and only its own contents correct it. Of
    the owner's the highest revision stands, then the content that was new last.
    """
    if len(contents) < 2:  # nearly all
        return contents[0] if contents else None
    owner = min(contents, key=_seen).sender
    return max(
        (content for content in contents if content.sender == owner),
        key=lambda content: (content.revision, content.first_time, content.digest),
    )


def effective_revocations(completion: Completion, current: Content) -> list[Revocation]:
    """Those by an officer of the issuing body (or of no particular body) that no such officer lifted."""
    if not completion.revocations:
        return []
    body = key(current.facts.organizer_code)
    lifted = {
        reinstatement.revocation_id
        for reinstatement in completion.reinstatements
        if _may_act(reinstatement.opd, body)
    }
    return [
        revocation
        for revocation in completion.revocations
        if revocation.id not in lifted and _may_act(revocation.opd, body)
    ]


def contest_state(contest: Contest, completion: Completion) -> ContestState:
    """One dismissal goes before all that uphold it: who doubts it still contests it anew."""
    decided = [
        decision.upheld for decision in completion.contest_decisions if decision.contest_id == contest.id
    ]
    if not decided:
        return ContestState.UNDECIDED
    return ContestState.UPHELD if all(decided) else ContestState.DISMISSED


def _may_act(opd: str | None, body: str) -> bool:
    return opd is None or key(opd) == body
