"""The register of agencies: the commands on `enrollment.commands.v1` that change it, and what they are made of.

Only enrollment's own HTTP routes and its start write them. Each that is accepted becomes a dated statement in the
register; none is ever taken out again.
"""

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints

from shared.contracts.payload import Label, Name, Payload, Reason, Timestamp

MAX_BINDINGS: Final = 8
MAX_CLIENTS: Final = 16
MAX_KAFKA_USERS: Final = 4
MAX_AT_THE_BEGINNING: Final = 2_000

AGENCY_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
AgencyCode = Annotated[str, StringConstraints(pattern=f"^{AGENCY_CODE.pattern}$")]
"""Of a new agency: 1 to 40 of a-z, 0-9 and '-', not beginning with '-'. Part of the topic `agency.<code>.v1`."""

KnownAgencyCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,200}$")]
"""Of an agency that may have been connected before codes were bounded."""

Visible = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=200)]
"""ASCII without blanks, as issuers, clients and Kafka users are named."""


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names something twice: name each once")
    return values


class TokenBinding(Payload):
    """Access tokens that speak for an agency: of this issuer, given to one of these clients.

    The client is the token's claim `azp` (OpenID Connect Core 2), or `client_id` (RFC 9068) where there is none.
    """

    TYPE: ClassVar[str] = ""
    issuer: Visible
    """As in the token's `iss`."""
    client_ids: Annotated[
        tuple[Visible, ...], Field(min_length=1, max_length=MAX_CLIENTS), AfterValidator(_once)
    ]
    """As the issuer names them."""


class AgencyQuota(Payload):
    """What an agency's Kafka users may take of the broker; the rest of them wait, nothing is lost."""

    TYPE: ClassVar[str] = ""
    bytes_per_s: Annotated[int, Field(ge=1_000, le=1_000_000_000)]
    """That they may publish (Kafka's `producer_byte_rate`)."""
    request_percent: Annotated[int, Field(ge=1, le=1_000)]
    """Of the time of one of the broker's threads (Kafka's `request_percentage`)."""


AgencyHeadcount = Annotated[int, Field(ge=1, le=1_000_000)]
"""How many people the agency has: registrations of more than a tenth beyond wait. None: nobody said."""
MovesPerHour = Annotated[int, Field(ge=1, le=1_000_000)]
"""How many people an HR master source may give another home within an hour; more wait. None: one in a hundred."""
TokenBindings = Annotated[tuple[TokenBinding, ...], Field(max_length=MAX_BINDINGS)]
KafkaUsers = Annotated[tuple[Visible, ...], Field(max_length=MAX_KAFKA_USERS), AfterValidator(_once)]


class AddAgency(Payload):
    """An operator connects an agency."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.add.v1"
    code: AgencyCode
    """The agency's, as in its topic."""
    name: Name
    """In Indonesian, as it is shown."""
    name_en: Name | None = None
    """In English."""
    contact: Label | None = None
    """An office or its address, never a person's."""
    token_bindings: TokenBindings = ()
    kafka_users: KafkaUsers = ()
    """Names of users that write to the agency's topic; their passwords are known to Kafka alone."""
    quota: AgencyQuota | None = None
    headcount: AgencyHeadcount | None = None
    master: bool = False
    """Not an agency but the HR system of the city: it says whose person everybody is. For good."""
    moves_per_hour: MovesPerHour | None = None
    operator: str
    """Subject of the operator's token."""


class ChangeAgency(Payload):
    """An operator says something else about an agency; what is absent stays as it is."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.change.v1"
    code: KnownAgencyCode
    """The agency's, as in its topic."""
    name: Name | None = None
    """In Indonesian, as it is shown."""
    name_en: Name | None = None
    """In English."""
    contact: Label | None = None
    """An office or its address, never a person's."""
    token_bindings: TokenBindings | None = None
    """All that are to be from now on; an empty list binds it to none."""
    kafka_users: KafkaUsers | None = None
    """All that are to be from now on: a new name beside the old one, then the new one alone, is a rotation."""
    quota: AgencyQuota | None = None
    headcount: AgencyHeadcount | None = None
    moves_per_hour: MovesPerHour | None = None
    operator: str
    reason: Reason


class SuspendAgency(Payload):
    """An operator shuts an agency out: what it sent until then stands, nothing more of it is taken or read."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.suspend.v1"
    code: KnownAgencyCode
    """The agency's, as in its topic."""
    operator: str
    reason: Reason


class ResumeAgency(Payload):
    """An operator lets a suspended agency speak again; what is in its topic since then is read."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.resume.v1"
    code: KnownAgencyCode
    """The agency's, as in its topic."""
    operator: str
    reason: Reason


class DistrustAgency(Payload):
    """An operator has what arrived from an agency in some time count for nothing, as after its credentials leaked."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.distrust.v1"
    code: KnownAgencyCode
    """The agency's, as in its topic."""
    since: Timestamp
    """By the log's time of arrival."""
    until: Timestamp | None
    """None: what arrives from now on counts for nothing either."""
    operator: str
    reason: Reason


class TrustAgency(Payload):
    """An operator takes a distrust back."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.trust.v1"
    code: KnownAgencyCode
    """The agency's, as in its topic."""
    distrust: str
    """Id of the decision that is taken back."""
    operator: str
    reason: Reason


class ReplaceAgency(Payload):
    """An operator says that an agency took another one's place: it was renamed, or merged into it."""

    TYPE: ClassVar[str] = "id.go.bandung.agency.replace.v1"
    code: KnownAgencyCode
    """Of the agency that is no more."""
    heir: KnownAgencyCode
    """Of the one whose all is that it had."""
    operator: str
    reason: Reason


class BeginRegister(Payload):
    """The register begins with the agencies that were connected by a setting; only the first one counts."""

    TYPE: ClassVar[str] = "id.go.bandung.register.begin.v1"
    codes: Annotated[
        tuple[KnownAgencyCode, ...], Field(max_length=MAX_AT_THE_BEGINNING), AfterValidator(_once)
    ]
