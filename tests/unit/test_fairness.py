"""No topic takes more than its share of a batch while others have records waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pipeline.consuming.fairness import shares

FLOOD, OTHER, COMMANDS = ("agency.a.v1", 0), ("agency.b.v1", 0), "enrollment.commands.v1"


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ({}, {}),
        ({FLOOD: 20_000}, {FLOOD: 1_000}),
        ({FLOOD: 20_000, OTHER: 50}, {FLOOD: 950, OTHER: 50}),
        ({FLOOD: 20_000, OTHER: 20_000}, {FLOOD: 500, OTHER: 500}),
        ({FLOOD: 20_000, OTHER: 0}, {FLOOD: 1_000}),
        # By topic: sixteen partitions don't get sixteen shares.
        (
            {FLOOD: 20_000, (COMMANDS, 0): 400, (COMMANDS, 1): 10},
            {FLOOD: 590, (COMMANDS, 0): 400, (COMMANDS, 1): 10},
        ),
        (
            {FLOOD: 20_000, (COMMANDS, 0): 9_000, (COMMANDS, 1): 10},
            {FLOOD: 500, (COMMANDS, 0): 490, (COMMANDS, 1): 10},
        ),
    ],
)
def test_what_some_leave_of_their_share_the_others_get(
    waiting: dict[tuple[str, int], int], expected: dict[tuple[str, int], int]
) -> None:
    assert shares(waiting, 1_000) == expected


@given(
    st.dictionaries(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3)), st.integers(0, 5_000)),
    st.integers(1, 1_000),
)
def test_nobody_waits_for_a_flood(waiting: dict[tuple[str, int], int], most: int) -> None:
    given_to = shares(waiting, most)
    busy = {place for place, count in waiting.items() if count}
    assert given_to.keys() == busy
    assert all(1 <= share <= waiting[place] for place, share in given_to.items())
    assert sum(given_to.values()) <= most + len(busy), "each that waits gets one at least"
    assert sum(given_to.values()) >= min(most, sum(waiting.values()))
    topics = {topic for topic, _ in busy}
    for topic in topics:
        of_topic = sum(share for place, share in given_to.items() if place[0] == topic)
        wanted = sum(count for place, count in waiting.items() if place[0] == topic)
        assert of_topic >= min(wanted, most // len(topics))
