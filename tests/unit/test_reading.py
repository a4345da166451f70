"""Batches as we read them: any header name, any compression, and never more than we want to hold."""

import struct
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from shared.kafka.connection import KafkaConnection
from shared.pipeline.kafka.client import client_of
from shared.pipeline.kafka.reading import ReadableRecords, read_batches_our_way
from shared.pipeline.kafka.unpacking import MAX_UNPACKED_BYTES, TooLarge, problem, unpacked
from shared.pipeline.records import PackedBatch

CRC_AT, CRC_FROM, HEADER_BYTES = 17, 21, 61
GZIP = 1
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@pytest.fixture(autouse=True)
def _our_way() -> None:
    read_batches_our_way()


def batch(*names: str, codec: int = 0, garbled: bytes = b"") -> bytes:
    """One record a name; `garbled` takes the place of the name `garbled`."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 100_000)
    for offset, name in enumerate(names):
        builder.append(offset, 0, b"key", f"value {offset}".encode(), [(name, b"1"), ("none", None)])
    made = bytearray(builder.build())
    if garbled:
        at = made.index(b"garbled")
        made[at : at + len("garbled")] = garbled
        struct.pack_into(">I", made, CRC_AT, calc_crc32c(memoryview(made)[CRC_FROM:]))
    return bytes(made)


def read(data: bytes) -> list[tuple[int, bytes, list[tuple[str, bytes | None]]]]:
    records, found = fetcher.MemoryRecords(data), []
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        assert not one.is_control_batch
        found += [(record.offset, record.value, list(record.headers)) for record in one]
    assert records.next_batch() is None
    return found


async def test_whoever_makes_the_group_s_client_reads_our_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    service: Any = SimpleNamespace(name="enrollment", group="kompeten.enrollment")
    client = client_of(service, KafkaConnection("127.0.0.1:1"), most_records=1)
    assert fetcher.MemoryRecords is ReadableRecords
    await client.stop()


def test_nothing_of_the_library_is_changed_by_an_import() -> None:
    program = """
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
import shared.pipeline.consuming.consumer, shared.pipeline.kafka.client, shared.pipeline.restore.restoring
raise SystemExit(fetcher.MemoryRecords is not MemoryRecords)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


async def test_the_library_s_fetcher_takes_its_reader_from_where_we_put_ours() -> None:
    """Fails when another version of aiokafka looks for it elsewhere: all else here would still pass."""
    tp, data = TopicPartition("agency.dinkes.v1", 0), batch("garbled", garbled=b"\xff" * 7)
    state = SimpleNamespace(
        has_valid_position=True, position=0, paused=False, consumed_to=lambda offset: None
    )
    assignment = SimpleNamespace(active=True, state_value=lambda tp: state)

    async def send(node: int, request: object) -> object:
        fetched = (tp.partition, 0, 1, 1, 0, [], -1, data)
        return SimpleNamespace(API_VERSION=11, topics=[(tp.topic, [fetched])])

    made = object.__new__(fetcher.Fetcher)
    vars(made).update(
        _client=SimpleNamespace(send=send),
        _client_rack=None,
        _key_deserializer=None,
        _value_deserializer=None,
        _check_crcs=True,
        _isolation_level=fetcher.READ_COMMITTED,
        _prefetch_backoff=0.1,
        _records={},
    )
    asked = SimpleNamespace(topics=[(tp.topic, [(tp.partition, 0, 1)])])
    assert await made._proc_fetch_request(assignment, 0, asked)
    (record,) = made._records[tp].getall()
    assert (record.value, record.headers[0][0]) == (b"value 0", "\\xff" * 7)


@pytest.mark.parametrize("name", [b"\xff" * 7, b"na\xc3\x28me\xe9", b"\xed\xa0\x80four"])
def test_a_name_that_is_no_text_costs_no_record(name: bytes) -> None:
    data = batch("one", "garbled", "three", garbled=name) + batch("four", "five")
    found = read(data)
    assert [value for _, value, _ in found] == [b"value 0", b"value 1", b"value 2", b"value 0", b"value 1"]
    names = [headers[0][0] for _, _, headers in found]
    assert names == ["one", name.decode(errors="backslashreplace"), "three", "four", "five"]
    assert all(headers[1] == ("none", None) for _, _, headers in found)
    "".join(names).encode()  # what MongoDB can hold


@pytest.mark.parametrize("codec", [0, *CODECS.values()])
def test_what_can_be_read_is_read_as_before(codec: int) -> None:
    found = read(batch("satu", "dua — ü", codec=codec) + batch("tiga", codec=codec))
    assert [headers[0][0] for _, _, headers in found] == ["satu", "dua — ü", "tiga"]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_batch_is_unpacked_up_to_a_limit_to_the_byte(codec: int) -> None:
    packed = memoryview(batch(*["name"] * 500, codec=codec))
    plain = memoryview(batch(*["name"] * 500))
    size = len(plain) - HEADER_BYTES
    found, expected = ([(one.offset, one.value, list(one.headers)) for one in DefaultRecordBatch(data)]
                       for data in (unpacked(packed, size), plain))  # fmt: skip
    assert found == expected
    with pytest.raises(TooLarge):
        unpacked(packed, size - 1)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("harm", ["cut off", "other bytes"])
def test_a_batch_that_is_not_what_it_says_is_corrupt_and_nothing_else(codec: int, harm: str) -> None:
    packed = batch(*["name"] * 500, codec=codec)
    harmed = packed[:-9] if harm == "cut off" else packed[:HEADER_BYTES] + b"?" * 200
    with pytest.raises(KafkaError):
        unpacked(memoryview(harmed))


def test_what_unpacks_to_too_much_is_one_record_at_the_batchs_last_offset() -> None:
    builder = DefaultRecordBatchBuilder(2, GZIP, 0, -1, -1, -1, 2 * MAX_UNPACKED_BYTES)
    for offset, value in enumerate([b"1", bytes(MAX_UNPACKED_BYTES), b"3"]):
        builder.append(offset, 1234, None, value, [])
    packed = bytes(builder.build())
    (found,) = read(packed)
    assert (found[0], found[1], found[2]) == (2, packed, [])
    assert isinstance(found[1], PackedBatch)
    assert "a batch of 3 records, 0 to 2" in problem(found[1])
