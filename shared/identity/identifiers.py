"""Ids that follow from what they name: keyed hashes, since an employee number is guessable (keyed BLAKE2b, RFC 7693)."""

import base64
import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import Final

from shared.contracts.payload import CertificateId, CompletionId, EmployeeId

BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648, in lower case
SEPARATOR: Final = b"\x1f"
_DASHES: Final = re.compile("[\u2010-\u2015\u2212]")


@lru_cache(maxsize=4096)
def key(text: str) -> str:
    """How codes are compared: without case, surplus blanks and what only looks different (a dash that a word
    processor made longer, full-width letters: Unicode's NFKC)."""
    if not text.isascii():
        text = _DASHES.sub("-", unicodedata.normalize("NFKC", text))
    return " ".join(text.casefold().split())


# What keyboards, word processors and transliterations write for one sign: before NFKC, which takes an acute accent apart.
_APOSTROPHES: Final = "`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u2018\u2019\u201b\u2032\u2035\uff07"
_QUOTES: Final = "\u201c\u201d\u201f\u2033\u2036\uff02"
_MORE_DASHES: Final = "\u02d7\u2043\u2796"
# Joiners and variation selectors, which no contract takes out, as some scripts need them.
_JOINERS: Final = "\u200c\u200d\ufe0e\ufe0f"
_SIGNS: Final = str.maketrans(
    {**dict.fromkeys(_APOSTROPHES, "'"), **dict.fromkeys(_QUOTES, '"'), **dict.fromkeys(_MORE_DASHES, "-")}
    | dict.fromkeys(_JOINERS)
)


@lru_cache(maxsize=4096)
def training_key(text: str) -> str:
    """How the codes that name a completion are compared: as `key` does, and without the kind of apostrophes and quotation
    marks. A dot at the end is part of a code. `key` stays as it was: stored ids are made of it."""
    return key(text.translate(_SIGNS))


class Ids:
    """All ids and digests of an installation. Its secret is the identity key: the same one for good, since with
    another one every record sent again would be a new one (docs/adr/0021)."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"kompeten-ids").digest()

    def digest(self, scheme: bytes, *parts: bytes, size: int = 16) -> bytes:
        """Keyed digest under a named scheme of at most 16 bytes; a new way of hashing takes a new name."""
        return hashlib.blake2b(SEPARATOR.join(parts), key=self._key, digest_size=size, person=scheme).digest()

    def employee(self, employee_number: str) -> EmployeeId:
        """Id of an employee first known by this number; later numbers become aliases of it."""
        return EmployeeId("emp_" + self.digest(b"employee", employee_number.encode()).hex())

    def lacks_employee(self, employee_number: str) -> str:
        """What a record waits for whose employee is unknown."""
        return "employee/" + self.digest(b"lacks-employee", employee_number.encode()).hex()

    def completion(self, employee_id: EmployeeId, organizer: str, code: str, batch: str) -> CompletionId:
        """The business key of a completion: agencies resend it under new event ids."""
        return self._completion(employee_id, *map(training_key, (organizer, code, batch)))

    def completion_before(
        self, employee_id: EmployeeId, organizer: str, code: str, batch: str
    ) -> CompletionId | None:
        """As it was named before `training_key`, where that makes a difference."""
        found = self._completion(employee_id, *map(key, (organizer, code, batch)))
        return None if found == self.completion(employee_id, organizer, code, batch) else found

    def _completion(self, *parts: str) -> CompletionId:
        return CompletionId("cmp_" + self.digest(b"completion", *(part.encode() for part in parts)).hex())

    def certificate(self, completion_id: CompletionId) -> CertificateId:
        return CertificateId("crt_" + self.digest(b"certificate", completion_id.encode()).hex())

    def content(self, canonical: bytes) -> bytes:
        """Digest of business content. Keyed: a plain hash would reveal an employee number."""
        return self.digest(b"content-1", canonical)

    def verification_code(self, certificate_id: CertificateId, revision: int) -> str:
        """26 characters a-z2-7: 128 bits that nobody can guess."""
        raw = self.digest(b"verification", certificate_id.encode(), str(revision).encode())
        bits = int.from_bytes(raw, "big") << 2
        return "".join([BASE32[bits >> shift & 31] for shift in range(125, -1, -5)])

    def letter(self, about: CertificateId | EmployeeId, template: str, occasion: str) -> str:
        """Intent of a mail; the address is no part of it."""
        return "let_" + self.digest(b"letter", about.encode(), template.encode(), occasion.encode()).hex()

    def address(self, email: str) -> str:
        """Of a mail address, upper and lower case alike; base64url. What is bound to an address names it by this.

        Not case-folded: that makes strasse.example of straße.example, which is another one's.
        """
        return _base64url(self.digest(b"address", email.strip().lower().encode(), size=12))

    def link_key(self) -> bytes:
        """Signs links where an installation has no ring of keys (shared/identity/link_keys.py)."""
        return self.digest(b"link-key", size=32)

    def signature(self, text: str) -> str:
        """Of a link of before there was a ring; 128 bits."""
        return _base64url(self.digest(b"link", text.encode()))

    def fingerprint(self) -> bytes:
        """Tells this key from another one and nothing else of it."""
        return self.digest(b"fingerprint")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
