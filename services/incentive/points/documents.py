"""Incentive's documents. An employee's lock covers its account, its ledger and its achievements."""

from datetime import date, datetime

import msgspec

from services.incentive.rules.awards import Achievement
from shared.contracts.payload import CompletionId, EmployeeId
from shared.pipeline.documents import Collection, Lock


class Person(msgspec.Struct, frozen=True):
    """Numbers by which an employee signs in; the newest version stands."""

    id: EmployeeId = msgspec.field(name="_id")
    version: int
    employee_numbers: list[str]


class EarnedCompletion(msgspec.Struct, frozen=True):
    """A completion as enrollment last said it stands, and the points that it has now."""

    id: CompletionId = msgspec.field(name="_id")
    employee_id: EmployeeId
    month: str
    """employee_id/YYYY-MM while it stands, else empty: the set over which points are recomputed."""
    version: int
    title: str
    form: str
    level: str
    predicate: str | None
    completed_on: date
    points: int = 0
    points_by_rule: int = 0
    """Before the month's cap."""
    reason: str | None = None
    reason_en: str | None = None
    settled: int = 0
    """Version of the last PointsSettled."""
    is_twin: bool = False
    """It does not stand since the same training counts, as it was reported under another number."""
    why_not: str = ""
    """Why it does not stand, where that is no twin; empty: nobody said, so most likely a revocation."""
    why_not_en: str = ""
    """The same in English; empty: nobody said."""
    account: EmployeeId = EmployeeId("")
    """Whose account has the points, where it came to be another person's and that is not settled yet: within one batch.
    Empty: its employee's."""

    backed: bool = True
    """Its person's own agency stands behind it, or enrollment did not say so yet."""
    arrived: datetime | None = None
    """Where that does not: when it was reported."""

    def achievement(self) -> Achievement:
        return Achievement(
            self.id, self.form, self.level, self.predicate, self.completed_on, self.backed, self.arrived
        )


class EntryLine(msgspec.Struct, frozen=True):
    rule: str
    points: int


class PointEntry(msgspec.Struct, frozen=True):
    """One line of the ledger: appended, never changed. Balance and level derive from it."""

    id: str = msgspec.field(name="_id")
    """employee_id/sequence"""
    employee_id: EmployeeId
    sequence: int
    """From 1, without gaps."""
    completion_id: CompletionId
    title: str
    month: str
    points: int
    """The difference to what the completion had before."""
    lines: list[EntryLine]
    """What each rule gives now, before the cap."""
    reason: str | None
    """Why the entry is there, if no rule gave it: a cap, a revocation, a correction, another month or person."""
    recorded_at: datetime
    reason_en: str | None = None
    """The same in English; None: there is none, or it was entered before that was kept."""


class Account(msgspec.Struct, frozen=True):
    """Sum of the ledger, kept beside it under the same lock; `tests` hold the two equal."""

    id: EmployeeId = msgspec.field(name="_id")
    balance: int
    last_sequence: int


PEOPLE = Collection("people", Person, indexes=(("employee_numbers",),))
EARNED_COMPLETIONS = Collection(
    "earned_completions", EarnedCompletion, indexes=(("month",), ("employee_id",))
)
POINT_ENTRIES = Collection(
    "point_entries", PointEntry, indexes=(("employee_id", "sequence"), ("completion_id",))
)
ACCOUNTS = Collection("accounts", Account)


def person_lock(employee_id: str) -> Lock:
    """Who decides about a person's points takes it."""
    return Lock("employee/" + employee_id)
