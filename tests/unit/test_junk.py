"""What one agency reports of another one's people takes neither room nor hours from what others report of them."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.handlers import MAX_UNBACKED
from services.incentive.points.documents import EARNED_COMPLETIONS
from shared.contracts.agency import TrainingCompleted
from shared.contracts.enrollment import CompletionRecorded
from shared.contracts.vocabulary import Form
from shared.pipeline.errors import Rejected
from shared.pipeline.outcome import Verdict
from tests.factories import NIP, completed, registered
from tests.property.harness import INCENTIVE
from tests.unit.given import Given
from tests.unit.test_authority import BODY, HOME, OTHER, city, contested, the

BODIES = {"BKPSDM": BODY, "DISKOMINFO": HOME, "DINKES": OTHER}
OF = {HOME: "DISKOMINFO", OTHER: "DINKES", BODY: "BKPSDM"}


def known(*history: Any) -> Given[Any]:
    return city((registered(NIP), HOME), *history, **BODIES)


def training(n: int, sender: str, **changes: Any) -> TrainingCompleted:
    day = date(2026, 1, 1) + timedelta(days=n % 50)
    changes = {"organizer": OF[sender], "code": f"T{n}", "start_date": day.isoformat(), **changes}
    return completed(NIP, **changes)


def coaching(sender: str, day: str = "2026-02-02", **changes: Any) -> TrainingCompleted:
    """Two sessions, 4 JP: all that a month allows."""
    changes = {"code": "COACH", "form": Form.COACHING, "sessions": 2, "programme_jp": None, **changes}
    return training(0, sender, start_date=day, **changes)


def flooded(made: Given[Any], count: int = MAX_UNBACKED) -> None:
    for n in range(count):
        made.when(training(n, OTHER), sender=OTHER)


def by(made: Given[Any], organizer: str) -> Completion:
    return next(one for one in made.all(COMPLETIONS) if one.contents[0].facts.organizer_code == organizer)


def test_junk_of_one_agency_leaves_room_for_the_home_and_for_other_bodies() -> None:
    made = known()
    flooded(made)
    with pytest.raises(Rejected, match="40 completions of this employee in 2026 that dinas-x reported"):
        made.when(training(MAX_UNBACKED, OTHER), sender=OTHER)
    assert made.when(training(0, HOME), sender=HOME).verdict is Verdict.ACCEPTED
    assert made.when(training(0, BODY), sender=BODY).verdict is Verdict.ACCEPTED
    assert made.when(training(0, OTHER, start_date="2025-03-02", code="OLD"), sender=OTHER).verdict is (
        Verdict.ACCEPTED
    )


def test_what_the_home_reports_too_takes_none_of_an_agency_s_room() -> None:
    made = known()
    flooded(made)
    made.when(training(1, OTHER), sender=HOME)
    assert made.when(training(MAX_UNBACKED, OTHER), sender=OTHER).verdict is Verdict.ACCEPTED
    with pytest.raises(Rejected):
        made.when(training(MAX_UNBACKED + 1, OTHER), sender=OTHER)


def test_an_agency_that_merely_claims_the_person_has_no_more_room_whatever_bodies_it_names() -> None:
    made = city(
        (registered(NIP), HOME), (registered(NIP), OTHER), **{f"LAN-{n}": None for n in range(5)}, **BODIES
    )
    for n in range(MAX_UNBACKED):
        made.when(training(n, OTHER, organizer=f"LAN-{n % 5}"), sender=OTHER)
    with pytest.raises(Rejected, match="that dinas-x reported without the employee's own agency"):
        made.when(training(MAX_UNBACKED, OTHER), sender=OTHER)
    assert made.when(training(0, BODY), sender=BODY).verdict is Verdict.ACCEPTED


def test_the_home_contests_what_another_agency_that_claims_the_person_reported() -> None:
    made = city((registered(NIP), HOME), (registered(NIP), OTHER), LAN=None)
    made.when(completed(NIP, organizer="LAN"), sender=OTHER)
    assert (the(made).grounds, the(made).backed) == ("claim", False)
    assert contested(made, HOME).answer["counts"] is False


def test_junk_that_comes_later_under_an_earlier_date_takes_no_hours_from_another_body() -> None:
    made = known((coaching(BODY, "2026-02-20"), BODY))
    made.when(coaching(OTHER, "2026-02-01"), sender=OTHER)
    assert (by(made, "BKPSDM").jp, by(made, "DINKES").jp) == (4, 0)


def test_hours_of_what_the_home_stands_behind_go_by_date_and_before_all_others() -> None:
    made = known((coaching(OTHER, "2026-02-01"), OTHER), (coaching(BODY, "2026-02-20"), BODY))
    made.when(coaching(BODY, "2026-02-20"), sender=HOME)
    assert (by(made, "BKPSDM").jp, by(made, "DINKES").jp) == (4, 0)
    made.when(coaching(HOME, "2026-02-10"), sender=HOME)
    assert (by(made, "DISKOMINFO").jp, by(made, "BKPSDM").jp) == (4, 0)


def test_a_place_is_not_kept_for_what_is_corrected_into_other_dates() -> None:
    """Else one would report early, and say later what."""
    made = known((coaching(OTHER, "2026-01-02"), OTHER), (coaching(BODY, "2026-02-20"), BODY))
    made.when(coaching(OTHER, "2026-02-01", revision=1), sender=OTHER)
    assert (by(made, "BKPSDM").jp, by(made, "DINKES").jp) == (4, 0)


def test_a_correction_of_its_title_leaves_a_completion_its_place() -> None:
    made = known((coaching(BODY, "2026-02-20"), BODY), (coaching(OTHER, "2026-02-01"), OTHER))
    made.when(coaching(BODY, "2026-02-20", title="Coaching", revision=1), sender=BODY)
    assert (by(made, "BKPSDM").jp, by(made, "DINKES").jp) == (4, 0)


def test_what_was_reported_before_arrivals_were_kept_comes_first() -> None:
    made = known((coaching(BODY, "2026-02-20"), BODY))
    old = by(made, "BKPSDM")
    made.stored[COMPLETIONS, old.id] = replace(
        old, contents=[replace(one, arrival=None) for one in old.contents]
    )
    made.when(coaching(OTHER, "2026-02-01"), sender=OTHER)
    assert (by(made, "BKPSDM").jp, by(made, "DINKES").jp) == (4, 0)


# Points: the same order, as enrollment tells it.


def told(made: Given[Any]) -> list[CompletionRecorded]:
    return [one for one in made.facts if isinstance(one, CompletionRecorded)]


def test_who_stands_behind_a_completion_is_told_and_told_anew_when_that_alone_changes() -> None:
    made = known((training(1, BODY), BODY))
    (first,) = told(made)
    assert (first.backed, first.arrived) == (False, made.now)
    made.when(training(1, BODY), sender=HOME)
    (second,) = told(made)
    assert (second.backed, second.arrived) == (True, None)
    assert second.version > first.version
    made.when(training(1, BODY), sender=HOME)
    assert made.facts == []


def test_junk_takes_no_points_from_what_the_home_stands_behind_nor_from_what_was_reported_before() -> None:
    """100 points a month; a course gives 20."""
    own = training(0, HOME, start_date="2026-02-20", code="OWN")
    theirs = training(0, BODY, start_date="2026-02-21", code="THEIRS")
    junk = [training(n, OTHER, start_date=f"2026-02-{n + 1:02}") for n in range(10)]
    made, facts = known(), list[CompletionRecorded]()
    for event, sender in [(theirs, BODY), *((one, OTHER) for one in junk), (own, HOME)]:
        made.when(event, sender=sender)
        facts += told(made)
    for seed in range(20):
        Random(seed).shuffle(facts)
        earned = Given(INCENTIVE, *facts)
        points = {one.id: one for one in earned.all(EARNED_COMPLETIONS)}
        assert sum(one.points for one in points.values()) == 100
        for organizer in ("DISKOMINFO", "BKPSDM"):
            one = points[by(made, organizer).id]
            assert one.points == one.points_by_rule > 0
