"""What goes over Kafka is read back as it was written, and what cannot be read is refused in words that
repeat nothing of it."""

import base64
import codecs
import gzip
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.contracts.agency import EmployeeRegistered, TrainingCompleted
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import Event, Undecodable, decode, encode, id_in, peek
from shared.contracts.payload import MAX_SAFE_INTEGER, Payload
from shared.contracts.topics import AGENCY
from tests.examples import examples
from tests.factories import MOMENT, NIP, as_record, completed, jp_credited, registered
from tools.contracts.examples import EXAMPLES

Headers = Sequence[tuple[str, bytes | None]]
Document = dict[str, Any]
every_event = pytest.mark.parametrize("payload", EVENT_TYPES, ids=lambda payload: payload.__name__)
STRUCTURED_HEADERS: Headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


def read(value: bytes | None, headers: Headers = ()) -> Event:
    """As the pipeline does it."""
    type_, document = peek(value, headers)
    assert value is not None
    return decode(value, headers, document, {one.TYPE: one for one in EVENT_TYPES}[type_])


def read_as(payload: type[Payload], value: bytes, headers: Headers = ()) -> Event:
    return decode(value, headers, peek(value, headers)[1], payload)


def document(payload: Payload | None = None) -> Document:
    value = as_record(payload or completed(revision=1)).value
    assert value is not None
    parsed: Document = json.loads(value)
    return parsed


def binary(payload: Payload | None = None) -> tuple[bytes, dict[str, bytes | None]]:
    record = as_record(payload or completed(), mode="binary")
    assert record.value is not None
    return record.value, dict(record.headers)


def refusal(value: bytes | None, headers: Headers = ()) -> str:
    with pytest.raises(Undecodable) as refused:
        read(value, headers)
    return str(refused.value)


# Names.


@every_event
def test_type_names_follow_the_rule(payload: type[Payload]) -> None:
    name = re.fullmatch(r"id\.go\.bandung\.([a-z]+)\.([a-z]+(?:-[a-z]+)*)\.v[1-9][0-9]*", payload.TYPE)
    assert name is not None, "reverse DNS, subject, verb, version: id.go.bandung.training.completed.v1"
    is_command = ".commands." in EVENT_TYPES[payload]
    assert name[2].endswith("ed") is not is_command, "events are past, commands imperative"
    verb = name[2].title().replace("-", "")
    assert payload.__name__.startswith(verb) if is_command else payload.__name__ == name[1].title() + verb


def test_no_two_events_share_a_type_and_each_has_an_example() -> None:
    assert len({payload.TYPE for payload in EVENT_TYPES}) == len(EVENT_TYPES)
    assert EXAMPLES.keys() == EVENT_TYPES.keys()


# There and back.


@every_event
def test_what_is_encoded_is_decoded_as_it_was(payload: type[Payload]) -> None:
    value = encode(
        EXAMPLES[payload], id="event-1", source="urn:kompeten:enrollment", time=MOMENT, subject="subject-1",
        partitionkey="key-1", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )  # fmt: skip
    event = read(value, STRUCTURED_HEADERS)
    assert event.data == EXAMPLES[payload]
    assert event.attributes.time == MOMENT
    assert (event.attributes.id, event.attributes.subject) == ("event-1", "subject-1")
    assert event.attributes.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@every_event
def test_all_forms_decode_to_the_same(payload: type[Payload]) -> None:
    whole = document(EXAMPLES[payload])
    value, headers = binary(EXAMPLES[payload])
    data = base64.b64encode(json.dumps(whole["data"]).encode()).decode()
    in_base64 = {name: part for name, part in whole.items() if name != "data"} | {"data_base64": data}
    forms: list[tuple[bytes, Headers]] = [
        (json.dumps(whole).encode(), STRUCTURED_HEADERS),
        (json.dumps(whole).encode(), ()),
        (json.dumps(whole).encode(), (("content-type", b"application/json"),)),
        (json.dumps(whole).encode(), (("content-type", None),)),
        (json.dumps(in_base64).encode(), STRUCTURED_HEADERS),
        (json.dumps(whole).encode(), (*STRUCTURED_HEADERS, *as_record(EXAMPLES[payload]).headers)),
        (json.dumps(whole).encode(), (*binary()[1].items(), *STRUCTURED_HEADERS)),
        (value, tuple(headers.items())),
        (value, tuple((name, text) for name, text in headers.items() if name != "content-type")),
        (value, (*headers.items(), ("content-type", b"application/json; charset=utf-8"))),
        (value, (*headers.items(), ("ce_unknown", b"\xff"), ("other", None))),
    ]
    for value, given_headers in forms:
        event = read(value, given_headers)
        assert event.data == EXAMPLES[payload]
        assert (event.attributes.id, event.attributes.time) == ("event-1", MOMENT)


