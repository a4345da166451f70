"""`kompeten dead-letters edit`: correct one event in the operator's editor, then replay it."""

import difflib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.cli.answers import Ordered, WholeLetter
from shared.cli.command import Desk, OneService, Yes, checked_reason
from shared.cli.dead_letters import Id, show_dry_run
from shared.cli.errors import CannotAsk, Refused
from shared.cli.events import as_text, checked, structured
from shared.cli.orders import Chosen, carry_out, find, key_of
from shared.contracts.cloudevents import Undecodable

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def edit(
    desk: Desk,
    id: Id,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; asked for where it is not given")
    ] = None,
    service: OneService = None,
    yes: Yes = False,
) -> int:
    """Correct the event in $EDITOR, see what would follow, replay it."""
    owner, letter = find(desk, id, service)
    before = structured(letter)
    after = _edited(desk, before, letter)
    _show_difference(desk, before, after)
    if not desk.as_json:
        try:
            show_dry_run(desk.err, owner.dry_run(id, after))
        except Refused as error:
            desk.err.line(f"a dry run is refused: {error}", "red")
    desk.confirm("Replay it with this event?", yes=yes)
    why = checked_reason(reason if reason is not None else _ask_reason())

    def give(one: Chosen) -> Ordered:
        return one.service.replay(one.id, why, after, key=key_of("replay", one.id, why, after))

    return carry_out(desk, "replayed", [Chosen(owner, id)], give, None)


def _edited(desk: Desk, before: Mapping[str, Any], letter: WholeLetter) -> dict[str, Any]:
    """The event as the operator leaves it: valid, and another one than before."""
    # A folder of our own that nobody else may enter, since the event is about a person; gone afterwards.
    with tempfile.TemporaryDirectory(prefix="kompeten-") as folder:
        path = Path(folder) / "event.json"
        path.write_text(as_text(before), encoding="utf-8", errors="backslashreplace")
        while True:
            _open_editor(path)
            try:
                after = checked(path.read_bytes(), letter)
            except OSError:
                raise CannotAsk("the editor left no file: nothing was done") from None
            except Undecodable as error:
                desk.err.line(f"not valid: {error}", "red")
                desk.confirm("Edit it again?", yes=False)
                continue
            if after == before:
                raise Refused(
                    "nothing was changed, so nothing was done: to replay it as it is,"
                    f" `kompeten dead-letters replay {letter.id} --reason TEXT`"
                )
            return after


def _open_editor(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise CannotAsk("no editor is named: set EDITOR, for example EDITOR=nano")
    sys.stderr.flush()
    try:
        # Standard output is for --json: the editor draws where questions are asked.
        status = subprocess.run([*shlex.split(editor), str(path)], stdout=2, check=False).returncode  # noqa: S603 - the operator's own
    except (OSError, ValueError):
        raise CannotAsk("the editor that EDITOR names cannot be started: name another") from None
    if status != 0:
        raise CannotAsk(f"the editor ended with status {status}: nothing was done")


def _show_difference(desk: Desk, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    lines = difflib.unified_diff(
        as_text(before).splitlines(), as_text(after).splitlines(), "before", "after", lineterm=""
    )
    for line in lines:
        desk.err.line(line, _STYLES.get(line[:1], ""))


def _ask_reason() -> str:
    try:
        return str(typer.prompt("Reason (is kept with the decision, name no person)", err=True))
    except typer.Abort:
        raise CannotAsk("nothing was done, since no reason was given: say --reason TEXT") from None
