"""The decisions about bodies: each command that is accepted becomes a statement, and has decided what waited for it."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from services.enrollment.agencies.documents import AGENCIES, LOCK, REGISTER, REGISTERS
from services.enrollment.agencies.statements import REUSED, arrival_of, next_register, said_before
from services.enrollment.agencies.timeline import effective
from services.enrollment.bodies.documents import (
    ADDED,
    BODIES,
    CHANGED,
    SUBJECT,
    USED,
    Body,
    BodySaid,
    BodyStatement,
    body_id,
    lacks_body,
)
from services.enrollment.bodies.timeline import EffectiveBody, after, effective_body, with_statement
from services.enrollment.terms import Terms
from shared.contracts.bodies import MAX_ALIASES, AddBody, BeginBodies, BodySeed, ChangeBody
from shared.contracts.payload import Payload
from shared.pipeline.documents import Doc, Lock, Needs, State
from shared.pipeline.handlers import Handler, Recalculated, handler
from shared.pipeline.outcome import Outcome, Put, Remove, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waiting_for

AboutOne = TypeVar("AboutOne", AddBody, ChangeBody)
Refusal = tuple[str, str]
"""Slug of the problem, and a sentence."""
_JSON = msgspec.json.Encoder(order="deterministic")

# Operators' commands, each about one body.


def body_needs(event: Received[AboutOne], state: State, terms: Terms) -> Needs:
    data = event.data
    yield Lock(LOCK)
    yield Doc(REGISTERS, REGISTER)
    if data.issuing is not None:
        yield Doc(AGENCIES, data.issuing)
    for spelling in spellings(data.code, data.aliases):
        yield Doc(BODIES, body_id(spelling))
        yield from waiting_for(lacks_body(spelling))


def add_body(event: Received[AddBody], state: State, terms: Terms) -> Outcome:
    """The same again changes nothing; a code that is taken by a body with other particulars is refused."""
    data = event.data
    said = BodySaid(
        code=data.code,
        name=data.name,
        issuing=data.issuing or "",
        outside=data.outside,
        aliases=_aliases(data.code, data.aliases),
    )
    return _decide(event, _statement(event, ADDED, said), state, terms)


def change_body(event: Received[ChangeBody], state: State, terms: Terms) -> Outcome:
    data = event.data
    silent = data.issuing is None and data.outside is None
    said = BodySaid(
        name=data.name,
        issuing=None if silent else data.issuing or "",
        outside=None if silent else bool(data.outside),
        aliases=_aliases(data.code, data.aliases) or None,
    )
    return _decide(event, _statement(event, CHANGED, said, data.reason), state, terms)


def spellings(code: str, aliases: Iterable[str]) -> list[str]:
    """A body's code and aliases, each once however it is spelled."""
    found: dict[str, str] = {}
    for name in (code, *aliases):
        found.setdefault(body_id(name), name)
    return list(found.values())


def _aliases(code: str, aliases: Iterable[str]) -> list[str]:
    return spellings(code, aliases)[1:]


def _statement(event: Received[AboutOne], kind: str, said: BodySaid, reason: str = "") -> BodyStatement:
    return BodyStatement(event.id, arrival_of(event), kind, said, event.data.operator, reason)


def _decide(event: Received[AboutOne], statement: BodyStatement, state: State, terms: Terms) -> Outcome:
    id = body_id(event.data.code)
    known = state.get(BODIES, id)
    met = effective_body(known, before=statement.arrival)
    content = terms.ids.content(_JSON.encode((id, statement.kind, statement.said, statement.reason)))
    if (refusal := _refusal(id, known, met, statement, state)) is not None:
        problem, reason = refusal
        return Outcome(Verdict.REFUSED, reason, SUBJECT + id, content, answer={"problem": problem})
    if known is not None and said_before(known.statements, statement):
        return _outcome(Verdict.DUPLICATE, "done before", known, content)
    if known is not None and met is not None and _nothing_new(met, statement):
        return _outcome(Verdict.DUPLICATE, "the register says so already", known, content)
    register = next_register(state, terms)
    body = with_statement(known, id, statement, register.generation)
    named: Sequence[str] = statement.said.aliases or ()
    changes: list[Put | Remove] = [Put(REGISTERS, register), Put(BODIES, body)]
    changes += [
        Put(BODIES, Body(body_id(name), generation=register.generation, alias_of=id)) for name in named
    ]
    unblocks = [lacks_body(spelling) for spelling in spellings(event.data.code, named)]
    return _outcome(Verdict.ACCEPTED, "", body, content, changes=changes, unblocks=unblocks)


