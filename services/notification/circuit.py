"""Stops all sending while the mail server is away: a queue must not run into an outage mail by mail."""

import random
from time import monotonic
from typing import Final

LONGEST_PAUSE_S: Final = 60.0


class Circuit:
    """Open from a failure on until the server answers; pauses double, with jitter."""

    def __init__(self, first_pause_s: float) -> None:
        self.reason = ""
        self._first_pause_s = first_pause_s
        self._failures, self._until = 0, 0.0

    @property
    def open(self) -> bool:
        return bool(self.reason)

    @property
    def pause_s(self) -> float:
        """What is left before the server may be tried again; 0 if it may."""
        return max(0.0, self._until - monotonic()) if self.open else 0.0

    def failed(self, reason: str) -> bool:
        """Whether this opened it."""
        opened = not self.open
        self.reason = reason
        if not self.pause_s:  # connections that fail together fail once
            pause_s = min(self._first_pause_s * 2**self._failures, LONGEST_PAUSE_S)
            self._failures = min(self._failures + 1, 20)
            self._until = monotonic() + pause_s * random.uniform(0.5, 1)  # noqa: S311
        return opened

    def close(self) -> None:
        """The server answers. Whether it takes mail will be seen: until then pauses go on growing."""
        self.reason = ""

    def worked(self) -> None:
        """It took a mail."""
        self.reason, self._failures = "", 0
