"""A type counts on its own topic alone: every type on every topic, however its record comes to be decided."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from services.enrollment.completions.documents import COMPLETIONS
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.enrollment import CertificateIssued, CompletionRecorded, RevokeCertificate
from shared.contracts.payload import Payload, milliseconds
from shared.contracts.pipeline import ReplayDeadLetter
from shared.contracts.topics import (
    AGENCY,
    COMMANDS,
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    agency_topic,
)
from shared.pipeline.epochs import MAX_VERSION
from shared.pipeline.errors import Rejected
from shared.pipeline.handlers import Service
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, DeadLetter, WaitingRecord
from shared.pipeline.processing.dry_run import run_dry
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.records import Record
from shared.pipeline.waiting import waiting_id
from tests.factories import MOMENT, as_record, completed, registered
from tests.property.harness import AGENCIES, ENROLLMENT, NOTIFICATION, SERVICES, City, Sending
from tests.property.histories import BUDI
from tools.contracts.examples import EXAMPLES

MINE, ANOTHERS = AGENCIES[:2]
TOPICS: Final = [
    (service, topic, payload) for service in SERVICES for topic in service.topics for payload in EVENT_TYPES
]
OPERATOR: Final = "operator-3"
JSON: Final = (("content-type", b"application/cloudevents+json"),)
OF_KOTA: Final = replace(ENROLLMENT, topic_prefix="kota.")


def belongs(payload: type[Payload], topic: str, service: Service[Any]) -> bool:
    declared = EVENT_TYPES[payload]
    if declared == AGENCY:
        return topic.startswith("agency.")
    return topic == (COMMANDS.format(service=service.name) if declared == COMMANDS else declared)


@pytest.mark.parametrize(
    ("service", "topic", "payload"),
    TOPICS,
    ids=lambda one: getattr(one, "name", getattr(one, "__name__", one)),
)
def test_a_type_counts_on_its_own_topic_alone(
    service: Service[Any], topic: str, payload: type[Payload]
) -> None:
    item = Decoder(service).read(as_record(EXAMPLES[payload], topic=topic))
    if belongs(payload, topic, service):
        assert item.fault is None
        assert (item.event is not None) == (payload in service.handlers)
    else:
        assert isinstance(item.fault, Rejected)
        assert "counts on the topic" in str(item.fault)
        assert item.event is None


def test_a_topic_of_another_installation_is_none_of_ours() -> None:
    """A shared cluster: `other.agency.x.v1` under the prefix `kota.`"""
    reader = Decoder(OF_KOTA)
    assert reader.read(as_record(registered(), topic="kota.agency.dinas-contoh.v1")).fault is None
    assert reader.read(as_record(registered(), topic="other.agency.dinas-contoh.v1")).fault is not None


async def city_with_certificate() -> tuple[City, RevokeCertificate]:
    """Another agency's certificate, and the command that would take it back."""
    city = City(services=[ENROLLMENT])
    await city.deliver(
        [
            Sending(registered(BUDI), "registered", sender=ANOTHERS),
            Sending(completed(BUDI), "completed", sender=ANOTHERS),
        ]
    )
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    forged = RevokeCertificate(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        reason="forged",
        officer="nobody",
        opd=None,
    )
    return city, forged


async def revoked(city: City) -> bool:
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    assert completion.certificate is not None
    return completion.certificate.revoked or bool(completion.revocations)


def on_mine(city: City, payload: Payload, id: str) -> Record:
    record = as_record(payload, id=id, topic=agency_topic(MINE), time=city.now)
    return city.append(record.at.topic, 0, record.key, record.value, record.headers)


async def test_a_command_on_an_agencys_topic_is_kept_and_does_nothing_even_when_replayed() -> None:
    city, forged = await city_with_certificate()
    on_mine(city, forged, "forged")
    await city.recalculate()
    (letter,) = await city.documents("enrollment", DEAD_LETTERS)
    assert (letter.kind, letter.topic) == ("rejected", agency_topic(MINE))
    assert (await replayed(city, letter)).answer["outcome"] == "refused"
    assert not await revoked(city)


async def replayed(city: City, letter: DeadLetter, event: dict[str, Any] | None = None) -> Any:
    text = None if event is None else json.dumps(event)
    command = ReplayDeadLetter(dead_letter=letter.id, operator=OPERATOR, reason="try again", event=text)
    id = f"replay-{city.now_ms}"
    record = as_record(command, id=id, topic=ENROLLMENT_COMMANDS, time=city.now)
    city.append(ENROLLMENT_COMMANDS, 0, None, record.value, record.headers)
    await city.recalculate()
    (decision,) = [one for one in await city.documents("enrollment", DECISIONS) if one.event_id == id]
    return decision


