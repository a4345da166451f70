"""Three ways in which a record is not accepted, and two in which a batch is given up.

Rejected      it can never succeed as it is              -> dead letter
Waiting       it lacks something that may still come     -> waits
anything else that a handler raises is a bug             -> dead letter, kind "bug"

Moved         another member has the partition           -> take over again
Unavailable   database or broker away                    -> pause, back off, charge nothing
"""


class Rejected(Exception):
    """Says what was given, what is allowed and what to do; never repeats personal data."""


class Waiting(Exception):
    """`lacks` names what must appear (an opaque key, no personal data); `reason` says it to a person."""

    def __init__(self, lacks: str, reason: str) -> None:
        super().__init__(reason)
        self.lacks = lacks


class Moved(Exception):
    """Another member wrote this partition's position: the batch is void."""


class Unavailable(Exception):
    """The store or the broker cannot be reached or is changing its primary; nothing was decided."""
