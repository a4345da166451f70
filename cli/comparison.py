"""The three services' books held against each other: what one has of a completion and another lacks. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import Final

from cli.answers import Held
from shared.contracts.lists import Claim
from shared.contracts.payload import CompletionId

ENROLLMENT: Final = "enrollment"
LETTER: Final = "letter"
UNHEARD: Final = {"incentive": "points", "notification": LETTER}
"""What a service lacks that has not heard of a completion, or not of its last change."""
ORPHAN: Final = "orphan"
BY_HAND: Final = frozenset({ORPHAN, "certificate", "mail", "pdf held"})
"""What no restatement mends: the how-to says what to do."""
WAITS: Final = "waits: "


@dataclass(frozen=True)
class Finding:
    completion_id: str
    service: str
    """Whose books are wrong."""
    lacks: tuple[str, ...]
    changed_at: str | None = None
    """When the completion last changed, by enrollment."""
    reason: str | None = None
    certified: bool = True
    """False: UNCERTIFIED."""
    standing: bool = True
    """False: by enrollment it counts for nothing."""

    @property
    def waits(self) -> bool:
        """Whether a record about it waits there for something: then nothing is lost."""
        return (self.reason or "").startswith(WAITS)

    @property
    def heals(self) -> bool:
        """Whether a restatement mends any of it. What failed is replayed, when its cause is mended."""
        return self.reason is None and not BY_HAND.issuperset(self.lacks)


Comparison = Mapping[str, Held]
"""Service -> what it has of one completion."""


def merged(ledgers: Mapping[str, Iterable[Held]]) -> Iterator[tuple[str, dict[str, Held]]]:
    """By completion, from ledgers that are in order of id; so no more than a page of each is in memory."""
    streams = [_named(name, ledger) for name, ledger in ledgers.items()]
    for id, rows in groupby(merge(*streams, key=lambda row: row[0]), key=lambda row: row[0]):
        yield id, {name: held for _, name, held in rows}


def _named(name: str, ledger: Iterable[Held]) -> Iterator[tuple[str, str, Held]]:
    for held in ledger:
        yield held.completion_id, name, held


def findings(
    id: str, comparison: Comparison, reasons: Mapping[str, Mapping[str, str]] | None = None
) -> list[Finding]:
    """What is wrong about one completion. `reasons`: service -> completion -> why."""
    ours = comparison.get(ENROLLMENT)
    found: dict[str, list[str]] = {}
    for service, held in comparison.items():
        if held.lacks:
            found[service] = list(held.lacks)
    for service, what in UNHEARD.items():
        held_there = comparison.get(service)
        if ours is None:
            if held_there is not None:
                found[service] = [ORPHAN]
        elif held_there is None and what == LETTER and not ours.certified:
            continue  # no letter is asked for of what has no certificate of ours
        elif ours.version and _is_behind(_claimed(ours, of_letter=what == LETTER), held_there):
            found[service] = list(dict.fromkeys([what, *found.get(service, [])]))
    certified, standing = ours is None or ours.certified, ours is None or ours.standing
    changed_at = None if ours is None or ours.changed_at is None else ours.changed_at.isoformat()
    return [
        Finding(
            id,
            service,
            tuple(lacks),
            changed_at,
            (reasons or {}).get(service, {}).get(id),
            certified,
            standing,
        )
        for service, lacks in sorted(found.items())
    ]


def _claimed(ours: Held, *, of_letter: bool) -> Claim:
    claim = Claim(
        CompletionId(ours.completion_id), ours.version, ours.standing, ours.certified, issued=ours.issued
    )
    return claim.told if of_letter else claim


def _is_behind(claim: Claim, theirs: Held | None) -> bool:
    if theirs is None:
        return True
    return theirs.standing != claim.standing or claim.is_missed_at(theirs.version, theirs.standing)
