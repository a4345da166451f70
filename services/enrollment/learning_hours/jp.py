"""JP that completed learnings are worth: pure, and the same for any order of arrival.

Amounts are reckoned in whole tenths of a JP and shown as Decimals with one decimal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal

from services.enrollment.learning_hours.jp_rates import Rate, Rates, load_rates, parse_rates, tenths

if TYPE_CHECKING:  # terms are made of rates, and what decides about agencies of terms
    from services.enrollment.agencies.documents import Arrival

__all__ = ["Capped", "Credit", "Learning", "Rates", "check", "credit_learnings", "load_rates", "parse_rates"]

MAX_TENTHS: Final = 100_000
"""10,000 JP, what the contracts' `Jp` can carry: above that a date or the programme's JP is mistyped."""


@dataclass(frozen=True, slots=True)
class Learning:
    """What JP depend on, of one completion of one employee."""

    completion_id: str
    form: str
    level: str
    start_date: date
    end_date: date
    completed_on: date
    programme_jp: Decimal | None = None
    sessions: int | None = None
    """Where the form is credited by session; None counts as 1."""
    backed: bool = True
    """The employee's own agency stands behind it."""
    arrived: "Arrival | None" = None
    """Of one that it does not stand behind: since when these hours have been asked for without a break; None: from before
    arrivals were kept."""

    @property
    def order(self) -> "tuple[bool, bool, Arrival | None, date, str]":
        """In which caps are used up."""
        arrived = None if self.backed else self.arrived
        return (not self.backed, arrived is not None, arrived, self.completed_on, self.completion_id)


@dataclass(frozen=True, slots=True)
class Capped:
    """`asked` JP by rate, `given` JP under the cap `rule`."""

    asked: Decimal
    given: Decimal
    rule: str
    unit: Literal["jp_per_day", "sessions_per_month"]
    limit: Decimal
    """In that unit."""
    first: date
    last: date
    """Of the days that it takes from, or in the months."""
    slots: int
    """So many days, or months."""
    used: Decimal
    """JP, or sessions, that other learnings had taken of these."""


@dataclass(frozen=True, slots=True)
class Credit:
    asked: Decimal
    """JP by rate, before any cap."""
    jp: Decimal
    rule: str
    """Id of the row that gave the rate: `e_learning/2020-01-01`; `none` if no row does."""
    capped: Capped | None = None
    reason: str | None = None
    """Why there are no JP at all, where no rate gives any."""
    reason_en: str | None = None
    """The same in English; None: it is a rule file's."""


def credit_learnings(learnings: Sequence[Learning], rates: Rates) -> dict[str, Credit]:
    """Credits by completion id, for learnings of one employee: all of a year, and of the years that share a cap with it,
    since the days and months of caps know no new year.

    Those that the employee's own agency stands behind use up caps first, of them earlier completions, then lower ids:
    what another body reports takes nothing from them. Of the others those that arrived first do, whatever their dates:
    what a body reports later takes nothing from what another one reported. A learning takes its days, or its months of
    sessions, from the earliest on and never past its completion; what other learnings of the form took there
    is gone. A learning that `check` refuses is credited 0 with that sentence, so that a narrowed rule never
    stops a recount. Raises ValueError if the caller passed a completion twice.
    """
    ordered = sorted(learnings, key=_ORDER)
    credits: dict[str, Credit] = {}
    pools: dict[str, _Pool] = {}
    for learning in ordered:
        answer = _ask(learning, rates)
        if isinstance(answer, str):
            credits[learning.completion_id] = Credit(_ZERO, _ZERO, "none", None, answer)
            continue
        rate, asked = answer
        asked_jp = _jp(asked)
        if rate.cap is None:
            credits[learning.completion_id] = Credit(asked_jp, asked_jp, rate.id, None, rate.reason)
            continue
        if (pool := pools.get(rate.pool)) is None:
            pool = pools[rate.pool] = _Pool()
        given = _take(learning, rate, asked, pool)
        if given == asked:
            credits[learning.completion_id] = Credit(asked_jp, asked_jp, rate.id)
        else:
            given_jp = _jp(given)
            capped = _capped(learning, rate, asked_jp, given_jp)
            credits[learning.completion_id] = Credit(asked_jp, given_jp, rate.id, capped)
    if len(credits) != len(ordered):
        raise ValueError(f"{len(ordered)} learnings have {len(credits)} completion ids: pass each once")
    return credits


def check(learning: Learning, rates: Rates) -> str | None:
    """Why this learning can never be credited under these rates, as a sentence; None if it can.

    A form whose row says that it has no rate can: it is credited 0, with the row's reason.
    """
    answer = _ask(learning, rates)
    return answer if isinstance(answer, str) else None


_ORDER = attrgetter("order")


