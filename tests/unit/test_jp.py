from datetime import date
from decimal import Decimal

import pytest

from services.enrollment.completions.reasons import cut
from services.enrollment.learning_hours.duty import Duty, duty, load_duties, parse_duties
from services.enrollment.learning_hours.jp import (
    Capped,
    Learning,
    check,
    credit_learnings,
    load_rates,
    parse_rates,
)
from shared.contracts.vocabulary import EmploymentType, Form, Level
from shared.dated_rules import RulesInvalid

RATES = load_rates()


def jp(text: str) -> Decimal:
    return Decimal(text)


def learning(
    completion_id: str = "c1",
    form: str = "seminar",
    start: str = "2026-03-02",
    end: str | None = None,
    completed: str | None = None,
    level: str = "national",
    programme_jp: str | None = None,
    sessions: int | None = None,
) -> Learning:
    last = end or start
    return Learning(
        completion_id=completion_id,
        form=form,
        level=level,
        start_date=date.fromisoformat(start),
        end_date=date.fromisoformat(last),
        completed_on=date.fromisoformat(completed or last),
        programme_jp=None if programme_jp is None else Decimal(programme_jp),
        sessions=sessions,
    )


def credited(*learnings: Learning) -> list[str]:
    credits = credit_learnings(learnings, RATES)
    return [str(credits[one.completion_id].jp) for one in learnings]


# Two days, a programme of 5 JP, 3 sessions in one month.
@pytest.mark.parametrize(
    ("form", "national", "international"),
    [
        ("course", "5.0", "6.0"),
        ("structural_leadership", "5.0", None),
        ("seminar", "8.0", "12.0"),
        ("webinar", "8.0", "12.0"),
        ("workshop", "10.0", "14.0"),
        ("internship", "20.0", "24.0"),
        ("exchange", "20.0", "24.0"),
        ("secondment", "20.0", "24.0"),
        ("workplace_guidance", "4.0", "4.0"),
        ("e_learning", "5.0", "5.0"),
        ("learning_community", "4.0", "4.0"),
        ("distance_learning", "5.0", "6.0"),
        ("outbound", "5.0", "6.0"),
        ("benchmarking", "10.0", "10.0"),
        ("self_learning", "4.0", "4.0"),
        ("coaching", "4.0", "4.0"),
        ("mentoring", "4.0", "4.0"),
        ("formal_education", "0.0", "0.0"),
    ],
)
def test_each_form_is_credited_as_the_table_says(form: str, national: str, international: str | None) -> None:
    for level, expected in (("national", national), ("international", international)):
        done = learning(form=form, end="2026-03-03", level=level, programme_jp="5", sessions=3)
        if expected is None:
            assert "no rate at level 'international'" in (check(done, RATES) or "")
        else:
            assert check(done, RATES) is None
            assert credited(done) == [expected]


def test_every_form_has_a_rate_or_a_row_that_says_why_not() -> None:
    day = date(2026, 1, 1)
    assert [form for form in Form if RATES.in_force(form, day) is None] == []


def test_words_of_the_vocabulary_and_plain_text_are_credited_alike() -> None:
    plain = learning(form="seminar", level="international")
    word = learning(form=Form.SEMINAR, level=Level.INTERNATIONAL)
    assert credit_learnings([plain], RATES) == credit_learnings([word], RATES)


def test_a_credit_names_its_row_and_its_cap() -> None:
    credit = credit_learnings([learning(form="e_learning", programme_jp="5")], RATES)["c1"]
    assert credit.rule == "e_learning/2020-01-01"
    assert credit.asked == jp("5.0")
    day, rule = date(2026, 3, 2), "e_learning/2020-01-01/jp_per_day"
    assert credit.capped == Capped(
        jp("5.0"), jp("3.0"), rule, "jp_per_day", jp("3.0"), day, day, 1, jp("0.0")
    )


ELSEWHERE = learning("a", "e_learning", "2026-12-30", programme_jp="2")


