"""Who issues certificates and how their numbers look, read from `rules/issuing_bodies.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, field_validator

from services.enrollment.certificates.face import Signatory
from shared.dated_rules import Row, RuleFile, RulesInvalid, Timeline, timelines
from shared.identity.identifiers import key

BODIES_YAML = Path(__file__).parent / "rules" / "issuing_bodies.yaml"
ANY = "*"
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class SignatoryRow(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    name: Text
    nip: Text
    jabatan: Text


class BodyRow(Row):
    body: Text
    number: Text
    """Template of certificate numbers; `{sequence}` counts from 1 within body and year."""
    signatory: SignatoryRow | None = None
    agency: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,200}$")] | None = None
    """Code of the agency that issues for it, where the register of bodies begins with this row."""

    @property
    def subject(self) -> str:
        return key(self.body)

    @field_validator("number")
    @classmethod
    def _fits(cls, template: str) -> str:
        try:
            day = date(2026, 1, 31)
            one, other = (certificate_number(template, n, "X", day, code="C", batch="1") for n in (1, 2))
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"{template!r} is no number template: use {{sequence}}, {{body}}, {{year}}, "
                f"{{month_roman}}, {{code}}, {{batch}}"
            ) from error
        if one == other:
            raise ValueError(f"{template!r} lacks {{sequence}}: two certificates would have one number")
        return template


@dataclass(frozen=True, slots=True)
class IssuingBody:
    template: str
    signatory: Signatory | None


class IssuingBodies:
    def __init__(self, bodies: dict[str, Timeline[BodyRow]], version: str) -> None:
        self.version = version
        self._bodies = {subject: timeline.mapped(_body) for subject, timeline in bodies.items()}
        last = {subject: timeline.last for subject, timeline in bodies.items() if subject != ANY}
        self.agencies: Mapping[str, str | None] = {row.body: row.agency for row in last.values()}
        """By code of each body that has rows, as it is written there: the agency that its last row names."""

    def at(self, code: str, day: date) -> IssuingBody:
        """The body's row in force on that day, else the row for any body."""
        for subject in (key(code), ANY):
            timeline = self._bodies.get(subject)
            if timeline is not None and (body := timeline.at(day)) is not None:
                return body
        raise LookupError(f"no row for {ANY!r} on {day}")  # excluded by load_bodies for all days since 2000


def _body(row: BodyRow) -> IssuingBody:
    signs = row.signatory
    signatory = None if signs is None else Signatory(name=signs.name, nip=signs.nip, jabatan=signs.jabatan)
    return IssuingBody(row.number, signatory)


def certificate_number(
    template: str, sequence: int, organizer: str, day: date, *, code: str, batch: str
) -> str:
    """`sequence` counts from 1 within issuing body and year of completion."""
    return template.format(
        sequence=sequence,
        body=organizer.strip().upper(),
        year=day.year,
        month_roman=ROMAN[day.month - 1],
        code=code,
        batch=batch,
    )


def sequence_id(organizer: str, year: int) -> str:
    return f"{key(organizer)}/{year}"


def load_bodies(path: Path = BODIES_YAML) -> IssuingBodies:
    file = RuleFile(path.read_text(encoding="utf-8"), path.name, ["bodies"])
    bodies = timelines(file.rows("bodies", TypeAdapter(BodyRow)), path.name)
    if ANY not in bodies or bodies[ANY].first > date(2000, 1, 1) or bodies[ANY].at(date.max) is None:
        raise RulesInvalid(f"{path.name}: needs a row for body '*' from 2000-01-01 on, without an end")
    return IssuingBodies(bodies, file.version)
