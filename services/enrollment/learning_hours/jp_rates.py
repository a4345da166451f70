"""Reads `rules/jp.yaml` into look-ups for `jp.py`, or says which row can't be used."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter

from shared.contracts.vocabulary import Form, Level
from shared.dated_rules import Jp, Row, RuleFile, RulesInvalid, Timeline, timelines

JP_YAML = Path(__file__).parent / "rules" / "jp.yaml"

# An explicit context: the thread's own could round otherwise.
EXACT = Context(prec=40, rounding=ROUND_HALF_UP)
TEN = Decimal(10)


class Uplift(NamedTuple):
    """More than the national amount by so many percent."""

    percent: Decimal


def _international(value: object) -> Decimal | Uplift | Literal["programme"] | None:
    if value == "programme":
        return "programme"
    if value == "none":
        return None
    if isinstance(value, str) and (found := re.fullmatch(r"\+\s*(\d{1,3}(?:\.\d+)?)\s*%", value)):
        return Uplift(Decimal(found[1]))
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _JP.validate_python(value)
    raise ValueError(f"{value!r} is neither JP, nor an uplift such as '+20 %', nor programme, nor none")


_JP: TypeAdapter[Decimal] = TypeAdapter(Jp)
International = Annotated[Decimal | Uplift | Literal["programme"] | None, PlainValidator(_international)]


class _Cap(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class DayCap(_Cap):
    jp_per_day: Annotated[Jp, Field(gt=0)]


class MonthCap(_Cap):
    sessions_per_month: Annotated[int, Field(ge=1, le=31)]


class FormRow(Row):
    form: Annotated[Form, Field(strict=False)]

    @property
    def subject(self) -> str:
        return self.form.value


class ProgrammeRow(FormRow):
    basis: Literal["programme"]
    national: Literal["programme"]
    international: International
    cap: DayCap | None = None


class PerDayRow(FormRow):
    basis: Literal["per_day"]
    national: Jp
    international: International
    cap: DayCap | None = None


class PerSessionRow(FormRow):
    basis: Literal["per_session"]
    national: Jp
    international: International
    cap: MonthCap | None = None


class FixedRow(FormRow):
    basis: Literal["fixed"]
    national: Jp
    international: International


class CountsAsRow(FormRow):
    basis: Literal["counts_as"]
    counts_as: Annotated[Form, Field(strict=False)]


class UnratedRow(FormRow):
    basis: Literal["unrated"]
    reason: Annotated[str, Field(min_length=3)]


RateRow = Annotated[
    ProgrammeRow | PerDayRow | PerSessionRow | FixedRow | CountsAsRow | UnratedRow,
    Field(discriminator="basis"),
]
_RATE_ROW: TypeAdapter[RateRow] = TypeAdapter(RateRow)


@dataclass(frozen=True, slots=True)
class Rate:
    """One row, ready to reckon with. Amounts are whole tenths of a JP."""

    id: str
    basis: Literal["programme", "per_day", "per_session", "fixed", "unrated"]
    tenths: dict[str, int]
    """By level, for a day, a session or a completion; a level that is not credited is absent."""
    factors: dict[str, Decimal]
    """By level, tenths per JP of the programme."""
    cap: int | None
    """Tenths a day, or sessions a month."""
    cap_id: str
    pool: str
    """Completions with the same pool share the cap."""
    reason: str | None


class Rates:
    """JP rates by form and date."""

    __slots__ = ("_rates", "before", "rows", "version")

    def __init__(self, rows: tuple[RateRow, ...], version: str, where: str) -> None:
        self.rows = rows
        self.version = version
        # Plain strings as keys: an enum member and its value hash alike, and learnings may bring either.
        self._rates: dict[str, Timeline[Rate | CountsAsRow]] = {
            form: timeline.mapped(_compiled) for form, timeline in timelines(rows, where).items()
        }
        self.before = min((row.from_.year for row in rows), default=date.min.year + 1) - 1
        """A year that stands for all in which nothing counts yet: a mistyped date may have a training begin in any."""
        for row in rows:
            if isinstance(row, CountsAsRow):
                _check_target(row, rows, where)

    def in_force(self, form: str, day: date) -> Rate | None:
        timeline = self._rates.get(form)
        rate = None if timeline is None else timeline.at(day)
        if isinstance(rate, CountsAsRow):
            rate = self._rates[rate.counts_as].at(day)
        # A row that counts as another is refused at load if that one does too.
        return None if isinstance(rate, CountsAsRow) else rate

    def years_tied(self, form: str, start: date, completed_on: date) -> range:
        """Calendar years of whose days or months a learning takes under a cap, up to that in which it counts, if there
        are others than that; see `before`."""
        year = completed_on.year
        rate = self.in_force(form, completed_on)
        if rate is None or rate.cap is None:
            return range(year, year + 1)
        return range(max(min(start.year, year), self.before), year + 1)

    def first_day(self, form: str) -> date | None:
        timeline = self._rates.get(form)
        return None if timeline is None else timeline.first


def load_rates(path: Path = JP_YAML) -> Rates:
    """Reads the file once. Raises RulesInvalid with a sentence that names the row."""
    return parse_rates(path.read_text(encoding="utf-8"), path.name)


def parse_rates(text: str, name: str = JP_YAML.name) -> Rates:
    file = RuleFile(text, name, ["rates"])
    return Rates(file.rows("rates", _RATE_ROW), file.version, f"{name}, rates")


def _check_target(row: CountsAsRow, rows: tuple[RateRow, ...], where: str) -> None:
    targets = [other for other in rows if other.form == row.counts_as]
    if not targets:
        raise RulesInvalid(f"{where}: row {row.id} counts as {row.counts_as}, which has no row: add one")
    if any(isinstance(other, CountsAsRow) for other in targets):
        raise RulesInvalid(
            f"{where}: row {row.id} counts as {row.counts_as}, which itself counts as another: name that one"
        )


def _compiled(row: RateRow) -> Rate | CountsAsRow:
    match row:
        case CountsAsRow():
            return row
        case UnratedRow():
            return Rate(row.id, "unrated", {}, {}, None, "", row.form, row.reason)
        case ProgrammeRow():
            factors = {Level.NATIONAL.value: TEN}
            if row.international == "programme":
                factors[Level.INTERNATIONAL.value] = TEN
            elif isinstance(row.international, Uplift):
                factors[Level.INTERNATIONAL.value] = EXACT.multiply(TEN, _factor(row.international))
            return Rate(row.id, "programme", {}, factors, *_day_cap(row, row.cap), None)
        case PerDayRow():
            return Rate(row.id, "per_day", _tenths_by_level(row), {}, *_day_cap(row, row.cap), None)
        case FixedRow():
            return Rate(row.id, "fixed", _tenths_by_level(row), {}, None, "", row.form, None)
        case PerSessionRow():
            cap = row.cap.sessions_per_month if row.cap else None
            cap_id, pool = f"{row.id}/sessions_per_month", f"{row.form}/month"
            return Rate(row.id, "per_session", _tenths_by_level(row), {}, cap, cap_id, pool, None)


def _day_cap(row: FormRow, cap: DayCap | None) -> tuple[int | None, str, str]:
    return tenths(cap.jp_per_day, TEN) if cap else None, f"{row.id}/jp_per_day", f"{row.form}/day"


def _tenths_by_level(row: PerDayRow | PerSessionRow | FixedRow) -> dict[str, int]:
    found = {Level.NATIONAL.value: tenths(row.national, TEN)}
    if isinstance(row.international, Uplift):
        factor = EXACT.multiply(TEN, _factor(row.international))
        found[Level.INTERNATIONAL.value] = tenths(row.national, factor)
    elif isinstance(row.international, Decimal):
        found[Level.INTERNATIONAL.value] = tenths(row.international, TEN)
    return found


def _factor(uplift: Uplift) -> Decimal:
    return 1 + uplift.percent.scaleb(-2)


def tenths(jp: Decimal, factor: Decimal) -> int:
    """JP times factor as a whole number, half rounded up; with factor 10: tenths of a JP."""
    return int(EXACT.to_integral_value(EXACT.multiply(jp, factor)))
