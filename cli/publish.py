"""`kompeten publish`: a file of events through `POST /events`, in batches; the same command goes on after a stop."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from os import SEEK_END
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NamedTuple, NoReturn

import typer

from cli.client import Busy, Service, TooLarge
from cli.command import Desk
from cli.errors import DONE, NO, CannotAsk
from cli.event_lines import MAX_BYTES, Line, fault_of_file, read_line
from cli.published import BLOCK_BYTES, Published, Refusal
from shared.contracts.payload import OPD_CODE

MAX_EVENTS: Final = 500
PATIENCE_S: Final = 600.0
"""So long without any event taken, and the run ends; to be taken up again."""
NOT_TAKEN_PAUSE_S: Final = 1.0


class Batch(NamedTuple):
    lines: int
    size_bytes: int
    """In the file."""
    events: list[Line]
    refused: list[Refusal]
    """Those that cannot even be sent."""
    digest: "hashlib._Hash"
    """Of the file up to here."""
    ends_line: bool


def publish(
    desk: Desk,
    file: Annotated[Path, typer.Argument(help="JSON lines: one CloudEvent a line", metavar="FILE")],
    agency: Annotated[
        str, typer.Option("--agency", metavar="OPD", help="Code of the agency whose events they are")
    ],
    url: Annotated[
        str | None, typer.Option("--url", help="Where enrollment is; the same as --enrollment-url")
    ] = None,
) -> int:
    """Publish a file of events as an agency; needs a token of role agency."""
    if not OPD_CODE.fullmatch(agency):
        raise CannotAsk("--agency takes an agency's code, as in its topic: letters a-z, digits and hyphens")
    given = desk.given if url is None else replace(desk.given, urls={"enrollment": url.rstrip("/")})
    service = given.service("enrollment", role="agency", opd=agency)
    try:
        with file.open("rb") as opened:
            total = _count_lines(opened)
            done = Published(file, agency)
            done.skip(opened)
            resumed_at = done.mark.lines
            with desk.err.progress("lines", shown=not desk.as_json) as bar:
                task = bar.add_task("lines", total=total, completed=resumed_at)
                _publish(desk, service, opened, done, partial(bar.advance, task))
            unfinished_bytes = opened.seek(0, SEEK_END) - done.mark.offset
    except OSError as error:
        why = error.strerror or "is no file on a disk"
        raise CannotAsk(
            f"{error.filename or file}: {why}: name a file that can be read, in a folder that can be written"
        ) from None
    return _tell(desk, file, done, resumed_at, unfinished_bytes)


def _publish(
    desk: Desk, service: Service, file: BinaryIO, done: Published, advance: Callable[[int], None]
) -> None:
    try:
        while (batch := _next_batch(file, done)) is not None:
            accepted, refused = _send(desk, service, batch.events)
            done.add(
                size_bytes=batch.size_bytes,
                lines=batch.lines,
                accepted=accepted,
                refused=sorted([*batch.refused, *refused]),
                digest=batch.digest,
                ends_line=batch.ends_line,
            )
            advance(batch.lines)
    except KeyboardInterrupt:
        _stopped("interrupted", done)
    except CannotAsk as error:
        _stopped(str(error), done)


def _stopped(why: str, done: Published) -> NoReturn:
    at = done.mark.lines + 1
    raise CannotAsk(f"{why}; the same command goes on at line {at}") from None


def _tell(desk: Desk, file: Path, done: Published, resumed_at: int, unfinished_bytes: int) -> int:
    """`unfinished_bytes`: behind the last line that was read, where somebody still writes or what was written was cut."""
    mark = done.mark
    told = {
        "file": str(file),
        "agency": mark.agency,
        "lines": mark.lines,
        "accepted": mark.accepted,
        "refused": mark.refused,
        "refused_file": str(done.refused_path) if mark.refused else None,
        "resumed_at_line": resumed_at + 1,
        "unfinished_bytes": unfinished_bytes,
    }
    if not desk.answer(told):
        if resumed_at:
            before = "all of it" if resumed_at == mark.lines else f"lines 1 to {resumed_at}"
            desk.out.line(f"published before: {before} (remove {done.mark_path} to publish all again)")
        desk.out.line(f"{mark.accepted} of {mark.accepted + mark.refused} events of {file} are in the log")
        if mark.refused:
            desk.out.line(
                f"{mark.refused} were refused: correct them in a copy of {done.refused_path}, where each has its reason,"
                " and publish the copy as it is",
                "red",
            )
        if unfinished_bytes:
            desk.out.line(
                f"the last line is not finished, {unfinished_bytes} bytes: it waits; the same command goes on there once"
                " it is whole (or has an end of line, to be refused with its reason)",
                "yellow",
            )
    return NO if mark.refused or unfinished_bytes else DONE


def _count_lines(file: BinaryIO) -> int:
    """Refuses a file whose lines would be refused one by one."""
    first, count, last = file.read(BLOCK_BYTES), 0, b""
    if (fault := fault_of_file(first)) is not None:
        raise CannotAsk(fault)
    block = first
    while block:
        count, last = count + block.count(b"\n"), block
        block = file.read(BLOCK_BYTES)
    file.seek(0)
    return count + (not last.endswith(b"\n") and bool(last))


def _next_batch(file: BinaryIO, done: Published) -> Batch | None:
    events: list[Line] = []
    refused: list[Refusal] = []
    lines = size = to_send = 0
    digest, ends_line = done.digest.copy(), done.ends_line
    while len(events) < MAX_EVENTS and lines < 10 * MAX_EVENTS:
        start, whole = file.tell(), digest.copy()
        text = file.readline(MAX_BYTES + 1)
        if not text:
            break
        if events and to_send + len(text) > MAX_BYTES:
            file.seek(start)
            break
        # What follows a last line that was whole without its end is still of that line.
        number = done.mark.lines + lines + (1 if ends_line else 0)
        line = read_line(number, text)
        end, more = text, len(text)
        whole.update(text)
        while not end.endswith(b"\n") and (end := file.readline(BLOCK_BYTES)):  # the rest of one too long
            whole.update(end)
            more += len(end)
        if not end and not _is_whole(line):  # somebody is writing it: both halves would be refused
            file.seek(start)
            break
        digest, size, lines, ends_line = whole, size + more, number - done.mark.lines, bool(end)
        if line.fault is not None:
            refused.append(Refusal(line.number, line.fault, line.text, is_json=False))
        elif line.text:
            events.append(line)
            to_send += len(line.text) + 1
    return Batch(lines, size, events, refused, digest, ends_line) if size else None


def _is_whole(line: Line) -> bool:
    """Without an end of line: no part of a JSON object is one itself, but a part of 12 is 1."""
    return line.fault is None and (not line.text or line.text.startswith(b"{"))


def _send(desk: Desk, service: Service, events: Sequence[Line]) -> tuple[int, list[Refusal]]:
    """How many are in the log, and those that were refused; returns when each is one or the other."""
    accepted, waited_s = 0, 0.0
    refused: list[Refusal] = []
    parts = deque([list(events)] if events else [])
    while parts:
        part = parts.popleft()
        answer = service.publish(b"[" + b",".join(line.text for line in part) + b"]")
        if isinstance(answer, TooLarge):
            if len(part) == 1:
                refused.append(_refusal(part[0], "is larger than the service takes: split it"))
            else:
                middle = len(part) // 2
                parts.extendleft((part[middle:], part[:middle]))
            continue
        left, pause = part, NOT_TAKEN_PAUSE_S
        if isinstance(answer, Busy):
            pause = answer.seconds
        else:
            verdicts = {verdict.index: verdict for verdict in answer}
            left = []
            for index, line in enumerate(part):
                verdict = verdicts.get(index)
                if verdict is None or verdict.status not in ("accepted", "refused"):
                    left.append(line)
                elif verdict.status == "accepted":
                    accepted += 1
                else:
                    refused.append(_refusal(line, verdict.detail or "no reason given"))
        if len(left) < len(part):
            waited_s = 0.0
        if left:
            waited_s += max(pause, 1.0)
            if waited_s > PATIENCE_S:
                raise CannotAsk(f"{service.name} took nothing for {PATIENCE_S:.0f} s: see `kompeten status`")
            desk.err.line(f"{service.name} is busy: going on in {pause:.0f} s", "yellow")
            time.sleep(pause)
            parts.appendleft(left)
    return accepted, refused


def _refusal(line: Line, reason: str) -> Refusal:
    return Refusal(line.number, reason, line.text, is_json=True)
