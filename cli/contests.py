"""`kompeten contests`: completions that a person's agency says are not the person's, and what is decided about them.

For officers: of one agency to contest, for all agencies to decide. Operators and auditors see what waits.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final

import typer

from cli.answers import Doubtful, Ordered
from cli.command import Desk, ListByDefault, Why, Yes, checked_reason, command
from cli.errors import DONE, NO, CannotAsk, Missing, NotYours, Refused
from cli.orders import new_key
from cli.people_view import show_contests
from cli.screen import Screen

MAX_SHOWN: Final = 200
"""Rows of the worklist."""
COMPLETION: Final = "cmp_"
"""What the ids of completions begin with."""
LENGTH_OF_ID: Final = 36
"""Of a contest, a UUID."""
SHORTEST: Final = 8
"""Beginning of it that is taken for one."""
app: Final = typer.Typer(
    cls=ListByDefault, help="Contests: what another body reported, and the person's agency doubts."
)

Id = Annotated[
    str,
    typer.Argument(help="Of the completion, cmp_..., as `people search` and the list show it", metavar="ID"),
]
ContestId = Annotated[
    str,
    typer.Option(
        "--contest", metavar="ID", help="Which contest of the completion; its first 8 characters do"
    ),
]
Upheld = Annotated[
    bool,
    typer.Option("--uphold/--dismiss", help="It goes on counting for nothing, or it counts again, for good"),
]


@command(app, "list")
def list_contested(desk: Desk) -> int:
    """Completions that somebody contests and nobody has decided about: they count for nothing meanwhile."""
    try:
        found = list(islice(desk.enrollment().contested(), MAX_SHOWN + 1))
    except NotYours:
        raise NotYours(_OWN_CONTESTS) from None
    shown, more = found[:MAX_SHOWN], len(found) > MAX_SHOWN
    if not desk.answer(
        {"completions": [completion.model_dump(mode="json") for completion in shown], "more": more}
    ):
        show_contested(desk.out, shown, more=more)
    return DONE


_OWN_CONTESTS: Final = (
    "only an officer for all agencies sees what waits here; what your agency contested, and what was decided about it,"
    " stands below the person's completions: `kompeten people search`"
)


@command(app, "add")
def add(desk: Desk, completion: Id, reason: Why, yes: Yes = False) -> int:
    """Say that a completion is not the person's: it counts for nothing until somebody decides."""
    order = {"completion_id": _checked_id(completion), "reason": checked_reason(reason)}
    what_next = "an officer for all agencies decides"
    return _carry_out(desk, "contests", order, "Contest it?", what_next=what_next, yes=yes)


@command(app, "decide")
def decide(
    desk: Desk, completion: Id, *, contest: ContestId, upheld: Upheld, reason: Why, yes: Yes = False
) -> int:
    """Decide about a contest, as an officer for all agencies."""
    about = {"completion_id": _checked_id(completion), "reason": checked_reason(reason)}
    order = {**about, "contest_id": _whole_id(desk, about, contest), "upheld": upheld}
    what_next = (
        "if it is wrong, ask its body to revoke the certificate" if upheld else "nothing else is to be done"
    )
    return _carry_out(desk, "contests/decisions", order, "Decide so?", what_next=what_next, yes=yes)


def _whole_id(desk: Desk, about: Mapping[str, str], contest: str) -> str:
    """Of the one contest of the completion whose id begins so."""
    if len(contest) >= LENGTH_OF_ID:
        return contest
    # What it would be to contest it once more shows those that there are, decided ones too.
    preview = desk.enrollment().preview_contest("contests", about)
    known = [] if preview.before is None else [held.contest_id for held in preview.before.contests]
    if contest in known:
        return contest
    meant = [id for id in known if id.startswith(contest)]
    if len(meant) == 1 and len(contest) >= SHORTEST:
        return meant[0]
    if not meant:
        raise Missing(f"no contest of it has an id that begins so; {_those(known)}")
    raise CannotAsk(
        f"--contest takes {SHORTEST} characters or more that only one id begins with; {_those(known)}"
    )


def _those(known: Sequence[str]) -> str:
    return f"there are: {', '.join(known)}" if known else "say the whole id, as `kompeten contests` shows it"


def _carry_out(
    desk: Desk, path: str, order: Mapping[str, Any], question: str, *, what_next: str, yes: bool
) -> int:
    service = desk.enrollment()
    preview = service.preview_contest(path, order)
    if preview.verdict != "accepted" or preview.before is None or preview.after is None:
        raise Refused(preview.reason or "it would be refused, without a reason: see the service's log")
    before, after = preview.before, preview.after
    show_one(desk.err, before)
    desk.err.line(f"{_counts(before)} -> {_counts(after)}; its certificate stays as it is")
    if preview.reason:
        desk.err.line(preview.reason, "yellow")
    desk.confirm(question, yes=yes)
    key = new_key(path, str(order["completion_id"]), str(order["reason"]), dict(order))
    return _told(desk, service.order_contest(path, order, key=key), what_next)


def _counts(completion: Doubtful) -> str:
    return f"{completion.jp:g} JP" if completion.counts else "counts for nothing"


def show_contested(out: Screen, completions: Sequence[Doubtful], *, more: bool) -> None:
    if not completions:
        out.line("no contest waits for a decision")
        return
    for completion in completions:
        show_one(out, completion)
    if more:
        out.line("and more: they are shown once some of these are decided", "yellow")
    out.line(
        "ask the body and the agency, then `kompeten contests decide ID --contest ID --uphold` or `--dismiss`, "
        "with --reason TEXT"
    )


def show_one(out: Screen, completion: Doubtful) -> None:
    out.line(f"{completion.completion_id}  {completion.completed_on} {completion.title}", "bold")
    about = {
        "person": f"{completion.employee_id} of {completion.home or 'nobody'}"
        if completion.employee_id
        else None,
        "reported by": f"{completion.reported_by}, for {completion.organizer}",
        "note": completion.note,
    }
    out.fields(about, indent=4)
    show_contests(out, completion)


def _checked_id(text: str) -> str:
    if not text.startswith(COMPLETION):
        raise CannotAsk(
            "a completion is named by its id, cmp_...: `kompeten people search` shows those of a person"
        )
    return text


def _told(desk: Desk, ordered: Ordered, what_next: str) -> int:
    decided = ordered.status == "decided"
    if not desk.answer(ordered.model_dump(mode="json")):
        if decided:
            said = ordered.model_extra or {}
            counts = "counts" if said.get("counts") else "counts for nothing"
            desk.out.line(f"{said.get('completion_id')} {counts}; {said.get('reason') or what_next}", "green")
        else:
            desk.out.line("in the log and not decided yet: see `kompeten contests`", "yellow")
    return DONE if decided else NO
