"""What incentive decides, rule by rule."""

from datetime import date

import pytest

from services.incentive.documents import ACCOUNTS, EARNED_COMPLETIONS, PEOPLE, POINT_ENTRIES
from shared.contracts.enrollment import CompletionRecorded
from shared.contracts.incentive import PointsSettled
from shared.contracts.payload import CompletionId
from shared.contracts.vocabulary import Form
from shared.pipeline.errors import Rejected
from shared.pipeline.outcome import Verdict
from tests.factories import completion_recorded, employee_recorded
from tests.property.harness import INCENTIVE
from tests.unit.given import Given

Ledger = list[tuple[str, int, str | None]]


def recorded(
    id: str = "a",
    version: int = 1,
    *,
    standing: bool = True,
    form: Form = Form.SEMINAR,
    day: int = 4,
    month: int = 3,
) -> CompletionRecorded:
    """A seminar earns 5 points, formal education 50, a month at most 100."""
    return completion_recorded(
        completion_id=CompletionId(id), version=version, standing=standing, form=form, predicate=None,
        completed_on=date(2026, month, day),
    )  # fmt: skip


def ledger(city: Given[object]) -> Ledger:
    return [(one.completion_id, one.points, one.reason) for one in city.all(POINT_ENTRIES)]


def settled(city: Given[object]) -> list[tuple[str, int, int]]:
    """(completion, points, balance) of what the last decision published."""
    return [
        (fact.completion_id, fact.points, fact.balance)
        for fact in city.facts
        if isinstance(fact, PointsSettled)
    ]


def test_a_completion_earns_what_each_rule_gives_and_says_so() -> None:
    city = Given(INCENTIVE, recorded().model_copy(update={"predicate": "sangat memuaskan"}))
    (entry,) = city.all(POINT_ENTRIES)
    assert [(line.rule.split("/")[0], line.points) for line in entry.lines] == [
        ("base", 5),
        ("predicate_bonus", 10),
    ]
    assert settled(city) == [("a", 15, 15)]


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_is_known_or_older_changes_nothing(version: int) -> None:
    city = Given(INCENTIVE, recorded(version=2))
    assert city.when(recorded(version=version)).verdict is Verdict.SUPERSEDED
    assert (ledger(city), settled(city)) == ([("a", 5, None)], [])


def test_points_of_a_revoked_completion_are_taken_back_by_an_entry_of_its_own() -> None:
    city = Given(INCENTIVE, recorded(), recorded(version=2, standing=False))
    assert ledger(city) == [("a", 5, None), ("a", -5, "sertifikat dicabut")]
    assert (settled(city), city.one(ACCOUNTS).balance) == ([("a", 0, 0)], 0)


def test_a_revocation_that_overtakes_its_completion_leaves_no_points_behind() -> None:
    city = Given(INCENTIVE, recorded(version=2, standing=False))
    assert settled(city) == [("a", 0, 0)]
    city.when(recorded(version=1))
    assert (ledger(city), city.all(ACCOUNTS)) == ([], [])


def test_a_completion_without_points_is_settled_with_zero_so_that_its_letter_can_go() -> None:
    three = [recorded(id, form=Form.FORMAL_EDUCATION) for id in "abc"]
    city = Given(INCENTIVE, *three)
    assert settled(city) == [("c", 0, 100)]


def test_a_month_gives_at_most_a_hundred_points_and_says_who_lost_what() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION) for id in "abc"))
    (third,) = [one for one in city.all(EARNED_COMPLETIONS) if one.id == "c"]
    assert (third.points, third.reason) == (
        0,
        "50 poin menurut aturan, 0 diberikan: batas sebulan tercapai",
    )


def test_an_earlier_completion_that_comes_late_moves_the_cap_and_the_history_explains_it() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION, day=9) for id in "bc"))
    city.when(recorded("a", form=Form.FORMAL_EDUCATION, day=1))
    assert ledger(city)[2:] == [
        ("a", 50, None),
        ("c", -50, "50 poin menurut aturan, 0 diberikan: batas sebulan tercapai"),
    ]
    assert sorted(settled(city)) == [("a", 50, 100), ("c", 0, 100)]
    assert city.one(ACCOUNTS).balance == 100


def test_room_that_a_revocation_leaves_goes_to_those_that_the_cap_cut() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION) for id in "abc"))
    city.when(recorded("a", version=2, standing=False))
    assert ledger(city)[2:] == [("a", -50, "sertifikat dicabut"), ("c", 50, "perubahan hitungan bulan ini")]


def test_a_correction_to_another_month_leaves_the_one_and_enters_the_other() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION) for id in "abc"))
    city.when(recorded("a", version=2, form=Form.FORMAL_EDUCATION, month=4))
    assert {one.id: one.points for one in city.all(EARNED_COMPLETIONS)} == {"a": 50, "b": 50, "c": 50}
    assert city.one(ACCOUNTS).balance == 150


def test_a_completion_without_a_rule_earns_nothing_and_has_no_ledger_entry() -> None:
    city = Given(INCENTIVE, recorded().model_copy(update={"completed_on": date(2024, 12, 31)}))
    assert (ledger(city), settled(city)) == ([], [("a", 0, 0)])


def test_the_newest_version_of_a_person_stands() -> None:
    city = Given(INCENTIVE, employee_recorded(version=2), employee_recorded(version=1))
    assert city.one(PEOPLE).version == 2


def test_a_completion_never_becomes_another_employees() -> None:
    """Its points would be taken from the one ledger and given to the other without an entry."""
    city = Given(INCENTIVE, recorded())
    with pytest.raises(Rejected, match="another employee"):
        city.when(recorded(version=2).model_copy(update={"employee_id": "emp_other"}))
