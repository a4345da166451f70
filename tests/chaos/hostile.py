"""Records that nobody ought to send, thousands of them; with the same seed they are the same.

Events are drawn by Hypothesis from the schemas that the reference publishes, with what hurts in any place of
theirs; bytes are mutated from valid events; bombs are made by hand.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import STRUCTURED
from shared.contracts.payload import Payload
from shared.contracts.topics import (
    AGENCY,
    COMMANDS,
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    INCENTIVE_COMMANDS,
    INCENTIVE_EVENTS,
    NOTIFICATION_COMMANDS,
    PARTITIONS,
    agency_topic,
)
from shared.pipeline.records import Headers
from tools.contracts.examples import EXAMPLES
from tools.contracts.schemas import schema_of

Json = Any
MB: Final = 1024 * 1024
CONTENT: Final = ("content-type", STRUCTURED.encode())
OWN_TOPICS: Final = (
    ENROLLMENT_EVENTS,
    ENROLLMENT_COMMANDS,
    INCENTIVE_EVENTS,
    INCENTIVE_COMMANDS,
    NOTIFICATION_COMMANDS,
)


DRAWN: Final = 800
"""At 5 ms each; the others are made from these, at 0.1 ms."""


class Hostile(NamedTuple):
    kind: str
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def hostile_records(number: int, count: int, agencies: Sequence[str]) -> list[Hostile]:
    """`number` seeds them. For every topic that a service reads, in any order."""
    random = Random(number)
    topics = (*(agency_topic(one) for one in agencies), *OWN_TOPICS)
    bodies = drawn(number, min(DRAWN, count // 4))
    records: list[Hostile] = []
    for type, event in bodies:
        records.append(_sent(random, "drawn", _topic_of(type, random, topics), event))
    shapes = [event for _, event in bodies] + [_example(one) for one in EVENT_TYPES]
    valid = [written(event) for _, event in bodies] + [written(_example(one)) for one in EVENT_TYPES]
    bombs = [(kind, make) for kind, make in BOMBS.items() for _ in range(2)]
    for kind, make in bombs:
        records.append(_placed(random, kind, random.choice(topics), *make(random)))
    while len(records) < count:
        kind = random.choice(("bytes", "bytes", "heads", "rough", "rough", "rough"))
        topic = random.choice(topics)
        if kind == "bytes":
            value = mutated(random, random.choice(valid))
            records.append(_placed(random, kind, topic, None, value, _heads(random)))
        elif kind == "heads":
            records.append(_placed(random, kind, topic, *_headed(random, random.choice(valid))))
        else:
            event = deepcopy(random.choice(shapes))
            for _ in range(random.choice((0, 1, 1, 1, 2))):
                _break(random, event)
            records.append(_sent(random, kind, _topic_for(event, random, topics), event))
    random.shuffle(records)
    return records[:count]


# Events, from their schemas.


class Raw(str):
    """JSON as it is to be written, which no value of Python is written as."""

    __slots__ = ()


_RAW = [Raw(text) for text in (
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1E15", "-0", "-0.0", "1e-400", "0e999999", "00", "1.", ".5", "+1",
    "9" * 400, "9" * 5000, "0." + "0" * 400 + "1", '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\x41"', "'single'",
    "tru", "undefined", '"' + "\\" * 31 + '"', "[" * 30 + "]" * 30, "[" * 150 + "]" * 150, "[" * 300 + "]" * 300,
    '{"a":' * 150 + "1" + "}" * 150, '{"a": 1, "a": 2}', '{"": 1, "": 2}', "/* */ 1",
)]  # fmt: skip
_HURTING: Final[tuple[Json, ...]] = (
    *_RAW,
    None, True, False, 0, 1, -1, 0.1, -0.5, 1e308, 5e-324, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30,
    "", " ", "\t", "\x00", "\x1f", "\x7f", "\x85", "\u2028", "\ufeff", "\u202e", "\u0301", "\u0958" * 300, "\ufdfa" * 80,
    "e\u0301" * 300, "\U0001d160" * 80, "\U0010ffff", "\ufffe", "👩\u200d👩\u200d👧", "ß" * 80, "İ" * 80, "x" * 81,
    "x" * 301, "x" * 5000,
    "$where", "$set", "$ne", "a.b", ".", "..", "$", "$$NOW", "$_id", "{$gt: ''}", "__proto__", "%00", "../../etc/passwd",
    "{0}", "{sequence}", "%s%n", "{{7*7}}", "{% raw %}", "<script>alert(1)</script>", "#eval(\"1\")", "\\", "'; --",
    "0000-01-01", "0001-01-01", "9999-12-31", "2026-02-30", "2026-13-01", "-001-01-01",
    "10000-01-01", "2026-1-1", "20260101",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59", "2026-12-31T23:59:60Z",
    "2026-03-05T24:00:00Z", "0000-00-00T00:00:00Z", "1969-12-31T23:59:59Z", "2026-03-05 02:30:00+07:00",
    "NaN", "Infinity", "1e400", "0x10", "1_000", "１２", "198501012010011001", "000000000000000000",
    "99991231201001100１",
    "a@b", "a@b.c", "a@@b", "ü@bücher.example", "a@xn--.example", "\"a b\"@example.com",
    "x" * 64 + "@" + "y" * 180 + ".example",
    "a@example.com\r\nBcc: b@example.com", "Nama <a@example.com>", "a@[127.0.0.1]", "a@İ.example",
    [], {}, [[]], [None], [{}], {"$where": "1"}, {"$set": {"version": 1}}, {"a.b": 1}, {"": ""},
    {"\x00": 1}, {"$": {"$": {}}},
)  # fmt: skip
_KEYS: Final = (
    "$where",
    "$set",
    "$inc",
    "a.b",
    "",
    "_id",
    "__proto__",
    "\x00",
    "\ud800",
    "data",
    "type",
    "x" * 300,
)
_NUMBERS: Final = tuple(f"1985010120100{n % 9 + 1}{1 + n % 2}{n:03}"[:18].ljust(18, "0") for n in range(40))
_IDS: Final = tuple(f"{kind}_{n:032x}" for kind in ("emp", "cmp", "crt", "let") for n in range(12))


def drawn(number: int, count: int) -> list[tuple[type[Payload], Json]]:
    """Structured events with their types; a third of them is right."""
    found: list[tuple[type[Payload], Json]] = []
    types = list(EVENT_TYPES)

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(types).flatmap(lambda one: st.tuples(st.just(one), events(one))))
    def collect(one: tuple[type[Payload], Json]) -> None:
        found.append(one)

    collect()
    return found


@cache
def events(payload: type[Payload]) -> st.SearchStrategy[Json]:
    """By the schema of the type, with what hurts in up to three places."""
    schema = schema_of(payload)
    data = _like(schema, schema.get("$defs", {}), "")
    attributes = st.fixed_dictionaries(
        {"specversion": st.just("1.0"), "id": st.uuids().map(str), "source": st.just("urn:hostile"),
         "type": st.just(payload.TYPE), "data": data},
        optional={"time": _MOMENTS, "subject": st.text(max_size=20), "traceparent": st.text(max_size=60)},
    )  # fmt: skip
    places = st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from(_HURTING), st.sampled_from(("set", "set", "drop", "add"))),
        max_size=3,
    )  # fmt: skip
    return st.tuples(attributes, places).map(lambda both: _hurt(*both))


_TEXTS: Final = st.text(min_size=1, max_size=40) | st.sampled_from(
    ["Pelayanan Publik", "BKPSDM", "1", "{code}"]
)
_MOMENTS: Final = st.datetimes().map(lambda at: at.isoformat() + "Z")
# Mostly one day: a training ends after its start and is completed after that.
_DAYS: Final = st.sampled_from([*["2026-03-04"] * 8, "2026-03-03", "2025-12-31"])


def _like(schema: Mapping[str, Any], defs: Mapping[str, Any], name: str) -> st.SearchStrategy[Json]:
    """What fits the schema; ids and numbers of employees from a few, so that events meet each other."""
    if "$ref" in schema:
        return _like(defs[schema["$ref"].rpartition("/")[2]], defs, name)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_like(one, defs, name) for one in schema["anyOf"]])
    match schema.get("type"):
        case "object":
            fields = {key: _like(one, defs, key) for key, one in schema["properties"].items()}
            wanted = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {key: one for key, one in fields.items() if key in wanted},
                optional={key: one for key, one in fields.items() if key not in wanted},
            )
        case "array":
            return st.lists(_like(schema["items"], defs, name), max_size=3)
        case "integer":
            low, high = schema.get("minimum", 0), schema.get("maximum", 9)
            return st.integers(low, min(high, low + 9)) | st.just(high)
        case "number":
            return st.sampled_from([0, 1, 4, 7.5, 88.5, 100])
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return _text(schema, name)


def _text(schema: Mapping[str, Any], name: str) -> st.SearchStrategy[str]:
    if "[0-9]{18}" in schema.get("pattern", ""):
        return st.sampled_from(_NUMBERS)
    match schema.get("format"):
        case "date":
            return _DAYS
        case "date-time":
            return _MOMENTS
        case "email":
            return st.emails() | st.just("contoh@example.com")
    if name.endswith("_id"):
        kind = {"employee_id": "emp", "completion_id": "cmp", "certificate_id": "crt"}.get(name, "let")
        return st.sampled_from([one for one in _IDS if one.startswith(kind)]) | _TEXTS
    return _TEXTS


def _hurt(event: Json, places: Sequence[tuple[int, Json, str]]) -> Json:
    for at, value, how in places:
        parent, key = _pick(event, at)
        if how == "set":
            parent[key] = deepcopy(value)
        elif how == "add" and isinstance(parent, dict):
            parent[_KEYS[at % len(_KEYS)]] = deepcopy(value)
        elif isinstance(parent, dict):
            parent.pop(key)
        if not event:
            break
    return event


def _pick(event: Json, at: int) -> tuple[Json, Any]:
    every = list(_places(event))
    return every[at % len(every)]


def _places(node: Json) -> Iterator[tuple[Json, Any]]:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list) and value:
            yield from _places(value)


def _break(random: Random, event: Json) -> None:
    if event:
        parent, key = _pick(event, random.randrange(60))
        parent[key] = deepcopy(random.choice(_HURTING))


def _example(payload: type[Payload]) -> Json:
    data = json.loads(EXAMPLES[payload].model_dump_json())
    return {
        "specversion": "1.0", "id": f"example-{payload.__name__}", "source": "urn:hostile", "type": payload.TYPE,
        "time": "2026-03-05T02:30:00Z", "data": data,
    }  # fmt: skip


# On the wire.


def written(event: Json) -> bytes:
    marks: dict[str, str] = {}

    def marked(node: Json) -> Json:
        if isinstance(node, Raw):
            mark = f"@raw{len(marks)}@"
            marks[f'"{mark}"'] = node
            return mark
        if isinstance(node, dict):
            return {key: marked(value) for key, value in node.items()}
        return [marked(value) for value in node] if isinstance(node, list) else node

    text = json.dumps(marked(event), ensure_ascii=False)
    for mark, raw in marks.items():
        text = text.replace(mark, raw)
    return text.encode(errors="surrogatepass")


def _sent(random: Random, kind: str, topic: str, event: Json) -> Hostile:
    """Structured, or in binary mode with the attributes as headers."""
    if isinstance(event, dict) and "data" in event and random.random() < 0.25:
        headers = [("content-type", b"application/json")]
        headers += [
            (f"ce_{name}", written(one).strip(b'"'))
            for name, one in event.items()
            if name != "data" and name.isprintable()
        ]
        return _placed(random, kind, topic, None, written(event["data"]), tuple(headers))
    return _placed(random, kind, topic, None, written(event), (CONTENT,) if random.random() < 0.9 else ())


def _placed(
    random: Random, kind: str, topic: str, key: bytes | None, value: bytes | None, headers: Headers
) -> Hostile:
    partition = 0 if topic.startswith("agency.") else random.randrange(PARTITIONS)
    return Hostile(kind, topic, partition, key, value, headers)


def _topic_for(event: Json, random: Random, topics: Sequence[str]) -> str:
    named = event.get("type") if isinstance(event, dict) else None
    payload = next((one for one in EVENT_TYPES if named == one.TYPE), None)
    return random.choice(topics) if payload is None else _topic_of(payload, random, topics)


def _topic_of(payload: type[Payload], random: Random, topics: Sequence[str]) -> str:
    """Mostly the type's own."""
    declared = EVENT_TYPES[payload]
    if random.random() < 0.15:
        return random.choice(topics)
    if declared == AGENCY:
        return random.choice([one for one in topics if one.startswith("agency.")])
    if declared == COMMANDS:
        return COMMANDS.format(service=random.choice(("enrollment", "incentive", "notification")))
    return declared


