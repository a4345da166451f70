"""Who writes and who reads each event. Writers follow from the topic, readers from the services' tables."""

from collections.abc import Iterable, Mapping
from typing import Final

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.payload import Payload
from shared.contracts.topics import AGENCY, COMMANDS

Readers = Mapping[str, Iterable[type[Payload]]]
"""Service -> the classes in its table of handlers."""

AGENCIES: Final = "agency systems"


def topics_of(payload: type[Payload], readers: Readers) -> list[str]:
    """One topic; a command that every service gives itself has one for each."""
    topic = EVENT_TYPES[payload]
    if topic != COMMANDS:
        return [topic]
    return [COMMANDS.format(service=service) for service in readers_of(payload, readers)]


def writer_of(topic: str) -> str:
    """`agency.{opd}.v1` -> the agencies; a service's topic -> the service."""
    return AGENCIES if topic == AGENCY else topic.split(".")[0]


def readers_of(payload: type[Payload], readers: Readers) -> list[str]:
    return [service for service, payloads in readers.items() if payload in payloads]


def payloads_by_topic(readers: Readers) -> dict[str, list[type[Payload]]]:
    """In the order of the catalogue."""
    found: dict[str, list[type[Payload]]] = {}
    for payload in EVENT_TYPES:
        for topic in topics_of(payload, readers):
            found.setdefault(topic, []).append(payload)
    return found
