"""Header names that are not UTF-8, which aiokafka gives up on.

Kafka does not check them, and librdkafka sends any bytes (`kcat -H` in another encoding). One such record ended
the service that met it, again after each start, until retention had deleted it.
"""

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

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
    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch, self._raw = batch, raw
        self._records: Iterator[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # the library asks for the one record of a marker that way
        if self._records is None:
            try:
                self._records = iter(list(self._batch))
            except UnicodeDecodeError:
                self._records = iter(list(_LenientBatch(self._raw)))
        return next(self._records)


class ReadableRecords:
    """What aiokafka's `MemoryRecords` is: the batches of one fetch."""

    def __init__(self, data: bytes) -> None:
        self._records, self._data, self._at = MemoryRecords(data), memoryview(data), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def next_batch(self) -> Any:
        batch, start = self._records.next_batch(), self._at
        if batch is None:
            return None
        length = _OFFSET_AND_LENGTH.unpack_from(self._data, start)[1]
        self._at = start + _OFFSET_AND_LENGTH.size + length
        return _Batch(batch, self._data[start : self._at])


def read_any_header_name() -> None:
    """For all consumers of this process."""
    fetcher.MemoryRecords = ReadableRecords  # type: ignore[attr-defined]  # where it is looked up
