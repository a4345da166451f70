"""People out of a file: ids of records or employee numbers, one a line or in a column of a table (CSV).

As spreadsheets save it: any usual separator, apostrophes and blanks around numbers, titles of columns in Indonesian. Each
line that names nobody is told, so that nobody is left out unseen.
"""

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cli.errors import CannotAsk
from cli.number import STDIN, bare_number, is_scientific, number_fault

RECORD: Final = "emp_"
"""What the ids of records begin with."""
ID, NUMBER = "employee_id", "employee_number"
ID_TITLES: Final = frozenset({"employeeid"})
NUMBER_TITLES: Final = frozenset(
    {
        "employeenumber",
        "nip",
        "nipbaru",
        "nippppk",
        "nipnippppk",
        "nomorpegawai",
        "nopegawai",
        "nomorindukpegawai",
    }
)
"""Of columns: their letters and digits alone, small."""
SEPARATORS: Final = (";", "\t", "|", ",")
MAX_TOLD: Final = 20
FEW_DIGITS: Final = 5
"""A line with no more of them in its first cell holds titles, not a person."""
_SEPARATOR_SAID: Final = re.compile(r'"?sep=([^\r\n"])"?\s*', re.IGNORECASE)
_IS_RECORD: Final = re.compile(RECORD + "[0-9a-f]{32}")
_BESIDE_LETTERS: Final = re.compile(r"[\W_]")


class Named(NamedTuple):
    line: int
    """In the file, from 1."""
    asked: dict[str, str]
    """For `POST /people/search`."""


class _Row(NamedTuple):
    line: int
    """Its first, as a cell may have several."""
    cells: list[str]
    fault: str | None = None
    """Why it and what follows it can't be read."""


class _Fault(NamedTuple):
    line: int
    what: str


class _Reading(NamedTuple):
    """What a file says by one separator."""

    found: dict[str, Named]
    faults: list[_Fault]
    titled: bool


def people_in(file: Path) -> list[Named]:
    """Each once: by the column of ids, else that of numbers, else the first one. Raises CannotAsk with all lines that
    name nobody. The text of no error repeats a number."""
    reading = _read_best(_text(file))
    if reading.faults:
        raise _wrong(file, reading.faults)
    if not reading.found:
        raise CannotAsk(f"{file} names nobody: put an employee number or the id of a record on each line")
    return list(reading.found.values())


def _wrong(file: Path, faults: Sequence[_Fault]) -> CannotAsk:
    if len(faults) == 1:
        return CannotAsk(f"line {faults[0].line} of {file}: {faults[0].what}")
    told = [f"line {fault.line}: {fault.what}" for fault in faults[:MAX_TOLD]]
    if len(faults) > MAX_TOLD:
        told.append(f"and {len(faults) - MAX_TOLD} more")
    return CannotAsk(f"{len(faults)} lines of {file} name nobody: correct them or take them out", told)


def _read_best(text: str) -> _Reading:
    """By the separator that the file names, as Excel does, else by the one under which most people are found."""
    lines = list(io.StringIO(text, newline=""))
    first = next((n for n, line in enumerate(lines) if line.strip()), None)
    said = None if first is None else _SEPARATOR_SAID.fullmatch(lines[first])
    if first is not None and said is not None:
        lines[first] = "\n"
        return _read(lines, said[1])
    readings = [(_read(lines, separator), text.count(separator)) for separator in SEPARATORS]
    best, _ = max(readings, key=lambda reading: (len(reading[0].found), reading[0].titled, reading[1]))
    return best


def _read(lines: Sequence[str], separator: str) -> _Reading:
    reading = _Reading({}, [], False)
    columns: Sequence[int] = ()
    for row in _rows(lines, separator):
        if row.fault is None and not columns:
            columns = _columns(row.cells)
            reading = reading._replace(titled=bool(columns))
            if (fault := _left_open(columns, row)) is not None:
                reading.faults.append(_Fault(row.line, fault))
                return reading
            if columns:
                continue
            columns = (0,)
        fault = row.fault or _take(row, columns, reading.found)
        if fault is not None:
            reading.faults.append(_Fault(row.line, fault))
    return reading


def _left_open(columns: Sequence[int], row: _Row) -> str | None:
    """Why the first line leaves open where the people are."""
    if len(columns) > len({_is_id(row.cells[column]) for column in columns}):
        return "has several columns of numbers, or of ids: leave the title of the one that is meant, or that column alone"
    return None if columns or _names_somebody(row.cells) else _NO_COLUMN


_NO_COLUMN: Final = (
    f"no column {NUMBER} or NIP found, nor {ID}: name it so in the line on top, or put a number or the id of a record "
    "first in each line"
)


def _rows(lines: Sequence[str], separator: str) -> Iterator[_Row]:
    """Those that are not empty."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fault = "a quotation mark is not closed, or stands within a cell: correct that; what follows was not read"
            yield _Row(line, [], fault)
            return
        if any(cell.strip() for cell in cells):
            yield _Row(line, cells)


def _columns(cells: Sequence[str]) -> list[int]:
    """Places of the columns that name people, that of ids first; empty where this is no line of titles."""
    named = [place for place, cell in enumerate(cells) if _title(cell) in ID_TITLES | NUMBER_TITLES]
    return sorted(named, key=lambda place: not _is_id(cells[place]))


def _is_id(title: str) -> bool:
    return _title(title) in ID_TITLES


def _title(cell: str) -> str:
    return _BESIDE_LETTERS.sub("", cell.casefold())


def _names_somebody(cells: Sequence[str]) -> bool:
    """Or is meant to."""
    first = cells[0]
    digits = sum(character.isdigit() for character in first)
    return RECORD in first or digits > FEW_DIGITS or is_scientific(",".join(cells[:2]))


def _take(row: _Row, columns: Sequence[int], found: dict[str, Named]) -> str | None:
    """Adds the person of a line; or says why there is none."""
    cells = [row.cells[place].strip() for place in columns if place < len(row.cells)]
    text = bare_number(next((cell for cell in cells if cell), ""))
    if not text:
        return _nothing(row, columns)
    if _IS_RECORD.fullmatch(text):
        found.setdefault(text, Named(row.line, {ID: text}))
        return None
    if (fault := _fault(text, row)) is None:
        found.setdefault(text, Named(row.line, {NUMBER: text}))
    return fault


def _fault(text: str, row: _Row) -> str | None:
    if text.startswith(RECORD):
        return f"no id of a record, which is {RECORD} and 32 of 0-9 and a-f: copy all of it"
    fault = number_fault(text)
    if fault is None or is_scientific(text):
        return fault
    halves = ",".join(row.cells[:2])  # by commas 1,9E+17 is two cells
    return (
        number_fault(halves)
        if is_scientific(halves)
        else f"{fault}; or put the id of a record, {RECORD}..., there"
    )


def _nothing(row: _Row, columns: Sequence[int]) -> str:
    where = min(columns) + 1
    if len(row.cells) < where:
        few = "1 column" if len(row.cells) == 1 else f"{len(row.cells)} columns"
        return f"has {few}, and people are named in column {where}: complete it, or take it out"
    return f"has nothing in column {where}, which names people: put a number there, or take the line out"


def _text(file: Path) -> str:
    try:
        if file == STDIN:
            return sys.stdin.read().removeprefix("\ufeff")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise CannotAsk(
            f"{file} cannot be read: name a text file in UTF-8; spreadsheets save it as CSV UTF-8"
        ) from None
