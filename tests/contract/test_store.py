"""What the pipeline relies on in a store; one suite, over memory and over MongoDB."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest
from pymongo.errors import PyMongoError

from devstack import Stack
from shared.pipeline.documents import Collection
from shared.pipeline.errors import Moved
from shared.pipeline.pipeline_collections import Outgoing
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.pipeline.store import Advance, Session, Store, Write, in_transaction
from tests.memory_store import DuplicateKey, MemoryStore


class Seat(msgspec.Struct, frozen=True):
    """One document with every kind of field that services keep."""

    id: str = msgspec.field(name="_id")
    room: str = "A"
    taken: int = 0
    answers: dict[str, object] = {}
    scan: bytes = b""
    at: datetime | None = None


class Row(msgspec.Struct, frozen=True):
    letter: str = msgspec.field(name="l")


class Renamed(msgspec.Struct, frozen=True):
    """Its attributes are called otherwise than what the database has."""

    id: str = msgspec.field(name="_id")
    hall: str = msgspec.field(name="room", default="A")
    row: Row | None = None


RENAMED = Collection("seats", Renamed, indexes=(("hall", "id"), ("row.letter",)))
SEATS = Collection("seats", Seat, indexes=(("room", "id"),))
# MongoDB's refusals come as its driver says them: only a test may meet them.
REFUSED = (ValueError, DuplicateKey, PyMongoError)
PARTITION = "enrollment/agency.dinas-contoh.v1/0"


def put(store: Store, seat: Seat, *, new: bool) -> Write:
    return Write(SEATS, seat.id, store.encode(seat), new=new)


async def keep(store: Store, *seats: Seat) -> None:
    async def work(session: Session) -> None:
        await session.write([put(store, seat, new=True) for seat in seats])

    await in_transaction(store, work)


async def seat(store: Store, id: str) -> Seat | None:
    async def work(session: Session) -> Seat | None:
        found = await session.find(SEATS, [id])
        return found[0] if found else None  # type: ignore[return-value]

    return await in_transaction(store, work)


def step(expected: int, next: int, position: str = PARTITION, *pending: Outgoing) -> Advance:
    return Advance(position, expected, next, pending, 1_767_000_000_000 + next, b"digest%02d" % next)


class StoreContract:
    # Encoding: faults belong to the event, so they show before anything is written.

    @pytest.mark.parametrize(
        "answers",
        [
            {"score": 2**63},
            {"score": -(2**63) - 1},
            {"half\x00key": 1},
            {"deeper": {"half\x00key": 1}},
            {"half a character": "\ud83d"},
        ],
        ids=["2**63", "-2**63-1", "NUL in a key", "NUL in a key, deeper", "lone surrogate"],
    )
    async def test_what_cannot_be_held_shows_when_it_is_encoded(
        self, store: Store, answers: dict[str, object]
    ) -> None:
        with pytest.raises((ValueError, TypeError, OverflowError)):
            store.encode(Seat(id="1", answers=answers))

    @pytest.mark.parametrize(
        "answers", [{"most": 2**63 - 1, "least": -(2**63)}, {"": 1}, {"a.b": 1, "$c": 2}]
    )
    async def test_what_can_be_held_comes_back_the_same(
        self, store: Store, answers: dict[str, object]
    ) -> None:
        held = Seat(
            id="Ma'ruf \U0001f600 \x00",
            answers=answers,
            scan=b"\x00\xff",
            at=datetime(2026, 3, 5, 2, 30, tzinfo=UTC),
        )
        await keep(store, held)
        assert await seat(store, held.id) == held

    async def test_the_size_of_an_encoded_document_is_known(self, store: Store) -> None:
        assert 1_000_000 < store.encode(Seat(id="1", scan=bytes(1_000_000))).size_bytes < 1_001_000

    async def test_a_document_above_sixteen_megabytes_is_not_written(self, store: Store) -> None:
        with pytest.raises(REFUSED):
            await keep(store, Seat(id="1", scan=bytes(17_000_000)))
        assert await seat(store, "1") is None

    # Sets.

    async def test_a_renamed_attribute_finds_what_is_kept_under_the_old_name(self, store: Store) -> None:
        await keep(store, Seat(id="1"), Seat(id="2", room="B"))

        async def by_hall(session: Session) -> object:
            found = await session.find_by(RENAMED, "hall", ["B"], 0)
            few = await session.find_few_by(RENAMED, "hall", ["B"], 5)
            first = await session.find_by(RENAMED, "hall", ["B"], 1)
            return found, few, first, await session.present(RENAMED, "hall", ["A", "B", "C"])

        expected = [Renamed(id="2", hall="B")]
        assert await in_transaction(store, by_hall) == (expected, expected, expected, ["A", "B"])

    # Writing.

    async def test_new_documents_are_replaced_and_removed(self, store: Store) -> None:
        await keep(store, Seat(id="1"), Seat(id="2"), Seat(id="3"))

        async def work(session: Session) -> None:
            await session.write(
                [
                    put(store, Seat(id="1", taken=1), new=False),
                    Write(SEATS, "2", None, new=False),
                    put(store, Seat(id="4"), new=True),
                ]
            )

        await in_transaction(store, work)
        there = [one for id in "1234" if (one := await seat(store, id)) is not None]
        assert there == [Seat(id="1", taken=1), Seat(id="3"), Seat(id="4")]

    async def test_a_document_that_was_to_be_new_but_is_there_fails_the_whole_attempt(
        self, store: Store
    ) -> None:
        await keep(store, Seat(id="1", taken=7))
        with pytest.raises(REFUSED):
            await keep(store, Seat(id="0"), Seat(id="1"), Seat(id="2"))
        assert [await seat(store, id) for id in "012"] == [None, Seat(id="1", taken=7), None]

    async def test_replacing_what_is_not_there_makes_it(self, store: Store) -> None:
        async def work(session: Session) -> None:
            await session.write([put(store, Seat(id="1"), new=False), Write(SEATS, "2", None, new=False)])

        await in_transaction(store, work)
        assert await seat(store, "1") == Seat(id="1")

    async def test_an_attempt_that_fails_leaves_nothing(self, store: Store) -> None:
        await keep(store, Seat(id="1"))
        await store.position(PARTITION, 0)

        async def work(session: Session) -> None:
            await session.lock(["seat/1", "seat/2"])
            await session.write(
                [put(store, Seat(id="1", taken=1), new=False), put(store, Seat(id="2"), new=True)]
            )
            await session.advance([step(0, 5)])
            raise LookupError

        with pytest.raises(LookupError):
            await in_transaction(store, work)
        assert await seat(store, "1") == Seat(id="1")
        assert await seat(store, "2") is None
        assert (await store.position(PARTITION, 0)).next == 0

    # Finding.

    async def test_a_set_comes_whole_or_its_lowest_ids_for_each_value(self, store: Store) -> None:
        await keep(store, *(Seat(id=f"{room}{n}", room=room) for room in "ABC" for n in (3, 1, 2)))

        async def look(limit: int) -> list[str]:
            async def work(session: Session) -> list[str]:
                return sorted(one.id for one in await session.find_by(SEATS, "room", ["A", "C", "Z"], limit))

            return await in_transaction(store, work)

        assert await look(0) == ["A1", "A2", "A3", "C1", "C2", "C3"]
        assert await look(2) == ["A1", "A2", "C1", "C2"]

    async def test_few_documents_of_many_sets_come_at_once_and_many_not_at_all(self, store: Store) -> None:
        await keep(store, *(Seat(id=f"{room}{n}", room=room) for room in "ABC" for n in (3, 1, 2)))

        async def look(most: int) -> list[str] | None:
            async def work(session: Session) -> list[str] | None:
                found = await session.find_few_by(SEATS, "room", ["A", "C", "Z"], most)
                return None if found is None else sorted(one.id for one in found)

            return await in_transaction(store, work)

        assert await look(6) == ["A1", "A2", "A3", "C1", "C2", "C3"]
        assert await look(5) is None

    async def test_it_says_which_values_any_document_has(self, store: Store) -> None:
        await keep(store, Seat(id="A1"), Seat(id="A2"), Seat(id="C1", room="C"))

        async def work(session: Session) -> list[str]:
            return await session.present(SEATS, "room", ["C", "A", "Z"])

        assert sorted(await in_transaction(store, work)) == ["A", "C"]

    async def test_an_attempt_sees_what_it_wrote(self, store: Store) -> None:
        await keep(store, Seat(id="1"), Seat(id="2"))

        async def work(session: Session) -> list[str]:
            await session.write(
                [
                    put(store, Seat(id="1", room="B"), new=False),
                    Write(SEATS, "2", None, new=False),
                    put(store, Seat(id="3"), new=True),
                ]
            )
            return [one.id for one in await session.find_by(SEATS, "room", ["A"], 0)]

        assert await in_transaction(store, work) == ["3"]

    # Racing.

    @pytest.mark.parametrize("there", [True, False], ids=["existing", "unknown yet"])
    async def test_twenty_writers_who_lock_first_lose_no_change(self, store: Store, there: bool) -> None:
        if there:
            await keep(store, Seat(id="1", taken=0))

        async def work(session: Session) -> None:
            await session.lock(["seat/1"])
            found = await session.find(SEATS, ["1"])
            taken = found[0].taken if found else 0  # type: ignore[attr-defined]
            await session.write([put(store, Seat(id="1", taken=taken + 1), new=not found)])

        await asyncio.gather(*(in_transaction(store, work) for _ in range(20)))
        assert await seat(store, "1") == Seat(id="1", taken=20)

    async def test_two_who_lock_the_same_unknown_name_are_applied_one_after_the_other(
        self, store: Store
    ) -> None:
        """Each writes only if the other's document is missing: without the lock both would."""
        both_have_looked = asyncio.Barrier(2)
        tries: list[str] = []

        async def one(own: str, other: str) -> None:
            async def work(session: Session) -> None:
                tries.append(own)
                if tries.count(own) == 1:
                    await session.find(SEATS, [other])
                    await both_have_looked.wait()
                await session.lock(["lacks/somebody"])
                if not await session.find(SEATS, [other]):
                    await session.write([put(store, Seat(id=own), new=True)])

            await in_transaction(store, work)

        await asyncio.gather(one("1", "2"), one("2", "1"))
        assert len([id for id in "12" if await seat(store, id)]) == 1
        assert len(tries) >= 3

    async def test_what_was_loaded_under_a_lock_stands_at_commit(self, store: Store) -> None:
        """A snapshot from before the lock counts too: what changed since makes the attempt start again."""
        await keep(store, Seat(id="1", taken=1))
        seen: list[int] = []

        async def work(session: Session) -> None:
            found = await session.find(SEATS, ["1"])  # before the lock, as aliases are
            seen.append(found[0].taken)  # type: ignore[attr-defined]
            if len(seen) == 1:

                async def meanwhile(other: Session) -> None:
                    await other.lock(["seat/1"])
                    await other.write([put(store, Seat(id="1", taken=2), new=False)])

                await in_transaction(store, meanwhile)
            await session.lock(["seat/1"])
            await session.write([put(store, Seat(id="2", taken=seen[-1]), new=True)])

        await in_transaction(store, work)
        assert seen == [1, 2]
        assert await seat(store, "2") == Seat(id="2", taken=2)

    async def test_a_snapshot_does_not_change_while_it_is_read(self, store: Store) -> None:
        await keep(store, Seat(id="1"))

        async def work(session: Session) -> list[int]:
            await session.find(SEATS, ["1"])

            async def meanwhile(other: Session) -> None:
                await other.write(
                    [put(store, Seat(id="2"), new=True), put(store, Seat(id="1", taken=9), new=False)]
                )

            await in_transaction(store, meanwhile)
            return [one.taken for one in await session.find_by(SEATS, "room", ["A"], 0)]  # type: ignore[attr-defined]

        assert await in_transaction(store, work) == [0]

    # Positions.

    async def test_a_position_begins_at_the_logs_beginning_and_stays(self, store: Store) -> None:
        assert (await store.position(PARTITION, 40)).next == 40
        assert (await store.position(PARTITION, 70)).next == 40

    async def test_a_step_moves_the_position_and_keeps_what_is_to_be_published(self, store: Store) -> None:
        await store.position(PARTITION, 3)
        record = Outgoing("enrollment.events.v1", 2, b"emp_1", b'{"a":1}\x00\xff')
        await in_transaction(store, lambda session: session.advance([step(3, 8, PARTITION, record)]))
        position = await store.position(PARTITION, 0)
        assert (position.next, position.pending) == (8, [record])
        assert (position.last_timestamp_ms, position.last_digest) == (1_767_000_000_008, b"digest08")

    async def test_a_step_from_elsewhere_voids_the_batch(self, store: Store) -> None:
        await store.position(PARTITION, 3)
        await store.position("other", 0)

        async def work(session: Session) -> None:
            await session.write([put(store, Seat(id="1"), new=True)])
            await session.advance([step(0, 1, "other"), step(4, 8)])

        with pytest.raises(Moved):
            await in_transaction(store, work)
        assert await seat(store, "1") is None
        assert (await store.position("other", 0)).next == 0

    async def test_of_two_members_with_the_same_partition_one_moves_it(self, store: Store) -> None:
        await store.position(PARTITION, 0)

        async def member(id: str) -> bool:
            async def work(session: Session) -> None:
                await session.write([put(store, Seat(id=id), new=True)])
                await session.advance([step(0, 5)])

            try:
                await in_transaction(store, work)
            except Moved:
                return False
            return True

        moved = await asyncio.gather(*(member(id) for id in "12345"))
        assert sum(moved) == 1
        assert [await seat(store, id) is not None for id in "12345"] == moved

    async def test_an_unknown_position_cannot_move(self, store: Store) -> None:
        with pytest.raises(Moved):
            await in_transaction(store, lambda session: session.advance([step(0, 1)]))

    async def test_a_stopped_position_refuses_every_step_and_says_why(self, store: Store) -> None:
        await store.position(PARTITION, 3)
        await store.stop(PARTITION, "topic recreated")
        with pytest.raises(Moved):
            await in_transaction(store, lambda session: session.advance([step(3, 8)]))
        position = await store.position(PARTITION, 0)
        assert (position.next, position.stopped) == (3, "topic recreated")

    async def test_a_position_set_back_moves_on_from_there_in_a_turn_of_its_own(self, store: Store) -> None:
        await store.position(PARTITION, 0)
        await in_transaction(store, lambda session: session.advance([step(0, 8)]))
        await store.stop(PARTITION, "an operator looks at it")
        await store.set_back(PARTITION, 3)
        position = await store.position(PARTITION, 0)
        assert (position.next, position.redelivery > 0, position.stopped, position.last_digest) == (
            3,
            True,
            "",
            b"",
        )
        with pytest.raises(Moved):
            await in_transaction(store, lambda session: session.advance([step(8, 9)]))
        await in_transaction(store, lambda session: session.advance([step(3, 4)]))
        assert (await store.position(PARTITION, 0)).redelivery == position.redelivery


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestMongoStore(StoreContract):
    @pytest.fixture
    async def store(self, stack: Stack) -> AsyncIterator[MongoStore]:
        client = connect(stack.mongo)
        store = MongoStore(client, f"contract_{secrets.token_hex(4)}")
        await store.prepare([SEATS])
        yield store
        await client.drop_database(store.database.name)
        client.close()
