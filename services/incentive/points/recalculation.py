"""What changed completions are worth: entries in the ledgers for what differs, and settlements that tell of it.

The months that they leave and enter are recounted whole. Where a completion has come to be another person's, or to be of
another month, its points are taken from where they are entered and given there, each by an entry that says so: a month's
entries sum up to what counts in it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

import msgspec

from services.incentive.points.documents import (
    ACCOUNTS,
    EARNED_COMPLETIONS,
    POINT_ENTRIES,
    Account,
    EarnedCompletion,
    EntryLine,
    PointEntry,
)
from services.incentive.points.reasons import (
    CORRECTED,
    COUNTED_ANEW,
    MOVED_AWAY,
    MOVED_HERE,
    counted_again,
    fewer,
    is_corrected,
    moved_in_time,
    recounted,
)
from services.incentive.rules.awards import Award, award_month, level_of, lines_of
from services.incentive.terms import Terms
from shared.contracts.incentive import PointsSettled
from shared.contracts.payload import EmployeeId
from shared.contracts.vocabulary import Bilingual
from shared.pipeline.documents import State
from shared.pipeline.epochs import VERSIONS, next_version
from shared.pipeline.outcome import Due, OutgoingEvent, Put, Recalculation

NOTHING: Final = Award(0, ())


def month_of(employee_id: EmployeeId, completed_on: date) -> str:
    return f"{employee_id}/{completed_on:%Y-%m}"


class Entered(NamedTuple):
    """What was given to some people by what their ledgers say, not by what their completions note."""

    points: Counter[tuple[EmployeeId, str, str]]
    """By person, completion and month."""
    sequences: Mapping[EmployeeId, int]
    """Of each the last."""
    months: frozenset[str]
    """Those of the restated completion's entries."""

    @classmethod
    def of(cls, completion_id: str, people: Iterable[EmployeeId], state: State) -> "Entered":
        points, months = Counter[tuple[EmployeeId, str, str]](), set[str]()
        sequences: dict[EmployeeId, int] = {}
        for person in people:
            known = state.get(ACCOUNTS, person)
            entries = state.all(POINT_ENTRIES, "employee_id", person)
            noted = 0 if known is None else known.last_sequence
            sequences[person] = max([noted, *(entry.sequence for entry in entries)])
            for entry in entries:
                points[person, entry.completion_id, entry.month] += entry.points
                if entry.completion_id == completion_id:
                    months.add(f"{person}/{entry.month}")
        return cls(points, sequences, frozenset(months))

    def account(self, id: EmployeeId) -> Account:
        balance = sum(points for (person, *_), points in self.points.items() if person == id)
        return Account(id=id, balance=balance, last_sequence=self.sequences[id])


def first_settlement(now: datetime, terms: Terms) -> int:
    """Of a completion whose note is lost. Above all of this epoch that went out before, which went with it; a second has
    fewer than one."""
    return terms.epoch * VERSIONS + int(now.timestamp())


def _month(completion: EarnedCompletion) -> str:
    return f"{completion.completed_on:%Y-%m}"


class _Ledgers:
    """Of those whom a settlement concerns."""

    def __init__(self, state: State, entered: Entered | None) -> None:
        self._state, self._entered = state, entered
        self._accounts: dict[EmployeeId, Account] = {}
        self.entries: list[Put] = []

    def account(self, id: EmployeeId) -> Account:
        """As the entries leave it."""
        if id not in self._accounts:
            known = self._known(id) if self._entered is None else self._entered.account(id)
            self._accounts[id] = known
        return self._accounts[id]

    def _known(self, id: EmployeeId) -> Account:
        return self._state.get(ACCOUNTS, id) or Account(id=id, balance=0, last_sequence=0)

    def has(
        self, completion: EarnedCompletion, before: EarnedCompletion | None
    ) -> dict[tuple[EmployeeId, str], int]:
        """Points of a completion by account and month. `before`: as it was when they were entered."""
        place = (completion.account or completion.employee_id, _month(before or completion))
        found = {place: completion.points}
        if self._entered is not None:
            found = {
                (id, month): points
                for (id, of, month), points in self._entered.points.items()
                if of == completion.id
            }
        return {place: points for place, points in found.items() if points}

    def enter(
        self,
        place: tuple[EmployeeId, str],
        completion: EarnedCompletion,
        points: int,
        award: Award,
        *,
        said: Sequence[Bilingual],
        now: datetime,
    ) -> None:
        """`place`: account and month."""
        id, month = place
        known = self.account(id)
        account = Account(id, known.balance + points, known.last_sequence + 1)
        self._accounts[id] = account
        entry = PointEntry(
            id=f"{id}/{account.last_sequence:06d}",
            employee_id=id,
            sequence=account.last_sequence,
            completion_id=completion.id,
            title=completion.title,
            month=month,
            points=points,
            lines=[EntryLine(line.rule, line.points) for line in award.lines],
            reason="; ".join(reason.id for reason in said) or None,
            recorded_at=now,
            reason_en="; ".join(reason.en for reason in said) or None,
        )
        self.entries.append(Put(POINT_ENTRIES, entry))

    def changes(self) -> list[Put]:
        accounts = [account for account in self._accounts.values() if account != self._known(account.id)]
        return [*self.entries, *(Put(ACCOUNTS, account) for account in accounts)]


class _Worth(NamedTuple):
    completion: EarnedCompletion
    award: Award

    @property
    def said(self) -> Bilingual | None:
        """Why it has fewer points than the rules give, or none."""
        return fewer(self.completion, self.award)


