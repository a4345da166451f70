"""Enrollment's decisions: (event, loaded state, terms) -> outcome. Pure: no I/O, clock, randomness or logging."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from zlib import crc32

import msgspec

from services.enrollment.completions import (
    MOST_CONTENTS,
    content_of,
    effective_revocations,
    facts_of,
    is_kept,
    standing,
    with_content,
)
from services.enrollment.documents import (
    COMPLETIONS,
    EMPLOYEE_NUMBERS,
    EMPLOYEES,
    Completion,
    Content,
    Employee,
    EmployeeNumberAlias,
    Profile,
    Reinstatement,
    Revocation,
)
from services.enrollment.issuing_bodies import sequence_id
from services.enrollment.jp import check
from services.enrollment.reconciling import (
    BOOKS,
    list_completions,
    listing_keys,
    restate_completion,
    restatement_keys,
)
from services.enrollment.settling import (
    Changed,
    learning_of,
    settle,
    settling_keys,
    standing_now,
    year_of,
)
from services.enrollment.terms import Terms
from shared.contracts.agency import EmployeeChanged, EmployeeRegistered, EmployeeSnapshot, TrainingCompleted
from shared.contracts.enrollment import (
    CertificateRendered,
    EmployeeRecorded,
    ListCompletions,
    ReinstateCertificate,
    RestateCompletion,
    RevokeCertificate,
    StoreRendering,
)
from shared.contracts.payload import CompletionId, EmployeeId, Payload
from shared.contracts.vocabulary import EmploymentType
from shared.identifiers import key
from shared.pipeline.discrepancies import reviewing
from shared.pipeline.documents import LOAD, Doc, Keys, Lock, State
from shared.pipeline.epochs import VERSIONS, next_version
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.outcome import Due, Fact, Outcome, Put, Settlement, Unsettled, Verdict
from shared.pipeline.reactions import Reaction, Settled, react
from shared.pipeline.records import Received
from shared.pipeline.triage import TRIAGE
from shared.pipeline.waiting import waiting_for, waits_for

_JSON = msgspec.json.Encoder(order="deterministic")
# A day begins at UTC+14 before it does anywhere else, and trainings are held abroad too.
FARTHEST_EAST = timedelta(hours=14)
# Of one person. Each arrives as a link between numbers, and all stand in every event about the person.
MOST_NUMBERS: Final = 20
# Of one person and year, which is recounted whole: more than one a day.
MOST_COMPLETIONS: Final = 400
# And as many reinstatements, of one completion.
MOST_REVOCATIONS: Final = 100
TOO_MANY_CONTENTS: Final = (
    f"this sender has reported more than {MOST_CONTENTS} contents, and those of the highest revisions are kept: "
    "to have this one stand, send it with a higher revision"
)

# Employees: a snapshot with a version, the newest stands.


def employee_keys(event: Received[EmployeeSnapshot], state: State, terms: Terms) -> Keys:
    data = event.data
    numbers = _numbers(data)
    for number in numbers:
        yield Doc(EMPLOYEE_NUMBERS, number)
    yield LOAD
    aliases = {number: state.get(EMPLOYEE_NUMBERS, number) for number in numbers}
    for number, alias in aliases.items():
        if alias is None:
            yield from waiting_for(terms.ids.lacks_employee(number))
    for employee_id in sorted(_owners(numbers, aliases, terms)):
        yield Lock("employee/" + employee_id)
        yield Doc(EMPLOYEES, employee_id)


def _numbers(data: EmployeeSnapshot) -> list[str]:
    """The previous one, if there is another, then the one in force."""
    previous, current = data.previous_employee_number, data.employee_number
    return [current] if previous in (None, current) else [previous, current]


def _owners(
    numbers: list[str], aliases: dict[str, EmployeeNumberAlias | None], terms: Terms
) -> set[EmployeeId]:
    """Who has these numbers; a new employee is named by the oldest of them."""
    owners = {alias.employee_id for alias in aliases.values() if alias is not None}
    return owners or {terms.ids.employee(numbers[0])}


def record_employee(event: Received[EmployeeSnapshot], state: State, terms: Terms) -> Outcome:
    """The newest snapshot by event time stands; a number not seen before becomes an alias, and what waited
    for it is decided."""
    data = event.data
    numbers = _numbers(data)
    aliases = {number: state.get(EMPLOYEE_NUMBERS, number) for number in numbers}
    owners = _owners(numbers, aliases, terms)
    if len(owners) > 1:
        raise Rejected(
            "previous_employee_number and employee_number belong to two different employees already: "
            "have the two records merged first, then send the event again"
        )
    employee_id = owners.pop()
    profile = Profile(
        employee_number=data.employee_number,
        name=data.name,
        email=data.email,
        language=data.language,
        employment_type=data.employment_type.value,
        golongan=data.golongan,
        pangkat=data.pangkat,
        jabatan=data.jabatan,
        unit_kerja=data.unit_kerja,
        opd=data.opd,
        supervisor_number=data.supervisor_number,
    )
    digest = terms.ids.content(_JSON.encode(profile))
    new = [number for number, alias in aliases.items() if alias is None]
    changes = [
        Put(EMPLOYEE_NUMBERS, EmployeeNumberAlias(id=number, employee_id=employee_id)) for number in new
    ]
    appeared = [terms.ids.lacks_employee(number) for number in new]
    known = state.get(EMPLOYEES, employee_id)
    if known is not None and new and len(known.numbers) + len(new) > MOST_NUMBERS:
        raise Rejected(
            f"this employee has {len(known.numbers)} numbers, {MOST_NUMBERS} are allowed: "
            "correct previous_employee_number if it is another person's, or leave it out"
        )
    if known is None:
        employee = Employee(
            id=employee_id,
            numbers=numbers,
            profile=profile,
            as_of=event.time,
            digest=digest,
            version=next_version(0, terms.epoch),
        )
        verdict, reason = Verdict.ACCEPTED, ""
    else:
        employee = msgspec.structs.replace(known, numbers=_history(known.numbers, numbers))
        verdict, reason = Verdict.SUPERSEDED, _newer(known)
        if digest == known.digest:
            verdict, reason = Verdict.DUPLICATE, ""
        if (event.time, digest) > (known.as_of, known.digest):
            employee = msgspec.structs.replace(employee, profile=profile, as_of=event.time, digest=digest)
            if profile.email != known.profile.email:
                employee = msgspec.structs.replace(employee, addressed_at=event.now)
            verdict = verdict if verdict is Verdict.DUPLICATE else Verdict.ACCEPTED
            reason = ""
        if (employee.numbers, employee.profile) != (known.numbers, known.profile):
            employee = msgspec.structs.replace(employee, version=next_version(known.version, terms.epoch))
    if employee != known:
        changes.append(Put(EMPLOYEES, employee))
    facts = [_recorded(employee)] if known is None or employee.version != known.version else []
    return Outcome(verdict, reason, employee_id, digest, changes, facts, appeared)


def _newer(known: Employee) -> str:
    return f"a snapshot of {known.as_of.isoformat()} stands: where that time is wrong, send this one with a later time"


def _history(known: list[str], numbers: list[str]) -> list[str]:
    """Oldest first: a previous number stands before the one that replaced it."""
    *earlier, current = numbers
    history = list(known)
    for number in earlier:
        if number not in history:
            history.insert(history.index(current) if current in history else len(history), number)
    return history if current in history else [*history, current]


def _recorded(employee: Employee) -> Fact:
    profile = employee.profile
    payload = EmployeeRecorded(
        employee_id=employee.id,
        version=employee.version,
        employee_numbers=tuple(employee.numbers),
        name=profile.name,
        email=profile.email,
        language="en" if profile.language == "en" else "id",
        employment_type=EmploymentType(profile.employment_type),
        opd=profile.opd,
    )
    return Fact(payload, employee.id, employee.version, employee.id)


# Completions: members of a set of contents; which one stands is a fold over the set.


def completion_keys(event: Received[TrainingCompleted], state: State, terms: Terms) -> Keys:
    number = event.data.employee_number
    yield Doc(EMPLOYEE_NUMBERS, number)
    yield LOAD
    alias = state.get(EMPLOYEE_NUMBERS, number)
    if alias is None:
        yield waits_for(terms.ids.lacks_employee(number))
    # An unknown employee will have this id; whoever changes an alias locks its employee too.
    employee_id = terms.ids.employee(number) if alias is None else alias.employee_id
    yield Doc(EMPLOYEES, employee_id)
    completion_id = completion_id_of(event.data, employee_id, terms)
    data = event.data
    year = year_of(employee_id, data.completed_on)
    sequence = sequence_id(data.training.organizer.code, data.completed_on.year)
    yield from settling_keys(completion_id, employee_id, state, terms, year, sequence)


def completion_id_of(data: TrainingCompleted, employee_id: EmployeeId, terms: Terms) -> CompletionId:
    training = data.training
    return terms.ids.completion(employee_id, training.organizer.code, training.code, training.batch)


def record_completion(event: Received[TrainingCompleted], state: State, terms: Terms) -> Outcome:
    """A first content is accepted, another one is a correction or superseded, a known one is a duplicate."""
    data = event.data
    facts = facts_of(data)
    alias = state.get(EMPLOYEE_NUMBERS, data.employee_number)
    employee = None if alias is None else state.get(EMPLOYEES, alias.employee_id)
    completion_id = completion_id_of(
        data, terms.ids.employee(data.employee_number) if employee is None else employee.id, terms
    )
    if data.completed_on > (event.now + FARTHEST_EAST).date():
        raise Rejected(
            "completed_on lies ahead of the day on which the event arrived: correct it, "
            "or send the event once the training is completed"
        )
    if (fault := check(learning_of(completion_id, facts), terms.rates)) is not None:
        raise Rejected(fault)
    if employee is None:
        raise Waiting(
            terms.ids.lacks_employee(data.employee_number),
            "the employee is not known yet: have the agency's system publish the employee's registration",
        )
    known = state.get(COMPLETIONS, completion_id)
    content = content_of(facts, sender=event.sender, time=event.time, revision=data.revision, ids=terms.ids)
    before = known or Completion(id=completion_id, employee_id=employee.id, learning_year="")
    seen = any(content.digest == one.digest and content.revision <= one.revision for one in before.contents)
    after = with_content(before, content)
    if after is before and not seen and not is_kept(before, content):
        return Outcome(Verdict.SUPERSEDED, TOO_MANY_CONTENTS, completion_id, content.digest)
    if after is before:
        return Outcome(Verdict.DUPLICATE, "this content was reported before", completion_id, content.digest)
    stood = standing(before.contents)
    stands, _, year = standing_now(after)
    assert stands is not None
    if year not in ("", before.learning_year) and _is_full(year, state):
        raise Rejected(
            f"{MOST_COMPLETIONS} completions of this employee in {stands.facts.completed_on.year} are recorded "
            "already, no more are: revoke those that are wrong, then replay this one"
        )
    after = msgspec.structs.replace(after, learning_year=year)
    if seen and stood is not None and stood.digest == stands.digest:
        verdict, reason = Verdict.DUPLICATE, "this content was reported before"
    elif stands.digest != content.digest:
        verdict, reason = Verdict.SUPERSEDED, _superseded(stands, content.sender)
    elif stood is None:
        verdict, reason = Verdict.ACCEPTED, ""
    else:
        verdict, reason = Verdict.CORRECTION, "replaces the content that stood"
    unsettled = Unsettled(employee.id, COMPLETIONS, after, weight=_weight(year, state))
    return Outcome(verdict, reason, completion_id, content.digest, unsettled=unsettled)


def _is_full(year: str, state: State) -> bool:
    return state.count(COMPLETIONS, "learning_year", year) >= MOST_COMPLETIONS


def _weight(year: str, state: State) -> int:
    return 1 if not year else 1 + state.count(COMPLETIONS, "learning_year", year)


def _superseded(stands: Content, sender: str) -> str:
    if stands.sender != sender:
        return f"{stands.sender} reported this completion first, so only {stands.sender} corrects it"
    return (
        "another content stands: a higher revision goes before, then the later time, and of the same time neither; "
        "to have this one stand, send it with a higher revision"
    )


def settle_completions(due: Sequence[Due[Completion]], state: State, terms: Terms) -> Settlement:
    """What follows from an employee's completions that agencies' records of a batch changed."""
    employee = state.get(EMPLOYEES, due[0].after.employee_id)
    assert employee is not None
    settled = settle([_changed(one.before, one.after, one.event) for one in due], employee, state, terms)
    return Settlement(settled.changes, [(fact, due[place]) for fact, place in settled.facts])


def _changed(before: Completion | None, after: Completion, event: Received[Any]) -> Changed:
    nothing = Completion(id=after.id, employee_id=after.employee_id, learning_year="")
    return Changed(before or nothing, after, event.now, event.traceparent)


# Revocations and reinstatements: members of sets too, so they may come before what they concern.


def revocation_keys(
    event: Received[RevokeCertificate] | Received[ReinstateCertificate], state: State, terms: Terms
) -> Keys:
    yield Doc(EMPLOYEES, event.data.employee_id)
    yield from settling_keys(event.data.completion_id, event.data.employee_id, state, terms)


def revoke_certificate(event: Received[RevokeCertificate], state: State, terms: Terms) -> Outcome:
    data = event.data
    known = _known(data.completion_id, data.employee_id, state)
    revocation = Revocation(id=event.id, reason=data.reason, officer=data.officer, opd=data.opd, at=event.now)
    content = terms.ids.content(_JSON.encode((data.completion_id, data.reason, data.officer, data.opd)))
    for one in known.revocations:
        if one.id == event.id:
            return _repeated(
                (one.reason, one.officer, one.opd) == (data.reason, data.officer, data.opd), known, content
            )
    if (refused := _other_body(known, data.opd)) is not None:
        return refused
    if len(known.revocations) >= MOST_REVOCATIONS:
        return _too_many("revocations", known, content)
    after = msgspec.structs.replace(
        known, revocations=sorted([*known.revocations, revocation], key=lambda one: one.id)
    )
    return _resettled(known, after, event, state, terms, content)


def reinstate_certificate(event: Received[ReinstateCertificate], state: State, terms: Terms) -> Outcome:
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
    for one in known.reinstatements:
        if one.id == event.id:
            return _repeated(msgspec.structs.replace(reinstatement, at=one.at) == one, known, content)
    if (refused := _other_body(known, data.opd)) is not None:
        return refused
    if len(known.reinstatements) >= MOST_REVOCATIONS:
        return _too_many("reinstatements", known, content)
    after = msgspec.structs.replace(
        known, reinstatements=sorted([*known.reinstatements, reinstatement], key=lambda one: one.id)
    )
    return _resettled(known, after, event, state, terms, content)


def _too_many(what: str, known: Completion, content: bytes) -> Outcome:
    """By arrival, not by an order of theirs: each was answered, and none may go away by itself."""
    reason = (
        f"this completion has {MOST_REVOCATIONS} {what}, no more are taken: ask the operators to look at it"
    )
    return Outcome(Verdict.REFUSED, reason, known.id, content, answer={"problem": "refused"})


def _known(completion_id: CompletionId, employee_id: EmployeeId, state: State) -> Completion:
    known = state.get(COMPLETIONS, completion_id)
    if known is not None and known.employee_id != employee_id:
        raise Rejected("completion_id is a completion of another employee than employee_id: send both of one")
    return known or Completion(id=completion_id, employee_id=employee_id, learning_year="")


def _other_body(completion: Completion, opd: str | None) -> Outcome | None:
    """The refusal, if the officer acts for another body than the one that issued the certificate."""
    stands = standing(completion.contents)
    if stands is None or opd is None or key(opd) == key(stands.facts.organizer_code):
        return None
    reason = f"the certificate was issued by {stands.facts.organizer_code}: ask an officer of that body"
    return Outcome(Verdict.REFUSED, reason, completion.id, answer={"problem": "not-your-agency"})


def _resettled(
    before: Completion,
    after: Completion,
    event: Received[RevokeCertificate] | Received[ReinstateCertificate],
    state: State,
    terms: Terms,
    content: bytes,
) -> Outcome:
    employee = state.get(EMPLOYEES, after.employee_id)
    # The member waits in its set. The same is said of a number that nobody has: who guesses numbers learns nothing.
    if employee is None or standing(after.contents) is None:
        return Outcome(
            Verdict.ACCEPTED, "noted for a completion that has not come yet", after.id, content,
            [Put(COMPLETIONS, after)], answer=_answer(after),
        )  # fmt: skip
    known = state.get(COMPLETIONS, after.id)
    settled = settle([_changed(known, after, event)], employee, state, terms)
    facts = [fact for fact, _ in settled.facts]
    reason = "" if facts else "noted; the certificate's status is as before"
    return Outcome(
        Verdict.ACCEPTED, reason, after.id, content, settled.changes, facts,
        answer=_answer(settled.completions[after.id]),
    )  # fmt: skip


def _repeated(same: bool, completion: Completion, content: bytes) -> Outcome:
    if not same:
        reason = "this Idempotency-Key was used for another request: take a new key"
        return Outcome(
            Verdict.REFUSED, reason, completion.id, content, answer={"problem": "idempotency-key-reused"}
        )
    return Outcome(Verdict.DUPLICATE, "done before", completion.id, content, answer=_answer(completion))


def _answer(completion: Completion) -> dict[str, str | int | bool | None]:
    certificate, stands = completion.certificate, standing(completion.contents)
    if stands is None:
        lifted = {one.revocation_id for one in completion.reinstatements}
        standing_revocations = len([one for one in completion.revocations if one.id not in lifted])
    else:
        standing_revocations = len(effective_revocations(completion, stands))
    return {
        "certificate_number": None if certificate is None else certificate.number,
        "status": "unknown" if certificate is None else "revoked" if certificate.revoked else "valid",
        "revocations_standing": standing_revocations,
    }


# Renderings: what a worker finished becomes part of the certificate.


def rendering_keys(event: Received[StoreRendering], state: State, terms: Terms) -> Keys:
    yield Doc(COMPLETIONS, event.data.completion_id)
    yield LOAD
    completion = state.get(COMPLETIONS, event.data.completion_id)
    if completion is not None:
        yield Lock("employee/" + completion.employee_id)


def store_rendering(event: Received[StoreRendering], state: State, terms: Terms) -> Outcome:
    data = event.data
    completion = state.get(COMPLETIONS, data.completion_id)
    certificate = None if completion is None else completion.certificate
    if completion is None or certificate is None:
        raise Rejected(
            "there is no certificate of this id: the command was not written by a worker of this database"
        )
    if data.revision != certificate.revision:
        return Outcome(
            Verdict.SUPERSEDED, f"revision {certificate.revision} is the current one", completion.id
        )
    if certificate.sha256 == data.sha256:
        return Outcome(Verdict.DUPLICATE, "stored before", completion.id)
    rendered = msgspec.structs.replace(certificate, sha256=data.sha256)
    fact = CertificateRendered(
        certificate_id=certificate.id, revision=data.revision, sha256=data.sha256, size_bytes=data.size_bytes
    )
    return Outcome(
        Verdict.ACCEPTED,
        subject=completion.id,
        changes=[Put(COMPLETIONS, msgspec.structs.replace(completion, certificate=rendered))],
        # By the digest too: after a restore or a loss the PDF may be made anew, by another template than it was.
        facts=[
            Fact(
                fact,
                certificate.id,
                data.revision * VERSIONS + crc32(data.sha256.encode()),
                completion.employee_id,
            )
        ],
    )


REACTIONS: dict[type[Payload], Reaction[Terms]] = {
    EmployeeRegistered: react(employee_keys, record_employee, settled=Settled.NOTHING),
    EmployeeChanged: react(employee_keys, record_employee, settled=Settled.NOTHING),
    TrainingCompleted: react(completion_keys, record_completion, settled=Settled.NOTHING),
    RevokeCertificate: react(revocation_keys, revoke_certificate),
    ReinstateCertificate: react(revocation_keys, reinstate_certificate),
    StoreRendering: react(rendering_keys, store_rendering, settled=Settled.LOOKED_AT),
    ListCompletions: react(listing_keys, list_completions),
    RestateCompletion: react(restatement_keys, restate_completion),
    **reviewing(BOOKS),
    **TRIAGE,
}
