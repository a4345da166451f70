"""Three ways in which a record is not accepted, and four in which a batch is given up.

Rejected      it can never succeed as it is              -> dead letter
Waiting       it lacks something that may still come     -> waits
anything else that a handler raises is a bug             -> dead letter, kind "bug"

MassFailure   a handler fails again and again -> its partition stops, nothing is emptied into dead letters
Moved         another member has the partition           -> take over again
Collided      another transaction came first             -> begin again, nothing of it stands
Unavailable   database or broker away                    -> pause, back off, charge nothing
"""


class Rejected(Exception):
    """Says what was given, what is allowed and what to do; never repeats personal data."""

    def __init__(self, why: str, alike: str = "") -> None:
        """`alike`: what it has in common with others of its kind, without what senders choose, such as codes; empty: all
        of it but the figures."""
        super().__init__(why)
        self.alike = alike or why


class Waiting(Exception):
    """`lacks` names what must appear (an opaque key, no personal data); `reason` says it to a person."""

    def __init__(self, lacks: str, reason: str) -> None:
        super().__init__(reason)
        self.lacks = lacks


class MassFailure(Exception):
    """So many of a partition's records fail alike that the handler is at fault, not the records."""

    def __init__(self, topic: str, partition: int, why: str) -> None:
        super().__init__(why)
        self.topic, self.partition = topic, partition


class Moved(Exception):
    """Another member wrote this partition's position: the batch is void."""


class Collided(Exception):
    """Another transaction wrote first what this one meant to write, or ended it."""


class Unavailable(Exception):
    """The store or the broker cannot be reached or is changing its primary; nothing was decided."""
