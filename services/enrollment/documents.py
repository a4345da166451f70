"""Enrollment's documents and their collections. An employee's lock covers the employee and all its completions."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from services.enrollment.agencies.documents import Arrival
from services.enrollment.certificates.face import CertificateFace, Signatory
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.pipeline.documents import Collection


class EmployeeNumberAlias(msgspec.Struct, frozen=True):
    """A number that an employee has or had. Changed only under the locks of the number and its employee."""

    id: str = msgspec.field(name="_id")
    employee_id: EmployeeId
    """Of the file that it was registered under."""
    linked_by: str = ""
    """The agency by whose word it joined that file; empty: it was registered there by itself, or before that was kept."""
    linked_at: Arrival | None = None
    link: list[str] = []
    """The two numbers, the previous one first; none from before that was kept."""
    left: EmployeeId = EmployeeId("")
    """The file that it belonged to by a link, until another agency registered it; empty: none."""
    left_at: Arrival | None = None

    def file_at(self, arrival: Arrival) -> EmployeeId:
        """Of what arrived then: so a record that is read again finds what it was decided about."""
        return self.left if self.left_at is not None and arrival < self.left_at else self.employee_id


class Profile(msgspec.Struct, frozen=True):
    """A snapshot, as the agency sent it."""

    employee_number: str
    name: str
    email: str | None
    language: str
    employment_type: str
    golongan: str | None
    pangkat: str | None
    jabatan: str | None
    unit_kerja: str | None
    opd: str
    supervisor_number: str | None


class Claim(msgspec.Struct, frozen=True):
    """An agency reported the person as its own: each of its snapshots does."""

    agency: str
    arrival: Arrival


class Withdrawal(msgspec.Struct, frozen=True):
    """It said that the person is not, or is no more."""

    agency: str
    arrival: Arrival
    reason: str


class Placement(msgspec.Struct, frozen=True, omit_defaults=True):
    """The HR master source's word: this agency is the home from then on."""

    source: str
    agency: str
    """Empty: nobody is, since the person left."""
    arrival: Arrival
    reason: str = ""
    """Of leaving."""


class Confirmation(msgspec.Struct, frozen=True):
    """An officer's word: this agency is the home from then on. Or the person's own, where agencies dispute it."""

    agency: str
    arrival: Arrival
    command: str
    by: str
    opd: str | None
    """Body or agency for which the officer may act: it lets go of its own people alone; None: all."""
    reason: str
    own: bool = False
    """The person said it."""


class Snapshot(msgspec.Struct, frozen=True):
    """What one source sent."""

    source: str
    """Code of the agency; empty: the one that stood, whoever sent it, when the register began to judge."""
    profile: Profile
    as_of: datetime
    """Its time, or that of its arrival where its clock was ahead."""
    digest: bytes
    arrival: Arrival | None


class Merge(msgspec.Struct, frozen=True):
    """An officer's word that two files are one person, or that they are not after all."""

    into: EmployeeId
    """Empty: the file is a person of its own again."""
    home: str
    """Whose person it is from then on; empty: as it was."""
    arrival: Arrival
    command: str
    by: str
    opd: str | None
    reason: str


class PendingLink(msgspec.Struct, frozen=True):
    """A source said that one person had both numbers, and has no say over both."""

    previous: str
    number: str
    agency: str
    arrival: Arrival
    why: str
    """What it waits for."""
    again: Arrival | None = None
    """Of the latest copy that had to wait."""

    def waited(self, arrival: Arrival) -> bool:
        """Whether what arrived then had to, when it was decided first."""
        return self.arrival == arrival or (self.again is not None and arrival <= self.again)


DISPUTED: Final = "disputed"
UNCLAIMED: Final = "unclaimed"
LINKS: Final = "links"


