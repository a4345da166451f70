"""`kompeten dead-letters`: what could not be decided, and what to do with it. `edit` is in editing.py."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.answers import DryRun, Group, Ordered, WholeLetter
from cli.command import (
    Desk,
    ListByDefault,
    OneService,
    Why,
    Yes,
    checked_reason,
    command,
    each,
    unanswered,
)
from cli.errors import DONE, NO, NOT_ASKED, CannotAsk
from cli.events import event_of_file
from cli.orders import NOT_WELL, Chosen, Rate, carry_out, choose, find, key_of
from cli.screen import Screen, local, plain, pretty

app: Final = typer.Typer(
    cls=ListByDefault, help="Records that could not be decided: look, correct, replay or discard."
)

Id = Annotated[str, typer.Argument(help="topic/partition/offset/turn, as `list` shows it", metavar="ID")]
Ids = Annotated[list[str] | None, typer.Argument(help="Those that are meant", metavar="ID")]
EventFile = Annotated[
    Path | None, typer.Option("--event", help="One CloudEvent as JSON, to take the place of the record's")
]
OfGroup = Annotated[
    str | None, typer.Option("--group", metavar="FINGERPRINT", help="All open ones of this group")
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="All that failed since: with offset, or 90m, 2h, 1d ago"),
]


@command(app, "list")
def list_groups(desk: Desk, service: OneService = None) -> int:
    """Open dead letters by group, with how many and one of them."""
    answers, silent = each(desk.services(service), lambda one: one.groups())
    rows = [(name, group) for name, groups in answers.items() for group in groups]
    document = [{"service": name, **group.model_dump(mode="json")} for name, group in rows]
    told = {"groups": document, "unanswered": {name: str(error) for name, error in silent.items()}}
    if not desk.answer(told):
        for name, group in rows:
            _show_group(desk.out, name, group)
        if not rows and not silent:
            desk.out.line("no dead letter is open")
        unanswered(desk, silent)
    return NOT_ASKED if silent else DONE


@command(app, "show")
def show(desk: Desk, id: Id, service: OneService = None) -> int:
    """One dead letter whole: reason, event, headers, what was decided about it and about whom it concerns."""
    owner, letter = find(desk, id, service)
    if not desk.answer({"service": owner.name, **letter.model_dump(mode="json")}):
        _show(desk.out, owner.name, letter)
    return DONE


@command(app, "dry-run")
def dry_run(desk: Desk, id: Id, event: EventFile = None, service: OneService = None) -> int:
    """What a replay would do now; nothing is written."""
    owner, letter = find(desk, id, service)
    found = owner.dry_run(id, None if event is None else event_of_file(event, letter))
    if not desk.answer({"service": owner.name, **found.model_dump(mode="json")}):
        show_dry_run(desk.out, found)
    return NO if found.verdict in NOT_WELL else DONE


@command(app, "replay")
def replay(
    desk: Desk,
    ids: Ids = None,
    *,
    group: OfGroup = None,
    since: Since = None,
    reason: Why,
    event: EventFile = None,
    rate: Rate = None,
    service: OneService = None,
    yes: Yes = False,
) -> int:
    """Decide dead letters again, as they are or one of them with another event."""
    reason = checked_reason(reason)
    if event is not None and len(ids or ()) != 1:
        raise CannotAsk("--event is for one dead letter: name its id, and no other")
    edited: dict[str, Any] | None = None
    if event is not None and ids:
        owner, letter = find(desk, ids[0], service)
        edited, chosen = event_of_file(event, letter), [Chosen(owner, ids[0])]
    else:
        chosen = choose(desk, ids or (), group, since, service)
    _agree(desk, "Replay", chosen, yes)

    def give(one: Chosen) -> Ordered:
        key = key_of("replay", one.id, reason, edited)
        return one.service.replay(one.id, reason, edited, key=key)

    return carry_out(desk, "replayed", chosen, give, rate)


@command(app, "discard")
def discard(
    desk: Desk,
    ids: Ids = None,
    *,
    group: OfGroup = None,
    since: Since = None,
    reason: Why,
    rate: Rate = None,
    service: OneService = None,
    yes: Yes = False,
) -> int:
    """Close dead letters that nothing should follow from; they stay to be read."""
    reason = checked_reason(reason)
    chosen = choose(desk, ids or (), group, since, service)
    _agree(desk, "Discard", chosen, yes)

    def give(one: Chosen) -> Ordered:
        return one.service.discard(one.id, reason, key=key_of("discard", one.id, reason, None))

    return carry_out(desk, "discarded", chosen, give, rate)


def _agree(desk: Desk, verb: str, chosen: list[Chosen], yes: bool) -> None:
    names = ", ".join(dict.fromkeys(choice.service.name for choice in chosen))
    desk.confirm(f"{verb} {len(chosen)} dead letters of {names}?", yes=yes or len(chosen) == 1)


def _show_group(out: Screen, name: str, group: Group) -> None:
    out.line(f"{name}: {group.count} {group.kind}: {group.reason}", "bold")
    about = {
        "event type": ", ".join(group.event_types) or group.event_type,
        "failed": f"{local(group.first_failed_at)} to {local(group.last_failed_at)}",
        "sample": group.sample,
        "group": group.fingerprint,
    }
    out.fields(about, indent=4)


def _show(out: Screen, name: str, letter: WholeLetter) -> None:
    out.line(f"{name}: {letter.kind}: {letter.reason}", "bold")
    about: dict[str, object] = {
        "id": letter.id,
        "state": letter.state,
        "event type": letter.event_type,
        "event id": letter.event_id,
        "failed": f"{local(letter.first_failed_at)} to {local(letter.last_failed_at)}",
        "attempts": letter.attempts,
        "rules": letter.rules,
        "group": letter.fingerprint,
    }
    if (closed := letter.resolution) is not None:
        edited = ", with another event" if closed.edited is not None else ""
        about["closed"] = f"{closed.command} by {closed.operator} at {local(closed.at)}{edited}"
        about["because"] = closed.reason
    out.fields(about, indent=4)
    decided = {
        "Decided about the same event": letter.decisions,
        "History of what it is about": letter.history,
    }
    for heading, decisions in decided.items():
        if decisions:
            out.heading(heading)
        for decision in decisions:
            out.line(
                f"{local(decision.decided_at)}  {decision.verdict}"
                + (f": {decision.reason}" if decision.reason else "")
            )
            out.fields(
                {"about": decision.subject, "event": decision.event_id, "record": decision.record}, indent=4
            )
    if letter.headers:
        out.heading("Headers")
        out.fields({plain(name): value for name, value in letter.headers.items()}, indent=4)
    if letter.event is not None:
        _document(out, "Event", letter.event)
    elif letter.raw_base64 and letter.text is not None:
        out.heading("Record, no JSON")
        for line in letter.text.splitlines():
            out.line(line)
    elif letter.raw_base64 == "":
        out.heading("Record without a value")
    elif letter.raw_base64 is not None:
        out.heading("Record, neither JSON nor text in UTF-8: its bytes, in base64")
        out.line(letter.raw_base64)


def show_dry_run(out: Screen, found: DryRun) -> None:
    out.line(f"it would be: {found.verdict}", "red" if found.verdict in NOT_WELL else "green")
    if found.reason:
        out.line(f"reason: {found.reason}")
    if found.subject:
        out.line(f"about: {found.subject}")
    for change in found.documents:
        _document(out, f"{change.change}: {change.collection} {change.id}", change.document)
    for fact in found.events:
        _document(out, f"event {fact.type} about {fact.subject}", fact.data)
    if not found.documents and not found.events:
        out.line("nothing would change")


def _document(out: Screen, heading: str, document: object) -> None:
    out.heading(heading)
    if document is not None:
        for line in pretty(document):
            out.verbatim(line)
