"""People out of a file: ids of records or employee numbers, one a line or in a column of a table (CSV)."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from shared.cli.errors import CannotAsk
from shared.cli.number import STDIN
from shared.contracts.employee_number import check_employee_number

RECORD: Final = "emp_"
"""What the ids of records begin with."""
ID_COLUMN, NUMBER_COLUMN = "employee_id", "employee_number"


class Named(NamedTuple):
    line: int
    """In the file, from 1."""
    asked: dict[str, str]
    """For `POST /people/search`."""


def people_in(file: Path) -> list[Named]:
    """Each once. The column `employee_id` or `employee_number`, else the first one; commas or semicolons. The text of no
    error repeats a number."""
    found: dict[str, Named] = {}
    for line, text in _cells(file):
        if text.startswith(RECORD):
            found.setdefault(text, Named(line, {ID_COLUMN: text}))
        elif (fault := check_employee_number(text)) is None:
            found.setdefault(text, Named(line, {NUMBER_COLUMN: text}))
        else:
            raise CannotAsk(f"line {line} of {file}: {fault}; or put the id of a record, {RECORD}..., there")
    if not found:
        raise CannotAsk(f"{file} names nobody: put an employee number or the id of a record on each line")
    return list(found.values())


def _cells(file: Path) -> Iterator[tuple[int, str]]:
    lines = _lines(file)
    delimiter = ";" if lines and ";" in lines[0] else ","
    rows = csv.reader(lines, delimiter=delimiter)
    column = 0
    for row in rows:
        named = [cell.strip().casefold() for cell in row]
        if rows.line_num == 1 and not any(cell.isdigit() or cell.startswith(RECORD) for cell in named):
            known = [named.index(one) for one in (ID_COLUMN, NUMBER_COLUMN) if one in named]
            column = known[0] if known else 0
        elif len(row) > column and row[column].strip():
            yield rows.line_num, row[column].strip()


def _lines(file: Path) -> list[str]:
    try:
        text = sys.stdin.read() if file == STDIN else file.read_text(encoding="utf-8-sig")
        return text.splitlines()
    except (OSError, UnicodeDecodeError):
        raise CannotAsk(f"{file} cannot be read: name a text file in UTF-8") from None
