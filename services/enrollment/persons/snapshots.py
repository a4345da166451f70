"""Which snapshots of a person are kept of each source: the newest, which stands if the source's word does, and a few from
before it, which stand should nobody trust the newest any more."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from services.enrollment.agencies.documents import Arrival
from services.enrollment.persons.documents import Snapshot

MAX_DAYS: Final = 4
"""Latest ones, by arrival, of each of which the first and the newest are kept: whoever writes in an agency's name on
fewer of them drives nothing out that came before, on the same day either, however much he sends."""


def newest_of(snapshots: Iterable[Snapshot]) -> dict[str, Snapshot]:
    """By source, in order of source."""
    return {snapshot.source: snapshot for snapshot in sorted(snapshots, key=_by_age)}


def with_snapshot(snapshots: Sequence[Snapshot], snapshot: Snapshot) -> list[Snapshot]:
    """In order of source, then of age. The same ones in any order: each is the greatest of all that came, or the greatest
    or first of those that came on a day."""
    own = [earlier for earlier in snapshots if earlier.source == snapshot.source]
    others = [other for other in snapshots if other.source != snapshot.source]
    return sorted([*others, *_kept([*own, snapshot])], key=_by_age)


def _kept(own: Iterable[Snapshot]) -> list[Snapshot]:
    by_age = sorted(own, key=_by_age)
    newest = {_day(snapshot): snapshot for snapshot in by_age}
    first = {_day(snapshot): snapshot for snapshot in sorted(by_age, key=_by_arrival, reverse=True)}
    days = sorted(newest)[-MAX_DAYS:]
    kept: list[Snapshot] = []
    for snapshot in (by_age[-1], *(newest[day] for day in days), *(first[day] for day in days)):
        if snapshot not in kept:
            kept.append(snapshot)
    return kept


def _by_age(snapshot: Snapshot) -> tuple[str, datetime, bytes, bool, Arrival | None]:
    """What was kept before arrivals were came first."""
    arrival = snapshot.arrival
    return (snapshot.source, snapshot.as_of, snapshot.digest, arrival is not None, arrival)


def _by_arrival(snapshot: Snapshot) -> tuple[bool, Arrival | None]:
    return (snapshot.arrival is not None, snapshot.arrival)


def _day(snapshot: Snapshot) -> date:
    return date.min if snapshot.arrival is None else snapshot.arrival.at.date()
