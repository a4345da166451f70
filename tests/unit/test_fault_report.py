"""What the fault ledger calls holding, and how it counts."""

from dataclasses import replace

import pytest

from tests.faults.report import KINDS, Injected, Ledger, count, lines, percentile

GOOD = Ledger(
    when="2026-03-05T00:00:00+00:00", command="make chaos", commit="abc", seed=1, outage_s=8, events=100,
    completions=60, lasted_s=10, injected=[Injected("broker killed", 8.0, 3.0), Injected("broker killed", 9.0, 5.0)],
    not_run={}, findings=count([]), sentences=[], mails_sent=60, mails_arrived_again=2, mails_in_hand=2,
    dead_letters_expected=3, dead_letters_found=3,
)  # fmt: skip


def test_a_ledger_without_findings_holds() -> None:
    assert GOOD.holds


@pytest.mark.parametrize(
    "bad",
    [
        *(replace(GOOD, findings=count([kind])) for kind in KINDS),
        replace(GOOD, injected=[Injected("broker killed", 8.0, None)]),
        replace(GOOD, mails_arrived_again=3),
        replace(GOOD, dead_letters_found=2),
    ],
)
def test_anything_lost_doubled_or_not_recovered_from_does_not_hold(bad: Ledger) -> None:
    assert not bad.holds


def test_percentiles_are_values_that_were_measured() -> None:
    assert (percentile([3.0, 1.0, 2.0], 50), percentile([3.0, 1.0, 2.0], 99)) == (2.0, 3.0)


def test_a_fault_that_was_not_recovered_from_is_said_beside_those_that_were() -> None:
    shown = "\n".join(lines(replace(GOOD, injected=[*GOOD.injected, Injected("broker killed", 8.0, None)])))
    assert "| broker killed | 3 | 8.0 | 3.0 | 5.0 (1 not within two minutes) |" in shown
