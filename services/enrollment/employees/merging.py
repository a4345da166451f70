"""Two files become one person's, and two people's again.

Nothing moves but whose the completions are: each keeps its id, number and code. Of a training that was reported under
both numbers one counts, and both certificates can be checked.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.enrollment.agencies.statements import arrival_of
from services.enrollment.certificates.numbering import Sequences
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import Changed, recalculate
from services.enrollment.completions.recalculation_needs import merging_needs
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.employees.registration import moved
from services.enrollment.persons.current import as_it_stands, is_held, later, recorded
from services.enrollment.persons.documents import EMPLOYEES, Employee, Merge
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person, own_numbers, person_of
from shared.contracts.payload import EmployeeId, Payload
from shared.contracts.people import MergeEmployees, SeparateEmployees
from shared.identity.identifiers import key
from shared.pipeline.context import Context
from shared.pipeline.documents import Needs, State
from shared.pipeline.epochs import next_version
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Remove, Verdict
from shared.pipeline.records import Received

_JSON = msgspec.json.Encoder(order="deterministic")
NOBODY: Final = EmployeeId("")
MAX_MERGES: Final = 20
"""And separations, of one record, by officers of agencies; as many again, and more, by those who act for all, who end
what others began. A separation of what is merged is always taken."""
MAX_BY_ALL: Final = 40

# Two become one.


def joining_needs(event: Received[MergeEmployees], state: State, terms: CompletionTerms) -> Needs:
    yield from merging_needs([event.data.employee_id, event.data.into], state, terms)


def merge_employees(event: Received[MergeEmployees], state: State, terms: CompletionTerms) -> Outcome:
    """By an officer who acts for all, or for the home of the person that the other one joins."""
    data = event.data
    content = terms.ids.content(
        _JSON.encode((data.employee_id, data.into, data.home, data.reason, data.officer, data.opd))
    )
    joining, into = person_of(data.employee_id, state), person_of(data.into, state)
    if joining is None or into is None:
        return _refused("not-found", "there is no employee of one of these ids", data.into, content)
    file = joining.file(data.employee_id)
    if (done := _said_before(event, file, joining, content)) is not None:
        return done
    if file.id == into.main.id:
        return _refused("refused", "both ids are of the same record: name two", into.main.id, content)
    if file.id != joining.main.id and joining.main.id != into.main.id:
        reason = "the one that joins belongs to another person: separate it from that one first"
        return _refused("refused", reason, into.main.id, content)
    if joining.merged and joining.main.id == file.id:
        reason = "the one that joins has records merged into it: merge the other way round, or separate those first"
        return _refused("refused", reason, into.main.id, content)
    if (refused := _too_many(file, data.opd, content)) is not None:
        return refused
    if (refused := _not_by(data.opd, into, content)) is not None:
        return refused
    context = Context.of(event, state, terms)
    file, holds = _with_word(file, _merge(event, into.main.id, data.home or ""))
    if not holds or joining.main.id == into.main.id:
        return _noted(joining.with_file(file), joining, content, context)
    file = msgspec.structs.replace(
        file, merged_into=into.main.id, own_numbers=own_numbers(file), numbers=[], open=[]
    )
    main = msgspec.structs.replace(
        into.main, files=[*into.main.files, file.id], own_numbers=own_numbers(into.main)
    )
    one = Person(main, (*into.merged, file), into.trust)
    after, facts = as_it_stands(into, one, context)
    after = after.with_file(_joined(file, after.main, context))
    theirs = state.all(COMPLETIONS, "employee_id", joining.main.id)
    own = state.all(COMPLETIONS, "employee_id", into.main.id)
    changed = [
        *(_moved(completion, after.main.id, file.id, event) for completion in theirs),
        *(Changed(completion, completion, event.now, event.traceparent) for completion in own),
    ]
    recalculated = recalculate(changed, after, context)
    changes = [*(Put(EMPLOYEES, file) for file in after.files), *recalculated.changes]
    facts = [*facts, _told(after.merged[-1], after), *(fact for fact, _ in recalculated.facts)]
    return _answered(Verdict.ACCEPTED, "", after, content, changes=changes, facts=facts)


def _too_many(file: Employee, opd: str | None, content: bytes) -> Outcome | None:
    most = MAX_BY_ALL if opd is None else MAX_MERGES
    if sum((merge.opd is None) is (opd is None) for merge in file.merges) < most:
        return None
    whose = "officers who act for all" if opd is None else "officers of agencies"
    reason = f"{most} merges and separations of this record by {whose} are kept: no more"
    return _refused("refused", reason, file.id, content)


def _told(file: Employee, person: Person) -> OutgoingEvent:
    """Nobody signs in by it any more, and its mails wait when the person's do."""
    told = recorded(Person(file))
    return told._replace(payload=told.payload.model_copy(update={"held": is_held(person.whole)}))


def _joined(file: Employee, main: Employee, context: Context[CompletionTerms]) -> Employee:
    """Mails to it go where the person's go from now on; where that is another address, its own is told, as at any
    change."""
    changed = file.profile.email != main.profile.email
    return msgspec.structs.replace(
        file,
        profile=main.profile,
        version=next_version(file.version, context.terms.epoch),
        addressed_at=later(context.now, file.addressed_at) if changed else file.addressed_at,
    )


def _merge(
    event: Received[MergeEmployees] | Received[SeparateEmployees], into: EmployeeId, home: str
) -> Merge:
    data = event.data
    return Merge(into, home, arrival_of(event), event.id, data.officer, data.opd, data.reason)


