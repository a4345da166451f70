"""Days, months, moments and numbers as people read them, in Indonesian and English, for all services and letters.

What is written here stands on certificates, in events and in records, and is compared with what stood there before: it
is the same in every version (ADR 28).
"""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from shared.contracts.vocabulary import Bilingual

WIB: Final = timezone(timedelta(hours=7), "WIB")
MONTHS: Final = tuple(
    map(
        Bilingual,
        (
            "Januari", "Februari", "Maret", "April", "Mei", "Juni",
            "Juli", "Agustus", "September", "Oktober", "November", "Desember",
        ),
        (
            "January", "February", "March", "April", "May", "June",
            "July", "August", "September", "October", "November", "December",
        ),
    )
)  # fmt: skip

_COMMAS: Final = str.maketrans(",.", ".,")


def month_named(day: date) -> Bilingual:
    """Februari 2026"""
    id, en = MONTHS[day.month - 1]
    return Bilingual(f"{id} {day.year}", f"{en} {day.year}")


def written_day(day: date) -> Bilingual:
    """11 April 2026"""
    id, en = month_named(day)
    return Bilingual(f"{day.day} {id}", f"{day.day} {en}")


def written_moment(at: datetime) -> Bilingual:
    """11 April 2026 pukul 09.30 WIB"""
    moment = at.astimezone(WIB)
    id, en = written_day(moment)
    return Bilingual(f"{id} pukul {moment:%H.%M} WIB", f"{en} at {moment:%H:%M} WIB")


def written_number(amount: Decimal | float) -> Bilingual:
    """4.50 is written 4,5, 40.0 is written 40, and 1234.5 is written 1.234,5."""
    digits = f"{Decimal(str(amount)):,f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return Bilingual(digits.translate(_COMMAS), digits)