@every_event
def test_fields_of_a_newer_sender_are_ignored(payload: type[Payload]) -> None:
    whole = document(EXAMPLES[payload])
    whole["data"]["invented_later"] = {"deep": [1]}
    whole["extension"] = "x"
    assert read(json.dumps(whole).encode()).data == EXAMPLES[payload]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (" Pelatihan\t", "Pelatihan"),
        ("e\u0301", "\u00e9"),
        ("C:\\u0000", "C:\\u0000"),
        ('":', '":'),
        ("\ufeffPelatihan\u200b", "Pelatihan"),
        ("Ko\u00adta \u202eABC\u202c", "Kota ABC"),
        ("e\u200b\u0301", "\u00e9"),
        ("\u1b95\u200d\u1b95", "\u1b95\u200d\u1b95"),
    ],
)
def test_text_arrives_trimmed_and_composed(sent: str, kept: str) -> None:
    whole = document()
    whole["data"]["training"]["title"] = sent
    data = read(json.dumps(whole).encode()).data
    assert isinstance(data, TrainingCompleted)
    assert data.training.title == kept


@every_event
@pytest.mark.parametrize("packed", [False, True], ids=["structured", "data in base64"])
def test_a_byte_order_mark_before_an_event_means_nothing(payload: type[Payload], packed: bool) -> None:
    """Tools on Windows write one; `POST /events` takes it too (tests/unit/test_intake_limits.py)."""
    whole = document(EXAMPLES[payload])
    if packed:
        data = codecs.BOM_UTF8 + json.dumps(whole.pop("data")).encode()
        whole["data_base64"] = base64.b64encode(data).decode()
    value = codecs.BOM_UTF8 + json.dumps(whole).encode()
    assert read(value, STRUCTURED_HEADERS).data == EXAMPLES[payload]
    assert id_in(value, STRUCTURED_HEADERS) == "event-1"


def test_a_byte_order_mark_before_binary_data_means_nothing() -> None:
    value, headers = binary()
    assert read(codecs.BOM_UTF8 + value, [*headers.items()]).data == read(value, [*headers.items()]).data


def test_blanks_and_what_nobody_sees_at_the_ends_of_coded_values_mean_nothing() -> None:
    sent: dict[str, Any] = document()["data"]
    plain = TrainingCompleted.model_validate_json(json.dumps(sent))
    sent["employee_number"] = f"\ufeff{sent['employee_number']} "
    sent["completed_on"] = f" {sent['completed_on']}\u200b"
    sent["training"]["form"] += "\u00a0"
    assert TrainingCompleted.model_validate_json(json.dumps(sent)) == plain
    person = document(registered())["data"]
    plain_person = EmployeeRegistered.model_validate_json(json.dumps(person))
    person["email"], person["employment_type"] = f"\u200b{person['email']}", f"{person['employment_type']} "
    assert EmployeeRegistered.model_validate_json(json.dumps(person)) == plain_person


def test_null_is_as_good_as_absent() -> None:
    sent: dict[str, Any] = document()["data"]
    for name in ("result", "revision"):
        sent.pop(name, None)
    sent["training"].pop("level", None)
    absent = TrainingCompleted.model_validate_json(json.dumps(sent))
    sent["result"] = sent["revision"] = sent["training"]["level"] = None
    assert TrainingCompleted.model_validate_json(json.dumps(sent)) == absent
    person = document(registered())["data"] | {"language": None}
    assert EmployeeRegistered.model_validate_json(json.dumps(person)).language == "id"


