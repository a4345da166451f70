"""One record that nobody can accept must cost its batch nothing: it is kept as it came, the rest is decided."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import model_validator

from services.enrollment.app import HANDLERS
from services.enrollment.completions.documents import COMPLETIONS
from shared.contracts.agency import TrainingCompleted
from shared.contracts.cloudevents import STRUCTURED
from shared.contracts.topics import ENROLLMENT_EVENTS, agency_topic
from shared.pipeline.documents import State
from shared.pipeline.handlers import Handler, Service
from shared.pipeline.outcome import Outcome, Put, Verdict
from shared.pipeline.pipeline_collections import DEAD_LETTER_CHUNKS, DEAD_LETTERS, DECISIONS, WAITING
from shared.pipeline.processing.dead_letters import CHUNK_BYTES
from shared.pipeline.records import Headers, Received, Record
from tests.examples import examples
from tests.factories import as_record, completed, completion_recorded, registered
from tests.property.harness import AGENCIES, ENROLLMENT, INCENTIVE, City, Sending
from tests.property.histories import BUDI

TOPIC = agency_topic(AGENCIES[0])
JSON: Headers = (("content-type", STRUCTURED.encode()),)
GOOD = as_record(completed(BUDI, code="POISONED", form="course", programme_jp=7), id="poison").value or b""
NAMED = b"SECRET-NAME"
POISON: Mapping[str, tuple[bytes | None, Headers]] = {
    "no value": (None, JSON),
    "an empty value": (b"", JSON),
    "no JSON": (b"{" + NAMED, JSON),
    "a list": (b"[1]", JSON),
    "no CloudEvent": (b'{"id": "' + NAMED + b'"}', JSON),
    "invalid UTF-8": (GOOD.replace(b"POISONED", b"\xff\xfe"), JSON),
    "a lone surrogate": (GOOD.replace(b"POISONED", rb"\ud83d"), JSON),
    "NUL in a name": (GOOD.replace(b'"code"', rb'"\u0000code": 1, "code"'), JSON),
    "NUL in a text": (GOOD.replace(b"POISONED", rb"A\u0000"), JSON),
    "2**63 as JP": (GOOD.replace(b'"programme_jp": 7.0', b'"programme_jp": 9223372036854775808'), JSON),
    "2**63 as score": (GOOD.replace(b'"score": 88.5', b'"score": 9223372036854775808'), JSON),
    "a number as date": (GOOD.replace(b'"2026-03-04"', b"20260304"), JSON),
    "a number as employee": (GOOD.replace(b'"198501012010011001"', b"198501012010011001"), JSON),
    "an unknown type": (GOOD.replace(b"training.completed", NAMED), JSON),
    "a type of two megabytes": (GOOD.replace(b"training.completed", NAMED * 180_000), JSON),
    "another content type": (GOOD, (("content-type", b"text/csv"),)),
    "a batch": (b"[" + GOOD + b"]", (("content-type", b"application/cloudevents-batch+json"),)),
    "a text of two megabytes": (GOOD.replace(b"POISONED", b"A" * 2_000_000), JSON),
    "seventeen megabytes": (GOOD.replace(b"POISONED", b"A" * 17_000_000), JSON),
    "seventeen megabytes of type": (GOOD.replace(b"training.completed", b"A" * 17_000_000), JSON),
    "brackets without end": (b"[" * 100_000, JSON),
    "an id of a kilobyte": (GOOD.replace(b'"id": "poison"', b'"id": "' + b"1" * 1000 + b'"'), JSON),
    "a header without value": (GOOD, (("ce_type", None), ("ce_specversion", b"1.0"))),
}  # fmt: skip


async def with_registered(service: Service[Any] = ENROLLMENT) -> City:
    city = City(services=[service])
    await city.deliver([Sending(registered(BUDI), "registered")])
    return city


def good(code: str) -> Record:
    return as_record(completed(BUDI, code=code), id=code, topic=TOPIC)


async def decide(city: City, *records: Record) -> list[Record]:
    """All of them in one batch."""
    appended = [city.append(TOPIC, 0, one.key, one.value, one.headers) for one in records]
    member = city.members["enrollment"]
    await city.batch(member, {(TOPIC, 0): len(records)})
    return appended


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("kind", POISON)
async def test_poison_is_kept_as_it_came_and_its_batch_is_unharmed(kind: str, place: int) -> None:
    value, headers = POISON[kind]
    assert value != GOOD or headers != JSON, "the replacement found nothing"
    poison = Record(good("?").at, 0, b"key \x00\xff", value, headers)
    batch = [good("A"), good("B")]
    batch.insert(place, poison)
    city = await with_registered()
    appended = await decide(city, *batch)
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    chunks = [one.value for one in await city.documents("enrollment", DEAD_LETTER_CHUNKS)]
    assert dead.kind == "rejected"
    assert (dead.offset, dead.key, tuple(dead.headers)) == (
        appended[place].at.offset,
        b"key \x00\xff",
        headers,
    )
    assert (b"".join(chunks) if dead.chunks else dead.value) == value
    assert (len(chunks), dead.value is None or len(dead.value) <= CHUNK_BYTES) == (dead.chunks, True)
    assert len(dead.reason) < 1500
    assert NAMED.decode() not in dead.reason
    completions = await city.documents("enrollment", COMPLETIONS)
    assert {one.contents[0].facts.code for one in completions} == {"A", "B"}
    decisions = {one.id: one.verdict for one in await city.documents("enrollment", DECISIONS)}
    assert [decisions[f"{one.at}/0"] for one in appended].count("accepted") == 2
    assert decisions[f"{appended[place].at}/0"] == "refused"


async def test_what_readers_ignore_may_be_anything() -> None:
    """Unknown fields are a newer sender's: a number beyond 64 bits there is no fault."""
    value = GOOD.replace(b'"code"', b'"newer": 9223372036854775808, "code"')
    city = await with_registered()
    await decide(city, Record(good("?").at, 0, None, value, JSON))
    assert await city.documents("enrollment", DEAD_LETTERS) == []
    assert len(await city.documents("enrollment", COMPLETIONS)) == 1


