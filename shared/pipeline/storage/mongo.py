"""MongoDB by Motor: the only module that imports it (docs/adr/0004-motor.md says what a switch takes)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import bson
import msgspec
from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession, AsyncIOMotorDatabase
from pymongo import DeleteOne, IndexModel, InsertOne, ReadPreference, ReplaceOne, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, CollectionInvalid, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.server_api import ServerApi

from shared.pipeline.documents import Collection, Document
from shared.pipeline.errors import Collided, Moved, Unavailable
from shared.pipeline.pipeline_collections import (
    LOCKS,
    PIPELINE_COLLECTIONS,
    POSITIONS,
    REDELIVERIES_A_REPLAY,
    Position,
    pack,
)
from shared.pipeline.storage.mongo_errors import ENDED, NOT_PRIMARY, is_infrastructure, sentence, sentence_of
from shared.pipeline.store import Advance, Write
from shared.pipeline.work import Claim, Note

D = TypeVar("D", bound=Document)
log = logging.getLogger(__name__)
Raw = dict[str, Any]  # what MongoDB returns, before msgspec has given it a type

AWARE: CodecOptions[Raw] = CodecOptions(tz_aware=True)
NATIVE = (bytes, datetime)
TRANSIENT, UNKNOWN_COMMIT = "TransientTransactionError", "UnknownTransactionCommitResult"
NOT_THERE_YET_S = 5.0
REFUSED = frozenset({13, 18})  # Unauthorized, AuthenticationFailed
NOW = "$$NOW"  # the server's clock
# `null` comes before every date, and a lease that was ended has none.
LEASE_IS_OVER = {"$and": [{"$gt": ["$lease_until", None]}, {"$lte": ["$lease_until", NOW]}]}


class BsonDocument(RawBSONDocument):
    """A document encoded once, by us; the driver copies its bytes."""

    @property
    def size_bytes(self) -> int:
        return len(self.raw)


def encode(document: Document) -> BsonDocument:
    try:
        return BsonDocument(bson.encode(msgspec.to_builtins(document, builtin_types=NATIVE)))
    except (BSONError, OverflowError) as error:
        raise ValueError(f"the database can't hold it: {type(error).__name__}") from error


def connect(url: str, name: str = "kompeten") -> "AsyncIOMotorClient[Raw]":
    """One client per event loop. Majority, journaled: what is acknowledged survives a failover. `name`: as whom
    the server's logs show it."""
    return AsyncIOMotorClient(
        url,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        server_api=ServerApi("1"),
        serverSelectionTimeoutMS=int(NOT_THERE_YET_S * 1000),
        connectTimeoutMS=int(NOT_THERE_YET_S * 1000),
        appname=name,
        uuidRepresentation="standard",
    )


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """The driver's errors become ours here and nowhere else."""
    try:
        yield
    except PyMongoError as error:
        if is_infrastructure(error):
            raise Unavailable(sentence(error)) from error
        raise


