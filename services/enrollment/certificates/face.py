"""What a certificate shows, and the Indonesian words for it."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from shared.wording import MONTHS, WIB, written_day, written_number

EMBLEM: Final = Path(__file__).with_name("templates") / "emblem.svg"
"""Of the city: on the certificate, and on the page that verifies it."""

# Text between the parts of a line, as in "Penata, III/c  ·  Dinas Kesehatan".
DOT = "  ·  "


class Signatory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers for the certificate; the name with titles, as it is to be printed."""

    name: str
    nip: str
    jabatan: str


class CertificateFace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything printed on one certificate, as text for people: labels, not codes.

    A field that comes later is optional, kept only where it says something, and none of `FIRST_FIELDS`: what was issued
    without it stays what it was (numbering.py), and replicas of the version before read what has it. So it is filled from
    what was not said before, or for what is completed from some day on: filled for all, it gives each certificate another
    digest, and after a restore a revision.

    `jp` is by the form's rate, whatever caps leave of it (1 JP = 45 min); `issued_on` is the WIB date, and
    dates the PDF itself; `revision` counts from 1 and is printed from 2 on.
    """

    number: str
    holder_name: str
    employee_number: str
    employment_type: Literal["pns", "cpns", "pppk"]
    opd: str
    training_title: str
    form: str
    organizer: str
    start_date: date
    end_date: date
    completed_on: date
    issued_on: date
    jp: Decimal
    verification_url: str
    golongan: str | None = None
    pangkat: str | None = None
    jabatan: str | None = None
    batch: str | None = None
    place: str | None = None
    score: Decimal | None = None
    predicate: str | None = None
    signatory: Signatory | None = None
    revision: int = 1
    language: Literal["id"] = "id"


FIRST_FIELDS: Final = frozenset(
    {
        "golongan",
        "pangkat",
        "jabatan",
        "batch",
        "place",
        "score",
        "predicate",
        "signatory",
        "revision",
        "language",
    }
)
"""Optional ones that digests cover also where they say nothing, as they have since certificates were issued."""


OF_THE_EMPLOYEE: Final = {
    "holder_name": "the employee's name",
    "opd": "the name of the employee's agency",
    "jabatan": "the employee's post",
    "pangkat": "the employee's rank",
    "golongan": "the employee's rank",
}
OF_THE_TRAINING: Final = {
    "training_title": "the title",
    "organizer": "the name of the organizer",
    "batch": "the batch",
    "place": "the place",
    "predicate": "the predicate",
}
"""What operators are told a text is, when it has a sign that no font draws: whose it is, who sends it can mend it."""


def printed(face: CertificateFace) -> dict[str, Any]:
    """The face as the template's text: dates written out, absent parts left out.

    The page has no line left: what comes later joins one, or the `facts`.
    """
    number_label = "NI PPPK" if face.employment_type == "pppk" else "NIP"
    facts = [
        ("Waktu pelaksanaan", "Period", period(face.start_date, face.end_date)),
        ("Diselesaikan", "Completed", written_day(face.completed_on).id),
        ("Jam pelajaran", "Learning hours", f"{written_number(face.jp).id} JP"),
    ]
    if grade := _grade(face.score, face.predicate):
        facts.append(("Predikat" if face.predicate else "Nilai", "Grade", grade))
    return {
        "number": face.number,
        "number_line": _joined(
            f"Nomor: {face.number}", f"Revisi {face.revision}" if face.revision > 1 else None
        ),
        "holder_name": face.holder_name,
        "holder_line": _joined(
            f"{number_label} {face.employee_number}",
            face.employment_type.upper(),
            ", ".join(filter(None, (face.pangkat, face.golongan))),
        ),
        "post_line": _joined(face.jabatan, face.opd),
        "training_title": face.training_title,
        "training_line": _joined(face.form, face.batch, face.place),
        "organizer": face.organizer,
        "facts": facts,
        "issued": _parts(start_of_day(face.issued_on)),
        "issue_line": f"Diterbitkan pada {written_day(face.issued_on).id}",
        "signatory": None if face.signatory is None else msgspec.structs.asdict(face.signatory),
        "verification_url": face.verification_url,
        "language": face.language,
    }


def start_of_day(day: date) -> datetime:
    """The first instant of a WIB day, in UTC: never later than anything done on that day."""
    return datetime.combine(day, time.min, WIB).astimezone(UTC)


def period(start: date, end: date) -> str:
    """6–11 April 2026; what both dates share is written once."""
    if start == end:
        return written_day(end).id
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day}–{written_day(end).id}"
    if start.year == end.year:
        return f"{start.day} {MONTHS[start.month - 1].id} – {written_day(end).id}"
    return f"{written_day(start).id} – {written_day(end).id}"


def _parts(moment: datetime) -> dict[str, int]:
    return {name: getattr(moment, name) for name in ("year", "month", "day", "hour", "minute", "second")}


def _grade(score: Decimal | None, predicate: str | None) -> str:
    if score is None:
        return predicate or ""
    return f"{predicate} ({written_number(score).id})" if predicate else written_number(score).id


def _joined(*parts: str | None) -> str:
    return DOT.join(part for part in parts if part)
