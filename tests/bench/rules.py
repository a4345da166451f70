"""Time of one recount of an employee: `python -m tests.bench.rules`."""

import random
import timeit
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from services.enrollment.learning_hours.jp import Learning, credit_learnings, load_rates
from services.incentive.rules.awards import Achievement, award_month, load_point_rules
from shared.contracts.vocabulary import Form

FORMS = [form.value for form in Form]


def learnings(count: int, forms: list[str], days: tuple[int, int], jp: int) -> list[Learning]:
    chance = random.Random(1)
    found = []
    for number in range(count):
        start = date(2026, 1, 1) + timedelta(days=chance.randrange(300))
        end = min(start + timedelta(days=chance.randint(*days) - 1), date(2026, 12, 31))
        form = forms[number % len(forms)]
        found.append(Learning(f"c{number}", form, "national", start, end, end, Decimal(jp), 2))
    return found


def achievements(count: int) -> list[Achievement]:
    predicates = ["Sangat Memuaskan", "Baik", None]
    return [
        Achievement(f"c{n}", FORMS[n % 18], "international", predicates[n % 3], date(2026, 6, 1 + n % 30))
        for n in range(count)
    ]


def measure(name: str, recount: Callable[[], object]) -> None:
    best_s = min(timeit.repeat(recount, number=1000, repeat=7)) / 1000
    print(f"{name:45}{best_s * 1e6:8.1f} us")


def main() -> None:
    rates, rules = load_rates(), load_point_rules()
    for count in (5, 40):
        for name, forms, days, jp in (
            ("all forms", FORMS, (1, 5), 10),
            ("e-learning, 10 JP in 1-5 days", ["e_learning"], (1, 5), 10),
            ("e-learning, 60 JP in 60-120 days", ["e_learning"], (60, 120), 60),
            ("coaching over 1-4 months", ["coaching"], (1, 120), 0),
        ):
            year = learnings(count, forms, days, jp)
            measure(f"JP of {count}: {name}", lambda year=year: credit_learnings(year, rates))
        month = achievements(count)
        measure(f"points of {count}", lambda month=month: award_month(month, rules))


if __name__ == "__main__":
    main()
