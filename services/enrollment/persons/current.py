"""How a person stands, by all that was said: which snapshot, whether mails wait, what is open, and what is told."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.enrollment.agencies.trust import Trust
from services.enrollment.persons.documents import (
    DISPUTED,
    LINKS,
    UNCLAIMED,
    Employee,
    PendingLink,
    Profile,
    Snapshot,
)
from services.enrollment.persons.homes import GONE, homes
from services.enrollment.persons.persons import (
    Person,
    is_unfounded,
    snapshots_of,
)
from services.enrollment.persons.snapshots import newest_of
from services.enrollment.terms import Terms
from shared.contracts.enrollment import EmployeeRecorded
from shared.contracts.vocabulary import EmploymentType
from shared.pipeline.context import Context
from shared.pipeline.epochs import next_version
from shared.pipeline.outcome import OutgoingEvent

_A_MOMENT: Final = timedelta(milliseconds=1)
MASTER_S: Final = ("name", "employment_type", "golongan", "pangkat", "jabatan", "opd")
"""Fields of a profile that the master source says, where it knows the person; all others are the home's."""


def standing_snapshot(whole: Employee) -> Snapshot:
    """That of the home, or of who was it last; until it sends one, what stood when the register began to judge; else
    the first claimant's, or the master source's."""
    by_source = newest_of(snapshots_of(whole))
    last = [period.agency for period in reversed(homes(whole).periods)] if whole.home_known else []
    for source in (*last[:1], "", *last, *(claim.agency for claim in whole.claims)):
        if source in by_source:
            return by_source[source]
    return next(iter(by_source.values()))


def with_master_s(profile: Profile, whole: Employee, trust: Trust) -> Profile:
    for snapshot in newest_of(snapshots_of(whole)).values():
        if snapshot.source in trust.masters:
            return msgspec.structs.replace(
                profile, **{field: getattr(snapshot.profile, field) for field in MASTER_S}
            )
    return profile


def as_it_stands(
    known: Person | None, person: Person, context: Context[Terms]
) -> tuple[Person, list[OutgoingEvent]]:
    """The person with the snapshot that stands, under the number in force; in a version of its own, and told, where
    readers see a difference to what was `known`."""
    whole = person.whole
    current = standing_snapshot(whole)
    main = msgspec.structs.replace(
        person.main,
        numbers=whole.numbers,
        profile=msgspec.structs.replace(
            with_master_s(current.profile, whole, person.trust), employee_number=whole.numbers[-1]
        ),
        as_of=current.as_of,
        digest=current.digest,
        open=_open(person, whole),
    )
    before = None if known is None else known.main
    if before is not None and main.profile.email != before.profile.email:
        main = msgspec.structs.replace(main, addressed_at=later(context.now, before.addressed_at))
    after = person._replace(main=main)
    if known is not None and before is not None and _seen(after) == _seen(known):
        return after, []
    version = next_version(0 if before is None else before.version, context.terms.epoch)
    after = after._replace(main=msgspec.structs.replace(main, version=version))
    return after, [recorded(after)]


def later(now: datetime, before: datetime | None) -> datetime:
    """Each change has a moment of its own, by which its readers tell it from those that they know: the log gives all
    records of a batch the same one, and another topic may be read late."""
    return now if before is None else max(now, before + _A_MOMENT)


def _seen(person: Person) -> object:
    """What readers of events are told."""
    whole = person.whole
    return person.main.numbers, person.main.profile, is_held(whole), has_left(whole), person.main.files


def is_held(whole: Employee) -> bool:
    """Whether mails wait: two agencies claim the person and nobody has decided, nobody has it any more, or nobody who is
    trusted has said where they go. Before the register judges senders nobody could, and whose the person is decides
    nothing."""
    whose = homes(whole)
    undecided = whose.disputed or (whose.home is None and not has_left(whole))
    return is_unfounded(whole) or (undecided and any(snapshot.source for snapshot in whole.snapshots))


def has_left(whole: Employee) -> bool:
    """Retired or dead, by the word of the last home: no mail goes out any more."""
    whose = homes(whole)
    if whose.placed_by:
        return whose.home is None and whole.placements[-1].reason in GONE
    return whose.gone and not whose.disputed


def _open(person: Person, whole: Employee) -> list[str]:
    found = []
    if is_held(whole):
        whose = homes(whole)
        # Whom an agency registered by mistake nobody need claim.
        if whose.disputed or (whose.home is None and (whose.periods or not whole.withdrawals)):
            found.append(DISPUTED if whose.disputed else UNCLAIMED)
    if waiting_links(person, whole):
        found.append(LINKS)
    return found


def waiting_links(person: Person, whole: Employee) -> list[PendingLink]:
    """Earliest first; without those whose two numbers are one person's by now, and those that came before an officer said
    that the file is a person of its own."""
    numbers, found = set(whole.numbers), list[PendingLink]()
    for file in person.files:
        apart = [merge.arrival for merge in file.merges if not merge.into]
        found += [
            link
            for link in file.pending_links
            if not {link.previous, link.number} <= numbers and not (apart and link.arrival < apart[-1])
        ]
    return sorted(found, key=lambda link: link.arrival)


def recorded(person: Person) -> OutgoingEvent:
    employee = person.main
    profile = employee.profile
    payload = EmployeeRecorded(
        employee_id=employee.id,
        version=employee.version,
        employee_numbers=tuple(employee.numbers),
        name=profile.name,
        email=None if has_left(person.whole) else profile.email,
        language="en" if profile.language == "en" else "id",
        employment_type=EmploymentType(profile.employment_type),
        opd=profile.opd,
        held=is_held(person.whole),
        addressed_at=employee.addressed_at,
        merged=tuple(employee.files),
    )
    return OutgoingEvent(payload, employee.id, employee.version, employee.id)
