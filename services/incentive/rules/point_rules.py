"""Reads `points.yaml` into look-ups for `awards.py`, or says which row can't be used."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints, TypeAdapter, model_validator

from shared.contracts.vocabulary import Bilingual, Form
from shared.contracts.vocabulary import Level as TrainingLevel
from shared.dated_rules import Row, RuleFile, RulesInvalid, Timeline, timelines

POINTS_YAML = Path(__file__).with_name("points.yaml")

Points = Annotated[int, Field(ge=0, le=1_000_000)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class BaseRow(Row):
    form: Annotated[Form, Field(strict=False)]
    points: Points

    @property
    def subject(self) -> str:
        return f"base/{self.form}"


class LevelBonusRow(Row):
    level: Annotated[TrainingLevel, Field(strict=False)]
    points: Points

    @property
    def subject(self) -> str:
        return f"level_bonus/{self.level}"


class PredicateBonusRow(Row):
    predicate: Text
    points: Points

    @property
    def subject(self) -> str:
        return f"predicate_bonus/{normalised(self.predicate)}"


class MonthCapRow(Row):
    points: Points

    @property
    def subject(self) -> str:
        return "month_cap"

    @model_validator(mode="after")
    def _whole_months(self) -> "MonthCapRow":
        if self.from_.day != 1:
            raise ValueError(f"from {self.from_} is no first of a month: a month has one cap")
        if self.until not in (None, date.max) and (self.until + timedelta(days=1)).day != 1:
            raise ValueError(f"until {self.until} is no last of a month: a month has one cap")
        return self


PointsRow = BaseRow | LevelBonusRow | PredicateBonusRow | MonthCapRow


class LevelRow(Row):
    level: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    name_id: Text
    name_en: Text
    threshold: Points

    @property
    def subject(self) -> str:
        return f"levels/{self.level}"


class Line(NamedTuple):
    """One reason for points: the row's id, and what it gave."""

    rule: str
    points: int


@dataclass(frozen=True, slots=True)
class Level:
    """What a balance is called, from its threshold on."""

    id: str
    name: Bilingual
    threshold: int


class PointRules:
    """Point rules by subject and date."""

    __slots__ = ("base", "level_bonus", "levels", "month_cap", "predicate_bonus", "rows", "version")

    def __init__(self, file: RuleFile) -> None:
        base = file.rows("base", TypeAdapter(BaseRow))
        level_bonus = file.rows("level_bonus", TypeAdapter(LevelBonusRow))
        predicate_bonus = file.rows("predicate_bonus", TypeAdapter(PredicateBonusRow))
        month_cap = file.rows("month_cap", TypeAdapter(MonthCapRow))
        levels = file.rows("levels", TypeAdapter(LevelRow))
        self.version = file.version
        self.rows: tuple[Row, ...] = (*base, *level_bonus, *predicate_bonus, *month_cap, *levels)
        # Keyed by what an achievement brings, so that awarding builds no strings.
        self.base = _lines(base, f"{file.name}, base")
        self.level_bonus = _lines(level_bonus, f"{file.name}, level_bonus")
        self.predicate_bonus = _lines(predicate_bonus, f"{file.name}, predicate_bonus")
        self.month_cap = _lines(month_cap, f"{file.name}, month_cap")["month_cap"]
        self.levels = _levels(levels, f"{file.name}, levels")


def load_point_rules(path: Path = POINTS_YAML) -> PointRules:
    """Reads the file once. Raises RulesInvalid with a sentence that names the row."""
    return parse_point_rules(path.read_text(encoding="utf-8"), path.name)


TABLES = ("base", "level_bonus", "predicate_bonus", "month_cap", "levels")


def parse_point_rules(text: str, name: str = POINTS_YAML.name) -> PointRules:
    return PointRules(RuleFile(text, name, TABLES))


def normalised(predicate: str) -> str:
    """Agencies write one predicate in many ways: case, width and spaces say nothing."""
    return " ".join(unicodedata.normalize("NFKC", predicate).casefold().split())


def _lines(rows: Iterable[PointsRow], where: str) -> dict[str, Timeline[Line]]:
    by_subject = timelines(rows, where)
    return {key.partition("/")[2] or key: line.mapped(_line) for key, line in by_subject.items()}


def _line(row: PointsRow) -> Line:
    return Line(row.id, row.points)


def _levels(rows: tuple[LevelRow, ...], where: str) -> Timeline[tuple[Level, ...]]:
    """The whole ladder, for each span of days in which it stays the same."""
    by_id = timelines(rows, where)
    days = sorted({day for line in by_id.values() for day in line.changes})
    spans = []
    for day, following in zip(days, [*days[1:], None], strict=True):
        found = [row for line in by_id.values() if (row := line.at(day))]
        if not found:
            raise RulesInvalid(f"{where}: from {day} on no row is in force: add rows, or remove an 'until'")
        end = following - timedelta(days=1) if following else date.max
        spans.append((day, end, _ladder(found, day, where)))
    return Timeline(spans)


def _ladder(rows: list[LevelRow], day: date, where: str) -> tuple[Level, ...]:
    ordered = sorted(rows, key=lambda row: row.threshold)
    if ordered[0].threshold != 0:
        raise RulesInvalid(
            f"{where}: {ordered[0].id} is the lowest on {day}, at {ordered[0].threshold}: one must start at 0"
        )
    for lower, higher in pairwise(ordered):
        if lower.threshold == higher.threshold:
            raise RulesInvalid(
                f"{where}: on {day} rows {lower.id} and {higher.id} both start at {lower.threshold}: move one"
            )
    return tuple(Level(row.level, Bilingual(row.name_id, row.name_en), row.threshold) for row in ordered)
