"""A database that is away while a record is decided is no fault of the record."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from shared.contracts.agency import TrainingCompleted
from shared.pipeline.documents import LOAD, Collection, Doc, Document, Needs, State
from shared.pipeline.errors import Unavailable
from shared.pipeline.handlers import handler
from shared.pipeline.outcome import Outcome, Put, Verdict
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.processing.unit_of_work import Decided, UnitOfWork
from shared.pipeline.records import Received
from shared.pipeline.store import Session, in_transaction
from tests.factories import NIP, as_record, completed
from tests.memory_store import MemorySession, MemoryStore
from tests.property.harness import ENROLLMENT


class Seen(msgspec.Struct, frozen=True):
    id: str


FIRST, SECOND = Collection("first", Seen), Collection("second", Seen)
TP = ("agency.dinas-a.v1", 0)


def needs(event: Received[TrainingCompleted], state: State, terms: Any) -> Needs:
    """The second of a batch needs more than was loaded for all of it, since the first changed what it looked at."""
    yield Doc(FIRST, "x")
    yield LOAD
    if state.get(FIRST, "x") is not None:
        yield Doc(SECOND, "y")


def decide(event: Received[TrainingCompleted], state: State, terms: Any) -> Outcome:
    there = state.get(FIRST, "x") is not None
    return Outcome(Verdict.ACCEPTED, changes=[] if there else [Put(FIRST, Seen("x"))])


async def test_one_that_is_away_when_a_record_is_asked_again_charges_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = replace(ENROLLMENT, handlers={TrainingCompleted: handler(needs, decide)})
    store, decoder, away = MemoryStore(), Decoder(service), [True]
    await store.position(position_id(service.name, TP), 0)
    records = [as_record(completed(NIP), id=str(n), topic=TP[0], offset=n) for n in range(2)]
    messages = [decoder.read(record) for record in records]
    find = MemorySession.find

    async def lost(
        session: MemorySession, collection: Collection[Document], ids: Sequence[str]
    ) -> list[Document]:
        if collection is SECOND and away[0]:
            raise Unavailable("the connection closed")
        return await find(session, collection, ids)

    async def work(session: Session) -> Decided:
        return await UnitOfWork(decoder, store, session).run({TP: messages}, service.name, {TP: 0})

    monkeypatch.setattr(MemorySession, "find", lost)
    with pytest.raises(Unavailable):
        await in_transaction(store, work)
    assert await store.documents(DECISIONS) == []
    assert await store.documents(DEAD_LETTERS) == []
    away[0] = False
    await in_transaction(store, work)
    assert [one.verdict for one in await store.documents(DECISIONS)] == ["accepted", "accepted"]
