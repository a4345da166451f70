"""What a service is to the pipeline: its table of handlers, its collections, its topics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.payload import Payload
from shared.contracts.topics import COMMANDS
from shared.pipeline.documents import Collection, Document, Needs, State
from shared.pipeline.outcome import Due, Outcome, Recalculation
from shared.pipeline.records import Headers, Received
from shared.pipeline.store import Store, Write

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
P = TypeVar("P", bound=Payload)


class Recalculated(Enum):
    """What earlier records of a batch left stale, and must be recalculated before a handler decides."""

    ALL = auto()
    LOOKED_AT = auto()
    """Documents that its needs look at."""
    NOTHING = auto()


class Handler(NamedTuple, Generic[T_contra]):
    """`needs` names what the decision may rest on; `decide` is pure: event, loaded state, terms -> outcome."""

    needs: Callable[[Received[Payload], State, T_contra], Needs]
    decide: Callable[[Received[Payload], State, T_contra], Outcome]
    recalculated: Recalculated = Recalculated.ALL


def handler(
    needs: Callable[[Received[P], State, T], Needs],
    decide: Callable[[Received[P], State, T], Outcome],
    *,
    recalculated: Recalculated = Recalculated.ALL,
) -> Handler[T]:
    """A row of the table: both functions take the same event. The table pairs them with its class."""
    return cast("Handler[T]", Handler(needs, decide, recalculated))  # type: ignore[arg-type]


Recalculate = Callable[[Sequence[Due[Any]], State, T], Recalculation]
"""What follows from changed documents of one aggregate, however many records changed them. Pure, as `decide` is."""


class Published(NamedTuple):
    """One of the service's own events, as the log holds it."""

    value: bytes | None
    headers: Headers


class Restore(Protocol):
    """Takes over, after a restore, what the service had given out since the backup (restore/restoring.py)."""

    async def adopt(self, page: Sequence[Published], store: Store) -> int:
        """How many of the page it took; in any order, and again after a crash."""

    async def finish(self, store: Store) -> Sequence[Write]:
        """What is written together with the epoch: once."""


@dataclass(frozen=True)
class Service(Generic[T]):
    name: str
    terms: T
    """Rules, secrets and addresses that decisions use: all that is neither event nor state."""
    handlers: Mapping[type[Payload], Handler[T]]
    collections: tuple[Collection[Document], ...]
    sources: tuple[str, ...]
    """Topics that it reads, besides its own commands; without the prefix."""
    events_topic: str = ""
    """Where its facts go; empty when it publishes none."""
    topic_prefix: str = ""
    epoch: int = 0
    """Raised by one when the database was restored from a backup; part of every id and version from then on."""
    restore: Restore | None = None
    rules: str = "1"
    """Version of handlers and rules, noted in decisions and dead letters."""
    recalculate: Recalculate[T] | None = None
    """Where outcomes of its handlers leave something `stale`."""

    @property
    def group(self) -> str:
        """Under which Kafka knows its members."""
        return self.topic_prefix + self.name

    @property
    def commands_topic(self) -> str:
        return self.topic_prefix + COMMANDS.format(service=self.name)

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics that it reads, its own commands last."""
        return (*(self.topic_prefix + source for source in self.sources), self.commands_topic)

    def topic_of(self, payload: type[Payload]) -> str:
        declared = EVENT_TYPES[payload]
        if declared in (COMMANDS, COMMANDS.format(service=self.name)):
            return self.commands_topic
        if declared != self.events_topic:
            raise ValueError(f"{self.name} may not publish {payload.TYPE}: it belongs to {declared}")
        return self.topic_prefix + declared
