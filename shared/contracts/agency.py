"""What agency systems publish to `agency.<opd>.v1`."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    EmailStr,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from shared.contracts.payload import (
    AS_NUMBER,
    PLAIN_NUMBER,
    PLAIN_WHOLE,
    ZERO_IS_ZERO,
    Code,
    EmployeeNumber,
    IsoDate,
    Jp,
    Label,
    Name,
    Payload,
    or_default,
    trimmed,
)
from shared.contracts.register import KnownAgencyCode
from shared.contracts.vocabulary import EmploymentType, Form, Level, Pathway

TRIMMED = BeforeValidator(trimmed)
EmailAddress = Annotated[EmailStr, StringConstraints(max_length=254), TRIMMED]
MAX_LOCAL_BYTES: Final = 64  # RFC 5321, 4.5.3.1.1


def _can_exist(address: str) -> str:
    if len(address.rpartition("@")[0].encode()) > MAX_LOCAL_BYTES:
        raise ValueError(f"more than {MAX_LOCAL_BYTES} bytes before the @, so that no mail can be sent to it")
    return address


NewEmailAddress = Annotated[EmailAddress, AfterValidator(_can_exist)]
"""As agencies give it. Facts of before have longer ones, and are read."""


# Primary subtags (BCP 47); `in` is what `id` was called until 1989, and Java's locales still write it. And the languages'
# names, which a form for people has.
_LANGUAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("id", "in", "ind", "indonesia", "indonesian", "bahasa", "bahasa indonesia"), "id"),
    **dict.fromkeys(("en", "eng", "english", "inggris", "bahasa inggris"), "en"),
}
OTHER_LANGUAGE: Final = ""
NOT_OUR_LANGUAGE: Final = (
    "language is neither id nor en, so letters go out in Indonesian: send id or en, or leave it out"
)


def _language(value: object) -> str:
    """By the first subtag: `en-GB`, `en_US` and `EN` are English, `id-ID` and `in` Indonesian. Whatever else it
    says, it is no reason to refuse an employee."""
    if value is None:
        return "id"
    if not isinstance(value, str):
        return OTHER_LANGUAGE
    primary = re.split(r"[-_.@]", str(trimmed(value)), maxsplit=1)[0]
    return _LANGUAGES.get(" ".join(primary.casefold().split()), OTHER_LANGUAGE)


Language = Annotated[
    Literal["id", "en", ""],
    BeforeValidator(_language),
    WithJsonSchema({"type": "string", "enum": ["id", "en"]}),
]
"""Of letters: Indonesian or English. OTHER_LANGUAGE where another one was sent: letters are Indonesian then."""


class EmployeeSnapshot(Payload):
    """All that the agency's system knows of an employee; the newest by event time stands."""

    employee_number: EmployeeNumber
    previous_employee_number: EmployeeNumber | None = None
    """The number before this one, when a new contract (PPPK) or an appointment changed it."""
    name: Name
    """With titles before and after, as printed on certificates."""
    email: NewEmailAddress | None = None
    language: Language = "id"
    """Language of letters: Indonesian or English, also as a tag such as `en-GB` or by its name (`Indonesia`, `Inggris`).
    With any other they are Indonesian, and the decision says so, as does the answer of `POST /events`."""
    employment_type: Annotated[EmploymentType, TRIMMED]
    golongan: Code | None = None
    pangkat: Label | None = None
    jabatan: Label | None = None
    unit_kerja: Label | None = None
    opd: Label
    """Name of the employing agency, as printed."""
    supervisor_number: EmployeeNumber | None = None
    home: KnownAgencyCode | None = None
    """From the HR master source alone: code of the agency whose person it is. Whoever else says it is not heard."""

    @property
    def note(self) -> str:
        """What its sender is to know, though it is taken; empty: nothing."""
        return NOT_OUR_LANGUAGE if self.language == OTHER_LANGUAGE else ""