async def test_chunks_join_to_the_value_in_order_of_their_ids() -> None:
    value = bytes(range(256)) * 4 * 100_000
    city = await with_registered()
    await decide(city, Record(good("?").at, 0, None, value, JSON))
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    chunks = await city.documents("enrollment", DEAD_LETTER_CHUNKS)
    assert [one.dead_letter for one in chunks] == [dead.id] * 13
    assert b"".join(one.value for one in chunks) == value


def breaking(fault: Exception | Outcome) -> Service[Any]:
    """Enrollment with a handler that fails on the training POISONED."""
    known = HANDLERS[TrainingCompleted]

    def decide(event: Received[Any], state: State, terms: Any) -> Outcome:
        outcome = known.decide(event, state, terms)
        if event.data.training.code == "POISONED":
            if isinstance(fault, Exception):
                raise fault
            return fault
        return outcome

    return replace(ENROLLMENT, handlers={**HANDLERS, TrainingCompleted: Handler(known.needs, decide)})


def breaking_needs(fault: Exception) -> Service[Any]:
    known = HANDLERS[TrainingCompleted]

    def keys(event: Received[Any], state: State, terms: Any) -> Any:
        if event.data.training.code == "POISONED":
            raise fault
        yield from known.needs(event, state, terms)

    return replace(ENROLLMENT, handlers={**HANDLERS, TrainingCompleted: Handler(keys, known.decide)})


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("breaks", [breaking, breaking_needs], ids=["the handler", "its keys"])
async def test_a_bug_costs_its_own_record_alone_and_tells_nothing_personal(breaks: Any, place: int) -> None:
    city = await with_registered(breaks(KeyError(f"Budi Ma'ruf {BUDI}")))
    batch = [good("A"), good("B")]
    batch.insert(place, good("POISONED"))
    appended = await decide(city, *batch)
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert (dead.kind, dead.offset, dead.value) == ("bug", appended[place].at.offset, appended[place].value)
    assert "KeyError" in dead.reason
    assert "Budi" not in dead.reason
    assert BUDI not in dead.reason
    assert len(await city.documents("enrollment", COMPLETIONS)) == 2
    decisions = {one.id: one for one in await city.documents("enrollment", DECISIONS)}
    assert decisions[f"{dead.id}"].verdict == "bug"


