"""What an agency says of a person: a claim, a snapshot, sometimes a link between two numbers.

All of it is kept. Which snapshot stands follows from whose person it is (homes.py); two sources are never ordered by
time. A number that came with a previous one joins that one's person only by the word of its home.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Arrival
from services.enrollment.authority import register_for
from services.enrollment.documents import (
    COMPLETIONS,
    EMPLOYEE_NUMBERS,
    EMPLOYEES,
    Claim,
    Employee,
    EmployeeNumberAlias,
    PendingLink,
    Profile,
    Snapshot,
)
from services.enrollment.homes import homes, with_claim
from services.enrollment.settling import Changed, refolding_keys, settle
from services.enrollment.terms import Terms
from shared.contracts.agency import EmployeeSnapshot
from shared.contracts.enrollment import EmployeeRecorded
from shared.contracts.payload import EmployeeId
from shared.contracts.vocabulary import EmploymentType
from shared.pipeline.documents import LOAD, Doc, Keys, Lock, State
from shared.pipeline.epochs import next_version
from shared.pipeline.errors import Rejected
from shared.pipeline.outcome import Fact, Outcome, Put, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waiting_for

_JSON = msgspec.json.Encoder(order="deterministic")
# Of one person. Each arrives as a link between numbers, and all stand in every event about the person.
MOST_NUMBERS: Final = 20
MOST_PENDING_LINKS: Final = 20
BIRTH_DATE: Final = slice(0, 8)
"""Of an employee number: the year, month and day of birth."""
_A_MOMENT: Final = timedelta(milliseconds=1)


class _Plan(NamedTuple):
    """Whom a snapshot is about."""

    employee_id: EmployeeId
    numbers: list[str]
    """Of this person, by this snapshot: oldest first."""
    pending: PendingLink | None = None


def employee_keys(event: Received[EmployeeSnapshot], state: State, terms: Terms) -> Keys:
    numbers = _numbers(event.data)
    for number in numbers:
        yield Doc(EMPLOYEE_NUMBERS, number)
    yield Doc(REGISTERS, REGISTER)
    yield LOAD
    for number in numbers:
        if state.get(EMPLOYEE_NUMBERS, number) is None:
            yield from waiting_for(terms.ids.lacks_employee(number))
    for employee_id in _candidates(event, state, terms):
        yield Lock("employee/" + employee_id)
        yield Doc(EMPLOYEES, employee_id)
    yield LOAD
    plan = _plan(event, state, terms)
    known = state.get(EMPLOYEES, plan.employee_id)
    if known is not None and _moves_homes(known, event):
        yield from refolding_keys(known.id, state, terms)


def _numbers(data: EmployeeSnapshot) -> list[str]:
    """The previous one, if there is another, then the one in force."""
    previous, current = data.previous_employee_number, data.employee_number
    return [current] if previous in (None, current) else [previous, current]


def _candidates(event: Received[EmployeeSnapshot], state: State, terms: Terms) -> list[EmployeeId]:
    """All of whom it may be."""
    numbers = _numbers(event.data)
    aliases = [state.get(EMPLOYEE_NUMBERS, number) for number in numbers]
    known = {alias.employee_id for alias in aliases if alias is not None}
    return sorted(known | {terms.ids.employee(number) for number in numbers})


def _arrival(event: Received[EmployeeSnapshot]) -> Arrival:
    return Arrival(event.arrived, *event.at)


def _judges(event: Received[EmployeeSnapshot], state: State) -> bool:
    return register_for("", state).judges(_arrival(event))


def _plan(event: Received[EmployeeSnapshot], state: State, terms: Terms) -> _Plan:
    numbers = _numbers(event.data)
    *_, current = numbers
    ids = {number: _employee_id(number, state) for number in numbers}
    if len(numbers) == 1:
        return _Plan(ids[current] or terms.ids.employee(current), numbers)
    previous = numbers[0]
    of_previous, of_current = ids[previous], ids[current]
    if not _judges(event, state):
        return _Plan(_only_one(of_previous, of_current) or terms.ids.employee(previous), numbers)
    if of_previous == of_current is not None:
        return _Plan(of_current, numbers)
    alone = _Plan(of_current or terms.ids.employee(current), [current])
    why = _why_not_linked(event, of_previous, of_current, state)
    if why:
        return alone._replace(pending=PendingLink(previous, current, event.sender, _arrival(event), why))
    return _Plan(of_previous or of_current or terms.ids.employee(previous), numbers)


def _employee_id(number: str, state: State) -> EmployeeId | None:
    alias = state.get(EMPLOYEE_NUMBERS, number)
    return None if alias is None else alias.employee_id


def _only_one(one: EmployeeId | None, other: EmployeeId | None) -> EmployeeId | None:
    if one is not None and other is not None and one != other:
        raise Rejected(
            "previous_employee_number and employee_number belong to two different employees already: "
            "have the two records merged first, then send the event again"
        )
    return one or other


def _why_not_linked(
    event: Received[EmployeeSnapshot],
    of_previous: EmployeeId | None,
    of_current: EmployeeId | None,
    state: State,
) -> str:
    """What a link waits for; empty: it stands at once."""
    previous, current = _numbers(event.data)
    if previous[BIRTH_DATE] != current[BIRTH_DATE]:
        return "an officer: the two numbers have different dates of birth"
    if of_previous is not None and of_current is not None:
        return "an officer: both numbers are registered, as two people"
    owner = of_previous or of_current
    known = None if owner is None else state.get(EMPLOYEES, owner)
    if known is not None and homes(known).home_since(event.sender, _arrival(event)) is None:
        return "the agency of the person that has the other number, or an officer"
    return ""


def _moves_homes(known: Employee, event: Received[EmployeeSnapshot]) -> bool:
    claims = with_claim(known, Claim(event.sender, _arrival(event)))
    return claims is not known.claims and homes(msgspec.structs.replace(known, claims=claims)) != homes(known)


def record_employee(event: Received[EmployeeSnapshot], state: State, terms: Terms) -> Outcome:
    """Kept as its sender's newest word; it stands if the sender is the person's home. A number not seen before becomes an
    alias, and what waited for it is decided."""
    plan = _plan(event, state, terms)
    profile = _profile(event.data)
    digest = terms.ids.content(_JSON.encode(profile))
    known = state.get(EMPLOYEES, plan.employee_id)
    new = [number for number in plan.numbers if state.get(EMPLOYEE_NUMBERS, number) is None]
    if known is not None and new and len(known.numbers) + len(new) > MOST_NUMBERS:
        raise Rejected(
            f"this employee has {len(known.numbers)} numbers, {MOST_NUMBERS} are allowed: "
            "correct previous_employee_number if it is another person's, or leave it out"
        )
    judged = _judges(event, state)
    arrival = _arrival(event)
    snapshot = Snapshot(event.sender if judged else "", profile, event.said_at, digest, arrival)
    before = known or _newcomer(plan, snapshot, terms)
    snapshots, verdict = _with_snapshot(before, snapshot)
    after = msgspec.structs.replace(
        before,
        numbers=_history(before.numbers, plan.numbers),
        claims=with_claim(before, Claim(event.sender, arrival)),
        snapshots=snapshots,
        pending_links=_with_link(before.pending_links, plan.pending),
    )
    after = as_it_stands(after, event, terms, known)
    changes = [
        Put(EMPLOYEE_NUMBERS, EmployeeNumberAlias(id=number, employee_id=plan.employee_id)) for number in new
    ]
    facts: list[Fact] = []
    if after != known:
        changes.append(Put(EMPLOYEES, after))
    if known is None or after.version != known.version:
        facts.append(_recorded(after))
    if known is not None and _moves_homes(known, event):
        more, said = resettled(after, event, state, terms)
        changes += more
        facts += said
    appeared = [terms.ids.lacks_employee(number) for number in new]
    verdict, reason = _told(verdict, event, after, plan)
    return Outcome(verdict, reason, plan.employee_id, digest, changes, facts, appeared)


def _profile(data: EmployeeSnapshot) -> Profile:
    return Profile(
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


def _newcomer(plan: _Plan, snapshot: Snapshot, terms: Terms) -> Employee:
    return Employee(
        id=plan.employee_id,
        numbers=plan.numbers,
        profile=snapshot.profile,
        as_of=snapshot.as_of,
        digest=snapshot.digest,
        version=0,
        home_known=True,
    )


def _with_snapshot(employee: Employee, snapshot: Snapshot) -> tuple[list[Snapshot], Verdict]:
    """The newest of each source, in order of source; and what the new one is among its source's."""
    by_source = {one.source: one for one in snapshots_of(employee)}
    known = by_source.get(snapshot.source)
    verdict = Verdict.ACCEPTED
    if known is not None:
        newer = (snapshot.as_of, snapshot.digest) > (known.as_of, known.digest)
        if known.digest == snapshot.digest:
            verdict = Verdict.DUPLICATE
        elif not newer:
            verdict = Verdict.SUPERSEDED
        if not newer:
            snapshot = known
    by_source[snapshot.source] = snapshot
    return [by_source[source] for source in sorted(by_source)], verdict


