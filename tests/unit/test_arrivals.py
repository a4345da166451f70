"""Records of several partitions, in the order of their arrival."""

from hypothesis import given
from hypothesis import strategies as st

from shared.pipeline.consuming.merge_by_time import MergeByTime
from shared.pipeline.records import Record, RecordMetadata


def record(topic: str, offset: int, at_ms: int) -> Record:
    return Record(RecordMetadata(topic, 0, offset), at_ms, None, b"")


def made() -> MergeByTime[str]:
    return MergeByTime(lambda topic: topic == "commands")


def flat(taken: dict[str, list[Record]]) -> dict[str, list[int]]:
    return {topic: [one.timestamp_ms for one in those] for topic, those in taken.items()}


def test_nothing_is_taken_while_something_earlier_may_come() -> None:
    arrivals = made()
    arrivals.add("a", [record("a", n, 10 * n) for n in range(3)])
    assert arrivals.take(["a", "b"], 100) == {}
    arrivals.add("b", [record("b", 0, 5)])
    assert flat(arrivals.take(["a", "b"], 100)) == {"a": [0], "b": [5]}, "b may go on at 6"
    assert flat(arrivals.take(["a"], 100)) == {"a": [10, 20]}


def test_effects_come_after_causes_of_the_same_millisecond() -> None:
    arrivals = made()
    arrivals.add("commands", [record("commands", 0, 7)])
    arrivals.add("a", [record("a", 0, 7)])
    assert list(arrivals.take([], 1)) == ["a"]


def test_what_is_fetched_again_is_forgotten() -> None:
    arrivals = made()
    arrivals.add("a", [record("a", 0, 1)])
    arrivals.forget("a")
    assert not arrivals
    assert arrivals.take([], 10) == {}


LOGS = st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 30), min_size=1), min_size=1)


@given(LOGS, st.integers(1, 7), st.integers(1, 5))
def test_each_record_is_taken_once_and_in_order(logs: dict[str, list[int]], page: int, limit: int) -> None:
    """However they are fetched. A log's own order stands, even where its times go back (another leader's clock)."""
    arrivals, taken = made(), list[Record]()
    left = {topic: [record(topic, n, at) for n, at in enumerate(times)] for topic, times in logs.items()}
    while any(left.values()) or arrivals:
        for topic, those in left.items():
            if those and not arrivals.held(topic):
                arrivals.add(topic, those[:page])
                left[topic] = those[page:]
        more = [topic for topic, those in left.items() if those]
        step = [one for those in arrivals.take(more, limit).values() for one in those]
        taken += sorted(step, key=lambda one: one.timestamp_ms)
    for topic, times in logs.items():
        offsets = [one.at.offset for one in taken if one.at.topic == topic]
        assert sorted(offsets) == list(range(len(times)))
    if all(times == sorted(times) for times in logs.values()):
        assert [one.timestamp_ms for one in taken] == sorted(one.timestamp_ms for one in taken)