@pytest.mark.parametrize(
    ("others", "done", "id", "en"),
    [
        (
            [ELSEWHERE],
            learning("b", "e_learning", "2026-12-30", "2027-01-01", programme_jp="12"),
            "12 JP menurut tarif, 7 JP diakui: batas 3 JP sehari untuk bentuk ini, dari 30 Desember 2026 sampai 1 "
            "Januari 2027 (3 hari, 9 JP); 2 JP di antaranya sudah dipakai pembelajaran lain",
            "12 JP by rate, 7 JP count: the daily limit of 3 JP for this form, from 30 December 2026 to 1 January 2027 "
            "(3 days, 9 JP), of which other learning used 2 JP",
        ),
        (
            [],
            learning("b", "self_learning", "2026-12-30", programme_jp="2.5"),
            "2,5 JP menurut tarif, 2 JP diakui: batas 2 JP sehari untuk bentuk ini, pada 30 Desember 2026 (1 hari, 2 JP)",
            "2.5 JP by rate, 2 JP count: the daily limit of 2 JP for this form, on 30 December 2026 (1 day, 2 JP)",
        ),
        (
            [learning("a", "coaching", "2026-02-02", sessions=1)],
            learning("b", "coaching", "2026-02-10", "2026-02-20", sessions=3),
            "6 JP menurut tarif, 2 JP diakui: batas 2 sesi sebulan untuk bentuk ini, dalam Februari 2026 (1 bulan, 2 "
            "sesi); 1 sesi di antaranya sudah dipakai pembelajaran lain",
            "6 JP by rate, 2 JP count: the monthly limit of 2 sessions for this form, in February 2026 (1 month, 2 "
            "sessions), of which other learning used 1 session",
        ),
    ],
    ids=["over New Year", "one day", "sessions"],
)
def test_what_a_limit_cut_says_which_one_on_which_days_and_what_others_used(
    others: list[Learning], done: Learning, id: str, en: str
) -> None:
    capped = credit_learnings([*others, done], RATES)["b"].capped
    assert capped is not None
    assert cut(capped) == (id, en)


def test_a_webinar_names_the_seminars_row() -> None:
    assert credit_learnings([learning(form="webinar")], RATES)["c1"].rule == "seminar/2020-01-01"


def test_formal_education_is_accepted_and_says_why_it_has_no_jp() -> None:
    credit = credit_learnings([learning(form="formal_education", end="2027-03-02")], RATES)["c1"]
    assert (credit.jp, credit.reason) == (jp("0.0"), "belum ada tarif JP untuk pendidikan formal")


def test_a_daily_cap_is_shared_by_completions_of_a_form_and_the_earlier_comes_first() -> None:
    first = learning("b", "e_learning", "2026-03-02", programme_jp="2")
    second = learning("a", "e_learning", "2026-03-02", completed="2026-03-05", programme_jp="2")
    assert credited(first, second) == ["2.0", "1.0"]


def test_completions_of_one_day_are_ordered_by_id() -> None:
    assert credited(
        learning("b", "e_learning", programme_jp="2"), learning("a", "e_learning", programme_jp="2")
    ) == ["1.0", "2.0"]


def test_forms_do_not_share_a_daily_cap() -> None:
    assert credited(
        learning("a", "e_learning", programme_jp="3"), learning("b", "self_learning", programme_jp="2")
    ) == ["3.0", "2.0"]


def test_levels_share_a_daily_cap() -> None:
    assert credited(
        learning("a", "e_learning", programme_jp="3"),
        learning("b", "e_learning", level="international", programme_jp="3"),
    ) == ["3.0", "0.0"]


def test_a_day_taken_in_part_gives_its_rest_and_the_next_days_follow() -> None:
    one = learning("a", "e_learning", "2026-03-02", programme_jp="2.5")
    three = learning("b", "e_learning", "2026-03-02", "2026-03-04", programme_jp="20")
    assert credited(one, three) == ["2.5", "6.5"]


def test_days_taken_whole_are_passed_over() -> None:
    middle = learning("a", "e_learning", "2026-03-03", "2026-03-04", programme_jp="6")
    around = learning("b", "e_learning", "2026-03-02", "2026-03-06", programme_jp="20")
    again = learning("c", "e_learning", "2026-03-01", "2026-03-07", programme_jp="20")
    assert credited(middle, around, again) == ["6.0", "9.0", "6.0"]


def test_no_day_after_the_completion_counts_under_a_cap() -> None:
    open_ended = learning(form="e_learning", end="2026-12-31", completed="2026-03-03", programme_jp="20")
    assert credited(open_ended) == ["6.0"]


@pytest.mark.parametrize(
    ("last", "expected"), [(date(2026, 3, 4), 8), (date(2027, 1, 1), 8), (date(2026, 3, 3), 4)]
)
def test_days_after_the_completion_give_nothing_without_a_cap_either(last: date, expected: int) -> None:
    """With a mistyped year of its end, a seminar of two days gave 1,220 JP."""
    seminar = Learning("c1", "seminar", "national", date(2026, 3, 3), last, date(2026, 3, 4))
    assert credit_learnings([seminar], RATES)["c1"].jp == expected


