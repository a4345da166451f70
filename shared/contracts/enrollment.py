"""What enrollment publishes to `enrollment.events.v1`, and the commands on `enrollment.commands.v1`."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from shared.contracts.agency import EmailAddress
from shared.contracts.payload import (
    CertificateId,
    Code,
    CompletionId,
    Count,
    EmployeeId,
    EmployeeNumber,
    IsoDate,
    Jp,
    JpTotal,
    Label,
    Name,
    Payload,
    Reason,
    Timestamp,
)
from shared.contracts.topics import PARTITIONS
from shared.contracts.vocabulary import Bilingual, EmploymentType, Form, Level


class EmployeeRecorded(Payload):
    """The record of an employee as it stands now; the highest version stands."""

    TYPE: ClassVar[str] = "id.go.bandung.employee.recorded.v1"
    employee_id: EmployeeId
    version: Count
    employee_numbers: tuple[EmployeeNumber, ...]
    """Oldest first; the last one is in force. None: the record was merged into a person's that has its numbers now."""
    name: Name
    email: EmailAddress | None
    language: Literal["id", "en"]
    employment_type: EmploymentType
    opd: Label
    held: bool = False
    """Two agencies say that the person is theirs, and nobody has decided: no mail goes out until then."""
    addressed_at: Timestamp | None = None
    """When `email` last changed, later at each change and the same after a restore; none: not since that is noted."""
    merged: tuple[EmployeeId, ...] = ()
    """Records that were merged into this one, and are not a person of their own: its letters and mails are this one's."""


class CompletionRecorded(Payload):
    """A completion as it stands now: recorded, corrected or revoked; the highest version stands."""

    TYPE: ClassVar[str] = "id.go.bandung.completion.recorded.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    version: Count
    standing: bool
    """False once revoked: it then counts for nothing."""
    title: Label
    organizer_code: Code
    form: Form
    level: Level
    predicate: Label | None
    completed_on: IsoDate
    twin_of: CompletionId | None = None
    """The same training, reported under another number of the person, which counts in its place: then this one does not
    stand either, and its certificate is valid all the same."""
    why_not: Label | None = None
    """In Indonesian: why it does not stand, where it does not. Records of before have none: it was revoked then."""
    why_not_en: Label | None = None
    """The same in English; none: before that was said."""
    backed: bool | None = None
    """The person's own agency stands behind it: then it comes before others where they share a cap, and by its day. None,
    in records of before: the same."""
    arrived: Timestamp | None = None
    """Of one that the person's agency does not stand behind: when it was reported, by which these share what is left of a
    cap; none: before that was kept."""


class CompletionRestated(CompletionRecorded):
    """The same said again at an operator's word, since a reader seems to have lost it; nothing has changed.

    Its reader goes by its own ledger, not by what it noted of the completion.
    """

    TYPE: ClassVar[str] = "id.go.bandung.completion.restated.v1"


ID_CHARACTERS = 22
"""Of a completion in a list: base64url of the 16 bytes of its id, without padding."""


class AtVersion(Payload):
    """Completions whose last change of content or standing came in the same version."""

    TYPE: ClassVar[str] = ""
    version: Count
    """Whoever reads the events has heard at least this version of each."""
    standing: bool
    """False: revoked in this version."""
    certified: bool = True
    """False: recorded without a certificate of ours, so that no letter about one is asked for. Lists of before mean
    true."""
    issued: Count | None = None
    """The version that their letters tell of, where it is another: their certificates are valid and were issued in that
    one; since then the completions have come to be another person's, do not count since a twin does, or have another
    place where they share a cap."""
    ids: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]{22})*$", max_length=220_000)]
    """The completions, one after the other: of each the 16 bytes of its id in 22 characters of base64url."""


class CompletionsListed(Payload):
    """What changed of late, to hold one's own books against; published into the partition that has the facts.

    It says nothing new: whoever reads it has read all that it lists.
    """

    TYPE: ClassVar[str] = "id.go.bandung.completions.listed.v1"
    completions: tuple[AtVersion, ...]


