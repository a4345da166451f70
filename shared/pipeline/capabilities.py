"""A service is a list of capabilities: each brings its handlers and its collections, and nobody else's."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.contracts.payload import Payload
from shared.pipeline.documents import Collection, Document
from shared.pipeline.handlers import Handler

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Capability(Generic[T_contra]):
    name: str
    handlers: Mapping[type[Payload], Handler[T_contra]]
    collections: tuple[Collection[Document], ...]


def handlers_of(*capabilities: Capability[T]) -> dict[type[Payload], Handler[T]]:
    """All of them; raises ValueError when two react to one type."""
    _refuse_twice(
        "the event type",
        ((payload.TYPE, capability) for capability in capabilities for payload in capability.handlers),
    )
    return {
        payload: handler for capability in capabilities for payload, handler in capability.handlers.items()
    }


def collections_of(*capabilities: Capability[Any]) -> tuple[Collection[Document], ...]:
    """All of them; raises ValueError when two have one of the same name."""
    _refuse_twice(
        "the collection",
        (
            (collection.name, capability)
            for capability in capabilities
            for collection in capability.collections
        ),
    )
    return tuple(collection for capability in capabilities for collection in capability.collections)


def _refuse_twice(what: str, claims: Iterable[tuple[str, Capability[Any]]]) -> None:
    owners: dict[str, str] = {}
    for name, capability in claims:
        if (owner := owners.setdefault(name, capability.name)) != capability.name:
            raise ValueError(
                f"{what} {name} belongs to {owner} and to {capability.name}: leave it to one of them"
            )
