"""Given what happened, when something happens, then: a service's handlers on documents alone, without a store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from shared.contracts.payload import Payload
from shared.pipeline.documents import Collection, Doc, Docs, Document, Load, Need, State
from shared.pipeline.handlers import Service
from shared.pipeline.outcome import Due, Outcome, Put
from shared.pipeline.records import Received, RecordMetadata

T = TypeVar("T")
D = TypeVar("D", bound=Document)
NINE = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)
"""09:00 in Bandung."""


class Given(Generic[T]):
    """Each payload arrives a second after the one before it, as event `1`, `2` and so on, unless told."""

    def __init__(self, service: Service[T], *history: Payload) -> None:
        self.service, self.arrived, self.now = service, 0, NINE
        self.stored: dict[tuple[Collection[Any], str], Document] = {}
        self.facts: list[Payload] = []
        for payload in history:
            self.when(payload)

    def when(
        self,
        payload: Payload,
        *,
        id: str | None = None,
        sender: str = "dinas-contoh",
        time: datetime | None = None,
        after_s: float = 1,
    ) -> Outcome:
        """Decides, and keeps what follows; raises what the handler raises, and then nothing has changed."""
        self.arrived += 1
        self.now += timedelta(seconds=after_s)
        event = Received(
            data=payload, id=id or str(self.arrived), type=payload.TYPE, time=time or self.now, sender=sender,
            now=self.now, traceparent=None, at=RecordMetadata("topic", 0, self.arrived), arrived=self.now,
        )  # fmt: skip
        handler = self.service.handlers[type(payload)]
        state, needs = State(), list[Need]()
        for need in handler.needs(event, state, self.service.terms):
            if isinstance(need, Load):
                self._load(state, needs)
                needs = []
            else:
                needs.append(need)
        self._load(state, needs)
        outcome = handler.decide(event, state, self.service.terms)
        if (left := outcome.stale) is not None:
            assert self.service.recalculate is not None
            due = Due(state.get(left.collection, left.document.id), left.document, event)
            recalculation = self.service.recalculate([due], state, self.service.terms)
            facts = [fact for fact, _ in recalculation.facts]
            outcome = replace(outcome, changes=recalculation.changes, facts=facts, stale=None)
        for change in outcome.changes:
            if isinstance(change, Put):
                self.stored[change.collection, change.document.id] = change.document
            else:
                del self.stored[change.collection, change.id]
        self.facts = [fact.payload for fact in outcome.facts]
        return outcome

    def all(self, collection: Collection[D]) -> list[D]:
        return [
            self.stored[key] for key in sorted(self.stored, key=lambda key: key[1]) if key[0] is collection
        ]  # type: ignore[misc]

    def one(self, collection: Collection[D]) -> D:
        (document,) = self.all(collection)
        return document

    def kinds(self) -> list[str]:
        """Names of the facts that the last decision published."""
        return [type(fact).__name__ for fact in self.facts]

    def _load(self, state: State, needs: Sequence[Need]) -> None:
        found = [
            (collection, document)
            for (collection, id), document in self.stored.items()
            for need in needs
            if (isinstance(need, Doc) and (need.collection, need.id) == (collection, id))
            or (
                isinstance(need, Docs)
                and need.collection is collection
                and getattr(document, need.field) == need.value
            )
        ]
        state.loaded(needs, found)
