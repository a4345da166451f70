"""Finds letters that waited long enough and says so by a command; any replica may, its id is the letter's."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.notification.letters.documents import COLLECTING, LETTERS
from shared.contracts.cloudevents import event_id
from shared.contracts.notification import ReleaseLetter
from shared.http.commands import Commands
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

EVERY_S = 1.0
MAX_LETTERS = 500


class LetterTimers(Periodic):
    name = "ticker"

    def __init__(self, store: MongoStore, commands: Commands, behind_s: Callable[[], float]) -> None:
        """`behind_s`: the points of what became due since then may be among what the consumer has not read yet."""
        super().__init__(EVERY_S)
        self._store, self._commands, self._behind_s = store, commands, behind_s

    async def step(self) -> None:
        if math.isinf(behind_s := self._behind_s()):
            return
        read_until = datetime.now(UTC) - timedelta(seconds=behind_s)
        overdue = {"state": COLLECTING, "due": {"$lte": read_until}}
        for letter in await self._store.select(LETTERS, overdue, limit=MAX_LETTERS):
            command = ReleaseLetter(letter_id=letter.id)
            id = event_id(0, letter.id, 1, command.TYPE)
            await self._commands.submit(
                command, id=id, key=letter.employee_id, traceparent=letter.traceparent
            )
