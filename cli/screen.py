"""What goes to the terminal. Texts come from strangers: nothing in them is markup or moves the cursor."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from shared.terminal import width_of, wrapped

# Controls; marks that turn the direction of writing or have no width; halves of characters.
_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
SHORT: Final = 160
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: object) -> str:
    r"""In one line, with what cannot be seen written out: `\x1b`, `\u202e`. None is a dash."""
    return "-" if text is None else _UNSEEN.sub(_written_out, str(text))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found.group())
    if found.group() in _NAMED:
        return _NAMED[found.group()]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def short(text: object) -> str:
    """Its beginning, for one screen, cut between words."""
    whole = plain(text)
    if len(whole) <= SHORT:
        return whole
    words, _, _ = whole[: SHORT - 1].rpartition(" ")
    # One long word, as an agency may write it, is cut itself.
    return words + " …" if len(words) > SHORT // 2 else whole[: SHORT - 1] + "…"


def local(moment: datetime | None) -> str:
    """In the terminal's time zone, with its offset."""
    return "-" if moment is None else moment.astimezone().isoformat(" ", "seconds")


def pretty(document: object) -> list[str]:
    """Lines of a JSON document, readable."""
    return json.dumps(document, indent=2, ensure_ascii=False).splitlines()


class Screen:
    """Standard output or standard error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, markup=False, highlight=False, emoji=False)
        self._wide = Console(file=stream, width=1000, height=100, markup=False, highlight=False, emoji=False)

    def line(self, text: object = "", style: str = "", *, indent: int = 0, hang: int = 2) -> None:
        """A sentence: a terminal gets it broken between words, a file or pipe in one piece."""
        for piece in wrapped(plain(text), width_of(self._stream), indent=indent, hang=hang):
            self._console.print(Text(piece, style=style), soft_wrap=True)

    def verbatim(self, text: str, style: str = "") -> None:
        """A line of a document: as long as it is, so that it can be copied."""
        self._console.print(Text(plain(text), style=style), soft_wrap=True)

    def heading(self, text: str) -> None:
        self.line()
        self.line(text, "bold")

    def fields(self, named: Mapping[str, object], *, indent: int = 0) -> None:
        """One below the other; what is None or empty is left out."""
        named = {name: value for name, value in named.items() if value not in (None, "")}
        width = max((len(name) for name in named), default=0)
        for name, value in named.items():
            self.line(f"{name:{width}}  {plain(value)}", indent=indent, hang=width + 2)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], styles: Sequence[str] = ()
    ) -> None:
        """For short cells, numbers above all. `styles`: of the rows, "" or missing for none."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in columns:
            table.add_column(Text(name), no_wrap=True)
        for number, row in enumerate(rows):
            style = styles[number] if number < len(styles) else ""
            table.add_row(*(Text(plain(cell)) for cell in row), style=style or None)
        # Wider than the terminal it wraps there: a cell cut off at night would be worse.
        self._wide.print(table, soft_wrap=True)

    def progress(self, what: str, *, shown: bool) -> Progress:
        """A bar; nothing at all where nobody watches."""
        return Progress(
            TextColumn(what, markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self._console, transient=True, disable=not shown or not self._stream.isatty(),
        )  # fmt: skip

    def json(self, document: Any) -> None:
        """ASCII, so that no character of it means anything to a terminal."""
        self._stream.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
        self._stream.flush()


def screens() -> tuple[Screen, Screen]:
    return Screen(sys.stdout), Screen(sys.stderr)
