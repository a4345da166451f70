"""Fair shares of a batch: a topic that has much waiting leaves room for those that have little."""

from collections.abc import Mapping
from typing import TypeVar

P = TypeVar("P", bound=tuple[str, int])


def shares(waiting: Mapping[P, int], most: int) -> dict[P, int]:
    """How many records of each partition a batch of `most` takes, by those that wait: max-min fair over topics, and
    within a topic over its partitions. No topic gets less than an equal part as long as it has so many, and what some
    leave is shared by the others. Each that waits gets at least one, so a batch may have a few more than `most`."""
    topics: dict[str, dict[P, int]] = {}
    for place, count in waiting.items():
        if count > 0:
            topics.setdefault(place[0], {})[place] = count
    whole = {topic: sum(counts.values()) for topic, counts in topics.items()}
    return {
        place: share
        for topic, part in _max_min(whole, most).items()
        for place, share in _max_min(topics[topic], part).items()
    }


K = TypeVar("K")


def _max_min(wanted: Mapping[K, int], most: int) -> dict[K, int]:
    """Those that want least are served first; each at most its equal part of what is left."""
    given: dict[K, int] = {}
    for served, (name, count) in enumerate(sorted(wanted.items(), key=lambda one: one[1])):
        given[name] = max(1, min(count, most // (len(wanted) - served)))
        most -= given[name]
    return given