@pytest.mark.parametrize(
    ("field", "kind"),
    [({"newer": 2**63}, "bug"), ({"half\x00key": 1}, "bug"), ({"text": "A" * 16_000_000}, "rejected")],
    ids=["2**63", "NUL in a key", "16 MB"],
)
async def test_a_document_that_the_database_cannot_hold_is_its_events_fault(
    field: dict[str, Any], kind: str
) -> None:
    class Unholdable(dict[str, Any]):
        id = "1"

    collection = COMPLETIONS
    city = await with_registered(
        breaking(Outcome(Verdict.ACCEPTED, changes=[Put(collection, Unholdable(field))]))
    )  # type: ignore[arg-type]
    await decide(city, good("A"), good("POISONED"), good("B"))
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert dead.kind == kind
    assert len(await city.documents("enrollment", COMPLETIONS)) == 2


async def test_a_bug_in_reading_costs_its_own_record_alone() -> None:
    """Reading happens outside the attempt: there is no bisecting, the consumer would end on it for ever."""

    class Unreadable(TrainingCompleted):
        @model_validator(mode="after")
        def _breaks(self) -> "Unreadable":
            if self.training.code == "POISONED":
                raise KeyError(BUDI)
            return self

    handlers = {kind: one for kind, one in HANDLERS.items() if kind is not TrainingCompleted}
    handlers[Unreadable] = HANDLERS[TrainingCompleted]
    city = await with_registered(replace(ENROLLMENT, handlers=handlers))
    await decide(city, good("A"), good("POISONED"), good("B"))
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert dead.kind == "bug"
    assert BUDI not in dead.reason
    assert len(await city.documents("enrollment", COMPLETIONS)) == 2


async def test_what_waited_and_then_breaks_is_buried_once_and_waits_no_more() -> None:
    city = City(services=[breaking(KeyError("x"))])
    await decide(city, good("POISONED"), good("A"))
    service = city.members["enrollment"]
    assert len(await city.documents("enrollment", WAITING)) == 2
    city.send(Sending(registered(BUDI), "registered"))
    await city.recalculate()
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert (dead.kind, dead.id) == ("bug", f"{TOPIC}/0/0/1")
    assert await city.documents("enrollment", WAITING) == []
    assert len(await city.documents("enrollment", COMPLETIONS)) == 1
    assert [one.verdict for one in service.decided[1].decisions] == ["accepted", "bug", "accepted"]


async def test_a_header_without_value_keeps_nobody_waiting() -> None:
    """Read back it was no header: the employee's registration failed for good on the record that waited for it."""
    city = City(services=[ENROLLMENT])
    await decide(city, msgspec.structs.replace(good("A"), headers=(*JSON, ("relay", None))))
    await city.deliver([Sending(registered(BUDI), "registered")])
    assert len(await city.documents("enrollment", COMPLETIONS)) == 1


MB = 1024 * 1024
HEADS: Mapping[str, tuple[bytes | None, Headers]] = {
    "a key of seventeen megabytes": (b"k" * 17 * MB, JSON),
    "a header of seventeen megabytes": (None, (*JSON, ("x", b"h" * 17 * MB))),
    "a header's name of seventeen megabytes": (None, (*JSON, ("x" * 17 * MB, None))),
    "two million headers": (b"", JSON + (("x", b"12345678"),) * 2_000_000),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEADS)
async def test_a_head_larger_than_a_document_is_kept_in_parts(kind: str) -> None:
    """Compressed it passes the broker's limit; no document of the database holds it."""
    key, headers = HEADS[kind]
    city = await with_registered()
    await decide(city, good("A"), Record(good("?").at, 0, key, GOOD, headers), good("B"))
    await city.recalculate()  # what is so large may be all that a batch takes on
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert (dead.kind, dead.value, dead.chunks, dead.key, dead.headers) == ("rejected", GOOD, 0, None, [])
    chunks = {one.id: one.value for one in await city.documents("enrollment", DEAD_LETTER_CHUNKS)}
    packed = b"".join(chunks[f"{dead.id}/head/{n}"] for n in range(dead.head_chunks))
    kept: tuple[bytes | None, Headers] = msgspec.msgpack.decode(packed, type=tuple[bytes | None, Headers])
    assert kept == (key, headers)
    assert len(await city.documents("enrollment", COMPLETIONS)) == 2


