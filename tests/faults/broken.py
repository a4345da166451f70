"""`python -m tests.faults.broken WAY SERVICE`: a service with one rule of the pipeline broken on purpose.

Each way is what somebody could take for a harmless change. The ledger must catch all of them, else it proves nothing.
"""

import asyncio
import functools
import runpy
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.pipeline.consuming import consumer as consumer_module
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.consuming.partition_table import Partition
from shared.pipeline.pipeline_collections import POSITIONS, Position
from shared.pipeline.restore.restoring import Restoration
from shared.pipeline.storage.mongo import MongoSession
from shared.pipeline.store import Advance, Write


def positions_outside() -> None:
    """The position is written beside the batch's transaction, not in it."""
    inside = MongoSession.advance

    async def advance(self: MongoSession, steps: Sequence[Advance]) -> None:
        await inside(MongoSession(self.database, None), steps)  # type: ignore[arg-type]  # no session: at once

    MongoSession.advance = advance  # type: ignore[method-assign]


def loaded_before_lock() -> None:
    """State is read first and locked when it is written."""
    lock, write, find, find_by = (
        MongoSession.lock, MongoSession.write, MongoSession.find, MongoSession.find_by
    )  # fmt: skip
    wanted: dict[int, list[str]] = {}

    async def later(self: MongoSession, names: Iterable[str]) -> None:
        wanted.setdefault(id(self), []).extend(names)

    async def lock_and_write(self: MongoSession, writes: Sequence[Write]) -> None:
        await asyncio.sleep(
            0.2
        )  # as on a busy machine: what was read is old by now; at 0.05 one run in two lost nothing
        await lock(self, sorted(set(wanted.pop(id(self), []))))
        await write(self, writes)

    def outside(read: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(read)
        async def as_it_is_now(self: MongoSession, *asked: Any) -> Any:
            return await read(MongoSession(self.database, None), *asked)  # type: ignore[arg-type]

        return as_it_is_now

    MongoSession.lock, MongoSession.write = later, lock_and_write  # type: ignore[method-assign]
    MongoSession.find, MongoSession.find_by = outside(find), outside(find_by)  # type: ignore[method-assign]
    # The rest of what reads, else its snapshot would be as old as what was read before it, and nothing be lost.
    few, present = MongoSession.find_few_by, MongoSession.present
    MongoSession.find_few_by, MongoSession.present = outside(few), outside(present)  # type: ignore[method-assign]


def published_when_written() -> None:
    """Events are published by whoever wrote them; who takes over does not publish what is pending."""
    Position.pending = property(lambda self: [])  # type: ignore[assignment,method-assign]


def committed_by_itself() -> None:
    """The client commits offsets to Kafka by itself, and reading goes on from there."""
    consumer_module.AIOKafkaConsumer = functools.partial(Committing)  # type: ignore[misc,assignment]

    async def take_over(self: Consumer[Any], tp: TopicPartition, *asked: Any) -> None:
        assert self._consumer is not None
        committed = await self._consumer.committed(tp)
        await self.store.take_over(f"{self.service.name}/{tp.topic}/{tp.partition}", 0)
        self.table.read[tp] = Partition(committed or 0, 0, committed or 0)
        self._seek(tp, committed or 0)

    async def advance(self: MongoSession, steps: Sequence[Advance]) -> None:
        for step in steps:
            await self.database[POSITIONS.name].update_one(
                {"_id": step.position}, {"$set": {"next": step.next}}, session=self.session
            )

    async def no_note(self: Consumer[Any]) -> None:
        """The client does."""

    async def no_look(self: Consumer[Any]) -> None:
        """Nobody asks what the database says."""

    async def no_comparison(self: Restoration[Any], *asked: Any) -> None:
        """Else it is taken for a database restored from a backup, and decides nothing more."""

    Restoration._compare = no_comparison  # type: ignore[method-assign]
    Consumer._take_over = take_over  # type: ignore[method-assign]
    Consumer._note_offsets = no_note  # type: ignore[method-assign]
    Consumer._look_at_positions = no_look  # type: ignore[method-assign]
    MongoSession.advance = advance  # type: ignore[method-assign]


class Committing(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "enable_auto_commit": True, "auto_commit_interval_ms": 20})


WAYS: Final = {
    "positions outside the transaction": positions_outside,
    "state loaded before the lock": loaded_before_lock,
    "published only when newly written": published_when_written,
    "offsets committed by the client": committed_by_itself,
    "not broken": lambda: None,
}


def main() -> None:
    way, service = sys.argv[1:]
    WAYS[way]()
    runpy.run_module(f"services.{service}", run_name="__main__")


if __name__ == "__main__":
    main()
