"""Who floods a topic has much to wait for; who sends little is decided as if alone."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition

from devstack import Stack
from shared.contracts.cloudevents import STRUCTURED
from shared.contracts.topics import agency_topic
from shared.pipeline.consuming.consumer import MAX_RECORDS, Consumer
from shared.pipeline.pipeline_collections import Decision
from tests.chaos.members import WITHIN_S, Place, place_of
from tests.chaos.system import until
from tests.chaos.traffic import Message
from tests.factories import as_record, completed, registered

pytestmark = pytest.mark.full

FLOODS = ("agency-a", "agency-b", "agency-c")
OTHER = "agency-d"
OF_EACH = 7_000
FEW = 50
MAX_BATCHES = 3
SOON = 4
"""Batches in which each of the floods has been decided; taken as the client had fetched them, one or two of them had
seven in a row. On a busy machine a fetch may miss a batch or two."""
MAX_S = 1.0
"""Without a turn for others; it was minutes."""


async def test_a_flood_of_some_agencies_leaves_room_for_the_others_in_each_batch(stack: Stack) -> None:
    async with place_of(stack, (*FLOODS, OTHER)) as place:
        batches: list[set[str]] = []

        def note(decisions: Sequence[Decision]) -> None:
            batches.append({one.id for one in decisions})

        read_only(place, *FLOODS, OTHER)
        for agency in FLOODS:
            await place.send([event(place, agency, 0)] * OF_EACH)
        await place.send([event(place, OTHER, n) for n in range(FEW)])
        few = {f"{place.agency(OTHER)}/0/{n}/0" for n in range(FEW)}
        async with place.member() as member:
            member.on_decided = note
            await until(lambda: len(batches) >= 10, lambda: f"{len(batches)} batches", WITHIN_S)
        assert few <= set().union(*batches[:MAX_BATCHES])
        floods = {*map(place.agency, FLOODS)}
        topics = [{one.split("/")[0] for one in batch} & floods for batch in batches[1:10]]
        for first in range(len(topics) - SOON + 1):
            assert set().union(*topics[first : first + SOON]) == floods, topics


def decided_of(member: Consumer[Any], topic: str) -> int:
    return member.table.decided().get(TopicPartition(topic, 0), 0)


async def test_what_was_read_to_its_last_record_is_fetched_again_beside_a_flood(stack: Stack) -> None:
    """One fetch of tightly packed copies is many batches, and the others' records come while they are decided."""
    async with place_of(stack, (FLOODS[0], OTHER)) as place:
        read_only(place, FLOODS[0], OTHER)
        flood, other = place.agency(FLOODS[0]), place.agency(OTHER)
        copies = 20 * MAX_RECORDS
        await place.send([event(place, FLOODS[0], 0)] * copies, compression_type="zstd", max_batch_size=2**20)
        await place.send([event(place, OTHER, 0)])
        async with place.member() as member:
            for sent in range(1, 5):
                await until(
                    lambda sent=sent: decided_of(member, other) == sent,
                    lambda sent=sent: f"{sent - 1} of the others are decided",
                    WITHIN_S,
                )
                assert decided_of(member, flood) < copies, f"{sent} came after the flood"
                await place.send([event(place, OTHER, sent)])


def read_only(place: Place, *agencies: str) -> None:
    topics = [agency_topic(one) for one in agencies]
    place.service = replace(place.service, sources=tuple(topics))
    place.partitions = {place.prefix + topic: 1 for topic in topics}


def event(place: Place, agency: str, n: int) -> Message:
    record = as_record(registered(name=f"Pegawai {n}"), id=f"{agency}-{n}", topic=place.agency(agency))
    return Message(record.at.topic, 0, None, record.value or b"", [("content-type", STRUCTURED.encode())])


async def test_a_thousand_events_about_one_completion_leave_the_loop_to_heartbeats(stack: Stack) -> None:
    longest_s = 0.0

    async def heartbeat() -> None:
        nonlocal longest_s
        while True:
            before = time.thread_time()  # of CPU: how busy the machine is otherwise decides nothing
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.thread_time() - before)

    async with place_of(stack) as place:
        agency = place.agency()
        await place.send([event(place, "dinas-a", 0)])
        await place.send([content(agency, n) for n in range(1_000)])
        async with place.member() as member:
            beating = asyncio.create_task(heartbeat())
            verdicts = await place.decided(agency, 1_001)
            beating.cancel()
            assert not member.faults()
    assert set(verdicts.values()) <= {"accepted", "correction", "superseded"}
    assert longest_s < MAX_S


def content(topic: str, n: int) -> Message:
    record = as_record(completed(place=f"Ruang {n}"), id=f"content-{n}", topic=topic)
    return Message(topic, 0, None, record.value or b"", [("content-type", STRUCTURED.encode())])
