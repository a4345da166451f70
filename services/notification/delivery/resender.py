"""Carries out operators' orders to send mails again: puts those that ended without going out back into the queue.

An order is looked at once, soon after it was given. What is on its way by then, or went out, stays as it is: so a mail
goes out once, whoever ordered it how often.
"""

from typing import TYPE_CHECKING, Final

from services.notification.delivery.documents import MAIL_ORDERS, RESENDABLE, MailOrder
from services.notification.letters.documents import MAILS
from shared.pipeline.work import QUEUED, Note, WorkQueue
from shared.workers.periodic import Periodic

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.pipeline.storage.mongo import MongoStore

EVERY_S: Final = 1.0
AT_A_TIME: Final = 200
DONE, VOID = "done", "void"


class Resender(Periodic):
    name = "resender"

    def __init__(self, store: "MongoStore", wake: "Callable[[], None]", lease_s: float = 60.0) -> None:
        """`wake`: the mailers have something to do."""
        super().__init__(EVERY_S)
        self._store, self._wake = store, wake
        self._queue = WorkQueue(store, MAIL_ORDERS, lease_s)

    async def step(self) -> float | None:
        orders = await self._queue.lease(AT_A_TIME)
        notes = []
        for order in orders:
            done = await self._put_back(order)
            why = "" if done else "the mail was on its way, or had gone out"
            notes.append(Note(order.id, order.lease, DONE if done else VOID, {"reason": why}))
        await self._queue.finish_many(notes)
        if orders:
            self._wake()
        return 0.01 if len(orders) == AT_A_TIME else None

    async def _put_back(self, order: MailOrder) -> bool:
        """Once, also if this process dies before it is noted."""
        ended = {"state": {"$in": list(RESENDABLE)}, "order": {"$not": {"$gte": order.number}}}
        anew = {
            "state": QUEUED,
            "order": order.number,
            "attempts": 0,
            "repeated": 0,
            "reason": "an operator has it sent again",
        }
        if await self._store.change(MAILS, order.letter_id, ended, anew):
            return True
        mail = await self._store.read(MAILS, order.letter_id)
        return mail is not None and mail.order == order.number
