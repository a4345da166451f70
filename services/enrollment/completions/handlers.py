"""Enrollment's decisions: (event, loaded state, terms) -> outcome. Pure: no I/O, clock, randomness or logging."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.enrollment.agencies.statements import arrival_of
from services.enrollment.bodies.documents import BODIES, body_id, lacks_body
from services.enrollment.bodies.timeline import effective_body
from services.enrollment.completions.agency_names import issuing_of, names_needs
from services.enrollment.completions.authority import (
    Grounds,
    effective,
    register_for,
    register_needs,
    why_not,
)
from services.enrollment.completions.contents import (
    MAX_CONTENTS,
    begun,
    content_of,
    facts_of,
    is_mere_copy,
    is_reported_under,
    kept_as,
    with_content,
)
from services.enrollment.completions.documents import COMPLETIONS, Completion, Reinstatement, Revocation
from services.enrollment.completions.reasons import NOT_KNOWN_YET, uncertified
from services.enrollment.completions.recalculation import (
    Changed,
    effective_now,
    effective_training,
    learning_of,
    recalculate,
    revocations_standing,
)
from services.enrollment.completions.recalculation_needs import (
    reach_of,
    recalculation_needs,
    recounted_together,
)
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.learning_hours.jp import check
from services.enrollment.persons.documents import EMPLOYEE_NUMBERS, EmployeeNumberAlias
from services.enrollment.persons.persons import person_of
from services.enrollment.training import CompletedTraining
from shared.contracts.agency import TrainingCompleted
from shared.contracts.enrollment import (
    ReinstateCertificate,
    RevokeCertificate,
)
from shared.contracts.payload import CompletionId, EmployeeId, Payload
from shared.identity.identifiers import key, training_key
from shared.pipeline.context import Context
from shared.pipeline.documents import LOAD, Doc, Docs, Needs, State
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.handlers import Handler, Recalculated, handler
from shared.pipeline.outcome import Due, Outcome, Put, Recalculation, Stale, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waits_for

_JSON = msgspec.json.Encoder(order="deterministic")
# A day begins at UTC+14 before it does anywhere else, and trainings are held abroad too.
FARTHEST_EAST = timedelta(hours=14)
# Of one person and year, which is recounted whole: more than one a day. As many that the person's own agency stands
# behind, and as many that it does not.
MAX_COMPLETIONS: Final = 400
# Of the latter, of each agency. Nearly one a week; and it takes ten agencies to use up the room of the others.
MAX_UNBACKED: Final = 40
# And as many reinstatements, of one completion.
MAX_REVOCATIONS: Final = 100
TOO_MANY_CONTENTS: Final = (
    f"this sender has reported more than {MAX_CONTENTS} contents, and those of the highest revisions are kept: "
    "to have this one stand, send it with a higher revision"
)
REPORTED_BEFORE: Final = "this content was reported before"

# Completions: members of a set of contents; which one stands is a fold over the set.


def completion_needs(event: Received[TrainingCompleted], state: State, terms: CompletionTerms) -> Needs:
    data = event.data
    number, code = data.employee_number, data.training.organizer.code
    yield Doc(EMPLOYEE_NUMBERS, number)
    yield from register_needs(code)
    yield LOAD
    if (body := state.get(BODIES, body_id(code))) is not None and body.alias_of:
        yield Doc(BODIES, body.alias_of)
    if body is None and _judged(event, state):
        yield waits_for(lacks_body(code))
    alias = state.get(EMPLOYEE_NUMBERS, number)
    if alias is None:
        yield waits_for(terms.ids.lacks_employee(number))
    if body is not None and body.alias_of:
        yield LOAD
    facts = facts_of(data, organizer_code(code, state))
    yield from names_needs((event.sender, issuing_of(facts.organizer_code, state)))
    # An unknown employee will have this id; whoever changes an alias locks its employee too.
    file = _file(event, alias, terms)
    yield from _naming_needs(file, facts, terms)
    if alias is not None and alias.left:  # few numbers have left a file
        yield Doc(COMPLETIONS, completion_id_of(file, facts, terms))
        yield Doc(COMPLETIONS, completion_id_of(alias.left, facts, terms))
        yield from _naming_needs(alias.left, facts, terms)
        yield LOAD
    completion_id = _named(file, alias, facts, state, terms)
    yield from recalculation_needs(completion_id, file, state, terms, facts)
    known = state.get(COMPLETIONS, completion_id)
    if known is not None and known.employee_id != file:
        yield from recalculation_needs(completion_id, known.employee_id, state, terms, facts)


def _file(
    event: Received[TrainingCompleted], alias: EmployeeNumberAlias | None, terms: CompletionTerms
) -> EmployeeId:
    if alias is None:
        return terms.ids.employee(event.data.employee_number)
    return alias.file_at(arrival_of(event)) if alias.left else alias.employee_id


def _named(
    file: EmployeeId,
    alias: EmployeeNumberAlias | None,
    facts: CompletedTraining,
    state: State,
    terms: CompletionTerms,
) -> CompletionId:
    """The id that the completion has. Reported under its number before that left a file, it went along under its name."""
    own = _named_in(file, facts, state, terms)
    if alias is not None and alias.left and state.get(COMPLETIONS, own) is None:
        earlier = _named_in(alias.left, facts, state, terms)
        known = state.get(COMPLETIONS, earlier)
        if known is not None and is_reported_under(alias.id, known):
            return earlier
    return own


# Before `training_key` another apostrophe made another completion. Those keep their ids, and what is sent of them finds
# them: by the id of its own spelling, else among the person's completions.


def _naming_needs(file: EmployeeId, facts: CompletedTraining, terms: CompletionTerms) -> Needs:
    before = _id_before(file, facts, terms)
    if before is not None:
        yield Doc(COMPLETIONS, before)
    if _has_quotes(facts):  # few codes have one
        yield Docs(COMPLETIONS, "employee_id", file)
    if before is not None or _has_quotes(facts):
        yield LOAD


def _named_in(
    file: EmployeeId, facts: CompletedTraining, state: State, terms: CompletionTerms
) -> CompletionId:
    own, before = completion_id_of(file, facts, terms), _id_before(file, facts, terms)
    if before is not None and state.get(COMPLETIONS, before) is not None:
        return before
    if not _has_quotes(facts):
        return own
    all_own = state.all(COMPLETIONS, "employee_id", file)
    same = {
        completion.id
        for completion in all_own
        if completion.contents and own == completion_id_of(file, completion.contents[0].facts, terms)
    }
    return own if own in same or not same else min(same)


def _id_before(file: EmployeeId, facts: CompletedTraining, terms: CompletionTerms) -> CompletionId | None:
    return terms.ids.completion_before(file, facts.organizer_code, facts.code, facts.batch)


def _has_quotes(facts: CompletedTraining) -> bool:
    return any(
        sign in training_key(code)
        for code in (facts.organizer_code, facts.code, facts.batch)
        for sign in ("'", '"')
    )


def organizer_code(code: str, state: State) -> str:
    """Of the body that is meant, where it is an alias."""
    body = state.get(BODIES, body_id(code))
    if body is None or not body.alias_of:
        return code
    current = effective_body(state.get(BODIES, body.alias_of))
    return code if current is None else current.code


def _judged(event: Received[TrainingCompleted], state: State) -> bool:
    register = state.get(REGISTERS, REGISTER)
    return (
        register is not None and register.judges_from is not None and arrival_of(event) > register.judges_from
    )


def completion_id_of(file: EmployeeId, facts: CompletedTraining, terms: CompletionTerms) -> CompletionId:
    return terms.ids.completion(file, facts.organizer_code, facts.code, facts.batch)


def record_completion(event: Received[TrainingCompleted], state: State, terms: CompletionTerms) -> Outcome:
    """A first content is accepted, another one is a correction or superseded, a known one is a duplicate. What its sender
    has no right to say is kept, and does not stand."""
    data = event.data
    code = data.training.organizer.code
    organizer = organizer_code(code, state)
    facts = facts_of(data, organizer)
    alias = state.get(EMPLOYEE_NUMBERS, data.employee_number)
    file = _file(event, alias, terms)
    completion_id = _named(file, alias, facts, state, terms)
    known = state.get(COMPLETIONS, completion_id)
    # The person's by now, which the completion may have come to since.
    person = None if alias is None else person_of(file if known is None else known.employee_id, state)
    if data.completed_on > (event.now + FARTHEST_EAST).date():
        raise Rejected(
            "completed_on lies ahead of the day on which the event arrived: correct it, "
            "or send the event once the training is completed"
        )
    if (fault := check(learning_of(completion_id, facts), terms.rates)) is not None:
        raise Rejected(fault)
    if person is None:
        raise Waiting(
            terms.ids.lacks_employee(data.employee_number),
            NOT_KNOWN_YET,
        )
    if state.get(BODIES, body_id(code)) is None and _judged(event, state):
        raise Waiting(
            lacks_body(code),
            f"the register has no body {code}: correct organizer.code, or ask the operator to add the body",
        )
    content = content_of(facts, event, terms.ids, () if known is None else known.contents)
    before = known or begun(completion_id, file, person.main.id)
    seen = any(
        content.digest == earlier.digest and content.revision <= earlier.revision
        for earlier in before.contents
    )
    after = with_content(before, content)
    if after is before and not seen and kept_as(before, content) is None:
        return Outcome(Verdict.SUPERSEDED, TOO_MANY_CONTENTS, completion_id, content.digest)
    register = register_for(organizer, state)
    stood = effective(before, person, register)
    if after is before or (is_mere_copy(before, after, content) and not register.trust.distrusts):
        reason = REPORTED_BEFORE
        if stood is None or stood.content.digest != content.digest:
            kept = kept_as(before, content) or content
            reason += "; " + why_not(kept, stood, person, register, repeated=True)
        changes = [] if after is before else [Put(COMPLETIONS, after)]
        return Outcome(Verdict.DUPLICATE, reason, completion_id, content.digest, changes)
    current = effective(after, person, register)
    now = effective_now(after, current, person, register)
    if now.content is not None:
        after = msgspec.structs.replace(after, backed=now.backed, reporter=now.content.sender)
        if now.year not in ("", before.learning_year) and (full := _why_full(now.year, after, state)):
            raise Rejected(full)
    reaches = "" if now.content is None else reach_of(now.year, after.employee_id, now.content.facts, terms)
    after = msgspec.structs.replace(after, learning_year=now.year, reaches=reaches, body=body_id(organizer))
    why = ""
    if current is None or current.content.digest != content.digest:
        why = why_not(kept_as(after, content) or content, current, person, register, repeated=seen)
    if seen and (current is None or (stood is not None and stood.content.digest == current.content.digest)):
        verdict, reason = Verdict.DUPLICATE, "; ".join(filter(None, (REPORTED_BEFORE, why)))
    elif current is None or why:
        verdict, reason = Verdict.SUPERSEDED, why
    elif stood is None:
        claimed = current.grounds is Grounds.CLAIM
        withheld = uncertified(organizer, register.body, claimed=claimed).operators
        verdict, reason = Verdict.ACCEPTED, "" if current.certified else withheld
    else:
        verdict, reason = Verdict.CORRECTION, "replaces the content that stood"
    stale = Stale(person.main.id, COMPLETIONS, after, weight=_weight(now.year, state, terms))
    return Outcome(verdict, reason, completion_id, content.digest, stale=stale)


def _why_full(year: str, after: Completion, state: State) -> str:
    """Why a completion that comes to count has no room in its year; empty: it has.

    Here what is decided first has the room, but nobody uses up that of another one: what the person's own agency stands
    behind has its own, and so has each agency that reports what it does not. What comes to count, or to be backed or not,
    by what is said later of people and bodies is never refused.
    """
    unbacked = state.among(COMPLETIONS, "learning_year", year, "backed", [False])
    backed = state.count(COMPLETIONS, "learning_year", year) - len(unbacked)
    own = sum(completion.reporter == after.reporter for completion in unbacked)
    of_the_year = f"completions of this employee in {year.rpartition('/')[2]}"
    if after.backed and backed >= MAX_COMPLETIONS:
        full, mend = f"{MAX_COMPLETIONS} {of_the_year}", ""
    elif not after.backed and own >= MAX_UNBACKED:
        full, mend = f"{MAX_UNBACKED} {of_the_year} that {after.reporter} reported {_ALONE}", _OR_REPORT
    elif not after.backed and len(unbacked) >= MAX_COMPLETIONS:
        full, mend = f"{MAX_COMPLETIONS} {of_the_year} that were reported {_ALONE}", _OR_REPORT
    else:
        return ""
    return f"{full} are recorded already, no more are: revoke those that are wrong{mend}, then send this one again"


_ALONE: Final = "without the employee's own agency"
_OR_REPORT: Final = ", or have that agency report them too"


def _weight(year: str, state: State, terms: CompletionTerms) -> int:
    if not year:
        return 1
    years = recounted_together({year}, state, terms)
    return 1 + sum(state.count(COMPLETIONS, "learning_year", learning_year) for learning_year in years)


def recalculate_completions(
    due: Sequence[Due[Completion]], state: State, terms: CompletionTerms
) -> Recalculation:
    """What follows from an employee's completions that agencies' records of a batch changed."""
    person = person_of(due[0].after.employee_id, state)
    assert person is not None
    context = Context.of(due[-1].event, state, terms)
    changed = [
        _changed(change.before, change.after, change.event.now, change.event.traceparent) for change in due
    ]
    recalculated = recalculate(changed, person, context)
    return Recalculation(recalculated.changes, [(fact, due[place]) for fact, place in recalculated.facts])


def _changed(before: Completion | None, after: Completion, now: datetime, traceparent: str | None) -> Changed:
    nothing = Completion(id=after.id, employee_id=after.employee_id, learning_year="")
    return Changed(before or nothing, after, now, traceparent)


# Revocations and reinstatements: members of sets too, so they may come before what they concern.


def revocation_needs(
    event: Received[RevokeCertificate] | Received[ReinstateCertificate], state: State, terms: CompletionTerms
) -> Needs:
    yield from recalculation_needs(event.data.completion_id, event.data.employee_id, state, terms)


def revoke_certificate(event: Received[RevokeCertificate], state: State, terms: CompletionTerms) -> Outcome:
    data = event.data
    known = _known(data.completion_id, data.employee_id, state)
    revocation = Revocation(id=event.id, reason=data.reason, officer=data.officer, opd=data.opd, at=event.now)
    content = terms.ids.content(_JSON.encode((data.completion_id, data.reason, data.officer, data.opd)))
    for earlier in known.revocations:
        if earlier.id == event.id:
            return _repeated(
                (earlier.reason, earlier.officer, earlier.opd) == (data.reason, data.officer, data.opd),
                known,
                content,
            )
    if (refused := _other_body(known, data.opd)) is not None:
        return refused
    if len(known.revocations) >= MAX_REVOCATIONS:
        return _too_many("revocations", known, content)
    after = msgspec.structs.replace(
        known, revocations=sorted([*known.revocations, revocation], key=lambda one: one.id)
    )
    return _recalculated_again(after, content, Context.of(event, state, terms))


def reinstate_certificate(
    event: Received[ReinstateCertificate], state: State, terms: CompletionTerms
) -> Outcome:
    data = event.data
    known = _known(data.completion_id, data.employee_id, state)
    reinstatement = Reinstatement(
        id=event.id,
        revocation_id=data.revocation_id,
        reason=data.reason,
        officer=data.officer,
        opd=data.opd,
        at=event.now,
    )
    content = terms.ids.content(
        _JSON.encode((data.completion_id, data.revocation_id, data.reason, data.officer, data.opd))
    )
    for earlier in known.reinstatements:
        if earlier.id == event.id:
            return _repeated(msgspec.structs.replace(reinstatement, at=earlier.at) == earlier, known, content)
    if (refused := _other_body(known, data.opd)) is not None:
        return refused
    if len(known.reinstatements) >= MAX_REVOCATIONS:
        return _too_many("reinstatements", known, content)
    after = msgspec.structs.replace(
        known, reinstatements=sorted([*known.reinstatements, reinstatement], key=lambda one: one.id)
    )
    return _recalculated_again(after, content, Context.of(event, state, terms))


def _too_many(what: str, known: Completion, content: bytes) -> Outcome:
    """By arrival, not by an order of theirs: each was answered, and none may go away by itself."""
    reason = (
        f"this completion has {MAX_REVOCATIONS} {what}, no more are taken: ask the operators to look at it"
    )
    return Outcome(Verdict.REFUSED, reason, known.id, content, answer={"problem": "refused"})


def _known(completion_id: CompletionId, employee_id: EmployeeId, state: State) -> Completion:
    known = state.get(COMPLETIONS, completion_id)
    if known is not None and employee_id not in (known.employee_id, known.file):
        raise Rejected("completion_id is a completion of another employee than employee_id: send both of one")
    person = person_of(employee_id, state)
    return known or begun(completion_id, employee_id, employee_id if person is None else person.main.id)


def _other_body(completion: Completion, opd: str | None) -> Outcome | None:
    """The refusal, if the officer acts for another body than the one that issued the certificate."""
    if not completion.effective or opd is None:
        return None
    issuer = effective_training(completion).organizer_code
    if key(opd) == key(issuer):
        return None
    reason = f"the certificate was issued by {issuer}: ask an officer of that body"
    return Outcome(Verdict.REFUSED, reason, completion.id, answer={"problem": "not-your-agency"})


def _recalculated_again(after: Completion, content: bytes, context: Context[CompletionTerms]) -> Outcome:
    state = context.state
    person = person_of(after.employee_id, state)
    # The member waits in its set. The same is said of a number that nobody has: who guesses numbers learns nothing.
    if person is None or not after.effective:
        return Outcome(
            Verdict.ACCEPTED, "noted for a completion that has not come yet", after.id, content,
            [Put(COMPLETIONS, after)], answer=_answer(after),
        )  # fmt: skip
    known = state.get(COMPLETIONS, after.id)
    changed = _changed(known, after, context.now, context.traceparent)
    recalculated = recalculate([changed], person, context)
    facts = [fact for fact, _ in recalculated.facts]
    reason = "" if facts else "noted; the certificate's status is as before"
    return Outcome(
        Verdict.ACCEPTED, reason, after.id, content, recalculated.changes, facts,
        answer=_answer(recalculated.completions[after.id]),
    )  # fmt: skip


def _repeated(same: bool, completion: Completion, content: bytes) -> Outcome:
    if not same:
        reason = "this Idempotency-Key was used for another request: take a new key"
        return Outcome(
            Verdict.REFUSED, reason, completion.id, content, answer={"problem": "idempotency-key-reused"}
        )
    return Outcome(Verdict.DUPLICATE, "done before", completion.id, content, answer=_answer(completion))


def _answer(completion: Completion) -> dict[str, str | int | bool | None]:
    certificate = completion.certificate
    return {
        "certificate_number": None if certificate is None else certificate.number,
        "status": "unknown" if certificate is None else "revoked" if certificate.revoked else "valid",
        "revocations_standing": len(revocations_standing(completion)),
    }


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    TrainingCompleted: handler(completion_needs, record_completion, recalculated=Recalculated.NOTHING),
    RevokeCertificate: handler(revocation_needs, revoke_certificate),
    ReinstateCertificate: handler(revocation_needs, reinstate_certificate),
}
