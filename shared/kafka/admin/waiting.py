"""Until the broker shows a change: the controller answers before the broker that is asked next has heard of it."""

import time
from collections.abc import Callable
from typing import Final

from shared.kafka.admin.errors import AdminError

TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.05


def until(shown: Callable[[], bool], change: str) -> None:
    """Raises AdminError, with the change's name, when the broker does not show it within TIMEOUT_S."""
    deadline = time.monotonic() + TIMEOUT_S
    while not shown():
        if time.monotonic() > deadline:
            raise AdminError(f"after {TIMEOUT_S:g} s the broker does not show {change}: try again")
        time.sleep(POLL_S)