@pytest.mark.parametrize("where", ["key", "headers", "value"])
async def test_what_could_be_decided_but_for_its_size_is_refused_before_it_waits(where: str) -> None:
    """Nobody is registered, so it would wait: in a document that holds all of it."""
    more = b"A" * 2 * MB
    value = GOOD.replace(b'"code"', b'"newer": "' + more + b'", "code"') if where == "value" else GOOD
    head = {"key": (more, JSON), "headers": (None, (*JSON, ("x", more))), "value": (None, JSON)}
    city = City(services=[ENROLLMENT])
    await decide(city, Record(good("?").at, 0, head[where][0], value, head[where][1]))
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert dead.kind == "rejected"
    assert "MB are allowed" in dead.reason
    assert await city.documents("enrollment", WAITING) == []


async def test_what_follows_must_fit_into_the_log() -> None:
    """Published in vain for ever, it stopped its partition: an id stands in an event four times."""
    city = City(services=[INCENTIVE])
    long = completion_recorded(employee_id="emp_" + "e" * 700_000)
    topic, member = ENROLLMENT_EVENTS, city.members["incentive"]
    for payload in (long, completion_recorded()):
        record = as_record(payload, topic=topic)
        city.append(topic, 0, record.key, record.value, record.headers)
    await city.batch(member, {(topic, 0): 2})
    (dead,) = await city.documents("incentive", DEAD_LETTERS)
    assert dead.kind == "rejected"
    assert "larger than the log takes" in dead.reason
    assert [one.verdict for one in member.decided[0].decisions] == ["refused", "accepted"]


LENGTHENED = "\u0958"  # NFC writes it as two characters, for good


async def test_a_text_that_composing_lengthens_is_measured_as_it_is_kept() -> None:
    city = await with_registered()
    raw = good("A").value
    assert raw is not None
    title = b'"title": "' + completed().training.title.encode() + b'"'
    assert title in raw
    for count in (150, 151, 300):
        text = f'"title": "{LENGTHENED * count}"'.encode()
        await decide(city, Record(good("?").at, 0, None, raw.replace(title, text), JSON))
    assert [one.kind for one in await city.documents("enrollment", DEAD_LETTERS)] == ["rejected"] * 2
    (kept,) = await city.documents("enrollment", COMPLETIONS)
    assert len(kept.contents[0].facts.title) == 300


_names = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "data", "data_base64", "traceparent"]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(repr)
    | st.sampled_from(["1.0", TrainingCompleted.TYPE, "2026-03-04", "9999-12-31T23:59:59-23:59",
                       "0001-01-01T00:00:00+23:59", "\ud800", "1e999", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good event with something replaced: JSON that a careless sender might write."""
    import json

    event = json.loads(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        node: Any = event
        while True:
            name = draw(st.sampled_from(sorted(node)))
            if isinstance(node[name], dict) and node[name] and draw(st.booleans()):
                node = node[name]
                continue
            node[name] = draw(_values)
            break
    return json.dumps(event, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


@settings(max_examples=examples(300), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.binary(max_size=60) | mutated(),
    st.lists(
        st.tuples(
            st.sampled_from(["content-type", "ce_type", "ce_specversion", "ce_id", "ce_source", "ce_time", "x"]),
            st.binary(max_size=20) | st.sampled_from([b"application/json", STRUCTURED.encode(), b"1.0",
                                                      TrainingCompleted.TYPE.encode()]),
        ),
        max_size=5,
    ),
)  # fmt: skip
async def test_no_bytes_break_the_reader(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    """Whatever a record holds, it is an event or its own dead letter: reading happens outside any attempt."""
    city = City(services=[ENROLLMENT])
    await decide(city, Record(good("?").at, 0, None, value, tuple(headers)), good("A"))
    decisions = await city.documents("enrollment", DECISIONS)
    assert len(decisions) == 2 or {one.verdict for one in decisions} == {"waiting"}
    assert all(one.kind == "rejected" for one in await city.documents("enrollment", DEAD_LETTERS))
