"""The register's documents. An agency is what was said about it, in the order in which it arrived.

Nothing is ever changed in a statement or taken out. What holds now, or held when another record arrived, is a fold over
the statements (timeline.py), so it comes out the same in whatever order they were decided.
"""

from datetime import datetime
from typing import Final

import msgspec

from shared.pipeline.documents import Collection

ADDED, CHANGED, SUSPENDED, RESUMED = "added", "changed", "suspended", "resumed"
DISTRUSTED, TRUSTED, SUCCEEDED = "distrusted", "trusted", "succeeded"


class Arrival(msgspec.Struct, frozen=True, order=True):
    """When a record came, and before or after which others: the same whenever it is decided, and after a restore."""

    at: datetime
    """The log's own time (LogAppendTime)."""
    topic: str
    partition: int
    offset: int


class Binding(msgspec.Struct, frozen=True):
    """Tokens of this issuer that were given to one of these clients speak for the agency."""

    issuer: str
    client_ids: list[str]


class Quota(msgspec.Struct, frozen=True):
    """Of the broker, for each of the agency's Kafka users."""

    bytes_per_s: int
    request_percent: int
    """Of the time of one of its threads."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a statement says; None where it is silent."""

    name: str | None = None
    name_en: str | None = None
    contact: str | None = None
    bindings: list[Binding] | None = None
    kafka_users: list[str] | None = None
    quota: Quota | None = None
    headcount: int | None = None
    master: bool | None = None
    moves_per_hour: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    distrust: str | None = None
    """Id of the command that is taken back."""
    heir: str | None = None


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    command: str
    """Id of the command that said it."""
    arrival: Arrival
    kind: str
    """added, changed, suspended, resumed, distrusted, trusted or succeeded"""
    said: Said = Said()
    operator: str = ""
    """Subject of the operator's token; empty where the register began with it."""
    reason: str = ""


class Agency(msgspec.Struct, frozen=True):
    """Changed under the register's lock alone."""

    id: str = msgspec.field(name="_id")
    """Its code, as in `agency.<code>.v1`."""
    statements: list[Statement]
    """In order of arrival."""


class Distrust(msgspec.Struct, frozen=True):
    """What arrived from the agency in this time does not count."""

    command: str
    """Id of the command that said it."""
    agency: str
    since: datetime
    until: datetime | None
    """None: what arrives from now on does not count either."""
    generation: int
    """Of the register, when something was said about it last."""
    lifted: bool = False


class Succession(msgspec.Struct, frozen=True):
    """An agency took another one's place: renamed, merged into it, or its largest part."""

    command: str
    agency: str
    heir: str
    generation: int


class Register(msgspec.Struct, frozen=True):
    """One document: which state of the register this is."""

    id: str = msgspec.field(name="_id")
    generation: int
    """Higher after each change of any agency: whoever keeps a copy asks for this number alone."""
    begun: bool = False
    """It began with the agencies of the setting; from then on the setting says nothing."""
    judges_from: Arrival | None = None
    """When the register of bodies began: what arrived before stands as it stood, what arrives from then on is judged
    by who said it. None: nothing is judged."""
    distrusts: list[Distrust] = []
    """In order of arrival, as all commands about the register are."""
    successions: list[Succession] = []
    """The same."""
    masters: list[str] = []
    """Codes of the HR master sources."""


REGISTER: Final = "agencies"
"""Id of the one register, and the key of all commands about it: so they share a partition and have one order."""
LOCK: Final = "register"
SUBJECT: Final = "agency/"
AGENCIES = Collection("agencies", Agency)
REGISTERS = Collection("registers", Register)


NO_ROOM: Final = "headcount"
"""Kind of what a registration waits for that is more than its agency may have."""


TOO_FAST: Final = "moves"
"""Kind of what the word of a master source waits for that moves more people than it may within an hour."""


def lacks_pace(source: str) -> str:
    return f"{TOO_FAST}/{source}"


def lacks_room(agency: str) -> str:
    return f"{NO_ROOM}/{agency}"
