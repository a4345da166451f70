"""The ring of keys that sign links: the newest signs, the others still open what they signed (docs/adr/0021)."""

import base64
import hashlib
from collections.abc import Sequence
from hmac import compare_digest
from typing import Final

from shared.identity.identifiers import Ids

IDENTITY: Final = "identity"
"""Stands in the ring for the key that follows from the identity key, and for the links of before there was a ring."""
_SCHEME: Final = b"link-2"


class LinkKeys:
    """Newest first. Without a ring of its own an installation signs by its identity key, as it always did."""

    def __init__(self, ids: Ids, ring: Sequence[str] = ()) -> None:
        self._ids, names = ids, ring or (IDENTITY,)
        self._keys = [ids.link_key() if name == IDENTITY else _key(name) for name in names]
        self._before_rings = IDENTITY in names

    def sign(self, text: str) -> str:
        """By the newest key; base64url, 128 bits."""
        return _signature(self._keys[0], text)

    def signed(self, text: str, signature: str) -> bool:
        """By any key of the ring."""
        # No early end: how long it takes does not tell which key it was.
        return sum(_equal(signature, _signature(key, text)) for key in self._keys) > 0

    def signed_before_rings(self, text: str, signature: str) -> bool:
        """As links were until there was a ring; for as long as the ring holds the identity key."""
        return self._before_rings and _equal(signature, self._ids.signature(text))


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=32, person=b"kompeten-links").digest()


def _signature(key: bytes, text: str) -> str:
    digest = hashlib.blake2b(text.encode(), key=key, digest_size=16, person=_SCHEME).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _equal(given: str, expected: str) -> bool:
    # compare_digest wants ASCII; anything else is not ours anyway
    return given.isascii() and compare_digest(given, expected)
