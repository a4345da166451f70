"""What incentive decides, rule by rule."""

import json
from datetime import date

import pytest
from msgspec.structs import replace

from services.incentive.points.documents import ACCOUNTS, EARNED_COMPLETIONS, PEOPLE, POINT_ENTRIES
from services.incentive.points.reasons import CORRECTED as CORRECTION
from services.incentive.points.reasons import COUNTS_AGAIN, LIFTED, NO_RULE, SAME_TRAINING
from services.incentive.points.reasons import MOVED_AWAY as LEFT
from services.incentive.points.reasons import MOVED_HERE as CAME
from services.incentive.points.routes import LineView, without_points
from services.incentive.rules.point_rules import load_point_rules
from shared.contracts.enrollment import NOT_VALID, CompletionRecorded, CompletionRestated
from shared.contracts.incentive import PointsSettled
from shared.contracts.payload import CompletionId
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.contracts.vocabulary import Bilingual, Form
from shared.pipeline.outcome import Verdict
from tests.bench.shapes import Bench
from tests.factories import completion_recorded, employee_recorded
from tests.memory_store import MemoryStore
from tests.property.harness import INCENTIVE
from tests.unit.given import Given

Ledger = list[tuple[str, int, str | None]]
CORRECTED, MOVED_AWAY, MOVED_HERE = CORRECTION.id, LEFT.id, CAME.id
CUT = "50 poin menurut aturan, 0 diberikan: batas 100 poin untuk Maret 2026 tercapai"
ROOM = "batas poin Maret 2026 longgar lagi: pelatihan lain bulan itu dicabut, dipindahkan, atau diperbaiki"
TO_APRIL = "dipindahkan dari Maret ke April 2026: tanggal selesai diperbaiki"


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


COMPLETED_IN_2024 = {"completed_on": date(2024, 12, 31)}
COMPLETED_IN_2025 = {"completed_on": date(2025, 12, 31)}


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
        CUT,
    )


def test_an_earlier_completion_that_comes_late_moves_the_cap_and_the_history_explains_it() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION, day=9) for id in "bc"))
    city.when(recorded("a", form=Form.FORMAL_EDUCATION, day=1))
    assert ledger(city)[2:] == [
        ("a", 50, None),
        ("c", -50, f"batas poin Maret 2026 dipakai pelatihan lain lebih dulu; {CUT}"),
    ]
    assert sorted(settled(city)) == [("a", 50, 100), ("c", 0, 100)]
    assert city.one(ACCOUNTS).balance == 100


def test_room_that_a_revocation_leaves_goes_to_those_that_the_cap_cut() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION) for id in "abc"))
    city.when(recorded("a", version=2, standing=False))
    assert ledger(city)[2:] == [("a", -50, "sertifikat dicabut"), ("c", 50, ROOM)]


def in_months(city: Given[object]) -> list[tuple[str, int, str | None]]:
    return [
        (one.month, one.points, one.reason) for one in city.all(POINT_ENTRIES) if one.completion_id == "a"
    ]


def test_a_correction_to_another_month_leaves_the_one_and_enters_the_other() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION) for id in "abc"))
    city.when(recorded("a", version=2, form=Form.FORMAL_EDUCATION, month=4))
    assert {one.id: one.points for one in city.all(EARNED_COMPLETIONS)} == {"a": 50, "b": 50, "c": 50}
    assert city.one(ACCOUNTS).balance == 150
    assert in_months(city) == [("2026-03", 50, None), ("2026-03", -50, TO_APRIL), ("2026-04", 50, TO_APRIL)]


def test_corrected_to_another_month_and_revoked_the_points_are_taken_from_where_they_were() -> None:
    city = Given(INCENTIVE, recorded("a"))
    city.when(recorded("a", version=2, month=4, standing=False))
    assert in_months(city) == [("2026-03", 5, None), ("2026-03", -5, "sertifikat dicabut")]
    city.when(recorded("a", version=3, month=5))
    assert in_months(city)[2:] == [("2026-05", 5, LIFTED.id)]


