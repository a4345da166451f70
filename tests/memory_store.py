"""A store in memory, for tests that try thousands of orders; `tests/contract/test_store.py` holds it to MongoDB's.

Snapshots, first writer wins, everything as BSON: what MongoDB can't hold or would not commit, this refuses too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar, cast

import bson
import msgspec

from shared.pipeline.documents import Collection, Document
from shared.pipeline.errors import Collided, Moved
from shared.pipeline.pipeline_collections import LOCKS, POSITIONS, REDELIVERIES_A_REPLAY, Position, pack
from shared.pipeline.storage.mongo import AWARE, BsonDocument, encode
from shared.pipeline.store import Advance, Session, Write, in_transaction

D = TypeVar("D", bound=Document)
MAX_BYTES = 16 * 1024 * 1024
Key = tuple[str, str]


class DuplicateKey(Exception):
    """A document that was to be new is there already."""


class Stored(NamedTuple):
    raw: bytes
    document: Any
    """As a reader gets it: once through BSON and back."""


class MemoryStore:
    """Implements `shared.pipeline.store.Store`. `interrupt` says before each commit whether it fails."""

    def __init__(self, interrupt: Callable[[], bool] = lambda: False) -> None:
        self.interrupt = interrupt
        self.calls = 0
        """What would be a round trip each."""
        # A commit replaces a collection's dict, so that the ones that sessions began with stay as they were.
        self.collections: dict[str, dict[str, Stored]] = {}
        self.written_at: dict[Key, int] = {}
        self.holders: dict[Key, MemorySession] = {}
        self.commits = 0

    def encode(self, document: Document) -> BsonDocument:
        return encode(document)

    @asynccontextmanager
    async def transaction(self, *, as_holder: bool = False) -> AsyncIterator["MemorySession"]:
        session = MemorySession(self)
        try:
            yield session
            session.commit()
        finally:
            session.end()

    async def take_over(self, id: str, beginning: int) -> Position:
        return await self.position(id, beginning)

    async def position(self, id: str, beginning: int) -> Position:
        async def work(session: Session) -> Position:
            found = await session.find(POSITIONS, [id])
            if found:
                return cast(Position, found[0])
            position = Position(id=id, next=beginning)
            await session.write([Write(POSITIONS, id, encode(position), new=True)])
            return position

        return await in_transaction(self, work)

    async def set_back(self, id: str, next: int, note: str = "") -> None:
        turn = (await self.position(id, next)).redelivery + REDELIVERIES_A_REPLAY
        going = {"stopped": "", "failing_rules": "", "started": note}
        await self._change(id, next=next, redelivery=turn, last_timestamp_ms=0, last_digest=b"", **going)

    async def stop(self, id: str, reason: str, failing_rules: str = "") -> None:
        await self._change(id, stopped=reason, failing_rules=failing_rules)

    async def start(self, id: str, note: str, accepted_rules: str = "") -> bool:
        going = {"stopped": "", "failing_rules": "", "started": note}
        return await self._change(id, accepted_rules=accepted_rules, **going)

    async def _change(self, id: str, **fields: object) -> bool:
        async def work(session: Session) -> bool:
            found = await session.find(POSITIONS, [id])
            for one in found:
                changed = msgspec.structs.replace(cast(Position, one), **fields)
                await session.write([Write(POSITIONS, id, encode(changed), new=False)])
            return bool(found)

        return await in_transaction(self, work)

    async def read(self, collection: Collection[D], id: str) -> D | None:
        found = self.collections.get(collection.name, {}).get(id)
        return None if found is None else found.document

    async def documents(self, collection: Collection[D]) -> list[D]:
        """All of them, lowest ids first."""
        stored = self.collections.get(collection.name, {})
        return [stored[id].document for id in sorted(stored)]


class MemorySession:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.began = store.commits
        self.snapshot = dict(store.collections)
        self.own: dict[Key, Stored | None] = {}

    async def lock(self, names: Iterable[str]) -> None:
        self.store.calls += 1
        await asyncio.sleep(0)
        for name in sorted(names):
            self._claim((LOCKS, name))
            self.own[LOCKS, name] = Stored(b"", None)

    async def find(self, collection: Collection[Document], ids: Sequence[str]) -> list[Document]:
        self.store.calls += 1
        await asyncio.sleep(0)
        found = (self._read((collection.name, id)) for id in ids)
        return [_typed(collection, one) for one in found if one is not None]

    async def find_by(
        self, collection: Collection[Document], field: str, values: Sequence[str], limit: int
    ) -> list[Document]:
        self.store.calls += 1
        await asyncio.sleep(0)
        ids = set(self.snapshot.get(collection.name, {}))
        ids |= {id for name, id in self.own if name == collection.name}
        by_value: dict[str, list[Document]] = {value: [] for value in values}
        for id in sorted(ids):
            one = self._read((collection.name, id))
            if one is None:
                continue
            document = _typed(collection, one)
            if (value := getattr(document, field)) in by_value:
                by_value[value].append(document)
        return [one for found in by_value.values() for one in (found[:limit] if limit else found)]

    async def find_few_by(
        self, collection: Collection[Document], field: str, values: Sequence[str], most: int
    ) -> list[Document] | None:
        found = await self.find_by(collection, field, values, 0)
        return found if len(found) <= most else None

    async def present(self, collection: Collection[Document], field: str, values: Sequence[str]) -> list[str]:
        found = await self.find_by(collection, field, values, 1)
        return sorted({str(getattr(one, field)) for one in found})

    async def write(self, writes: Sequence[Write]) -> None:
        self.store.calls += 1
        await asyncio.sleep(0)
        for write in writes:
            key = (write.collection.name, write.id)
            self._claim(key)
            if write.document is None:
                self.own[key] = None
                continue
            if write.new and self._read(key) is not None:
                raise DuplicateKey(f"{write.collection.name}/{write.id}")
            raw = cast(BsonDocument, write.document).raw
            if len(raw) > MAX_BYTES:
                raise ValueError(f"a document of {len(raw)} bytes, {MAX_BYTES} are allowed")
            document = msgspec.convert(bson.decode(raw, AWARE), write.collection.document)
            self.own[key] = Stored(raw, document)

    async def advance(self, steps: Sequence[Advance]) -> None:
        for step in steps:
            found = self._read((POSITIONS.name, step.position))
            if found is None or (found.document.next, found.document.stopped) != (step.expected, ""):
                raise Moved
            moved = msgspec.structs.replace(
                cast(Position, found.document), next=step.next, packed=pack(step.pending),
                last_timestamp_ms=step.last_timestamp_ms, last_digest=step.last_digest,
            )  # fmt: skip
            await self.write([Write(POSITIONS, step.position, encode(moved), new=False)])

    def _read(self, key: Key) -> Stored | None:
        if key in self.own:
            return self.own[key]
        return self.snapshot.get(key[0], {}).get(key[1])

    def _claim(self, key: Key) -> None:
        """First writer wins, as in WiredTiger: nobody waits for a lock, the later one starts again."""
        if (
            self.store.holders.setdefault(key, self) is not self
            or self.store.written_at.get(key, 0) > self.began
        ):
            raise Collided

    def commit(self) -> None:
        if self.store.interrupt():
            raise Collided
        self.store.commits += 1
        changed: dict[str, dict[str, Stored]] = {}
        for (name, id), stored in self.own.items():
            self.store.written_at[name, id] = self.store.commits
            into = changed.get(name)
            if into is None:
                into = changed[name] = dict(self.store.collections.get(name, {}))
            if stored is None:
                into.pop(id, None)
            else:
                into[id] = stored
        self.store.collections.update(changed)

    def end(self) -> None:
        for key in [key for key, holder in self.store.holders.items() if holder is self]:
            del self.store.holders[key]


def _typed(collection: Collection[Document], stored: Stored) -> Document:
    """As the collection declares it, which another collection of the same name may do otherwise."""
    if isinstance(stored.document, collection.document):
        return stored.document
    document: Document = msgspec.convert(bson.decode(stored.raw, AWARE), collection.document)
    return document
