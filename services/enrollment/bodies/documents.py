"""The documents of the register of bodies. As an agency's, a body's is what was said about it, in order of arrival."""

from typing import Final

import msgspec

from services.enrollment.agencies.documents import Arrival
from shared.identity.identifiers import key
from shared.pipeline.documents import Collection

ADDED, CHANGED, USED = "added", "changed", "used"
"""Used: it has issued before there was a register of bodies, and goes on until somebody confirms who issues for it."""


class BodySaid(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a statement says; None where it is silent."""

    code: str | None = None
    """As it is written and printed."""
    name: str | None = None
    issuing: str | None = None
    """Code of the agency that issues for it; empty: none."""
    outside: bool | None = None
    """Not a body of the city: its certificates are its own."""
    aliases: list[str] | None = None
    """Further spellings under which it is reported; none is ever taken away."""
    used_by: list[str] | None = None
    """Agencies that have issued in its name so far."""


class BodyStatement(msgspec.Struct, frozen=True, omit_defaults=True):
    command: str
    """Id of the command that said it."""
    arrival: Arrival
    kind: str
    """added, changed or used"""
    said: BodySaid = BodySaid()
    operator: str = ""
    """Subject of the officer's or operator's token; empty where the register began with it."""
    reason: str = ""


class Body(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """Changed under the register's lock alone. `dict`: what is folded from it stays with it while it lives
    (timeline.py)."""

    id: str = msgspec.field(name="_id")
    """`key` of its code, or of an alias."""
    statements: list[BodyStatement] = []
    """In order of arrival; empty for an alias."""
    generation: int = 0
    """Of the register, when something was said about it last."""
    alias_of: str = ""
    """Id of the body that this spelling means; empty: it is one itself."""


BODIES = Collection("bodies", Body)
SUBJECT: Final = "body/"
LACKED: Final = "body"
"""Kind of what is lacked (`WaitingRecord.kind`)."""


def body_id(code: str) -> str:
    return key(code)


def lacks_body(code: str) -> str:
    """What a completion waits for whose organiser is not in the register."""
    return f"{LACKED}/{key(code)}"
