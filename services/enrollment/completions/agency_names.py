"""What agencies are called, for texts that people read: they know no codes."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from services.enrollment.agencies.documents import AGENCIES, REGISTER, REGISTERS
from services.enrollment.agencies.timeline import effective
from services.enrollment.agencies.trust import Trust, trust_of
from services.enrollment.bodies.documents import BODIES, Body, body_id
from services.enrollment.bodies.timeline import called_now, effective_body
from services.enrollment.completions.authority import organizer_of
from services.enrollment.completions.documents import Completion
from shared.pipeline.documents import Doc, Needs, NotLoaded, State


def names_needs(codes: Iterable[str]) -> Needs:
    """Without a lock: a name decides nothing."""
    for code in sorted({*codes} - {""}):
        yield Doc(AGENCIES, code)


def issuing_of(code: str, state: State) -> str:
    """Code of the agency that issues for a body by now; empty: none, or nobody said. Asks for the register and the body
    to be loaded."""
    return _issuing(*_known(code, state))


def concerned(completion: Completion, body: Body | None, trust: Trust) -> set[str]:
    """Codes of the agencies that a text about it may name."""
    return {content.sender for content in completion.contents} | {_issuing(body, trust)} - {""}


def _known(code: str, state: State) -> tuple[Body | None, Trust]:
    body = state.get(BODIES, body_id(code)) if code else None
    return body, trust_of(state.get(REGISTERS, REGISTER))


def _issuing(body: Body | None, trust: Trust) -> str:
    current = effective_body(called_now(body, trust.heir))
    return "" if current is None else current.issuing


def names_of(completion: Completion, state: State) -> Mapping[str, str]:
    """By code, of those in the register."""
    found = {}
    for code in concerned(completion, *_known(organizer_of(completion), state)):
        # Of a body that is given to another agency by a command of the same batch, its name is not loaded.
        with suppress(NotLoaded):
            if (current := effective(state.get(AGENCIES, code))) is not None:
                found[code] = current.name
    return found
