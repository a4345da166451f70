"""Promises of the rule engines that hold for any history of an employee."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enrollment.learning_hours.jp import Learning, check, credit_learnings, load_rates, parse_rates
from services.enrollment.learning_hours.jp_rates import JP_YAML
from services.incentive.rules.awards import (
    Achievement,
    award_month,
    level_of,
    load_point_rules,
    parse_point_rules,
)
from services.incentive.rules.point_rules import POINTS_YAML
from shared.contracts.vocabulary import Form, Level
from shared.dated_rules import RulesInvalid
from tests.examples import examples

RATES = load_rates()
RULES = load_point_rules()
DAY_CAPS = {"e_learning": Decimal(3), "learning_community": Decimal(2), "self_learning": Decimal(2)}
SESSION_FORMS = ("workplace_guidance", "coaching", "mentoring")
NEW_YEAR = date(2026, 1, 1)

days = st.integers(-60, 364).map(lambda n: NEW_YEAR + timedelta(days=n))
jp_amounts = st.decimals(0, 60, places=2)


@st.composite
def learnings(draw: st.DrawFn, forms: tuple[str, ...] = tuple(Form), tight: bool = False) -> list[Learning]:
    """Of one employee; `tight`: so close together that their caps meet."""
    found = []
    for number in range(draw(st.integers(0, 12))):
        completed = NEW_YEAR + timedelta(days=draw(st.integers(-5, 15))) if tight else draw(days)
        start = completed - timedelta(days=draw(st.integers(0, 8 if tight else 400)))
        end = start + timedelta(days=draw(st.integers(0, 8 if tight else 400)))
        found.append(
            Learning(
                completion_id=f"c{number}",
                form=draw(st.sampled_from(forms)),
                level=draw(st.sampled_from(Level)),
                start_date=start,
                end_date=end,
                completed_on=completed,
                programme_jp=draw(st.none() | jp_amounts),
                sessions=draw(st.none() | st.integers(-1, 9)),
            )
        )
    return found


achievements = st.lists(
    st.builds(
        Achievement,
        completion_id=st.text("abc", min_size=1, max_size=4),
        form=st.sampled_from([*Form, "karaoke"]),
        level=st.sampled_from([*Level, "regional"]),
        predicate=st.none() | st.sampled_from(["Baik", " SANGAT  memuaskan", "Cukup"]) | st.text(max_size=5),
        completed_on=st.integers(1, 30).map(lambda day: date(2026, 6, day)),
    ),
    max_size=15,
    unique_by=lambda one: one.completion_id,
)


@given(learnings(), st.integers())
def test_credits_do_not_depend_on_the_order_of_arrival(history: list[Learning], seed: int) -> None:
    shuffled = Random(seed).sample(history, len(history))
    assert credit_learnings(shuffled, RATES) == credit_learnings(history, RATES)


@given(learnings(tuple(DAY_CAPS), tight=True), st.integers())
def test_credits_under_caps_do_not_depend_on_the_order_of_arrival(history: list[Learning], seed: int) -> None:
    shuffled = Random(seed).sample(history, len(history))
    assert credit_learnings(shuffled, RATES) == credit_learnings(history, RATES)


@given(learnings(tight=True), learnings(tight=True))
def test_a_completion_added_and_taken_back_leaves_no_trace(
    own: list[Learning], other: list[Learning]
) -> None:
    before = credit_learnings(own, RATES)
    more = [
        Learning(
            f"x{n}",
            one.form,
            one.level,
            one.start_date,
            one.end_date,
            one.completed_on,
            one.programme_jp,
            one.sessions,
        )
        for n, one in enumerate(other)
    ]
    credit_learnings([*own, *more], RATES)
    assert credit_learnings(own, RATES) == before


@given(learnings())
def test_jp_are_never_negative_never_above_what_was_asked_and_have_one_decimal(
    history: list[Learning],
) -> None:
    for credit in credit_learnings(history, RATES).values():
        assert 0 <= credit.jp <= credit.asked
        assert credit.jp.as_tuple().exponent == credit.asked.as_tuple().exponent == -1
        assert (credit.capped is None) == (credit.jp == credit.asked)
        if credit.capped is not None:
            assert (credit.capped.asked, credit.capped.given) == (credit.asked, credit.jp)


@given(learnings())
def test_a_recount_refuses_exactly_what_the_check_refuses(history: list[Learning]) -> None:
    credits = credit_learnings(history, RATES)
    for one in history:
        refused = check(one, RATES)
        assert (credits[one.completion_id].rule == "none") == (refused is not None)
        if refused is not None:
            assert credits[one.completion_id].reason == refused


def by_day(history: list[Learning], form: str) -> dict[str, Decimal]:
    """The plain reading of the rule: walk each learning's days, and let each day give what it has left."""
    cap, taken, given_jp = DAY_CAPS[form], defaultdict(Decimal), {}
    ordered = sorted(history, key=lambda one: (one.completed_on, one.completion_id))
    for one in ordered:
        given_jp[one.completion_id] = Decimal("0.0")
        missing = credit_learnings([one], UNCAPPED)[one.completion_id].asked
        day = one.start_date
        while day <= min(one.end_date, one.completed_on):
            got = min(missing, cap - taken[day])
            taken[day] += got
            missing -= got
            given_jp[one.completion_id] += got
            day += timedelta(days=1)
    assert all(amount <= cap for amount in taken.values())
    return given_jp


