"""How much one transaction takes on. What is beyond comes with the next, so no limit decides what becomes of a record."""

from typing import NamedTuple


class Limits(NamedTuple):
    """Those of the services; tests lower them."""

    usually_asked: int = 10
    """Documents and locks that a record asks for at first sight..."""
    most_asked: int = 2_000
    """... and how many more of them all records of a batch may: lists ask for hundreds each, and a backlog of them had
    notification hold 300 MB more."""
    most_in_sets: int = 20_000
    """Documents of sets (years, months, what waits), which nobody can count before they are loaded."""
    most_decisions: int = 3_000
    """Those of records that waited included."""
    most_busy_s: float = 0.5
    """CPU time of deciding."""
    most_stale: int = 5_000
    """Documents to be recounted, before they are: each may become an event of some 600 bytes."""
    most_pending_bytes: int = 4_000_000
    """Of outgoing events. MongoDB's limit is 16 MB a document; the rest is for what one record more adds."""


LIMITS = Limits()