NOT_VALID: Final = Bilingual("sertifikat dicabut", "the certificate was revoked")
"""`why_not` of what counts for nothing since its certificate is revoked: by it readers tell that from other causes."""
NO_LINK: Final = ""
"""A link opens the PDF for whoever has it, and events have many readers."""


class CertificateIssued(Payload):
    """A certificate was issued, or issued anew after a correction (then with a higher revision)."""

    TYPE: ClassVar[str] = "id.go.bandung.certificate.issued.v1"
    certificate_id: CertificateId
    completion_id: CompletionId
    employee_id: EmployeeId
    completion_version: Count
    """Version of the completion that it certifies (see CompletionRecorded)."""
    revision: Count
    certificate_number: Label
    title: Label
    organizer_name: Label
    completed_on: IsoDate
    jp: Jp
    jp_by_rate: Jp
    """What the form's rate gives, as printed on the certificate."""
    jp_reason: Label | None
    """Why the JP are fewer than the form's rate gives, if they are."""
    verification_url: str
    download_url: str
    """Empty: links are made when a mail is written and stand in no event. Records of before have one; read none."""
    download_until: Timestamp
    """When a link that is written with this event expires; a mail that is written later has a later one."""
    series: Label | None = None
    """Within which numbers count without gaps: issuing body and year."""
    place: Count | None = None
    """Of the number in its series, from 1."""
    content_digest: str | None = None
    """Keyed digest of what is printed, but for number, revision, code and day of issue."""
    jp_reason_en: Label | None = None
    """`jp_reason` in English; none: there is none, or it was not said yet."""
    reinstated: bool | None = None
    """Issued anew as it was withdrawn and is valid again. False: first issued, or corrected. None: it is not known."""
    reinstated_reason: Reason | None = None
    """Of the officer who lifted the revocation, if one did."""


Withheld = Literal["outside", "another_issues", "unconfirmed", "claimed"]
"""Why what counts has no certificate of ours: see CompletionUncertified."""


class CompletionUncertified(Payload):
    """A completion counts, and there is no certificate of ours: its employee is told so, once."""

    TYPE: ClassVar[str] = "id.go.bandung.completion.uncertified.v1"
    certificate_id: CertificateId
    """That a certificate of it would have: by it a reader knows that enrollment wrote this."""
    completion_id: CompletionId
    employee_id: EmployeeId
    completion_version: Count
    """See CompletionRecorded."""
    title: Label
    organizer_name: Label
    completed_on: IsoDate
    jp: Jp
    jp_by_rate: Jp
    """What the form's rate gives."""
    jp_reason: Label | None
    """Why the JP are fewer than the form's rate gives, if they are."""
    why: Withheld
    """Its body is outside the city; an agency issues for it that did not report it; nobody has said who issues for it; or
    who reported it merely claims the person."""
    organizer_code: Label
    """Of the body, as the register spells it."""
    issuing: Label | None
    """Code of the agency that issues for it, if another one does."""
    external_issuer: Label | None
    """Of a certificate of that body, if its agency reported one."""
    external_certificate: Label | None
    """The same."""
    jp_reason_en: Label | None = None
    """`jp_reason` in English; none: there is none, or it was not said yet."""
    issuing_name: Label | None = None
    """What the agency that issues for it is called in the register."""
    issuing_unused: bool | None = None
    """That agency reported it, and what it reported is not used, as it is distrusted; none: it was not said yet."""
    reporter: Label | None = None
    """Code of the agency that reported it; none: it was not said yet."""
    reporter_name: Label | None = None
    """What that is called in the register."""


HoursAfter = Literal["kept", "taken_back", "none"]
"""What becomes of the hours and points of a revoked certificate: see CertificateRevoked."""


class CertificateRevoked(Payload):
    """A certificate no longer stands, and its page says so; what becomes of its hours and points, `hours` tells."""

    TYPE: ClassVar[str] = "id.go.bandung.certificate.revoked.v1"
    certificate_id: CertificateId
    completion_id: CompletionId
    employee_id: EmployeeId
    completion_version: Count
    """Version of the completion that it certifies (see CompletionRecorded)."""
    revision: Count
    certificate_number: Label
    title: Label
    reason: Reason
    verification_url: str
    series: Label | None = None
    """Within which numbers count without gaps: issuing body and year."""
    place: Count | None = None
    """Of the number in its series, from 1."""
    hours: HoursAfter | None = None
    """Hours and points: kept, as the training goes on counting without the certificate; taken back; or there were none,
    as it did not count. None: taken back, by records of before."""
    reason_en: Reason | None = None
    """`reason` in English, where no officer wrote it."""
    organizer_name: Label | None = None
    """Of the body that issued it, which alone lifts a revocation; none: it was not said yet."""


