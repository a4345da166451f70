"""What an agency says of a person: a claim, a snapshot, sometimes a link between two numbers.

All of it is kept. Which snapshot stands follows from whose person it is (homes.py); two sources are never ordered
by time. A number that came with a previous one joins that one's file only by the word of its home, and leaves it when
another agency registers it by itself.
"""

from typing import Final, NamedTuple

import msgspec

from services.enrollment.agencies.documents import AGENCIES, REGISTER, REGISTERS
from services.enrollment.agencies.statements import arrival_of
from services.enrollment.agencies.timeline import effective
from services.enrollment.agencies.trust import trust_of
from services.enrollment.certificates.numbering import Sequences
from services.enrollment.completions.authority import register_for
from services.enrollment.completions.contents import is_reported_under
from services.enrollment.completions.documents import COMPLETIONS, file_of
from services.enrollment.completions.recalculation import Changed, recalculate
from services.enrollment.completions.recalculation_needs import merging_needs, refolding_needs
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.employees.headcount import counted, headcount_needs, moves_counted
from services.enrollment.persons.current import as_it_stands, standing_snapshot, waiting_links
from services.enrollment.persons.documents import (
    EMPLOYEE_NUMBERS,
    EMPLOYEES,
    Claim,
    Employee,
    EmployeeNumberAlias,
    PendingLink,
    Placement,
    Profile,
    Snapshot,
)
from services.enrollment.persons.homes import homes, with_claim, with_placement
from services.enrollment.persons.persons import (
    Person,
    own_numbers,
    person_needs,
    person_of,
    snapshots_of,
)
from services.enrollment.persons.snapshots import newest_of, with_snapshot
from shared.contracts.agency import EmployeeChanged, EmployeeRegistered, EmployeeSnapshot
from shared.contracts.payload import EmployeeId, Payload
from shared.contracts.people import SeparateEmployees
from shared.identity.identifiers import key
from shared.pipeline.context import Context
from shared.pipeline.documents import LOAD, Doc, Needs, State
from shared.pipeline.errors import Rejected
from shared.pipeline.handlers import Handler, Recalculated, handler
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Remove, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waiting_for

_JSON = msgspec.json.Encoder(order="deterministic")
# Of one person. Each arrives as a link between numbers, and all stand in every event about the person.
MAX_NUMBERS: Final = 20
MAX_PENDING_LINKS: Final = 20
BIRTH_DATE: Final = slice(0, 8)
"""Of an employee number: the year, month and day of birth."""
BOTH_REGISTERED: Final = "an officer: both numbers are registered, as two people"


class _Plan(NamedTuple):
    """Whom a snapshot is about."""

    file: EmployeeId
    numbers: list[str]
    """Of this file, by this snapshot: oldest first."""
    linked: str = ""
    """The one of them that joins by the sender's word, if one does."""
    pending: PendingLink | None = None
    leaves: EmployeeId | None = None
    """The file that the number belonged to by a link until now."""


def employee_needs(event: Received[EmployeeSnapshot], state: State, terms: CompletionTerms) -> Needs:
    numbers = _numbers(event.data)
    for number in numbers:
        yield Doc(EMPLOYEE_NUMBERS, number)
    yield Doc(REGISTERS, REGISTER)
    if event.data.home is not None:
        yield Doc(AGENCIES, event.data.home)
    yield LOAD
    for number in numbers:
        if state.get(EMPLOYEE_NUMBERS, number) is None:
            yield from waiting_for(terms.ids.lacks_employee(number))
            yield from headcount_needs(_sender(event, state))
    for file in _candidates(event, state, terms):
        yield from person_needs(file, state)
    plan = _plan(event, state, terms)
    if plan.leaves is not None:
        yield from merging_needs([plan.leaves, plan.file], state, terms)
    person = person_of(plan.file, state)
    if _is_new_to(_sender(event, state), person) or _is_master(event, state):
        yield from headcount_needs(_sender(event, state))
    if person is not None and _moves_homes(person, plan.file, event, state):
        yield from refolding_needs(plan.file, state, terms)


