"""How far a file of events has been published: kept beside it, so that the same command goes on there."""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from cli.errors import CannotAsk

BLOCK_BYTES = 1 << 20
_LINE = re.compile(rb'^\{"line": (\d+), ', re.MULTILINE)


class Refusal(NamedTuple):
    line: int
    reason: str
    text: bytes
    """As it stands in the file."""
    is_json: bool


class Mark(BaseModel):
    """What is in FILE.progress."""

    model_config = ConfigDict(frozen=True)

    agency: str
    offset: int = 0
    """Bytes of the file that are done."""
    sha256: str = ""
    """Of these bytes: another file of the same name begins anew, but only when told to."""
    lines: int = 0
    accepted: int = 0
    refused: int = 0


class Published:
    """The mark and the refused events of one file."""

    def __init__(self, file: Path, agency: str) -> None:
        self.mark_path = file.with_name(file.name + ".progress")
        self.refused_path = file.with_name(file.name + ".refused.jsonl")
        self.mark, self._known = Mark(agency=agency), set[int]()
        self.digest = hashlib.sha256()
        self.ends_line = True
        """Whether what is done ends with an end of line."""
        if self.mark_path.exists():
            self.mark = self._read(agency)
            self._known = self._lines_refused()
        else:
            self.refused_path.unlink(missing_ok=True)

    def skip(self, file: BinaryIO) -> None:
        """Moves behind what is done, if this is still the file of which it was done."""
        left = self.mark.offset
        while left and (block := file.read(min(left, BLOCK_BYTES))):
            self.digest.update(block)
            self.ends_line = block.endswith(b"\n")
            left -= len(block)
        if self.mark.offset and (left or self.digest.hexdigest() != self.mark.sha256):
            raise CannotAsk(
                f"the part that was published has changed since: remove {self.mark_path} to publish all of it"
                " (copies do no harm), or publish the rest from a file of another name"
            )

    def add(
        self,
        *,
        size_bytes: int,
        lines: int,
        accepted: int,
        refused: Iterable[Refusal],
        digest: "hashlib._Hash",
        ends_line: bool,
    ) -> None:
        """One batch is done. The refused ones are written first: a mark without them would lose them."""
        refused = list(refused)
        self.digest, self.ends_line = digest, ends_line
        self._write_refused(refusal for refusal in refused if refusal.line not in self._known)
        self.mark = Mark(
            agency=self.mark.agency,
            offset=self.mark.offset + size_bytes,
            sha256=self.digest.hexdigest(),
            lines=self.mark.lines + lines,
            accepted=self.mark.accepted + accepted,
            refused=self.mark.refused + len(refused),
        )
        partial = self.mark_path.with_name(self.mark_path.name + ".new")
        partial.write_text(self.mark.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.replace(self.mark_path)

    def _read(self, agency: str) -> Mark:
        try:
            mark = Mark.model_validate_json(self.mark_path.read_bytes())
        except (OSError, ValidationError):
            raise CannotAsk(
                f"{self.mark_path} cannot be read: remove it to publish all of the file (copies do no harm)"
            ) from None
        if mark.agency != agency:
            raise CannotAsk(
                f"{self.mark_path} is of a run for agency {mark.agency}: remove it if all of the file is to be"
                f" published for {agency}"
            )
        return mark

    def _lines_refused(self) -> set[int]:
        """Those that a run wrote down before it was killed: they are not written twice."""
        try:
            text = self.refused_path.read_bytes()
        except FileNotFoundError:
            return set()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:  # killed while it wrote the row: it is written again
            os.truncate(self.refused_path, len(whole))
        return {int(number) for number in _LINE.findall(whole)}

    def _write_refused(self, refusals: Iterable[Refusal]) -> None:
        rows = [_row(refusal) for refusal in refusals]
        if rows:
            # Only for whoever publishes: the events are about people.
            handle = os.open(self.refused_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(b"".join(rows))


def _row(one: Refusal) -> bytes:
    # The event as it was sent: read and written again, a number could look different.
    event = one.text if one.is_json else json.dumps(one.text.decode("utf-8", "backslashreplace")).encode()
    return b'{"line": %d, "reason": %s, "event": %s}\n' % (one.line, json.dumps(one.reason).encode(), event)
