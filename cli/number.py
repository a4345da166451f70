"""An employee number from the keyboard or a file. Never from the command line: it would stay in the shell's history, and
everybody on the machine sees it in the list of processes."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import typer

from cli.errors import CannotAsk
from shared.contracts.employee_number import LENGTH, check_employee_number

STDIN: Final = Path("-")
# What spreadsheets and editors put around or between digits: '1985..., ="1985...", blanks of all kinds, dots between
# groups, byte order marks and blanks without width.
_AROUND: Final = re.compile("[\\s'‘’`\"=.\u200b-\u200f\u2060\ufeff]")
_SCIENTIFIC: Final = re.compile(r"\d(?:[.,]\d+)?E\+?\d", re.IGNORECASE)


def employee_number(file: Path | None = None) -> str:
    """Checked; the text of no error repeats it. `file`: has it as its first line that is not empty; `-` is standard
    input, which is read too where nobody can be asked."""
    if file is None and sys.stdin.isatty():
        number = str(typer.prompt("Employee number (not shown)", hide_input=True, err=True))
    else:
        number = _first_line(STDIN if file is None else file)
    number = bare_number(number)
    if (fault := number_fault(number)) is not None:
        raise CannotAsk(fault)
    return number


def bare_number(text: str) -> str:
    """Without what stands around and between its digits, where that leaves 18; else as it is, without blanks at its
    ends."""
    bare = _AROUND.sub("", text)
    return bare if len(bare) == LENGTH and bare.isascii() and bare.isdigit() else text.strip()


def is_scientific(text: str) -> bool:
    return _SCIENTIFIC.search(text) is not None


def number_fault(number: str) -> str | None:
    """Why this is no employee number, without the number itself; None if it is one."""
    if is_scientific(number):
        return (
            "the spreadsheet wrote the number as 1.9E+17, and its last digits are lost: format the column as text, put "
            "the numbers in again, and save it anew"
        )
    return check_employee_number(number)


def _first_line(file: Path) -> str:
    try:
        if file == STDIN:
            return _first(sys.stdin)
        with file.open(encoding="utf-8-sig") as opened:
            return _first(opened)
    except (OSError, UnicodeDecodeError):
        raise CannotAsk(
            f"{file} cannot be read: name a text file in UTF-8 that holds an employee number"
        ) from None


def _first(lines: Iterable[str]) -> str:
    return next((line for line in lines if line.strip()), "")
