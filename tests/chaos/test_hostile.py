"""Ten thousand records that nobody ought to send, to every topic, and two thousand events by HTTP, good ones between.

Every record is decided, passed over or kept with a reason; nobody dies, nothing good is lost, nothing is a bug.
"""

import asyncio
import json
import os
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from devstack.kompeten import SERVICES
from services.enrollment.app import HANDLERS as ENROLLMENT
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.intake.routes import MEDIA_TYPES
from services.incentive.app import HANDLERS as INCENTIVE
from services.incentive.points.documents import EARNED_COMPLETIONS
from services.notification.app import HANDLERS as NOTIFICATION
from shared.contracts.cloudevents import Undecodable, peek
from shared.contracts.topics import (
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    INCENTIVE_COMMANDS,
    INCENTIVE_EVENTS,
    NOTIFICATION_COMMANDS,
    agency_topic,
)
from shared.pipeline.channels import fault_of_channel, is_known
from shared.pipeline.pipeline_collections import (
    DEAD_LETTER_CHUNKS,
    DEAD_LETTERS,
    DECISIONS,
    POSITIONS,
    DeadLetter,
)
from shared.pipeline.records import Headers
from tests.chaos.hostile import MB, Hostile, hostile_records
from tests.chaos.system import System, producer, until
from tests.chaos.traffic import AGENCIES, Message

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.full]

SEED: Final = int(os.environ.get("HOSTILE_SEED", "20260305"))
RECORDS: Final = 10_000
HTTP_EVENTS: Final = 2_000
COMPLETIONS_BETWEEN: Final = 120
DECIDED_WITHIN_S: Final = 180.0
"""Generous: other work may have the machine."""
LARGE_BYTES: Final = MB
COUNTED: Final = frozenset({"accepted", "correction", "superseded", "duplicate"})
READS: Final = {
    "enrollment": (ENROLLMENT, (*(agency_topic(one) for one in AGENCIES), ENROLLMENT_COMMANDS)),
    "incentive": (INCENTIVE, (ENROLLMENT_EVENTS, INCENTIVE_COMMANDS)),
    "notification": (NOTIFICATION, (ENROLLMENT_EVENTS, INCENTIVE_EVENTS, NOTIFICATION_COMMANDS)),
}


class Sent(NamedTuple):
    place: str
    """topic/partition/offset, without the prefix"""
    record: Hostile


@pytest.fixture(scope="module")
async def running(system: System) -> System:
    print(f"HOSTILE_SEED={SEED}")
    system.launch("enrollment", KOMPETEN_EVENTS_PER_SECOND="0")
    system.launch("incentive")
    system.launch("notification")
    await system.ready()
    return system


async def test_no_record_ends_a_service_or_costs_another_record(running: System) -> None:
    before = {name: child.pid for name, child in running.kompeten.children.items()}
    good = running.traffic.batch(COMPLETIONS_BETWEEN)
    hostile = hostile_records(SEED, RECORDS, AGENCIES)
    sent, good_places = await publish(running, hostile, good)
    assert len(sent) == RECORDS + len(GARBLED)
    await decided(running)

    for service, (handlers, topics) in READS.items():
        types = {payload.TYPE for payload in handlers}
        mine = [one for one in sent if one.record.topic in topics]
        decisions = decisions_of(running, service)
        letters = letters_of(running, service)
        lost = [one for one in mine if one.place not in decisions and not passed_over(one.record, types)]
        assert not lost, (service, len(lost), lost[:3])
        assert {letter.kind for letter in letters.values()} == {"rejected"}, bugs(letters.values())
        for one in mine:
            verdict, reason = decisions.get(one.place, ("", ""))
            if (letter := letters.get(one.place)) is not None:
                assert raw_of(running, service, letter) == as_received(one.record), one.place
                assert 0 < len(letter.reason) < 2_000, one.record.kind
            elif verdict == "refused":
                assert reason, one.record
        shown = Counter(verdict for verdict, _ in decisions.values())
        print(f"{service}: {len(mine)} hostile records; all decisions: {dict(shown)}")

    verdicts = decisions_of(running, "enrollment")
    assert {verdicts[place][0] for place in good_places} <= COUNTED
    await until(lambda: not wanting(running), lambda: "\n".join(wanting(running)[:20]), DECIDED_WITHIN_S)
    assert {name: child.pid for name, child in running.kompeten.children.items()} == before
    await healthy(running)


