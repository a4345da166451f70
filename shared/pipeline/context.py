"""What a decision goes by besides its event, as one value: a handler makes it once and hands it to what it calls."""

from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from shared.pipeline.documents import State
from shared.pipeline.records import Received

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Context(NamedTuple, Generic[T_co]):
    """For what needs more than one of its parts. Terms of a service do where those of one of its rooms are asked for."""

    state: State
    """What was loaded, as earlier records of the batch left it."""
    terms: T_co
    """Rules, secrets and addresses."""
    now: datetime
    """Of the event that is decided, in UTC."""
    traceparent: str | None
    """Of the trace that it belongs to."""

    @staticmethod
    def of(event: Received[Any], state: State, terms: T) -> "Context[T]":
        """By the three that a handler is given."""
        return Context(state, terms, event.now, event.traceparent)
