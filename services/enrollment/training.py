"""What is learned: the business content of a completion, as agencies report it."""

from datetime import date
from decimal import Decimal

import msgspec


class ExternalCertificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of a body outside the city."""

    issuer: str
    number: str
    issued_on: date | None = None


class CompletedTraining(msgspec.Struct, frozen=True, omit_defaults=True):
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
