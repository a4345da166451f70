"""What `recalculate` may look at, as the `keys` of a decision name it: of one completion, of a person, of many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from services.enrollment.certificates.documents import PRIOR_ISSUES, RENDERINGS, SEQUENCES, rendering_id
from services.enrollment.certificates.issuing_bodies import sequence_id
from services.enrollment.completions.agency_names import issuing_of, names_needs
from services.enrollment.completions.authority import organizer_of, register_needs
from services.enrollment.completions.documents import COMPLETIONS, CONTESTED, Completion
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.learning_hours.jp import Rates
from services.enrollment.persons.documents import EMPLOYEES, person_lock
from services.enrollment.persons.persons import Person, person_needs, person_of
from services.enrollment.training import CompletedTraining
from shared.contracts.payload import CompletionId, EmployeeId
from shared.pipeline.documents import LOAD, Doc, Docs, Lock, Needs, State


def year_of(employee_id: str, completed_on: date) -> str:
    return f"{employee_id}/{completed_on.year}"


def years_of(employee_id: str, facts: CompletedTraining, terms: CompletionTerms) -> set[str]:
    """Its year, and those in which it takes from a cap."""
    return {f"{employee_id}/{year}" for year in _tied(facts, terms.rates)}


def _tied(facts: CompletedTraining, rates: Rates) -> range:
    return rates.years_tied(facts.form, facts.start_date, facts.completed_on)


@dataclass(frozen=True, slots=True)
class _Span:
    """Says of a completion the first and the last year that any of its contents ties, of which there are few pairs: a
    person may have thousands of completions, and each new one asks which years it ties."""

    rates: Rates

    def __call__(self, one: Completion) -> tuple[int, int]:
        return self.over(content.facts for content in one.contents)

    def over(self, contents: Iterable[CompletedTraining]) -> tuple[int, int]:
        years = [_tied(facts, self.rates) for facts in contents]
        return min(year[0] for year in years), max(year[-1] for year in years)

    def years(self, employee_id: str, contents: Iterable[CompletedTraining]) -> set[str]:
        first, last = self.over(contents)
        return {f"{employee_id}/{year}" for year in range(first, last + 1)}


def reach_of(year: str, employee_id: str, facts: CompletedTraining, terms: CompletionTerms) -> str:
    """`year`: in which it counts, if any. See Completion.reaches."""
    return employee_id if year and len(years_of(employee_id, facts, terms)) > 1 else ""


def recounted_together(years: set[str], state: State, terms: CompletionTerms) -> set[str]:
    """With all years that completions tie to these: what one of them takes in a year is gone for the others there, and
    what those leave it decides what it takes in its own."""
    by_owner: dict[str, set[int]] = {}
    for year in years:
        owner, _, number = year.rpartition("/")
        by_owner.setdefault(owner, set()).add(int(number))
    found = set(years)
    for owner, own in by_owner.items():
        spans = [
            range(first, last + 1)
            for first, last in state.told_apart(COMPLETIONS, "reaches", owner, _Span(terms.rates))
        ]
        while joined := [span for span in spans if not own.isdisjoint(span) and not own.issuperset(span)]:
            own.update(*joined)
        found.update(f"{owner}/{year}" for year in own)
    return found


def sequence_of(facts: CompletedTraining) -> str:
    return sequence_id(facts.organizer_code, facts.completed_on.year)


def recalculation_needs(
    completion_id: str,
    file: str,
    state: State,
    terms: CompletionTerms,
    facts: CompletedTraining | None = None,
) -> Needs:
    """All that `recalculate` may look at: the person, the completion and those of the same training, the years that they
    leave and enter, the body's sequence.

    `file`: of the person, or of one that was merged into it. `facts`: those of a content that comes in.
    """
    yield Doc(COMPLETIONS, completion_id)
    yield Docs(COMPLETIONS, "reaches", file)
    if facts is not None:
        yield Docs(COMPLETIONS, "learning_year", year_of(file, facts.completed_on))
    yield from person_needs(file, state)
    person = person_of(file, state)
    owner = file if person is None else person.main.id
    if owner != file:
        yield Docs(COMPLETIONS, "reaches", owner)
        yield LOAD
    if facts is not None:
        yield from _sequence_needs(facts)
    ids = {completion_id}
    if person is not None and person.merged:
        known = state.get(COMPLETIONS, completion_id)
        about = facts if known is None or not known.contents else known.contents[0].facts
        ids |= set() if about is None else set(same_training(about, person, terms))
        for id in sorted(ids):
            yield Doc(COMPLETIONS, id)
        yield LOAD
    yield from _refolded(sorted(ids), owner, state, terms, facts)
    yield from _issuing_names(sorted(ids), state)


def refolding_needs(file: str, state: State, terms: CompletionTerms) -> Needs:
    """The same for all completions of a person: who may say what about them is another than before."""
    yield from person_needs(file, state)
    person = person_of(file, state)
    owner = file if person is None else person.main.id
    yield Docs(COMPLETIONS, "employee_id", owner)
    yield Docs(COMPLETIONS, "reaches", owner)
    yield LOAD
    own = state.all(COMPLETIONS, "employee_id", owner)
    if person is not None and person.merged:
        for completion in own:
            for id in (
                same_training(completion.contents[0].facts, person, terms) if completion.contents else ()
            ):
                yield Doc(COMPLETIONS, id)
        yield LOAD
    yield from _refolded([completion.id for completion in own], owner, state, terms)
    yield from _issuing_names([completion.id for completion in own], state)


def refolding_all_needs(files: Sequence[str], state: State, terms: CompletionTerms) -> Needs:
    """The same for many people, in as few rounds as for one."""
    for file in files:
        yield person_lock(file)
        yield Doc(EMPLOYEES, file)
        yield Docs(COMPLETIONS, "employee_id", file)
        yield Docs(COMPLETIONS, "reaches", file)
    yield from register_needs("")
    yield LOAD
    merged, others = list[str](), list[str]()
    for file in files:
        employee = state.get(EMPLOYEES, file)
        if employee is not None and (employee.files or employee.merged_into):
            merged.append(file)
        else:
            ids = [completion.id for completion in state.all(COMPLETIONS, "employee_id", file)]
            others += ids
            yield from _refolded(ids, file, state, terms)
    yield from _issuing_names(others, state)
    for file in merged:  # few
        yield from refolding_needs(file, state, terms)


def merging_needs(files: Sequence[str], state: State, terms: CompletionTerms) -> Needs:
    """The same for all completions of two people who become one, or of one that becomes two."""
    for file in files:
        yield from refolding_needs(file, state, terms)
    yield LOAD
    people = [person for person in (person_of(file, state) for file in files) if person is not None]
    owners = {person.main.id: person for person in people}
    every = [completion for owner in owners for completion in state.all(COMPLETIONS, "employee_id", owner)]
    together = sorted({file.id for person in people for file in person.files} | set(files))
    for owner in sorted({*owners, *files}):
        yield Docs(COMPLETIONS, "reaches", owner)
        span = _Span(terms.rates)
        contents = [
            [content.facts for content in completion.contents] for completion in every if completion.contents
        ]
        for year in sorted(set().union(*(span.years(owner, of_completion) for of_completion in contents))):
            yield Docs(COMPLETIONS, "learning_year", year)
    for completion in every:
        if completion.contents:
            facts = completion.contents[0].facts
            for file in together:
                yield Doc(
                    COMPLETIONS,
                    terms.ids.completion(EmployeeId(file), facts.organizer_code, facts.code, facts.batch),
                )


def refold_needs(completions: Sequence[tuple[str, str]], state: State, terms: CompletionTerms) -> Needs:
    """The same for some completions of many people, each with its person; in as few rounds as for one."""
    for id, employee_id in completions:
        yield person_lock(employee_id)
        yield Doc(EMPLOYEES, employee_id)
        yield Doc(COMPLETIONS, id)
        yield Docs(COMPLETIONS, "reaches", employee_id)
    yield from register_needs("")
    yield LOAD
    merged, others = list[tuple[str, str]](), list[str]()
    for id, employee_id in completions:
        employee = state.get(EMPLOYEES, employee_id)
        if employee is not None and (employee.files or employee.merged_into):
            merged.append((id, employee_id))
        else:
            others.append(id)
            yield from _refolded([id], employee_id, state, terms)
    yield from _issuing_names(others, state)
    for id, employee_id in merged:  # few
        yield from recalculation_needs(id, employee_id, state, terms)


def _refolded(
    ids: Iterable[str],
    owner: str,
    state: State,
    terms: CompletionTerms,
    facts: CompletedTraining | None = None,
) -> Needs:
    span, incoming = _Span(terms.rates), [] if facts is None else [facts]
    years = span.years(owner, incoming) if incoming else set[str]()
    for id in ids:
        one = state.get(COMPLETIONS, id)  # looked at: what the batch left stale of it is recalculated first
        if terms.epoch:
            yield Doc(PRIOR_ISSUES, id)
        yield from register_needs("" if one is None else organizer_of(one))
        if one is None:
            continue
        if one.contests:
            yield Doc(CONTESTED, id)
        if (certificate := one.certificate) is not None and certificate.printed is None:
            yield Doc(RENDERINGS, rendering_id(certificate.id, certificate.revision))
        if one.contents:
            years |= span.years(owner, [*(content.facts for content in one.contents), *incoming])
        yield from names_needs(content.sender for content in one.contents)
        if one.certificate is None:
            for said in {sequence_of(content.facts): content.facts for content in one.contents}.values():
                yield from _sequence_needs(said)
    for year in sorted(recounted_together(years, state, terms)):
        yield Docs(COMPLETIONS, "learning_year", year)


def _issuing_names(ids: Sequence[str], state: State) -> Needs:
    """Of the agencies that issue for their bodies, once those are loaded."""
    known = [
        completion
        for completion in (state.get(COMPLETIONS, id) for id in ids)
        if completion is not None and completion.contents
    ]
    if known:
        yield LOAD
        yield from names_needs(issuing_of(organizer_of(completion), state) for completion in known)


def _sequence_needs(facts: CompletedTraining) -> Needs:
    sequence = sequence_of(facts)
    yield Lock("sequence/" + sequence)
    yield Doc(SEQUENCES, sequence)


def same_training(facts: CompletedTraining, person: Person, terms: CompletionTerms) -> list[CompletionId]:
    """Ids under which the person's files have a completion of this training, if they have one."""
    return [
        terms.ids.completion(file.id, facts.organizer_code, facts.code, facts.batch) for file in person.files
    ]
