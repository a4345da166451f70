"""What an event's `needs` say when others may wait for what it brings, or it for them."""

from shared.pipeline.documents import Docs, Lock, Needs
from shared.pipeline.pipeline_collections import WAITING
from shared.pipeline.records import RecordMetadata

WAITING_PAGE = 500


def waits_for(lacks: str) -> Lock:
    """The lock between those who wait for something and the one that brings it."""
    return Lock("lacks/" + lacks)


def waiting_for(lacks: str) -> Needs:
    """For the `needs` of an event that brings what others lack (see `Outcome.unblocks`)."""
    yield waits_for(lacks)
    yield Docs(WAITING, "lacks", lacks, WAITING_PAGE)


def kind_of(lacks: str) -> str:
    """What kind of thing is lacked: employee, contact, body."""
    return lacks.partition("/")[0]


def waiting_id(at: RecordMetadata) -> str:
    """Sorts as the log does, since what waited is decided in order of id. Without the zeros offset 100 came
    before 98: a correction before its original, and a certificate issued twice for nothing."""
    return f"{at.topic}/{at.partition}/{at.offset:019d}"
