"""Lines of a file of events: which can be sent, and what is wrong with the others or with the file as a whole."""

import json
from typing import Final, NamedTuple, NoReturn

import msgspec
from pydantic_core import from_json

from shared.contracts.cloudevents import json_fault, without_mark

# The service takes 1 MiB at a time.
MAX_BYTES: Final = 1_000_000
TOO_LONG: Final = f"is longer than {MAX_BYTES} bytes: publish one event a line"
_ONE_A_LINE: Final = "write each event on one line (`jq -c .` makes that of pretty-printed ones)"
_NO_TABLE: Final = "CSV and other tables are not read"
_CARRIAGE_RETURNS: Final = "its lines end with CR alone: have them end with LF (tr '\\r' '\\n')"


class Line(NamedTuple):
    number: int
    """From 1."""
    text: bytes
    fault: str | None


class _Refused(msgspec.Struct, forbid_unknown_fields=True):
    """A row of FILE.refused.jsonl, see published.py."""

    line: int
    reason: str
    event: msgspec.Raw


def fault_of_file(beginning: bytes) -> str | None:
    """Why none of its lines could be an event, where its beginning shows that: they would be refused one by one."""
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b")) or b"\0" in beginning[:2]:
        return f"the file is not JSON in UTF-8: {json_fault(beginning, ValueError())}"
    text = without_mark(beginning).lstrip()
    if text.startswith(b"["):
        return "the file holds a JSON array: write one event a line (jq -c '.[]')"
    first, end, rest = text.partition(b"\n")
    if not end:
        # A carriage return is a blank to JSON: one event may have some.
        several = b"\r" in first.strip() and read_line(1, first).fault is not None
        return f"the file is not read: {_CARRIAGE_RETURNS}" if several else None
    if first.strip() == b"{":
        return f"the file holds pretty-printed JSON: {_ONE_A_LINE}"
    if not first.startswith(b"{") and not any(line.lstrip().startswith(b"{") for line in rest.split(b"\n")):
        return (
            f"the file has no JSON object on a line: {_ONE_A_LINE}; {_NO_TABLE}" if _is_table(first) else None
        )
    return None


def _is_table(line: bytes) -> bool:
    return any(separator in line for separator in (b",", b";", b"\t"))


def read_line(number: int, text: bytes) -> Line:
    """`fault`: why it cannot be part of a batch; what it says is judged by the service."""
    if len(text) > MAX_BYTES:
        return Line(number, text[:1000], TOO_LONG)
    # Two files of Windows, one behind the other, have a mark in the middle.
    text = without_mark(text.strip()).strip()
    if not text:
        return Line(number, b"", None)
    if _is_json(text):
        return Line(number, _event_of(text), None)
    return Line(number, text, _fault(text))


def _is_json(text: bytes) -> bool:
    try:
        # Numbers stay texts: Python refuses to read very long ones, the service says so itself.
        json.loads(text.decode(), parse_int=str, parse_float=str, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return False
    return True


def _no_json(name: str) -> NoReturn:
    raise ValueError(name)


def _event_of(text: bytes) -> bytes:
    """Of a row of refused events, which somebody corrected there, the event; else all of it. As it is written: read and
    written again, a number could look different."""
    if b'"reason"' not in text or b'"event"' not in text:
        return text
    try:
        event = bytes(msgspec.json.decode(text, type=_Refused).event)
        if event.startswith(b'"'):  # it was no JSON, and is kept as a text
            event = msgspec.json.decode(event, type=str).encode()
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    return event if _is_json(event) else text


def _fault(text: bytes) -> str:
    """In the service's words, where a line is not a matter of its own."""
    try:
        from_json(text)
    except ValueError as error:
        why = json_fault(text, error)
        if not _is_text(text):
            return f"is not JSON in UTF-8: {why}"
        if not text.startswith(b"{"):
            return f"is not JSON: it begins with no {{, {_ONE_A_LINE}; {_NO_TABLE}"
        if text.endswith(b",") and _is_json(text.rstrip(b", ")):
            return "is not JSON: a comma follows the event, take it out: lines are no list"
        if b"\r" in text:
            return f"is not JSON: {_CARRIAGE_RETURNS}"
        if "trailing characters" in str(error):
            return "is not JSON: something follows the event: write one event a line"
        if "EOF" in str(error):
            return f"is not JSON: it ends before it is complete: {_ONE_A_LINE}"
        return f"is not JSON: {why}"
    return "is not JSON: it has NaN or Infinity, or a number or nesting that nobody reads: send what its schema shows"


def _is_text(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in text[:2] and not text.startswith(b"\x1f\x8b")