@pytest.mark.parametrize("name", ["ꦱꦶꦠꦶ", "ᮞᮤᮒᮤ", "Siti A\u200dB", "★", "1", "ส"])
def test_a_name_in_any_script_shows(name: str) -> None:
    assert EmployeeRegistered.model_validate(document(registered())["data"] | {"name": name}).name == name


def test_hours_are_numbers_on_the_wire() -> None:
    data = json.loads(jp_credited(jp="14.5", year_total_jp="20").model_dump_json())
    assert (data["jp"], data["year_total_jp"]) == (14.5, 20.0)


# Refused, in words that say what to do.


def test_an_employee_number_sent_as_a_number_is_refused_with_the_advice_to_send_text() -> None:
    whole = document()
    whole["data"]["employee_number"] = int(NIP)
    said = refusal(json.dumps(whole).encode())
    assert said == "data.employee_number: must be text: send it in quotation marks"
    value, headers = binary(registered())
    unquoted = value.replace(f'"{NIP}"'.encode(), NIP.encode())
    assert "employee_number: must be text: send it in quotation marks" in refusal(
        unquoted, [*headers.items()]
    )


def _set(whole: Document, path: str, value: object) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        whole = whole[parent]
    whole[name] = value


SECRET = "19850101201001100"  # an employee number that lacks a digit
LONE = "\ud83d"
HALF = "an escape \\ud800 to \\udfff is half a character"

FIELDS: list[tuple[str, object, str]] = [
    ("data.employee_number", SECRET, "has 17 characters, not 18"),
    ("data.employee_number", None, "data.employee_number: is null: send what it is"),
    ("data.training.title", None, "data.training.title: is null: send what it is"),
    *(
        ("data.training.title", nothing, "data.training.title: shows nothing")
        for nothing in ("\u200d\u200b", "\u2800", "\u3164 \u115f", "\uffa0", "\u0301", "\U0001d173")
    ),
    ("data.revision", True, "data.revision: must be a whole number"),
    ("data.revision", "1_0", "data.revision: must be a whole number"),
    ("data.training.sessions", "1.000", "data.training.sessions: must be a whole number"),
    *(
        ("data.training.programme_jp", number, "data.training.programme_jp: must be a number, with a point")
        for number in (True, "1_000", "1.000", "20,5", " 20")
    ),
    ("data.training.title", f"{SECRET} {LONE}", HALF),
    ("id", f"{SECRET}{LONE}", HALF),
    ("ignored", LONE, HALF),
    ("data.training.title", "\u200b\ufeff", "data.training.title: is empty: send its text"),
    (
        "data.training.level",
        " ",
        "data.training.level: is empty: send 'national' or 'international', or leave the field out",
    ),
    ("data.training.form", "Seminar", "data.training.form: must be 'course', "),
    ("data.result", {"score": "88,5"}, "data.result.score: must be a number, with a point"),
    ("data", "{}", "data: must be an object"),
    ("time", "2026-03-05T02:30:00", "time: must have its offset"),
    ("data.training.title", f"{SECRET}\0", "data.training.title: has the character U+0000"),
    ("data.training.title", f"{SECRET}\t.", "data.training.title: has a control character"),
    ("data.training.title", SECRET * 20, "data.training.title: must have at most 300 characters: shorten it"),
    ("data.result.score", 101, "data.result.score: must be 100 or less"),
    ("data.result.score", 88.123, "data.result.score: must have at most 2 digits behind the point"),
    ("data.revision", "x", "data.revision: must be a whole number"),
    ("time", "2026-03-05T25:00:00Z", "time: is no moment that exists"),
    ("id", f"{SECRET}\0", "id: has the character U+0000"),
    ("ignored", "\0", "ignored: has the character U+0000"),
    ("id", f"{SECRET}\n", "id: has a control character"),
    ("id", "", "id: is empty: send its text"),
    ("id", SECRET * 20, "id must have 1 to 200 characters"),
    ("id", int(SECRET), "id: must be text"),
    ("source", "", "source: is empty: send its text"),
    ("specversion", "0.3", "specversion is not 1.0"),
    ("specversion", 1.0, "specversion: must be text"),
    ("data.training.title", f"{SECRET}\u2028x", "data.training.title: has a control character"),
    ("data.training.form", SECRET, "data.training.form"),
    ("data.training.organizer", {SECRET: SECRET}, "data.training.organizer.code: is missing"),
    ("data.training.organizer", SECRET, "data.training.organizer"),
    ("data.revision", 2**63, "data.revision"),
    ("data.revision", 10**4000, "data.revision"),
    ("data.revision", -1, "data.revision"),
    ("data.result.score", float("nan"), "data.result.score"),
    ("data.result.score", float("inf"), "data.result.score"),
    ("data.result.score", "sNaN", "data.result.score"),
    ("data.result.score", "1e999999999", "data.result.score"),
    ("data.result.score", 10**400, "data.result.score"),
    ("data.completed_on", 1772668800, "data.completed_on: must be a date YYYY-MM-DD, as text"),
    ("data.completed_on", "1772668800", "data.completed_on: must be a date YYYY-MM-DD, as text"),
    ("data.completed_on", "04-03-2026", "data.completed_on: must be a date YYYY-MM-DD, as text"),
    ("data.completed_on", "2026-03-04T00:00:00Z", "data.completed_on: must be a date YYYY-MM-DD, as text"),
    ("data.completed_on", "2026-02-30", "data.completed_on"),
    ("data.completed_on", "2025-01-01", "completed_on is before training.start_date"),
    ("time", 1772668800, "time: must be a moment"),
    ("time", "1772668800", "time: must be a moment"),
    ("time", "2026-03-05T02:30:00", "time:"),
    ("time", "0001-01-01T00:00:00+14:00", "time: lies before 0001-01-02 or after 9999-12-30"),
    ("time", "9999-12-31T23:59:59-14:00", "time: lies before 0001-01-02 or after 9999-12-30"),
    ("time", "", "time: must be a moment"),
    ("data", None, "data:"),
    ("data", [SECRET], "data:"),
    ("data", SECRET, "data:"),
]