class Employee(msgspec.Struct, frozen=True, dict=True):
    """`dict`: what is folded from it stays with it while it lives (homes.py)."""

    id: EmployeeId = msgspec.field(name="_id")
    numbers: list[str]
    """Oldest first; the last one is in force."""
    profile: Profile
    """The snapshot that stands, with the number in force."""
    as_of: datetime
    """Its time."""
    digest: bytes
    version: int
    addressed_at: datetime | None = None
    """The log's time at which the mail address last changed; None: not since that is noted."""
    claims: list[Claim] = []
    withdrawals: list[Withdrawal] = []
    confirmations: list[Confirmation] = []
    placements: list[Placement] = []
    snapshots: list[Snapshot] = []
    """A few of each source, the newest among them, in order of source and age; none where all that came was before
    sources were told apart."""
    pending_links: list[PendingLink] = []
    merges: list[Merge] = []
    """What was said about its belonging to another person, in order of arrival."""
    merged_into: EmployeeId = EmployeeId("")
    """The person that it belongs to; empty: it is one itself."""
    files: list[EmployeeId] = []
    """That belong to this person besides its own, in the order in which they were merged."""
    own_numbers: list[str] = []
    """Where files are merged: its own of `numbers`, which are the person's."""
    split_from: EmployeeId | None = None
    """The file that its number belonged to by a link, until another agency registered it."""
    judged: int = 0
    """Generation of the register by which it was folded last, after somebody's word came to count for nothing."""
    home_known: bool = False
    """False: from before homes were noted, and it is not worked out yet whose the person was."""
    open: list[str] = []
    """What somebody is to decide about the person: of DISPUTED, UNCLAIMED (both hold its mails) and LINKS. Nothing where
    the file is merged into another."""


class ExternalCertificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of a body outside the city."""

    issuer: str
    number: str
    issued_on: date | None = None


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Business content of a completion: what makes it a copy, a correction, and what is printed."""

    code: str
    batch: str
    title: str
    form: str
    pathway: str
    level: str
    organizer_code: str
    organizer_name: str
    start_date: date
    end_date: date
    completed_on: date
    programme_jp: Decimal | None = None
    sessions: int | None = None
    place: str | None = None
    score: Decimal | None = None
    predicate: str | None = None
    external_certificate: ExternalCertificate | None = None


class Content(msgspec.Struct, frozen=True):
    """One of the contents that a completion was reported with."""

    digest: bytes
    sender: str
    first_time: datetime
    """The earliest that it was seen under: an event's time, or that of its arrival where a clock was ahead."""
    revision: int
    facts: Facts
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


class Printed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a certificate shows beside its content, and which one that is: reinstated, it comes back as it was."""

    content: bytes
    """Digest; empty: nothing was printed, as it was revoked before it was issued."""
    revision: int
    """Of that content: the highest that changed nothing of what is printed."""
    employment_type: str
    opd: str
    golongan: str | None = None
    pangkat: str | None = None
    jabatan: str | None = None
    signatory: Signatory | None = None


class Certificate(msgspec.Struct, frozen=True):
    id: CertificateId
    number: str
    revision: int
    code: str
    earlier_codes: list[str]
    issued_at: datetime
    completion_version: int
    holder_name: str
    """As printed; a later change of name doesn't change a certificate."""
    holder_number: str
    jp: Decimal
    """By rate, as printed: what other completions leave of a cap doesn't change a certificate."""
    revoked: bool = False
    sha256: str | None = None
    """Of the stored PDF of this revision; None until it is made."""
    series: str = ""
    place: int = 0
    """The number is the `place`-th of its series: see Sequence."""
    printed: Printed | None = None
    """None: from before that was kept; its rendering has it."""


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
    standing: bytes = b""
    """Digest of the content that stands."""
    grounds: str = ""
    """By what it stands, see authority.py; empty: nothing does, or it was settled before that was kept."""
    backed: bool = True
    """The person's own agency stands behind it."""
    asked_since: Arrival | None = None
    """Of what the person's agency does not stand behind: since when what its hours and points follow from has stood
    without a break. None: it does, or it was settled before that was kept."""
    reporter: str = ""
    """Whose content stands; empty: nobody's does, or it was settled before that was kept."""
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
    """Generation of the register by which it was settled last."""
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


class Listing(msgspec.Struct, frozen=True):
    """How far what changed was listed to the services that keep books about it. Times are those of `stated_at`."""

    id: str = msgspec.field(name="_id")
    until: datetime
    lagging: dict[str, datetime] = {}
    """Positions that were not so far, and up to where they were."""


