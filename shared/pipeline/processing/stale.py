"""Documents that records of a batch changed, and what follows from them is still to be worked out."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from shared.contracts.payload import Payload
from shared.pipeline.documents import Collection, Document, Key, State
from shared.pipeline.handlers import Recalculated
from shared.pipeline.outcome import Due, Stale
from shared.pipeline.partitioner import TopicPartition
from shared.pipeline.processing.messages import Message
from shared.pipeline.records import Received


class Left(NamedTuple):
    """A document by what it was before, the last event that changed it, and the place of that one's outcome."""

    collection: Collection[Document]
    before: Document | None
    event: Received[Payload]
    outcome: int
    taking: TopicPartition
    """In whose position what follows from it is pending."""


class StaleDocuments:
    def __init__(self, state: State) -> None:
        self._state = state
        self._by_aggregate: dict[str, dict[str, Left]] = {}
        """Then by id, in the order of the last change."""
        self._keys: set[Key] = set()
        self.weight = 0
        """About how many documents are to be recounted."""

    def leave(self, stale: Stale, event: Received[Payload], outcome: int, taking: TopicPartition) -> None:
        """Later records of the batch see the document as it is now."""
        aggregate, collection, document, weight = stale
        if aggregate not in self._by_aggregate:
            self.weight += weight
        left = self._by_aggregate.setdefault(aggregate, {})
        known = left.pop(document.id, None)
        before = self._state.get(collection, document.id) if known is None else known.before
        left[document.id] = Left(collection, before, event, outcome, taking)
        self._keys.add((collection, document.id))
        self._state.apply(collection, document.id, document)

    def are_asked_for(self, message: Message[Any]) -> bool:
        """Whether they must be recalculated before it is decided."""
        if message.handler is None or not self._keys or message.handler.recalculated is Recalculated.NOTHING:
            return False
        return message.handler.recalculated is Recalculated.ALL or not self._keys.isdisjoint(message.rests_on)

    def take(self) -> list[dict[str, Left]]:
        """Those of one aggregate together; they are the caller's now."""
        left = list(self._by_aggregate.values())
        self._by_aggregate, self.weight = {}, 0
        self._keys.clear()
        return left

    def due(self, left: dict[str, Left]) -> Sequence[Due[Any]]:
        # Not Due[Any](...): a call by way of the alias costs several times as much.
        return [
            Due(one.before, cast("Any", self._state.get(one.collection, id)), one.event)
            for id, one in left.items()
        ]