def test_an_entry_of_another_year_names_both() -> None:
    city = Given(INCENTIVE, recorded("a"), recorded("a", version=2).model_copy(update=COMPLETED_IN_2025))
    last = city.all(POINT_ENTRIES)[-1]
    assert (last.month, last.reason) == (
        "2025-12",
        "dipindahkan dari Maret 2026 ke Desember 2025: tanggal selesai diperbaiki",
    )
    assert last.reason_en == "moved from March 2026 to December 2025: its day of completion was corrected"


@pytest.mark.parametrize(
    ("why_not", "twin_of", "back"),
    [
        (None, None, LIFTED),  # as enrollment said it before it said why
        (NOT_VALID.id, None, LIFTED),
        ("instansi Anda menyatakan bahwa ini bukan pembelajaran Anda", None, COUNTS_AGAIN),
        (None, "other", COUNTS_AGAIN),
    ],
)
def test_points_that_come_back_say_what_brought_them_back(
    why_not: str | None, twin_of: str | None, back: Bilingual
) -> None:
    nothing = recorded(version=2, standing=False).model_copy(update={"why_not": why_not, "twin_of": twin_of})
    city = Given(INCENTIVE, recorded(), nothing, recorded(version=3))
    last = city.all(POINT_ENTRIES)[-1]
    assert (last.points, last.reason, last.reason_en) == (5, *back)


def test_a_correction_to_a_form_that_earns_more_is_called_one() -> None:
    city = Given(INCENTIVE, recorded(), recorded(version=2, form=Form.INTERNSHIP))
    assert ledger(city) == [("a", 5, None), ("a", 15, CORRECTED)]


def test_one_that_another_one_takes_the_limit_from_is_not_called_corrected_when_its_title_is() -> None:
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION, day=9) for id in "bc"))
    retitled = recorded("c", version=2, form=Form.FORMAL_EDUCATION, day=9)
    city.when(retitled.model_copy(update={"backed": False}))
    assert len(ledger(city)) == 2
    city.when(recorded("a", form=Form.FORMAL_EDUCATION, day=1))
    assert CORRECTED not in str(ledger(city)[2:])


def test_what_has_no_points_says_why_though_no_entry_does() -> None:
    """Cut to nothing by the month's limit, of before the first rule, revoked before it was counted."""
    city = Given(INCENTIVE, *(recorded(id, form=Form.FORMAL_EDUCATION) for id in "abc"))
    city.when(recorded("d").model_copy(update=COMPLETED_IN_2024))
    (told,) = city.facts
    assert isinstance(told, PointsSettled)
    assert (told.points, told.reason, told.reason_en) == (0, *NO_RULE)
    city.when(recorded("e", standing=False, month=4))
    assert [entry.completion_id for entry in city.all(POINT_ENTRIES)] == ["a", "b"]
    nothing = [one for one in city.all(EARNED_COMPLETIONS) if not one.points]
    shown = without_points(nothing, load_point_rules())
    assert [(one.completion_id, one.month, one.reason) for one in shown] == [
        ("e", "2026-04", "sertifikat dicabut"),
        ("c", "2026-03", CUT),
        ("d", "2024-12", NO_RULE.id),
    ]
    assert [one.lines for one in shown] == [
        [],
        [LineView(rule="base/formal_education/2025-01-01", points=50)],
        [LineView(rule="no rule: base/seminar on 2024-12-31", points=0)],
    ]


def test_what_was_settled_before_every_nothing_had_a_reason_has_one_in_the_view() -> None:
    city = Given(INCENTIVE, recorded("d").model_copy(update=COMPLETED_IN_2024))
    of_before = replace(city.one(EARNED_COMPLETIONS), reason=None, reason_en=None)
    (shown,) = without_points([of_before], load_point_rules())
    assert (shown.reason, shown.reason_en) == NO_RULE


