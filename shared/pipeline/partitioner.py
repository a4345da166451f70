"""Where things are: a group's position in a partition, the partition of a key, whether a record is the one it was."""

import hashlib
from functools import lru_cache
from itertools import count as whole_numbers
from zlib import crc32

from shared.contracts.topics import PARTITIONS
from shared.pipeline.records import Record

TopicPartition = tuple[str, int]


def position_id(group: str, tp: TopicPartition) -> str:
    return f"{group}/{tp[0]}/{tp[1]}"


def partition_of(key: str) -> int:
    """CRC-32, since only we write our topics: murmur2 in Python costs 10 us a key, and no consumer needs it."""
    return crc32(key.encode()) % PARTITIONS


@lru_cache(maxsize=PARTITIONS)
def key_into(partition: int) -> str:
    """A key that leads into this partition: of what concerns everybody whose facts are there."""
    return next(key for n in whole_numbers() if partition_of(key := f"partition/{n}") == partition)


def digest(record: Record) -> bytes:
    """Tells whether the log still holds the record that was decided."""
    return hashlib.blake2b(record.value or b"", key=(record.key or b"")[:64], digest_size=8).digest()