class MongoStore:
    """Implements `shared.pipeline.store.Store`; also reads for HTTP routes (majority, no transaction).

    One for each consumer, whose session it keeps: a second one's transactions would end those of the first.
    """

    def __init__(self, client: "AsyncIOMotorClient[Raw]", database: str) -> None:
        self.client = client
        self.database: AsyncIOMotorDatabase[Raw] = client.get_database(database, codec_options=AWARE)
        self._holding: AsyncIOMotorClientSession | None = None

    def encode(self, document: Document) -> BsonDocument:
        return encode(document)

    async def prepare(self, collections: Iterable[Collection[Document]]) -> None:
        """Creates collections and indexes; a transaction must not have to."""
        async with translated():
            there = set(await self.database.list_collection_names())
            for collection in (*PIPELINE_COLLECTIONS, *collections):
                if collection.name not in there:
                    await self._create(collection.name)
                indexes = [
                    IndexModel([(field, 1) for field in fields], unique=fields in collection.unique)
                    for fields in (*collection.indexes, *collection.unique)
                ]
                if indexes:
                    await self.database[collection.name].create_indexes(indexes)
            if LOCKS not in there:
                await self._create(LOCKS)

    async def unprepared(self, collections: Iterable[Collection[Document]]) -> list[str]:
        """What `prepare` would make; nothing is made. Raises ValueError where it would be refused."""
        async with translated():
            try:
                there, lacking = set(await self.database.list_collection_names()), []
            except OperationFailure as error:
                if error.code not in REFUSED:
                    raise
                raise ValueError(
                    f"MongoDB refuses the user of KOMPETEN_MONGO in {self.database.name}: if its password was changed, "
                    "MongoDB takes it over when it starts anew"
                ) from error
            for collection in (*PIPELINE_COLLECTIONS, *collections):
                name = collection.name
                indexes = await self.database[name].index_information() if name in there else {}
                unique = {
                    tuple(field for field, _ in index["key"]): bool(index.get("unique"))
                    for index in indexes.values()
                }
                if name not in there:
                    lacking.append(f"collection {name}")
                for fields in (*collection.indexes, *collection.unique):
                    if fields not in unique:
                        lacking.append(f"index of {name} by {', '.join(fields)}")
                    elif unique[fields] != (fields in collection.unique):
                        raise ValueError(
                            f"the index of {self.database.name}.{name} by {', '.join(fields)} is not as declared: "
                            "drop it, it is made anew"
                        )
            return lacking

    async def _create(self, name: str) -> None:
        try:
            await self.database.create_collection(name)
        except CollectionInvalid:  # another replica was faster: the driver looks before it asks
            pass
        except OperationFailure as error:
            if error.code != 48:  # NamespaceExists: it was faster still
                raise

    async def ping(self) -> None:
        async with translated():
            await self.database.command("ping")

    def why_away(self) -> str:
        """What the driver knows of the servers by now; it looks for one longer than whoever asks may wait."""
        return sentence_of(self.client.topology_description)  # type: ignore[arg-type]  # delegated, as above

    async def disk_used(self) -> float:
        """How much of the disk that the database is on, 0 to 1; 0 where the server does not say."""
        try:
            said = await self.database.command("dbStats")
        except PyMongoError:
            return 0.0
        return float(said.get("fsUsedSize", 0)) / (said.get("fsTotalSize") or 1)

    @asynccontextmanager
    async def _session(self, as_holder: bool) -> AsyncIterator[AsyncIOMotorClientSession]:
        if not as_holder:
            async with await self.client.start_session() as session:
                yield session
            return
        # One for all units of work: a new transaction of a session ends the one before, should its end be lost.
        if self._holding is None:
            self._holding = await self.client.start_session()
        yield self._holding

    @asynccontextmanager
    async def transaction(self, *, as_holder: bool = False) -> AsyncIterator["MongoSession"]:
        async with translated(), self._session(as_holder) as session:
            try:
                session.start_transaction(
                    ReadConcern("snapshot"), WriteConcern("majority", j=True), ReadPreference.PRIMARY
                )
                yield MongoSession(self.database, session)
                await _commit(session)
            except BaseException as error:
                # Not cancelled in between: a Motor call that is given up goes on in its thread.
                if session.in_transaction:  # type: ignore[truthy-function]  # delegated: a property at run time
                    await asyncio.shield(_abort(session))
                if isinstance(error, PyMongoError) and is_transient(error):
                    raise Collided from error
                raise

    async def position(self, id: str, beginning: int) -> Position:
        async with translated():
            await self.database[POSITIONS.name].update_one(
                {"_id": id},
                {"$setOnInsert": to_raw(Position(id=id, next=beginning), without="_id")},
                upsert=True,
            )
            position = await self.read(POSITIONS, id)
            assert position is not None
            return position

    async def take_over(self, id: str, beginning: int) -> Position:
        position = await self.read(POSITIONS, id) or await self.position(id, beginning)
        async with translated():
            async with self._session(as_holder=True) as session:
                own = bytes(session.session_id["id"])  # type: ignore[index]  # delegated: a property at run time
            if position.holder == own:
                return position
            if position.holder:
                await self._end(position.holder)
            await self.database[POSITIONS.name].update_one({"_id": id}, {"$set": {"holder": own}})
            return await self.position(id, beginning)

    async def _end(self, holder: bytes) -> None:
        """Killed, it would keep its locks until MongoDB's own limit for a transaction, 60 s. One that lives tries
        again, and finds that the position is no longer its own."""
        try:
            await self.client.admin.command("killSessions", [{"id": Binary(holder, UUID_SUBTYPE)}])
        except OperationFailure as error:
            if error.code in NOT_PRIMARY | ENDED:
                raise
            log.warning("what the member before left open stays until it times out: %s", error.code)

    async def set_back(self, id: str, next: int, note: str = "") -> None:
        async with translated():
            # Without the digest: of the record before `next` none was kept.
            again = {"next": next, "last_timestamp_ms": 0, "last_digest": b"", **_going(note)}
            await self.database[POSITIONS.name].update_one(
                {"_id": id}, {"$set": again, "$inc": {"turn": REDELIVERIES_A_REPLAY}}
            )

    async def stop(self, id: str, reason: str, failing_rules: str = "") -> None:
        async with translated():
            why = {"stopped": reason, "failing_rules": failing_rules}
            await self.database[POSITIONS.name].update_one({"_id": id}, {"$set": why})

    async def start(self, id: str, note: str, accepted_rules: str = "") -> bool:
        async with translated():
            going = _going(note) | {"accepted_rules": accepted_rules}
            result = await self.database[POSITIONS.name].update_one({"_id": id}, {"$set": going})
            return bool(result.matched_count)

    # Reads outside the pipeline, for routes and workers.

    async def read(self, collection: Collection[D], id: str) -> D | None:
        async with translated():
            raw = await self.database[collection.name].find_one({"_id": id})
            return None if raw is None else msgspec.convert(raw, collection.document)

    async def select(
        self,
        collection: Collection[D],
        filter: Mapping[str, object],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[D]:
        async with translated():
            cursor = self.database[collection.name].find(dict(filter)).limit(limit)
            if sort:
                cursor = cursor.sort(list(sort))
            return [msgspec.convert(raw, collection.document) async for raw in cursor]

    async def keep(self, documents: Sequence[D], collection: Collection[D]) -> dict[str, D]:
        """Stores what is not there yet; by id what stands now: the first that was stored, never a later one."""
        if not documents:
            return {}
        async with translated():
            operations = [
                UpdateOne(
                    {"_id": document.id}, {"$setOnInsert": to_raw(document, without="_id")}, upsert=True
                )
                for document in documents
            ]
            await self.database[collection.name].bulk_write(operations, ordered=False)
            cursor = self.database[collection.name].find(
                {"_id": {"$in": [document.id for document in documents]}}
            )
            return {document.id: document for document in _typed(collection, await cursor.to_list(None))}

    async def count(self, collection: Collection[Document], filter: Mapping[str, object]) -> int:
        async with translated():
            return int(await self.database[collection.name].count_documents(dict(filter)))

    async def aggregate(self, collection: Collection[Document], stages: Sequence[Raw]) -> list[Raw]:
        async with translated():
            return [raw async for raw in self.database[collection.name].aggregate(list(stages))]

    async def distinct(self, collection: Collection[Document], field: str) -> list[Any]:
        """Its values, lowest first; cheap where an index begins with the field."""
        async with translated():
            return sorted(await self.database[collection.name].distinct(collection.stored(field)))

    async def size(self, collection: Collection[Document]) -> int:
        """How many documents, from the collection's metadata: fast, and after a crash not exact."""
        async with translated():
            return int(await self.database[collection.name].estimated_document_count())

    # Work outside the pipeline (shared.pipeline.work.WorkStore).

    async def lease_items(self, collection: Collection[D], claim: Claim) -> list[D]:
        items = self.database[collection.name]
        # Each branch is a range of the index (state, due), `$$NOW` included; MongoDB merges them sorted.
        free: list[dict[str, Any]] = [
            {"state": {"$in": list(claim.ready)}, "$expr": {"$lte": ["$due", NOW]}},
            {"state": {"$in": list(claim.abandoned)}, "$expr": LEASE_IS_OVER},
        ]
        if claim.among:
            free = [{**choice, "_id": {"$in": list(claim.among)}} for choice in free]
        async with translated():
            cursor = items.find({"$or": free}, {"_id": 1}).sort("due", 1).limit(claim.limit)
            ids = [raw["_id"] async for raw in cursor]
            if not ids:
                return []
            # The condition again: two workers may have found the same ones, one of them leases each.
            lease = {"state": claim.becomes, "lease": claim.token, "lease_until": later(claim.lease_s)}
            await items.update_many({"_id": {"$in": ids}, "$or": free}, [{"$set": lease}])
            found = items.find({"_id": {"$in": ids}, "lease": claim.token}).sort("due", 1)
            return _typed(collection, await found.to_list(None))

    async def hold_items(
        self, collection: Collection[D], ids: Sequence[str], token: str, state: str, lease_s: float
    ) -> list[str]:
        items, held = self.database[collection.name], {"_id": {"$in": list(ids)}, "lease": token}
        async with translated():
            result = await items.update_many(
                held, [{"$set": {"state": state, "lease_until": later(lease_s)}}]
            )
            if result.matched_count == len(ids):
                return list(ids)
            return [raw["_id"] async for raw in items.find(held, {"_id": 1})]

    async def reserve(self, collection: Collection[D], asked: Mapping[str, timedelta], taker: str) -> list[D]:
        """Moves `used_until` of each document on by what is asked, from now at the earliest, and notes in `takes` how far
        this taker came; the documents as they are then. `takes` has those of the last minute, for others may take
        meanwhile."""
        recent = {"$gt": ["$$take.at", {"$subtract": [NOW, 60_000]}]}
        before = {"$filter": {"input": {"$ifNull": ["$takes", []]}, "as": "take", "cond": recent}}
        moves = []
        for id, more in asked.items():
            until = {"$add": [{"$max": [NOW, "$used_until"]}, round(more.total_seconds() * 1000)]}
            taken = {"taker": taker, "until": until, "at": NOW}
            takes = {"$concatArrays": [before, [taken]]}
            moves.append(
                UpdateOne({"_id": id}, [{"$set": {"used_until": until, "takes": takes}}], upsert=True)
            )
        async with translated():
            await self.database[collection.name].bulk_write(moves, ordered=False)
            found = self.database[collection.name].find({"_id": {"$in": list(asked)}})
            return _typed(collection, await found.to_list(None))

    async def change(
        self,
        collection: Collection[Document],
        id: str,
        held: Mapping[str, object],
        fields: Mapping[str, object],
    ) -> bool:
        """Sets fields of a document while it has what is `held`; whether it had."""
        async with translated():
            found = self.database[collection.name]
            result = await found.update_one({"_id": id, **held}, {"$set": dict(fields)})
            return bool(result.matched_count)

    async def note_items(self, collection: Collection[Document], notes: Sequence[Note]) -> int:
        updates = [
            UpdateOne({"_id": note.id, "lease": note.lease}, [{"$set": _noted(note)}]) for note in notes
        ]
        async with translated():
            result = await self.database[collection.name].bulk_write(updates, ordered=False)
            return int(result.matched_count)


class MongoSession:
    def __init__(self, database: "AsyncIOMotorDatabase[Raw]", session: AsyncIOMotorClientSession) -> None:
        self.database, self.session = database, session

    async def lock(self, names: Iterable[str]) -> None:
        wanted = sorted(names)
        locks = self.database[LOCKS]
        # Most are there already: one command for all of them, instead of an upsert each.
        there = await locks.update_many({"_id": {"$in": wanted}}, {"$inc": {"n": 1}}, session=self.session)
        if there.matched_count < len(wanted):
            # Upserts, so that "unknown yet" is locked too: update_many alone left those waiting for ever.
            upserts = [UpdateOne({"_id": name}, {"$inc": {"n": 1}}, upsert=True) for name in wanted]
            await locks.bulk_write(upserts, ordered=False, session=self.session)

    async def find(self, collection: Collection[D], ids: Sequence[str]) -> list[D]:
        return await self._found(collection, {"_id": {"$in": list(ids)}})

    async def _found(self, collection: Collection[D], query: Raw, limit: int = 0) -> list[D]:
        """One after the other: as dictionaries, those of a batch together took 20 MB."""
        cursor = self.database[collection.name].find_raw_batches(query, session=self.session, limit=limit)
        return [
            msgspec.convert(raw, collection.document)
            async for batch in cursor
            for raw in bson.decode_iter(batch, AWARE)
        ]

    async def find_by(
        self, collection: Collection[D], field: str, values: Sequence[str], limit: int
    ) -> list[D]:
        stored = collection.stored(field)
        if not limit:
            return await self._found(collection, {stored: {"$in": list(values)}})
        found: list[D] = []
        for value in values:
            cursor = self.database[collection.name].find({stored: value}, session=self.session)
            found += _typed(collection, await cursor.sort("_id", 1).limit(limit).to_list(None))
        return found

    async def find_few_by(
        self, collection: Collection[D], field: str, values: Sequence[str], most: int
    ) -> list[D] | None:
        found = await self._found(collection, {collection.stored(field): {"$in": list(values)}}, most + 1)
        return found if len(found) <= most else None

    async def present(self, collection: Collection[Document], field: str, values: Sequence[str]) -> list[str]:
        stored = collection.stored(field)
        found: list[str] = await self.database[collection.name].distinct(
            stored, {stored: {"$in": list(values)}}, session=self.session
        )
        return found

    async def write(self, writes: Sequence[Write]) -> None:
        by_collection: dict[str, list[InsertOne[Any] | ReplaceOne[Any] | DeleteOne]] = {}
        for write in writes:
            operations = by_collection.setdefault(write.collection.name, [])
            if write.document is None:
                operations.append(DeleteOne({"_id": write.id}))
            elif write.new:
                operations.append(InsertOne(write.document))
            else:
                operations.append(ReplaceOne({"_id": write.id}, write.document, upsert=True))
        for name, operations in by_collection.items():
            await self.database[name].bulk_write(operations, ordered=False, session=self.session)

    async def advance(self, steps: Sequence[Advance]) -> None:
        result = await self.database[POSITIONS.name].bulk_write(
            [
                UpdateOne(
                    {"_id": step.position, "next": step.expected, "stopped": ""},
                    {
                        "$set": {
                            "next": step.next,
                            "packed": pack(step.pending),
                            "last_timestamp_ms": step.last_timestamp_ms,
                            "last_digest": step.last_digest,
                        }
                    },
                )
                for step in steps
            ],
            session=self.session,
        )
        if result.matched_count < len(steps):
            raise Moved


def to_raw(document: Document, without: str = "") -> Raw:
    raw: Raw = msgspec.to_builtins(document, builtin_types=NATIVE)
    raw.pop(without, None)
    return raw


def _going(note: str) -> Raw:
    return {"stopped": "", "failing_rules": "", "started": note}


def later(seconds: float) -> Raw:
    return {"$add": [NOW, round(seconds * 1000)]}


def _noted(note: Note) -> Raw:
    # Literal: a reason that starts with "$" would be read as a field's name.
    return {
        "state": note.state,
        "lease": "",
        "lease_until": None,
        **{field: {"$literal": value} for field, value in note.set.items()},
        **{field: {"$add": [{"$ifNull": [f"${field}", 0]}, count]} for field, count in note.add.items()},
        **dict.fromkeys(note.stamp, NOW),
        **({} if note.delay_s is None else {"due": later(note.delay_s)}),
    }


def _typed(collection: Collection[D], found: list[Raw]) -> list[D]:
    return msgspec.convert(found, list[collection.document])  # type: ignore[name-defined]


def is_transient(error: PyMongoError) -> bool:
    """Conflicts of transactions, and those that were ended. A bulk write reports conflicts without the label on some
    servers."""
    if error.has_error_label(TRANSIENT):
        return True
    if isinstance(error, OperationFailure) and error.code in ENDED:
        return True
    return isinstance(error, BulkWriteError) and any(
        fault.get("code") in {112, *ENDED} for fault in (error.details or {}).get("writeErrors", [])
    )


async def _commit(session: AsyncIOMotorClientSession) -> None:
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label(UNKNOWN_COMMIT):
                raise
            await asyncio.sleep(0.05)  # the same commit again: it answers whether the first one stood
        else:
            return


async def _abort(session: AsyncIOMotorClientSession) -> None:
    try:
        await session.abort_transaction()
    except PyMongoError as error:
        log.info("abort was not acknowledged: %s", type(error).__name__)