UNCAPPED = parse_rates("\n".join(line for line in JP_YAML.read_text().splitlines() if "cap: {" not in line))


@pytest.mark.parametrize("form", list(DAY_CAPS))
@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_each_day_gives_at_most_its_cap_as_a_walk_over_the_days_finds(form: str, data: st.DataObject) -> None:
    history = data.draw(learnings((form,), tight=data.draw(st.booleans())))
    credits = credit_learnings(history, RATES)
    assert {one: credit.jp for one, credit in credits.items()} == by_day(history, form)


@pytest.mark.parametrize("form", SESSION_FORMS)
@given(data=st.data())
def test_sessions_never_exceed_two_for_each_month_that_was_touched(form: str, data: st.DataObject) -> None:
    history = data.draw(learnings((form,), tight=data.draw(st.booleans())))
    months = set()
    for one in history:
        day = one.start_date
        while day <= min(one.end_date, one.completed_on):
            months.add((day.year, day.month))
            day += timedelta(days=1)
    total = sum(credit.jp for credit in credit_learnings(history, RATES).values())
    assert total <= 2 * 2 * len(months)


@given(achievements, st.integers())
def test_awards_do_not_depend_on_the_order_of_arrival(history: list[Achievement], seed: int) -> None:
    shuffled = Random(seed).sample(history, len(history))
    assert award_month(shuffled, RULES) == award_month(history, RULES)


@given(achievements)
def test_a_months_points_never_exceed_its_cap_and_are_never_negative(history: list[Achievement]) -> None:
    awards = award_month(history, RULES)
    asked = sum(line.points for award in awards.values() for line in award.lines)
    assert sum(award.points for award in awards.values()) == min(asked, 100)
    for award in awards.values():
        assert 0 <= award.points <= sum(line.points for line in award.lines)
        assert (award.capped is None) == (award.points == sum(line.points for line in award.lines))


@given(achievements, achievements)
def test_an_achievement_added_and_taken_back_leaves_no_trace(
    own: list[Achievement], other: list[Achievement]
) -> None:
    before = award_month(own, RULES)
    more = [
        Achievement("x" + one.completion_id, one.form, one.level, one.predicate, one.completed_on)
        for one in other
    ]
    award_month([*own, *more], RULES)
    assert award_month(own, RULES) == before


@given(st.integers(-5000, 5000), st.integers(0, 5000))
def test_more_points_never_mean_a_lower_level(balance: int, more: int) -> None:
    assert level_of(balance, RULES).threshold <= level_of(balance + more, RULES).threshold


JUNK = st.sampled_from([None, True, -1, 1.5, "", "x", [], {}, {"x": 1}, "+20", "2020-01-01", 10**30])


@pytest.mark.parametrize(
    ("path", "parse"), [(JP_YAML, parse_rates), (POINTS_YAML, parse_point_rules)], ids=["jp", "points"]
)
@settings(deadline=None, max_examples=examples())
@given(data=st.data())
def test_a_damaged_rule_file_loads_or_fails_with_a_sentence_that_names_the_row(
    path: object, parse: object, data: st.DataObject
) -> None:
    document = yaml.load(path.read_text(), yaml.CSafeLoader)
    table = data.draw(st.sampled_from(sorted(document)))
    number = data.draw(st.integers(0, len(document[table]) - 1))
    row = dict(document[table][number])
    key = data.draw(st.sampled_from(sorted(row)) | st.just("surplus"))
    row[key] = data.draw(JUNK)
    document[table][number] = row
    try:
        parse(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))
    except RulesInvalid as error:
        said = str(error)
        assert said.startswith(f"{path.name}, {table}")
        assert f"row {number + 1} (" in said or "/2020-01-01" in said or "/2025-01-01" in said
        assert "\n" not in said