_PIECES: Final = (
    b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b'"', b"\\",
    b"\\u0000", b"\\ud800",
    b"{", b"}", b"[", b"]", b":", b",", b"null", b"NaN", b"-", b"e", b"1e999", b"0", b'"$where":1,',
    b'"id":"x",', b"\n", b"\x0c",
)  # fmt: skip


def mutated(random: Random, value: bytes) -> bytes:
    made = bytearray(value)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randrange(len(made) + 1)
        match random.randrange(6):
            case 0 if at < len(made):
                made[at] ^= 1 << random.randrange(8)
            case 1:
                made[at:at] = random.choice(_PIECES)
            case 2:
                del made[at : at + random.randint(1, 12)]
            case 3:
                made[at:at] = made[at : at + random.randint(1, 60)]
            case 4 if random.random() < 0.2:
                del made[at:]
            case _ if at < len(made):
                made[at] = random.randrange(256)
    return bytes(made)


# Heads.


def _heads(random: Random) -> Headers:
    return (CONTENT,) if random.random() < 0.7 else random.choice(_CONTENTS)


_CONTENTS: Final[tuple[Headers, ...]] = (
    (),
    (("content-type", None),),
    (("content-type", b""),),
    (("content-type", b"\xff\xfe"),),
    (("content-type", b"application/cloudevents-batch+json"),),
    (("content-type", b"text/plain"),),
    (("content-type", b"APPLICATION/CLOUDEVENTS+JSON ;;; charset=\x00"),),
    (CONTENT, ("content-type", b"text/csv")),
    (("content-type", b"text/csv"), CONTENT),
    (("ce_specversion", b"1.0"),),
    (CONTENT, ("ce_type", b"id.go.bandung.employee.registered.v1"), ("ce_specversion", b"1.0")),
)
_HEAD_VALUES: Final = (
    None, b"", b"\x00", b"\xff", b"1.0", b"0.3", b"a" * 300, b"a" * 100_000, b"$where", "é".encode(), b"\xed\xa0\x80",
    b"2026-03-05T02:30:00Z", b"9999-12-31T23:59:59Z", b"0000-00-00", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
    *(one.TYPE.encode() for one in EVENT_TYPES),
)  # fmt: skip
_HEAD_NAMES: Final = (
    "content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject",
    "ce_traceparent", "ce_data",
    "", "$set", "a.b", "\x00", "Content-Type", "CE_TYPE", "n" * 10_000, "é", "\U0010ffff",
)  # fmt: skip


