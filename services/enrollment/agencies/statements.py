"""How the register takes a statement, whatever it is about: its date, its place, its number, and a request once."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Arrival, Register
from services.enrollment.terms import Terms
from shared.contracts.payload import Payload
from shared.pipeline.documents import State
from shared.pipeline.epochs import next_version
from shared.pipeline.records import Received

P = TypeVar("P", bound=Payload)
REUSED: Final = (
    "idempotency-key-reused",
    "this Idempotency-Key was used for another request: take a new key",
)
"""Slug of the problem, and a sentence."""


class Dated(Protocol):
    """Of an agency or of a body."""

    @property
    def command(self) -> str: ...

    @property
    def arrival(self) -> Arrival: ...

    @property
    def kind(self) -> str: ...

    @property
    def said(self) -> object: ...

    @property
    def reason(self) -> str: ...


S = TypeVar("S", bound=Dated)


def arrival_of(event: Received[Any]) -> Arrival:
    return Arrival(event.arrived, *event.at)


def placed(statements: Sequence[S], statement: S) -> list[S]:
    """The statement in its place, which is the last one unless it is decided late."""
    found = list(statements)
    found.insert(bisect_left(found, statement.arrival, key=lambda one: one.arrival), statement)
    return found


def said_before(statements: Sequence[S], statement: S) -> bool | None:
    """Whether the same command said the same; False: it said something else. None: it said nothing yet."""
    for earlier in statements:
        if earlier.command == statement.command:
            return (earlier.kind, earlier.said, earlier.reason) == (
                statement.kind,
                statement.said,
                statement.reason,
            )
    return None


def next_register(state: State, terms: Terms) -> Register:
    """After one more change: needs REGISTERS/REGISTER, under its lock."""
    known = state.get(REGISTERS, REGISTER) or Register(id=REGISTER, generation=0)
    return msgspec.structs.replace(known, generation=next_version(known.generation, terms.epoch))
