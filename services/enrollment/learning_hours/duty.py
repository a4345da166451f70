"""JP that an employee owes in a calendar year, from `rules/duty.yaml`."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, model_validator

from shared.contracts.vocabulary import EmploymentType
from shared.dated_rules import Jp, Row, RuleFile, timelines

DUTY_YAML = Path(__file__).parent / "rules" / "duty.yaml"


@dataclass(frozen=True, slots=True)
class Duty:
    floor: Decimal
    ceiling: Decimal | None
    rule: str
    """Id of the row, `pns/2018-01-01`; `none` where no row asks anything."""


def duty(employment_type: str, year: int, duties: "Duties") -> Duty:
    """Floor 0 where no row is in force."""
    return duties.by_type_and_year(employment_type, year)


class DutyRow(Row):
    employment_type: Annotated[EmploymentType, Field(strict=False)]
    floor: Jp
    ceiling: Jp | None = None

    @property
    def subject(self) -> str:
        return self.employment_type.value

    @model_validator(mode="after")
    def _whole_years(self) -> "DutyRow":
        if (self.from_.month, self.from_.day) != (1, 1):
            raise ValueError(f"from {self.from_} is no 1 January: a year has one duty")
        if self.until is not None and (self.until.month, self.until.day) != (12, 31):
            raise ValueError(f"until {self.until} is no 31 December: a year has one duty")
        if self.ceiling is not None and self.ceiling < self.floor:
            raise ValueError(f"ceiling {self.ceiling} is below floor {self.floor}: correct one")
        return self


_DUTY_ROW: TypeAdapter[DutyRow] = TypeAdapter(DutyRow)
_NONE = Duty(Decimal("0.0"), None, "none")


class Duties:
    """Duties by employment type and year."""

    __slots__ = ("_duties", "rows", "version")

    def __init__(self, rows: tuple[DutyRow, ...], version: str, where: str) -> None:
        self.rows = rows
        self.version = version
        self._duties = {kind: line.mapped(_compiled) for kind, line in timelines(rows, where).items()}

    def by_type_and_year(self, employment_type: str, year: int) -> Duty:
        timeline = self._duties.get(employment_type)
        return (timeline and timeline.at(date(year, 1, 1))) or _NONE


def load_duties(path: Path = DUTY_YAML) -> Duties:
    """Reads the file once. Raises RulesInvalid with a sentence that names the row."""
    return parse_duties(path.read_text(encoding="utf-8"), path.name)


def parse_duties(text: str, name: str = DUTY_YAML.name) -> Duties:
    file = RuleFile(text, name, ["duties"])
    return Duties(file.rows("duties", _DUTY_ROW), file.version, f"{name}, duties")


_TENTH = Decimal("0.1")


def _compiled(row: DutyRow) -> Duty:
    ceiling = None if row.ceiling is None else row.ceiling.quantize(_TENTH)
    return Duty(row.floor.quantize(_TENTH), ceiling, row.id)
