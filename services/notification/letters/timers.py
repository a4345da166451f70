"""Finds letters that waited long enough and says so by a command; any replica may, its id is the letter's."""

from collections.abc import Callable
from datetime import UTC, datetime

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

    def __init__(self, store: MongoStore, commands: Commands, caught_up: Callable[[], bool]) -> None:
        """While the consumer is behind nothing is due: the points may be among what it has not read yet."""
        super().__init__(EVERY_S)
        self._store, self._commands, self._caught_up = store, commands, caught_up

    async def step(self) -> None:
        if not self._caught_up():
            return
        overdue = {"state": COLLECTING, "due": {"$lte": datetime.now(UTC)}}
        for letter in await self._store.select(LETTERS, overdue, limit=MAX_LETTERS):
            command = ReleaseLetter(letter_id=letter.id)
            id = event_id(0, letter.id, 1, command.TYPE)
            await self._commands.submit(
                command, id=id, key=letter.employee_id, traceparent=letter.traceparent
            )