def with_number(field: str, written: str) -> bytes:
    """An event in which this JSON stands where a number is to be."""
    whole = document()
    _set(whole, field, "HERE")
    return json.dumps(whole).replace('"HERE"', written).encode()


NUMBERS = ("data.result.score", "data.training.programme_jp")
TOO_FINE = "has more digits behind the point than are kept: round it"
READ_AS = [
    ("88.5", "88.5"), ("8.85e1", "88.5"), ("1e2", "100.0"), ("1E+2", "100.0"), ("88.500000000000000000", "88.5"),
    ('"88.5"', "88.5"), ("0", "0"), ("-0", "0"), ("-0.0", "0.0"), ('"-0"', "0"), ("0e999999999", "0.0"),
]  # fmt: skip
REFUSED = [
    ("100.00000000000000001", TOO_FINE), ("88.099999999999994", TOO_FINE), ("1E-400", TOO_FINE),
    ("1e-999999999999999999999", TOO_FINE), ("0." + "9" * 200_000, TOO_FINE), ('"1E-400"', TOO_FINE),
    ('"100.00000000000000001"', TOO_FINE), ("88.12345", "behind the point"), ("1e-3", "behind the point"),
    ("1e400", "not NaN or infinity"), ("-1e400", "not NaN or infinity"), ("1e999999999", "not NaN or infinity"),
    ("99999999999999999999", "or less: correct it"), ("-1", "must be 0 or more"), ('"1e2"', "must be a number"),
    ('"NaN"', "must be a number"), ('"Infinity"', "must be a number"), ('"88.500"', "must be a number"),
]  # fmt: skip


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(("written", "number"), READ_AS, ids=[written for written, _ in READ_AS])
def test_a_decimal_is_read_as_it_is_written(field: str, written: str, number: str) -> None:
    data = read(with_number(field, written)).data
    assert isinstance(data, TrainingCompleted)
    found = data.result.score if field == NUMBERS[0] else data.training.programme_jp
    assert str(found) == number


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(("written", "said"), REFUSED, ids=[written[:24] for written, _ in REFUSED])
def test_a_decimal_that_would_be_rounded_is_refused(field: str, written: str, said: str) -> None:
    told = refusal(with_number(field, written))
    assert f"{field}: " in told
    assert said in told