def snapshots_of(employee: Employee) -> Sequence[Snapshot]:
    """What is kept of a person from before sources were told apart is what stood."""
    if employee.snapshots or not employee.version:
        return employee.snapshots
    return [Snapshot("", employee.profile, employee.as_of, employee.digest, None)]


def standing_snapshot(employee: Employee) -> Snapshot:
    """The home's; until it sends one, what stood when the register began to judge; else the first claimant's."""
    by_source = {one.source: one for one in employee.snapshots}
    home = homes(employee).home if employee.home_known else None
    for source in (home, "", *(one.agency for one in employee.claims)):
        if source is not None and source in by_source:
            return by_source[source]
    return employee.snapshots[0]


def as_it_stands(
    employee: Employee, event: Received[EmployeeSnapshot], terms: Terms, known: Employee | None
) -> Employee:
    """The person with the snapshot that stands, under the number in force; in a version of its own where readers see a
    difference to what was `known`."""
    stands = standing_snapshot(employee)
    profile = msgspec.structs.replace(stands.profile, employee_number=employee.numbers[-1])
    employee = msgspec.structs.replace(employee, profile=profile, as_of=stands.as_of, digest=stands.digest)
    if known is None:
        return msgspec.structs.replace(employee, version=next_version(0, terms.epoch))
    if profile.email != known.profile.email:
        employee = msgspec.structs.replace(employee, addressed_at=_later(event.now, known.addressed_at))
    if _seen(employee) != _seen(known):
        employee = msgspec.structs.replace(employee, version=next_version(known.version, terms.epoch))
    return employee


