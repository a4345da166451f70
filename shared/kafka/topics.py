"""Creates declared topics. One that exists with other partitions is an error: keys would change places.

On three brokers or more each record is kept three times, and acknowledged once two have it: one may be away."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from shared.kafka.access import NoAccess, explained
from shared.kafka.connection import KafkaConnection

VISIBLE_S = 30.0
COPIES = 3


class TopicsDiffer(Exception):
    """The broker's topics are not the declared ones."""


class TopicSpec(NamedTuple):
    name: str
    partitions: int
    config: Mapping[str, str] = {}


async def create_topics(
    kafka: KafkaConnection, specs: Sequence[tuple[str, int, Mapping[str, str]]], *, dry_run: bool = False
) -> list[str]:
    """Names of those that were missing. Returns when the broker shows all, each partition with a leader; in a dry run
    when the broker has said that it would make them.

    Raises TopicsDiffer, and NoAccess when Kafka lets nobody in."""
    wanted = [TopicSpec(*spec) for spec in specs]
    admin = AIOKafkaAdminClient(**kafka.options())
    try:
        await admin.start()
        known = await _partitions(admin, wanted)
        missing = [topic for topic in wanted if topic.name not in known]
        _verify(wanted, known)
        await _create(admin, missing, dry_run=dry_run)
        if not dry_run:
            await _until_visible(admin, wanted)
    except KafkaConnectionError as error:
        raise NoAccess(await explained(kafka, error)) from error
    finally:
        await admin.close()
    return [topic.name for topic in missing]


async def _create(admin: AIOKafkaAdminClient, missing: Sequence[TopicSpec], *, dry_run: bool) -> None:
    if not missing:
        return
    brokers = len((await admin.describe_cluster())["brokers"])
    copies = min(COPIES, brokers)
    durability = {"min.insync.replicas": "2"} if copies == COPIES else {}
    new = [
        NewTopic(topic.name, topic.partitions, copies, topic_configs={**topic.config, **durability})
        for topic in missing
    ]
    answer: Any = await admin.create_topics(new, validate_only=dry_run)
    for name, code, *rest in answer.topic_errors:
        error = for_code(code)
        # Somebody was quicker: whether it is the same topic, the partitions tell.
        if code and error is not TopicAlreadyExistsError:
            reason = rest[0] if rest and rest[0] else error.__name__
            raise TopicsDiffer(f"topic {name} could not be created: {reason}")


async def _until_visible(admin: AIOKafkaAdminClient, wanted: Sequence[TopicSpec]) -> None:
    deadline = time.monotonic() + VISIBLE_S
    while True:
        known = await _partitions(admin, wanted)
        absent = [topic.name for topic in wanted if topic.name not in known]
        if not absent:
            return _verify(wanted, known)
        if time.monotonic() > deadline:
            raise TopicsDiffer(f"after {VISIBLE_S:g} s the broker still does not show {', '.join(absent)}")
        await asyncio.sleep(0.05)


async def _partitions(admin: AIOKafkaAdminClient, wanted: Sequence[TopicSpec]) -> dict[str, int]:
    """Count by topic, of those whose partitions all have a leader."""
    if not wanted:
        return {}
    described = await admin.describe_topics([topic.name for topic in wanted])
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in described
        if topic["error_code"] == 0 and all(part["error_code"] == 0 for part in topic["partitions"])
    }


def _verify(wanted: Sequence[TopicSpec], known: Mapping[str, int]) -> None:
    wrong = [
        f"{topic.name} has {known[topic.name]}, declared are {topic.partitions}"
        for topic in wanted
        if known.get(topic.name, topic.partitions) != topic.partitions
    ]
    if wrong:
        raise TopicsDiffer(
            f"wrong number of partitions: {'; '.join(wrong)}. Keys would move: use a new topic"
        )
