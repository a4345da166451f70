"""What the pipeline asks of a database; `shared/pipeline/storage/mongo.py` is the real one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol, TypeVar

from shared.backoff import Backoff
from shared.pipeline.documents import Collection, Document
from shared.pipeline.errors import Collided
from shared.pipeline.pipeline_collections import Outgoing, Position

R = TypeVar("R")
AFTER_COLLISIONS: Final = Backoff(0.004, 0.2, spread=1.0)


class Encoded(Protocol):
    """A document as the store writes it; made inside the handler's `try`, so that its faults are the event's."""

    @property
    def size_bytes(self) -> int: ...


class Write(NamedTuple):
    collection: Collection[Document]
    id: str
    document: Encoded | None
    """None: the document goes."""
    new: bool
    """It was not there when it was loaded under its lock."""


class Advance(NamedTuple):
    """A partition's step; void (`Moved`) unless the stored position still says `expected`."""

    position: str
    expected: int
    next: int
    pending: Sequence[Outgoing]
    last_timestamp_ms: int
    last_digest: bytes


class Session(Protocol):
    """One transaction."""

    async def lock(self, names: Iterable[str]) -> None:
        """Two that lock a name collide, whether anything of that name exists or not."""

    async def find(self, collection: Collection[Document], ids: Sequence[str]) -> list[Document]: ...

    async def find_by(
        self, collection: Collection[Document], field: str, values: Sequence[str], limit: int
    ) -> list[Document]:
        """Of each value at most `limit` (0: all), lowest ids first."""

    async def find_few_by(
        self, collection: Collection[Document], field: str, values: Sequence[str], most: int
    ) -> list[Document] | None:
        """All of these values; None where they are more than `most`, which are not held."""

    async def present(self, collection: Collection[Document], field: str, values: Sequence[str]) -> list[str]:
        """Those of the values that any document has."""

    async def write(self, writes: Sequence[Write]) -> None: ...

    async def advance(self, steps: Sequence[Advance]) -> None:
        """Raises Moved when one of them does not match."""


class Store(Protocol):
    def encode(self, document: Document) -> Encoded:
        """Raises ValueError, TypeError or OverflowError on what the database can't hold."""

    def transaction(self, *, as_holder: bool = False) -> AbstractAsyncContextManager[Session]:
        """Commits where its block ends, and not at all where that raises.

        `as_holder`: one at a time, which ends when somebody else takes a position over (`take_over`). Raises Collided
        where another one came first, then the block begins anew; and Unavailable when the database is away.
        """

    async def position(self, id: str, beginning: int) -> Position:
        """The stored position (majority), made with `next = beginning` when there is none."""

    async def take_over(self, id: str, beginning: int) -> Position:
        """As `position`. What the one who had it before left open ends at once: a killed process's transaction
        keeps its locks for a minute."""

    async def set_back(self, id: str, next: int, note: str = "") -> None:
        """Has the records from `next` on decided again, as a redelivery of their own; also starts what was stopped."""

    async def stop(self, id: str, reason: str, failing_rules: str = "") -> None:
        """Notes in the position why it stands still; see `Position.failing_rules`."""

    async def start(self, id: str, note: str, accepted_rules: str = "") -> bool:
        """Has a stopped partition go on from where it stands; False when there is no such position."""


async def in_transaction(
    store: Store, work: Callable[[Session], Awaitable[R]], *, as_holder: bool = False
) -> R:
    """What `work` came to in the transaction that committed; called again after each that collided."""
    collisions = 0
    while True:
        try:
            async with store.transaction(as_holder=as_holder) as session:
                return await work(session)
        except Collided:
            collisions += 1
            await give_way(collisions)


async def give_way(collisions: int) -> None:
    """Full jitter: replicas that collided must not meet again."""
    await asyncio.sleep(AFTER_COLLISIONS.random_pause_s(collisions))
