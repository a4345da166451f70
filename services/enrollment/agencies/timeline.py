"""What holds of an agency: a fold over its statements by arrival."""

from typing import Final, TypeVar

import msgspec

from services.enrollment.agencies.documents import (
    ADDED,
    RESUMED,
    SUSPENDED,
    Agency,
    Arrival,
    Binding,
    Quota,
    Statement,
)
from services.enrollment.agencies.statements import placed

V = TypeVar("V")
ACTIVE: Final = "active"
_STATES: Final = {ADDED: ACTIVE, RESUMED: ACTIVE, SUSPENDED: "suspended"}


class Effective(msgspec.Struct, frozen=True):
    """An agency as it stands, or stood at some moment."""

    code: str
    state: str
    """active or suspended"""
    name: str
    name_en: str | None = None
    contact: str | None = None
    bindings: tuple[Binding, ...] = ()
    kafka_users: tuple[str, ...] = ()
    quota: Quota | None = None
    headcount: int | None = None
    """How many people it has; None: nobody said."""
    master: bool = False
    """It is the HR system of the city."""
    moves_per_hour: int | None = None
    """How many people it may give another home; None: nobody said."""

    @property
    def active(self) -> bool:
        return self.state == ACTIVE

    def bound_to(self, issuer: str, client_id: str | None) -> bool:
        """Whether tokens of this issuer for this client speak for it."""
        return any(binding.issuer == issuer and client_id in binding.client_ids for binding in self.bindings)


def effective(agency: Agency | None, before: Arrival | None = None) -> Effective | None:
    """As of now, or as a record that arrived then met it; None while it had not been added."""
    if agency is None:
        return None
    current: Effective | None = None
    for statement in agency.statements:
        if before is not None and statement.arrival >= before:
            break
        current = after(current, agency.id, statement)
    return current


def after(current: Effective | None, code: str, statement: Statement) -> Effective:
    said = statement.said
    current = current or Effective(code, ACTIVE, name=code)
    return Effective(
        code=code,
        state=_STATES.get(statement.kind, current.state),
        name=_newer(said.name, current.name),
        name_en=_newer(said.name_en, current.name_en),
        contact=_newer(said.contact, current.contact),
        bindings=_newer(_tuple(said.bindings), current.bindings),
        kafka_users=_newer(_tuple(said.kafka_users), current.kafka_users),
        quota=_newer(said.quota, current.quota),
        headcount=_newer(said.headcount, current.headcount),
        master=_newer(said.master, current.master),
        moves_per_hour=_newer(said.moves_per_hour, current.moves_per_hour),
    )


def with_statement(agency: Agency | None, code: str, statement: Statement) -> Agency:
    return Agency(id=code, statements=placed(() if agency is None else agency.statements, statement))


def _newer(said: V | None, stood: V) -> V:
    return stood if said is None else said


def _tuple(values: list[V] | None) -> tuple[V, ...] | None:
    return None if values is None else tuple(values)
