"""`kompeten waiting`: records that lack something which may still come."""

import uuid
from collections.abc import Callable
from typing import Annotated, Final

import typer

from cli.answers import Ordered, Wait
from cli.client import Service
from cli.command import (
    Desk,
    ListByDefault,
    OneService,
    Why,
    checked_reason,
    command,
    each,
    unanswered,
)
from cli.errors import DONE, NO, NOT_ASKED, CannotAsk, Missing
from cli.screen import Screen, local

MAX_SHOWN: Final = 500
"""So many groups a service names at a time."""
app: Final = typer.Typer(cls=ListByDefault, help="Records that wait for something which may still come.")

Lacks = Annotated[str, typer.Argument(help="What is lacked, as `list` shows it", metavar="LACKS")]


@command(app, "list")
def list_waiting(desk: Desk, service: OneService = None) -> int:
    """What is lacked, by how many records and since when; oldest first."""
    answers, silent = each(desk.services(service), lambda one: one.waiting())
    rows = [(name, wait) for name, waits in answers.items() for wait in waits]
    document = [{"service": name, **wait.model_dump(mode="json")} for name, wait in rows]
    told = {"waiting": document, "unanswered": {name: str(error) for name, error in silent.items()}}
    if not desk.answer(told):
        for name, wait in rows:
            _show(desk.out, name, wait)
        if not rows and not silent:
            desk.out.line("nothing waits")
        unanswered(desk, silent)
    return NOT_ASKED if silent else DONE


@command(app, "look")
def look(desk: Desk, lacks: Lacks, reason: Why, service: OneService = None) -> int:
    """Decide those again now: what they lack may be there."""
    return _order(desk, "decided again", lacks, reason, only=service, way=lambda one: one.look)


@command(app, "give-up")
def give_up(desk: Desk, lacks: Lacks, reason: Why, service: OneService = None) -> int:
    """Make those that still lack it dead letters: nobody expects it any more."""
    return _order(desk, "given up", lacks, reason, only=service, way=lambda one: one.give_up)


def _show(out: Screen, name: str, wait: Wait) -> None:
    out.line(f"{name}: {wait.count} wait: {wait.reason}", "bold")
    about = {
        "event type": wait.event_type,
        "since": f"{local(wait.oldest)}, the last since {local(wait.newest)}",
        "lacks": wait.lacks,
    }
    out.fields(about, indent=4)


# The verdict is on the record that waited, not on the order.
BECAME: Final = {"refused": "a dead letter now", "bug": "a dead letter now", "waiting": "waiting still"}


def _order(
    desk: Desk,
    done: str,
    lacks: str,
    reason: str,
    *,
    only: str | None,
    way: Callable[[Service], Callable[..., Ordered]],
) -> int:
    reason = checked_reason(reason)
    service = _who_waits(desk, lacks, only)
    # A key of its own each time: to look again tomorrow, for the same reason, is another order.
    ordered = way(service)(lacks, reason, key=str(uuid.uuid4()))
    if not desk.answer({"service": service.name, **ordered.model_dump(mode="json")}):
        if ordered.status == "decided":
            became = f", and is {BECAME.get(ordered.outcome, ordered.outcome)}" if ordered.outcome else ""
            desk.out.line(
                f"{service.name}: {done}{became}" + (f": {ordered.reason}" if ordered.reason else "")
            )
        else:
            desk.out.line(f"{service.name}: in the log and not decided yet: see `kompeten waiting`")
    return DONE if ordered.status == "decided" else NO


def _who_waits(desk: Desk, lacks: str, only: str | None) -> Service:
    services = desk.services(only)
    if only is not None:
        return services[0]
    answers, silent = each(services, lambda one: any(wait.lacks == lacks for wait in one.waiting(MAX_SHOWN)))
    found = [service for service in services if answers.get(service.name)]
    if not found and silent:
        raise next(iter(silent.values()))
    if not found:
        raise Missing(f"nothing that waits lacks {lacks}: see `kompeten waiting`, or say --service")
    if len(found) > 1:
        raise CannotAsk(
            f"{' and '.join(service.name for service in found)} wait for it: say which with --service"
        )
    return found[0]
