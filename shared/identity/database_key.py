"""Holds a service to the identity key that the ids of its database come from (docs/adr/0021).

With another key on the same data each event that is sent again is a new one: a second certificate, number and mail.
So a database keeps the key's fingerprint from its first start on, and a backup has it too.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from shared.identity.identifiers import Ids
from shared.pipeline.documents import Collection

if TYPE_CHECKING:
    from shared.pipeline.storage.mongo import MongoStore

log = logging.getLogger(__name__)
KEY: Final = "key"
LOOK_AT: Final = 100
"""So many documents are asked for evidence."""
HOW_TO: Final = "docs/how-to/rotate-the-secrets.md"


class Fingerprint(msgspec.Struct, frozen=True):
    """Of the identity key; written once."""

    id: str = msgspec.field(name="_id")
    digest: bytes


IDENTITY: Final = Collection("identity", Fingerprint)

Evidence = Callable[["MongoStore", Ids], Awaitable[bool | None]]
"""Whether the ids in a database without fingerprint come from this key; None: it has none that tell."""


class WrongKey(Exception):
    """The service must not begin."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"KOMPETEN_SECRET is another one than that which the ids in database {database} come from, and with it every "
            "event sent again would be a new one. Nothing was changed: set the one that was used before. The keys of "
            f"links change by KOMPETEN_LINK_KEYS (see {HOW_TO})"
        )


async def no_evidence(store: "MongoStore", ids: Ids) -> None:
    """A service none of whose own ids come from the key."""


async def hold(store: "MongoStore", ids: Ids, evidence: Evidence) -> None:
    """Notes the key's fingerprint in a database that has none and does not speak against it. Raises WrongKey, and
    Unavailable."""
    known = await store.read(IDENTITY, KEY)
    if known is None:
        if (fits := await evidence(store, ids)) is False:
            raise WrongKey(store.database.name)
        ours = Fingerprint(KEY, ids.fingerprint())
        known = (await store.keep([ours], IDENTITY))[KEY]  # another replica may have been faster
        log.info(
            "the identity key's fingerprint is kept from now on%s",
            "" if fits else "; no id told of another one",
        )
    if known.digest != ids.fingerprint():
        raise WrongKey(store.database.name)
