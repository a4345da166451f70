"""Completions in a list: what is claimed of each, and how few bytes say it (22 characters a completion)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from shared.contracts.enrollment import ID_CHARACTERS, AtVersion
from shared.contracts.payload import CompletionId

PREFIX: Final = "cmp_"
UNCERTIFIED: Final = "recorded, without a certificate of ours"
"""Said of a completion with JP and points that another body's certificate is for."""
GROUNDLESS: Final = "kept, does not stand"
"""Said of a completion that nobody reported who may say so."""


class Claim(NamedTuple):
    """Whoever reads the events knows this completion in this version or a later one."""

    completion_id: CompletionId
    version: int
    standing: bool
    certified: bool = True
    """Whether there is a certificate of ours, and so a letter about it."""
    issued: int | None = None
    """See AtVersion."""

    @property
    def told(self) -> "Claim":
        """What the last letter about its certificate tells of it; that there is none valid, where it has none of ours."""
        if not self.certified:
            return self._replace(standing=False)
        return self if self.issued is None else self._replace(version=self.issued, standing=True)

    def is_missed_at(self, version: int, standing: bool) -> bool:
        """Whether a reader who knows of this version has missed something. Two versions that both don't stand are
        worth the same."""
        if version < self.version:
            return self.standing or standing
        return version == self.version and standing != self.standing


def grouped(claims: Iterable[Claim]) -> tuple[AtVersion, ...]:
    """As they are listed; raises ValueError for an id that is none of ours."""
    ids: dict[tuple[int, bool, bool, int], list[str]] = {}
    for claim in claims:
        alike = (claim.version, claim.standing, claim.certified, claim.issued or 0)
        ids.setdefault(alike, []).append(_packed(claim.completion_id))
    return tuple(
        AtVersion(
            version=version,
            standing=standing,
            certified=certified,
            issued=issued or None,
            ids="".join(sorted(packed)),
        )
        for (version, standing, certified, issued), packed in sorted(ids.items())
    )


def claims_of(groups: Iterable[AtVersion]) -> Iterator[Claim]:
    for group in groups:
        for at in range(0, len(group.ids), ID_CHARACTERS):
            id = _unpacked(group.ids[at : at + ID_CHARACTERS])
            yield Claim(id, group.version, group.standing, group.certified, group.issued)


def _packed(id: CompletionId) -> str:
    raw = bytes.fromhex(id.removeprefix(PREFIX))
    if len(raw) != 16:
        raise ValueError(f"{PREFIX} and 32 hexadecimal digits are an id of a completion")
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _unpacked(text: str) -> CompletionId:
    return CompletionId(PREFIX + urlsafe_b64decode(text + "==").hex())
