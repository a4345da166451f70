"""`kompeten mail`: mails that ended without going out, and sending them again."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

import typer

from cli.answers import EndedMail, Ordered
from cli.command import Desk, ListByDefault, Why, Yes, checked_reason, command
from cli.errors import DONE, CannotAsk, Missing
from cli.orders import Chosen, Rate, carry_out, moment, new_key
from cli.screen import Screen, local, short

MAX_SHOWN: Final = 20
app: Final = typer.Typer(
    cls=ListByDefault, help="Mails that ended without going out: bounced, skipped, or nobody knows."
)


class State(StrEnum):
    bounced = "bounced"
    skipped = "skipped"
    unknown = "unknown"


Ids = Annotated[
    list[str] | None, typer.Argument(help="Of letters, let_..., as `list` shows them", metavar="ID")
]
Said = Annotated[str | None, typer.Option("--said", metavar="TEXT", help="All whose reason has this in it")]
OfState = Annotated[State | None, typer.Option("--state", help="Only those that ended so")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="All that ended since: with offset, or 90m, 2h, 1d ago"),
]


@command(app, "list")
def list_mails(desk: Desk, said: Said = None, state: OfState = None, since: Since = None) -> int:
    """By what was said, with how many and one of them; with --said, --state or --since one by one."""
    if said is None and state is None and since is None:
        return _list_groups(desk)
    mails = _ended(desk, said, state, since)
    if not desk.answer({"mails": [mail.model_dump(mode="json") for mail in mails]}):
        for mail in mails[:MAX_SHOWN]:
            desk.out.line(
                f"{mail.id} {mail.template}: {mail.state} at {local(mail.ended_at)}: {short(mail.reason)}"
            )
        _more(desk.out, len(mails))
        if not mails:
            desk.out.line("no mail ended like that")
    return DONE


@command(app, "resend")
def resend(
    desk: Desk,
    ids: Ids = None,
    *,
    said: Said = None,
    state: OfState = None,
    since: Since = None,
    reason: Why,
    rate: Rate = None,
    yes: Yes = False,
) -> int:
    """Send mails again that ended without going out. What is on its way by then, or went out, stays as it is."""
    reason = checked_reason(reason)
    service = desk.notification()
    if bool(ids) == bool(said or state or since):
        raise CannotAsk("name letters by their ids, or by --said, --state or --since")
    wanted = [Chosen(service, id) for id in dict.fromkeys(ids or ())]
    if not wanted:
        mails = _ended(desk, said, state, since)
        if not mails:
            raise Missing("no mail ended like that: see `kompeten mail list`")
        _show_what(desk.err, mails)
        wanted = [Chosen(service, mail.id) for mail in mails]
    desk.confirm(f"Send {len(wanted)} mails again?", yes=yes or bool(ids and len(ids) == 1))

    def give(one: Chosen) -> Ordered:
        # Anew each time: what bounces again may be sent again, and one that is on its way is not sent twice.
        return service.resend(one.id, reason, key=new_key("resend", one.id, reason))

    return carry_out(desk, "ordered", wanted, give, rate, named="mails")


def _list_groups(desk: Desk) -> int:
    groups = desk.notification().mail_groups()
    if not desk.answer({"groups": [group.model_dump(mode="json") for group in groups]}):
        for group in groups:
            desk.out.line(f"{group.count} {group.state}: {group.reason}", "bold")
            about = {"sample": group.sample, "latest": local(group.latest), "do": group.do}
            desk.out.fields(about, indent=4)
        if not groups:
            desk.out.line("no mail ended without going out")
    return DONE


def _ended(desk: Desk, said: str | None, state: State | None, since: str | None) -> list[EndedMail]:
    begin = None if since is None else moment(since, datetime.now(UTC))
    return list(desk.notification().ended_mails(said=said, state=state, since=begin))


def _show_what(out: Screen, mails: Sequence[EndedMail]) -> None:
    """What would be done, before it is asked for."""
    for (state, reason), count in Counter((mail.state, mail.reason) for mail in mails).most_common(MAX_SHOWN):
        out.line(f"{count} {state}: {short(reason)}")
    cancelled = sum(mail.cancelled is not None for mail in mails)
    if cancelled:
        out.line(f"{cancelled} of them were cancelled meanwhile and will be skipped again", "yellow")


def _more(out: Screen, rows: int) -> None:
    if rows > MAX_SHOWN:
        out.line(f"and {rows - MAX_SHOWN} more: --json lists all")
