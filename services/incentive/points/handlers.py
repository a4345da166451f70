"""Incentive's decisions: (event, loaded state, terms) -> outcome. Pure: no I/O, clock, randomness or logging."""

from collections.abc import Iterable, Sequence

from services.incentive.points.documents import (
    ACCOUNTS,
    EARNED_COMPLETIONS,
    PEOPLE,
    POINT_ENTRIES,
    EarnedCompletion,
    Person,
    person_lock,
)
from services.incentive.points.recalculation import Entered, first_settlement, month_of, recalculate
from services.incentive.terms import Terms
from shared.contracts.enrollment import CompletionRecorded, CompletionRestated, EmployeeRecorded
from shared.contracts.payload import EmployeeId, Payload
from shared.pipeline.documents import LOAD, Doc, Docs, Needs, State
from shared.pipeline.handlers import Handler, Recalculated, handler
from shared.pipeline.outcome import Due, Outcome, Put, Recalculation, Stale, Verdict
from shared.pipeline.records import Received

Said = Received[CompletionRecorded] | Received[CompletionRestated]


def person_needs(event: Received[EmployeeRecorded], state: State, terms: Terms) -> Needs:
    yield person_lock(event.data.employee_id)
    yield Doc(PEOPLE, event.data.employee_id)


def record_person(event: Received[EmployeeRecorded], state: State, terms: Terms) -> Outcome:
    data = event.data
    known = state.get(PEOPLE, data.employee_id)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.employee_id)
    person = Person(id=data.employee_id, version=data.version, employee_numbers=list(data.employee_numbers))
    return Outcome(Verdict.ACCEPTED, subject=data.employee_id, changes=[Put(PEOPLE, person)])


def completion_needs(event: Said, state: State, terms: Terms) -> Needs:
    """Under the locks of whose the completion is, and of whose it was."""
    data = event.data
    yield from _account_needs(data.employee_id)
    yield Doc(EARNED_COMPLETIONS, data.completion_id)
    yield Docs(EARNED_COMPLETIONS, "month", month_of(data.employee_id, data.completed_on))
    yield LOAD
    known = state.get(EARNED_COMPLETIONS, data.completion_id)
    if known is None:
        return
    for person in _others(data.employee_id, (known.employee_id, known.account)):
        yield from _account_needs(person)
    if known.month:
        yield Docs(EARNED_COMPLETIONS, "month", known.month)


def _account_needs(person: EmployeeId) -> Needs:
    yield person_lock(person)
    yield Doc(ACCOUNTS, person)


def _others(person: EmployeeId, people: Iterable[EmployeeId]) -> list[EmployeeId]:
    return sorted({*people} - {person, ""})


def restated_needs(event: Received[CompletionRestated], state: State, terms: Terms) -> Needs:
    """The ledgers too of all who have entries of the completion."""
    data = event.data
    yield from completion_needs(event, state, terms)
    yield Docs(POINT_ENTRIES, "completion_id", data.completion_id)
    yield LOAD
    for entry in state.all(POINT_ENTRIES, "completion_id", data.completion_id):
        yield Docs(EARNED_COMPLETIONS, "month", f"{entry.employee_id}/{entry.month}")
    for person in _with_entries(data, state):
        yield from _account_needs(person)
        yield Docs(POINT_ENTRIES, "employee_id", person)


def _with_entries(data: CompletionRestated, state: State) -> list[EmployeeId]:
    """Whose the completion is, as is said and as is known, and whoever has entries of it."""
    known = state.get(EARNED_COMPLETIONS, data.completion_id)
    entries = state.all(POINT_ENTRIES, "completion_id", data.completion_id)
    noted = [] if known is None else [known.employee_id]
    return [data.employee_id, *_others(data.employee_id, [*noted, *(entry.employee_id for entry in entries)])]


def award_points(event: Received[CompletionRecorded], state: State, terms: Terms) -> Outcome:
    """The completion as it stands now; what that is worth is worked out with the person's others of the batch."""
    data = event.data
    known = state.get(EARNED_COMPLETIONS, data.completion_id)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.completion_id)
    completion = _as_said(event, known, 0)
    weight = 1 + state.count(EARNED_COMPLETIONS, "month", month_of(data.employee_id, data.completed_on))
    # With those of whoever has its points, so that what is told of these comes after they were taken.
    holder = completion.account or completion.employee_id
    stale = Stale(holder, EARNED_COMPLETIONS, completion, weight)
    return Outcome(Verdict.ACCEPTED, subject=completion.id, stale=stale)


def award_points_anew(event: Received[CompletionRestated], state: State, terms: Terms) -> Outcome:
    """By what the ledgers say was given, at once."""
    data = event.data
    known = state.get(EARNED_COMPLETIONS, data.completion_id)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.completion_id)
    completion = _as_said(event, known, first_settlement(event.now, terms))
    entered = Entered.of(completion.id, _with_entries(data, state), state)
    settled = recalculate([Due(known, completion, event)], state, terms, entered)
    facts = [fact for fact, _ in settled.facts]
    return Outcome(Verdict.ACCEPTED, subject=completion.id, changes=settled.changes, facts=facts)


def recalculate_points(due: Sequence[Due[EarnedCompletion]], state: State, terms: Terms) -> Recalculation:
    """What completions are worth that records of a batch changed: of one person, and those that became another's."""
    return recalculate(due, state, terms)


def _as_said(event: Said, known: EarnedCompletion | None, first_settlement: int) -> EarnedCompletion:
    data = event.data
    holder = data.employee_id if known is None else known.account or known.employee_id
    return EarnedCompletion(
        id=data.completion_id,
        employee_id=data.employee_id,
        month=month_of(data.employee_id, data.completed_on) if data.standing else "",
        version=data.version,
        title=data.title,
        form=data.form.value,
        level=data.level.value,
        predicate=data.predicate,
        completed_on=data.completed_on,
        points=0 if known is None else known.points,
        settled=first_settlement if known is None else known.settled,
        is_twin=data.twin_of is not None,
        why_not=data.why_not or "",
        why_not_en=data.why_not_en or "",
        backed=data.backed is not False,
        arrived=data.arrived,
        account=EmployeeId("") if holder == data.employee_id else holder,
    )


HANDLERS: dict[type[Payload], Handler[Terms]] = {
    EmployeeRecorded: handler(person_needs, record_person, recalculated=Recalculated.NOTHING),
    CompletionRecorded: handler(completion_needs, award_points, recalculated=Recalculated.NOTHING),
    CompletionRestated: handler(restated_needs, award_points_anew),
}