def _headed(random: Random, value: bytes) -> tuple[bytes | None, bytes | None, Headers]:
    """A right set of headers for binary mode with some missing, doubled or hurting; any key."""
    type, data = _apart(value, random)
    headers: list[tuple[str, bytes | None]] = [
        ("content-type", b"application/json"), ("ce_specversion", b"1.0"), ("ce_id", b"%d" % random.getrandbits(60)),
        ("ce_source", b"urn:hostile"), ("ce_type", type), ("ce_time", b"2026-03-05T02:30:00Z"),
    ]  # fmt: skip
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(headers) + 1)
        if random.random() < 0.3 and at < len(headers):
            del headers[at]
        else:
            headers.insert(at, (random.choice(_HEAD_NAMES), random.choice(_HEAD_VALUES)))
    key = random.choice((None, b"", b"\x00", b"\xff" * 20, b"emp_1", b"k" * 10_000))
    return key, random.choice((data, data, data, value, b"", None)), tuple(headers)


def _apart(value: bytes, random: Random) -> tuple[bytes, bytes]:
    """Type and data of an event, for binary mode."""
    try:
        event = json.loads(value)
        return event["type"].encode(), json.dumps(event["data"]).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        return random.choice(list(EVENT_TYPES)).TYPE.encode(), value


