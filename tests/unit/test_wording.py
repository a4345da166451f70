"""What is written on certificates, in records and in mails is the same in every version: pinned here."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from services.notification.letters.composing import written
from shared.wording import MONTHS, month_named, written_day, written_moment, written_number

YEAR = [date(2026, month, 7) for month in range(1, 13)]


def test_each_month_has_its_name_in_both_languages() -> None:
    assert " ".join(month.id for month in MONTHS) == (
        "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember"
    )
    assert " ".join(month.en for month in MONTHS) == (
        "January February March April May June July August September October November December"
    )
    assert [month_named(day) for day in YEAR] == [(f"{id} 2026", f"{en} 2026") for id, en in MONTHS]


def test_a_day_has_no_zero_before_it() -> None:
    assert written_day(date(2026, 8, 7)) == ("7 Agustus 2026", "7 August 2026")


def test_a_moment_is_written_in_wib_with_each_language_s_clock() -> None:
    assert written_moment(datetime(2026, 12, 31, 17, 5, tzinfo=UTC)) == (
        "1 Januari 2027 pukul 00.05 WIB",
        "1 January 2027 at 00:05 WIB",
    )


@pytest.mark.parametrize(
    ("amount", "id", "en"),
    [
        ("0", "0", "0"),
        ("4.50", "4,5", "4.5"),
        ("40.0", "40", "40"),
        ("1234.5", "1.234,5", "1,234.5"),
        ("1000", "1.000", "1,000"),
        ("1E+3", "1.000", "1,000"),
        ("-12.25", "-12,25", "-12.25"),
    ],
)
def test_numbers_are_written_as_each_language_does_and_so_in_letters(amount: str, id: str, en: str) -> None:
    assert written_number(Decimal(amount)) == (id, en)
    assert (written(Decimal(amount), "id"), written(Decimal(amount), "en")) == (id, en)
