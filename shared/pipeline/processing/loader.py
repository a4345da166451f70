"""What the records of a unit of work may rest on: asked of their `needs`, locked and loaded in a few rounds for all."""

import sys
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from shared.pipeline.documents import (
    Collection,
    Doc,
    Docs,
    Document,
    Load,
    Lock,
    Need,
    Needs,
    State,
    weight_of,
)
from shared.pipeline.limits import Limits
from shared.pipeline.pipeline_collections import WAITING
from shared.pipeline.processing.messages import Decoder, Message
from shared.pipeline.processing.pace import Pace
from shared.pipeline.store import Session

T = TypeVar("T")
Asked = dict[Need, int]
"""Needs in the order in which they were asked for, each with the place of the first record that asked."""

SETS_AT_ONCE = 100
# Sets that have no more documents on average are small: all others of the unit of work are loaded by one call, as long as
# it finds no more documents than that.
FEW = 5
MAX_AT_ONCE = 5_000
# Records that are asked again together with one that has to load something.
ASKED_WITH_ONE = 50


class Loader(Generic[T]):
    """One unit of work's questions and loads."""

    def __init__(
        self, decoder: Decoder[T], session: Session, state: State, pace: Pace, limits: Limits
    ) -> None:
        self.decoder, self.service, self.session = decoder, decoder.service, session
        self.state, self.pace, self.limits = state, pace, limits
        self._in_sets = 0

    async def load_needs(self, messages: Sequence[Message[T]], *, bounded: bool = False) -> int:
        """Locks and loads what the items' `needs` name: one round of bulk calls for each LOAD among them.

        For how many of the items, from the first on: `bounded`, those are left that would ask for too much.
        """
        running: list[tuple[int, Message[T], Needs]] = []
        needs: Asked = {}
        through, surplus = len(messages), 0
        for n, message in enumerate(messages):
            if bounded and surplus >= self.limits.most_asked:
                through = n
                break
            if message.event is not None and message.fault is None:
                before, keys = len(needs), self._needs_of(message)
                if self._ask(n, message, keys, needs):
                    running.append((n, message, keys))
                weights = sum(weight_of(need) for need in islice(reversed(needs), len(needs) - before))
                surplus += max(0, weights - self.limits.usually_asked)
            await self.pace.give_way()
        while needs:
            left = await self.load(needs, self.limits.most_in_sets if bounded else sys.maxsize)
            through = min([through, *(needs[need] for need in left)])
            running += self._waiters(needs)
            needs, asking, running = {}, running, []
            for n, message, keys in asking:
                if n < through and self._ask(n, message, keys, needs):
                    running.append((n, message, keys))
                await self.pace.give_way()
        return through

    def _waiters(self, needs: Asked) -> list[tuple[int, Message[T], Needs]]:
        """What waits for something that one of the records may bring is decided with it: its needs come along."""
        found = []
        for need, n in needs.items():
            if isinstance(need, Docs) and need.collection is WAITING and need in self.state.met:
                for waiting in self.state.all(WAITING, "lacks", need.value):
                    waiter = self.decoder.read(waiting.record(), waiting)
                    if waiter.fault is None:
                        found.append((n, waiter, self._needs_of(waiter)))
        return found

    async def again(self, message: Message[T], ahead: deque[Message[T]]) -> None:
        """Asks an item anew whose needs rest on what an earlier record of the batch changed since they were asked.

        It alone, as long as all is there: asked with all others at every change, 1,000 contents of one completion took
        minutes. `ahead`: those that come next; where something has to be loaded, they come along.
        """
        if not self._overtaken(message):
            return
        needs: Asked = {}
        self._ask(0, message, self._needs_of(message), needs)
        if needs and message.fault is None:
            others = [other for other in islice(ahead, ASKED_WITH_ONE) if self._overtaken(other)]
            await self.load_needs([message, *others])

    async def meet(self, needs: Iterable[Need]) -> None:
        """Loads those that are not there yet."""
        await self.load({need: 0 for need in needs if need not in self.state.met})

    def _needs_of(self, message: Message[T]) -> Needs:
        assert message.event is not None
        assert message.handler is not None
        message.rests_on, message.asked_at = [], self.state.changes
        return message.handler.needs(message.event, self.state, self.service.terms)

    def _ask(self, n: int, message: Message[T], keys: Needs, needs: Asked) -> bool:
        """Adds what the item lacks, up to the next LOAD that has to wait for it; False when it is through."""
        wanting = False
        self.state.looked_at = message.rests_on
        try:
            for need in keys:
                if isinstance(need, Load):
                    if wanting:
                        return True
                elif need not in self.state.met:
                    needs.setdefault(need, n)
                    wanting = True
        except Exception as error:  # noqa: BLE001 - a fault of this event, not of the batch
            message.fault = error
        finally:
            self.state.looked_at = None
        return False

    def _overtaken(self, message: Message[T]) -> bool:
        changed_at = self.state.changed_at
        return any(changed_at.get(key, 0) > message.asked_at for key in message.rests_on)

    async def load(self, needs: Asked, most: int = sys.maxsize) -> list[Need]:
        """Locks, documents and sets; the sets that are left once all have `most` documents: never those
        of its first record, which would wait for ever."""
        locks = [need.name for need in needs if isinstance(need, Lock)]
        docs: dict[Collection[Document], list[str]] = {}
        sets: dict[tuple[Collection[Document], str, int], list[Docs]] = {}
        for need in needs:
            if isinstance(need, Doc):
                docs.setdefault(need.collection, []).append(need.id)
            elif isinstance(need, Docs):
                sets.setdefault((need.collection, need.field, need.limit), []).append(need)
        if locks:
            await self.session.lock(locks)
        found: list[tuple[Collection[Document], Document]] = []
        for collection, ids in docs.items():
            found += [(collection, document) for document in await self.session.find(collection, ids)]
        left: list[Need] = []
        for of_collection in sets.values():
            left += await self._load_sets(of_collection, needs, most, found)
        unmet = set(left)
        self.state.loaded([need for need in needs if need not in unmet], found)
        return left

    async def _load_sets(
        self, sets: list[Docs], needs: Asked, most: int, found: list[tuple[Collection[Document], Document]]
    ) -> list[Docs]:
        """All of one collection and field; see `load` for what it leaves."""
        collection, field, _, limit = sets[0]
        usual = at_once = max(1, SETS_AT_ONCE // collection.weight)
        if limit:  # pages: rare, and most values have nothing
            there = set(await self.session.present(collection, field, [need.value for need in sets]))
            sets, usual, at_once = [need for need in sets if need.value in there], 1, 1
        at, are_small = 0, not limit
        while at < len(sets):
            if self._in_sets >= most and needs[sets[at]] > 0:
                return sets[at:]
            values = [need.value for need in sets[at : at + at_once]]
            if at_once > usual:
                small = await self.session.find_few_by(
                    collection, field, values, MAX_AT_ONCE // collection.weight
                )
                if small is None:
                    at_once, are_small = usual, False
                    continue
                documents = small
            else:
                documents = await self.session.find_by(collection, field, values, limit)
                are_small = are_small and len(documents) <= FEW * at_once
            self._in_sets += len(documents) * collection.weight
            found += [(collection, document) for document in documents]
            at += at_once
            if are_small:  # then the others are too, most likely: a call for all of them
                at_once = max(usual, len(sets) - at)
            await self.pace.give_way()
        return []
