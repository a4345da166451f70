"""Whose mail takes which of the slots for which mails to an address wait: bodies take turns, so that the many mails about
one body's trainings don't keep back the few about another one's for days.

A slot is one mail's at any time, so the limit holds whatever is exchanged. Who comes later exchanges with the body that
has most waiting, whose own mails come out of the order in which they were written: of those that is a few.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from services.notification.letters.documents import MAILS
from shared.identity.identifiers import key
from shared.pipeline.work import DEFERRED, QUEUED

if TYPE_CHECKING:
    from shared.pipeline.storage.mongo import MongoStore

T = TypeVar("T")
MAX_LOOKED_AT: Final = 500
"""Of those that wait, the first: so that n mails to one address cost in proportion to n."""


class Waiting(NamedTuple):
    mail_id: str
    body: str
    slot_at: datetime
    movable: bool = True
    """Nobody has it in hand."""


def body_of(organizer_code: str | None, series: str | None) -> str:
    """Whose training a letter is about, by the register's code: a name is what its sender writes. Empty: about none, or
    the letter was begun before that was kept."""
    return key(organizer_code or (series or "").rpartition("/")[0])


def in_turns(items: Sequence[T], body: Callable[[T], str]) -> list[T]:
    """The first of each body, then the second of each."""
    turns = Counter[str]()
    order: list[tuple[int, int]] = []
    for place, one in enumerate(items):
        turns[body(one)] += 1
        order.append((turns[body(one)], place))
    return [items[place] for _, place in sorted(order)]


class Line:
    """Who waits for slots of one address."""

    def __init__(self, waiting: Iterable[Waiting]) -> None:
        self._by_body: dict[str, list[Waiting]] = defaultdict(list)
        for mail in waiting:
            self.joined(mail)

    def joined(self, one: Waiting) -> None:
        self._by_body[one.body].append(one)

    def behind(self, late: Waiting) -> list[Waiting]:
        """Who should come after it and does not, first those with the earliest slots: of the body with most waiting, all
        that had more turns than it has by now."""
        most = max(sorted(self._by_body), key=lambda body: len(self._by_body[body]), default=late.body)
        if most == late.body:
            return []
        turns = 1 + sum(other.slot_at < late.slot_at for other in self._by_body.get(late.body, ()))
        later = sorted(self._by_body[most], key=attrgetter("slot_at"))[turns:]
        return [other for other in later if other.movable and other.slot_at < late.slot_at]

    def moved(self, one: Waiting, slot_at: datetime) -> None:
        items = self._by_body[one.body]
        items[items.index(one)] = one._replace(slot_at=slot_at)


class Turns:
    def __init__(self, store: "MongoStore") -> None:
        self._store = store

    async def exchanged(self, address: str, late: Sequence[Waiting], now: datetime) -> list[Waiting]:
        """These mails, which are in hand, each with its own slot or with one that it got for that."""
        line, found = Line(await self._waiting(address, now)), list[Waiting]()
        for mail in late:
            own = mail
            for other in line.behind(mail):
                if await self._moved(address, other, mail.slot_at):
                    line.moved(other, mail.slot_at)
                    own = mail._replace(slot_at=other.slot_at)
                    break
            line.joined(own._replace(movable=False))
            found.append(own)
        return found

    async def due(self, limit: int) -> list[str]:
        """Mails that could go out now, the first due of each body, then the second of each."""
        stages: list[dict[str, Any]] = [
            {"$match": {"state": {"$in": [QUEUED, DEFERRED]}, "$expr": {"$lte": ["$due", "$$NOW"]}}},
            {"$sort": {"due": 1}},
            {
                "$group": {
                    "_id": {"code": "$letter.organizer_code", "series": "$letter.series"},
                    "mails": {"$firstN": {"n": limit, "input": {"id": "$_id", "due": "$due"}}},
                }
            },
        ]
        found = [
            (mail["due"], mail["id"], body_of(document["_id"].get("code"), document["_id"].get("series")))
            for document in await self._store.aggregate(MAILS, stages)
            for mail in document["mails"]
        ]
        return [id for _, id, _ in in_turns(sorted(found), itemgetter(2))][:limit]

    async def _waiting(self, address: str, now: datetime) -> list[Waiting]:
        stages: list[dict[str, Any]] = [
            {"$match": {"slot": address, "slot_at": {"$gt": now}, "state": DEFERRED}},
            {"$sort": {"slot_at": 1}},
            {"$limit": MAX_LOOKED_AT},
            {"$project": {"slot_at": 1, "code": "$letter.organizer_code", "series": "$letter.series"}},
        ]
        return [
            Waiting(
                document["_id"], body_of(document.get("code"), document.get("series")), document["slot_at"]
            )
            for document in await self._store.aggregate(MAILS, stages)
        ]

    async def _moved(self, address: str, one: Waiting, slot_at: datetime) -> bool:
        """False: a mailer has it in hand, or another one was faster. When it is due it finds that its slot is later."""
        held = {"state": DEFERRED, "slot": address, "slot_at": one.slot_at}
        return await self._store.change(MAILS, one.mail_id, held, {"slot_at": slot_at})
