"""An employee number from the keyboard or a file. Never from the command line: it would stay in the shell's history, and
everybody on the machine sees it in the list of processes."""

import sys
from pathlib import Path
from typing import Final

import typer

from shared.cli.errors import CannotAsk
from shared.contracts.employee_number import check_employee_number

STDIN: Final = Path("-")


def employee_number(file: Path | None = None) -> str:
    """Checked; the text of no error repeats it. `file`: has it as its first line; `-` is standard input, which is read
    too where nobody can be asked."""
    if file is not None and file != STDIN:
        number = _first_line(file)
    elif file is None and sys.stdin.isatty():
        number = str(typer.prompt("Employee number (not shown)", hide_input=True, err=True))
    else:
        number = sys.stdin.readline()
    number = number.strip()
    if (fault := check_employee_number(number)) is not None:
        raise CannotAsk(fault)
    return number


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.readline()
    except (OSError, UnicodeDecodeError):
        raise CannotAsk(f"{file} cannot be read: name a file that holds an employee number") from None
