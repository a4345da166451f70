"""A dry run: the handler decides a record on what stands today, and nothing is written."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, NoReturn, TypeVar

import msgspec

from shared.contracts.cloudevents import STRUCTURED, encode
from shared.contracts.payload import MAX_SAFE_INTEGER, Payload, milliseconds
from shared.pipeline.documents import Collection, Document
from shared.pipeline.handlers import Service
from shared.pipeline.outcome import Outcome
from shared.pipeline.partitioner import partition_of
from shared.pipeline.pipeline_collections import Outgoing, WaitingRecord
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.processing.unit_of_work import UnitOfWork
from shared.pipeline.records import Record, RecordMetadata
from shared.pipeline.store import Advance, Session, Store, Write, in_transaction

T = TypeVar("T")


class DryRun(NamedTuple):
    """What would be decided, about the records and about what waits for them; and what would follow."""

    outcomes: list[tuple[Record, Outcome]]
    changes: list[tuple[Collection[Document], str, Document | None, bool]]
    """Collection, id, the document as it would stand (None: it would go), whether it stands already."""
    events: list[Outgoing]


class _Over(Exception):
    """Ends the transaction, so that nothing of it stays."""

    def __init__(self, run: DryRun) -> None:
        self.run = run


class _Reading:
    """A session that only reads: its locks would have the consumer's units of work begin again."""

    def __init__(self, session: Session) -> None:
        self.find, self.find_by, self.present = session.find, session.find_by, session.present
        self.find_few_by = session.find_few_by

    async def lock(self, names: Iterable[str]) -> None:
        pass

    async def write(self, writes: Iterable[Write]) -> NoReturn:
        raise AssertionError("a dry run writes nothing")

    async def advance(self, steps: Iterable[Advance]) -> NoReturn:
        raise AssertionError("a dry run moves no position")


async def run_dry(
    decoder: Decoder[T],
    store: Store,
    records: Sequence[tuple[Record, WaitingRecord | None]],
    now_ms: int,
) -> DryRun:
    """Decides records, some of which waited, one after the other. `now_ms`: what a decision takes for the present.

    Raises Unavailable when the database is away.
    """

    async def work(session: Session) -> NoReturn:
        unit: UnitOfWork[T] = UnitOfWork(decoder, store, _Reading(session), one_by_one=True)
        messages = [decoder.read(record, waited) for record, waited in records]
        await unit.loader.load_needs(messages)
        for message in messages:
            await unit.decide_record(message, msgspec.structs.replace(message.record, timestamp_ms=now_ms))
        state = unit.state
        changes = [
            (collection, id, document, state.stored(collection, id))
            for (collection, id), document in state.changed.items()
        ]
        outcomes = [(one.record, outcome) for one, outcome in unit.outcomes]
        raise _Over(DryRun(outcomes, changes, unit.outbox.outgoing))

    try:
        await in_transaction(store, work)
    except _Over as over:
        return over.run
    raise AssertionError("unreachable")


async def run_command_dry(
    service: Service[T], store: Store, command: Payload, key: str, now: datetime
) -> DryRun:
    """The same of a command that nobody has given yet, as if it came after all that is in the log.

    Raises Unavailable when the database is away.
    """
    value = encode(
        command,
        id=str(uuid.uuid4()),
        source=f"urn:kompeten:{service.name}",
        time=now,
        subject=key,
        partitionkey=key,
        traceparent=None,
    )
    record = Record(
        at=RecordMetadata(service.commands_topic, partition_of(key), MAX_SAFE_INTEGER),
        timestamp_ms=milliseconds(now),
        key=key.encode(),
        value=value,
        headers=(("content-type", STRUCTURED.encode()),),
    )
    return await run_dry(Decoder(service), store, [(record, None)], record.timestamp_ms)
