"""A record whose header's name is not UTF-8 is read like any other, and so is all around it."""

import struct

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

import shared.pipeline.consumer  # noqa: F401  it is what makes them readable
from shared.pipeline.header_names import ReadableRecords

CRC_AT, CRC_FROM = 17, 21
GZIP = 1


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


def test_the_library_is_taught_it() -> None:
    assert fetcher.MemoryRecords is ReadableRecords


@pytest.mark.parametrize("name", [b"\xff" * 7, b"na\xc3\x28me\xe9", b"\xed\xa0\x80four"])
def test_a_name_that_is_no_text_costs_no_record(name: bytes) -> None:
    data = batch("one", "garbled", "three", garbled=name) + batch("four", "five")
    found = read(data)
    assert [value for _, value, _ in found] == [b"value 0", b"value 1", b"value 2", b"value 0", b"value 1"]
    names = [headers[0][0] for _, _, headers in found]
    assert names == ["one", name.decode(errors="backslashreplace"), "three", "four", "five"]
    assert all(headers[1] == ("none", None) for _, _, headers in found)
    "".join(names).encode()  # what MongoDB can hold


@pytest.mark.parametrize("codec", [0, GZIP])
def test_what_can_be_read_is_read_as_before(codec: int) -> None:
    found = read(batch("satu", "dua — ü", codec=codec) + batch("tiga", codec=codec))
    assert [headers[0][0] for _, _, headers in found] == ["satu", "dua — ü", "tiga"]
