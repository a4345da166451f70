"""What was completed, and what was said about it. Under the lock of the employee."""

from datetime import datetime
from decimal import Decimal

import msgspec

from services.enrollment.agencies.documents import Arrival
from services.enrollment.certificates.documents import Certificate
from services.enrollment.training import CompletedTraining
from shared.contracts.payload import CompletionId, EmployeeId
from shared.pipeline.documents import Collection


class Content(msgspec.Struct, frozen=True):
    """One of the contents that a completion was reported with."""

    digest: bytes
    sender: str
    first_time: datetime
    """The earliest that it was seen under: an event's time, or that of its arrival where a clock was ahead."""
    revision: int
    facts: CompletedTraining
    arrival: Arrival | None = None
    """The earliest of its copies'. None: from before it was kept."""
    timed: Arrival | None = None
    """Of the copy that had the earliest time, if that is a later one: until then it passed for one of a later time."""
    again: Arrival | None = None
    """Of the first copy in the latest minute that brought one, if that is a later minute: sent again, it counts where the
    first one fell into a time of which nothing counts."""
    number: str = ""
    """The employee number that it was reported under; empty: from before it was kept."""


class Revocation(msgspec.Struct, frozen=True):
    id: str
    reason: str
    officer: str
    opd: str | None
    """The body that the officer may act for; None: any."""
    at: datetime


class Reinstatement(msgspec.Struct, frozen=True):
    """Lifts a revocation; it may come before it. Its body counts as the revocation's own does."""

    id: str
    revocation_id: str
    reason: str
    officer: str
    opd: str | None
    at: datetime


class Contest(msgspec.Struct, frozen=True):
    """The person's agency says that a completion is not the person's; it counts for nothing until that is decided."""

    id: str
    reason: str
    officer: str
    opd: str | None
    """Agency for which the officer acted; None: all."""
    at: datetime
    arrival: Arrival | None = None
    """None: from before it was kept, when it was judged as it was decided."""


class ContestDecision(msgspec.Struct, frozen=True):
    """By an officer who acts for all; it may come before the contest."""

    id: str
    contest_id: str
    upheld: bool
    reason: str
    officer: str
    at: datetime


class Completion(msgspec.Struct, frozen=True):
    id: CompletionId = msgspec.field(name="_id")
    employee_id: EmployeeId
    """Of the person."""
    learning_year: str
    """employee_id/year while it stands, else empty: the set over which JP are recomputed."""
    reaches: str = ""
    """employee_id where it stands and takes from a cap's days or months in another year than its own, which are then
    recounted together; else empty. From before that was kept: empty until its year is recounted."""
    version: int = 0
    contents: list[Content] = []
    revocations: list[Revocation] = []
    reinstatements: list[Reinstatement] = []
    contests: list[Contest] = []
    contest_decisions: list[ContestDecision] = []
    effective: bytes = msgspec.field(name="standing", default=b"")
    """Digest of the content that stands."""
    grounds: str = ""
    """By what it stands, see authority.py; empty: nothing does, or it was recalculated before that was kept."""
    backed: bool = True
    """The person's own agency stands behind it."""
    asked_since: Arrival | None = None
    """Of what the person's agency does not stand behind: since when what its hours and points follow from has stood
    without a break. None: it does, or it was recalculated before that was kept."""
    reporter: str = ""
    """Whose content stands; empty: nobody's does, or it was recalculated before that was kept."""
    contested: bool = False
    """It counts for nothing, as the person's agency contests it."""
    contest_upheld: bool = False
    """And that was decided."""
    certified: bool = True
    """False: recorded without a certificate of ours, as none but the body's own agency issues for it."""
    file: str = ""
    """Id of the file that it came to the person with, where that was merged into another person's; empty: that is the
    person's own. The completion is named by it, unless its number has left the file that it was reported for."""
    twin_of: str = ""
    """Id of the completion of the same training that counts in its place: reported under another number of the person."""
    body: str = ""
    """Id of the organizer in the register of bodies; empty: from before there was one, or only a revocation has come."""
    judged: int = 0
    """Generation of the register by which it was recalculated last."""
    certificate: Certificate | None = None
    jp: Decimal = Decimal(0)
    jp_rule: str = ""
    jp_reason: str | None = None
    jp_reason_en: str | None = None
    """The same in English; also None where it was counted before that was kept."""
    stated: int = 0
    """Version of the last change of content or standing: what its readers have at least. 0: written before it was
    noted, see `stated_version`."""
    stated_at: datetime | None = None
    """The log's time of that change."""


class Contested(msgspec.Struct, frozen=True):
    """A completion that counts for nothing as nobody decided some contest yet: the worklist, and nothing but the id of
    the completion."""

    id: CompletionId = msgspec.field(name="_id")


COMPLETIONS = Collection(
    "completions",
    Completion,
    indexes=(
        ("learning_year",),
        ("reaches",),
        ("employee_id",),
        ("certificate.id",),
        ("certificate.code",),
        ("certificate.earlier_codes",),
        ("certificate.number",),
        ("stated_at", "id"),
    ),
)
CONTESTED = Collection("contested", Contested)


def file_of(completion: Completion) -> str:
    """Id of the file that it is named by."""
    return completion.file or completion.employee_id
