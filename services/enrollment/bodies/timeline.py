"""What holds of a body, and who issues for it: folds over its statements by arrival."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from services.enrollment.agencies.documents import Arrival
from services.enrollment.agencies.statements import placed
from services.enrollment.bodies.documents import Body, BodySaid, BodyStatement, body_id


class EffectiveBody(msgspec.Struct, frozen=True):
    """A body as it stands."""

    code: str
    name: str
    issuing: str = ""
    """Code of the agency that issues for it; empty: none."""
    outside: bool = False
    aliases: tuple[str, ...] = ()
    used_by: tuple[str, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Somebody said who issues for it. Until then whoever issued in its name goes on."""
        return self.outside or bool(self.issuing)


class Period(NamedTuple):
    """From `begin` until the next one begins; the first one reaches back to all that arrived before it, since what is
    reported before its body is known counts once it is."""

    begin: Arrival
    current: EffectiveBody


def effective_body(body: Body | None, before: Arrival | None = None) -> EffectiveBody | None:
    """As of now, or as a command that arrived then met it; None while it had not been added, and for an alias."""
    if body is None:
        return None
    met = [period for period in periods(body) if before is None or period.begin < before]
    return met[-1].current if met else None


def periods(body: Body) -> Sequence[Period]:
    """In order; none for an alias. Worked out once for each object: every completion of a batch asks its body."""
    known: Sequence[Period] | None = body.__dict__.get("periods")
    if known is None:
        known = body.__dict__["periods"] = _periods(body)
    return known


def _periods(body: Body) -> Sequence[Period]:
    found: list[Period] = []
    current: EffectiveBody | None = None
    for statement in body.statements:
        current = after(current, body.id, statement)
        found.append(Period(statement.arrival, current))
    return found


def after(current: EffectiveBody | None, id: str, statement: BodyStatement) -> EffectiveBody:
    said = statement.said
    known = {body_id(alias) for alias in (current.aliases if current else ())}
    current = current or EffectiveBody(said.code or id, said.name or said.code or id)
    return EffectiveBody(
        code=current.code if said.code is None else said.code,
        name=current.name if said.name is None else said.name,
        issuing=current.issuing if said.issuing is None else said.issuing,
        outside=current.outside if said.outside is None else said.outside,
        aliases=(*current.aliases, *(alias for alias in said.aliases or () if body_id(alias) not in known)),
        used_by=current.used_by if said.used_by is None else tuple(said.used_by),
    )


def with_statement(body: Body | None, id: str, statement: BodyStatement, generation: int) -> Body:
    """The statement in its place, which is the last one unless it is decided late. `generation`: of the register, with
    it."""
    statements = placed(() if body is None else body.statements, statement)
    return Body(id=id, statements=statements, generation=generation)


def called_now(body: Body | None, heir: Callable[[str], str]) -> Body | None:
    """With the agencies that issue for it as they are called now: what was an agency's is its heir's, and people are told
    of an agency that they find. The same object where none of them has an heir."""
    if body is None or not any(
        heir(issuer) != issuer for said in body.statements for issuer in _issuers(said.said)
    ):
        return body
    statements = [
        msgspec.structs.replace(
            statement,
            said=msgspec.structs.replace(
                statement.said,
                issuing=heir(statement.said.issuing) if statement.said.issuing else statement.said.issuing,
                used_by=None
                if statement.said.used_by is None
                else sorted({heir(code) for code in statement.said.used_by}),
            ),
        )
        for statement in body.statements
    ]
    return msgspec.structs.replace(body, statements=statements)


def _issuers(said: BodySaid) -> list[str]:
    return [*(said.used_by or ()), *([said.issuing] if said.issuing else ())]


def issuing_since(
    body: Body, agency: str, arrival: Arrival | None, heir: Callable[[str], str] = str
) -> Arrival | None:
    """Since when the agency issues for the body, as it counts for what arrived then: the begin of its first period
    that was not over. None: it does not, and has not since. `heir`: who speaks now for an agency that is no more."""
    spans = periods(body)
    began: Arrival | None = None
    for place, (begin, current) in enumerate(spans):
        issues = _issues(current, heir(agency), heir)
        if not issues:
            began = None
            continue
        began = began or begin
        over = spans[place + 1].begin if place + 1 < len(spans) else None
        if over is None or arrival is None or arrival < over:
            return began
    return None


def _issues(current: EffectiveBody, agency: str, heir: Callable[[str], str]) -> bool:
    if current.confirmed:
        return bool(current.issuing) and heir(current.issuing) == agency
    return any(heir(code) == agency for code in current.used_by)


def unconfirmed_at(body: Body, arrival: Arrival | None) -> bool:
    """Nobody had said yet who issues for it: then the home of a person does, as it did before there was a register."""
    spans = periods(body)
    met = [span for span in spans if arrival is not None and span.begin <= arrival]
    return bool(spans) and not (met[-1] if met else spans[0]).current.confirmed
