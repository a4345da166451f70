"""`kompeten agency distrust`, `trust` and `replace`: what reaches back. Each is shown first: how much it reaches."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cli.agency_view import known, span_of
from cli.answers import Agency, Ordered, Reach
from cli.command import Desk, Why, Yes, checked_reason
from cli.errors import DONE, NO, CannotAsk, Refused
from cli.orders import moment, new_key
from shared.wording import WIB

Code = Annotated[str, typer.Argument(help="As in its topic agency.CODE.v1", metavar="CODE")]
Since = Annotated[
    str,
    typer.Option("--since", metavar="MOMENT", help="2026-03-05T02:00:00+07:00, or how long ago: 90m, 2h, 1d"),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="MOMENT", help="The same; without it, what is still to come does not count either"
    ),
]
DecisionId = Annotated[
    str | None,
    typer.Option(
        "--decision",
        metavar="ID",
        help="The distrust, where there are several: `agency list` shows their ids",
    ),
]
LONG_AGO_DAYS: Final = 30
Heir = Annotated[str, typer.Option("--heir", metavar="CODE", help="The agency that takes its place")]


def distrust(
    desk: Desk, code: Code, *, since: Since, reason: Why, until: Until = None, yes: Yes = False
) -> int:
    """Have what an agency sent in some time count for nothing, as after its password leaked; `trust` takes it back."""
    now = datetime.now(UTC)
    begin = moment(since, now)
    if begin >= now:
        raise CannotAsk(
            f"--since {since} is no moment that is over: nothing arrived since; say when it began, or 90m, 2h, 1d ago"
        )
    order = {
        "since": begin.isoformat(),
        "until": None if until is None else moment(until, now, "--until").isoformat(),
        "reason": checked_reason(reason),
    }
    return _carry_out(desk, code, "distrusts", order, "Have all that count for nothing?", yes=yes)


def trust(desk: Desk, code: Code, reason: Why, decision: DecisionId = None, yes: Yes = False) -> int:
    """Take a distrust back: all counts as if it had never been said."""
    reason = checked_reason(reason)
    if decision is None:
        decision = _only_distrust(known(desk.enrollment(), code))
    order = {"distrust": decision, "reason": reason}
    return _carry_out(desk, code, "trusts", order, "Have all that count again?", yes=yes)


def replace(desk: Desk, code: Code, heir: Heir, reason: Why, yes: Yes = False) -> int:
    """Say that another agency took its place: it was renamed, merged, or split and this is the largest part."""
    order = {"heir": heir, "reason": checked_reason(reason)}
    return _carry_out(desk, code, "successions", order, f"Does {heir} take its place, for good?", yes=yes)


def _only_distrust(agency: Agency) -> str:
    held = agency.distrusts
    if not held:
        raise Refused(f"{agency.code} is not distrusted: nothing is to be taken back")
    if len(held) > 1:
        each = "; ".join(f"{one.decision} ({span_of(one)})" for one in held)
        raise CannotAsk(f"{agency.code} is distrusted more than once, say which with --decision: {each}")
    return str(held[0].decision)


def _carry_out(
    desk: Desk, code: str, path: str, order: Mapping[str, Any], question: str, *, yes: bool
) -> int:
    service = desk.enrollment()
    reach = service.preview_reach(code, path, order)
    if reach.verdict == "duplicate":
        if not desk.answer(reach.model_dump(mode="json")):
            desk.out.line(reach.reason or "so already", "green")
        return DONE
    if reach.verdict != "accepted":
        raise Refused(reach.reason or "it would be refused, without a reason: see the service's log")
    for line in what_it_reaches(reach, path, datetime.now(UTC)):
        desk.err.line(line)
    for warning in reach.warnings:
        desk.err.line(f"careful: {warning}", "yellow")
    desk.confirm(question + (" All the same?" if reach.warnings else ""), yes=yes)
    key = new_key(f"agency/{path}", code, str(order["reason"]), dict(order))
    return _told(desk, code, path, service.order_reach(code, path, order, key=key))


def what_it_reaches(reach: Reach, path: str, now: datetime) -> list[str]:
    least = "at least " if reach.more else ""
    alone = f", {reach.completions_alone} of them by nobody else" if reach.completions else ""
    found = _time_of(reach, path, now)
    found.append(f"{least}{reach.completions} completions that it reported{alone}")
    if reach.certificates_lost:
        kept = f"{reach.hours_kept} of them keep their hours, as somebody else reported them too"
        found.append(f"{least}{reach.certificates_lost} lose their certificate; {kept}")
    if reach.certificates_issued:
        found.append(f"{least}{reach.certificates_issued} get a certificate, or theirs again")
    if path == "successions":
        found.append(f"{least}{reach.people} people whose agency it is; who was merged counts once")
    else:
        moved = f"; {reach.people_moved} of them get another agency, or none" if reach.people else ""
        found.append(f"{least}{reach.people} people of whom it said whose they are{moved}")
    if reach.bodies:
        found.append(f"it issues for {', '.join(reach.bodies)}")
    return found + [line for line in (reach.reason, reach.follows) if line]


def _time_of(reach: Reach, path: str, now: datetime) -> list[str]:
    """As it was understood, in Bandung's time: by it records arrived, whatever zone the terminal is in."""
    if reach.since is None:
        return []
    begin = f"{reach.since.astimezone(WIB):%Y-%m-%d %H:%M:%S}"
    if reach.until is not None:
        found = [f"the time: from {begin} to {reach.until.astimezone(WIB):%Y-%m-%d %H:%M:%S} WIB"]
    elif path == "distrusts":
        found = [
            f"the time: from {begin} WIB on; without --until, what is still to come counts for nothing too"
        ]
    else:
        found = [f"the time: from {begin} WIB on"]
    if path != "distrusts":
        return found
    if (days := (now - reach.since).days) > LONG_AGO_DAYS:
        found.append(f"careful: it begins {days} days ago")
    if not reach.completions and not reach.people:
        found.append("careful: nothing of the agency arrived in that time so far")
    return found


def _told(desk: Desk, code: str, path: str, ordered: Ordered) -> int:
    decided = ordered.status == "decided"
    if not desk.answer(ordered.model_dump(mode="json")):
        if decided:
            decision = (ordered.model_extra or {}).get("decision") or ordered.command_id
            desk.out.line(f"the register has it: decision {decision}", "green")
            if ordered.reason:
                desk.out.line(ordered.reason, "yellow")
            desk.out.line(_NEXT[path].format(code=code, decision=decision))
        else:
            desk.out.line("in the log and not decided yet: see `kompeten agency list`", "yellow")
    return DONE if decided else NO


_NEXT: Final = {
    "distrusts": (
        "completions are judged anew, which takes minutes; `kompeten agency rotate {code} --reason TEXT` gives it "
        "another password, `kompeten agency trust {code} --decision {decision} --reason TEXT` takes the distrust back"
    ),
    "trusts": "completions are judged anew, which takes minutes: look at one with `kompeten trace --completion ID`",
    "successions": (
        "once its system sends nothing any more: `kompeten agency suspend {code} --reason TEXT`; people who went "
        "elsewhere: `kompeten people transfer ID --to AGENCY --reason TEXT`"
    ),
}
