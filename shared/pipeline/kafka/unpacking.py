"""Compressed batches, unpacked only as far as we want to hold them.

The client unpacks a batch before anybody knows its size: 2 MB of an agency's could become gigabytes, and end the
service that reads it, again after each start. A batch that unpacks to more than allowed is never unpacked: it is given
as one record, whose value is the batch as the log has it (`PackedBatch`).
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import cramjam
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from shared.pipeline.records import PackedBatch

MAX_UNPACKED_BYTES: Final = 32 * 1024 * 1024
"""Of a batch, and after which a fetch ends: 16 of the largest records that are accepted."""
HEADER: Final = struct.Struct(">qiibIhiqqqhii")  # as far as the count of records
ATTRIBUTES_AT: Final = 21
CODEC: Final = 0x07
LOG_APPEND_TIME: Final = 0x08
FIRST_GUESS: Final = 16
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEAD: Final = 16
_LENGTH: Final = struct.Struct(">i")


class TooLarge(Exception):
    """It unpacks to more than allowed."""


class PackedRecord(NamedTuple):
    """What the client takes for a record; its offset is the batch's last, so that reading goes on after it."""

    offset: int
    timestamp: int
    timestamp_type: int
    value: bytes
    key: None = None
    headers: tuple[()] = ()
    checksum: None = None


class Head(NamedTuple):
    base: int
    last: int
    attributes: int
    first_timestamp: int
    max_timestamp: int
    records: int

    @classmethod
    def of(cls, batch: bytes | memoryview) -> "Head":
        found = HEADER.unpack_from(batch)
        return cls(found[0], found[0] + found[6], found[5], found[7], found[8], found[12])


def problem(batch: PackedBatch) -> str:
    head = Head.of(batch)
    return (
        f"a batch of {head.records} records, {head.base} to {head.last}, unpacks to more than "
        f"{MAX_UNPACKED_BYTES / 1e6:.0f} MB and is kept packed: have its sender send them again in smaller batches"
    )


def packed_record(batch: memoryview) -> PackedRecord:
    head = Head.of(batch)
    return PackedRecord(
        head.last, head.max_timestamp, int(bool(head.attributes & LOG_APPEND_TIME)), PackedBatch(batch)
    )


def unpacked(batch: memoryview, most: int = MAX_UNPACKED_BYTES) -> bytearray | memoryview:
    """The batch without compression. Raises TooLarge, holding no more than `most` bytes until then."""
    attributes = Head.of(batch).attributes
    codec = attributes & CODEC
    if not codec:
        return batch
    if (unpack := UNPACK.get(codec)) is None:
        raise UnsupportedCodecError(f"compression {codec}")
    content = unpack(batch[HEADER.size :], most)
    plain = bytearray(HEADER.size + len(content))
    plain[: HEADER.size] = batch[: HEADER.size]
    plain[HEADER.size :] = content
    struct.pack_into(">h", plain, ATTRIBUTES_AT, attributes & ~CODEC)
    struct.pack_into(">i", plain, 8, len(plain) - 12)
    return plain


def _gzip(content: memoryview, most: int) -> bytes:
    """Of one member or several."""
    parts, left, rest = list[bytes](), most, bytes(content)
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(rest, left + 1))
        except zlib.error as error:
            raise CorruptRecordException(str(error)) from error
        left -= len(parts[-1])
        if left < 0:
            raise TooLarge
        if not member.eof:
            raise CorruptRecordException("gzip: cut off")
        rest = member.unused_data
    return b"".join(parts)


def _snappy(content: memoryview, most: int) -> bytes:
    """In blocks as the Java client writes them, or raw. Each block says first what it unpacks to."""
    try:
        blocks = list(_xerial(content)) if bytes(content[: len(_XERIAL)]) == _XERIAL else [content]
        if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > most:
            raise TooLarge
        return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)
    except (cramjam.DecompressionError, struct.error) as error:
        raise CorruptRecordException(str(error)) from error


def _xerial(content: memoryview) -> Iterator[memoryview]:
    at = _XERIAL_HEAD
    while at < len(content):
        (size,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        yield content[at : at + size]
        at += size


def _into(decompress: Callable[[memoryview, bytearray], int]) -> Callable[[memoryview, int], memoryview]:
    """Into a buffer that grows as long as it is too small."""

    def unpack(content: memoryview, most: int) -> memoryview:
        size = min(most, max(4096, FIRST_GUESS * len(content)))
        while True:
            buffer = bytearray(size)
            try:
                return memoryview(buffer)[: decompress(content, buffer)]
            except cramjam.DecompressionError as error:
                if "whole buffer" not in str(error):
                    raise CorruptRecordException(str(error)) from error
            if size == most:
                raise TooLarge
            size = min(most, 8 * size)

    return unpack


UNPACK: Final[Mapping[int, Callable[[memoryview, int], bytes | memoryview]]] = {
    1: _gzip,
    2: _snappy,
    3: _into(cramjam.lz4.decompress_into),
    4: _into(cramjam.zstd.decompress_into),
}
