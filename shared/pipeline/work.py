"""Leases for work outside the pipeline's transaction: mails, PDFs.

The consumer inserts an item and never touches it again; workers alone write its state, here, at once and
with majority. All times are the server's, so that workers with wrong clocks agree. An item is a document with

    state        queued | deferred (both wait for `due`), a state under a lease, or one that is final
    due          not before this moment
    lease        token of the worker that holds it, "" if none does
    lease_until  after it, another worker may take the item over
    attempts, reason, and what else the kind of work notes
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from shared.pipeline.documents import Collection, Document

QUEUED: Final = "queued"
DEFERRED: Final = "deferred"
LEASED: Final = "leased"


Counts = Mapping[str, Mapping[str, object]]
"""Name -> filter of a collection: how much of the work that is not done is in which state."""


Counting = Callable[[], Awaitable[Mapping[str, int]]]
"""The same, of work that is in no collection of its own."""


def by_state(*states: str) -> dict[str, Mapping[str, object]]:
    return {state: {"state": state} for state in states}


class Item(Document, Protocol):
    @property
    def lease(self) -> str: ...


D = TypeVar("D", bound=Item)


class Note(NamedTuple):
    """What a worker writes about an item that it holds; void if it holds it no longer."""

    id: str
    lease: str
    state: str
    set: Mapping[str, object] = {}
    add: Mapping[str, int] = {}
    stamp: Sequence[str] = ()
    """Fields that take the server's time."""
    delay_s: float | None = None
    """`due` becomes so much later than now; None leaves it."""


class Claim(NamedTuple):
    """What a worker asks for: due items in a state of `ready`, those of `abandoned` whose lease is over."""

    token: str
    lease_s: float
    limit: int
    ready: Sequence[str]
    abandoned: Sequence[str]
    becomes: str
    among: Sequence[str] = ()
    """Ids; empty: any."""


class WorkStore(Protocol):
    """`shared.pipeline.storage.mongo.MongoStore` is the real one."""

    async def lease_items(self, collection: Collection[D], claim: Claim) -> list[D]:
        """The claimed items, oldest `due` first; three round trips, whatever their number."""

    async def hold_items(
        self, collection: Collection[D], ids: Sequence[str], token: str, state: str, lease_s: float
    ) -> list[str]:
        """Of the items with this token the ids, now in `state` and held for `lease_s` from now."""

    async def note_items(self, collection: Collection[Document], notes: Sequence[Note]) -> int:
        """Writes the notes and ends their leases; how many of them still had theirs."""


class WorkQueue(Generic[D]):
    """One worker's view of a collection of work. Raises Unavailable when the database is away."""

    def __init__(self, store: WorkStore, collection: Collection[D], lease_s: float) -> None:
        self.collection, self.lease_s = collection, lease_s
        self._store = store

    async def lease(self, limit: int, among: Sequence[str] = ()) -> list[D]:
        """Due items, and those whose worker is gone without having begun what can't be undone.

        Fewer than `limit`, even none, also when another worker was faster.
        """
        return await self._claim(limit, (QUEUED, DEFERRED), (LEASED,), LEASED, among)

    async def lease_abandoned(self, limit: int, states: Sequence[str], becomes: str) -> list[D]:
        """Items left in one of `states` by a worker whose lease is over; they come in state `becomes`."""
        return await self._claim(limit, (), states, becomes)

    async def hold(self, items: Sequence[D], state: str) -> list[D]:
        """Moves leased items on to another state under the lease, which starts anew; those still held."""
        if not items:
            return []
        held = set[str]()
        for token in {item.lease for item in items}:
            ids = [item.id for item in items if item.lease == token]
            held.update(await self._store.hold_items(self.collection, ids, token, state, self.lease_s))
        return [item for item in items if item.id in held]

    async def renew(self, items: Sequence[D]) -> list[D]:
        """For work that takes longer than a lease; those still held."""
        return await self.hold(items, LEASED)

    async def finish(self, id: str, token: str, state: str, **fields: object) -> bool:
        """False: the lease was over and another worker has the item; nothing was written."""
        return await self.finish_many([Note(id, token, state, fields)]) == 1

    async def finish_many(self, notes: Sequence[Note]) -> int:
        """How many were still held; one bulk write. Notes of items lost to another worker are void."""
        return await self._store.note_items(self.collection, notes) if notes else 0

    async def defer(self, id: str, token: str, reason: str, delay_s: float) -> bool:
        """Due again in `delay_s`; counted as an attempt. False as for `finish`."""
        return await self.finish_many([deferral(id, token, reason, delay_s)]) == 1

    async def release(self, items: Sequence[D], reason: str = "") -> int:
        """Gives back what was not begun, for anybody to take at once; not counted as an attempt."""
        fields = {"reason": reason} if reason else {}
        return await self.finish_many([Note(item.id, item.lease, QUEUED, fields) for item in items])

    async def _claim(
        self,
        limit: int,
        ready: Sequence[str],
        abandoned: Sequence[str],
        becomes: str,
        among: Sequence[str] = (),
    ) -> list[D]:
        # A token of its own for each claim: a late note of an earlier claim by the same worker is void too.
        claim = Claim(secrets.token_hex(16), self.lease_s, limit, ready, abandoned, becomes, among)
        return await self._store.lease_items(self.collection, claim)


def deferral(id: str, token: str, reason: str, delay_s: float, **add: int) -> Note:
    return Note(id, token, DEFERRED, {"reason": reason}, {"attempts": 1, **add}, delay_s=delay_s)
