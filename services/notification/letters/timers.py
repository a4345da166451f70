"""Finds letters that waited long enough and says so by a command; any replica may, its id is the letter's."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from services.notification.letters.documents import COLLECTING, LETTERS, Letter
from shared.contracts.cloudevents import event_id
from shared.contracts.notification import ReleaseLetter
from shared.contracts.topics import PARTITIONS
from shared.http.commands import Commands
from shared.pipeline.partitioner import partition_of
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

EVERY_S = 1.0
MAX_LETTERS = 500


class LetterTimers(Periodic):
    name = "ticker"

    def __init__(
        self, store: MongoStore, commands: Commands, behind_s: Callable[[int], Awaitable[float]]
    ) -> None:
        """`behind_s`: in partitions of that number; points of what became due since then may be among what is not decided
        there."""
        super().__init__(EVERY_S)
        self._store, self._commands, self._behind_s = store, commands, behind_s
        self._after: tuple[datetime, str] | None = None
        """Next time those that are due later: of a partition that stands still all may be overdue."""

    async def step(self) -> None:
        behind_s = [await self._behind_s(number) for number in range(PARTITIONS)]
        now = datetime.now(UTC)
        page = await self._overdue(now)
        for letter in page:
            if (now - letter.due).total_seconds() >= behind_s[partition_of(letter.employee_id)]:
                command = ReleaseLetter(letter_id=letter.id)
                id = event_id(0, letter.id, 1, command.TYPE)
                await self._commands.submit(
                    command, id=id, key=letter.employee_id, traceparent=letter.traceparent
                )
        self._after = (page[-1].due, page[-1].id) if len(page) == MAX_LETTERS else None

    async def _overdue(self, now: datetime) -> list[Letter]:
        overdue: dict[str, Any] = {"state": COLLECTING, "due": {"$lte": now}}
        if self._after is not None:
            due, id = self._after
            overdue["$or"] = [{"due": {"$gt": due}}, {"due": due, "_id": {"$gt": id}}]
        return await self._store.select(LETTERS, overdue, sort=[("due", 1), ("_id", 1)], limit=MAX_LETTERS)