def test_missing_sessions_count_as_one() -> None:
    assert credited(learning(form="coaching")) == ["2.0"]


def test_a_monthly_cap_of_sessions_is_shared_and_each_month_has_its_own() -> None:
    assert credited(
        learning("a", "coaching", "2026-03-02", sessions=1),
        learning("b", "coaching", "2026-03-09", sessions=2),
        learning("c", "coaching", "2026-03-16", sessions=1),
        learning("d", "coaching", "2026-04-01", sessions=1),
        learning("e", "mentoring", "2026-03-16", sessions=1),
    ) == ["2.0", "2.0", "0.0", "2.0", "2.0"]


def test_sessions_spread_over_the_months_that_a_learning_spans() -> None:
    year_end = learning(form="mentoring", start="2025-11-20", end="2026-01-10", sessions=7)
    assert credited(year_end) == ["12.0"]


@pytest.mark.parametrize(
    ("programme_jp", "level", "expected"),
    [
        ("10.44", "national", "10.4"),
        ("10.45", "national", "10.5"),
        ("10.45", "international", "12.5"),  # 12.54: rounded once, at the end
        ("0.04", "national", "0.0"),
        ("0", "national", "0.0"),
        ("1E+1", "national", "10.0"),
    ],
)
def test_jp_are_rounded_half_up_to_one_decimal(programme_jp: str, level: str, expected: str) -> None:
    assert credited(learning(form="course", programme_jp=programme_jp, level=level)) == [expected]


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (
            learning(start="2026-03-02", end="2026-03-01", completed="2026-03-02"),
            "end 2026-03-01 is before start",
        ),
        (
            learning(end="2026-03-05", completed="2026-03-01"),
            "completed on 2026-03-01, before start 2026-03-02",
        ),
        (
            learning(form="internship", start="2019-03-01"),
            "no rate for 'internship' on 2019-03-01; first is 2020",
        ),
        (learning(form="webinar", start="2019-03-01"), "no rate for 'webinar' on 2019-03-01; first is 2020"),
        (learning(form="karaoke"), "'karaoke', an unknown form"),
        (learning(level="galactic"), "no rate at level 'galactic', only at: national, international"),
        (learning(form="course"), "the programme's JP are missing"),
        (learning(form="self_learning"), "the programme's JP are missing"),
        (learning(form="course", programme_jp="-1"), "the programme has -1 JP"),
        (learning(form="course", programme_jp="NaN"), "the programme has NaN JP"),
        (learning(form="course", programme_jp="Infinity"), "the programme has Infinity JP"),
        (learning(form="course", programme_jp="1E+30"), "more than 10,000 JP"),
        (learning(form="course", programme_jp="9000", level="international"), "more than 10,000 JP"),
        (learning(form="seminar", start="1926-03-02", end="2026-03-02"), "more than 10,000 JP"),
        (learning(form="coaching", sessions=0), "0 sessions"),
    ],
)
def test_what_can_never_be_credited_is_refused_with_a_sentence_and_counts_0_in_a_recount(
    done: Learning, said: str
) -> None:
    reason = check(done, RATES)
    assert reason is not None
    assert said in reason
    credit = credit_learnings([done], RATES)["c1"]
    assert (credit.asked, credit.jp, credit.rule, credit.reason) == (jp("0.0"), jp("0.0"), "none", reason)


def test_a_refused_learning_takes_nothing_from_a_cap() -> None:
    refused = learning("a", "e_learning", "2026-03-02")
    assert credited(refused, learning("b", "e_learning", "2026-03-02", programme_jp="3")) == ["0.0", "3.0"]


def test_an_empty_year_has_no_credits() -> None:
    assert credit_learnings([], RATES) == {}


@pytest.mark.parametrize(
    ("form", "first", "second", "given"),
    [
        ("e_learning", ("2025-12-30", "2025-12-31", "6"), ("2025-12-30", "2026-01-01", "9"), ["6.0", "3.0"]),
        ("mentoring", ("2025-12-05", "2025-12-20", None), ("2025-12-10", "2026-01-05", None), ["4.0", "4.0"]),
    ],
    ids=["days", "months"],
)
def test_what_a_cap_leaves_of_days_and_months_knows_no_new_year(
    form: str, first: tuple[str, str, str | None], second: tuple[str, str, str | None], given: list[str]
) -> None:
    two = [
        learning(id, form, start, end, programme_jp=jp, sessions=4)
        for id, (start, end, jp) in (("a", first), ("b", second))
    ]
    assert credited(*two) == given