async def test_an_agency_replays_nothing_in_the_name_of_another() -> None:
    city, _ = await city_with_certificate()
    broken = json.loads(as_record(completed(BUDI, code="BROKEN"), id="broken").value or b"")
    broken["data"]["completed_on"] = "2019-01-01"
    city.append(agency_topic(ANOTHERS), 0, None, json.dumps(broken).encode(), JSON)
    await city.recalculate()
    (letter,) = await city.documents("enrollment", DEAD_LETTERS)
    mended = json.loads(as_record(completed(BUDI, code="FORGED"), id="broken").value or b"")
    forged = ReplayDeadLetter(
        dead_letter=letter.id, operator="nobody", reason="forged", event=json.dumps(mended)
    )
    on_mine(city, forged, "forged")
    await city.recalculate()
    assert len(await city.documents("enrollment", COMPLETIONS)) == 1
    states = {one.id: one.state for one in await city.documents("enrollment", DEAD_LETTERS)}
    assert states[letter.id] == "open"


async def test_an_operators_edit_keeps_type_and_subject_and_its_decision_names_the_operator() -> None:
    city = City(services=[ENROLLMENT])
    await city.deliver([Sending(registered(BUDI), "registered")])
    event = json.loads(as_record(completed(BUDI, code="MENDED"), id="faulty").value or b"")
    faulty = event | {"subject": "completion-7", "data": event["data"] | {"completed_on": "2019-01-01"}}
    city.append(agency_topic(MINE), 0, None, json.dumps(faulty).encode(), JSON)
    await city.recalculate()
    (letter,) = await city.documents("enrollment", DEAD_LETTERS)
    another = json.loads(as_record(registered(BUDI, name="Another Name"), id="faulty").value or b"")
    for edit, why in (
        (another | {"subject": "completion-7"}, "type must stay"),
        (event | {"subject": "completion-8"}, "subject must stay"),
        (event, "subject must stay"),
    ):
        decision = await replayed(city, letter, edit)
        assert decision.verdict == "refused"
        assert why in decision.reason
    assert (await replayed(city, letter, event | {"subject": "completion-7"})).answer["outcome"] == "accepted"
    decided = [one for one in await city.documents("enrollment", DECISIONS) if one.event_id == "faulty"]
    assert [one.answer.get("edited_by") for one in decided] == [None, OPERATOR]


async def test_a_dry_run_says_what_a_replay_would() -> None:
    city, forged = await city_with_certificate()
    member = city.members["enrollment"]
    record = as_record(forged, topic=agency_topic(MINE))
    run = await run_dry(member.decoder, member.store, [(record, None)], milliseconds(city.now))
    assert [outcome.verdict for _, outcome in run.outcomes] == ["refused"]
    assert not run.events


def test_what_waited_since_an_older_version_is_held_against_its_topic_too() -> None:
    record = as_record(EXAMPLES[RevokeCertificate], topic=agency_topic(MINE))
    waiting = WaitingRecord(
        id=waiting_id(record.at), lacks="x", reason="", event_type="", event_id="", topic=record.at.topic,
        partition=0, offset=0, timestamp_ms=record.timestamp_ms, key=None, value=record.value,
        headers=list(record.headers), redelivery=0, since=MOMENT,
    )  # fmt: skip
    assert isinstance(Decoder(ENROLLMENT).read(waiting.record(), waiting).fault, Rejected)


@pytest.mark.parametrize(
    ("service", "topic", "payload", "field"),
    [
        (NOTIFICATION, ENROLLMENT_EVENTS, CertificateIssued, "completion_version"),
        (SERVICES[1], ENROLLMENT_EVENTS, CompletionRecorded, "version"),
    ],
    ids=["certificate", "completion"],
)
def test_a_version_from_beyond_all_epochs_is_refused(
    service: Service[Any], topic: str, payload: type[Payload], field: str
) -> None:
    """The highest stands: 2**53 - 1 replaced a mail address for good."""
    for version, refused in ((MAX_VERSION, False), (MAX_VERSION + 1, True), (2**53 - 1, True)):
        forged = EXAMPLES[payload].model_copy(update={field: version})
        item = Decoder(service).read(as_record(forged, topic=topic))
        assert (item.fault is not None) is refused


async def test_a_refused_event_is_found_by_its_source_too() -> None:
    """Its sender looks for id and source: an id is unique for each source alone."""
    city = City(services=[ENROLLMENT])
    event = json.loads(as_record(completed(BUDI), id="wrong", source="urn:simpeg").value or b"")
    event["data"]["completed_on"] = "30/02/2026"
    city.append(agency_topic(MINE), 0, None, json.dumps(event).encode(), JSON)
    await city.recalculate()
    (decision,) = await city.documents("enrollment", DECISIONS)
    assert (decision.verdict, decision.event_id, decision.source) == ("refused", "wrong", "urn:simpeg")
