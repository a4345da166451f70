"""Sentences on a terminal: it breaks lines in mid-word by itself, and nobody reads 400 characters of such."""

import re
import shutil
import textwrap
from typing import Final, TextIO

NARROWEST: Final = 30
"""Columns left for words; with fewer a line is left to the terminal."""
_QUOTED: Final = re.compile(r"`[^`]*`")
_KEPT_BLANK: Final = "\ue000"  # for private use: no sentence has it


def width_of(stream: TextIO) -> int | None:
    """In columns; None: it is no terminal, and whoever reads it wants a line in one piece."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def wrapped(text: str, width: int | None, *, indent: int = 0, hang: int = 2) -> list[str]:
    """Broken between words. Ids, addresses and commands in backquotes stay in one piece, though they are longer.

    `hang`: columns by which further lines are indented more.
    """
    if width is None or width - indent - hang < NARROWEST:
        return [" " * indent + text]
    lead = len(text) - len(text.lstrip(" "))
    kept = _QUOTED.sub(lambda found: found.group().replace(" ", _KEPT_BLANK), text[lead:])
    lines = textwrap.wrap(
        kept, width, initial_indent=" " * (indent + lead), subsequent_indent=" " * (indent + lead + hang),
        break_long_words=False, break_on_hyphens=False, replace_whitespace=False, drop_whitespace=True,
    )  # fmt: skip
    return [line.replace(_KEPT_BLANK, " ") for line in lines] or [""]
