"""Incentive's decisions: (event, loaded state, terms) -> outcome. Pure: no I/O, clock, randomness or logging."""

from collections import Counter
from typing import NamedTuple

import msgspec

from services.incentive.completeness import BOOKS
from services.incentive.documents import (
    ACCOUNTS,
    EARNED_COMPLETIONS,
    PEOPLE,
    POINT_ENTRIES,
    Account,
    EarnedCompletion,
    EntryLine,
    Person,
    PointEntry,
)
from services.incentive.points import Award, award_month, level_of
from services.incentive.terms import Terms
from shared.contracts.enrollment import CompletionRecorded, CompletionRestated, EmployeeRecorded
from shared.contracts.incentive import PointsSettled
from shared.contracts.payload import Payload
from shared.pipeline.discrepancies import reconciling
from shared.pipeline.documents import LOAD, Doc, Docs, Keys, Lock, State
from shared.pipeline.epochs import VERSIONS, next_version
from shared.pipeline.errors import Rejected
from shared.pipeline.outcome import Fact, Outcome, Put, Verdict
from shared.pipeline.reactions import Reaction, react
from shared.pipeline.records import Received
from shared.pipeline.triage import TRIAGE

NOTHING = Award(0, ())
Said = Received[CompletionRecorded] | Received[CompletionRestated]


def person_keys(event: Received[EmployeeRecorded], state: State, terms: Terms) -> Keys:
    yield Lock("employee/" + event.data.employee_id)
    yield Doc(PEOPLE, event.data.employee_id)


def record_person(event: Received[EmployeeRecorded], state: State, terms: Terms) -> Outcome:
    data = event.data
    known = state.get(PEOPLE, data.employee_id)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.employee_id)
    person = Person(id=data.employee_id, version=data.version, employee_numbers=list(data.employee_numbers))
    return Outcome(Verdict.ACCEPTED, subject=data.employee_id, changes=[Put(PEOPLE, person)])


def completion_keys(event: Said, state: State, terms: Terms) -> Keys:
    data = event.data
    yield Lock("employee/" + data.employee_id)
    yield Doc(ACCOUNTS, data.employee_id)
    yield Doc(EARNED_COMPLETIONS, data.completion_id)
    yield Docs(EARNED_COMPLETIONS, "month", month_of(data))
    yield LOAD
    known = state.get(EARNED_COMPLETIONS, data.completion_id)
    if known is not None and known.month:
        yield Docs(EARNED_COMPLETIONS, "month", known.month)


def restated_keys(event: Received[CompletionRestated], state: State, terms: Terms) -> Keys:
    yield from completion_keys(event, state, terms)
    yield Docs(POINT_ENTRIES, "employee_id", event.data.employee_id)


def award_points(event: Said, state: State, terms: Terms) -> Outcome:
    """Recomputes the months that the completion leaves and enters, and appends the differences to the ledger."""
    data = event.data
    known = state.get(EARNED_COMPLETIONS, data.completion_id)
    if known is not None and known.employee_id != data.employee_id:
        raise Rejected("completion_id is a completion of another employee than employee_id: send both of one")
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.completion_id)
    ledger = Ledger(event, state, terms)
    completion = EarnedCompletion(
        id=data.completion_id,
        employee_id=data.employee_id,
        month=month_of(data) if data.standing else "",
        version=data.version,
        title=data.title,
        form=data.form.value,
        level=data.level.value,
        predicate=data.predicate,
        completed_on=data.completed_on,
        points=0 if known is None else known.points,
        settled=ledger.first_settlement if known is None else known.settled,
    )
    completion = ledger.corrects(completion)
    differences = [_difference(completion, NOTHING, data.standing)] if not data.standing else []
    for month in sorted({completion.month, "" if known is None else known.month} - {""}):
        those: dict[str, EarnedCompletion] = {
            one.id: ledger.corrects(one)
            for one in state.all(EARNED_COMPLETIONS, "month", month)
            if one.id != completion.id
        }
        if completion.month == month:
            those[completion.id] = completion
        awards = award_month([one.achievement() for one in those.values()], terms.rules)
        differences += [_difference(those[id], award, True) for id, award in awards.items()]
    return _booked(event, completion, differences, ledger, terms)