class EmployeeRegistered(EmployeeSnapshot):
    """All that the agency's system knows of an employee, sent for the first time."""

    TYPE: ClassVar[str] = "id.go.bandung.employee.registered.v1"


class EmployeeChanged(EmployeeSnapshot):
    """The same again after a change: everything, not only what changed; the newest by event time stands."""

    TYPE: ClassVar[str] = "id.go.bandung.employee.changed.v1"


class EmployeeReleased(Payload):
    """The agency that reported a person takes that back, or says that the person is no more its own.

    Certificates stay; what the agency reported until then stands, unless the number was a mistake. From then on the
    person is another agency's who claims it, or nobody's.
    """

    TYPE: ClassVar[str] = "id.go.bandung.employee.released.v1"
    employee_number: EmployeeNumber
    reason: Annotated[Literal["mistake", "moved", "retired", "died"], TRIMMED]
    """mistake: it never was the agency's, as after a typing error in the number. What it reported of the person as its
    agency does not stand then."""


class Organizer(Payload):
    TYPE: ClassVar[str] = ""
    code: Code
    """Short code of the issuing body; upper and lower case are the same body."""
    name: Label


class Training(Payload):
    TYPE: ClassVar[str] = ""
    code: Code
    batch: Code
    """Batch (angkatan); a training without batches says "1"."""
    title: Label
    form: Annotated[Form, TRIMMED]
    pathway: Annotated[Pathway, TRIMMED]
    level: Annotated[Level, TRIMMED, or_default(Level.NATIONAL)] = Level.NATIONAL
    organizer: Organizer
    start_date: IsoDate
    end_date: IsoDate
    programme_jp: Jp | None = None
    """JP of the programme; needed by forms that are credited by programme."""
    sessions: Annotated[int, Field(ge=1, le=1000), PLAIN_WHOLE] | None = None
    """Number of sessions, for guidance, coaching and mentoring."""
    place: Label | None = None

    @model_validator(mode="after")
    def _ends_after_start(self) -> "Training":
        if self.end_date < self.start_date:
            raise ValueError("end_date is before start_date: send the dates as YYYY-MM-DD, start first")
        if (self.end_date - self.start_date).days > 366 * 8:
            raise ValueError("the training lasts longer than 8 years: check start_date and end_date")
        return self


class Result(Payload):
    TYPE: ClassVar[str] = ""
    score: (
        Annotated[Decimal, Field(ge=0, le=100, decimal_places=2), ZERO_IS_ZERO, PLAIN_NUMBER, AS_NUMBER]
        | None
    ) = None
    predicate: Label | None = None


class ExternalCertificate(Payload):
    """Of a body outside the city (LAN, a ministry, a university), as it stands on its certificate."""

    TYPE: ClassVar[str] = ""
    issuer: Label
    """Who issued it, as printed."""
    certificate_number: Label
    """As printed."""
    date: IsoDate | None = None
    """Day of issue."""


class TrainingCompleted(Payload):
    """An employee completed a training; it describes itself, since many trainings are run elsewhere.

    Sent again with the same content it changes nothing; with other content it is a correction.
    """

    TYPE: ClassVar[str] = "id.go.bandung.training.completed.v1"

    employee_number: EmployeeNumber
    training: Training
    completed_on: IsoDate
    result: Annotated[Result, or_default(Result())] = Result()
    external_certificate: ExternalCertificate | None = None
    """Where the training was held outside the city: its own certificate. No number of ours is given to it."""
    revision: Annotated[int, Field(ge=1, le=2**31 - 1), PLAIN_WHOLE] | None = None
    """Of differing contents the highest revision stands; without one, the latest by event time."""

    @model_validator(mode="after")
    def _completed_after_start(self) -> "TrainingCompleted":
        if self.completed_on < self.training.start_date:
            raise ValueError("completed_on is before training.start_date: correct the date that is wrong")
        return self