def _later(now: datetime, before: datetime | None) -> datetime:
    """Each change has a moment of its own, by which its readers tell it from those that they know: the log gives all
    records of a batch the same one, and another topic may be read late."""
    return now if before is None else max(now, before + _A_MOMENT)


def _seen(employee: Employee) -> object:
    return employee.numbers, employee.profile, _is_held(employee)


def _is_held(employee: Employee) -> bool:
    """Whether two agencies claim the person and nobody has decided. Before the register judges senders nobody could,
    and whose the person is decides nothing."""
    return homes(employee).disputed and any(one.source for one in employee.snapshots)


def resettled(
    employee: Employee, event: Received[EmployeeSnapshot], state: State, terms: Terms
) -> tuple[list[Put], list[Fact]]:
    """What follows for all completions of a person whose homes are others than before."""
    completions = state.all(COMPLETIONS, "employee_id", employee.id)
    changed = [Changed(one, one, event.now, event.traceparent) for one in completions]
    settled = settle(changed, employee, state, terms)
    return list(settled.changes), [fact for fact, _ in settled.facts]


def _with_link(links: list[PendingLink], link: PendingLink | None) -> list[PendingLink]:
    """One a source and pair of numbers: its earliest."""
    if link is None:
        return links
    named = {(one.agency, one.previous, one.number): one for one in links}
    name = (link.agency, link.previous, link.number)
    if name in named and named[name].arrival <= link.arrival:
        return links
    named[name] = link
    return sorted(named.values(), key=lambda one: one.arrival)[:MOST_PENDING_LINKS]


def _history(known: list[str], numbers: list[str]) -> list[str]:
    """Oldest first: a previous number stands before the one that replaced it."""
    *earlier, current = numbers
    history = list(known)
    for number in earlier:
        if number not in history:
            history.insert(history.index(current) if current in history else len(history), number)
    return history if current in history else [*history, current]


def _told(
    verdict: Verdict, event: Received[EmployeeSnapshot], employee: Employee, plan: _Plan
) -> tuple[Verdict, str]:
    waits = f"; previous_employee_number waits for {plan.pending.why}" if plan.pending is not None else ""
    stands = standing_snapshot(employee)
    if stands.source in ("", event.sender):
        if verdict is Verdict.SUPERSEDED:
            return verdict, _newer(stands) + waits
        return verdict, waits.removeprefix("; ")
    whose = homes(employee)
    if verdict is Verdict.DUPLICATE:
        return verdict, ""
    if whose.disputed:
        others = ", ".join(one for one in whose.claimants if one != event.sender)
        return Verdict.SUPERSEDED, (
            f"kept, does not stand: {others} registered this person too; an officer decides whose the person is{waits}"
        )
    return Verdict.SUPERSEDED, (
        f"kept, does not stand: this person is {whose.home}'s; it stands once the person is transferred{waits}"
    )


def _newer(stands: Snapshot) -> str:
    return f"a snapshot of {stands.as_of.isoformat()} stands: where that time is wrong, send this one with a later time"


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
        held=_is_held(employee),
        addressed_at=employee.addressed_at,
    )
    return Fact(payload, employee.id, employee.version, employee.id)