def test_as_many_points_by_another_rule_are_entered_anew() -> None:
    city = Given(INCENTIVE, recorded("a", form=Form.INTERNSHIP))
    city.when(recorded("a", version=2, form=Form.EXCHANGE))
    assert in_months(city) == [("2026-03", 20, None), ("2026-03", -20, CORRECTED), ("2026-03", 20, CORRECTED)]
    assert city.all(POINT_ENTRIES)[-1].lines[0].rule.startswith("base/exchange")


def test_a_corrected_title_alone_enters_nothing() -> None:
    city = Given(INCENTIVE, recorded("a"))
    city.when(recorded("a", version=2).model_copy(update={"title": "Judul yang benar"}))
    assert in_months(city) == [("2026-03", 5, None)]
    assert city.one(EARNED_COMPLETIONS).title == "Judul yang benar"


def test_a_completion_without_a_rule_earns_nothing_and_has_no_ledger_entry() -> None:
    city = Given(INCENTIVE, recorded().model_copy(update={"completed_on": date(2024, 12, 31)}))
    assert (ledger(city), settled(city)) == ([], [("a", 0, 0)])


def test_the_newest_version_of_a_person_stands() -> None:
    city = Given(INCENTIVE, employee_recorded(version=2), employee_recorded(version=1))
    assert city.one(PEOPLE).version == 2


# Two records become one person's, and two people's again.


def moved(data: CompletionRecorded, to: str, version: int) -> CompletionRecorded:
    return data.model_copy(update={"employee_id": to, "version": version})


def of(city: Given[object], person: str) -> Ledger:
    """A person's entries."""
    return [
        (one.completion_id, one.points, one.reason)
        for one in city.all(POINT_ENTRIES)
        if one.employee_id == person
    ]


def balances(city: Given[object]) -> dict[str, int]:
    return {one.id: one.balance for one in city.all(ACCOUNTS)}


SRI, BUDI = "emp_sri", "emp_budi"


def test_a_completion_that_becomes_another_person_s_takes_its_points_along() -> None:
    one = moved(recorded(), SRI, 1)
    city = Given(INCENTIVE, one, moved(one, BUDI, 2))
    assert of(city, SRI) == [("a", 5, None), ("a", -5, MOVED_AWAY)]
    assert of(city, BUDI) == [("a", 5, MOVED_HERE)]
    assert balances(city) == {SRI: 0, BUDI: 5}
    assert (settled(city), [fact.employee_id for fact in city.facts]) == ([("a", 5, 5)], [BUDI])  # type: ignore[attr-defined]
    assert city.when(moved(one, SRI, 1)).verdict is Verdict.SUPERSEDED


def test_moved_back_it_has_its_points_where_it_came_from() -> None:
    one = moved(recorded(), SRI, 1)
    city = Given(INCENTIVE, one, moved(one, BUDI, 2), moved(one, SRI, 3))
    assert balances(city) == {SRI: 5, BUDI: 0}
    assert of(city, BUDI) == [("a", 5, MOVED_HERE), ("a", -5, MOVED_AWAY)]
    assert of(city, SRI)[2:] == [("a", 5, MOVED_HERE)]


def test_the_month_is_recounted_on_both_sides() -> None:
    """What the one that leaves had of the cap goes to those that stay; where it comes to the cap cuts it."""
    theirs = [moved(recorded(id, form=Form.FORMAL_EDUCATION), SRI, 1) for id in "abc"]
    own = [moved(recorded(id, form=Form.FORMAL_EDUCATION), BUDI, 1) for id in "xy"]
    city = Given(INCENTIVE, *theirs, *own)
    city.when(moved(theirs[0], BUDI, 2))
    cut = f"batas poin Maret 2026 dipakai pelatihan lain lebih dulu; {CUT}"
    assert of(city, SRI)[2:] == [("a", -50, MOVED_AWAY), ("c", 50, ROOM)]
    assert of(city, BUDI)[2:] == [("a", 50, MOVED_HERE), ("y", -50, cut)]
    assert balances(city) == {SRI: 100, BUDI: 100}
    assert sorted(settled(city)) == [("a", 50, 100), ("c", 50, 100), ("y", 0, 100)]


