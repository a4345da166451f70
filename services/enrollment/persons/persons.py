"""A person is a file, or several that were merged: one for each number that was registered by itself.

Each file keeps what was said under its numbers, so that a merge can be undone and a record that is sent again finds its
completion; the main one shows the person as it stands. Completions belong to the person and are named by their file.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Arrival
from services.enrollment.agencies.trust import TRUSTING, Trust, trust_of
from services.enrollment.persons.documents import (
    EMPLOYEES,
    Claim,
    Confirmation,
    Employee,
    Merge,
    Placement,
    Snapshot,
    person_lock,
)
from services.enrollment.persons.homes import Homes, homes, homes_of
from shared.pipeline.documents import LOAD, Doc, Needs, State


class Person(NamedTuple):
    main: Employee
    merged: tuple[Employee, ...] = ()
    """Its other files, in the order in which they were merged."""
    trust: Trust = TRUSTING

    @property
    def files(self) -> tuple[Employee, ...]:
        return (self.main, *self.merged)

    @property
    def whole(self) -> Employee:
        """All that was said of the person and counts, as if it were one file."""
        if not self.merged:
            return _as_trusted(self.main, self.trust)
        whole = msgspec.structs.replace(
            self.main,
            numbers=[number for file in self.files for number in own_numbers(file)],
            claims=sorted(
                (claim for file in self.files for claim in file.claims), key=lambda claim: claim.arrival
            ),
            withdrawals=sorted(
                (said for file in self.files for said in file.withdrawals), key=lambda one: one.arrival
            ),
            confirmations=sorted(
                [said for file in self.files for said in file.confirmations]
                + [_confirmed(employee.merges[-1]) for employee in self.merged if employee.merges[-1].home],
                key=lambda one: one.arrival,
            ),
            placements=sorted(
                (said for file in self.files for said in file.placements), key=lambda one: one.arrival
            ),
            snapshots=[snapshot for file in self.files for snapshot in snapshots_of(file)],
            home_known=all(file.home_known for file in self.files),
        )
        return _as_trusted(whole, self.trust)

    def home_since(self, agency: str, arrival: Arrival) -> Arrival | None:
        return homes(self.whole).home_since(self.trust.heir(agency), arrival)

    def home_then(self, file_id: str, arrival: Arrival) -> str | None:
        """Whose the file's person was by all that had arrived then, and by the files that belonged together: what came
        since changes nothing, but a distrust and a succession. None too where the file belonged to another person."""
        merged = tuple(employee for employee in self.merged if _was_merged(employee, arrival))
        file = self.file(file_id)
        if file.id == self.main.id:
            then = None if _was_merged(file, arrival) else Person(file, merged, self.trust)
        else:
            then = Person(self.main, merged, self.trust) if file in merged else Person(file, (), self.trust)
        return None if then is None else _said_by(then.whole, arrival).home

    def file(self, id: str) -> Employee:
        return next(file for file in self.files if file.id == id)

    def with_file(self, file: Employee) -> "Person":
        if file.id == self.main.id:
            return self._replace(main=file)
        return self._replace(
            merged=tuple(file if employee.id == file.id else employee for employee in self.merged)
        )

    def judged(self, reported_file: str) -> tuple[Homes, ...]:
        """By whose people's homes senders are judged: the person's, and those of the file that it was reported under."""
        whole = homes(self.whole)
        if not self.merged:
            return (whole,)
        file = next((known for known in self.files if known.id == reported_file), self.main)
        return (whole, homes(_as_trusted(file, self.trust)))


def _said_by(whole: Employee, arrival: Arrival) -> Homes:
    return homes_of(
        [claim for claim in whole.claims if claim.arrival <= arrival],
        [withdrawal for withdrawal in whole.withdrawals if withdrawal.arrival <= arrival],
        [confirmation for confirmation in whole.confirmations if confirmation.arrival <= arrival],
        [placement for placement in whole.placements if placement.arrival <= arrival],
    )


def _was_merged(file: Employee, arrival: Arrival) -> bool:
    said = [merge for merge in file.merges if merge.arrival <= arrival]
    return bool(said and said[-1].into)


def _as_trusted(employee: Employee, trust: Trust) -> Employee:
    """Without what was said by whom nobody trusts, and with agencies as they are called now."""
    if trust is TRUSTING or not trust.concerns(employee_sources(employee)):
        return employee
    snapshots = snapshots_of(employee)
    trusted = _told_last(
        [snapshot for snapshot in snapshots if trust.holds(snapshot.source, snapshot.arrival)], trust
    )
    found = msgspec.structs.replace(
        employee,
        claims=[
            Claim(trust.heir(claim.agency), claim.arrival)
            for claim in employee.claims
            if trust.holds(claim.agency, claim.arrival)
        ],
        withdrawals=[
            msgspec.structs.replace(withdrawal, agency=trust.heir(withdrawal.agency))
            for withdrawal in employee.withdrawals
            if trust.holds(withdrawal.agency, withdrawal.arrival)
        ],
        confirmations=[
            msgspec.structs.replace(confirmation, agency=trust.heir(confirmation.agency))
            for confirmation in employee.confirmations
        ],
        placements=[
            Placement(
                trust.heir(placement.source),
                trust.heir(placement.agency),
                placement.arrival,
                placement.reason,
            )
            for placement in employee.placements
            if trust.holds(placement.source, placement.arrival)
        ],
        snapshots=[
            msgspec.structs.replace(snapshot, source=trust.heir(snapshot.source))
            for snapshot in trusted or snapshots
        ],
    )
    if not trusted:
        found.__dict__[UNFOUNDED] = True
    return found


UNFOUNDED: Final = "unfounded"


def is_unfounded(whole: Employee) -> bool:
    """Nothing is known of the person but what nobody trusts: it is shown, and no mail goes to it."""
    return UNFOUNDED in whole.__dict__


def _told_last(snapshots: Sequence[Snapshot], trust: Trust) -> list[Snapshot]:
    """Without those of an agency whose successor has said something itself: the old system may go on for a while, and who
    is right is not decided by which of the two writes last."""
    own = {snapshot.source for snapshot in snapshots if snapshot.source not in trust.heirs}
    return [snapshot for snapshot in snapshots if trust.heirs.get(snapshot.source) not in own]


def employee_sources(employee: Employee) -> Iterable[str]:
    """Agencies that said something of the person, or are said to be its home; one may come several times."""
    for said in (employee.claims, employee.withdrawals, employee.confirmations, employee.placements):
        yield from (statement.agency for statement in said)
    yield from (placement.source for placement in employee.placements)
    yield from (snapshot.source for snapshot in employee.snapshots)


def _confirmed(merge: Merge) -> Confirmation:
    """Whoever may merge two files may say whose the person is, as far as they may without that."""
    return Confirmation(merge.home, merge.arrival, merge.command, merge.by, merge.opd, merge.reason)


def snapshots_of(employee: Employee) -> list[Snapshot]:
    """What is kept of a person from before sources were told apart is what stood."""
    if employee.snapshots or not employee.version:
        return employee.snapshots
    return [Snapshot("", employee.profile, employee.as_of, employee.digest, None)]


def own_numbers(employee: Employee) -> list[str]:
    """Those that were registered under this file."""
    return employee.own_numbers or employee.numbers


def person_needs(employee_id: str, state: State) -> Needs:
    """The person that a file belongs to, with all its files. Locked by the main one too, which covers all completions."""
    yield person_lock(employee_id)
    yield Doc(EMPLOYEES, employee_id)
    yield Doc(REGISTERS, REGISTER)
    yield LOAD
    file = state.get(EMPLOYEES, employee_id)
    if file is not None and file.merged_into:
        yield person_lock(file.merged_into)
        yield Doc(EMPLOYEES, file.merged_into)
        yield LOAD
        file = state.get(EMPLOYEES, file.merged_into)
    if file is not None and file.files:
        for other in file.files:
            yield Doc(EMPLOYEES, other)
        yield LOAD


def person_of(employee_id: str, state: State) -> Person | None:
    """As `person_needs` loaded it; None: nobody has this id."""
    file = state.get(EMPLOYEES, employee_id)
    if file is not None and file.merged_into:
        file = state.get(EMPLOYEES, file.merged_into)
    if file is None:
        return None
    others = [state.get(EMPLOYEES, other) for other in file.files]
    trust = trust_of(state.get(REGISTERS, REGISTER))
    return Person(file, tuple(other for other in others if other is not None), trust)
