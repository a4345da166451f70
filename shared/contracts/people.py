"""Whose person somebody is: commands on `enrollment.commands.v1`. Only enrollment's own routes and workers write them."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from shared.contracts.payload import CompletionId, Count, EmployeeId, Payload, Reason, Timestamp
from shared.contracts.register import KnownAgencyCode

MAX_A_PAGE: Final = 500


class ConfirmHome(Payload):
    """An officer says whose person somebody is, from now on: a transfer, or the end of a dispute. Or the person itself,
    signed in, which of the agencies that dispute it is the right one."""

    TYPE: ClassVar[str] = "id.go.bandung.employee.confirm-home.v1"
    employee_id: EmployeeId
    agency: KnownAgencyCode
    """The home from now on."""
    officer: str
    """Subject of the officer's token, or of the person's."""
    opd: str | None
    """Body or agency for which the officer may act; None: all."""
    own: bool = False
    """The person says it: it ends a dispute between agencies that claim it, and does nothing else."""
    reason: Reason


class MergeEmployees(Payload):
    """An officer says that two records are one person's: the one joins the other, with its numbers and completions."""

    TYPE: ClassVar[str] = "id.go.bandung.employee.merge.v1"
    employee_id: EmployeeId
    """That joins: its numbers are the later ones."""
    into: EmployeeId
    """The person that it belongs to."""
    home: KnownAgencyCode | None
    """Whose person it is from now on; None: as it is."""
    officer: str
    opd: str | None
    """Body or agency for which the officer may act; None: all."""
    reason: Reason


class SeparateEmployees(Payload):
    """An officer takes a merge back: what was reported under each number goes back with it. Of a record that never joined
    another one: what says that it is the same person's is decided against."""

    TYPE: ClassVar[str] = "id.go.bandung.employee.separate.v1"
    employee_id: EmployeeId
    """That had joined, or is not to."""
    officer: str
    opd: str | None
    """Body or agency for which the officer may act; None: all."""
    reason: Reason


class EarliestHome(Payload):
    TYPE: ClassVar[str] = ""
    employee_id: EmployeeId
    agency: KnownAgencyCode
    """Whose event about the person was the first that was accepted."""
    arrived: Timestamp
    """The log's time of that event."""
    topic: str
    """Where it stands in the log."""
    partition: Annotated[int, Field(ge=0)]
    """The same."""
    offset: Annotated[int, Field(ge=0)]
    """The same."""


class AdoptHomes(Payload):
    """A worker read, of people from before homes were noted, who reported them first."""

    TYPE: ClassVar[str] = "id.go.bandung.employees.adopt-homes.v1"
    homes: Annotated[tuple[EarliestHome, ...], Field(max_length=MAX_A_PAGE)]
    """Of whom a decision says who reported them first."""
    unknown: Annotated[tuple[EmployeeId, ...], Field(max_length=MAX_A_PAGE)] = ()
    """Of whom no decision says who reported them: they have no home until somebody claims them."""


class Refolded(Payload):
    TYPE: ClassVar[str] = ""
    completion_id: CompletionId
    employee_id: EmployeeId


class RefoldCompletions(Payload):
    """A worker found completions that were judged by an older register: each is judged anew."""

    TYPE: ClassVar[str] = "id.go.bandung.completions.refold.v1"
    generation: Count
    """Of the register that the worker read."""
    found: Annotated[tuple[Refolded, ...], Field(max_length=MAX_A_PAGE)]
    """Those that it found, each with its person."""


class RefoldPeople(Payload):
    """A worker found people that were judged by an older register: each is judged anew, with all completions."""

    TYPE: ClassVar[str] = "id.go.bandung.employees.refold.v1"
    generation: Count
    """Of the register that the worker read."""
    found: Annotated[tuple[EmployeeId, ...], Field(max_length=MAX_A_PAGE)]
    """Those that it found."""


class EndSweep(Payload):
    """No completion is judged by an older register any more."""

    TYPE: ClassVar[str] = "id.go.bandung.completions.end-sweep.v1"
    generation: Count
