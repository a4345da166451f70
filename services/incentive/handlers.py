"""Incentive's decisions: (event, loaded state, terms) -> outcome. Pure: no I/O, clock, randomness or logging."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
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
from shared.contracts.payload import EmployeeId, Payload
from shared.pipeline.discrepancies import reconciling
from shared.pipeline.documents import LOAD, Doc, Docs, Keys, Lock, State
from shared.pipeline.epochs import VERSIONS, next_version
from shared.pipeline.errors import Rejected
from shared.pipeline.outcome import Due, Fact, Outcome, Put, Settlement, Unsettled, Verdict
from shared.pipeline.reactions import Reaction, Settled, react
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


def award_points(event: Received[CompletionRecorded], state: State, terms: Terms) -> Outcome:
    """The completion as it stands now; what that is worth is worked out with the person's others of the batch."""
    data = event.data
    known = _known(event, state)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.completion_id)
    completion = _as_said(event, known, 0)
    weight = 1 + state.count(EARNED_COMPLETIONS, "month", month_of(data))
    unsettled = Unsettled(data.employee_id, EARNED_COMPLETIONS, completion, weight)
    return Outcome(Verdict.ACCEPTED, subject=completion.id, unsettled=unsettled)


def award_points_anew(event: Received[CompletionRestated], state: State, terms: Terms) -> Outcome:
    """By what the ledger says was given, at once."""
    data = event.data
    known = _known(event, state)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.completion_id)
    ledger = Ledger.of_entries(data.employee_id, event.now, state, terms)
    completion = _as_said(event, known, ledger.first_settlement)
    settled = _settled([Due(known, completion, event)], ledger, state, terms)
    facts = [fact for fact, _ in settled.facts]
    return Outcome(Verdict.ACCEPTED, subject=completion.id, changes=settled.changes, facts=facts)


def settle_points(due: Sequence[Due[EarnedCompletion]], state: State, terms: Terms) -> Settlement:
    """What a person's completions are worth that records of a batch changed."""
    return _settled(due, Ledger.as_noted(due[0].after.employee_id, state), state, terms)


def _known(event: Said, state: State) -> EarnedCompletion | None:
    known = state.get(EARNED_COMPLETIONS, event.data.completion_id)
    if known is not None and known.employee_id != event.data.employee_id:
        raise Rejected("completion_id is a completion of another employee than employee_id: send both of one")
    return known


def _as_said(event: Said, known: EarnedCompletion | None, first_settlement: int) -> EarnedCompletion:
    data = event.data
    return EarnedCompletion(
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
        settled=first_settlement if known is None else known.settled,
    )


class Ledger(NamedTuple):
    """What was given to a person so far."""

    known: Account | None
    account: Account
    given: Counter[str] | None = None
    """By completion, as the entries say; None: as the completions note themselves."""
    first_settlement: int = 0

    @classmethod
    def as_noted(cls, id: EmployeeId, state: State) -> "Ledger":
        known = state.get(ACCOUNTS, id)
        return cls(known, known or Account(id=id, balance=0, last_sequence=0))

    @classmethod
    def of_entries(cls, id: EmployeeId, now: datetime, state: State, terms: Terms) -> "Ledger":
        """For a completion that is restated since the notes may be wrong."""
        known, given = state.get(ACCOUNTS, id), Counter[str]()
        entries = state.all(POINT_ENTRIES, "employee_id", id)
        for entry in entries:
            given[entry.completion_id] += entry.points
        noted = 0 if known is None else known.last_sequence
        last = max([noted, *(entry.sequence for entry in entries)])
        # Above all of this epoch that went out before, which went with the document; a second has fewer than one.
        first = terms.epoch * VERSIONS + int(now.timestamp())
        return cls(known, Account(id=id, balance=given.total(), last_sequence=last), given, first)

    def corrects(self, completion: EarnedCompletion) -> EarnedCompletion:
        if self.given is None:
            return completion
        return msgspec.structs.replace(completion, points=self.given[completion.id])


def month_of(data: CompletionRecorded) -> str:
    return f"{data.employee_id}/{data.completed_on:%Y-%m}"


class Difference(NamedTuple):
    completion: EarnedCompletion
    award: Award
    reason: str | None
    points: int
    """To be added to what the completion has."""


def _difference(completion: EarnedCompletion, award: Award) -> Difference:
    reason = None
    if not completion.month:
        reason = "sertifikat dicabut"
    elif award.capped is not None:
        reason = f"{award.capped.asked} poin menurut aturan, {award.points} diberikan: batas sebulan tercapai"
    return Difference(completion, award, reason, award.points - completion.points)


def _differences(
    due: Sequence[Due[EarnedCompletion]], ledger: Ledger, state: State, terms: Terms
) -> Iterable[Difference]:
    """Of the completions that changed, and of all others of the months that they leave and enter."""
    changed = {one.after.id: ledger.corrects(one.after) for one in due}
    yield from (_difference(one, NOTHING) for one in changed.values() if not one.month)
    months = {month for one in due for month in (one.after.month, one.before.month if one.before else "")}
    for month in sorted(months - {""}):
        those: dict[str, EarnedCompletion] = {
            one.id: ledger.corrects(one)
            for one in state.all(EARNED_COMPLETIONS, "month", month)
            if one.id not in changed
        }
        those |= {id: one for id, one in changed.items() if one.month == month}
        awards = award_month([one.achievement() for one in those.values()], terms.rules)
        yield from (_difference(those[id], award) for id, award in awards.items())


def _settled(due: Sequence[Due[EarnedCompletion]], ledger: Ledger, state: State, terms: Terms) -> Settlement:
    """Ledger entries for what differs; a settlement for the completions that changed, be it with 0, and for those."""
    causes = {one.after.id: one for one in due}
    account = ledger.account
    changes: list[Put] = []
    settled: list[EarnedCompletion] = []
    for one in _differences(due, ledger, state, terms):
        own = causes.get(one.completion.id)
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
            changes.append(Put(POINT_ENTRIES, _entry(account, one, own, (own or due[-1]).event.now)))
        if one.points or own is not None:
            changed = msgspec.structs.replace(changed, settled=next_version(changed.settled, terms.epoch))
            settled.append(changed)
        if ledger.given is not None or changed != one.completion or own is not None:
            changes.append(Put(EARNED_COMPLETIONS, changed))
    if account != (ledger.known or Account(id=account.id, balance=0, last_sequence=0)):
        changes.append(Put(ACCOUNTS, account))
    level = level_of(account.balance, terms.rules).id
    facts = [(_fact(one, account, level), causes.get(one.id, due[-1])) for one in settled]
    return Settlement(changes, facts)


def _entry(account: Account, one: Difference, own: Due[EarnedCompletion] | None, now: datetime) -> PointEntry:
    return PointEntry(
        id=f"{account.id}/{account.last_sequence:06d}",
        employee_id=account.id,
        sequence=account.last_sequence,
        completion_id=one.completion.id,
        title=one.completion.title,
        month=f"{one.completion.completed_on:%Y-%m}",
        points=one.points,
        lines=[EntryLine(line.rule, line.points) for line in one.award.lines],
        reason=one.reason or ("perubahan hitungan bulan ini" if own is None else None),
        recorded_at=now,
    )


def _fact(completion: EarnedCompletion, account: Account, level: str) -> Fact:
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
    EmployeeRecorded: react(person_keys, record_person, settled=Settled.NOTHING),
    CompletionRecorded: react(completion_keys, award_points, settled=Settled.NOTHING),
    CompletionRestated: react(restated_keys, award_points_anew),
    **reconciling(BOOKS),
    **TRIAGE,
}
