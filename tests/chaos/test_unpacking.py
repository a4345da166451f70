"""Compressed batches that unpack to far more than they seem, through the real broker."""

import asyncio
import multiprocessing
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
from aiokafka.record.default_records import DefaultRecordBatch

from devstack import Stack
from shared.kafka.connection import KafkaConnection
from shared.pipeline.kafka import reading
from shared.pipeline.kafka.unpacking import MAX_UNPACKED_BYTES
from shared.pipeline.operations.dead_letter_commands import edited
from shared.pipeline.pipeline_collections import PACKED
from tests.chaos.members import Place, place_of
from tests.chaos.system import producer
from tests.chaos.test_poison import CONTENT_TYPE, good, raw
from tests.chaos.traffic import AGENCIES

pytestmark = pytest.mark.full

MB = 1024 * 1024
BOMB_BYTES = 300 * MB
CODECS = ("gzip", "snappy", "lz4", "zstd")
MAX_GROWTH_BYTES = 200 * MB
"""Less than any of the bombs."""


@pytest.fixture
async def place(stack: Stack) -> AsyncIterator[Place]:
    """The first agency's topic lets 20 MB through: 300 MB of zeros have 14 MB in snappy."""
    async with place_of(stack, AGENCIES[1:]) as made:
        await made.create(made.agency(), **{"max.message.bytes": str(20 * MB)})
        yield made


async def send_packed(place: Place, codec: str, *values: int | bytes) -> None:
    """All of them in one batch, a number is so many zeros. In another process, since this one's memory is measured."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        await loop.run_in_executor(pool, _send, place.stack.kafka, place.agency(), codec, values)


def _send(kafka: KafkaConnection, topic: str, codec: str, values: tuple[int | bytes, ...]) -> None:
    async def send() -> None:
        size = 2 * BOMB_BYTES
        async with producer(
            kafka, compression_type=codec, max_batch_size=size, max_request_size=size
        ) as sender:
            batch = sender.create_batch()
            for value in values:
                content = bytes(value) if isinstance(value, int) else value
                assert batch.append(key=None, value=content, timestamp=None, headers=list(CONTENT_TYPE))
            batch.close()
            await (await sender.send_batch(batch, topic, partition=0))

    asyncio.run(send())


@contextmanager
def memory() -> Iterator[list[int]]:
    """How many bytes this process grew at most, in the list's one place."""
    process, over, most = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not over.wait(0.002):
            most[0] = max(most[0], process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("codec", CODECS)
async def test_a_batch_that_unpacks_to_too_much_is_kept_packed_and_harms_nobody(
    place: Place, codec: str
) -> None:
    topic, first, last = place.agency(), good(place, 1), good(place, 2)
    await place.send([first])
    await send_packed(place, codec, good(place, 3).value, BOMB_BYTES, good(place, 4).value)
    await place.send([last])
    await place.send([good(place, 5, AGENCIES[1])])
    with memory() as grown:
        async with place.member() as member:
            verdicts = await place.decided(topic, 3, 120)
            await place.decided(place.agency(AGENCIES[1]), 1)
            assert not member.faults()
    assert grown[0] < MAX_GROWTH_BYTES, f"{grown[0] / MB:.0f} MB more at the peak"
    assert verdicts == {0: "accepted", 3: "refused", 4: "accepted"}
    ((letter, value),) = (await place.dead_letters(topic)).values()
    assert letter.kind == PACKED
    assert "a batch of 3 records, 1 to 3" in letter.reason
    assert value is not None
    assert len(value) < 20 * MB
    kept = DefaultRecordBatch(memoryview(value))
    assert kept.validate_crc(), "it is whole, and whoever has the memory can unpack it"
    assert kept.next_offset == 4


async def test_whoever_takes_over_behind_such_a_batch_goes_on(place: Place) -> None:
    topic = place.agency()
    await send_packed(place, "zstd", BOMB_BYTES)
    async with place.member():
        await place.decided(topic, 1, 120)
    await place.send([good(place, 1)])
    async with place.member() as member:
        assert (await place.decided(topic, 2))[1] == "accepted"
        assert not member.faults(), "the record before its position is the one that was decided"


async def test_many_batches_that_are_small_packed_are_not_held_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of the log, one fetch, unpacks to hundreds."""
    held = list[int]()

    class Watched(reading.ReadableRecords):
        def _hold(self, size_bytes: int) -> None:
            super()._hold(size_bytes)
            held.append(self._held_bytes)

    monkeypatch.setattr("aiokafka.consumer.fetcher.MemoryRecords", Watched)
    topic, count = place.agency(), 60
    await place.send(
        [raw(place, bytes(3 * MB))] * count,
        compression_type="zstd",
        max_request_size=4 * MB,
        max_batch_size=MB,
    )
    async with place.member() as member:
        verdicts = await place.decided(topic, count, 120)
        assert not member.faults()
    assert verdicts == dict.fromkeys(range(count), "refused")
    assert max(held) < MAX_UNPACKED_BYTES + 4 * MB
    assert len({letter.kind for letter, _ in (await place.dead_letters(topic)).values()}) == 1


async def test_a_kept_batch_is_refused_again_and_one_of_its_events_may_take_its_place(place: Place) -> None:
    topic = place.agency()
    await send_packed(place, "gzip", BOMB_BYTES)
    async with place.member() as member:
        await place.decided(topic, 1, 120)
        ((letter, _),) = (await place.dead_letters(topic)).values()
        again = member.decoder.read(letter.record())
        assert str(again.fault) == letter.reason
        event = good(place, 1).value.decode()
        assert member.decoder.read(edited(letter.record(), event)).fault is None