def _is_new_to(agency: str, person: Person | None) -> bool:
    """The agency has never claimed the person, or has let it go."""
    return person is None or agency not in homes(person.whole).claimants


def _sender(event: Received[EmployeeSnapshot], state: State) -> str:
    """Who speaks for it now."""
    return trust_of(state.get(REGISTERS, REGISTER)).heir(event.sender)


def _is_master(event: Received[EmployeeSnapshot], state: State) -> bool:
    """Its sender is an HR master source, whose word is not that of an agency."""
    return event.sender in trust_of(state.get(REGISTERS, REGISTER)).masters


def _numbers(data: EmployeeSnapshot) -> list[str]:
    """The previous one, if there is another, then the one in force."""
    previous, current = data.previous_employee_number, data.employee_number
    return [current] if previous in (None, current) else [previous, current]


def _candidates(event: Received[EmployeeSnapshot], state: State, terms: CompletionTerms) -> list[EmployeeId]:
    """All files that it may be about."""
    numbers = _numbers(event.data)
    aliases = [state.get(EMPLOYEE_NUMBERS, number) for number in numbers]
    known = {
        file for alias in aliases if alias is not None for file in (alias.employee_id, alias.left) if file
    }
    return sorted(known | {terms.ids.employee(number) for number in numbers})


def _judges(event: Received[EmployeeSnapshot], state: State) -> bool:
    return register_for("", state).judges(arrival_of(event))


def _plan(event: Received[EmployeeSnapshot], state: State, terms: CompletionTerms) -> _Plan:
    *earlier, current = numbers = _numbers(event.data)
    aliases = {number: state.get(EMPLOYEE_NUMBERS, number) for number in numbers}
    arrival = arrival_of(event)
    files = {number: None if alias is None else alias.file_at(arrival) for number, alias in aliases.items()}
    if not _judges(event, state):
        known = {file for file in files.values() if file is not None}
        if len(known) > 1:
            raise Rejected(
                "previous_employee_number and employee_number belong to two different employees already: "
                "have the two records merged first, then send the event again"
            )
        return _Plan(known.pop() if known else terms.ids.employee(numbers[0]), numbers)
    alias = aliases[current]
    if alias is not None and alias.linked_by and _is_another_s(event, alias, state):
        link = PendingLink(earlier[0], current, event.sender, arrival, BOTH_REGISTERED) if earlier else None
        return _Plan(terms.ids.employee(current), [current], pending=link, leaves=alias.employee_id)
    own = files[current] or terms.ids.employee(current)
    if not earlier or files[earlier[0]] == own:
        return _Plan(own, [current])
    previous = earlier[0]
    why = _waited(event, own, state) or _why_not_linked(event, files[previous], files[current], state)
    if why:
        link = PendingLink(previous, current, event.sender, arrival, why)
        return _Plan(own, [current], pending=link)
    if files[previous] is None:
        return _Plan(own, numbers, linked=previous)
    return _Plan(files[previous] or own, numbers, linked=current)


def _is_another_s(event: Received[EmployeeSnapshot], alias: EmployeeNumberAlias, state: State) -> bool:
    """The number came to its file by the word of one agency, and another, which is not the person's, registers it; or the
    master source says that it is another agency's person."""
    person = person_of(alias.employee_id, state)
    if event.sender == alias.linked_by or person is None:
        return False
    if _is_master(event, state):
        previous = event.data.previous_employee_number
        return event.data.home not in (None, homes(person.whole).home) and (
            previous not in person.whole.numbers
        )
    return not _is_home(event, alias.employee_id, person)


def _is_home(event: Received[EmployeeSnapshot], file: EmployeeId, person: Person) -> bool:
    """When it arrived: of a link, what comes later changes nothing."""
    return person.home_then(file, arrival_of(event)) == person.trust.heir(event.sender)


