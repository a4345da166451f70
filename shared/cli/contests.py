"""`kompeten contests`: completions that a person's agency says are not the person's, and what is decided about them.

For officers: of one agency to contest, for all agencies to decide. Operators and auditors see what waits.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Final

import typer

from shared.cli.answers import Doubtful, Ordered
from shared.cli.command import Desk, ListByDefault, Why, Yes, checked_reason, command
from shared.cli.errors import DONE, NO, CannotAsk
from shared.cli.orders import new_key
from shared.cli.screen import Screen, local

MOST: Final = 200
"""Rows of the worklist."""
COMPLETION: Final = "cmp_"
"""What the ids of completions begin with."""
app: Final = typer.Typer(
    cls=ListByDefault, help="Contests: what another body reported, and the person's agency doubts."
)

Id = Annotated[
    str,
    typer.Argument(help="Of the completion, cmp_..., as `people search` and the list show it", metavar="ID"),
]
ContestId = Annotated[str, typer.Option("--contest", metavar="ID", help="Which contest of the completion")]
Upheld = Annotated[
    bool,
    typer.Option("--uphold/--dismiss", help="It goes on counting for nothing, or it counts again, for good"),
]


@command(app, "list")
def list_contested(desk: Desk) -> int:
    """Completions that somebody contests and nobody has decided about: they count for nothing meanwhile."""
    found = list(islice(desk.enrollment().contested(), MOST + 1))
    shown, more = found[:MOST], len(found) > MOST
    if not desk.answer({"completions": [one.model_dump(mode="json") for one in shown], "more": more}):
        show_contested(desk.out, shown, more=more)
    return DONE


@command(app, "add")
def add(desk: Desk, completion: Id, reason: Why, yes: Yes = False) -> int:
    """Say that a completion is not the person's: it counts for nothing until somebody decides."""
    order = {"completion_id": _checked_id(completion), "reason": checked_reason(reason)}
    desk.err.line("it gives no hours and no points until that is decided; its certificate stays valid")
    desk.confirm("Contest it?", yes=yes)
    key = new_key("contests/add", completion, order["reason"])
    return _told(desk, desk.enrollment().contest(order, key=key), "an officer for all agencies decides")


@command(app, "decide")
def decide(
    desk: Desk, completion: Id, contest: ContestId, upheld: Upheld, reason: Why, yes: Yes = False
) -> int:
    """Decide about a contest, as an officer for all agencies."""
    order = {
        "completion_id": _checked_id(completion),
        "contest_id": contest,
        "upheld": upheld,
        "reason": checked_reason(reason),
    }
    service = desk.enrollment()
    rows = [one for one in service.contested() if one.completion_id == completion]
    if rows:
        show_contested(desk.err, rows, more=False)
    else:
        desk.err.line("no contest of it waits for a decision: this one would be decided once more", "yellow")
    desk.err.line(
        "upheld, it goes on giving no hours and no points; its certificate stays valid until its body revokes it"
        if upheld
        else "dismissed, it gives hours and points again, and this contest holds no more"
    )
    desk.confirm("Decide so?", yes=yes)
    key = new_key("contests/decide", completion, str(order["reason"]), order)
    next = (
        "if it is wrong, ask its body to revoke the certificate" if upheld else "nothing else is to be done"
    )
    return _told(desk, service.decide_contest(order, key=key), next)


def show_contested(out: Screen, completions: Sequence[Doubtful], *, more: bool) -> None:
    if not completions:
        out.line("no contest waits for a decision")
        return
    for one in completions:
        out.line(f"{one.completion_id}  {one.completed_on} {one.title}", "bold")
        about = {
            "person": f"{one.employee_id} of {one.home or 'nobody'}",
            "reported by": f"{one.reported_by}, for {one.organizer}",
        }
        out.fields(about, indent=4)
        for contest in one.contests:
            by = f"{contest.by or 'an officer'} for {contest.acting_for or 'all agencies'}"
            out.line(
                f"{contest.contest_id}  {contest.state}, {by}, {local(contest.at)}: {contest.reason}",
                indent=4,
            )
    if more:
        out.line("and more: they are shown once some of these are decided", "yellow")
    out.line(
        "ask the body and the agency, then `kompeten contests decide ID --contest ID --uphold` or `--dismiss`, "
        "with --reason TEXT"
    )


def _checked_id(text: str) -> str:
    if not text.startswith(COMPLETION):
        raise CannotAsk(
            "a completion is named by its id, cmp_...: `kompeten people search` shows those of a person"
        )
    return text


def _told(desk: Desk, ordered: Ordered, next: str) -> int:
    decided = ordered.status == "decided"
    if not desk.answer(ordered.model_dump(mode="json")):
        if decided:
            said = ordered.model_extra or {}
            counts = "counts" if said.get("counts") else "counts for nothing"
            desk.out.line(f"{said.get('completion_id')} {counts}; {next}", "green")
        else:
            desk.out.line("in the log and not decided yet: see `kompeten contests`", "yellow")
    return DONE if decided else NO
