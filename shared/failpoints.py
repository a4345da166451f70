"""Named places at which a test can kill the process; inert without `KOMPETEN_FAILPOINT`.

`KOMPETEN_FAILPOINT=after-commit:3` kills with SIGKILL when `after-commit` is passed for the third time.
"""

import os
import signal

NAMES = (
    "before-transaction",
    "before-commit",
    "after-commit",
    "half-published",
    "after-publish",
    "rendered-not-stored",
    "rendering-stored",
    "mail-leased",
    "mail-handing-over",
    "mail-accepted",
    "mail-noted",
    "restore-adopted",
)

_name, _, _count = os.environ.get("KOMPETEN_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def failpoint(name: str) -> None:
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
