"""Which snapshots of a person are kept, so that older ones stand when nobody trusts the newest."""

from datetime import timedelta
from itertools import permutations
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.enrollment.agencies.documents import Arrival
from services.enrollment.persons.documents import Profile, Snapshot
from services.enrollment.persons.snapshots import MAX_DAYS, newest_of, with_snapshot
from tests.factories import NIP
from tests.unit.given import NINE

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def sent(name: str, at: timedelta, source: str = "dinas-a") -> Snapshot:
    profile = Profile(NIP, name, None, "id", "pns", None, None, None, None, "Dinas", None)
    return Snapshot(
        source, profile, NINE + at, name.encode(), Arrival(NINE + at, "t", 0, int(at.total_seconds()))
    )


def kept(*those: Snapshot) -> list[Snapshot]:
    found: list[Snapshot] = []
    for one in those:
        found = with_snapshot(found, one)
    return found


def names(those: list[Snapshot]) -> list[str]:
    return [one.profile.name for one in those]


def test_the_same_are_kept_in_any_order_of_decision() -> None:
    """Of the third day both."""
    those = [
        sent("X", 0 * DAY),
        sent("Y", DAY),
        sent("X", 2 * DAY),
        sent("Z", 2 * DAY + MINUTE),
        sent("B", DAY, "b"),
    ]
    ends = [kept(*order, *order[:2]) for order in permutations(those)]
    assert all(end == ends[0] for end in ends)
    assert names(ends[0]) == ["B", "X", "Y", "X", "Z"]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("XYZ")), max_size=14),
    st.randoms(),
)
def test_more_than_are_kept_end_alike_too(said: list[tuple[int, int, str]], random: Random) -> None:
    """Their own times are in any order, whatever their arrivals."""
    those = [replace(sent(name, day * DAY), as_of=NINE + hour * MINUTE) for day, hour, name in said]
    shuffled = [*those, *those[:5]]
    random.shuffle(shuffled)
    assert kept(*shuffled) == kept(*those)


def test_a_flood_on_one_day_drives_nothing_older_out() -> None:
    flood = [sent(f"F{n}", DAY + n * MINUTE) for n in range(300)]
    assert names(kept(sent("True", 0 * DAY), *flood)) == ["True", "F0", "F299"]


def test_what_came_first_on_a_day_stays_whatever_comes_after_it() -> None:
    flood = [sent(f"F{n}", n * MINUTE) for n in range(1, 300)]
    assert names(kept(sent("True", 0 * DAY), *flood)) == ["True", "F299"]


def test_a_few_days_are_kept_and_always_the_newest() -> None:
    nightly = [sent("X", n * DAY) for n in range(9)]
    ahead = replace(sent("Newest", 0 * DAY), as_of=NINE + 99 * DAY)
    those = kept(ahead, *nightly)
    assert names(those) == ["X"] * MAX_DAYS + ["Newest"]
    assert newest_of(those)["dinas-a"].profile.name == "Newest"