def test_moved_and_revoked_at_once_it_is_taken_from_who_had_it() -> None:
    one = moved(recorded(), SRI, 1)
    city = Given(INCENTIVE, one, moved(recorded(standing=False), BUDI, 2))
    assert of(city, SRI)[1:] == [("a", -5, MOVED_AWAY)]
    assert (of(city, BUDI), settled(city)) == ([], [("a", 0, 0)])


def test_a_twin_is_not_called_revoked() -> None:
    """Its certificate is valid: it gave points under another number before the records were merged."""
    one = moved(recorded(), SRI, 1)
    twin = moved(recorded(standing=False), BUDI, 2).model_copy(update={"twin_of": "other"})
    city = Given(INCENTIVE, one, twin)
    (fact,) = city.facts
    assert isinstance(fact, PointsSettled)
    assert (fact.points, fact.reason) == (0, SAME_TRAINING.id)
    city.when(moved(recorded(), BUDI, 3))
    assert balances(city) == {SRI: 0, BUDI: 5}


def restated(data: CompletionRecorded, to: str, version: int) -> CompletionRestated:
    return CompletionRestated(**dict(moved(data, to, version)))


def test_a_restated_one_is_entered_in_its_month_where_the_ledger_has_another() -> None:
    city = Given(INCENTIVE, recorded("a"))
    entry = city.one(POINT_ENTRIES)
    city.stored[POINT_ENTRIES, entry.id] = replace(entry, month="2026-01")  # as corrections of before left it
    city.when(restated(recorded("a"), city.one(EARNED_COMPLETIONS).employee_id, version=2))
    moved = "dipindahkan dari Januari ke Maret 2026: tanggal selesai diperbaiki"
    assert in_months(city) == [("2026-01", 5, None), ("2026-01", -5, moved), ("2026-03", 5, moved)]


def test_a_restated_one_is_taken_from_whoever_s_ledger_has_it() -> None:
    """Its note is lost, and with it whose it was."""
    one, other = moved(recorded(), SRI, 1), moved(recorded("b"), SRI, 1)
    city = Given(INCENTIVE, one, other)
    del city.stored[EARNED_COMPLETIONS, "a"]
    city.when(restated(one, BUDI, 3))
    assert of(city, SRI)[2:] == [("a", -5, MOVED_AWAY)]
    assert of(city, BUDI) == [("a", 5, MOVED_HERE)]
    assert balances(city) == {SRI: 5, BUDI: 5}
    city.when(restated(one, SRI, 4))
    assert balances(city) == {SRI: 10, BUDI: 0}


async def test_moves_of_one_batch_end_as_one_by_one_and_the_last_word_tells_the_balance() -> None:
    """Whatever else of both people the batch changes; and there and back again leaves no trace of the way."""
    a, b = (moved(recorded(id), SRI, 1) for id in "ab")
    x = moved(recorded("x"), BUDI, 1)
    bench = Bench(INCENTIVE, MemoryStore())
    await bench.decide([(ENROLLMENT_EVENTS, one) for one in (a, x)])
    await bench.decide(
        [(ENROLLMENT_EVENTS, one) for one in (b, moved(a, BUDI, 2), moved(x, BUDI, 2), moved(b, BUDI, 2))]
    )
    assert isinstance(bench.store, MemoryStore)
    assert {one.id: one.balance for one in await bench.store.documents(ACCOUNTS)} == {SRI: 0, BUDI: 15}
    told = [json.loads(one.value)["data"] for decided in bench.decided for one in decided.outgoing]
    assert [one["balance"] for one in told if one["employee_id"] == BUDI][-1] == 15
    await bench.decide([(ENROLLMENT_EVENTS, moved(a, to, n)) for n, to in ((3, SRI), (4, BUDI))])
    entries = [one for one in await bench.store.documents(POINT_ENTRIES) if one.completion_id == "a"]
    assert [(one.employee_id, one.points) for one in entries] == [(BUDI, 5), (SRI, 5), (SRI, -5)]
    assert {one.account for one in await bench.store.documents(EARNED_COMPLETIONS)} == {""}
