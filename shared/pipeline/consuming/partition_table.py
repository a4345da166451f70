"""Where each partition that a member has stands: decided, published, fetched."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiokafka import TopicPartition

from shared.pipeline.pipeline_collections import Position
from shared.pipeline.processing.messages import Message

T = TypeVar("T")


@dataclass
class Partition(Generic[T]):
    next: int
    """Offset of the first record that is not decided yet, as the database has it."""
    redelivery: int
    """Of its records."""
    published: int
    """As `next`, but what these records caused is acknowledged too."""
    unverified: Position | None = None
    """Where the next fetch begins with the record before `next`, which must be the one that was decided."""
    passed: int = 0
    """Where the client stands once it had nothing more for us: from `next` on there are only the markers of a sender's
    transactions, which nobody is given."""
    asked_end: int = 0
    """As the broker said when it was asked: a client whose fetcher ended sees nothing."""
    rest: list[Message[T]] = field(default_factory=list)
    """Of the batch before, what did not fit into its transaction."""

    @property
    def reached(self) -> int:
        return max(self.next, self.passed)

    @property
    def done(self) -> int:
        """What may be noted as read: nothing of it is still to be published."""
        return self.reached if self.published == self.next else self.published


class PartitionTable(Generic[T]):
    """The partitions that are read, and those that stand still, with why. Both are forgotten with each assignment."""

    def __init__(self) -> None:
        self.read: dict[TopicPartition, Partition[T]] = {}
        self.stopped: dict[TopicPartition, str] = {}

    def __contains__(self, tp: TopicPartition) -> bool:
        """Whether it was taken over."""
        return tp in self.read or tp in self.stopped

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter([*self.stopped, *self.read])

    def drop(self, tp: TopicPartition) -> None:
        """It is taken over anew where it is still ours."""
        self.read.pop(tp, None)

    def stop(self, tp: TopicPartition, why: str) -> None:
        self.drop(tp)
        self.stopped[tp] = why

    def clear(self) -> None:
        self.read.clear()
        self.stopped.clear()

    def take_rest(self) -> dict[TopicPartition, list[Message[T]]]:
        """What the batch before left; it is the caller's now."""
        left = {tp: one.rest for tp, one in self.read.items() if one.rest}
        for tp in left:
            self.read[tp].rest = []
        return left

    def decided(self) -> dict[TopicPartition, int]:
        return {tp: one.next for tp, one in self.read.items()}

    def note_published(self, decided: Mapping[TopicPartition, int]) -> None:
        """All that was decided at that moment; partitions that were lost since are nobody's business here."""
        for tp, next in decided.items():
            if tp in self.read:
                self.read[tp].published = next
