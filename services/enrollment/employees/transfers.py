"""Whose person somebody is, as it is withdrawn, decided, and worked out for people from before it was noted."""

from collections import Counter
from typing import Final

import msgspec

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Arrival
from services.enrollment.agencies.statements import arrival_of
from services.enrollment.certificates.numbering import Sequences
from services.enrollment.completions.reasons import NOT_KNOWN_YET
from services.enrollment.completions.recalculation_needs import refolding_needs
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.employees.headcount import (
    headcount_needs,
    is_of_the_day,
    more_people,
    moves_counted,
    recounted,
    recounting_needs,
)
from services.enrollment.employees.registration import moved
from services.enrollment.persons.documents import (
    EMPLOYEE_NUMBERS,
    EMPLOYEES,
    HEADCOUNTS,
    Claim,
    Confirmation,
    Employee,
    Placement,
    Withdrawal,
)
from services.enrollment.persons.homes import MISTAKE, homes, with_claim, with_placement
from services.enrollment.persons.persons import Person, person_needs, person_of
from shared.contracts.agency import EmployeeReleased
from shared.contracts.payload import Payload
from shared.contracts.people import AdoptHomes, ConfirmHome
from shared.identity.identifiers import key
from shared.pipeline.context import Context
from shared.pipeline.documents import LOAD, Doc, Needs, State
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Remove, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waits_for

_JSON = msgspec.json.Encoder(order="deterministic")
MAX_WITHDRAWALS: Final = 6
"""Of one person by one agency."""
MAX_CONFIRMATIONS: Final = 20
"""Of one person, by officers of agencies, and as many by the person: none of them shuts out who acts for all."""
MAX_BY_ALL: Final = 40


# An agency takes a person back, or says that it is no more its own.


def leaving_needs(event: Received[EmployeeReleased], state: State, terms: CompletionTerms) -> Needs:
    number = event.data.employee_number
    yield Doc(EMPLOYEE_NUMBERS, number)
    yield LOAD
    alias = state.get(EMPLOYEE_NUMBERS, number)
    if alias is None:
        yield waits_for(terms.ids.lacks_employee(number))
        return
    file = alias.file_at(arrival_of(event))
    yield from refolding_needs(file, state, terms)
    yield from recounting_needs(person_of(file, state), event.sender)


def take_leave(event: Received[EmployeeReleased], state: State, terms: CompletionTerms) -> Outcome:
    """Kept whoever says it; it ends what the same agency claims, and nothing else. The master source's word ends all."""
    data = event.data
    alias = state.get(EMPLOYEE_NUMBERS, data.employee_number)
    person = None if alias is None else person_of(alias.file_at(arrival_of(event)), state)
    if alias is None or person is None:
        raise Waiting(
            terms.ids.lacks_employee(data.employee_number),
            NOT_KNOWN_YET,
        )
    known = person.file(alias.file_at(arrival_of(event)))
    subject = person.main.id
    content = terms.ids.content(_JSON.encode((known.id, event.sender, data.reason)))
    if event.sender in person.trust.masters:
        return _placed_nowhere(event, known, person, content, Context.of(event, state, terms))
    withdrawal = Withdrawal(event.sender, arrival_of(event), data.reason)
    if withdrawal in known.withdrawals:
        return Outcome(Verdict.DUPLICATE, "said before", subject, content)
    own = [withdrawal for withdrawal in known.withdrawals if withdrawal.agency == event.sender]
    if len(own) >= MAX_WITHDRAWALS:
        raise Rejected(
            f"{event.sender} has withdrawn this person {MAX_WITHDRAWALS} times, no more are taken: "
            "ask the operator to look at it"
        )
    sender = person.trust.heir(event.sender)
    claimed = sender in homes(person.whole).claimants
    withdrawals = sorted([*known.withdrawals, withdrawal], key=lambda one: one.arrival)
    after = person.with_file(msgspec.structs.replace(known, withdrawals=withdrawals))
    _, changes, facts = moved(person, after, Context.of(event, state, terms))
    if data.reason == MISTAKE or not is_of_the_day(sender, person, withdrawal.arrival):
        changes += recounted(person, after, state)
    whose = homes(after.whole)
    if not claimed:
        reason = f"noted; the person was not {event.sender}'s"
    else:
        reason = f"noted; whose person it is, {whose.placed_by} says" if whose.placed_by else ""
    return Outcome(Verdict.ACCEPTED, reason, subject, content, changes, facts)


def _placed_nowhere(
    event: Received[EmployeeReleased],
    known: Employee,
    person: Person,
    content: bytes,
    context: Context[CompletionTerms],
) -> Outcome:
    placement = Placement(event.sender, "", arrival_of(event), event.data.reason)
    if placement in known.placements:
        return Outcome(Verdict.DUPLICATE, "said before", person.main.id, content)
    after = person.with_file(msgspec.structs.replace(known, placements=with_placement(known, placement)))
    put = moves_counted(event.sender, person, after, placement.arrival, context.state)
    _, changes, facts = moved(person, after, context)
    changes += [] if put is None else [put]
    return Outcome(Verdict.ACCEPTED, "", person.main.id, content, changes, facts)


# An officer decides.


def confirming_needs(event: Received[ConfirmHome], state: State, terms: CompletionTerms) -> Needs:
    yield from refolding_needs(event.data.employee_id, state, terms)
    yield from recounting_needs(person_of(event.data.employee_id, state), event.data.agency)


