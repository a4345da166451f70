"""How many examples a property is tried on. KOMPETEN_EXAMPLES=5000 looks harder, and `make test-quick` less hard."""

import os
from typing import Final

from hypothesis import HealthCheck

USUAL: Final = 150
"""What KOMPETEN_EXAMPLES is measured by."""
ASKED: Final = 60
"""Where nobody says how many: others each run, so that many runs together try many."""
QUIET: Final = (
    HealthCheck.too_slow,
    HealthCheck.function_scoped_fixture,
    HealthCheck.differing_executors,
)


def examples(usual: int = USUAL) -> int:
    """As many as a property usually takes, in the proportion that is asked for."""
    return max(1, usual * int(os.environ.get("KOMPETEN_EXAMPLES", ASKED)) // USUAL)
