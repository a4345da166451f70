"""The base of all event payloads, and the field types that they share."""

import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Final, NewType

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
)

from shared.contracts.employee_number import check_employee_number

EmployeeId = NewType("EmployeeId", str)
CompletionId = NewType("CompletionId", str)
CertificateId = NewType("CertificateId", str)

# C0 and C1 controls, line and paragraph separators: they break mail headers, PDF lines and BSON keys.
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

# 2**53 - 1: beyond it JavaScript and others round whole numbers; BSON ends at 2**63 - 1.
MAX_SAFE_INTEGER = 2**53 - 1


class Payload(BaseModel):
    """What an event says. Unknown fields are ignored, so that a newer sender stays readable."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    TYPE: ClassVar[str]
    """CloudEvents `type`: reverse DNS, subject, past verb (commands: imperative), version."""


# Unicode's format characters without the two joiners, which some scripts need: what copying out of spreadsheets and
# web pages leaves behind (byte order mark, blank of no width, soft hyphen), and what turns text around.
_UNSEEN_ONES = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001-\U000e007f"
)
_UNSEEN = re.compile(f"[{_UNSEEN_ONES}]")
_UNSEEN_ENDS = re.compile(rf"\A[\s{_UNSEEN_ONES}]+|[\s{_UNSEEN_ONES}]+\Z")


def _as_seen(text: object) -> object:
    """Composed (NFC) and without what nobody sees. Before the length is checked: composing may lengthen, and what was
    taken in must be what we may send."""
    if not isinstance(text, str) or text.isascii():
        return text
    return unicodedata.normalize("NFC", _UNSEEN.sub("", text))


def trimmed(value: object) -> object:
    """A coded value without blanks and what nobody sees at its ends: whoever looks at it finds nothing wrong."""
    if not isinstance(value, str):
        return value
    return value.strip() if value.isascii() else _UNSEEN_ENDS.sub("", value)


# Letters and symbols by their class, of which nothing shows: fillers of Hangul, the empty Braille pattern.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def _shows(text: str) -> str:
    """A certificate without a name would be genuine."""
    if text.isascii() or any(
        unicodedata.category(character)[0] in "LNPS" and character not in _BLANK for character in text
    ):
        return text
    raise ValueError("shows nothing, it has blanks and marks alone: send the text as it is to be read")


_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]{1,2})?")
_MANY_DECIMALS: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]{4,}([eE][+-]?[0-9]+)?|(\.[0-9]+)?[eE]-[0-9]+)")
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")


def _as_written(form: re.Pattern[str], advice: str) -> BeforeValidator:
    """A number may stand as text too. Then "1_000" is a thousand to Python alone, and "1.000" a thousand in Indonesia;
    and `true` is no 1."""

    def check(value: object) -> object:
        if isinstance(value, str) and _MANY_DECIMALS.fullmatch(value) is not None:
            raise ValueError("has more digits behind the point than are kept: round it")
        if isinstance(value, bool) or (isinstance(value, str) and form.fullmatch(value) is None):
            raise ValueError(advice)
        return value

    return BeforeValidator(check)


PLAIN_NUMBER: Final = _as_written(_NUMBER, "must be a number, with a point and without blanks: 88.5")
PLAIN_WHOLE: Final = _as_written(_WHOLE, "must be a whole number, such as 3")


def _without_sign_of_zero(number: Decimal) -> Decimal:
    """-0 is 0, also where digests are made of what is written."""
    return number if number else number.copy_abs()


ZERO_IS_ZERO: Final = AfterValidator(_without_sign_of_zero)


def or_default(default: object) -> BeforeValidator:
    """Null is as good as absent."""
    return BeforeValidator(lambda value: default if value is None else value)


def _employee_number(text: str) -> str:
    if (fault := check_employee_number(text)) is not None:
        raise ValueError(fault)
    return text


def _calendar_date(value: object) -> object:
    value = trimmed(value)
    if type(value) is date or (isinstance(value, str) and len(value) == 10 and value[4] == "-"):
        return value
    raise ValueError("must be a date YYYY-MM-DD, as text")


def _moment(value: object) -> object:
    if isinstance(value, datetime) or (
        isinstance(value, str) and value[4:5] == "-" and value[10:11] in "Tt "
    ):
        return value
    raise ValueError("must be a moment YYYY-MM-DDThh:mm:ss with Z or an offset such as +07:00, as text")


# Within a day of the ends of the calendar a moment has no date in some time zone: a mail that said it failed.
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def _utc(moment: datetime) -> datetime:
    if not _FIRST <= moment <= _LAST:
        raise ValueError("lies before 0001-01-02 or after 9999-12-30: correct it")
    return moment.astimezone(UTC)


def _single_line(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest, pattern=NO_CONTROLS)


Name = Annotated[str, _single_line(200), AfterValidator(_shows), BeforeValidator(_as_seen)]
"""A person's or body's name exactly as it is to be printed, titles included."""

Label = Annotated[str, _single_line(300), AfterValidator(_shows), BeforeValidator(_as_seen)]
Code = Annotated[str, _single_line(80), AfterValidator(_shows), BeforeValidator(_as_seen)]
Reason = Annotated[str, _single_line(1000), AfterValidator(_shows), BeforeValidator(_as_seen)]

EmployeeNumber = Annotated[
    str,
    Strict(),
    AfterValidator(_employee_number),
    BeforeValidator(trimmed),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{18}$", "description": "NIP or NI PPPK, as text"}),
]
"""NIP of a PNS or NI PPPK: personal data, since it shows birth date and sex."""

IsoDate = Annotated[date, BeforeValidator(_calendar_date)]
"""A calendar date `YYYY-MM-DD`; a number is refused rather than read as seconds since 1970."""

Timestamp = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_utc)]
"""A moment with its offset (RFC 3339), kept in UTC; a number is refused as with dates."""

Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
"""A version, a revision, a size."""

Points = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]

AS_NUMBER = PlainSerializer(float, return_type=float, when_used="json")

Jp = Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=1), ZERO_IS_ZERO, PLAIN_NUMBER, AS_NUMBER]
"""Learning hours (jam pelajaran); 1 JP = 45 minutes; one decimal."""

JpTotal = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=1), AS_NUMBER]
"""Learning hours of several completions."""


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


OPD_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,48}")
"""An agency's code as it stands in its topic `agency.<opd>.v1`."""
