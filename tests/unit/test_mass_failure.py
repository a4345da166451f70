"""When a handler is at fault and not the records."""

import pytest

from shared.pipeline.errors import MassFailure
from shared.pipeline.processing.failure_guard import FailureGuard

PLACE = ("agency.x.v1", 0)
BUG, OTHER, FINE = "bug", "other", None


def test_four_bugs_of_four_records_are_no_mass_failure_and_the_fifth_is() -> None:
    watch = FailureGuard()
    for _ in range(4):
        watch.check({PLACE: [BUG]})
        watch.note({PLACE: [BUG]})
    with pytest.raises(MassFailure, match="5 of the last 5 records") as raised:
        watch.check({PLACE: [BUG]})
    assert (raised.value.topic, raised.value.partition) == PLACE


def test_a_fifth_of_the_last_hundred_may_fail_and_no_more() -> None:
    records = ([BUG] + [FINE] * 4) * 20
    watch = FailureGuard()
    watch.check({PLACE: [*records[1:], BUG]})
    watch.note({PLACE: records})
    watch.check({PLACE: [BUG]})  # the first of the hundred is gone by then
    with pytest.raises(MassFailure):
        watch.check({PLACE: [BUG, BUG]})


def test_different_bugs_are_different_faults() -> None:
    FailureGuard().check({PLACE: [BUG, OTHER] * 2 + [f"bug {n}" for n in range(50)]})


def test_partitions_are_watched_apart() -> None:
    watch = FailureGuard()
    watch.check({("a", 0): [BUG] * 4, ("a", 1): [BUG] * 4})


def test_old_failures_count_no_more() -> None:
    watch = FailureGuard()
    watch.note({PLACE: [BUG] * 4 + [FINE] * 100})
    watch.check({PLACE: [BUG] * 4})


def test_what_an_operator_accepts_stops_nothing_until_it_is_taken_over_anew() -> None:
    watch = FailureGuard()
    watch.begin(PLACE, accepted=True)
    watch.check({PLACE: [BUG] * 50})
    watch.note({PLACE: [BUG] * 50})
    watch.begin(PLACE, accepted=False)
    watch.check({PLACE: [BUG] * 4})
    with pytest.raises(MassFailure):
        watch.check({PLACE: [BUG] * 5})
