"""When failures are the handler's and not the records': a bad deploy must not empty a topic into dead letters."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final

from shared.pipeline.errors import MassFailure

WINDOW: Final = 100
MIN_FAILURES: Final = 5
SHARE: Final = 0.2

Place = tuple[str, int]
Failures = Mapping[Place, Sequence[str | None]]
"""Of each partition, in order: the fingerprint of each record that met a bug, None for the others."""


class FailureGuard:
    """What the last records of each partition came to; since the start of this process."""

    def __init__(self) -> None:
        self._seen: dict[Place, deque[str | None]] = {}
        self._accepted: set[Place] = set()

    def check(self, failures: Failures) -> None:
        """Raises MassFailure when a bug took at least MIN_FAILURES, and more than SHARE, of the last WINDOW records."""
        for (topic, partition), failed in failures.items():
            if not any(failed) or (topic, partition) in self._accepted:
                continue
            seen = deque(self._seen.get((topic, partition), ()), WINDOW)
            alike = Counter(failure for failure in seen if failure is not None)
            for failure in failed:
                if len(seen) == WINDOW and (gone := seen[0]) is not None:
                    alike[gone] -= 1
                seen.append(failure)
                if failure is None:
                    continue
                alike[failure] += 1
                if alike[failure] >= MIN_FAILURES and alike[failure] > SHARE * len(seen):
                    raise MassFailure(
                        topic,
                        partition,
                        f"the handler failed alike (fingerprint {failure}) on {alike[failure]} of the last "
                        f"{len(seen)} records: "
                        "deploy a version that does not, or start the partition to have them as dead letters",
                    )

    def note(self, failures: Failures) -> None:
        """They are committed."""
        for place, failed in failures.items():
            self._seen.setdefault(place, deque(maxlen=WINDOW)).extend(failed)

    def begin(self, place: Place, accepted: bool) -> None:
        """A partition is taken over; `accepted`: an operator wants what fails as dead letters."""
        self._seen.pop(place, None)
        self._accepted.discard(place)
        if accepted:
            self._accepted.add(place)
