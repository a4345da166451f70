"""`kompeten people`: whose somebody is, and which records are one person's. Each order is shown first: what it would do.

For operators, and for officers with a token of theirs, who see the people of their agency. People are named by the ids of
their records, which say nothing of anybody; only `search` takes an employee number, and not as an argument.
"""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.answers import Ordered, PeoplePreview
from cli.command import Desk, Why, Yes, checked_reason, command
from cli.errors import DONE, NO, CannotAsk, Refused
from cli.number import employee_number
from cli.orders import new_key
from cli.people_file import RECORD
from cli.people_view import STATES, changes, show_links, show_open, show_person

MAX_SHOWN: Final = 200
"""Rows of a worklist."""
app: Final = typer.Typer(
    no_args_is_help=True, help="People: whose somebody is, what waits for a decision, and the decisions."
)

Id = Annotated[
    str, typer.Argument(help="Of the record, emp_..., as `search` and the lists show it", metavar="ID")
]
Stray = Annotated[list[str] | None, typer.Argument(hidden=True)]
RecordOption = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="Of the record, emp_..., instead of a number")
]
NumberFile = Annotated[
    Path | None,
    typer.Option(
        "--number-file",
        metavar="FILE",
        help="Holds the employee number; - is standard input. Without it, it is asked for and not shown. It is no "
        "argument: others on the machine could read it in the list of processes",
    ),
]
To = Annotated[str, typer.Option("--to", metavar="AGENCY", help="Whose person it is from now on")]
Into = Annotated[
    str, typer.Option("--into", metavar="ID", help="The record with the earlier number, which stays")
]
Home = Annotated[
    str | None,
    typer.Option("--home", metavar="AGENCY", help="Whose person it is from now on; as it is when left out"),
]


@command(app, "search")
def search(
    desk: Desk, stray: Stray = None, *, record: RecordOption = None, number_file: NumberFile = None
) -> int:
    """A person: whose it is and since when, what waits, what was decided by whom. Asks for the employee number."""
    if stray:  # most likely the number: click's own message would repeat it
        raise CannotAsk(
            "search takes no argument of its own; an employee number would stay in the shell's history and in the"
            " list of processes: say nothing and type it, or name a file with --number-file"
        )
    if record is not None and number_file is not None:
        raise CannotAsk("--id and --number-file are both said: say one of them")
    service = desk.enrollment()
    asked = (
        {"employee_number": employee_number(number_file)}
        if record is None
        else {"employee_id": _checked_id(record)}
    )
    person = service.person(asked)
    if not desk.answer(person.model_dump(mode="json")):
        show_person(desk.out, person)
    return DONE


@command(app, "disputed")
def disputed(desk: Desk) -> int:
    """People whom several agencies say are theirs: no mail goes to them until somebody decides."""
    return _list_open(desk, "disputed")


@command(app, "unclaimed")
def unclaimed(desk: Desk) -> int:
    """People whom all agencies have released, for another reason than that they left: no mail goes to them."""
    return _list_open(desk, "unclaimed")


@command(app, "links")
def links(desk: Desk) -> int:
    """Pairs of numbers that an agency says are one person's, and has no say over."""
    found = list(islice(desk.enrollment().open_links(), MAX_SHOWN + 1))
    shown, more = found[:MAX_SHOWN], len(found) > MAX_SHOWN
    if not desk.answer({"links": [link.model_dump(mode="json") for link in shown], "more": more}):
        show_links(desk.out, shown, more=more)
    return DONE


@command(app, "transfer")
def transfer(desk: Desk, record: Id, to: To, reason: Why, yes: Yes = False) -> int:
    """Say whose person it is: a transfer, the end of a dispute, or what was provisional confirmed."""
    order = {"agency": to, "reason": checked_reason(reason)}
    path = f"{_checked_id(record)}/homes"
    return _carry_out(desk, "transfer", path, order, f"Give it to {to}?", yes=yes)


@command(app, "merge")
def merge(desk: Desk, record: Id, *, into: Into, reason: Why, home: Home = None, yes: Yes = False) -> int:
    """Say that two records are one person's; `separate` takes it back."""
    order = {
        "employee_id": _checked_id(record),
        "into": _checked_id(into),
        "home": home,
        "reason": checked_reason(reason),
    }
    return _carry_out(desk, "merge", "merges", order, "Are they one person?", yes=yes)


@command(app, "separate")
def separate(desk: Desk, record: Id, reason: Why, yes: Yes = False) -> int:
    """Say that a record is a person of its own: takes a merge back, or decides against a link that waits."""
    order = {"employee_id": _checked_id(record), "reason": checked_reason(reason)}
    return _carry_out(desk, "separate", "separations", order, "Is it a person of its own?", yes=yes)


def _checked_id(text: str) -> str:
    if not text.startswith(RECORD):
        raise CannotAsk(
            "a person is named by the id of its record, emp_...: `kompeten people search` tells it for a number"
        )
    return text


def _list_open(desk: Desk, kind: str) -> int:
    found = list(islice(desk.enrollment().open_people(kind), MAX_SHOWN + 1))
    shown, more = found[:MAX_SHOWN], len(found) > MAX_SHOWN
    if not desk.answer({"people": [person.model_dump(mode="json") for person in shown], "more": more}):
        show_open(desk.out, kind, shown, more=more)
    return DONE


def _carry_out(
    desk: Desk, action: str, path: str, order: Mapping[str, Any], question: str, *, yes: bool
) -> int:
    """Says what would follow and asks, unless it stands so already."""
    service = desk.enrollment()
    preview = service.preview_people(path, order)
    if preview.verdict == "refused":
        raise Refused(preview.reason or "it would be refused, without a reason: see the service's log")
    if (as_before := stands_so(preview)) is not None:
        if not desk.answer({"status": "decided", "verdict": "duplicate", "reason": as_before}):
            desk.out.line(as_before)
        return DONE
    for line in changes(preview):
        desk.err.line(line)
    desk.confirm(question, yes=yes)
    key = new_key(f"people/{action}", path, str(order["reason"]), dict(order))
    return _told(desk, service.order_about_people(path, order, key=key), preview)


def stands_so(preview: PeoplePreview) -> str | None:
    """Where nothing would change: that it is so."""
    if preview.verdict == "duplicate":
        return preview.reason or "it stands so already"
    changed = any(person.before != person.after for person in preview.people)
    return None if changed else "it stands so already: nothing would change"


def _told(desk: Desk, ordered: Ordered, preview: PeoplePreview) -> int:
    decided = ordered.status == "decided"
    if not desk.answer(ordered.model_dump(mode="json")):
        if decided:
            said = ordered.model_extra or {}
            id, whose = said.get("employee_id"), f"{said['agency']}'s" if said.get("agency") else "nobody's"
            after = next((person.after for person in preview.people if person.employee_id == id), None)
            if after is not None and after.held:
                desk.out.line(
                    f"{id} is {whose} and {STATES.get(after.state, after.state)}: mails wait until that is decided, see "
                    "`kompeten people search --id ID`",
                    "yellow",
                )
            else:
                desk.out.line(f"{id} is {whose}", "green")
        else:
            desk.out.line("in the log and not decided yet: see `kompeten people search --id ID`", "yellow")
    return DONE if decided else NO
