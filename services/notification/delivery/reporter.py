"""Tells the log what became of mails, so that a database restored from a backup hears of them again.

Nothing else knows that a mail went out: it leaves no event, and a mail server does not remember. Who dies between the
outcome and the telling leaves a mail without a note: `UnreportedDeliveries` finds it, of any mailer.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from services.notification.letters.documents import MAIL_NOTES, MAILS
from shared.contracts.cloudevents import event_id
from shared.contracts.notification import NoteMail
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.errors import Unavailable
from shared.pipeline.work import Note
from shared.workers.periodic import Periodic

if TYPE_CHECKING:
    from shared.pipeline.storage.mongo import MongoStore

FINAL: Final = ("sent", "bounced")
GATHER_S: Final = 0.05
AGAIN_S: Final = 1.0
AT_A_TIME: Final = 200
LAST_WORDS_S: Final = 5.0
LOOK_EVERY_S: Final = 300.0
BEHIND_S: Final = 2.0
"""While the consumer is behind, notes may be among what it has not read."""
PAGE: Final = 1000
LATELY: Final = timedelta(days=4)
"""A mail is tried no longer than about three days: what ended lately was due no earlier."""
log = logging.getLogger(__name__)


class Told(NamedTuple):
    """What became of a mail."""

    id: str
    state: str
    order: int = 0


class DeliveryReporter:
    """One a mailer."""

    def __init__(self, commands: Commands, epoch: int) -> None:
        self._commands, self._epoch = commands, epoch
        self._some = asyncio.Event()
        self._untold: list[Told] = []

    def add(self, notes: Sequence[Note]) -> None:
        """Outcomes as they were written."""
        self.tell(
            [
                Told(note.id, note.state, cast("int", note.set.get("order", 0)))
                for note in notes
                if note.state in FINAL
            ]
        )

    def tell(self, ended: Sequence[Told]) -> None:
        self._untold += ended
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

    async def _submit(self, told: Told) -> None:
        state = cast("Literal['sent', 'bounced']", told.state)
        command = NoteMail(letter_id=told.id, state=state, epoch=self._epoch, order=told.order)
        id = event_id(self._epoch, told.id, told.order + 1, command.TYPE)
        await self._commands.submit(command, id=id, key=told.id, traceparent=root_traceparent(id))


class UnreportedDeliveries(Periodic):
    """Looks at all mails that ended once, when it starts; then at those that ended since it looked last."""

    name = "untold"

    def __init__(
        self, store: "MongoStore", reporter: DeliveryReporter, behind_s: Callable[[], Awaitable[float]]
    ) -> None:
        """`behind_s`: what is told of mails that ended since then may be among what the group has not decided yet."""
        super().__init__(LOOK_EVERY_S)
        self._store, self._reporter, self._behind_s = store, reporter, behind_s
        self._looked_at: datetime | None = None

    async def step(self) -> float | None:
        if math.isinf(behind_s := await self._behind_s()):
            return BEHIND_S
        read_until = datetime.now(UTC) - timedelta(seconds=behind_s)
        found = 0
        async for ended in self._ended(read_until):
            untold = await self._without_note(ended)
            self._reporter.tell(untold)
            found += len(untold)
        if found:
            log.warning("%d mails had ended and were not in the log: told now", found)
        # Once more next time: what ended just now may be on its way into the log, or its mailer about to die.
        self._looked_at = read_until - timedelta(seconds=LOOK_EVERY_S)
        return None

    async def _ended(self, read_until: datetime) -> AsyncIterator[list[Told]]:
        not_later = {"$not": {"$gt": read_until}}
        wanted: dict[str, Any] = {
            "state": {"$in": list(FINAL)},
            "sent_at": not_later,
            "ended_at": not_later,
        }
        if self._looked_at is not None:
            lately = {"$gte": self._looked_at}
            wanted |= {
                "due": {"$gte": self._looked_at - LATELY},
                "$or": [{"sent_at": lately}, {"ended_at": lately}],
            }
        after = ""
        while True:
            page = await self._store.aggregate(MAILS, [
                {"$match": {"_id": {"$gt": after}, **wanted}},
                {"$sort": {"_id": 1}},
                {"$limit": PAGE},
                {"$project": {"state": 1, "order": 1}},
            ])  # fmt: skip
            if page:
                yield [
                    Told(document["_id"], document["state"], document.get("order", 0)) for document in page
                ]
            if len(page) < PAGE:
                return
            after = page[-1]["_id"]

    async def _without_note(self, ended: Sequence[Told]) -> list[Told]:
        notes = await self._store.select(MAIL_NOTES, {"_id": {"$in": [mail.id for mail in ended]}})
        told = {note.id: note.order for note in notes}
        return [mail for mail in ended if told.get(mail.id, -1) < mail.order]
