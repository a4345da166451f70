"""What `kompeten publish` says of a file or line that it cannot send: one sentence for all was untrue for most."""

import json

import pytest

from cli.event_lines import fault_of_file, read_line

EVENT = json.dumps(
    {"specversion": "1.0", "id": "evt-1", "data": {"title": "Café", "jp": 1.10}}, ensure_ascii=False
)
PRETTY = json.dumps(json.loads(EVENT), indent=2)
MARK = "\ufeff"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (EVENT.encode("cp1252"), "another encoding (Windows-1252, perhaps): send UTF-8"),
        (EVENT.encode("utf-16"), "it is UTF-16"),
        (EVENT.encode("utf-16-le"), "it is UTF-16"),
        (EVENT.encode() + b",", "a comma follows the event"),
        (EVENT.encode() + b"\r" + EVENT.encode(), "its lines end with CR alone"),
        (EVENT.encode() + EVENT.encode(), "something follows the event"),
        (EVENT.encode()[:-2], "it ends before it is complete: write each event on one line"),
        (b'"id": "evt-1",', "pretty-printed"),
        (b"198501012010011001;PPBD;2026-03-04", "CSV and other tables are not read"),
        (b'{"id": NaN}', "NaN or Infinity"),
        (b"{'id': 1}", "not in double quotation marks"),
    ],
)
def test_a_line_that_is_no_event_is_told_why(text: bytes, says: str) -> None:
    assert says in (read_line(3, text).fault or "")


def test_a_byte_order_mark_means_nothing_on_any_line() -> None:
    for number in (1, 2):
        assert read_line(number, (MARK + EVENT + "\r\n").encode()).text == EVENT.encode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ((EVENT + "\n").encode("utf-16"), "UTF-16"),
        ((PRETTY + "\n" + PRETTY + "\n").encode(), "pretty-printed"),
        ((MARK + PRETTY + "\n").encode(), "pretty-printed"),
        (b"nip;kode\r\n198501012010011001;PPBD\r\n", "CSV"),
        (f"{EVENT}\r{EVENT}\r".encode(), "CR alone"),
        (b" [\n", "JSON array"),
    ],
)
def test_a_file_whose_lines_are_no_events_is_told_once(text: bytes, says: str) -> None:
    assert says in (fault_of_file(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        EVENT,
        EVENT + "\r",
        EVENT + "\r\n",
        "no json\n" + EVENT + "\n",
        EVENT[:9],
        EVENT[:9] + "\n",
        "no json\n",
    ],
)
def test_a_file_that_may_have_events_is_read_line_by_line(text: str) -> None:
    assert fault_of_file(text.encode()) is None


def test_a_refused_event_that_was_corrected_where_it_was_kept_is_sent_as_it_is_written() -> None:
    """Its row, with `line` and `reason`, came back as no CloudEvent."""
    for event in (EVENT, json.dumps(EVENT)):
        row = '{"line": 7, "reason": "data.form: is missing", "event": ' + event + "}"
        assert read_line(1, row.encode()).text == EVENT.encode()
    other = '{"line": 7, "reason": "r", "event": {}, "specversion": "1.0"}'
    assert read_line(1, other.encode()).text == other.encode()