def test_a_completion_passed_twice_is_not_counted_once_in_silence() -> None:
    with pytest.raises(ValueError, match="2 learnings have 1 completion ids"):
        credit_learnings([learning("a"), learning("a")], RATES)


SEMINAR = """
  - form: seminar
    from: 2020-01-01
    basis: per_day
    national: 4
    international: 6
    source: a test
    confidence: L
"""
E_LEARNING = """
  - form: e_learning
    from: 2020-01-01
    basis: programme
    national: programme
    international: programme
    cap: {jp_per_day: 3}
    source: a test
    confidence: L
"""
COACHING = """
  - form: coaching
    from: 2020-01-01
    basis: per_session
    national: 2.5
    international: "+15 %"
    source: a test
    confidence: L
"""
WEBINAR = """
  - {form: webinar, from: 2020-01-01, basis: counts_as, counts_as: seminar, source: a test, confidence: L}
"""


def test_the_rate_in_force_is_that_on_the_day_of_completion() -> None:
    later = SEMINAR.replace("2020-01-01", "2026-07-01").replace("national: 4", "national: 5")
    rates = parse_rates(f"rates:{SEMINAR}{later}{WEBINAR}")
    done = [
        learning("a", start="2026-06-30"),
        learning("b", start="2026-06-30", completed="2026-07-01"),
        learning("c", "webinar", start="2026-07-02"),
    ]
    credits = credit_learnings(done, rates)
    assert [(credits[one].rule, str(credits[one].jp)) for one in "abc"] == [
        ("seminar/2020-01-01", "4.0"),
        ("seminar/2026-07-01", "5.0"),
        ("seminar/2026-07-01", "5.0"),
    ]


def test_a_row_with_an_end_leaves_a_gap() -> None:
    ended = SEMINAR.replace("    basis", "    until: 2025-12-31\n    basis")
    rates = parse_rates(f"rates:{ended}{WEBINAR}")
    assert check(learning(start="2025-12-31"), rates) is None
    assert "no rate for 'seminar' in force on 2026-01-01" in (
        check(learning(start="2026-01-01"), rates) or ""
    )
    assert "no rate for 'webinar' in force on" in (check(learning(form="webinar"), rates) or "")


def test_a_cap_raised_within_the_year_leaves_days_what_the_old_one_gave() -> None:
    later = E_LEARNING.replace("2020-01-01", "2026-07-01").replace("jp_per_day: 3", "jp_per_day: 4")
    rates = parse_rates(f"rates:{E_LEARNING}{later}")
    done = [
        learning("a", "e_learning", "2026-06-30", programme_jp="5"),
        learning("b", "e_learning", "2026-06-30", completed="2026-07-01", programme_jp="5"),
    ]
    credits = credit_learnings(done, rates)
    assert [str(credits[one].jp) for one in "ab"] == ["3.0", "1.0"]


def test_a_form_without_a_cap_gives_all_it_asks() -> None:
    rates = parse_rates(f"rates:{COACHING}")
    credit = credit_learnings([learning(form="coaching", sessions=9)], rates)["c1"]
    assert (str(credit.jp), credit.capped) == ("22.5", None)


def test_an_uplift_on_a_rate_is_rounded_per_session() -> None:
    rates = parse_rates(f"rates:{COACHING}")
    credit = credit_learnings([learning(form="coaching", level="international", sessions=2)], rates)["c1"]
    assert str(credit.jp) == "5.8"  # 2.875 -> 2.9 each


def test_the_version_follows_the_text() -> None:
    assert parse_rates(f"rates:{SEMINAR}").version == parse_rates(f"rates:{SEMINAR}").version
    assert parse_rates(f"rates:{SEMINAR}").version != parse_rates(f"rates:{SEMINAR}#").version