def _moved(one: Completion, to: EmployeeId, file: str, event: Received[Any]) -> Changed:
    after = msgspec.structs.replace(one, employee_id=to, file="" if file == to else file)
    return Changed(one, after, event.now, event.traceparent)


# And one two again.


def parting_needs(event: Received[SeparateEmployees], state: State, terms: CompletionTerms) -> Needs:
    yield from merging_needs([event.data.employee_id], state, terms)


def separate_employees(event: Received[SeparateEmployees], state: State, terms: CompletionTerms) -> Outcome:
    data = event.data
    content = terms.ids.content(_JSON.encode((data.employee_id, data.reason, data.officer, data.opd)))
    person = person_of(data.employee_id, state)
    if person is None:
        return _refused("not-found", "there is no employee of this id", data.employee_id, content)
    file = person.file(data.employee_id)
    if (done := _said_before(event, file, person, content)) is not None:
        return done
    if (refused := _not_by(data.opd, person, content)) is not None:
        return refused
    if not file.merged_into and (refused := _too_many(file, data.opd, content)) is not None:
        return refused
    context = Context.of(event, state, terms)
    known, (file, holds) = file, _with_word(file, _merge(event, NOBODY, ""))
    if not holds or not known.merged_into:
        return _noted(person.with_file(file), person, content, context)
    alone = Person(
        msgspec.structs.replace(file, merged_into=NOBODY, numbers=own_numbers(file), own_numbers=[]),
        trust=person.trust,
    )
    others = tuple(employee for employee in person.merged if employee.id != file.id)
    main = msgspec.structs.replace(person.main, files=[other.id for other in others])
    rest = Person(main if others else _alone(main), others, person.trust)
    left, facts = as_it_stands(person, rest, context)
    went, more = as_it_stands(Person(known, trust=person.trust), alone, context)
    changes: list[Put | Remove] = [Put(EMPLOYEES, employee) for employee in (*left.files, went.main)]
    theirs = state.all(COMPLETIONS, "employee_id", person.main.id)
    sequences: Sequences = {}
    facts = [*facts, *more]
    for completions, whose in (
        ([completion for completion in theirs if completion.file != file.id], left),
        ([completion for completion in theirs if completion.file == file.id], went),
    ):
        changed = [
            _moved(completion, whose.main.id, completion.file or completion.employee_id, event)
            for completion in completions
        ]
        recalculated = recalculate(changed, whose, context, sequences)
        changes += recalculated.changes
        facts += [fact for fact, _ in recalculated.facts]
    return _answered(Verdict.ACCEPTED, "", went, content, changes=changes, facts=facts)


def _said_before(
    event: Received[MergeEmployees] | Received[SeparateEmployees],
    file: Employee,
    person: Person,
    content: bytes,
) -> Outcome | None:
    """The answer, where this word is kept already."""
    earlier = next((merge for merge in file.merges if merge.command == event.id), None)
    if earlier is None:
        return None
    data = event.data
    # The door adds whose the person is, where an officer of one agency names nobody.
    home = None if isinstance(data, SeparateEmployees) else data.home
    same_home = home is None or home == earlier.home
    if not same_home or (earlier.by, earlier.opd, earlier.reason) != (data.officer, data.opd, data.reason):
        reason = "this Idempotency-Key was used for another request: take a new key"
        return _refused("idempotency-key-reused", reason, person.main.id, content)
    return _answered(Verdict.DUPLICATE, "done before", person, content)


def _with_word(file: Employee, word: Merge) -> tuple[Employee, bool]:
    """The record with what was said about it, and whether that holds: the last word by arrival does. Also what changes
    nothing is kept, so that it changes nothing when it is decided again."""
    merges = sorted([*file.merges, word], key=lambda one: one.arrival)
    return msgspec.structs.replace(file, merges=merges), merges[-1] is word


def _noted(person: Person, known: Person, content: bytes, context: Context[CompletionTerms]) -> Outcome:
    """Whose the record is, is as before; whose the person is may be another one's by this word."""
    after, changes, facts = moved(known, person, context)
    reason = "noted; whose the record is, is as before"
    return _answered(Verdict.ACCEPTED, reason, after, content, changes=changes, facts=facts)


def _alone(main: Employee) -> Employee:
    return msgspec.structs.replace(main, numbers=own_numbers(main), own_numbers=[])


def _not_by(opd: str | None, person: Person, content: bytes) -> Outcome | None:
    """The refusal, if the officer acts for another agency than the person's."""
    if opd is None or key(opd) == homes(person.whole).home:
        return None
    reason = "the person is another agency's: ask an officer of it, or one who acts for all"
    return _refused("not-your-agency", reason, person.main.id, content)


def _refused(problem: str, reason: str, subject: str, content: bytes) -> Outcome:
    return Outcome(Verdict.REFUSED, reason, subject, content, answer={"problem": problem})


def _answered(
    verdict: Verdict,
    reason: str,
    person: Person,
    content: bytes,
    *,
    changes: Sequence[Put | Remove] = (),
    facts: Sequence[OutgoingEvent] = (),
) -> Outcome:
    answer: dict[str, str | int | bool | None] = {
        "employee_id": person.main.id,
        "agency": homes(person.whole).home,
    }
    return Outcome(verdict, reason, person.main.id, content, changes, facts, answer=answer)


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    MergeEmployees: handler(joining_needs, merge_employees),
    SeparateEmployees: handler(parting_needs, separate_employees),
}