class CertificateRendered(Payload):
    """The PDF of a certificate's revision is stored."""

    TYPE: ClassVar[str] = "id.go.bandung.certificate.rendered.v1"
    certificate_id: CertificateId
    revision: Count
    sha256: str
    size_bytes: Count


class JpCredited(Payload):
    """JP of one completion as they stand now; they change when another one uses up a cap before it."""

    TYPE: ClassVar[str] = "id.go.bandung.jp.credited.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    version: Count
    year: Count
    jp: Jp
    rule: str
    reason: Label | None
    year_total_jp: JpTotal


# Commands. Only enrollment itself writes them: its HTTP routes, its workers, its handlers.


class RevokeCertificate(Payload):
    """An officer takes a certificate back. May come before the completion that it concerns."""

    TYPE: ClassVar[str] = "id.go.bandung.certificate.revoke.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    reason: Reason
    officer: str
    """Subject of the officer's token."""
    opd: str | None
    """Issuing body for which the officer may act; None: any."""


class ReinstateCertificate(Payload):
    """An officer lifts one revocation, named by its id."""

    TYPE: ClassVar[str] = "id.go.bandung.certificate.reinstate.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    revocation_id: str
    reason: Reason
    officer: str
    opd: str | None


class ContestCompletion(Payload):
    """An officer of a person's agency says that what another body reported is not the person's learning."""

    TYPE: ClassVar[str] = "id.go.bandung.completion.contest.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    reason: Reason
    officer: str
    opd: str | None
    """Body or agency for which the officer may act; None: all."""


class DecideContest(Payload):
    """An officer who acts for all decides about a contest, named by its id."""

    TYPE: ClassVar[str] = "id.go.bandung.completion.decide-contest.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    contest_id: str
    """Event id of the contest."""
    upheld: bool
    """True: it goes on counting for nothing."""
    reason: Reason
    officer: str
    opd: str | None
    """Body or agency for which the officer may act; None: all."""


class StoreRendering(Payload):
    """A worker stored a PDF; its digest becomes part of the certificate."""

    TYPE: ClassVar[str] = "id.go.bandung.certificate.store-rendering.v1"
    certificate_id: CertificateId
    completion_id: CompletionId
    revision: Count
    sha256: str
    size_bytes: Count


class PartitionList(Payload):
    TYPE: ClassVar[str] = ""
    partition: Annotated[int, Field(ge=0, lt=PARTITIONS)]
    """Of `enrollment.events.v1`: the one that has the facts about these completions."""
    completions: tuple[AtVersion, ...]


class Lagging(Payload):
    TYPE: ClassVar[str] = ""
    position: str
    """group/topic/partition"""
    until: Timestamp
    """All of its records up to then are decided."""


class ListCompletions(Payload):
    """A worker read what changed in a stretch of time: list it to those who keep books about it."""

    TYPE: ClassVar[str] = "id.go.bandung.completions.list.v1"
    since: Timestamp
    """Up to where lists stood when the worker read; void if another list was made meanwhile."""
    until: Timestamp | None
    """Up to where they stand after this one; none when more follows."""
    lagging: tuple[Lagging, ...] = ()
    """Partitions that are not so far: what is decided of theirs later is listed then."""
    lists: tuple[PartitionList, ...]
    incomplete: tuple[CompletionId, ...] = ()
    """Those that seem to lack a certificate, hours or a PDF in enrollment itself."""


class RestateCompletion(Payload):
    """An operator has a completion's facts published again, as a version of their own."""

    TYPE: ClassVar[str] = "id.go.bandung.completion.restate.v1"
    completion_id: CompletionId
    employee_id: EmployeeId
    version: Count
    """The version that stood when it was asked for; nothing is done when another one stands."""
    operator: str
    reason: Reason
