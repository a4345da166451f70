"""A dead letter of a record, with all that is needed to decide it again, in parts where it is large."""

import hashlib
import re
import traceback
from datetime import datetime
from typing import Any

import msgspec

from shared.pipeline.channels import is_known
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.partitioner import digest
from shared.pipeline.pipeline_collections import DeadBytes, DeadLetter, DeadLetterChunk
from shared.pipeline.processing.messages import Message
from shared.pipeline.records import Record
from shared.pipeline.waiting import kind_of

CHUNK_BYTES = 8_000_000
# Of dead letters that are their senders' fault, a topic and day: with what a broker takes in an hour an agency could fill
# the database's disk. What is beyond it leaves a dead letter without its bytes.
MAX_DEAD_BYTES = 64_000_000
# Of an unknown type that is kept in a dead letter, beside the record itself.
MAX_TYPE_CHARS = 200


def weighed(known: DeadBytes | None, record: Record, moment: datetime) -> tuple[DeadBytes, bool]:
    """What the topic's dead letters weigh with this one, and whether its bytes are kept: up to the one that reaches the
    bound, whose size is bounded by itself."""
    day = f"{moment:%Y-%m-%d}"
    if known is None or known.day != day:
        known = DeadBytes(id=record.at.topic, day=day, kept_bytes=0)
    if known.kept_bytes >= MAX_DEAD_BYTES:
        return msgspec.structs.replace(known, left_out=known.left_out + 1), False
    return msgspec.structs.replace(known, kept_bytes=known.kept_bytes + record.size_bytes), True


def without_bytes(letter: DeadLetter, record: Record) -> DeadLetter:
    """The same with what identifies the record in the log, instead of the record."""
    reason = (
        f"{letter.reason} (its {record.size_bytes:,} bytes are not kept, as {MAX_DEAD_BYTES // 10**6} MB of "
        "this topic were refused that day: the log has them)"
    )
    return msgspec.structs.replace(
        letter, reason=reason, key=None, value=None, headers=[], chunks=0, head_chunks=0,
        left_out_bytes=record.size_bytes, left_out_digest=digest(record),
    )  # fmt: skip


def dead_letter(
    message: Message[Any], kind: str, reason: str, error: Exception, *, moment: datetime, rules: str
) -> tuple[DeadLetter, list[DeadLetterChunk]]:
    """`rules`: the version of handlers and rules that failed, at that moment."""
    record = message.record
    value = None if record.value is None else bytes(record.value)
    key, headers = record.key, list(record.headers)
    id = f"{record.at}/{record.redelivery}"
    body: list[DeadLetterChunk] = []
    head: list[DeadLetterChunk] = []
    if value is not None and len(value) > CHUNK_BYTES:
        body, value = _chunks(value, id, id), None
    if record.head_bytes > CHUNK_BYTES:
        head, key, headers = _chunks(msgspec.msgpack.encode((key, headers)), f"{id}/head", id), None, []
    letter = DeadLetter(
        id=id,
        kind=kind,
        reason=reason,
        fingerprint=fingerprint(message, error),
        event_type=message.event_type[:MAX_TYPE_CHARS],
        topic=record.at.topic,
        partition=record.at.partition,
        offset=record.at.offset,
        timestamp_ms=record.timestamp_ms,
        key=key,
        value=value,
        headers=headers,
        chunks=len(body),
        head_chunks=len(head),
        first_failed_at=moment if message.letter is None else message.letter.first_failed_at,
        last_failed_at=moment,
        attempts=1 if message.letter is None else message.letter.attempts + 1,
        rules=rules,
        redelivery=record.redelivery,
    )
    return letter, [*body, *head]


def _chunks(content: bytes, name: str, letter: str) -> list[DeadLetterChunk]:
    parts = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    return [DeadLetterChunk(id=f"{name}/{n}", dead_letter=letter, value=part) for n, part in enumerate(parts)]


def where(error: Exception) -> str:
    """Type and place of a bug; its text stays out, since it may repeat personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} in {place}"


def fingerprint(message: Message[Any], error: Exception) -> str:
    """Groups dead letters that fail alike: type of event, kind of error, its text without figures.

    Nothing of it is a sender's to choose without end: of types that don't exist its topic takes the place, and what lacks
    something is told by the kind of that. A sender with 10,000 types of its own made 10,000 groups.
    """
    about = (
        message.event_type
        if not message.event_type or is_known(message.event_type)
        else message.record.at.topic
    )
    if isinstance(error, Waiting):
        text = f"lacks {kind_of(error.lacks)}"
    elif isinstance(error, Rejected):
        text = re.sub(r"\d+", "#", error.alike[:200])
    else:
        text = where(error)
    return hashlib.blake2b(f"{about}|{text}".encode(), digest_size=8).hexdigest()
