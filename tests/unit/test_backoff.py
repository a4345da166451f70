"""Pauses after failures: what each of those who wait has of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import Backoff

HALF = Backoff(0.05, 2.0, spread=0.5)
FULL = Backoff(0.004, 0.2, spread=1.0)


def test_each_pause_is_twice_the_one_before_up_to_the_limit() -> None:
    assert [HALF.pause_s(n) for n in range(1, 9)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


@pytest.mark.parametrize(
    ("backoff", "least", "middle"),
    [(Backoff(0.2, 5.0), 0.2, 0.2), (HALF, 0.025, 0.0375), (FULL, 0.0, 0.002)],
    ids=["none by chance", "half", "all"],
)
def test_chance_decides_its_share_and_no_more(backoff: Backoff, least: float, middle: float) -> None:
    pauses = [backoff.pause_s(1, chance) for chance in (0.0, 0.5, 1.0)]
    assert pauses == pytest.approx([least, middle, backoff.first_s])


@given(st.integers(1, 2**31), st.floats(0, 1))
def test_no_number_of_failures_makes_a_pause_longer_or_shorter_than_said(
    failures: int, chance: float
) -> None:
    for backoff in (HALF, FULL, Backoff(1e-9, 1e9)):
        longest_s = backoff.pause_s(failures)
        assert backoff.first_s <= longest_s <= backoff.max_s
        assert longest_s * (1 - backoff.spread) <= backoff.pause_s(failures, chance) <= longest_s


def test_pauses_by_chance_differ() -> None:
    pauses = {HALF.random_pause_s(7) for _ in range(20)}
    assert len(pauses) > 1
    assert all(1.0 <= pause <= 2.0 for pause in pauses)