def _waited(event: Received[EmployeeSnapshot], own: EmployeeId, state: State) -> str:
    """What the link waits for, where it is read again: a succession since then, which reaches back, does not have it
    stand by itself."""
    person, numbers = person_of(own, state), tuple(_numbers(event.data))
    links = [] if person is None else person.file(own).pending_links
    return next(
        (
            link.why
            for link in links
            if (link.agency, link.previous, link.number) == (event.sender, *numbers)
            and link.waited(arrival_of(event))
        ),
        "",
    )


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
        return BOTH_REGISTERED
    owner = of_previous or of_current
    person = None if owner is None else person_of(owner, state)
    may = person is None or _is_master(event, state)
    if owner is not None and person is not None and not may and not _is_home(event, owner, person):
        return "the agency of the person that has the other number, or an officer"
    return ""


def _moves_homes(person: Person, file_id: str, event: Received[EmployeeSnapshot], state: State) -> bool:
    file = person.file(file_id)
    after = _with_word(file, event, state)
    if after is file:
        return False
    return homes(person.with_file(after).whole) != homes(person.whole) or homes(after) != homes(file)


def _with_word(file: Employee, event: Received[EmployeeSnapshot], state: State) -> Employee:
    """Whose person it is, as the event says: the master source names an agency, all others themselves. The same file
    where that adds nothing."""
    arrival, agency = arrival_of(event), event.data.home
    if not _is_master(event, state):
        claims = with_claim(file, Claim(event.sender, arrival))
        return file if claims is file.claims else msgspec.structs.replace(file, claims=claims)
    if agency is None:
        return file
    placements = with_placement(file, Placement(event.sender, agency, arrival))
    return file if placements is file.placements else msgspec.structs.replace(file, placements=placements)


def record_employee(event: Received[EmployeeSnapshot], state: State, terms: CompletionTerms) -> Outcome:
    """Kept as its sender's newest word; it stands if the sender is the person's home. A number not seen before becomes an
    alias, and what waited for it is decided."""
    plan, arrival = _plan(event, state, terms), arrival_of(event)
    profile = _profile(event.data)
    digest = terms.ids.content(_JSON.encode(profile))
    known = person_of(plan.file, state)
    new = [number for number in plan.numbers if state.get(EMPLOYEE_NUMBERS, number) is None]
    if known is not None and new and len(known.whole.numbers) + len(new) > MAX_NUMBERS:
        raise Rejected(
            f"this employee has {len(known.whole.numbers)} numbers, {MAX_NUMBERS} are allowed: "
            "correct previous_employee_number if it is another person's, or leave it out"
        )
    _check_home(event, state)
    source = event.sender if _judges(event, state) else ""
    snapshot = Snapshot(source, profile, event.said_at, digest, arrival)
    before = known or Person(
        _newcomer(plan, snapshot, event, state), trust=trust_of(state.get(REGISTERS, REGISTER))
    )
    file = before.file(plan.file)
    snapshots, verdict = _with_snapshot(file, snapshot)
    file = msgspec.structs.replace(
        _with_word(with_numbers(file, _history(own_numbers(file), _its(plan, state))), event, state),
        snapshots=snapshots,
        pending_links=_with_link(file.pending_links, plan.pending),
    )
    changes: list[Put | Remove] = [
        Put(EMPLOYEE_NUMBERS, _alias(number, plan, event))
        for number in plan.numbers
        if number in new or plan.leaves is not None or _is_vouched_for(number, event, state)
    ]
    if _judges(event, state) and (put := _counted(event, known, before.with_file(file), state)) is not None:
        changes.append(put)
    context = Context.of(event, state, terms)
    after, more, facts = moved(known, before.with_file(file), context)
    if plan.leaves is not None:
        without, said = _left(plan, plan.leaves, after, event, context)
        changes, facts = [*changes, *without], [*facts, *said]
    if known is not None and _judges(event, state):
        facts = [*facts, *_parted(plan.file, known, event, state)]
    verdict, reason = _told(verdict, event, after, plan)
    reason = "; ".join(filter(None, (reason, event.data.note)))
    unblocks = [terms.ids.lacks_employee(number) for number in new]
    return Outcome(verdict, reason, after.main.id, digest, [*changes, *more], facts, unblocks)


