"""What operators see of the register: what stands in it, and how each agency's topic is doing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from services.enrollment.agencies.documents import AGENCIES, Agency
from shared.contracts.topics import agency_topic
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import POSITIONS, Position
from shared.service import Components


class Traffic(NamedTuple):
    topic: str
    fault: str
    """Why it can't be read; empty when it can."""
    last_event_at: datetime | None
    undecided: int | None


async def all_agencies(components: Components[Any]) -> list[Agency]:
    """By code."""
    return await components.store.select(AGENCIES, {}, sort=[("_id", 1)])


async def traffic_of(components: Components[Any], codes: Sequence[str]) -> dict[str, Traffic]:
    """By code; two questions for all of them."""
    service = components.service
    topics = {code: agency_topic(code, service.topic_prefix) for code in codes}
    ids = {code: position_id(service.name, (topic, 0)) for code, topic in topics.items()}
    found = await components.store.select(POSITIONS, {"_id": {"$in": list(ids.values())}})
    positions = {position.id: position for position in found}
    ends = await components.log_ends([(topic, 0) for topic in topics.values()])
    return {
        code: _traffic(
            topic, components.sources.fault_of(topic), positions.get(ids[code]), ends.get((topic, 0))
        )
        for code, topic in topics.items()
    }


def _traffic(topic: str, fault: str, position: Position | None, end: int | None) -> Traffic:
    at = None
    if position is not None and position.last_timestamp_ms:
        at = datetime.fromtimestamp(position.last_timestamp_ms / 1000, UTC)
    done = 0 if position is None else position.next
    return Traffic(topic, fault, at, None if end is None else max(0, end - done))