async def test_no_body_is_a_fault_of_the_server(running: System) -> None:
    random = Random(SEED)
    # Larger bodies are refused unread, and the connection with them: tests/end_to_end/test_intake.py.
    every = [one.value or b"" for one in hostile_records(SEED + 1, HTTP_EVENTS + 200, AGENCIES)]
    values = [value for value in every if len(value) <= MB][:HTTP_EVENTS]
    assert len(values) == HTTP_EVENTS
    asked = [*single_bodies(random, values[: HTTP_EVENTS // 2]), *batches(random, values[HTTP_EVENTS // 2 :])]
    token = running.kompeten.token("agency", opd=AGENCIES[0])
    statuses: Counter[int] = Counter()
    async with httpx.AsyncClient(base_url=running.kompeten.urls["enrollment"], timeout=60) as client:

        async def ask(lane: int) -> None:
            for body, media_type in asked[lane::8]:
                headers = {"authorization": f"Bearer {token}", "content-type": media_type}
                answer = await client.post("/events", content=body, headers=headers)
                assert answer.status_code < 500, (answer.text, body[:500])
                statuses[answer.status_code] += 1
                answered_in_full(answer)

        await asyncio.gather(*map(ask, range(8)))
    print(f"POST /events: {dict(statuses)}")
    await decided(running)
    for service in SERVICES:
        letters = letters_of(running, service)
        assert {letter.kind for letter in letters.values()} <= {"rejected"}, bugs(letters.values())
    await healthy(running)


# What is sent.

GARBLED: Final = (b"\xff\xfename", b"\xed\xa0\x80 nama", b"latin\xe9")
"""Names of headers, as librdkafka lets anybody send them."""


async def publish(
    system: System, hostile: Sequence[Hostile], good: Sequence[Message]
) -> tuple[list[Sent], list[str]]:
    """The good ones spread evenly between the others, in their own order."""
    prefix = system.kompeten.topic_prefix
    every = len(hostile) // len(good)
    async with (
        producer(system.stack.kafka, max_request_size=4 * MB) as plain,
        producer(system.stack.kafka, max_request_size=40 * MB, compression_type="zstd") as packed,
    ):
        waiting: list[tuple[Hostile | None, asyncio.Future[Any]]] = []
        rest = list(good)
        for n, one in enumerate(hostile):
            sender = packed if size_of(one) > LARGE_BYTES else plain
            headers = list(one.headers)
            topic = prefix + one.topic
            if one.key is None and one.value is None:
                waiting.append((one, await with_nothing(sender, topic, one)))
            else:
                future = await sender.send(topic, one.value, one.key, one.partition, headers=headers)
                waiting.append((one, future))
            if n % every == 0 and rest:
                message = rest.pop(0)
                topic, value, partition = message.topic, message.value, message.partition
                headers = list(message.headers)
                future = await plain.send(topic, value, message.key, partition, headers=headers)
                waiting.append((None, future))
        assert not rest
        placed = [(one, await future) for one, future in waiting]
    names = [(one, f"{at.topic.removeprefix(prefix)}/{at.partition}/{at.offset}") for one, at in placed]
    sent = [Sent(place, one) for one, place in names if one is not None]
    sent += [garbled async for garbled in with_garbled_names(system)]
    return sent, [place for one, place in names if one is None]


async def with_nothing(sender: AIOKafkaProducer, topic: str, one: Hostile) -> "asyncio.Future[Any]":
    """Neither key nor value: the client's `send` asks for one of them, the broker does not."""
    batch = sender.create_batch()
    batch.append(key=None, value=None, timestamp=None, headers=list(one.headers))
    batch.close()
    future: asyncio.Future[Any] = await sender.send_batch(batch, topic, partition=one.partition)
    return future


async def with_garbled_names(system: System) -> AsyncIterator[Sent]:
    """Written by hand: no client for Python sends a name that is no text."""
    topic, prefix = agency_topic(AGENCIES[0]), system.kompeten.topic_prefix
    async with AIOKafkaProducer(**system.stack.kafka.options(), acks="all") as sender:
        for name in GARBLED:
            batch = sender.create_batch()
            stand_in = "N" * len(name)
            batch.append(key=None, value=b"{}", timestamp=None, headers=[(stand_in, b"1")])
            batch.close()
            raw = bytearray(batch._build())
            at = raw.index(stand_in.encode())
            raw[at : at + len(name)] = name
            struct.pack_into(">I", raw, 17, calc_crc32c(memoryview(raw)[21:]))
            batch._buffer = bytes(raw)
            metadata = await (await sender.send_batch(batch, prefix + topic, partition=0))
            shown = name.decode(errors="backslashreplace")
            record = Hostile("a garbled name", topic, 0, None, b"{}", ((shown, b"1"),))
            yield Sent(f"{topic}/0/{metadata.offset}", record)


def size_of(one: Hostile) -> int:
    headers = sum(len(name) + len(content or b"") for name, content in one.headers)
    return len(one.key or b"") + len(one.value or b"") + headers


def single_bodies(random: Random, values: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    for value in values:
        yield value, random.choice((*MEDIA_TYPES, *MEDIA_TYPES, "text/plain", "", "application/json; a=\x7f"))


def batches(random: Random, values: Sequence[bytes]) -> Iterator[tuple[bytes, str]]:
    """Ten events each: those that are JSON, else mostly no batch would be."""
    parsable = [value for value in values if is_json(value)] or [b"{}"]
    for _ in range(len(values) // 10):
        events = random.choices(parsable, k=10)
        yield b"[" + b",".join(events) + b"]", MEDIA_TYPES[0]


def is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return value.startswith(b'{"a":')  # a bottomless one
    return len(value) < 100_000


# What came of it.


async def decided(system: System) -> None:
    """Until every service stands at the end of all that it reads, twice in a row."""
    deadline = time.monotonic() + DECIDED_WITHIN_S
    before: dict[str, int] = {}
    while True:
        await alive(system)
        ends, stands = await system.ends(topics_of(system)), positions(system)
        behind = {
            place: end - stands.get(place, 0) for place, end in ends.items() if stands.get(place, 0) < end
        }
        if not behind and ends == before:
            return
        before = ends
        assert time.monotonic() < deadline, behind
        await asyncio.sleep(0.3)


def topics_of(system: System) -> dict[str, list[str]]:
    return {
        service: [system.kompeten.topic_prefix + topic for topic in topics]
        for service, (_, topics) in READS.items()
    }


def positions(system: System) -> dict[str, int]:
    return {
        one["_id"]: one["next"]
        for service in SERVICES
        for one in system.database(service)[POSITIONS.name].find({}, {"next": 1})
    }


def decisions_of(system: System, service: str) -> dict[str, tuple[str, str]]:
    """Verdict and reason by place; of those taken up again the last."""
    prefix = system.kompeten.topic_prefix
    found: dict[str, tuple[str, str]] = {}
    for one in system.database(service)[DECISIONS.name].find({}, {"v": 1, "r": 1}).sort("_id", 1):
        found[one["_id"].removeprefix(prefix).rpartition("/")[0]] = one["v"], one.get("r", "")
    return found


def letters_of(system: System, service: str) -> dict[str, DeadLetter]:
    prefix = system.kompeten.topic_prefix
    letters = system.all(service, DEAD_LETTERS)
    return {f"{one.topic.removeprefix(prefix)}/{one.partition}/{one.offset}": one for one in letters}


def bugs(letters: Iterable[DeadLetter]) -> list[tuple[str, str, bytes | None, list[Any]]]:
    found = [one for one in letters if one.kind == "bug"]
    return [(one.reason, one.event_type, (one.value or b"")[:2_000], one.headers[:10]) for one in found[:10]]


Content = tuple[bytes | None, bytes | None, Headers]


def as_received(record: Hostile) -> Content:
    return record.key, record.value, record.headers


def raw_of(system: System, service: str, letter: DeadLetter) -> Content:
    key, value, headers = letter.key, letter.value, tuple(letter.headers)
    chunks = system.database(service)[DEAD_LETTER_CHUNKS.name]

    def joined(name: str, count: int) -> bytes:
        return b"".join(
            one["value"] for n in range(count) if (one := chunks.find_one({"_id": f"{name}/{n}"}))
        )

    if letter.chunks:
        value = joined(letter.id, letter.chunks)
    if letter.head_chunks:
        head = joined(f"{letter.id}/head", letter.head_chunks)
        key, headers = msgspec.msgpack.decode(head, type=tuple[bytes | None, Headers])
    return key, value, headers


def passed_over(record: Hostile, types: set[str]) -> bool:
    """A type on its own topic that the service has no handler for leaves no decision."""
    try:
        type, _ = peek(record.value, record.headers)
    except Undecodable:
        return False
    return is_known(type) and fault_of_channel(type, record.topic, "") is None and type not in types


def wanting(system: System) -> list[str]:
    """What the good events have not led to yet."""
    reported = system.traffic.reported
    names = {"_id": {"$in": list(reported)}}
    found = {one["_id"]: one for one in system.database("enrollment")[COMPLETIONS.name].find(names)}
    earned = {
        one["_id"] for one in system.database("incentive")[EARNED_COMPLETIONS.name].find(names, {"_id": 1})
    }
    faults = []
    for id, wanted in reported.items():
        if id not in found:
            faults.append(f"{id} is not recorded")
            continue
        completion = msgspec.convert(found[id], COMPLETIONS.document)
        certificate = completion.certificate
        if certificate is None or certificate.revoked != wanted.revoked:
            faults.append(f"{id} has no certificate as it should be")
        elif certificate.sha256 is None and not wanted.revoked:
            faults.append(f"{id} has no PDF")
        if completion.effective and effective_training(completion).score != wanted.score:
            faults.append(f"{id} has another score than was sent last")
        if id not in earned:
            faults.append(f"{id} never reached incentive")
    return faults


async def alive(system: System) -> None:
    for name in SERVICES:
        child = system.child(name)
        assert child.poll() is None, f"{name} ended by itself\n{child.tail()}"


async def healthy(system: System) -> None:
    await alive(system)
    faults = {name: system.faults_of(name) for name in SERVICES}
    assert faults == {name: [] for name in SERVICES}


def answered_in_full(answer: httpx.Response) -> None:
    """A verdict for each event, or a problem."""
    if answer.headers["content-type"] == "application/problem+json":
        assert answer.json()["status"] == answer.status_code
        return
    verdicts = answer.json()
    assert answer.status_code in (202, 207, 422)
    assert [one["index"] for one in verdicts] == list(range(len(verdicts)))
    assert all(one["detail"] for one in verdicts if one["status"] == "refused")
    assert {one["status"] for one in verdicts} <= {"accepted", "refused"}