@pytest.mark.parametrize(
    ("written", "number"),
    [("3", 3), ("3.0", 3), ("3e0", 3), ("1e2", 100), ('"3"', 3), ("3.0000000000000000001", None), ("1E-400", None),
     ("9007199254740993.0", None), ('"3.0"', None), ("3.5", None), ("true", None)],
)  # fmt: skip
@pytest.mark.parametrize("field", ["data.revision", "data.training.sessions"])
def test_a_whole_number_is_read_as_it_is_written_or_refused(
    field: str, written: str, number: int | None
) -> None:
    if number is None:
        assert f"{field}: " in refusal(with_number(field, written))
        return
    data = read(with_number(field, written)).data
    assert isinstance(data, TrainingCompleted)
    assert number == (data.revision if field == "data.revision" else data.training.sessions)


def test_a_number_of_a_field_that_nobody_knows_is_ignored_however_fine_it_is() -> None:
    assert (
        read(with_number("data.newer", "0.12345678901234567890")).data
        == read_as(TrainingCompleted, with_number("data.newer", "1")).data
    )


def test_a_fine_number_is_refused_in_the_binary_mode_and_in_base64_too() -> None:
    value, headers = binary()
    value = value.replace(b"88.5", b"1E-400")
    assert TOO_FINE in refusal(value, list(headers.items()))
    whole = document()
    del whole["data"]
    whole["data_base64"] = base64.b64encode(value).decode()
    assert TOO_FINE in refusal(json.dumps(whole).encode())


@pytest.mark.parametrize(("path", "value", "said"), FIELDS)
def test_a_wrong_field_is_named_and_not_repeated(path: str, value: object, said: str) -> None:
    whole = document()
    _set(whole, path, value)
    told = refusal(json.dumps(whole).encode())
    assert said in told
    assert SECRET not in told


def test_an_address_with_more_before_the_at_than_mail_allows_is_refused() -> None:
    whole = document(registered())
    whole["data"]["email"] = "r" * 64 + "@example.com"
    assert read(json.dumps(whole).encode())
    whole["data"]["email"] = "é" * 33 + "@example.com"
    assert "data.email: more than 64 bytes before the @" in refusal(json.dumps(whole).encode())


@pytest.mark.parametrize(
    "address",
    [f"{SECRET}@@x", f"{SECRET}@-x.id", f"{SECRET}@xn--{SECRET}.id", f"a@{SECRET}\u0080.id",
     f"{SECRET} <a@b.id", f"{SECRET}", f"a@{SECRET}", f"{SECRET}@[1.2.3.4]",
     f"a\u202e{SECRET}@example.com", "x" * 300 + "@example.com"],
)  # fmt: skip
def test_a_malformed_address_is_not_repeated_in_part(address: str) -> None:
    whole = document(registered())
    whole["data"]["email"] = address
    told = refusal(json.dumps(whole).encode())
    assert "data.email: " in told
    assert SECRET not in told
    assert not [part for part in re.findall(r"[^\s.]+", address) if len(part) > 3 and part in told]


def raw(change: Callable[[bytes], bytes]) -> bytes:
    return change(json.dumps(document(completed(revision=1))).encode())


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


