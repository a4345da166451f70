"""Epochs: a database that was put back from a backup counts on where nobody has counted before.

What a service published after the backup stays published, and its readers take the highest version. So each
version that a restored service gives out lies above all that the lost database may have given out.
"""

from functools import cache
from typing import NamedTuple

import msgspec

from shared.contracts.payload import Payload
from shared.pipeline.documents import Collection

VERSIONS = 2**32
"""Of one document in one epoch."""
MAX_EPOCH = 2**20
"""Versions stay below 2**53, beyond which JSON readers round."""


def next_version(version: int, epoch: int) -> int:
    """After `version`, and after all of the epochs before: epoch 0 counts 1, 2, 3; epoch 1 from 2**32 + 1."""
    return max(version, epoch * VERSIONS) + 1


def epoch_of(version: int) -> int:
    return version // VERSIONS


MAX_VERSION = (MAX_EPOCH + 1) * VERSIONS - 1


@cache
def _said(payload: type[Payload]) -> tuple[list[str], bool]:
    """The names of its versions, and whether it has those of completions: looked up once, as it is asked of all."""
    names = payload.model_fields
    return [name for name in ("version", "completion_version") if name in names], "completions" in names


def fault_of_version(payload: Payload) -> str | None:
    """Why no service can have given this version out; None if one can. The highest version stands, so that one from
    beyond all epochs would stand for good."""
    names, listed = _said(type(payload))
    versions = [(name, getattr(payload, name)) for name in names]
    if listed:
        versions += [("version", completion.version) for completion in getattr(payload, "completions", ())]
    for name, version in versions:
        if version > MAX_VERSION:
            return f"its {name} lies beyond those of any epoch: no service of this installation wrote it"
    return None


class End(NamedTuple):
    position: str
    """Id of the position document."""
    next: int


class Epoch(msgspec.Struct, frozen=True):
    """The one that the database is in; one document, written when an epoch begins."""

    id: str = msgspec.field(name="_id")
    epoch: int
    ends: list[End] = []
    """Where the logs ended when it began, as far as the service has not come there yet. Until then it decides
    anew what it had decided once, and its workers begin nothing."""


EPOCHS = Collection("epochs", Epoch)
CURRENT = "epoch"