def confirm_home(event: Received[ConfirmHome], state: State, terms: CompletionTerms) -> Outcome:
    """By an officer who acts for all, or for the agency that lets the person go; or by the person, of agencies that
    dispute it."""
    data = event.data
    person = person_of(data.employee_id, state)
    content = terms.ids.content(
        _JSON.encode(
            (
                data.employee_id,
                data.agency,
                data.reason,
                data.officer,
                data.opd,
                *([True] if data.own else []),
            )
        )
    )
    if person is None:
        return _refused("not-found", "there is no employee of this id", data.employee_id, content)
    known = person.file(data.employee_id)
    earlier = next(
        (confirmation for confirmation in known.confirmations if confirmation.command == event.id), None
    )
    if earlier is not None:
        if (earlier.agency, earlier.by, earlier.opd, earlier.reason) == (
            data.agency, data.officer, data.opd, data.reason,
        ):  # fmt: skip
            return Outcome(Verdict.DUPLICATE, "done before", known.id, content, answer=_answer(person))
        return _refused(
            "idempotency-key-reused",
            "this Idempotency-Key was used for another request: take a new key",
            known.id,
            content,
        )
    like = [
        confirmation
        for confirmation in known.confirmations
        if (confirmation.own, confirmation.opd is None) == (data.own, data.opd is None)
    ]
    most = MAX_BY_ALL if data.opd is None and not data.own else MAX_CONFIRMATIONS
    if len(like) >= most:
        return _refused(
            "refused", f"{most} such decisions about this person are kept: no more", known.id, content
        )
    confirmation = Confirmation(
        data.agency, arrival_of(event), event.id, data.officer, data.opd, data.reason, data.own
    )
    confirmations = sorted([*known.confirmations, confirmation], key=lambda one: one.arrival)
    after = person.with_file(msgspec.structs.replace(known, confirmations=confirmations))
    whose = homes(person.whole)
    if homes(after.whole) == whose and whose.placed_by:
        reason = f"{whose.placed_by} says whose person this is: have it corrected there"
        return _refused("refused", reason, known.id, content)
    if homes(after.whole) == whose and data.own:
        reason = f"{data.agency} is not one of several agencies that dispute whose person you are"
        return _refused("refused", reason, known.id, content)
    has_no_say = data.opd is not None and (whose.home != data.agency or key(data.opd) != whose.home)
    if homes(after.whole) == whose and has_no_say:
        reason = (
            "the person is another agency's: its officer lets the person go, or one who acts for all decides"
        )
        return _refused("not-your-agency", reason, known.id, content)
    before = person
    after, changes, facts = moved(person, after, Context.of(event, state, terms))
    changes += recounted(before, after, state)
    return Outcome(Verdict.ACCEPTED, "", known.id, content, changes, facts, answer=_answer(after))


def _refused(problem: str, reason: str, subject: str, content: bytes) -> Outcome:
    return Outcome(Verdict.REFUSED, reason, subject, content, answer={"problem": problem})


def _answer(person: Person) -> dict[str, str | int | bool | None]:
    return {"employee_id": person.main.id, "agency": homes(person.whole).home}


# People from before homes were noted.


def adoption_needs(event: Received[AdoptHomes], state: State, terms: CompletionTerms) -> Needs:
    ids = [*(home.employee_id for home in event.data.homes), *event.data.unknown]
    yield Doc(REGISTERS, REGISTER)
    for id in ids:
        yield from person_needs(id, state)
    for agency in {home.agency for home in event.data.homes}:
        yield from headcount_needs(agency)
    yield LOAD
    register = state.get(REGISTERS, REGISTER)
    if register is not None and register.judges_from is not None:
        for id in ids:
            yield from refolding_needs(id, state, terms)


def adopt_homes(event: Received[AdoptHomes], state: State, terms: CompletionTerms) -> Outcome:
    """The first who reported a person is the home, provisionally; where it is known already nothing changes."""
    register = state.get(REGISTERS, REGISTER)
    judging = register is not None and register.judges_from is not None
    changes: list[Put | Remove] = []
    facts: list[OutgoingEvent] = []
    adopted: Counter[str] = Counter()
    sequences: Sequences = {}
    context = Context.of(event, state, terms)
    claims = {
        home.employee_id: Claim(home.agency, Arrival(home.arrived, home.topic, home.partition, home.offset))
        for home in event.data.homes
    }
    for id in [*claims, *event.data.unknown]:
        person = person_of(id, state)
        known = None if person is None else person.file(id)
        if person is None or known is None or known.home_known:
            continue
        after = msgspec.structs.replace(
            known, home_known=True, claims=with_claim(known, claims[id]) if id in claims else known.claims
        )
        if judging:
            _, more, said = moved(person, person.with_file(after), context, sequences)
            changes += more
            facts += said
        else:
            changes.append(Put(EMPLOYEES, after))
        if id in claims:
            adopted[claims[id].agency] += 1
    # Those who are there are there, however many.
    changes += [Put(HEADCOUNTS, more_people(agency, count, state)) for agency, count in adopted.items()]
    return Outcome(Verdict.ACCEPTED if changes else Verdict.NOTHING, changes=changes, facts=facts)


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    EmployeeReleased: handler(leaving_needs, take_leave),
    ConfirmHome: handler(confirming_needs, confirm_home),
    AdoptHomes: handler(adoption_needs, adopt_homes),
}
