"""Rules as dated rows, read from YAML once at start. A row that is not exactly right stops the start."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Generic, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

T = TypeVar("T")
U = TypeVar("U")


class RulesInvalid(ValueError):
    """A rule file can't be used; the sentence names file, table, row, and what to change."""


class Row(BaseModel):
    """What every rule row says besides the rule itself."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)

    from_: date = Field(alias="from")
    """First day in force."""
    until: date | None = None
    """Last day in force. Without it: until the day before the next row of the same subject."""
    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
    """Regulation or decision that the number comes from."""
    confidence: Literal["H", "M", "L"]
    """H: read in the law. M: read second-hand. L: invented or guessed, to be decided by the city."""

    @property
    def subject(self) -> str:
        """What the row is about; rows of one subject follow each other in time."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        return f"{self.subject}/{self.from_}"

    @model_validator(mode="after")
    def _ends_after_start(self) -> "Row":
        if self.until is not None and self.until < self.from_:
            raise ValueError(f"until {self.until} is before from {self.from_}: swap or correct them")
        return self


R = TypeVar("R", bound=Row)


def _decimal(value: object) -> Decimal:
    # bool is an int, and no amount.
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise ValueError(f"{value!r} is no number such as 4 or 2.5")


Jp = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0, le=10_000, decimal_places=1)]
"""JP in a rule row: one decimal at most, never a float."""


class Timeline(Generic[T]):
    """The values of one subject, each in force for a span of days."""

    __slots__ = ("_ends", "_starts", "_values")

    def __init__(self, spans: Sequence[tuple[date, date, T]]) -> None:
        """`spans`: first day, last day, value; sorted, apart from each other, at least one."""
        self._starts = [span[0] for span in spans]
        self._ends = [span[1] for span in spans]
        self._values = [span[2] for span in spans]

    def at(self, day: date) -> T | None:
        position = bisect_right(self._starts, day) - 1
        if position < 0 or day > self._ends[position]:
            return None
        return self._values[position]

    def mapped(self, change: Callable[[T], U]) -> "Timeline[U]":
        values = map(change, self._values)
        return Timeline(list(zip(self._starts, self._ends, values, strict=True)))

    @property
    def first(self) -> date:
        return self._starts[0]

    @property
    def last(self) -> T:
        """The value that begins last."""
        return self._values[-1]

    @property
    def changes(self) -> list[date]:
        """Days on which what is in force may change."""
        after = [end + timedelta(days=1) for end in self._ends if end < date.max]
        return sorted({*self._starts, *after})


def timelines(rows: Iterable[R], where: str) -> dict[str, Timeline[R]]:
    """Rows by subject. Raises RulesInvalid if two rows of a subject are in force on one day."""
    by_subject: dict[str, list[R]] = defaultdict(list)
    for row in rows:
        by_subject[row.subject].append(row)
    return {subject: _timeline(sorted(own, key=_start), where) for subject, own in by_subject.items()}


def _start(row: Row) -> date:
    return row.from_


def _timeline(rows: list[R], where: str) -> Timeline[R]:
    spans = []
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        end = row.until or date.max
        if following is not None:
            if following.from_ == row.from_:
                raise RulesInvalid(f"{where}: row {row.id} is there twice: remove one, or change its 'from'")
            if row.until is not None and row.until >= following.from_:
                raise RulesInvalid(
                    f"{where}: row {row.id} runs until {row.until}, but {following.id} begins before that: "
                    f"let it end by {following.from_ - timedelta(days=1)}"
                )
            end = row.until or following.from_ - timedelta(days=1)
        spans.append((row.from_, end, row))
    return Timeline(spans)


class RuleFile:
    """A parsed rule file: its tables of rows, and a version that changes with its text."""

    def __init__(self, text: str, name: str, tables: Sequence[str]) -> None:
        """`tables`: exactly the top-level keys that the file must have."""
        self.name = name
        self.version = sha256(text.encode()).hexdigest()[:12]
        try:
            document = yaml.load(text, _StrictLoader)  # noqa: S506 - derives from SafeLoader
        except yaml.YAMLError as error:
            raise RulesInvalid(f"{name}: not readable as YAML: {' '.join(str(error).split())}") from error
        if not isinstance(document, dict) or set(document) != set(tables):
            given = ", ".join(map(str, document)) if isinstance(document, dict) else type(document).__name__
            raise RulesInvalid(f"{name}: has {given or 'nothing'}; must have exactly: {', '.join(tables)}")
        self._document: Mapping[str, object] = document

    def rows(self, table: str, model: TypeAdapter[T]) -> tuple[T, ...]:
        items = self._document[table]
        if not isinstance(items, list) or not items:
            raise RulesInvalid(f"{self.name}, {table}: must be a list of at least one row")
        return tuple(self._row(table, number, item, model) for number, item in enumerate(items, start=1))

    def _row(self, table: str, number: int, item: object, model: TypeAdapter[T]) -> T:
        try:
            return model.validate_python(item)
        except ValidationError as error:
            faults = "; ".join(_fault(problem, item) for problem in error.errors(include_url=False))
            raise RulesInvalid(f"{self.name}, {table}, row {number} ({_name(item)}): {faults}") from error


def _name(item: object) -> str:
    """The row's scalars that come before what it says, as its author would look for it."""
    if not isinstance(item, dict):
        return repr(item)[:60]
    shown = [f"{key}: {value}" for key, value in item.items() if not isinstance(value, dict | list)]
    return ", ".join(shown[:3])[:120]


def _fault(error: ErrorDetails, item: object) -> str:
    loc = list(error["loc"])
    if loc and isinstance(item, dict) and loc[0] == item.get("basis"):
        del loc[0]  # which kind of row it is, no key of it
    key = ".".join(str(part) for part in loc)
    match error["type"]:
        case "extra_forbidden":
            return f"{key!r} is no known key: remove or correct it"
        case "missing":
            return f"{key!r} is missing: add it"
        case "union_tag_not_found":
            return "'basis' is missing: add it"
        case "value_error":
            said = error["msg"].removeprefix("Value error, ")
        case "union_tag_invalid":
            return f"'basis': {error['msg']}"
        case _:
            said = f"{error['msg']}; given {str(error['input'])[:60]!r}"
    return f"{key!r}: {said}" if key else said


class _StrictLoader(yaml.CSafeLoader):
    """YAML without its traps: no key twice, no octal or base-60 numbers, no floats."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)

    # What looks like a number or a date but is no plain one stays text, so that its row's model refuses it.

    def whole(self, node: yaml.ScalarNode) -> int | str:
        text = str(self.construct_scalar(node))
        return int(text) if re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,17})", text) else text

    def decimal(self, node: yaml.ScalarNode) -> Decimal | str:
        text = str(self.construct_scalar(node))
        return Decimal(text) if re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", text) else text

    def day(self, node: yaml.ScalarNode) -> object:
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return self.construct_scalar(node)


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.whole)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.decimal)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.day)