class Sequence(msgspec.Struct, frozen=True):
    """The last number that a body gave out in a year; its lock makes numbers gapless."""

    id: str = msgspec.field(name="_id")
    last: int
    free: list[int] = []
    """Below `last`, and nobody's: given out by a database that was lost before anybody was told."""


class Contested(msgspec.Struct, frozen=True):
    """A completion that counts for nothing as nobody decided some contest yet: the worklist, and nothing but the id of
    the completion."""

    id: CompletionId = msgspec.field(name="_id")


class GivenIssue(msgspec.Struct, frozen=True):
    revision: int
    content_digest: str
    at: datetime


class Given(msgspec.Struct, frozen=True):
    """What was told about a certificate after the backup that this database was restored from (adoption.py)."""

    id: CompletionId = msgspec.field(name="_id")
    number: str
    series: str
    place: int
    revision: int
    """The highest."""
    issues: list[GivenIssue] = []


class FullHour(msgspec.Struct, frozen=True):
    """In which an HR master source moved as many people as it may: what was held then waits for an operator."""

    hour: datetime
    moves: int


class Headcount(msgspec.Struct, frozen=True, omit_defaults=True):
    """So many people an agency claims, by those of its own events that are judged."""

    id: str = msgspec.field(name="_id")
    """Code of the agency, or of the HR master source."""
    people: int
    hour: datetime | None = None
    """Of a master source: in which it moved somebody last."""
    moves: int = 0
    """How many people it gave another home in that hour."""
    full: list[FullHour] = []
    """Hours before that one, earliest first."""


class Sweep(msgspec.Struct, frozen=True):
    """One document: up to which generation of the register all completions are judged (sweep.py)."""

    id: str = msgspec.field(name="_id")
    generation: int


class Rendering(msgspec.Struct, frozen=True):
    """Work: a PDF to be made. Inserted by the consumer; its state is the workers' (shared/pipeline/work.py)."""

    id: str = msgspec.field(name="_id")
    certificate_id: CertificateId
    completion_id: CompletionId
    employee_id: EmployeeId
    revision: int
    face: CertificateFace
    traceparent: str | None
    due: datetime
    state: str = "queued"
    lease: str = ""
    attempts: int = 0
    undrawn: tuple[str, ...] = ()
    """While it is held: characters of the face that no font has."""
    drawing: str = ""
    """What could not draw them (`certificate_pdf.drawing`)."""


HELD = "held"
"""State of a rendering that waits for a version whose fonts draw it."""
SUPERSEDED = "superseded"
"""State of one that was held, and whose certificate has another revision since."""


class StoredPdf(msgspec.Struct, frozen=True):
    """Written once by a worker, never regenerated."""

    id: str = msgspec.field(name="_id")
    certificate_id: CertificateId
    employee_id: EmployeeId
    sha256: str
    content: bytes


EMPLOYEE_NUMBERS = Collection("employee_numbers", EmployeeNumberAlias)
EMPLOYEES = Collection("employees", Employee, indexes=(("open", "_id"),))
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
        ("stated_at", "_id"),
    ),
)
CONTESTED = Collection("contested", Contested)
LISTINGS = Collection("listings", Listing)
SEQUENCES = Collection("sequences", Sequence)
GIVEN = Collection("given", Given)
HEADCOUNTS = Collection("headcounts", Headcount)
SWEEP: Final = "completions"
SWEEPS = Collection("sweeps", Sweep)
RENDERINGS = Collection("renderings", Rendering, indexes=(("state", "due"),))
STORED_PDFS = Collection("stored_pdfs", StoredPdf, indexes=(("certificate_id",),))


def rendering_id(certificate_id: str, revision: int) -> str:
    return f"{certificate_id}/{revision}"


def issued_version(completion: Completion) -> int | None:
    """That the letter about its valid certificate tells of, where it is not the stated one; see AtVersion."""
    certificate = completion.certificate
    if certificate is None or certificate.revoked:
        return None
    told = certificate.completion_version
    return None if (told, True) == (stated_version(completion), bool(completion.learning_year)) else told


def stated_version(completion: Completion) -> int:
    """Never above what was said; 0 while only a revocation has come."""
    if completion.stated or completion.certificate is None:
        return completion.stated
    return completion.certificate.completion_version
