"""Tells the log what became of mails, so that a database restored from a backup hears of them again.

Nothing else knows that a mail went out: it leaves no event, and a mail server does not remember.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final, Literal, cast

from shared.contracts.cloudevents import event_id
from shared.contracts.notification import NoteMail
from shared.http.commands import Commands
from shared.pipeline.errors import Unavailable
from shared.pipeline.work import Note
from shared.telemetry import root_traceparent

FINAL: Final = ("sent", "bounced")
GATHER_S: Final = 0.05
AGAIN_S: Final = 1.0
AT_A_TIME: Final = 200
LAST_WORDS_S: Final = 5.0
log = logging.getLogger(__name__)


class Teller:
    """One a mailer. What it has not told yet when its process dies is told by nobody."""

    def __init__(self, commands: Commands, epoch: int) -> None:
        self._commands, self._epoch = commands, epoch
        self._some = asyncio.Event()
        self._untold: list[Note] = []

    def add(self, notes: Sequence[Note]) -> None:
        """Outcomes as they were written."""
        self._untold += [note for note in notes if note.state in FINAL]
        if self._untold:
            self._some.set()

    async def run(self) -> None:
        """Until it is cancelled. While Kafka is away they wait here."""
        while True:
            await self._some.wait()
            self._some.clear()
            try:
                await self._tell()
            except Unavailable as error:
                log.warning("%d outcomes of mails are not in the log yet: %s", len(self._untold), error)
                self._some.set()
                await asyncio.sleep(AGAIN_S)
            await asyncio.sleep(GATHER_S)

    async def end(self) -> None:
        """Tells what is left, if Kafka takes it at once."""
        with contextlib.suppress(Unavailable, TimeoutError):
            await asyncio.wait_for(self._tell(), LAST_WORDS_S)

    async def _tell(self) -> None:
        while self._untold:
            notes = self._untold[:AT_A_TIME]
            await asyncio.gather(*(self._submit(note) for note in notes))
            del self._untold[: len(notes)]

    async def _submit(self, note: Note) -> None:
        state = cast("Literal['sent', 'bounced']", note.state)
        command = NoteMail(letter_id=note.id, state=state, epoch=self._epoch)
        id = event_id(self._epoch, note.id, 1, command.TYPE)
        await self._commands.submit(command, id=id, key=note.id, traceparent=root_traceparent(id))