ROW_1 = "jp.yaml, rates, row 1 (form: seminar, from: 2020-01-01"


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("national: 4", "nationale: 4", f"{ROW_1}, basis: per_day): 'national' is missing"),
        ("national: 4", "national: -4", ROW_1),
        ("national: 4", "national: 4.25", ROW_1),
        ("national: 4", "national: true", ROW_1),
        ("national: 4", "national: four", ROW_1),
        ("national: 4", "national: 020", "'020' is no number such as 4 or 2.5"),
        ("national: 4", "national: 1e2", ROW_1),
        ("national: 4", "national: .inf", "'.inf' is no number"),
        ("national: 4", "national: 1:30", "'1:30' is no number"),
        ("national: 4", "national: 4\n    national: 5", "'national' is there twice"),
        ("international: 6", "international: plus 20", "neither JP, nor an uplift"),
        ("international: 6", "international: true", "neither JP, nor an uplift"),
        ("international: 6", "international: -6", ROW_1),
        (
            "international: 6",
            "international: 6\n    cap: {sessions_per_month: 2}",
            "'cap.jp_per_day' is missing",
        ),
        ("international: 6", "international: 6\n    cap: {jp_per_day: 0}", ROW_1),
        ("international: 6", "international: 6\n    note: x", "'note' is no known key"),
        (
            "from: 2020-01-01",
            "from: 2020-13-01",
            "(form: seminar, from: 2020-13-01, basis: per_day): 'from': Input should be a valid date",
        ),
        ("from: 2020-01-01", "from: '2020-01-01'", ROW_1),
        ("from: 2020-01-01", "from: 2020-01-01T00:00:00", "jp.yaml, rates, row 1"),
        ("from: 2020-01-01", "from: 2020-01-01\n    until: 2019-12-31", "until 2019-12-31 is before from"),
        ("form: seminar", "form: karaoke", "row 1 (form: karaoke"),
        ("    basis: per_day\n", "", "'basis' is missing"),
        ("basis: per_day", "basis: per_week", f"{ROW_1}, basis: per_week)"),
        ("confidence: L", "confidence: X", ROW_1),
        ("source: a test", "source: ''", ROW_1),
        ("    source: a test\n", "", "'source' is missing"),
    ],
)
def test_a_malformed_row_fails_with_a_sentence_that_names_it(wrong: str, right: str, said: str) -> None:
    assert wrong in SEMINAR
    with pytest.raises(RulesInvalid) as raised:
        parse_rates("rates:" + SEMINAR.replace(wrong, right, 1))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have exactly: rates"),
        ("rates: []", "at least one row"),
        ("rates: 4", "at least one row"),
        ("rates:\n  - just text", "row 1 ('just text')"),
        (f"rates:{SEMINAR}\nextra: 1", "must have exactly: rates"),
        (f"rates:{SEMINAR}{SEMINAR}", "row seminar/2020-01-01 is there twice"),
        (
            "rates:"
            + SEMINAR.replace("    basis", "    until: 2026-12-31\n    basis")
            + SEMINAR.replace("2020", "2026"),
            "row seminar/2020-01-01 runs until 2026-12-31, but seminar/2026-01-01 begins before that",
        ),
        (f"rates:{WEBINAR}", "row webinar/2020-01-01 counts as seminar, which has no row"),
        (
            f"rates:{SEMINAR}{WEBINAR}"
            + WEBINAR.replace("webinar", "course").replace("as: seminar", "as: webinar"),
            "row course/2020-01-01 counts as webinar, which itself counts as another",
        ),
        ("rates: [", "not readable as YAML"),
    ],
)
def test_a_file_that_does_not_hang_together_fails_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(RulesInvalid) as raised:
        parse_rates(text)
    assert said in str(raised.value)


@pytest.mark.parametrize("employment_type", list(EmploymentType))
def test_every_employment_type_owes_20_jp_and_has_no_ceiling(employment_type: str) -> None:
    owed = duty(employment_type, 2026, load_duties())
    assert (str(owed.floor), owed.ceiling) == ("20.0", None)


def test_nothing_is_owed_before_the_first_row() -> None:
    assert duty("pppk", 2018, load_duties()) == Duty(jp("0.0"), None, "none")


DUTY = """duties:
  - {employment_type: pppk, from: 2019-01-01, floor: 20, ceiling: 24, source: a test, confidence: M}
"""


def test_a_ceiling_can_be_set_from_a_year_on() -> None:
    earlier = DUTY.replace(", ceiling: 24", "").replace("2019", "2015")
    duties = parse_duties(earlier + DUTY.removeprefix("duties:"))
    assert duty("pppk", 2018, duties) == Duty(jp("20.0"), None, "pppk/2015-01-01")
    assert duty("pppk", 2019, duties) == Duty(jp("20.0"), jp("24.0"), "pppk/2019-01-01")


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("from: 2019-01-01", "from: 2019-07-01", "is no 1 January"),
        ("from: 2019-01-01", "from: 2019-01-01, until: 2020-06-30", "is no 31 December"),
        ("ceiling: 24", "ceiling: 12", "ceiling 12 is below floor 20"),
        ("pppk", "volunteer", "duty.yaml, duties, row 1 (employment_type: volunteer"),
    ],
)
def test_a_malformed_duty_fails_with_a_sentence(wrong: str, right: str, said: str) -> None:
    with pytest.raises(RulesInvalid) as raised:
        parse_duties(DUTY.replace(wrong, right))
    assert said in str(raised.value)
