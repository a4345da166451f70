"""What agencies are called, for texts that people read: they know no codes."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from services.enrollment.agencies.documents import AGENCIES
from services.enrollment.agencies.timeline import standing
from services.enrollment.authority import organizer_of
from services.enrollment.bodies.documents import BODIES, Body, body_id
from services.enrollment.bodies.timeline import standing_body
from services.enrollment.documents import Completion
from shared.pipeline.documents import Doc, Keys, NotLoaded, State


def names_keys(codes: Iterable[str]) -> Keys:
    """Without a lock: a name decides nothing."""
    for code in sorted({*codes} - {""}):
        yield Doc(AGENCIES, code)


def issuing_of(code: str, state: State) -> str:
    """Code of the agency that issues for a body; empty: none, or nobody said. Asks for the body to be loaded."""
    return issuing_for(state.get(BODIES, body_id(code)) if code else None)


def issuing_for(body: Body | None) -> str:
    stands = standing_body(body)
    return "" if stands is None else stands.issuing


def concerned(completion: Completion, body: Body | None) -> set[str]:
    """Codes of the agencies that a text about it may name."""
    return {one.sender for one in completion.contents} | {issuing_for(body)} - {""}


def names_of(completion: Completion, state: State) -> Mapping[str, str]:
    """By code, of those in the register."""
    code = organizer_of(completion)
    found = {}
    for one in concerned(completion, state.get(BODIES, body_id(code)) if code else None):
        # Of a body that is given to another agency by a command of the same batch, its name is not loaded.
        with suppress(NotLoaded):
            if (stands := standing(state.get(AGENCIES, one))) is not None:
                found[one] = stands.name
    return found
