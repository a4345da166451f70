"""Whose a number is that somebody signs in with, for a service that knows people by enrollment's events."""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Numbered(Protocol):
    @property
    def employee_numbers(self) -> list[str]: ...


P = TypeVar("P", bound=Numbered)


def own_of(found: Sequence[P]) -> P | None:
    """Of those that have the number, the one with the fewest others. There are two only until both sides of a merge or a
    separation have been heard of, and the number's own record shows nothing that is another's."""
    return min(found, key=lambda one: len(one.employee_numbers), default=None)
