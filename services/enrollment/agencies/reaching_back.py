"""The decisions about an agency that reach back: whether its word counts, and who took its place.

They change the register alone. People and completions that follow from it are folded anew by the sweep (sweep.py).
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from services.enrollment.agencies.documents import (
    AGENCIES,
    DISTRUSTED,
    LOCK,
    REGISTER,
    REGISTERS,
    SUBJECT,
    SUCCEEDED,
    TRUSTED,
    Agency,
    Distrust,
    Register,
    Said,
    Statement,
    Succession,
)
from services.enrollment.agencies.statements import REUSED, arrival_of, next_register, said_before
from services.enrollment.agencies.timeline import effective, with_statement
from services.enrollment.terms import Terms
from shared.contracts.payload import Payload
from shared.contracts.register import DistrustAgency, ReplaceAgency, TrustAgency
from shared.pipeline.documents import Doc, Lock, Needs, State
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, Put, Remove, Verdict
from shared.pipeline.records import Received

About = TypeVar("About", DistrustAgency, TrustAgency, ReplaceAgency)
_JSON = msgspec.json.Encoder(order="deterministic")
MAX_STATEMENTS: Final = 50
"""Of each kind, of all agencies: every decision looks at them."""


def agency_needs(event: Received[About], state: State, terms: Terms) -> Needs:
    yield Lock(LOCK)
    yield Doc(REGISTERS, REGISTER)
    yield Doc(AGENCIES, event.data.code)
    if isinstance(event.data, ReplaceAgency):
        yield Doc(AGENCIES, event.data.heir)


def distrust_agency(event: Received[DistrustAgency], state: State, terms: Terms) -> Outcome:
    data = event.data
    register = next_register(state, terms)
    if data.since > event.now or (data.until is not None and data.until <= data.since):
        return _refused("refused", "the time must begin before now, and end after it began", event, terms)
    agency = state.get(AGENCIES, data.code)
    if agency is not None and (holds := _says_so_already(agency, event)) is not None:
        reason = f"so already: decision {holds} says it, and holds"
        return _outcome(Verdict.DUPLICATE, reason, agency, event, terms, decision=holds)
    if len(register.distrusts) >= MAX_STATEMENTS:
        return _refused("refused", f"{MAX_STATEMENTS} distrusts are kept: no more", event, terms)
    said = Distrust(event.id, data.code, data.since, data.until, register.generation)
    register = msgspec.structs.replace(register, distrusts=[*register.distrusts, said])
    statement = _statement(event, DISTRUSTED, Said(since=data.since, until=data.until))
    return _decide(event, statement, register, state, terms)


def _says_so_already(agency: Agency, event: Received[DistrustAgency]) -> str | None:
    """The decision that distrusts it over just this time already: two of them would have to be taken back both. As of
    the order's arrival, so that one which is read again after the other was taken back still is no distrust of its
    own."""
    if said_before(agency.statements, _statement(event, DISTRUSTED, Said())) is not None:
        return None
    time = (event.data.since, event.data.until)
    earlier = [statement for statement in agency.statements if statement.arrival < arrival_of(event)]
    lifted = {statement.said.distrust for statement in earlier if statement.kind == TRUSTED}
    return next(
        (
            statement.command
            for statement in earlier
            if statement.kind == DISTRUSTED
            and (statement.said.since, statement.said.until) == time
            and statement.command not in lifted
        ),
        None,
    )


def trust_agency(event: Received[TrustAgency], state: State, terms: Terms) -> Outcome:
    """Takes a distrust back: all counts as if it had never been said, but for what others hold over its time."""
    data = event.data
    register = next_register(state, terms)
    known = next(
        (
            distrust
            for distrust in register.distrusts
            if (distrust.command, distrust.agency) == (data.distrust, data.code)
        ),
        None,
    )
    agency = state.get(AGENCIES, data.code)
    # By arrival: decided again in a replay, what came before a distrust must not lift it.
    before = agency is not None and any(
        statement.command == data.distrust and statement.arrival < arrival_of(event)
        for statement in agency.statements
    )
    if known is None or not before:
        return _refused("not-found", "the agency was not distrusted by that decision", event, terms)
    if known.lifted and agency is not None:
        others = _others(known, register)
        reason = "taken back already" + others if others else "all of that counts again already"
        return _outcome(Verdict.DUPLICATE, reason, agency, event, terms)
    lifted = msgspec.structs.replace(known, lifted=True, generation=register.generation)
    register = msgspec.structs.replace(
        register, distrusts=[lifted if distrust is known else distrust for distrust in register.distrusts]
    )
    statement = _statement(event, TRUSTED, Said(distrust=data.distrust))
    return _decide(event, statement, register, state, terms, others=_others(lifted, register))


def _others(distrust: Distrust, register: Register) -> str:
    """What still holds over some of its time, in words; empty: nothing."""
    held = [
        other.command
        for other in register.distrusts
        if other.agency == distrust.agency
        and other.command != distrust.command
        and not other.lifted
        and (other.until is None or distrust.since < other.until)
        and (distrust.until is None or other.since < distrust.until)
    ]
    if not held:
        return ""
    return f"; still distrusted over some of that time, or all of it, by decision {', '.join(held)}"


def replace_agency(event: Received[ReplaceAgency], state: State, terms: Terms) -> Outcome:
    """People, bodies, numbers and completions of the one are the other's, without being touched."""
    data = event.data
    register = next_register(state, terms)
    heir = effective(state.get(AGENCIES, data.heir), before=arrival_of(event))
    if data.code == data.heir or heir is None:
        return _refused("refused", "the heir must be another agency that the register has", event, terms)
    met = effective(state.get(AGENCIES, data.code), before=arrival_of(event))
    if met is not None and met.master is not heir.master:
        # What it says would come to be an agency's word, or an agency's the word about everybody.
        source = data.heir if heir.master else data.code
        reason = f"{source} is an HR master source and no agency: an agency's heir is an agency, a source's a source"
        return _refused("refused", reason, event, terms)
    if any(succession.agency == data.code for succession in register.successions):
        # Said again by the same command it is a duplicate, below.
        if not any(succession.command == event.id for succession in register.successions):
            return _refused("refused", "another agency took its place already", event, terms)
    elif _heir_of(data.heir, register) == data.code:
        return _refused("refused", "the heir itself was taken over by this agency", event, terms)
    if len(register.successions) >= MAX_STATEMENTS:
        return _refused("refused", f"{MAX_STATEMENTS} successions are kept: no more", event, terms)
    said = Succession(event.id, data.code, data.heir, register.generation)
    register = msgspec.structs.replace(register, successions=[*register.successions, said])
    statement = _statement(event, SUCCEEDED, Said(heir=data.heir))
    return _decide(event, statement, register, state, terms)


