"""What is kept of people. An employee's lock covers the employee and all its completions."""

from datetime import datetime
from typing import Final

import msgspec

from services.enrollment.agencies.documents import Arrival
from shared.contracts.payload import EmployeeId
from shared.pipeline.documents import Collection, Lock


class EmployeeNumberAlias(msgspec.Struct, frozen=True):
    """A number that an employee has or had. Changed only under the locks of the number and its employee."""

    id: str = msgspec.field(name="_id")
    employee_id: EmployeeId
    """Of the file that it was registered under."""
    linked_by: str = ""
    """The agency by whose word it joined that file; empty: it was registered there by itself, or before that was kept."""
    linked_at: Arrival | None = None
    link: list[str] = []
    """The two numbers, the previous one first; none from before that was kept."""
    left: EmployeeId = EmployeeId("")
    """The file that it belonged to by a link, until another agency registered it; empty: none."""
    left_at: Arrival | None = None

    def file_at(self, arrival: Arrival) -> EmployeeId:
        """Of what arrived then: so a record that is read again finds what it was decided about."""
        return self.left if self.left_at is not None and arrival < self.left_at else self.employee_id


class Profile(msgspec.Struct, frozen=True):
    """A snapshot, as the agency sent it."""

    employee_number: str
    name: str
    email: str | None
    language: str
    employment_type: str
    golongan: str | None
    pangkat: str | None
    jabatan: str | None
    unit_kerja: str | None
    opd: str
    supervisor_number: str | None


class Claim(msgspec.Struct, frozen=True):
    """An agency reported the person as its own: each of its snapshots does."""

    agency: str
    arrival: Arrival


class Withdrawal(msgspec.Struct, frozen=True):
    """It said that the person is not, or is no more."""

    agency: str
    arrival: Arrival
    reason: str


class Placement(msgspec.Struct, frozen=True, omit_defaults=True):
    """The HR master source's word: this agency is the home from then on."""

    source: str
    agency: str
    """Empty: nobody is, since the person left."""
    arrival: Arrival
    reason: str = ""
    """Of leaving."""


class Confirmation(msgspec.Struct, frozen=True):
    """An officer's word: this agency is the home from then on. Or the person's own, where agencies dispute it."""

    agency: str
    arrival: Arrival
    command: str
    by: str
    opd: str | None
    """Body or agency for which the officer may act: it lets go of its own people alone; None: all."""
    reason: str
    own: bool = False
    """The person said it."""


class Snapshot(msgspec.Struct, frozen=True):
    """What one source sent."""

    source: str
    """Code of the agency; empty: the one that stood, whoever sent it, when the register began to judge."""
    profile: Profile
    as_of: datetime
    """Its time, or that of its arrival where its clock was ahead."""
    digest: bytes
    arrival: Arrival | None


class Merge(msgspec.Struct, frozen=True):
    """An officer's word that two files are one person, or that they are not after all."""

    into: EmployeeId
    """Empty: the file is a person of its own again."""
    home: str
    """Whose person it is from then on; empty: as it was."""
    arrival: Arrival
    command: str
    by: str
    opd: str | None
    reason: str


class PendingLink(msgspec.Struct, frozen=True):
    """A source said that one person had both numbers, and has no say over both."""

    previous: str
    number: str
    agency: str
    arrival: Arrival
    why: str
    """What it waits for."""
    again: Arrival | None = None
    """Of the latest copy that had to wait."""

    def waited(self, arrival: Arrival) -> bool:
        """Whether what arrived then had to, when it was decided first."""
        return self.arrival == arrival or (self.again is not None and arrival <= self.again)


DISPUTED: Final = "disputed"
UNCLAIMED: Final = "unclaimed"
LINKS: Final = "links"


class Employee(msgspec.Struct, frozen=True, dict=True):
    """`dict`: what is folded from it stays with it while it lives (homes.py)."""

    id: EmployeeId = msgspec.field(name="_id")
    numbers: list[str]
    """Oldest first; the last one is in force."""
    profile: Profile
    """The snapshot that stands, with the number in force."""
    as_of: datetime
    """Its time."""
    digest: bytes
    version: int
    addressed_at: datetime | None = None
    """The log's time at which the mail address last changed; None: not since that is noted."""
    claims: list[Claim] = []
    withdrawals: list[Withdrawal] = []
    confirmations: list[Confirmation] = []
    placements: list[Placement] = []
    snapshots: list[Snapshot] = []
    """A few of each source, the newest among them, in order of source and age; none where all that came was before
    sources were told apart."""
    pending_links: list[PendingLink] = []
    merges: list[Merge] = []
    """What was said about its belonging to another person, in order of arrival."""
    merged_into: EmployeeId = EmployeeId("")
    """The person that it belongs to; empty: it is one itself."""
    files: list[EmployeeId] = []
    """That belong to this person besides its own, in the order in which they were merged."""
    own_numbers: list[str] = []
    """Where files are merged: its own of `numbers`, which are the person's."""
    split_from: EmployeeId | None = None
    """The file that its number belonged to by a link, until another agency registered it."""
    judged: int = 0
    """Generation of the register by which it was folded last, after somebody's word came to count for nothing."""
    home_known: bool = False
    """False: from before homes were noted, and it is not worked out yet whose the person was."""
    open: list[str] = []
    """What somebody is to decide about the person: of DISPUTED, UNCLAIMED (both hold its mails) and LINKS. Nothing where
    the file is merged into another."""


class FullHour(msgspec.Struct, frozen=True):
    """In which an HR master source moved as many people as it may: what was held then waits for an operator."""

    hour: datetime
    moves: int


class Headcount(msgspec.Struct, frozen=True, omit_defaults=True):
    """So many people an agency claims, by those of its own events that are judged."""

    id: str = msgspec.field(name="_id")
    """Code of the agency, or of the HR master source."""
    people: int
    hour: datetime | None = None
    """Of a master source: in which it moved somebody last."""
    moves: int = 0
    """How many people it gave another home in that hour."""
    full: list[FullHour] = []
    """Hours before that one, earliest first."""


EMPLOYEE_NUMBERS = Collection("employee_numbers", EmployeeNumberAlias)
EMPLOYEES = Collection("employees", Employee, indexes=(("open", "id"),))
HEADCOUNTS = Collection("headcounts", Headcount)


def person_lock(employee_id: str) -> Lock:
    """Who decides about a person, a completion or a certificate of theirs takes it."""
    return Lock("employee/" + employee_id)
