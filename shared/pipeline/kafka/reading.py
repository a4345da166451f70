"""Batches as we read them, in place of aiokafka's own way: only as far as we want to hold them (unpacking.py), and
with header names that are not UTF-8, which aiokafka gives up on.

Kafka does not check names, and librdkafka sends any bytes (`kcat -H` in another encoding). One such record ended the
service that met it, again after each start, until retention had deleted it.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from shared.pipeline.kafka.unpacking import MAX_UNPACKED_BYTES, TooLarge, packed_record, unpacked

CURRENT_MAGIC = 2
_OFFSET_AND_LENGTH = struct.Struct(">qi")


class _Lenient(bytearray):
    """A batch in which no name is wrong: what is not UTF-8 is shown as `\\xff`."""

    def __getitem__(self, at: Any) -> Any:
        part = super().__getitem__(at)
        return _Lenient(part) if isinstance(at, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "") -> str:
        return super().decode(encoding, "backslashreplace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for its types' sake
    """The library's reader in Python, slower than the one in C by far: for batches that the latter can't read."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Lenient(self._buffer)


class _Batch:
    """Unpacked when its records are asked for: nobody asks for those that a sender took back."""

    def __init__(self, batch: Any, raw: memoryview, note: Callable[[int], None]) -> None:
        self._batch, self._raw, self._note = batch, raw, note
        self._records: Iterator[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # the library asks for the one record of a marker that way
        if self._records is None:
            self._records = self._read()
        return next(self._records)

    def _read(self) -> Iterator[Any]:
        if self._batch.magic < CURRENT_MAGIC:  # no broker has taken such a batch for years
            return iter(self._batch)
        try:
            plain = unpacked(self._raw)
        except TooLarge:
            return iter([packed_record(self._raw)])
        self._note(len(plain))
        try:
            return iter(list(self._batch if plain is self._raw else DefaultRecordBatch(plain)))
        except UnicodeDecodeError:
            return iter(list(_LenientBatch(plain)))


class ReadableRecords:
    """What aiokafka's `MemoryRecords` is: the batches of one fetch, up to as many bytes as we want to hold."""

    def __init__(self, data: bytes) -> None:
        self._records, self._data, self._at = MemoryRecords(data), memoryview(data), 0
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def has_next(self) -> bool:
        """False too when enough is unpacked: the client fetches the rest again."""
        return self._held_bytes < MAX_UNPACKED_BYTES and bool(self._records.has_next())

    def next_batch(self) -> Any:
        batch, start = self._records.next_batch(), self._at
        if batch is None:
            return None
        length = _OFFSET_AND_LENGTH.unpack_from(self._data, start)[1]
        self._at = start + _OFFSET_AND_LENGTH.size + length
        return _Batch(batch, self._data[start : self._at], self._hold)

    def _hold(self, size_bytes: int) -> None:
        self._held_bytes += size_bytes


def read_batches_our_way() -> None:
    """For all consumers of this process; whoever makes one calls it first, as often as it comes. aiokafka asks nobody
    which reader to take (ADR 28): one name of its fetcher is all that is changed."""
    looked_up: type[object] = fetcher.MemoryRecords  # type: ignore[attr-defined]
    if not issubclass(looked_up, ReadableRecords):
        fetcher.MemoryRecords = ReadableRecords  # type: ignore[attr-defined]