def _ask(learning: Learning, rates: Rates) -> tuple[Rate, int] | str:
    """The rate in force and the tenths of JP that it gives before any cap, or why there are none."""
    start, end = learning.start_date, learning.end_date
    if end < start:
        return f"end {end} is before start {start}: correct the date that is wrong, then send it again"
    if learning.completed_on < start:
        return f"completed on {learning.completed_on}, before start {start}: correct the date that is wrong"
    rate = rates.in_force(learning.form, learning.completed_on)
    if rate is None:
        return _no_rate(learning, rates)
    if rate.basis == "unrated":
        return rate, 0
    if rate.basis == "programme":
        if (programme_jp := learning.programme_jp) is None:
            return f"{learning.form} is credited by programme, but the programme's JP are missing: send them"
        if not programme_jp.is_finite() or programme_jp < 0:
            return f"the programme has {programme_jp} JP; 0 or more are allowed: correct them"
        if (factor := rate.factors.get(learning.level)) is None:
            return _no_level(learning, rate)
        asked = tenths(programme_jp, factor) if programme_jp < MAX_TENTHS else MAX_TENTHS + 1
    else:
        if (unit := rate.tenths.get(learning.level)) is None:
            return _no_level(learning, rate)
        asked = unit
        if rate.basis == "per_day":
            # A mistyped year of the end gave JP for 300 days that had not come.
            asked = unit * ((min(end, learning.completed_on) - start).days + 1)
        elif rate.basis == "per_session" and learning.sessions is not None:
            if learning.sessions < 1:
                return f"{learning.sessions} sessions; 1 or more are allowed: correct them, or leave them out"
            asked = unit * learning.sessions
    if asked > MAX_TENTHS:
        return (
            f"{rate.id} would give more than {MAX_TENTHS // 10:,} JP from {start} to {end}: "
            "correct dates, sessions or the programme's JP"
        )
    return rate, asked


def _no_rate(learning: Learning, rates: Rates) -> str:
    form, day, first = learning.form, learning.completed_on, rates.first_day(learning.form)
    if first is None:
        return f"no rate for {form!r}, an unknown form: correct it, {_ASK}"
    if day < first:
        return f"no rate for {form!r} on {day}; first is {first}: correct form or completed_on, {_ASK}"
    return f"no rate for {form!r} in force on {day}: correct form or completed_on, {_ASK}"


_ASK: Final = "or ask the operator whether the city has a rate for it; then send it again"


def _no_level(learning: Learning, rate: Rate) -> str:
    known = ", ".join([*rate.tenths, *rate.factors])
    return f"{rate.id} has no rate at level {learning.level!r}, only at: {known}: correct the level"


def _take(learning: Learning, rate: Rate, asked: int, pool: "_Pool") -> int:
    """Tenths that the cap leaves of `asked`."""
    assert rate.cap is not None
    first, last = _slots(learning, rate)
    if rate.basis == "per_session":
        return rate.tenths[learning.level] * pool.take(first, last, rate.cap, learning.sessions or 1)
    return pool.take(first, last, rate.cap, asked)


def _slots(learning: Learning, rate: Rate) -> tuple[int, int]:
    """The first and the last day, or month of sessions, that it takes from."""
    start, end = learning.start_date, _last_day(learning)
    if rate.basis == "per_session":
        return start.year * 12 + start.month, end.year * 12 + end.month
    return start.toordinal(), end.toordinal()


def _last_day(learning: Learning) -> date:
    """No day after the completion can have been learned on, so an open-ended course gains no days by it."""
    return min(learning.end_date, learning.completed_on)


def _capped(learning: Learning, rate: Rate, asked: Decimal, given: Decimal) -> Capped:
    """What is cut has taken all that others left: what they had is the rest."""
    assert rate.cap is not None
    first, last = _slots(learning, rate)
    slots = last - first + 1
    if rate.basis == "per_session":
        limit, had = Decimal(rate.cap), given / _jp(rate.tenths[learning.level])
        unit: Literal["jp_per_day", "sessions_per_month"] = "sessions_per_month"
    else:
        limit, had, unit = _jp(rate.cap), given, "jp_per_day"
    return Capped(
        asked,
        given,
        rate.cap_id,
        unit,
        limit,
        learning.start_date,
        _last_day(learning),
        slots,
        limit * slots - had,
    )


class _Pool:
    """What the learnings of a form have taken so far of each day (tenths) or month (sessions)."""

    __slots__ = ("_beyond", "_taken")

    def __init__(self) -> None:
        self._taken: dict[int, int] = {}
        # Per cap: a full slot leads to a later one, all between being full. So that 40 learnings that span
        # the same year walk its days once, not 40 times.
        self._beyond: dict[int, dict[int, int]] = {}

    def take(self, first: int, last: int, cap: int, asked: int) -> int:
        """Takes up to `asked` from slots first..last, earliest first, each up to `cap`; says how much."""
        taken, beyond = self._taken, self._beyond.setdefault(cap, {})
        slot, missing = first, asked
        full = []
        while missing and slot <= last:
            if (later := beyond.get(slot)) is not None:
                full.append(slot)
                slot = later
                continue
            used = taken.get(slot, 0)
            room = cap - used
            if room > missing:
                taken[slot] = used + missing
                missing = 0
                break
            if room > 0:
                taken[slot] = cap
                missing -= room
            full.append(slot)
            slot += 1
        for passed in full:
            beyond[passed] = slot
        return asked - missing


@lru_cache(maxsize=4096)
def _jp(amount: int) -> Decimal:
    """Tenths as JP with one decimal."""
    return Decimal(amount).scaleb(-1)


_ZERO: Final = _jp(0)