SPOKEN_FOR: Final = "another agency registered its number"


def _parted(
    file_id: EmployeeId, person: Person, event: Received[EmployeeSnapshot], state: State
) -> list[OutgoingEvent]:
    """Orders that take back what an agency's officer merged on the agency's own word alone, once another agency registers
    one of the numbers: else who registered a stranger's number first would have the stranger's record for its own."""
    said_by = {person.trust.heir(claim.agency) for claim in person.file(file_id).claims}
    if _is_master(event, state) or event.sender in said_by or len(said_by) > 1:
        return []
    parted = [
        employee
        for employee in person.merged
        if employee.merges[-1].opd is not None
        and {person.trust.heir(key(employee.merges[-1].opd))} == said_by
        and file_id in (employee.id, person.main.id)
    ]
    return [
        OutgoingEvent(
            SeparateEmployees(employee_id=employee.id, officer="", opd=None, reason=SPOKEN_FOR),
            employee.id,
            employee.version,
            employee.id,
        )
        for employee in parted
    ]


def _its(plan: _Plan, state: State) -> list[str]:
    """Numbers of the file by the snapshot, without those that have left it since."""
    if plan.leaves is not None:
        return plan.numbers
    aliases = {number: state.get(EMPLOYEE_NUMBERS, number) for number in plan.numbers}
    return [number for number, alias in aliases.items() if alias is None or alias.employee_id == plan.file]


def _is_vouched_for(number: str, event: Received[EmployeeSnapshot], state: State) -> bool:
    """It joined its file by the word of an agency, and the master source says the same of it as of the rest."""
    alias = state.get(EMPLOYEE_NUMBERS, number)
    return alias is not None and bool(alias.linked_by) and _is_master(event, state)


def _check_home(event: Received[EmployeeSnapshot], state: State) -> None:
    home = event.data.home
    if home is None or not _is_master(event, state):
        return
    current = effective(state.get(AGENCIES, home))
    if current is None or current.master:
        raise Rejected(
            f"home names {home}, which is no agency of the register: correct it, or have the operator add the agency, "
            "then send this event again",
            alike="home names no agency of the register",
        )


def _counted(
    event: Received[EmployeeSnapshot], known: Person | None, person: Person, state: State
) -> Put | None:
    if _is_master(event, state):
        return moves_counted(event.sender, known, person, arrival_of(event), state)
    sender = _sender(event, state)
    return counted(sender, 1, state) if _is_new_to(sender, known) else None


def _alias(number: str, plan: _Plan, event: Received[EmployeeSnapshot]) -> EmployeeNumberAlias:
    if plan.leaves is not None:
        return EmployeeNumberAlias(number, plan.file, left=plan.leaves, left_at=arrival_of(event))
    if number != plan.linked:
        return EmployeeNumberAlias(id=number, employee_id=plan.file)
    return EmployeeNumberAlias(number, plan.file, event.sender, arrival_of(event), _numbers(event.data))


def _profile(data: EmployeeSnapshot) -> Profile:
    return Profile(
        employee_number=data.employee_number,
        name=data.name,
        email=data.email,
        language=data.language or "id",
        employment_type=data.employment_type.value,
        golongan=data.golongan,
        pangkat=data.pangkat,
        jabatan=data.jabatan,
        unit_kerja=data.unit_kerja,
        opd=data.opd,
        supervisor_number=data.supervisor_number,
    )


def _newcomer(plan: _Plan, snapshot: Snapshot, event: Received[EmployeeSnapshot], state: State) -> Employee:
    """A file begins. Where its number leaves another one, whoever linked it there has claimed it first."""
    made = Employee(
        id=plan.file,
        numbers=plan.numbers,
        profile=snapshot.profile,
        as_of=snapshot.as_of,
        digest=snapshot.digest,
        version=0,
        home_known=True,
    )
    alias = state.get(EMPLOYEE_NUMBERS, event.data.employee_number)
    of = None if plan.leaves is None else person_of(plan.leaves, state)
    if alias is None or of is None or alias.linked_at is None:
        return made
    linked = [
        reported
        for reported in of.whole.snapshots
        if reported.source == alias.linked_by and reported.profile.employee_number == alias.id
    ]
    return msgspec.structs.replace(
        made,
        claims=[Claim(alias.linked_by, alias.linked_at)],
        snapshots=linked,
        split_from=plan.leaves,
        pending_links=[link for link in _links_of(alias) if link.number == alias.id],
    )