class Ledger:
    """What was given so far: as the completions and the account note it, or, for a completion that is restated
    since these notes may be wrong, as the entries say themselves."""

    def __init__(self, event: Said, state: State, terms: Terms) -> None:
        id = event.data.employee_id
        self.restated = isinstance(event.data, CompletionRestated)
        # Above all of this epoch that went out before, which went with the document; a second has fewer than one.
        seconds = int(event.now.timestamp())
        self.first_settlement = terms.epoch * VERSIONS + seconds if self.restated else 0
        self.known = state.get(ACCOUNTS, id)
        self.account = self.known or Account(id=id, balance=0, last_sequence=0)
        self._given = Counter[str]()
        if self.restated:
            entries = state.all(POINT_ENTRIES, "employee_id", id)
            for entry in entries:
                self._given[entry.completion_id] += entry.points
            last = max((entry.sequence for entry in entries), default=0)
            self.account = Account(
                id=id,
                balance=self._given.total(),
                last_sequence=max(self.account.last_sequence, last),
            )

    def corrects(self, completion: EarnedCompletion) -> EarnedCompletion:
        if not self.restated:
            return completion
        return msgspec.structs.replace(completion, points=self._given[completion.id])


def month_of(data: CompletionRecorded) -> str:
    return f"{data.employee_id}/{data.completed_on:%Y-%m}"


class Difference(NamedTuple):
    completion: EarnedCompletion
    award: Award
    reason: str | None
    points: int
    """To be added to what the completion has."""


def _difference(completion: EarnedCompletion, award: Award, standing: bool) -> Difference:
    reason = None
    if not standing:
        reason = "sertifikat dicabut"
    elif award.capped is not None:
        reason = f"{award.capped.asked} poin menurut aturan, {award.points} diberikan: batas sebulan tercapai"
    return Difference(completion, award, reason, award.points - completion.points)


def _booked(
    event: Said,
    completion: EarnedCompletion,
    differences: list[Difference],
    ledger: Ledger,
    terms: Terms,
) -> Outcome:
    """Ledger entries for what differs; a settlement for the completion itself, be it with 0, and for those."""
    account = ledger.account
    changes: list[Put] = []
    settled: list[EarnedCompletion] = []
    for one in differences:
        changed = msgspec.structs.replace(
            one.completion,
            points=one.award.points,
            points_by_rule=sum(line.points for line in one.award.lines),
            reason=one.reason,
        )
        if one.points:
            account = Account(
                id=account.id, balance=account.balance + one.points, last_sequence=account.last_sequence + 1
            )
            changes.append(Put(POINT_ENTRIES, _entry(account, one, event)))
        if one.points or one.completion.id == completion.id:
            changed = msgspec.structs.replace(changed, settled=next_version(changed.settled, terms.epoch))
            settled.append(changed)
        if ledger.restated or changed != one.completion or one.completion.id == completion.id:
            changes.append(Put(EARNED_COMPLETIONS, changed))
    if account != (ledger.known or Account(id=account.id, balance=0, last_sequence=0)):
        changes.append(Put(ACCOUNTS, account))
    level = level_of(account.balance, terms.rules).id
    facts = [_settled(one, account, level) for one in settled]
    return Outcome(Verdict.ACCEPTED, subject=completion.id, changes=changes, facts=facts)


def _entry(account: Account, one: Difference, event: Said) -> PointEntry:
    return PointEntry(
        id=f"{account.id}/{account.last_sequence:06d}",
        employee_id=account.id,
        sequence=account.last_sequence,
        completion_id=one.completion.id,
        title=one.completion.title,
        month=f"{one.completion.completed_on:%Y-%m}",
        points=one.points,
        lines=[EntryLine(line.rule, line.points) for line in one.award.lines],
        reason=one.reason
        or ("perubahan hitungan bulan ini" if one.completion.id != event.data.completion_id else None),
        recorded_at=event.now,
    )


def _settled(completion: EarnedCompletion, account: Account, level: str) -> Fact:
    payload = PointsSettled(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        version=completion.settled,
        completion_version=completion.version,
        points=completion.points,
        points_by_rule=completion.points_by_rule,
        reason=completion.reason,
        balance=account.balance,
        level=level,
    )
    return Fact(payload, completion.id, completion.settled, completion.employee_id)


REACTIONS: dict[type[Payload], Reaction[Terms]] = {
    EmployeeRecorded: react(person_keys, record_person),
    CompletionRecorded: react(completion_keys, award_points),
    CompletionRestated: react(restated_keys, award_points),
    **reconciling(BOOKS),
    **TRIAGE,
}