VALUES: list[tuple[str, bytes | None, str]] = [
    ("tombstone", None, "the record has no value"),
    ("empty", b"", "the record has no value"),
    ("blank", b" \n", "not JSON"),
    ("not UTF-8", raw(lambda value: value.replace(b"Pelayanan", b"\xff\xfe")), "not JSON in UTF-8"),
    ("surrogate in UTF-8", raw(lambda value: value.replace(b"Pela", b"\xed\xa0\x80")), "not JSON in UTF-8"),
    ("UTF-16", raw(lambda value: value.decode().encode("utf-16")), "is UTF-16: send UTF-8"),
    ("two byte order marks", raw(lambda value: codecs.BOM_UTF8 * 2 + value), "two byte order marks: send none"),
    ("UTF-16 without its mark", raw(lambda value: value.decode().encode("utf-16-le")), "is UTF-16: send UTF-8"),
    ("Windows-1252", raw(lambda value: value.replace(b"Pela", "é ".encode("cp1252"))), "of another encoding"),
    ("a comma too many", raw(lambda value: value[:-1] + b",}"), "a comma is followed by nothing: take it out"),
    ("single quotation marks", raw(lambda value: value.replace(b'"', b"'")), "double quotation marks"),
    ("a form", b"type=x&data=y", "not written as JSON: have a JSON library write it"),
    ("gzip", raw(gzip.compress), "packed by gzip: send it plain"),
    ("bare NUL", raw(lambda value: value.replace(b"Pelayanan", b"a\0b")), "bare control character"),
    ("cut off", raw(lambda value: value[:-9]), "ends before it is complete: send all of it"),
    ("two events", raw(lambda value: value + value), "over Kafka send one event per record"),
    ("list of events", raw(lambda value: b"[" + value + b"]"), "JSON but no CloudEvent"),
    ("null", b"null", "JSON but no CloudEvent"),
    ("number", b"1e5", "JSON but no CloudEvent"),
    ("data alone", json.dumps(document()["data"]).encode(), "JSON but no CloudEvent"),
    ("deep", deep(100_000), "nested deeper than any event"),
    ("deep beside", raw(lambda value: value[:-1] + b',"x":' + deep(500) + b"}"), "nested deeper than any event"),
    ("deep in a field", raw(lambda value: value.replace(b"88.5", deep(150))), "data.result.score"),
    ("deep objects", b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested deeper than any event"),
    ("NaN", raw(lambda value: value.replace(b"88.5", b"NaN")), "data.result.score"),
    ("huge exponent", raw(lambda value: value.replace(b"88.5", b"1e999999999")), "data.result.score"),
    ("5,000 digits", raw(lambda value: value.replace(b"88.5", b"9" * 5000)), "not JSON"),
    ("attribute twice", raw(lambda value: value[:-1] + b',"id":"other"}'), "stands twice in one object"),
    ("type twice", raw(lambda value: value.replace(b'"type"', b'"type":"x", "type"')), "twice"),
    ("field twice", raw(lambda value: value.replace(b'"batch"', b'"code":"X", "batch"')), "stands twice"),
    ("twice, spaced", raw(lambda value: value.replace(b'"batch"', b'"code"\n :"X", "batch"')), "twice"),
    ("twice, escaped", raw(lambda value: value.replace(b'"batch"', b'"cod\\u0065":"X", "batch"')), "twice"),
    ("twice in a list", raw(lambda value: value[:-1] + b',"x":[[{"a":1,"a":2}]]}'), "stands twice"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "said"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_an_unreadable_value_is_refused(value: bytes | None, said: str) -> None:
    told = refusal(value)
    assert said in told
    assert NIP not in told
    assert "Pelayanan" not in told


def without(headers: dict[str, bytes | None], name: str) -> Headers:
    return [(one, value) for one, value in headers.items() if one != name]


BINARY_VALUE, BINARY_HEADERS = binary()
HEADERS: list[tuple[str, Headers, str]] = [
    ("text", [("content-type", b"text/plain")], "header content-type is neither"),
    ("avro", [("content-type", b"application/cloudevents+avro")], "header content-type is neither"),
    ("not text at all", [("content-type", b"\xff\x00")], "header content-type is neither"),
    ("batch", [("content-type", b"application/cloudevents-batch+json")], "one event per Kafka record"),
    ("binary, xml", [*BINARY_HEADERS.items(), ("content-type", b"text/xml")], "must be application/json"),
    ("binary, no type", without(BINARY_HEADERS, "ce_type"), "header ce_type is missing"),
    ("binary, no version", without(BINARY_HEADERS, "ce_specversion"), "specversion: is missing"),
    ("binary, no id", without(BINARY_HEADERS, "ce_id"), "id: is missing"),
    ("binary, no source", without(BINARY_HEADERS, "ce_source"), "source: is missing"),
    ("binary, null id", [*BINARY_HEADERS.items(), ("ce_id", None)], "header ce_id is missing"),
    ("binary, id not UTF-8", [*BINARY_HEADERS.items(), ("ce_id", b"\xff")], "header ce_id is not UTF-8"),
    ("type not UTF-8", [*BINARY_HEADERS.items(), ("ce_type", b"\xff")], "header ce_type is not UTF-8"),
    ("binary, NUL", [*BINARY_HEADERS.items(), ("ce_id", b"a\0")], "id: has a control character"),
    ("binary, local time", [*BINARY_HEADERS.items(), ("ce_time", b"2026-03-05T02:30:00")], "time:"),
    ("said to be structured", [*BINARY_HEADERS.items(), *STRUCTURED_HEADERS], "JSON but no CloudEvent"),
    ("headers in capitals", [(name.upper(), one) for name, one in BINARY_HEADERS.items()], "ce_specversion"),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "said"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS])
def test_wrong_headers_are_refused_by_name(headers: Headers, said: str) -> None:
    assert said in refusal(BINARY_VALUE, headers)


@pytest.mark.parametrize(
    ("data", "said"),
    [("\u00e9", "not base64"), ("a", "not base64"),
     ([1], "not base64"), (None, "not base64"), (7, "not base64"),
     ("", "not JSON"),
     (base64.b64encode(b"\xff").decode(), "not JSON in UTF-8"),
     (base64.b64encode(b'{"a":"\\u0000"}').decode(), "U+0000"),
     (base64.b64encode(b'{"a":1,"a":2}').decode(), "stands twice"),
     (base64.b64encode(b"[]").decode(), "object"),
     (base64.b64encode(b"{}").decode(), "employee_number: is missing")],
)  # fmt: skip
def test_data_in_base64_is_held_to_the_same_rules(data: object, said: str) -> None:
    whole = document()
    del whole["data"]
    assert said in refusal(json.dumps({**whole, "data_base64": data}).encode())


@every_event
def test_whole_numbers_end_where_others_would_round_them(payload: type[Payload]) -> None:
    data = json.loads(EXAMPLES[payload].model_dump_json())
    for name in [name for name, value in data.items() if type(value) is int]:
        for number in (2**63, -(2**63), MAX_SAFE_INTEGER + 1):
            whole = document(EXAMPLES[payload])
            whole["data"][name] = number
            assert f"data.{name}: " in refusal(json.dumps(whole).encode())


WRONG: list[object] = [
    None, True, "", "x", "\t", "y" * 400, -1, 0.123, 1e300, 10**30, "2026-02-30", "2026-03-05T25:00:00Z",
    "2026-03-05T02:30:00", [], [[]], ["x"] * 2000, {}, {"x": 1},
]  # fmt: skip
PYDANTICS = re.compile(
    r"\b(should|Input|String|Value error|valid (string|integer|number|date|datetime|boolean))\b"
)


@every_event
def test_no_fault_is_told_in_the_words_of_the_library(payload: type[Payload]) -> None:
    def leaves(node: object, path: str) -> list[str]:
        nested = node.items() if isinstance(node, dict) else ()
        return [path, *(one for name, value in nested for one in leaves(value, f"{path}.{name}"))]

    plain = document(EXAMPLES[payload])
    attributes = ["specversion", "id", "source", "type", "time", "subject", "traceparent"]
    for path in [*attributes, *leaves(plain["data"], "data")]:
        for value in WRONG:
            whole = json.loads(json.dumps(plain))
            _set(whole, path, value)
            told = read_or_refuse(payload, json.dumps(whole).encode(), STRUCTURED_HEADERS)
            assert told is None or PYDANTICS.search(told) is None, (path, value, told)
            assert told is None or "see the schema of this field" not in told, (path, value, told)


# Whatever comes, nothing but Undecodable.

FUZZ = settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
header_names = st.sampled_from(
    ["content-type", "ce_type", "ce_id", "ce_source", "ce_specversion", "ce_time", "ce_subject", "ce_x", "x"]
)
header_values = st.none() | st.binary(max_size=40) | st.sampled_from(
    [b"application/json", b"application/cloudevents+json", b"1.0", TrainingCompleted.TYPE.encode()]
)  # fmt: skip
any_headers = st.lists(st.tuples(header_names, header_values), max_size=8)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from([LONE, "\0", 2**63, 10**400, "1e999999", "9999-12-31T23:59:59-14:00", "0001-01-01"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
encoded_json = any_json.map(lambda one: json.dumps(one).encode())
any_event = st.sampled_from(list(EVENT_TYPES))
modes = st.sampled_from(["structured", "binary"])


def read_or_refuse(payload: type[Payload], value: bytes | None, headers: Headers) -> str | None:
    """The refusal; None when it was read. Any other exception is the test's failure."""
    try:
        type_, document = peek(value, headers)
        assert isinstance(type_, str)
    except Undecodable as refused:
        return str(refused)
    assert value is not None
    try:
        event = decode(value, headers, document, payload)
    except Undecodable as refused:
        return str(refused)
    # What was read can be written: else it would fail later, inside the transaction.
    encode(
        event.data, id=event.attributes.id, source=event.attributes.source, time=MOMENT, subject="s",
        partitionkey="k", traceparent=None,
    )  # fmt: skip
    return None


@FUZZ
@given(value=st.none() | st.binary() | encoded_json, headers=any_headers)
def test_arbitrary_records_are_read_or_refused(value: bytes | None, headers: Headers) -> None:
    read_or_refuse(TrainingCompleted, value, headers)


@FUZZ
@given(value=st.binary() | encoded_json, headers=any_headers)
@example(value=b"", headers=[])
@example(value=b"null", headers=[])
@example(value=b"[]", headers=[])
def test_whatever_is_read_as_binary_is_decoded_or_refused(value: bytes, headers: Headers) -> None:
    with suppress(Undecodable):
        decode(value, headers, None, TrainingCompleted)


def places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    parts: list[tuple[str | int, object]] = []
    if isinstance(node, dict):
        parts = list(node.items())
    elif isinstance(node, list):
        parts = list(enumerate(node))
    for name, part in parts:
        found += places(part, (*path, name))
    return found


@FUZZ
@given(drawn=st.data(), payload=any_event, part=any_json)
def test_valid_events_with_one_part_replaced_are_read_or_refused(
    drawn: st.DataObject, payload: type[Payload], part: object
) -> None:
    whole = document(EXAMPLES[payload])
    *parents, last = drawn.draw(st.sampled_from(places(whole)))
    node: Any = whole
    for parent in parents:
        node = node[parent]
    node[last] = part
    read_or_refuse(payload, json.dumps(whole).encode(), STRUCTURED_HEADERS)


@FUZZ
@given(
    drawn=st.data(),
    payload=any_event,
    mode=st.sampled_from(["structured", "binary"]),
)
def test_valid_events_with_damaged_bytes_are_read_or_refused(
    drawn: st.DataObject, payload: type[Payload], mode: Any
) -> None:
    record = as_record(EXAMPLES[payload], mode=mode)
    assert record.value is not None
    at = drawn.draw(st.integers(0, len(record.value) - 1))
    cut = drawn.draw(st.integers(0, 4))
    damaged = record.value[:at] + drawn.draw(st.binary(max_size=4)) + record.value[at + cut :]
    read_or_refuse(payload, damaged, record.headers)


agency_events = st.sampled_from([payload for payload, topic in EVENT_TYPES.items() if topic == AGENCY])
personal = st.from_regex(r"19[0-9]{14,17}", fullmatch=True) | st.emails()


@FUZZ
@given(
    drawn=st.data(),
    payload=agency_events,
    text=personal,
)
def test_a_refusal_never_repeats_what_was_sent(
    drawn: st.DataObject, payload: type[Payload], text: str
) -> None:
    whole = document(EXAMPLES[payload])
    *parents, last = drawn.draw(st.sampled_from(places(whole)))
    node: Any = whole
    for parent in parents:
        node = node[parent]
    node[last] = drawn.draw(st.sampled_from([text, [text], {text: text}, f"{text}@", f"@{text}"]))
    refused = read_or_refuse(payload, json.dumps(whole).encode(), STRUCTURED_HEADERS)
    assert refused is None or text not in refused


def test_the_refusal_keeps_no_cause_that_repeats_it() -> None:
    whole = document(registered())
    whole["data"]["email"] = f"{SECRET}@@x"
    with pytest.raises(Undecodable) as refused:
        read_as(EmployeeRegistered, json.dumps(whole).encode())
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