def _heir_of(code: str, register: Register) -> str:
    heirs = {succession.agency: succession.heir for succession in register.successions}
    while code in heirs:
        code = heirs[code]
    return code


def _decide(
    event: Received[About],
    statement: Statement,
    register: Register,
    state: State,
    terms: Terms,
    *,
    others: str = "",
) -> Outcome:
    """`others`: what else still holds, in words."""
    data = event.data
    known = state.get(AGENCIES, data.code)
    if known is None:
        return _refused(
            "not-found",
            "the register has no agency of this code: `kompeten agency list` shows them",
            event,
            terms,
        )
    same = said_before(known.statements, statement)
    if same is False:
        return _refused(*REUSED, event, terms)
    if same:
        return _outcome(Verdict.DUPLICATE, "done before", known, event, terms)
    agency = with_statement(known, data.code, statement)
    changes: list[Put | Remove] = [Put(AGENCIES, agency), Put(REGISTERS, register)]
    return _outcome(Verdict.ACCEPTED, others.removeprefix("; "), agency, event, terms, changes=changes)


def _statement(event: Received[About], kind: str, said: Said) -> Statement:
    return Statement(event.id, arrival_of(event), kind, said, event.data.operator, event.data.reason)


def _outcome(
    verdict: Verdict,
    reason: str,
    agency: Agency,
    event: Received[About],
    terms: Terms,
    *,
    changes: Sequence[Put | Remove] = (),
    decision: str = "",
) -> Outcome:
    """`decision`: the one that says it, where that is another."""
    answer: dict[str, str | int | bool | None] = {"code": agency.id, "decision": decision or event.id}
    return Outcome(verdict, reason, SUBJECT + agency.id, _content(event, terms), changes, answer=answer)


def _refused(problem: str, reason: str, event: Received[About], terms: Terms) -> Outcome:
    return Outcome(
        Verdict.REFUSED,
        reason,
        SUBJECT + event.data.code,
        _content(event, terms),
        answer={"problem": problem},
    )


def _content(event: Received[About], terms: Terms) -> bytes:
    return terms.ids.content(_JSON.encode(event.data.model_dump(mode="json")))


HANDLERS: dict[type[Payload], Handler[Terms]] = {
    DistrustAgency: handler(agency_needs, distrust_agency),
    TrustAgency: handler(agency_needs, trust_agency),
    ReplaceAgency: handler(agency_needs, replace_agency),
}