def _worth(
    due: Sequence[Due[EarnedCompletion]], entered: Entered | None, state: State, terms: Terms
) -> Iterable[_Worth]:
    """Of the completions that changed, and of all others of the months that they leave and enter."""
    changed = {change.after.id: change.after for change in due}
    yield from (_Worth(completion, NOTHING) for completion in changed.values() if not completion.month)
    months = {
        month
        for change in due
        for month in (change.after.month, change.before.month if change.before else "")
    }
    months |= entered.months if entered is not None else frozenset()
    for month in sorted(months - {""}):
        in_month: dict[str, EarnedCompletion] = {
            completion.id: completion
            for completion in state.all(EARNED_COMPLETIONS, "month", month)
            if completion.id not in changed
        }
        in_month |= {id: one for id, one in changed.items() if one.month == month}
        awards = award_month([completion.achievement() for completion in in_month.values()], terms.rules)
        yield from (_Worth(in_month[id], award) for id, award in awards.items())


def recalculate(
    due: Sequence[Due[EarnedCompletion]], state: State, terms: Terms, entered: Entered | None = None
) -> Recalculation:
    """Ledger entries for what differs; a settlement for the completions that changed, be it with 0, and for those.

    `entered`: go by this, and note of each completion of these months what it says.
    """
    causes = {change.after.id: change for change in due}
    ledgers = _Ledgers(state, entered)
    completions: list[Put] = []
    settled: list[EarnedCompletion] = []
    for worth in _worth(due, entered, state, terms):
        known, own = worth.completion, causes.get(worth.completion.id)
        now = (own or due[-1]).event.now
        before = None if own is None else own.before
        place = (known.employee_id, _month(known))
        elsewhere = ledgers.has(known, before)
        there = elsewhere.pop(place, 0)
        if there == worth.award.points and _is_by_other_rules(before, worth.award, terms):
            elsewhere[place], there = there, 0  # the history says by which rules it has them
        cut = [worth.said] if worth.said is not None else []
        left = [MOVED_AWAY if id != known.employee_id else _left(month, known) for id, month in elsewhere]
        for (where, points), why in zip(elsewhere.items(), left, strict=True):
            said = cut if why is None else [why]
            ledgers.enter(where, known, -points, NOTHING, said=said, now=now)
        difference = worth.award.points - there
        if difference:
            said = [MOVED_HERE if why is MOVED_AWAY else why for why in left if why is not None]
            if not elsewhere and (why := _why_others(worth, own, difference, entered, terms)) is not None:
                said = [why]
            said = [*dict.fromkeys(said), *cut]
            ledgers.enter(place, known, difference, worth.award, said=said, now=now)
        changed = msgspec.structs.replace(
            known,
            points=worth.award.points,
            points_by_rule=sum(line.points for line in worth.award.lines),
            reason=None if worth.said is None else worth.said.id,
            reason_en=None if worth.said is None else worth.said.en,
            account=EmployeeId(""),
        )
        if difference or elsewhere or own is not None:
            changed = msgspec.structs.replace(changed, settled=next_version(changed.settled, terms.epoch))
            settled.append(changed)
        if entered is not None or changed != known or own is not None:
            completions.append(Put(EARNED_COMPLETIONS, changed))
    facts = [
        (_fact(completion, ledgers, terms), causes.get(completion.id, due[-1])) for completion in settled
    ]
    return Recalculation([*completions, *ledgers.changes()], facts)


def _left(month: str, completion: EarnedCompletion) -> Bilingual | None:
    """Why its points leave an entry of this month in its own person's ledger; None: it does not count any more."""
    if not completion.month:
        return None
    return CORRECTED if month == _month(completion) else moved_in_time(month, completion.completed_on)


def _why_others(
    one: _Worth,
    own: Due[EarnedCompletion] | None,
    difference: int,
    entered: Entered | None,
    terms: Terms,
) -> Bilingual | None:
    """Why it has others than before, where nothing was taken from elsewhere; None: it is its first, or it has none."""
    known = one.completion
    before = known if own is None else own.before
    if before is None or not before.settled or not known.month:
        return None
    if entered is not None:
        return COUNTED_ANEW if own is None else None
    if not before.month:
        return counted_again(before)
    if before.month != known.month:
        return moved_in_time(_month(before), known.completed_on)
    if is_corrected(before, known, terms.rules):
        return CORRECTED
    return recounted(before, one.award, difference)


def _is_by_other_rules(before: EarnedCompletion | None, award: Award, terms: Terms) -> bool:
    """Whether it was corrected so that other rules give its points, be they as many."""
    if before is None or not before.month or not award.points:
        return False
    return lines_of(before.achievement(), terms.rules) != award.lines


def _fact(completion: EarnedCompletion, ledgers: _Ledgers, terms: Terms) -> OutgoingEvent:
    balance = ledgers.account(completion.employee_id).balance
    level = level_of(balance, terms.rules)
    payload = PointsSettled(
        completion_id=completion.id,
        employee_id=completion.employee_id,
        version=completion.settled,
        completion_version=completion.version,
        points=completion.points,
        points_by_rule=completion.points_by_rule,
        reason=completion.reason,
        balance=balance,
        level=level.id,
        level_en=level.name.en,
        reason_en=completion.reason_en,
    )
    return OutgoingEvent(payload, completion.id, completion.settled, completion.employee_id)
