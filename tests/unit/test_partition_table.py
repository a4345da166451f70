"""Since when all is decided: of one partition, by what the broker said of its end."""

from shared.pipeline.consuming.partition_table import Partition

Ours = Partition[object]


def test_what_stood_there_at_the_take_over_is_awaited_first() -> None:
    ours = Ours(next=0, redelivery=0, published=0)
    for offset, at in ((0, 100.0), (4, 101.0), (9, 102.0)):
        ours.next = offset
        ours.note_end(10 + offset, at)
        assert ours.covered is None
    ours.next = 10
    ours.note_end(25, 103.0)
    assert ours.covered == 100.0, "what came since is not decided"


def test_records_that_come_without_a_pause_leave_it_a_little_behind() -> None:
    ours = Ours(next=0, redelivery=0, published=0)
    behind_s = []
    for n in range(100):  # ten a second; three of them are always in hand
        ours.next = 10 * n
        ours.note_end(10 * n + 3, 1000.0 + n)
        if ours.covered is not None:
            behind_s.append(1000.0 + n - ours.covered)
    assert len(behind_s) == 99
    assert max(behind_s) == 1.0


def test_whoever_is_late_is_said_to_be_at_most_twice_as_late() -> None:
    late_s = 30
    ours = Ours(next=0, redelivery=0, published=0)
    for second in range(300):
        ours.next = max(0, second - late_s)  # one a second, decided half a minute after it came
        ours.note_end(second, float(second))
        if second > 3 * late_s:
            assert ours.covered is not None
            assert late_s <= second - ours.covered <= 2 * late_s + 1


def test_at_the_end_it_is_covered_up_to_now() -> None:
    ours = Ours(next=7, redelivery=0, published=7)
    ours.note_end(7, 5.0)
    assert ours.covered == 5.0
    ours.note_end(7, 9.0)
    assert ours.covered == 9.0
    ours.passed = 8  # a marker
    ours.note_end(8, 12.0)
    assert ours.covered == 12.0
    ours.note_end(8, 11.0)  # the clock was set back
    assert ours.covered == 12.0
