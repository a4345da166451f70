"""Waits until all that was published is decided, rendered and mailed: by lag, queues and stillness."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from demo.city import City
from demo.comparison import Reader
from devstack import StackError
from devstack.kompeten import SERVICES, Kompeten
from services.enrollment.certificates.documents import RENDERINGS, STORED_PDFS
from services.enrollment.completions.documents import COMPLETIONS
from services.incentive.points.documents import POINT_ENTRIES
from services.notification.letters.documents import LETTERS, MAILS
from shared.contracts.topics import (
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    INCENTIVE_COMMANDS,
    INCENTIVE_EVENTS,
    NOTIFICATION_COMMANDS,
    PARTITIONS,
    agency_topic,
)
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import POSITIONS

POLL_S: Final = 0.25
STILL_S: Final = 1.0
"""Nothing may move for so long: between a commit and its publishing, lag alone would show nothing."""
SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "enrollment": (ENROLLMENT_COMMANDS,),
    "incentive": (ENROLLMENT_EVENTS, INCENTIVE_COMMANDS),
    "notification": (ENROLLMENT_EVENTS, INCENTIVE_EVENTS, NOTIFICATION_COMMANDS),
}
AT_WORK: Final = ("queued", "leased", "handing_over", "deferred")


class Progress(NamedTuple):
    decided: int
    """Agencies' records with a verdict."""
    completions: int
    pdfs: int
    point_entries: int
    mails: int
    undecided: int
    """Records that some service has not decided yet."""
    queued: int
    """PDFs to be made, letters and mails to go out."""


async def settle(
    kompeten: Kompeten, reader: Reader, show: Callable[[Progress], None], deadline_s: float
) -> bool:
    """False if the deadline passed before everything stood still. StackError when a service has ended."""
    consumer = AIOKafkaConsumer(**kompeten.stack.kafka.options(), client_id="demo-watch")
    try:
        await consumer.start()
    except KafkaError as error:
        raise StackError(f"Kafka does not answer: {type(error).__name__}") from error
    try:
        deadline, last, since = time.monotonic() + deadline_s, None, time.monotonic()
        while time.monotonic() < deadline:
            watch(kompeten)
            progress = await _progress(kompeten, reader, consumer)
            show(progress)
            if progress != last:
                last, since = progress, time.monotonic()
            busy = progress.undecided or progress.queued
            if not busy and time.monotonic() - since >= STILL_S:
                return True
            await asyncio.sleep(POLL_S)
        return False
    finally:
        await consumer.stop()


def watch(kompeten: Kompeten) -> None:
    """StackError, with the end of its log, if a service has ended."""
    for name, child in kompeten.children.items():
        if (status := child.poll()) is not None:
            raise StackError(f"{name} ended with status {status}\n{child.tail()}")


async def _progress(kompeten: Kompeten, reader: Reader, consumer: AIOKafkaConsumer) -> Progress:
    return Progress(
        decided=reader.decided(),
        completions=reader.count("enrollment", COMPLETIONS, standing={"$ne": b""}),
        pdfs=reader.count("enrollment", STORED_PDFS),
        point_entries=reader.count("incentive", POINT_ENTRIES),
        mails=reader.count_mails(),
        undecided=await _undecided(kompeten, reader, consumer),
        queued=reader.count("enrollment", RENDERINGS, state={"$in": AT_WORK})
        + reader.count("notification", LETTERS, state="collecting")
        + reader.count("notification", MAILS, state={"$in": AT_WORK}),
    )


async def _undecided(kompeten: Kompeten, reader: Reader, consumer: AIOKafkaConsumer) -> int:
    read = partitions_read(kompeten)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(
        list({tp for partitions in read.values() for tp in partitions})
    )
    left = 0
    for service in SERVICES:
        next_of = {position.id: position.next for position in reader.all(service, POSITIONS)}
        for tp in read[service]:
            stands = next_of.get(position_id(service, (tp.topic, tp.partition)), 0)
            left += max(0, ends[tp] - stands)
    return left


def partitions_read(kompeten: Kompeten) -> dict[str, list[TopicPartition]]:
    prefix = kompeten.topic_prefix
    read = {
        service: [TopicPartition(prefix + topic, place) for topic in topics for place in range(PARTITIONS)]
        for service, topics in SOURCES.items()
    }
    read["enrollment"] += [TopicPartition(agency_topic(opd, prefix), 0) for opd in kompeten.agencies]
    return read


def goal(city: City) -> Progress:
    """What a full bar is; corrections add mails and PDFs of their own."""
    mailed = sum(expectation.mailed for expectation in city.expected.values())
    count = len(city.expected)
    return Progress(city.records.total(), count, count, count, mailed, 0, 0)
