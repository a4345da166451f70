from datetime import date

import pytest

from services.incentive.rules.awards import (
    Achievement,
    Capped,
    Line,
    award_month,
    level_of,
    load_point_rules,
    parse_point_rules,
)
from services.incentive.rules.point_rules import PointRules
from shared.contracts.vocabulary import Form, Level
from shared.dated_rules import RulesInvalid

SHIPPED = load_point_rules()
SAID = "source: a test, confidence: L"
TEXT = f"""
base:
  - {{form: course, points: 20, from: 2025-01-01, {SAID}}}
  - {{form: seminar, points: 5, from: 2025-01-01, {SAID}}}
  - {{form: seminar, points: 7, from: 2026-06-15, {SAID}}}
level_bonus:
  - {{level: international, points: 10, from: 2025-01-01, {SAID}}}
predicate_bonus:
  - {{predicate: Sangat Memuaskan, points: 9, from: 2025-01-01, {SAID}}}
  - {{predicate: Memuaskan, points: 4, from: 2025-01-01, until: 2026-05-31, {SAID}}}
month_cap:
  - {{points: 50, from: 2025-01-01, {SAID}}}
  - {{points: 30, from: 2026-07-01, until: 2026-07-31, {SAID}}}
levels:
  - {{level: pemula, name_id: Pemula, name_en: Beginner, threshold: 0, from: 2025-01-01, {SAID}}}
  - {{level: mahir, name_id: Mahir, name_en: Advanced, threshold: 150, from: 2025-01-01, {SAID}}}
  - {{level: mahir, name_id: Mahir, name_en: Advanced, threshold: 200, from: 2026-01-01, {SAID}}}
""".replace("50, from: 2025-01-01, s", "50, from: 2025-01-01, until: 2026-06-30, s", 1)


@pytest.fixture(scope="module")
def rules() -> PointRules:
    return parse_point_rules(TEXT)


def achieved(
    completion_id: str = "c1",
    form: str = "course",
    day: str = "2026-06-10",
    level: str = "national",
    predicate: str | None = None,
) -> Achievement:
    return Achievement(completion_id, form, level, predicate, date.fromisoformat(day))


def test_base_level_and_predicate_each_have_a_line(rules: PointRules) -> None:
    award = award_month([achieved(level="international", predicate="Sangat Memuaskan")], rules)["c1"]
    assert award.points == 39
    assert award.lines == (
        Line("base/course/2025-01-01", 20),
        Line("level_bonus/international/2025-01-01", 10),
        Line("predicate_bonus/sangat memuaskan/2025-01-01", 9),
    )
    assert award.capped is None


@pytest.mark.parametrize(
    "predicate", ["sangat memuaskan", " SANGAT  MEMUASKAN ", "Sangat\u00a0Memuaskan", "Ｓangat Memuaskan"]
)
def test_case_width_and_spaces_of_a_predicate_say_nothing(predicate: str, rules: PointRules) -> None:
    assert award_month([achieved(predicate=predicate)], rules)["c1"].points == 29


@pytest.mark.parametrize("predicate", [None, "", "Tidak Memuaskan", "memuaskan/2025-01-01"])
def test_a_predicate_without_a_rule_adds_nothing(predicate: str | None, rules: PointRules) -> None:
    award = award_month([achieved(predicate=predicate)], rules)["c1"]
    assert award.lines == (Line("base/course/2025-01-01", 20),)


@pytest.mark.parametrize("form", ["karaoke", "", "workshop", "month_cap"])
def test_a_form_without_a_rule_earns_a_base_of_0_and_says_so(form: str, rules: PointRules) -> None:
    award = award_month([achieved(form=form)], rules)["c1"]
    assert award.points == 0
    assert award.lines == (Line(f"no rule: base/{form} on 2026-06-10", 0),)


def test_a_completion_before_the_first_row_earns_0_and_says_so(rules: PointRules) -> None:
    award = award_month([achieved(day="2024-12-31", level="international")], rules)["c1"]
    assert award.lines == (Line("no rule: base/course on 2024-12-31", 0),)


def test_the_rule_in_force_is_that_on_the_day_of_completion(rules: PointRules) -> None:
    awards = award_month([achieved("a", "seminar"), achieved("b", "seminar", "2026-06-15")], rules)
    assert [awards[one].lines[0] for one in "ab"] == [
        Line("base/seminar/2025-01-01", 5),
        Line("base/seminar/2026-06-15", 7),
    ]


def test_a_bonus_ends_with_its_row(rules: PointRules) -> None:
    assert award_month([achieved(day="2026-05-31", predicate="Memuaskan")], rules)["c1"].points == 24
    assert award_month([achieved(day="2026-06-01", predicate="Memuaskan")], rules)["c1"].points == 20


def test_the_months_cap_goes_to_the_earlier_completions_first(rules: PointRules) -> None:
    awards = award_month(
        [
            achieved("a", day="2026-06-30"),
            achieved("d", day="2026-06-01"),
            achieved("b", day="2026-06-02"),
            achieved("c", day="2026-06-02"),
        ],
        rules,
    )
    assert {one: award.points for one, award in awards.items()} == {"d": 20, "b": 20, "c": 10, "a": 0}
    assert awards["c"].capped == Capped(20, 10, "month_cap/2025-01-01", 50)
    assert awards["a"].capped == Capped(20, 0, "month_cap/2025-01-01", 50)


