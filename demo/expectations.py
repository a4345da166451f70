"""JP and points that the city's completions are worth together, whatever the order in which they came."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from demo.city import City, Expected
from services.enrollment.learning_hours.jp import Learning, credit_learnings, load_rates
from services.incentive.rules.awards import Achievement, award_month, load_point_rules


@dataclass(frozen=True)
class Expectations:
    """What the day must leave behind; employees by the number that they had first."""

    completions: tuple[Expected, ...]
    jp: dict[tuple[str, int], Decimal]
    """By employee and year."""
    points: dict[tuple[str, str], int]
    """By employee and month, YYYY-MM."""
    dead_letters: dict[str, int]
    """By a part of the reason."""
    waiting: int
    records: int
    """Records that the agencies' topics hold."""


def expectations(city: City) -> Expectations:
    """Caps are by employee and year or month, so totals don't depend on ids, nor on who used a cap up first."""
    everything = tuple(city.expected.values())
    return Expectations(
        completions=everything,
        jp=_jp(everything),
        points=_points(everything),
        dead_letters=dict(city.dead_letters),
        waiting=city.waiting,
        records=city.records.total(),
    )


def _jp(everything: Iterable[Expected]) -> dict[tuple[str, int], Decimal]:
    learnings: dict[str, list[Learning]] = defaultdict(list)
    totals: dict[tuple[str, int], Decimal] = {}
    for expected in everything:
        training, day = expected.completed.training, expected.completed.completed_on
        totals[expected.occasion.employee_number, day.year] = Decimal(0)
        if not expected.revoked:
            learnings[expected.occasion.employee_number].append(
                Learning(str(expected.occasion), training.form, training.level, training.start_date,
                         training.end_date, day, training.programme_jp, training.sessions)
            )  # fmt: skip
    rates = load_rates()
    for number, own in learnings.items():
        credits = credit_learnings(own, rates)
        for learning in own:
            totals[number, learning.completed_on.year] += credits[learning.completion_id].jp
    return totals


def _points(everything: Iterable[Expected]) -> dict[tuple[str, str], int]:
    achievements: dict[tuple[str, str], list[Achievement]] = defaultdict(list)
    for expected in everything:
        training, day = expected.completed.training, expected.completed.completed_on
        of_month = achievements[expected.occasion.employee_number, f"{day:%Y-%m}"]
        if not expected.revoked:
            predicate = expected.completed.result.predicate
            of_month.append(
                Achievement(str(expected.occasion), training.form, training.level, predicate, day)
            )
    rules = load_point_rules()
    return {
        key: sum(award.points for award in award_month(own, rules).values())
        for key, own in achievements.items()
    }