def _links_of(alias: EmployeeNumberAlias) -> list[PendingLink]:
    """What said that the number, which leaves, belongs to the file that it leaves: it waits from now on, at the later
    number of the two."""
    if not alias.link or alias.linked_at is None:
        return []
    previous, number = alias.link
    return [PendingLink(previous, number, alias.linked_by, alias.linked_at, BOTH_REGISTERED)]


def _left(
    plan: _Plan,
    file_id: EmployeeId,
    owner: Person,
    event: Received[EmployeeSnapshot],
    context: Context[CompletionTerms],
) -> tuple[list[Put | Remove], list[OutgoingEvent]]:
    """The file that the number belonged to, without it; what was reported under the number goes along to its owner."""
    state = context.state
    person = person_of(file_id, state)
    assert person is not None
    file = person.file(file_id)
    numbers = [number for number in own_numbers(file) if number not in plan.numbers]
    file = with_numbers(file, numbers)
    alias = state.get(EMPLOYEE_NUMBERS, event.data.employee_number)
    for link in [] if alias is None else _links_of(alias):
        if link.previous == event.data.employee_number:
            file = msgspec.structs.replace(file, pending_links=_with_link(file.pending_links, link))
    after, facts = as_it_stands(person, person.with_file(file), context)
    changed = [
        Changed(
            completion,
            msgspec.structs.replace(completion, employee_id=owner.main.id, file=""),
            event.now,
            event.traceparent,
        )
        for completion in state.all(COMPLETIONS, "employee_id", person.main.id)
        if file_of(completion) == file_id and is_reported_under(event.data.employee_number, completion)
    ]
    recalculated = recalculate(changed, owner, context)
    changes: list[Put | Remove] = [*(Put(EMPLOYEES, file) for file in after.files), *recalculated.changes]
    return changes, [*facts, *(fact for fact, _ in recalculated.facts)]


def with_numbers(file: Employee, numbers: list[str]) -> Employee:
    """`numbers`: those registered under this file."""
    if file.own_numbers:
        return msgspec.structs.replace(file, own_numbers=numbers)
    return msgspec.structs.replace(file, numbers=numbers)


def _with_snapshot(file: Employee, snapshot: Snapshot) -> tuple[list[Snapshot], Verdict]:
    """Those that are kept; and what the new one is among its source's."""
    snapshots = snapshots_of(file)
    newest = newest_of(snapshots)
    # "": what stands already from before sources were told apart.
    known = newest.get(snapshot.source)
    copied = newest.get("") if known is None else known
    verdict = Verdict.ACCEPTED
    if copied is not None and copied.digest == snapshot.digest:
        verdict = Verdict.DUPLICATE
    elif known is not None and (snapshot.as_of, snapshot.digest) < (known.as_of, known.digest):
        verdict = Verdict.SUPERSEDED
    return with_snapshot(snapshots, snapshot), verdict


def moved(
    known: Person | None,
    person: Person,
    context: Context[CompletionTerms],
    sequences: Sequences | None = None,
) -> tuple[Person, list[Put | Remove], list[OutgoingEvent]]:
    """What is written and told when somebody said something about a person: it as it stands, and its completions where
    somebody else may speak of them than before. `sequences`: see `recalculate`."""
    after, facts = as_it_stands(known, person, context)
    files = {} if known is None else {file.id: file for file in known.files}
    changes: list[Put | Remove] = [Put(EMPLOYEES, file) for file in after.files if file != files.get(file.id)]
    if known is not None and _who_may(after) != _who_may(known):
        now, traceparent = context.now, context.traceparent
        completions = context.state.all(COMPLETIONS, "employee_id", after.main.id)
        changed = [Changed(completion, completion, now, traceparent) for completion in completions]
        recalculated = recalculate(changed, after, context, sequences)
        changes += recalculated.changes
        facts = [*facts, *(fact for fact, _ in recalculated.facts)]
    return after, changes, facts


