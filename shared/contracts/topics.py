"""The topics, declared: broker auto-creation is off, and readiness fails on a mismatch."""

from collections.abc import Iterable
from dataclasses import dataclass

AGENCY = "agency.{opd}.v1"
COMMANDS = "{service}.commands.v1"
ENROLLMENT_EVENTS = "enrollment.events.v1"
ENROLLMENT_COMMANDS = "enrollment.commands.v1"
INCENTIVE_EVENTS = "incentive.events.v1"
INCENTIVE_COMMANDS = "incentive.commands.v1"
NOTIFICATION_COMMANDS = "notification.commands.v1"

# Fixed for good: keys map to partitions by this number.
PARTITIONS = 6

DAY_MS = 24 * 3600 * 1000
# Twice the age of the oldest backup that one would restore (35 days).
RETENTION_MS = 70 * DAY_MS
# The broker holds compressed records to it; we hold what they unpack to.
MAX_RECORD_BYTES = 2 * 1024 * 1024
# LogAppendTime: `now` of a decision is the record's time, so no sender's clock may set it.
CONFIG = {
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": str(RETENTION_MS),
    "cleanup.policy": "delete",
    "max.message.bytes": str(MAX_RECORD_BYTES),
}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str
    partitions: int
    config: dict[str, str]


def agency_topic(opd: str, prefix: str = "") -> str:
    return prefix + AGENCY.format(opd=opd)


def topic_specs(agencies: Iterable[str], prefix: str = "") -> list[TopicSpec]:
    """All topics of an installation; an agency's topic has one partition, which keeps its order."""
    own = (
        ENROLLMENT_EVENTS,
        ENROLLMENT_COMMANDS,
        INCENTIVE_EVENTS,
        INCENTIVE_COMMANDS,
        NOTIFICATION_COMMANDS,
    )
    return [
        *(TopicSpec(agency_topic(opd, prefix), 1, CONFIG) for opd in agencies),
        *(TopicSpec(prefix + name, PARTITIONS, CONFIG) for name in own),
    ]
