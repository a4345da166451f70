"""What an order about people would do: it is decided on what stands now, and nothing is written."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.employees.views import (
    PeoplePreviewView,
    PersonChangeView,
    PreviewedCompletion,
    PreviewedCompletions,
    StandView,
    state_of,
)
from services.enrollment.persons.current import is_held, waiting_links
from services.enrollment.persons.documents import Employee
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person
from services.enrollment.persons.queries import people_in, people_of
from services.enrollment.persons.rights import knows
from services.enrollment.records.views import jp_by_year
from shared.contracts.enrollment import CertificateIssued, CertificateRevoked
from shared.contracts.people import ConfirmHome, MergeEmployees, SeparateEmployees
from shared.http.access import Principal
from shared.observability.redaction import hinted
from shared.pipeline.documents import Document
from shared.pipeline.outcome import Verdict
from shared.pipeline.processing.dry_run import DryRun, run_command_dry
from shared.service import Components

MAX_SHOWN: Final = 50
Order = ConfirmHome | MergeEmployees | SeparateEmployees
People = Mapping[str, Person]
"""By id."""
Completions = Mapping[str, Completion]


async def preview(
    components: Components[CompletionTerms], order: Order, caller: Principal, now: datetime
) -> PeoplePreviewView:
    """Of people of whom the caller does not know all, how many completions it concerns, and nothing else."""
    ids = [order.employee_id, *([order.into] if isinstance(order, MergeEmployees) else [])]
    rehearsal = await run_command_dry(components.service, components.store, order, order.employee_id, now)
    ((_, outcome),) = rehearsal.outcomes
    if outcome.verdict is not Verdict.ACCEPTED:
        return PeoplePreviewView(verdict=outcome.verdict.value, reason=outcome.reason or None)
    before: People = {person.main.id: person for person in (await people_of(components.store, ids)).values()}
    found = await components.store.select(COMPLETIONS, {"employee_id": {"$in": sorted(before)}})
    shown = compared(before, {completion.id: completion for completion in found}, rehearsal)
    unknown = {id for id, one in before.items() if not knows(caller, one.whole)}
    return _hidden(shown, unknown) if unknown else shown


def compared(before: People, completions: Completions, rehearsal: DryRun) -> PeoplePreviewView:
    """`completions`: all of those people, as they stand."""
    after = _after(before, rehearsal)
    now = dict(completions)
    now.update(
        {
            completion.id: completion
            for completion in _changed(rehearsal)
            if isinstance(completion, Completion)
        }
    )
    pairs = [(completions[id], one) for id, one in now.items() if id in completions]
    kinds = Counter(json.loads(event.value)["type"] for event in rehearsal.events)
    return PeoplePreviewView(
        verdict=Verdict.ACCEPTED.value,
        reason=None,
        people=[
            PersonChangeView(
                employee_id=id,
                before=_stand(before.get(id), completions.values()),
                after=_stand(after.get(id), now.values()),
            )
            for id in sorted({*before, *after})
        ],
        moved=_shown(one for was, one in pairs if one.employee_id != was.employee_id),
        counted_once=_shown(one for was, one in pairs if one.twin_of and not was.twin_of),
        counted_again=_shown(one for was, one in pairs if was.twin_of and not one.twin_of),
        certificates_issued=kinds[CertificateIssued.TYPE],
        certificates_revoked=kinds[CertificateRevoked.TYPE],
    )


def _hidden(shown: PeoplePreviewView, unknown: Collection[str]) -> PeoplePreviewView:
    """What would become of the person tells of them too."""
    people = [
        PersonChangeView(
            employee_id=person.employee_id,
            before=_nameless(person.before) if person.employee_id in unknown else person.before,
            after=_nameless(person.after),
        )
        for person in shown.people
    ]
    counts = {
        field: PreviewedCompletions(count=getattr(shown, field).count)
        for field in ("moved", "counted_once", "counted_again")
    }
    return shown.model_copy(update={"people": people, **counts})


def _nameless(stand: StandView | None) -> StandView | None:
    if stand is None:
        return None
    return stand.model_copy(update={"name": "", "email": None, "employee_numbers": [], "jp": {}})


def _after(before: People, rehearsal: DryRun) -> People:
    files: dict[str, Employee] = {file.id: file for person in before.values() for file in person.files}
    files.update(
        {employee.id: employee for employee in _changed(rehearsal) if isinstance(employee, Employee)}
    )
    return people_in(files, [file.id for file in files.values() if not file.merged_into])


def _changed(rehearsal: DryRun) -> list[Document | None]:
    return [document for _, _, document, _ in rehearsal.changes]


def _stand(person: Person | None, completions: Iterable[Completion]) -> StandView | None:
    if person is None:
        return None
    whole = person.whole
    whose, profile = homes(whole), whole.profile
    own = [
        completion
        for completion in completions
        if completion.employee_id == whole.id and completion.effective
    ]
    return StandView(
        employee_numbers=whole.numbers,
        name=profile.name,
        email=None if profile.email is None else hinted(profile.email),
        home=whose.home,
        state=state_of(whose),
        held=is_held(whole),
        links=len(waiting_links(person, whole)),
        jp=jp_by_year(own),
    )


def _shown(completions: Iterable[Completion]) -> PreviewedCompletions:
    rows = [_row(completion) for completion in completions if completion.effective]
    rows.sort(key=lambda one: (one.completed_on, one.completion_id), reverse=True)
    return PreviewedCompletions(count=len(rows), first=rows[:MAX_SHOWN])


def _row(completion: Completion) -> PreviewedCompletion:
    facts = effective_training(completion)
    return PreviewedCompletion(
        completion_id=completion.id,
        title=facts.title,
        completed_on=facts.completed_on,
        employee_id=completion.employee_id,
    )