def _who_may(person: Person) -> object:
    return [homes(person.whole), *(homes(file) for file in person.files)]


def _with_link(links: list[PendingLink], link: PendingLink | None) -> list[PendingLink]:
    """One a source and pair of numbers: its earliest, with its latest copy's arrival. None shuts out another source's."""
    if link is None:
        return links
    named = {(pending.agency, pending.previous, pending.number): pending for pending in links}
    name = (link.agency, link.previous, link.number)
    named[name] = link if name not in named else _joined(named[name], link)
    by_age = sorted(named.values(), key=lambda one: one.arrival)
    own = [pending for pending in by_age if pending.agency == link.agency][:MAX_PENDING_LINKS]
    return [pending for pending in by_age if pending.agency != link.agency or pending in own]


def _joined(known: PendingLink, link: PendingLink) -> PendingLink:
    first = min(known, link, key=lambda one: one.arrival)
    latest = max(arrival for arrival in (known.arrival, known.again, link.arrival) if arrival is not None)
    return msgspec.structs.replace(first, again=None if latest == first.arrival else latest)


def _history(known: list[str], numbers: list[str]) -> list[str]:
    """Oldest first: a previous number stands before the one that replaced it."""
    if not numbers:
        return known
    *earlier, current = numbers
    history = list(known)
    for number in earlier:
        if number not in history:
            history.insert(history.index(current) if current in history else len(history), number)
    return history if current in history else [*history, current]


def _told(
    verdict: Verdict, event: Received[EmployeeSnapshot], person: Person, plan: _Plan
) -> tuple[Verdict, str]:
    whole = person.whole
    whose, current = homes(whole), standing_snapshot(whole)
    sender = person.trust.heir(event.sender)
    waits, disputed = _waits(plan, person, whole), ""
    if sender in whose.choices:
        others = ", ".join(choice for choice in whose.choices if choice != sender)
        disputed = (
            f"{others} registered this person too: mails wait until an officer, or the person, says whose it is"
            if others
            else "the person had left by its agency's word: mails wait until an officer, or the person, says whose it is"
        )
    if current.source in ("", sender) or event.sender in person.trust.masters:
        newer = _newer(current) if verdict is Verdict.SUPERSEDED else ""
        return verdict, "; ".join(filter(None, (newer, disputed, waits)))
    if verdict is Verdict.DUPLICATE:
        return verdict, "; ".join(filter(None, (disputed, waits)))
    if disputed:
        why = f"kept, does not stand: {disputed}"
    elif whose.home is None and whose.placed_by:
        why = f"kept, does not stand: by {whose.placed_by} the person has left; have that corrected there"
    elif whose.home is None:
        why = "kept, does not stand: nobody has this person now"
    else:
        why = f"kept, does not stand: this person is {whose.home}'s; it stands once the person is transferred"
    return Verdict.SUPERSEDED, "; ".join(filter(None, (why, waits)))


def _waits(plan: _Plan, person: Person, whole: Employee) -> str:
    """What is said of its link, unless somebody has decided about that."""
    link = plan.pending
    if link is None or not any(
        (waiting.agency, waiting.previous, waiting.number) == (link.agency, link.previous, link.number)
        for waiting in waiting_links(person, whole)
    ):
        return ""
    return f"previous_employee_number waits for {link.why}"


def _newer(current: Snapshot) -> str:
    return f"a snapshot of {current.as_of.isoformat()} stands: where that time is wrong, send this one with a later time"


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    EmployeeRegistered: handler(employee_needs, record_employee, recalculated=Recalculated.LOOKED_AT),
    EmployeeChanged: handler(employee_needs, record_employee, recalculated=Recalculated.LOOKED_AT),
}
