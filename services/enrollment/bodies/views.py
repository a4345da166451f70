"""What the routes under `/bodies` take and answer."""

from datetime import datetime

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from services.enrollment.bodies.documents import Body, BodyStatement
from services.enrollment.bodies.timeline import effective_body
from shared.contracts.bodies import (
    AddBody,
    Aliases,
    BodyCode,
    ChangeBody,
    KnownBodyCode,
    check_change,
    check_issuer,
)
from shared.contracts.payload import Name, Reason
from shared.contracts.register import KnownAgencyCode


class BodyStatementView(BaseModel):
    """Who said it is in the decision: officers of all agencies read this."""

    at: datetime
    kind: str
    """added, changed, or used: it has issued before there was a register of bodies"""
    reason: str | None


class BodyView(BaseModel):
    code: str
    name: str
    issuing: str | None
    """Code of the agency that issues for it, or of its heir."""
    outside: bool
    """It is outside the city: its certificates are its own."""
    confirmed: bool
    """Somebody said who issues for it; until then who has issued in its name goes on."""
    used_by: list[str]
    """Codes of the agencies that had issued in its name when the register began."""
    aliases: list[str]
    """Other spellings under which it is reported."""
    statements: list[BodyStatementView]
    """All that was said about it, oldest first."""


class UnknownBodyView(BaseModel):
    code: str
    """As the first of them reports it."""
    waiting: int
    """Completions that wait for it."""
    agencies: list[str]
    """Codes of those that report it."""
    since: datetime
    """When the first of them began to wait."""


class UnknownBodiesView(BaseModel):
    bodies: list[UnknownBodyView]
    """Those with the most that wait first."""
    more: bool
    """There are more of them than stand here."""


class BodyEntry(BaseModel):
    code: BodyCode
    name: Name = Field(description="In Indonesian, as it is shown.")
    issuing: KnownAgencyCode | None = Field(None, description="Code of the one agency that issues for it.")
    outside: bool = Field(False, description="It is outside the city: its certificates are its own.")
    aliases: Aliases = Field(
        (), description="Other spellings under which it is reported; they stay for good."
    )

    @model_validator(mode="after")
    def _issuer(self) -> "BodyEntry":
        check_issuer(self.issuing, self.outside)
        return self

    def command(self, operator: str) -> AddBody:
        return AddBody(**dict(self), operator=operator)


class BodyChange(BaseModel):
    """What is absent stays as it is."""

    code: KnownBodyCode = Field(description="The body's, however it is spelled; not an alias.")
    name: Name | None = None
    issuing: KnownAgencyCode | None = Field(
        None, description="Code of the one agency that issues for it from now on."
    )
    outside: bool | None = Field(None, description="True: it is outside the city from now on.")
    aliases: Aliases = Field((), description="Further spellings; none is ever taken away.")
    reason: Reason

    @model_validator(mode="after")
    def _says_something(self) -> "BodyChange":
        if self.name is None and self.issuing is None and self.outside is None and not self.aliases:
            raise PydanticCustomError("body", "changes nothing: say what is to be different")
        check_change(self.issuing, self.outside)
        return self

    def command(self, operator: str) -> ChangeBody:
        return ChangeBody(**dict(self), operator=operator)


class PreviewBody(BaseModel):
    add: BodyEntry | None = None
    change: BodyChange | None = None

    @model_validator(mode="after")
    def _one(self) -> "PreviewBody":
        if (self.add is None) == (self.change is None):
            raise PydanticCustomError("body", "give one of add and change")
        return self

    def command(self, operator: str) -> AddBody | ChangeBody:
        said = self.add or self.change
        assert said is not None
        return said.command(operator)


class PreviewView(BaseModel):
    verdict: str
    """On the order itself: accepted, duplicate where the register says so already, or refused."""
    reason: str | None
    waiting: int
    """Completions that wait for the body under any of the spellings named."""
    decided: dict[str, int]
    """By verdict, how many of them would be decided at once: of each spelling the first 500 are looked at, the others
    follow in the same way."""
    recorded: int = 0
    """Of those looked at, how many come to stand."""
    certified: int = 0
    """Of those, how many get a certificate."""
    uncertified: dict[str, int] = {}
    """By code of the agency that reported them, how many of those get none, since it does not issue for the body."""
    certificates_issued: int = 0
    """How many that were recorded before get a certificate; of the first 10,000."""
    certificates_revoked: int = 0
    """And how many lose theirs."""


def body_view(body: Body) -> BodyView:
    current = effective_body(body)
    assert current is not None, "a body is made by its first statement"
    return BodyView(
        code=current.code,
        name=current.name,
        issuing=current.issuing or None,
        outside=current.outside,
        confirmed=current.confirmed,
        used_by=list(current.used_by),
        aliases=list(current.aliases),
        statements=[_statement_view(statement) for statement in body.statements],
    )


def _statement_view(statement: BodyStatement) -> BodyStatementView:
    return BodyStatementView(at=statement.arrival.at, kind=statement.kind, reason=statement.reason or None)