def _refusal(
    id: str, known: Body | None, met: EffectiveBody | None, statement: BodyStatement, state: State
) -> Refusal | None:
    said = statement.said
    if known is not None and (same := said_before(known.statements, statement)) is not None:
        return None if same else REUSED
    if known is not None and known.alias_of:
        return "refused", f"the register has this as another spelling of {known.alias_of}: name that body"
    if met is None and statement.kind != ADDED:
        return "not-found", "the register has no body of this code: `kompeten body list` shows them"
    if met is not None and statement.kind == ADDED and not _nothing_new(met, statement):
        return (
            "refused",
            "the register has this body with other particulars: `kompeten body change` changes it",
        )
    if said.issuing and effective(state.get(AGENCIES, said.issuing), before=statement.arrival) is None:
        return "refused", (
            f"the register has no agency {said.issuing}: `kompeten agency list` shows them, "
            "`kompeten agency add` connects one"
        )
    for alias in said.aliases or ():
        other = state.get(BODIES, body_id(alias))
        if other is not None and other.alias_of != id:
            whose = f"another spelling of {other.alias_of}" if other.alias_of else "a body of its own"
            return "refused", f"the register has {alias} as {whose}: leave it out"
    if len(after(met, id, statement).aliases) > MAX_ALIASES:
        return "refused", f"a body has at most {MAX_ALIASES} other spellings: leave some out"
    return None


def _nothing_new(met: EffectiveBody, statement: BodyStatement) -> bool:
    return after(met, body_id(met.code), statement) == met


def _outcome(
    verdict: Verdict,
    reason: str,
    body: Body,
    content: bytes,
    *,
    changes: Sequence[Put | Remove] = (),
    unblocks: Sequence[str] = (),
) -> Outcome:
    current = effective_body(body)
    assert current is not None, "a body is made by its first statement"
    answer: dict[str, str | int | bool | None] = {
        "code": current.code,
        "issuing": current.issuing or None,
        "outside": current.outside,
        "confirmed": current.confirmed,
    }
    return Outcome(verdict, reason, SUBJECT + body.id, content, changes, unblocks=unblocks, answer=answer)


# How the register of bodies begins.


def beginning_needs(event: Received[BeginBodies], state: State, terms: Terms) -> Needs:
    yield Lock(LOCK)
    yield Doc(REGISTERS, REGISTER)
    for seed in event.data.bodies:
        yield Doc(BODIES, body_id(seed.code))
        yield from waiting_for(lacks_body(seed.code))


def begin_bodies(event: Received[BeginBodies], state: State, terms: Terms) -> Outcome:
    """Once, and of those alone that nobody has added yet. What arrives after it is judged."""
    known = state.get(REGISTERS, REGISTER)
    if known is not None and known.judges_from is not None:
        return Outcome(Verdict.NOTHING, "the register of bodies has begun already", SUBJECT)
    begin = arrival_of(event)
    new = {body_id(seed.code): seed for seed in reversed(event.data.bodies)}
    register = msgspec.structs.replace(next_register(state, terms), judges_from=begin)
    bodies = [
        with_statement(None, id, BodyStatement(event.id, begin, *_seeded(seed)), register.generation)
        for id, seed in new.items()
        if state.get(BODIES, id) is None
    ]
    changes: list[Put | Remove] = [Put(BODIES, body) for body in bodies]
    return Outcome(
        Verdict.ACCEPTED,
        subject=SUBJECT,
        changes=[*changes, Put(REGISTERS, register)],
        unblocks=[lacks_body(new[body.id].code) for body in bodies],
    )


def _seeded(seed: BodySeed) -> tuple[str, BodySaid]:
    if seed.issuing is None and not seed.outside:
        return USED, BodySaid(code=seed.code, used_by=sorted(seed.used_by))
    return ADDED, BodySaid(code=seed.code, issuing=seed.issuing or "", outside=seed.outside)


# What is said of bodies rests on the register alone, never on what a batch left stale.
HANDLERS: dict[type[Payload], Handler[Terms]] = {
    AddBody: handler(body_needs, add_body, recalculated=Recalculated.NOTHING),
    ChangeBody: handler(body_needs, change_body, recalculated=Recalculated.NOTHING),
    BeginBodies: handler(beginning_needs, begin_bodies, recalculated=Recalculated.NOTHING),
}
