"""The register of bodies: the commands on `enrollment.commands.v1` that change it, and what they are made of.

A body issues certificates in its own series. One agency issues for it, or it is outside the city. Only enrollment's own
HTTP routes and its start write these; each that is accepted becomes a dated statement, and none is ever taken out again.
"""

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from shared.contracts.payload import Code, Name, Payload, Reason, trimmed
from shared.contracts.register import MAX_AT_THE_BEGINNING, KnownAgencyCode

MAX_BODIES_AT_THE_BEGINNING: Final = 5_000
MAX_ALIASES: Final = 20
MAX_BODY_CODE: Final = 40
_BODY_CODE: Final = re.compile(r"[A-Za-z0-9./-]+( [A-Za-z0-9./-]+)*")


def _fault(sentence: str) -> PydanticCustomError:
    # A type of our own: its text is shown to callers over HTTP too (faults.py).
    return PydanticCustomError("body", sentence)


def _new_code(text: str) -> str:
    code = str(trimmed(text))
    if len(code) > MAX_BODY_CODE or _BODY_CODE.fullmatch(code) is None:
        raise _fault(
            f"a body's code has 1 to {MAX_BODY_CODE} of A-Z, a-z, 0-9, '-', '.', '/' and single blanks between them: "
            "what it is reported as otherwise can be an alias of it"
        )
    return code


BodyCode = Annotated[
    str,
    AfterValidator(_new_code),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_BODY_CODE.pattern}$",
            "maxLength": MAX_BODY_CODE,
            "description": "1 to 40 of A-Z, a-z, 0-9, '-', '.', '/' and single blanks between them; it stays for good",
        }
    ),
]
"""Of a new body, as it is printed; compared without case."""

KnownBodyCode = Annotated[str, StringConstraints(min_length=1, max_length=300)]
"""Of a body that may have been reported before codes were bounded."""

Aliases = Annotated[tuple[Code, ...], Field(max_length=MAX_ALIASES)]
"""Other spellings under which a body is reported, as agencies send them."""


def check_issuer(issuing: str | None, outside: bool | None) -> None:
    """Raises for pydantic where this does not say who issues for a body."""
    if (issuing is None) == (not outside):
        raise _fault("say one of both: the agency that issues for it, or that it is outside the city")


def check_change(issuing: str | None, outside: bool | None) -> None:
    """The same where both may be left out."""
    if issuing is not None or outside is not None:
        check_issuer(issuing, outside)


class AddBody(Payload):
    """An operator says who issues for a body. What waits for it is decided."""

    TYPE: ClassVar[str] = "id.go.bandung.body.add.v1"
    code: BodyCode
    """As it is written and printed."""
    name: Name
    """In Indonesian, as it is shown."""
    issuing: KnownAgencyCode | None = None
    """The one agency that issues for it."""
    outside: bool = False
    """It is outside the city: its certificates are its own."""
    aliases: Aliases = ()
    """Other spellings under which it is reported."""
    operator: str
    """Subject of the operator's token."""

    @model_validator(mode="after")
    def _issuer(self) -> "AddBody":
        check_issuer(self.issuing, self.outside)
        return self


class ChangeBody(Payload):
    """An operator says something else about a body, or confirms who issues for it; what is absent stays as it is."""

    TYPE: ClassVar[str] = "id.go.bandung.body.change.v1"
    code: KnownBodyCode
    """The body's, however it is spelled; not an alias."""
    name: Name | None = None
    """In Indonesian, as it is shown."""
    issuing: KnownAgencyCode | None = None
    """The one agency that issues for it from now on."""
    outside: bool | None = None
    """True: it is outside the city from now on."""
    aliases: Aliases = ()
    """Further spellings under which it is reported; none is ever taken away."""
    operator: str
    reason: Reason

    @model_validator(mode="after")
    def _issuer(self) -> "ChangeBody":
        check_change(self.issuing, self.outside)
        return self


class BodySeed(Payload):
    """A body with which the register begins. Neither an agency nor outside: who has issued in its name goes on until
    somebody confirms who issues for it."""

    TYPE: ClassVar[str] = ""
    code: KnownBodyCode
    """As it was written."""
    issuing: KnownAgencyCode | None = None
    """The one agency that issues for it."""
    outside: bool = False
    """It is outside the city: its certificates are its own."""
    used_by: Annotated[tuple[KnownAgencyCode, ...], Field(max_length=MAX_AT_THE_BEGINNING)] = ()
    """Agencies that have issued in its name so far."""


class BeginBodies(Payload):
    """The register of bodies begins with those of a setting, of the rules, and that were used; only the first one counts.

    What arrives from then on is judged by who issues for its body.
    """

    TYPE: ClassVar[str] = "id.go.bandung.bodies.begin.v1"
    bodies: Annotated[tuple[BodySeed, ...], Field(max_length=MAX_BODIES_AT_THE_BEGINNING)]
    """Of those that are spelled alike the first counts."""
