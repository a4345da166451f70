"""What fails alike is one group of dead letters; a sender can't make as many groups as it likes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.pipeline_collections import EXPIRED
from shared.pipeline.processing.dead_letters import dead_letter
from shared.pipeline.processing.messages import Decoder, Message
from shared.pipeline.records import Headers, Record, RecordMetadata
from tests.factories import NIP, as_record, completed
from tests.property.harness import ENROLLMENT

NOW = datetime(2026, 3, 5, tzinfo=UTC)
READER = Decoder(ENROLLMENT)


def read(
    document: dict[str, Any],
    topic: str = "agency.dinas-a.v1",
    key: bytes | None = None,
    headers: Headers = (),
) -> Message[Any]:
    return READER.read(Record(RecordMetadata(topic, 0, 7), 0, key, json.dumps(document).encode(), headers))


def event(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(as_record(completed(NIP), id="e").value or b"")
    return document | changes


def changed(**data: Any) -> dict[str, Any]:
    return event(data=event()["data"] | data)


def group(item: Message[Any], error: Exception | None = None) -> str:
    fault = error or item.fault
    assert fault is not None
    return dead_letter(item, EXPIRED, str(fault), fault, moment=NOW, rules="1")[0].fingerprint


def groups(*items: Message[Any]) -> int:
    return len({group(one) for one in items})


def test_types_that_do_not_exist_are_one_group_of_each_topic() -> None:
    """10,000 made-up types made 10,000 groups."""
    assert groups(*[read(event(type=f"id.go.bandung.{name}.v1")) for name in ("apa", "saja", "x" * 900)]) == 1
    assert groups(*[read(event(type="made.up"), f"agency.dinas-{name}.v1") for name in "ab"]) == 2


@pytest.mark.parametrize(
    "sent",
    [
        [read(event(dataschema=[]), key=name.encode()) for name in ("k1", "k2")],
        [read(event(specversion=version)) for version in ("0.3", "2.0", "apa")],
        [read(changed(**{name: "\0"})) for name in ("apa", "saja", "nama")],
        [read(changed(training=["apa"] * count)) for count in (1, 12, 345)],
        [read(changed(employee_number="x", **more)) for more in ({}, {"completed_on": "x"}, {"score": "a"})],
        [read(event(), headers=(("content-type", name),)) for name in (b"text/apa", b"a/b")],
        [read(event(), topic) for topic in ("enrollment.commands.v1", "incentive.events.v1")],
    ],
    ids=["key", "version", "field name", "length", "number of faults", "content type", "topic"],
)
def test_nothing_that_a_sender_chooses_makes_groups_of_its_own(sent: list[Message[Any]]) -> None:
    assert groups(*sent) == 1


def test_what_waited_in_vain_is_one_group_for_each_kind_of_thing() -> None:
    lacks = [Waiting(f"body/{code}", f"the register has no body {code}") for code in ("APA", "SAJA")]
    item = read(event())
    assert len({group(item, one) for one in lacks}) == 1
    assert group(item, Waiting("employee/1", "not known yet")) != group(item, lacks[0])


def test_faults_that_differ_are_groups_that_differ() -> None:
    item = read(event())
    assert group(item, Rejected("no rate")) != group(item, Rejected("no form"))
    assert groups(read(changed(score="a")), read(changed(completed_on="x")), read(event(type="made.up"))) == 3
