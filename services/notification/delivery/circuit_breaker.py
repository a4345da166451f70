"""Stops all sending while the mail server is away or refuses us: a queue must not run into that mail by mail."""

from time import monotonic
from typing import Final

from shared.backoff import Backoff

MAX_PAUSE_S: Final = 60.0


class CircuitBreaker:
    """Open from a failure on until the server works; pauses double, with jitter. One that answered again after it had
    refused us takes a few mails on trial, and is open until it took one."""

    def __init__(self, first_pause_s: float) -> None:
        self.reason = ""
        self._pauses = Backoff(first_pause_s, MAX_PAUSE_S, spread=0.5)
        self._failures, self._until = 0, 0.0
        self._refuses = self._trying = False

    @property
    def open(self) -> bool:
        return bool(self.reason)

    @property
    def trying(self) -> bool:
        """A few mails may be tried."""
        return self.open and self._trying

    @property
    def stopped(self) -> bool:
        return self.open and not self._trying

    @property
    def pause_s(self) -> float:
        """What is left before the server may be tried again; 0 if it may."""
        return max(0.0, self._until - monotonic()) if self.open else 0.0

    def failed(self, reason: str, *, refuses: bool = False) -> bool:
        """Whether this opened it. `refuses`: the server answers, and takes no mail."""
        opened = not self.open
        self.reason, self._refuses, self._trying = reason, refuses, False
        if not self.pause_s:  # connections that fail together fail once
            self._failures += 1
            self._until = monotonic() + self._pauses.random_pause_s(self._failures)
        return opened

    def answered(self) -> None:
        """Whether it takes mail will be seen: until then pauses go on growing."""
        if self._refuses:
            self._trying = True
        else:
            self.reason = ""

    def worked(self) -> None:
        """It took a mail, or none is left that it refused."""
        self.reason, self._failures, self._trying = "", 0, False
