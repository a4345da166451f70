"""`kompeten dead-letters edit`: correct one event in the operator's editor, then replay it."""

import difflib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.answers import Ordered, WholeLetter
from cli.client import Service
from cli.command import Desk, OneService, Yes, checked_reason
from cli.dead_letters import Id, show_dry_run
from cli.errors import CannotAsk, Refused
from cli.events import as_text, checked, readable
from cli.orders import Chosen, Outcome, find, key_of, ordered, summary
from shared.contracts.cloudevents import Undecodable

AGAIN = "Edit it again?"
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
    if letter.state not in ("", "open"):
        raise Refused(
            f"it was {letter.state} already: see `kompeten dead-letters show {letter.id}`; what stands is corrected by "
            "another event of its sender"
        )
    before = readable(letter)
    with Draft(desk, id, before) as draft:
        while True:
            after = _edited(desk, draft, before, letter)
            _show_difference(desk, before, after)
            if not desk.as_json and not _rehearsed(desk, owner, id, after, yes):
                continue
            desk.confirm("Replay it with this event?", yes=yes)
            why = reason = checked_reason(reason if reason is not None else _ask_reason())
            outcome = _replayed(owner, id, why, after)
            draft.needed = outcome.outcome == "not asked" or outcome.still_open
            if not outcome.still_open or desk.as_json or yes:
                summary(desk, "replayed", [outcome])
                return outcome.exit_status
            desk.err.line(f"refused: {outcome.reason}", "red")
            desk.confirm(AGAIN, yes=False)


class Draft:
    """What the operator writes. It stays, and is named, unless it was sent or nothing was written."""

    def __init__(self, desk: Desk, id: str, before: str) -> None:
        # A folder of our own that nobody else may enter, since the event is about a person.
        self._folder = Path(tempfile.mkdtemp(prefix="kompeten-"))
        self.path = self._folder / "event.json"
        self._desk, self._id = desk, id
        self._before = before.encode("utf-8", "backslashreplace")
        self.path.write_bytes(self._before)
        self.needed = True

    def __enter__(self) -> "Draft":
        return self

    def __exit__(self, *error: object) -> None:
        if not self.needed or not self._written():
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        self._desk.err.line(
            f"what you wrote is kept in {self.path}: once it is right, `kompeten dead-letters replay {self._id}"
            f" --event {self.path} --reason TEXT`; then remove it, since it is about a person"
        )

    def _written(self) -> bool:
        """Whether the file holds anything of the operator's; spaces are nothing."""
        try:
            text = self.path.read_bytes()
        except OSError:
            return False
        if text == self._before:
            return False
        try:
            return bool(json.loads(text) != json.loads(self._before))
        except ValueError:
            return bool(text.strip())


def _rehearsed(desk: Desk, owner: Service, id: str, after: dict[str, Any], yes: bool) -> bool:
    """Shows what would follow; False when the operator would rather edit it again."""
    try:
        show_dry_run(desk.err, owner.dry_run(id, after))
    except Refused as error:
        desk.err.line(f"a dry run is refused: {error}", "red")
        if not yes:
            desk.confirm(AGAIN, yes=False)
            return False
    return True


def _replayed(owner: Service, id: str, why: str, after: dict[str, Any]) -> Outcome:
    def give(one: Chosen) -> Ordered:
        return one.service.replay(one.id, why, after, key=key_of("replay", one.id, why, after))

    return ordered(Chosen(owner, id), give)


def _edited(desk: Desk, draft: Draft, before: str, letter: WholeLetter) -> dict[str, Any]:
    """The event as the operator leaves it: valid, and another one than before."""
    while True:
        _open_editor(draft.path)
        try:
            after = checked(draft.path.read_bytes(), letter)
        except OSError:
            raise CannotAsk("the editor left no file: nothing was done") from None
        except Undecodable as error:
            desk.err.line(f"not valid: {error}", "red")
            desk.confirm(AGAIN, yes=False)
            continue
        if after == _document(before):
            draft.needed = False
            raise Refused(
                "nothing was changed, so nothing was done: to replay it as it is,"
                f" `kompeten dead-letters replay {letter.id} --reason TEXT`"
            )
        return after


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


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


def _show_difference(desk: Desk, before: str, after: Mapping[str, Any]) -> None:
    lines = difflib.unified_diff(
        before.splitlines(), as_text(after).splitlines(), "before", "after", lineterm=""
    )
    for line in lines:
        desk.err.verbatim(line, _STYLES.get(line[:1], ""))


def _ask_reason() -> str:
    try:
        return str(typer.prompt("Reason (is kept with the decision, name no person)", err=True))
    except typer.Abort:
        raise CannotAsk("nothing was done, since no reason was given: say --reason TEXT") from None
