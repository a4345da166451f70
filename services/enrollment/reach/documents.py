"""How far all completions are judged by the register as it stands."""

from typing import Final

import msgspec

from shared.pipeline.documents import Collection


class Sweep(msgspec.Struct, frozen=True):
    """One document: up to which generation of the register all completions are judged (sweep.py)."""

    id: str = msgspec.field(name="_id")
    generation: int


SWEEP: Final = "completions"
SWEEPS = Collection("sweeps", Sweep)
