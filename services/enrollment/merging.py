"""Two files become one person's, and two people's again.

Nothing moves but whose the completions are: each keeps its id, number and code. Of a training that was reported under
both numbers one counts, and both certificates can be checked.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.enrollment.agencies.documents import Arrival
from services.enrollment.documents import COMPLETIONS, EMPLOYEES, Completion, Employee, Merge
from services.enrollment.employees import as_it_stands, later, recorded
from services.enrollment.homes import homes
from services.enrollment.persons import Person, own_numbers, person_of
from services.enrollment.settling import Changed, Sequences, merging_keys, settle
from services.enrollment.terms import Terms
from shared.contracts.payload import EmployeeId, Payload
from shared.contracts.people import MergeEmployees, SeparateEmployees
from shared.identifiers import key
from shared.pipeline.documents import Keys, State
from shared.pipeline.epochs import next_version
from shared.pipeline.outcome import Fact, Outcome, Put, Verdict
from shared.pipeline.reactions import Reaction, react
from shared.pipeline.records import Received

_JSON = msgspec.json.Encoder(order="deterministic")
NOBODY: Final = EmployeeId("")
MOST_MERGES: Final = 20
"""And separations, of one record. A separation is always taken: it ends what a merge began."""

# Two become one.


def joining_keys(event: Received[MergeEmployees], state: State, terms: Terms) -> Keys:
    yield from merging_keys([event.data.employee_id, event.data.into], state, terms)


def merge_employees(event: Received[MergeEmployees], state: State, terms: Terms) -> Outcome:
    """By an officer who acts for all, or for the home of the person that the other one joins."""
    data = event.data
    content = terms.ids.content(
        _JSON.encode((data.employee_id, data.into, data.home, data.reason, data.officer, data.opd))
    )
    joining, into = person_of(data.employee_id, state), person_of(data.into, state)
    if joining is None or into is None:
        return _refused("not-found", "there is no employee of one of these ids", data.into, content)
    if joining.main.id == into.main.id:
        return _answered(Verdict.DUPLICATE, "they are one person already", into, content)
    if joining.merged:
        reason = "the one that joins has records merged into it: merge the other way round, or separate those first"
        return _refused("refused", reason, into.main.id, content)
    if len(joining.main.merges) >= MOST_MERGES:
        reason = f"{MOST_MERGES} merges and separations of this record are kept: no more"
        return _refused("refused", reason, into.main.id, content)
    if (refused := _not_by(data.opd, into, content)) is not None:
        return refused
    said = _merge(event, into.main.id, data.home or "")
    file = msgspec.structs.replace(
        joining.main,
        merges=sorted([*joining.main.merges, said], key=lambda one: one.arrival),
        merged_into=into.main.id,
        own_numbers=own_numbers(joining.main),
        numbers=[],
    )
    main = msgspec.structs.replace(
        into.main, files=[*into.main.files, file.id], own_numbers=own_numbers(into.main)
    )
    one = Person(main, (*into.merged, file))
    after, facts = as_it_stands(into, one, event, terms)
    after = after.with_file(_joined(file, after.main, event, terms))
    theirs = state.all(COMPLETIONS, "employee_id", joining.main.id)
    own = state.all(COMPLETIONS, "employee_id", into.main.id)
    changed = [
        *(_moved(one, after.main.id, file.id, event) for one in theirs),
        *(Changed(one, one, event.now, event.traceparent) for one in own),
    ]
    settled = settle(changed, after, state, terms)
    changes = [*(Put(EMPLOYEES, one) for one in after.files), *settled.changes]
    facts = [*facts, recorded(Person(after.merged[-1])), *(fact for fact, _ in settled.facts)]
    return _answered(Verdict.ACCEPTED, "", after, content, changes, facts)


def _joined(file: Employee, main: Employee, event: Received[MergeEmployees], terms: Terms) -> Employee:
    """Mails to it go where the person's go from now on; where that is another address, its own is told, as at any
    change."""
    changed = file.profile.email != main.profile.email
    return msgspec.structs.replace(
        file,
        profile=main.profile,
        version=next_version(file.version, terms.epoch),
        addressed_at=later(event.now, file.addressed_at) if changed else file.addressed_at,
    )


def _merge(
    event: Received[MergeEmployees] | Received[SeparateEmployees], into: EmployeeId, home: str
) -> Merge:
    data = event.data
    return Merge(into, home, Arrival(event.arrived, *event.at), event.id, data.officer, data.opd, data.reason)


def _moved(one: Completion, to: EmployeeId, file: str, event: Received[Any]) -> Changed:
    after = msgspec.structs.replace(one, employee_id=to, file="" if file == to else file)
    return Changed(one, after, event.now, event.traceparent)


# And one two again.


def parting_keys(event: Received[SeparateEmployees], state: State, terms: Terms) -> Keys:
    yield from merging_keys([event.data.employee_id], state, terms)


def separate_employees(event: Received[SeparateEmployees], state: State, terms: Terms) -> Outcome:
    data = event.data
    content = terms.ids.content(_JSON.encode((data.employee_id, data.reason, data.officer, data.opd)))
    person = person_of(data.employee_id, state)
    if person is None:
        return _refused("not-found", "there is no employee of this id", data.employee_id, content)
    file = next((one for one in person.merged if one.id == data.employee_id), None)
    if file is None:
        return _answered(Verdict.DUPLICATE, "it is a person of its own already", person, content)
    if (refused := _not_by(data.opd, person, content)) is not None:
        return refused
    said = _merge(event, NOBODY, "")
    alone = Person(
        msgspec.structs.replace(
            file,
            merges=sorted([*file.merges, said], key=lambda one: one.arrival),
            merged_into=NOBODY,
            numbers=own_numbers(file),
            own_numbers=[],
        )
    )
    others = tuple(one for one in person.merged if one.id != file.id)
    main = msgspec.structs.replace(person.main, files=[one.id for one in others])
    rest = Person(main if others else _alone(main), others)
    left, facts = as_it_stands(person, rest, event, terms)
    went, more = as_it_stands(Person(file), alone, event, terms)
    changes = [*(Put(EMPLOYEES, one) for one in left.files), Put(EMPLOYEES, went.main)]
    theirs = state.all(COMPLETIONS, "employee_id", person.main.id)
    sequences: Sequences = {}
    facts = [*facts, *more]
    for those, whose in (
        ([one for one in theirs if one.file != file.id], left),
        ([one for one in theirs if one.file == file.id], went),
    ):
        changed = [_moved(one, whose.main.id, one.file or one.employee_id, event) for one in those]
        settled = settle(changed, whose, state, terms, sequences)
        changes += settled.changes
        facts += [fact for fact, _ in settled.facts]
    return _answered(Verdict.ACCEPTED, "", went, content, changes, facts)


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
    changes: Sequence[Put] = (),
    facts: Sequence[Fact] = (),
) -> Outcome:
    answer: dict[str, str | int | bool | None] = {
        "employee_id": person.main.id,
        "agency": homes(person.whole).home,
    }
    return Outcome(verdict, reason, person.main.id, content, changes, facts, answer=answer)


REACTIONS: dict[type[Payload], Reaction[Terms]] = {
    MergeEmployees: react(joining_keys, merge_employees),
    SeparateEmployees: react(parting_keys, separate_employees),
}
