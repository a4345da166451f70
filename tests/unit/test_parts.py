"""What is made of an event's JSON costs by its parts: a record of very many is refused without being read."""

import base64
import json
from typing import Any

import pytest

from services.enrollment.completions.terms import CompletionTerms
from shared.contracts import cloudevents
from shared.contracts.cloudevents import MAX_PARTS, STRUCTURED, TOO_MANY_PARTS, id_in
from shared.contracts.topics import ENROLLMENT_COMMANDS, agency_topic
from shared.pipeline.processing.messages import Decoder, Message
from shared.pipeline.records import Record, RecordMetadata
from tests.factories import as_record, completed
from tests.property.harness import AGENCIES, ENROLLMENT

HEADERS = (("content-type", STRUCTURED.encode()),)


def document(**more: object) -> dict[str, Any]:
    value = as_record(completed(), id="gemuk").value
    assert value is not None
    found: dict[str, Any] = json.loads(value)
    return found | more


def read(value: bytes, topic: str = agency_topic(AGENCIES[0])) -> Message[CompletionTerms]:
    return Decoder(ENROLLMENT).read(
        Record(RecordMetadata(topic, 0, 0), 1_772_668_800_000, None, value, HEADERS)
    )


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where anything of many parts is read."""
    known = cloudevents.from_json

    def from_json(value: bytes, **options: Any) -> Any:
        assert cloudevents.parts_of(value) <= MAX_PARTS
        return known(value, **options)

    monkeypatch.setattr(cloudevents, "from_json", from_json)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("part", [[], {}, 1, [[]], {"a": [1, 2]}], ids=json.dumps)
def test_an_agencys_event_of_very_many_parts_is_refused_unread_and_found_by_its_id(part: object) -> None:
    value = json.dumps(document(newer=[part] * (MAX_PARTS + 1))).encode()
    assert str(read(value).fault) == TOO_MANY_PARTS
    assert id_in(value, HEADERS) == "gemuk"


@pytest.mark.usefixtures("unread")
def test_what_is_packed_in_base64_is_counted_too() -> None:
    data = {**document()["data"], "newer": [[]] * (MAX_PARTS + 1)}
    packed = document(data_base64=base64.b64encode(json.dumps(data).encode()).decode())
    del packed["data"]
    assert str(read(json.dumps(packed).encode()).fault) == TOO_MANY_PARTS


def test_an_event_with_much_beside_what_we_know_is_taken() -> None:
    assert read(json.dumps(document(newer=[1] * (MAX_PARTS - 200))).encode()).fault is None


def test_what_our_own_services_say_may_have_as_many_as_it_needs() -> None:
    value = json.dumps(document(newer=[1] * (MAX_PARTS + 1))).encode()
    fault = read(value, ENROLLMENT_COMMANDS).fault
    assert TOO_MANY_PARTS not in str(fault)
