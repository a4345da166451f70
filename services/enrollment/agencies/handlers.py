"""The register's decisions: each command that is accepted becomes a statement, dated by its arrival.

All commands share one key, so they stand in the log in the order in which operators gave them.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from services.enrollment.agencies.documents import (
    ADDED,
    AGENCIES,
    CHANGED,
    LOCK,
    REGISTER,
    REGISTERS,
    RESUMED,
    SUBJECT,
    SUSPENDED,
    Agency,
    Binding,
    Quota,
    Register,
    Said,
    Statement,
    lacks_pace,
    lacks_room,
)
from services.enrollment.agencies.statements import REUSED, arrival_of, next_register, said_before
from services.enrollment.agencies.timeline import Effective, after, effective, with_statement
from services.enrollment.terms import Terms
from shared.contracts.payload import Payload
from shared.contracts.register import AddAgency, BeginRegister, ChangeAgency, ResumeAgency, SuspendAgency
from shared.pipeline.documents import Doc, Lock, Needs, State
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, Put, Remove, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waiting_for

AboutOne = TypeVar("AboutOne", AddAgency, ChangeAgency, SuspendAgency, ResumeAgency)
_JSON = msgspec.json.Encoder(order="deterministic")

# Operators' commands, each about one agency.


def agency_needs(event: Received[AboutOne], state: State, terms: Terms) -> Needs:
    yield Lock(LOCK)
    yield Doc(REGISTERS, REGISTER)
    yield Doc(AGENCIES, event.data.code)
    if isinstance(event.data, ChangeAgency):
        for lacked in _given_room(event.data):
            yield from waiting_for(lacked)


def add_agency(event: Received[AddAgency], state: State, terms: Terms) -> Outcome:
    """The same again changes nothing; a code that is taken by an agency with other particulars is refused."""
    return _decide(event, _statement(event, ADDED, _said(event.data)), state, terms)


def change_agency(event: Received[ChangeAgency], state: State, terms: Terms) -> Outcome:
    outcome = _decide(event, _statement(event, CHANGED, _said(event.data), event.data.reason), state, terms)
    if outcome.verdict is not Verdict.ACCEPTED:
        return outcome
    return msgspec.structs.replace(outcome, unblocks=_given_room(event.data))


def _given_room(data: ChangeAgency) -> list[str]:
    """What waited for it may go on."""
    found = [] if data.headcount is None else [lacks_room(data.code)]
    return found if data.moves_per_hour is None else [*found, lacks_pace(data.code)]


def suspend_agency(event: Received[SuspendAgency], state: State, terms: Terms) -> Outcome:
    return _decide(event, _statement(event, SUSPENDED, Said(), event.data.reason), state, terms)


def resume_agency(event: Received[ResumeAgency], state: State, terms: Terms) -> Outcome:
    return _decide(event, _statement(event, RESUMED, Said(), event.data.reason), state, terms)


def _decide(event: Received[AboutOne], statement: Statement, state: State, terms: Terms) -> Outcome:
    code = event.data.code
    known = state.get(AGENCIES, code)
    met = effective(known, before=statement.arrival)
    content = terms.ids.content(_JSON.encode((code, statement.kind, statement.said, statement.reason)))
    if (refusal := _refusal(known, met, statement)) is not None:
        problem, reason = refusal
        return Outcome(Verdict.REFUSED, reason, SUBJECT + code, content, answer={"problem": problem})
    if known is not None and said_before(known.statements, statement):
        return _outcome(Verdict.DUPLICATE, "done before", effective(known), content)
    if met is not None and _nothing_new(met, statement):
        return _outcome(Verdict.DUPLICATE, "the register says so already", effective(known), content)
    agency = with_statement(known, code, statement)
    register: Register = next_register(state, terms)
    if statement.said.master:
        register = msgspec.structs.replace(register, masters=sorted({*register.masters, code}))
    changes: list[Put | Remove] = [Put(AGENCIES, agency), Put(REGISTERS, register)]
    return _outcome(Verdict.ACCEPTED, "", effective(agency), content, changes)


def _refusal(known: Agency | None, met: Effective | None, statement: Statement) -> tuple[str, str] | None:
    """Slug of the problem, and a sentence."""
    if known is not None and (same := said_before(known.statements, statement)) is not None:
        return None if same else REUSED
    if met is None and statement.kind != ADDED:
        return "not-found", "the register has no agency of this code: `kompeten agency list` shows them"
    if met is not None and statement.kind == ADDED and not _nothing_new(met, statement):
        return "refused", "the register has this agency with other particulars: change it instead"
    return None


def _nothing_new(met: Effective, statement: Statement) -> bool:
    # Adding says nothing about the state of an agency that is there.
    kind = CHANGED if statement.kind == ADDED else statement.kind
    return after(met, met.code, msgspec.structs.replace(statement, kind=kind)) == met


def _statement(event: Received[AboutOne], kind: str, said: Said, reason: str = "") -> Statement:
    return Statement(event.id, arrival_of(event), kind, said, event.data.operator, reason)


def _said(data: AddAgency | ChangeAgency) -> Said:
    bindings, users, quota = data.token_bindings, data.kafka_users, data.quota
    return Said(
        name=data.name,
        name_en=data.name_en,
        contact=data.contact,
        bindings=None
        if bindings is None
        else [Binding(binding.issuer, sorted(binding.client_ids)) for binding in bindings],
        kafka_users=None if users is None else list(users),
        quota=None if quota is None else Quota(quota.bytes_per_s, quota.request_percent),
        headcount=data.headcount,
        # Only from its first statement on, so that it has said nothing as an agency before.
        master=True if isinstance(data, AddAgency) and data.master else None,
        moves_per_hour=data.moves_per_hour,
    )


def _outcome(
    verdict: Verdict,
    reason: str,
    current: Effective | None,
    content: bytes,
    changes: Sequence[Put | Remove] = (),
) -> Outcome:
    assert current is not None, "an agency is made by its first statement"
    answer: dict[str, str | int | bool | None] = {"code": current.code, "state": current.state}
    return Outcome(verdict, reason, SUBJECT + current.code, content, changes, answer=answer)


# How the register begins.


def beginning_needs(event: Received[BeginRegister], state: State, terms: Terms) -> Needs:
    yield Lock(LOCK)
    yield Doc(REGISTERS, REGISTER)
    for code in event.data.codes:
        yield Doc(AGENCIES, code)


def begin_register(event: Received[BeginRegister], state: State, terms: Terms) -> Outcome:
    """Once, and of those alone that nobody has added yet."""
    known = state.get(REGISTERS, REGISTER)
    if known is not None and known.begun:
        return Outcome(Verdict.NOTHING, "the register has begun already", SUBJECT)
    new = [code for code in event.data.codes if state.get(AGENCIES, code) is None]
    register = msgspec.structs.replace(next_register(state, terms), begun=True)
    changes: list[Put | Remove] = [
        Put(AGENCIES, Agency(code, [Statement(event.id, arrival_of(event), ADDED)])) for code in new
    ]
    return Outcome(Verdict.ACCEPTED, "", SUBJECT, changes=[*changes, Put(REGISTERS, register)])


HANDLERS: dict[type[Payload], Handler[Terms]] = {
    AddAgency: handler(agency_needs, add_agency),
    ChangeAgency: handler(agency_needs, change_agency),
    SuspendAgency: handler(agency_needs, suspend_agency),
    ResumeAgency: handler(agency_needs, resume_agency),
    BeginRegister: handler(beginning_needs, begin_register),
}