def test_completions_without_points_are_not_called_capped(rules: PointRules) -> None:
    done = [achieved("a"), achieved("b"), achieved("c"), achieved("d", form="karaoke", day="2026-06-30")]
    assert award_month(done, rules)["d"].capped is None


def test_a_month_has_the_cap_of_its_row_and_none_without_one(rules: PointRules) -> None:
    july = award_month([achieved("a", day="2026-07-01"), achieved("b", day="2026-07-31")], rules)
    assert [july[one].points for one in "ab"] == [20, 10]
    august = award_month([achieved(str(n), day="2026-08-01") for n in range(9)], rules)
    assert sum(award.points for award in august.values()) == 180


def test_months_are_not_mixed(rules: PointRules) -> None:
    with pytest.raises(ValueError, match="2026-06 to 2026-07"):
        award_month([achieved("a", day="2026-07-01"), achieved("b", day="2026-06-30")], rules)


def test_the_same_month_of_another_year_is_another_month(rules: PointRules) -> None:
    with pytest.raises(ValueError, match="2025-06 to 2026-06"):
        award_month([achieved("a", day="2025-06-30"), achieved("b", day="2026-06-30")], rules)


def test_a_completion_passed_twice_is_not_counted_once_in_silence(rules: PointRules) -> None:
    with pytest.raises(ValueError, match="2 achievements have 1 completion ids"):
        award_month([achieved("a"), achieved("a")], rules)


def test_an_empty_month_has_no_awards(rules: PointRules) -> None:
    assert award_month([], rules) == {}


def test_words_of_the_vocabulary_and_plain_text_earn_alike(rules: PointRules) -> None:
    word = achieved(form=Form.COURSE, level=Level.INTERNATIONAL)
    assert award_month([word], rules) == award_month([achieved(level="international")], rules)


@pytest.mark.parametrize(
    ("balance", "level"),
    [
        (-1, "pemula"),
        (0, "pemula"),
        (49, "pemula"),
        (50, "terampil"),
        (149, "terampil"),
        (150, "mahir"),
        (399, "mahir"),
        (400, "ahli"),
        (999, "ahli"),
        (1000, "teladan"),
        (10**9, "teladan"),
    ],
)
def test_a_balance_has_the_level_whose_threshold_it_reached(balance: int, level: str) -> None:
    found = level_of(balance, SHIPPED)
    assert found.id == level
    assert found.threshold <= max(balance, 0)
    assert found.name.id
    assert found.name.en


def test_thresholds_are_those_of_the_day(rules: PointRules) -> None:
    assert level_of(150, rules, date(2025, 12, 31)).id == "mahir"
    assert level_of(150, rules, date(2026, 1, 1)).id == "pemula"
    assert level_of(150, rules).id == "pemula"


def test_no_level_before_the_first_row(rules: PointRules) -> None:
    with pytest.raises(LookupError, match="no level is in force on 2024-12-31"):
        level_of(0, rules, date(2024, 12, 31))


def test_every_form_has_points_and_invented_numbers_say_so() -> None:
    assert {form for form in Form if SHIPPED.base[form].at(date(2026, 1, 1)) is None} == set()
    assert {(row.source, row.confidence) for row in SHIPPED.rows} == {("kebijakan kota, sementara", "L")}


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("form: course", "form: karaoke", "points.yaml, base, row 1 (form: karaoke, points: 20"),
        ("points: 20", "points: -20", "points.yaml, base, row 1 (form: course, points: -20"),
        ("points: 20", "points: 2.5", "points.yaml, base, row 1"),
        ("points: 20", "points: true", "points.yaml, base, row 1"),
        ("points: 20", "pts: 20", "'points' is missing: add it; 'pts' is no known key"),
        ("level: international", "level: regional", "points.yaml, level_bonus, row 1 (level: regional"),
        ("predicate: Memuaskan", "predicate: ''", "points.yaml, predicate_bonus, row 2"),
        ("predicate: Memuaskan", "predicate: ' SANGAT  memuaskan'", "is there twice"),
        ("from: 2026-07-01", "from: 2026-07-02", "is no first of a month"),
        ("until: 2026-07-31", "until: 2026-07-30", "is no last of a month"),
        ("until: 2026-06-30", "until: 2026-07-31", "runs until 2026-07-31, but month_cap/2026-07-01 begins"),
        ("threshold: 0", "threshold: 1", "levels/pemula/2025-01-01 is the lowest on 2025-01-01, at 1"),
        ("threshold: 150", "threshold: 0", "both start at 0"),
        ("level: pemula", "level: Pemula!", "points.yaml, levels, row 1"),
        ("month_cap:", "cap:", "must have exactly: base, level_bonus, predicate_bonus, month_cap, levels"),
    ],
)
def test_a_malformed_row_fails_with_a_sentence_that_names_it(wrong: str, right: str, said: str) -> None:
    assert wrong in TEXT
    with pytest.raises(RulesInvalid) as raised:
        parse_point_rules(TEXT.replace(wrong, right, 1))
    assert said in str(raised.value)


def test_levels_that_end_fail_at_start() -> None:
    ending = TEXT.replace(
        "threshold: 0, from: 2025-01-01", "threshold: 0, from: 2025-01-01, until: 2030-12-31"
    )
    with pytest.raises(RulesInvalid, match="is the lowest on 2031-01-01, at 200"):
        parse_point_rules(ending)


def test_a_cap_may_end_with_the_calendar() -> None:
    parse_point_rules(TEXT.replace("until: 2026-07-31", "until: 9999-12-31"))