# Bombs.

Bomb = Callable[[Random], tuple[bytes | None, bytes | None, Headers]]


def _whole(old: bytes, new: bytes) -> Bomb:
    """A completion with something replaced."""
    example = next(one for one in EVENT_TYPES if one.__name__ == "TrainingCompleted")
    value = written(_example(example))
    assert old in value
    return lambda random: (None, value.replace(old, new, 1), (CONTENT,))


_DATA: Final = b'"data": {'
BOMBS: Final[Mapping[str, Bomb]] = {
    "no value": lambda random: (b"key", None, (CONTENT,)),
    "nothing at all": lambda random: (None, None, ()),
    "an empty value": lambda random: (b"", b"", (CONTENT,)),
    "brackets": lambda random: (None, b"[" * 500_000, (CONTENT,)),
    "closed brackets": lambda random: (None, b"[" * 300_000 + b"]" * 300_000, (CONTENT,)),
    "objects": lambda random: (None, b'{"a":' * 200_000 + b"1" + b"}" * 200_000, (CONTENT,)),
    "objects in data": _whole(_DATA, _DATA + b'"a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b","),
    "190 levels": _whole(_DATA, _DATA + b'"a":' + b"[" * 190 + b"]" * 190 + b","),
    "a field twice": _whole(_DATA, _DATA + b'"employee_number": "198501012010011001",'),
    "two events": _whole(_DATA, b'"data": {}, "data": {'),
    "NUL in a name": _whole(_DATA, _DATA + b'"\\u0000": 1,'),
    "half a character": _whole(b"Pelayanan", b"\\ud83d"),
    "half a character as bytes": _whole(b"Pelayanan", b"\xed\xa0\xbd"),
    "a million digits": _whole(b'"score": 88.5', b'"score": ' + b"9" * 1_000_000),
    "a million digits after the point": _whole(b'"score": 88.5', b'"score": 0.' + b"1" * 1_000_000),
    "a million names": _whole(_DATA, _DATA + b"".join(b'"%x":1,' % n for n in range(120_000))),
    "a name of a megabyte": _whole(_DATA, _DATA + b'"' + b"n" * MB + b'": 1,'),
    "a text of 1.9 MB": _whole(b"Pelayanan", b"P" * 1_900_000),
    "a newer field of 1.9 MB": _whole(_DATA, _DATA + b'"newer": "' + b"n" * 1_900_000 + b'",'),
    "3 MB that pass compressed": _whole(_DATA, _DATA + b'"newer": "' + b"n" * 3 * MB + b'",'),
    "17 MB that pass compressed": _whole(b"Pelayanan", b"P" * 17 * MB),
    "a key of 17 MB": lambda random: (b"k" * 17 * MB, b"{}", (CONTENT,)),
    "a header of 17 MB": lambda random: (None, b"{}", (CONTENT, ("x", b"h" * 17 * MB))),
    "100,000 headers": lambda random: (None, b"{}", (CONTENT,) + (("x", b"1"),) * 100_000),
    "a header's name of a megabyte": lambda random: (None, b"{}", (CONTENT, ("n" * MB, None))),
    "base64 of nothing": _whole(b'"data": {', b'"data_base64": "//79", "dat": {'),
    "base64 of a bomb": _whole(b'"data": {', b'"data_base64": "' + b"W1tb" * 100_000 + b'", "dat": {'),
    "an id of a megabyte": _whole(b'"id": "', b'"id": "' + b"i" * MB),
    "a type of a megabyte": _whole(b'"type": "', b'"type": "' + b"t" * MB),
    "an employee of 700 kB": lambda random: (None, _forged("CompletionRecorded", employee_id="e" * 700_000), (CONTENT,)),
    "a completion of 700 kB": lambda random: (
        None, _forged("CompletionRecorded", completion_id="c" * 700_000), (CONTENT,)),
    "a certificate of a megabyte": lambda random: (
        None, _forged("CertificateIssued", certificate_id="c" * MB), (CONTENT,)),
    "an officer of a megabyte": lambda random: (None, _forged("RevokeCertificate", officer="o" * MB), (CONTENT,)),
    "50,000 numbers of an employee": lambda random: (
        None, _forged("EmployeeRecorded", employee_numbers=["198501012010011001"] * 50_000), (CONTENT,)),
    "a wait for a megabyte": lambda random: (None, _forged("ReleaseWaiting", lacks="l" * MB), (CONTENT,)),
    "a letter of a megabyte": lambda random: (None, _forged("ReleaseLetter", letter_id="l" * MB), (CONTENT,)),
    "a link until the end of time": lambda random: (
        None, _forged("CertificateIssued", download_until="9999-12-31T23:59:59Z"), (CONTENT,)),
}  # fmt: skip


def _forged(name: str, **fields: Json) -> bytes:
    """As a service would write it."""
    event = _example(next(one for one in EVENT_TYPES if one.__name__ == name))
    event["data"].update(fields)
    return written(event)
