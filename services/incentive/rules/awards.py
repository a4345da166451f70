"""Points that completions earn: pure, and the same for any order of arrival."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter

from services.incentive.rules.point_rules import (
    Level,
    Line,
    PointRules,
    load_point_rules,
    normalised,
    parse_point_rules,
)

__all__ = [
    "Achievement",
    "Award",
    "Capped",
    "Level",
    "Line",
    "PointRules",
    "award_month",
    "level_of",
    "lines_of",
    "load_point_rules",
    "parse_point_rules",
]


@dataclass(frozen=True, slots=True)
class Achievement:
    """What points depend on, of one completion of one employee."""

    completion_id: str
    form: str
    level: str
    predicate: str | None
    completed_on: date
    """The day where it was completed: a date, so that no time zone moves it to another month."""
    backed: bool = True
    """The employee's own agency stands behind it."""
    arrived: datetime | None = None
    """Of one that it does not stand behind: when that was reported; None: before it was kept."""

    @property
    def order(self) -> tuple[bool, bool, datetime | None, date, str]:
        """In which the cap is used up: the one of hours (enrollment's jp.py)."""
        arrived = None if self.backed else self.arrived
        return (not self.backed, arrived is not None, arrived, self.completed_on, self.completion_id)


@dataclass(frozen=True, slots=True)
class Capped:
    """`asked` points by the lines, `given` under the cap `rule` of `limit` points a month."""

    asked: int
    given: int
    rule: str
    limit: int


@dataclass(frozen=True, slots=True)
class Award:
    points: int
    lines: tuple[Line, ...]
    """What each rule gave, before the cap; never empty."""
    capped: Capped | None = None


def award_month(achievements: Sequence[Achievement], rules: PointRules) -> dict[str, Award]:
    """Awards by completion id, for all achievements of one employee completed in one calendar month.

    Those that the employee's own agency stands behind use up the month's cap first, of them earlier completions, then
    lower ids; of the others those that were reported first. A form without a row in force earns a
    base of 0, and a line that says so. Raises ValueError if the caller mixed months or passed a completion
    twice.
    """
    ordered = sorted(achievements, key=_ORDER)
    if not ordered:
        return {}
    days = [completion.completed_on for completion in ordered]
    first, last = min(days), max(days)
    if (first.year, first.month) != (last.year, last.month):
        raise ValueError(f"achievements of {first:%Y-%m} to {last:%Y-%m}: award each month by itself")
    cap = rules.month_cap.at(first)
    left = None if cap is None else cap.points
    awards: dict[str, Award] = {}
    for achievement in ordered:
        lines = lines_of(achievement, rules)
        asked = sum(line.points for line in lines)
        if cap is None or left is None:
            awards[achievement.completion_id] = Award(asked, lines)
        elif asked <= left:
            awards[achievement.completion_id] = Award(asked, lines)
            left -= asked
        else:
            awards[achievement.completion_id] = Award(left, lines, Capped(asked, left, cap.rule, cap.points))
            left = 0
    if len(awards) != len(ordered):
        raise ValueError(f"{len(ordered)} achievements have {len(awards)} completion ids: pass each once")
    return awards


def level_of(balance: int, rules: PointRules, on: date = date.max) -> Level:
    """The level of a balance under the thresholds in force `on` that day; unless given, the last ones known.

    A balance below 0 (points spent, then taken back) has the lowest level. Raises LookupError for a day on
    which no level is in force.
    """
    ladder = rules.levels.at(on)
    if ladder is None:
        raise LookupError(f"no level is in force on {on}: add rows to 'levels' from that day")
    return ladder[max(bisect_right(ladder, balance, key=_THRESHOLD) - 1, 0)]


_ORDER = attrgetter("order")
_THRESHOLD = attrgetter("threshold")


def lines_of(achievement: Achievement, rules: PointRules) -> tuple[Line, ...]:
    """What each rule gives, whatever a cap leaves of it."""
    day = achievement.completed_on
    timeline = rules.base.get(achievement.form)
    base = None if timeline is None else timeline.at(day)
    lines = [base or Line(f"no rule: base/{achievement.form} on {day}", 0)]
    timeline = rules.level_bonus.get(achievement.level)
    if timeline is not None and (bonus := timeline.at(day)) is not None:
        lines.append(bonus)
    if achievement.predicate is not None:
        timeline = rules.predicate_bonus.get(normalised(achievement.predicate))
        if timeline is not None and (bonus := timeline.at(day)) is not None:
            lines.append(bonus)
    return tuple(lines)
