"""What the routes under `/agencies` take and answer."""

from datetime import datetime

from pydantic import BaseModel, Field, model_validator

from services.enrollment.agencies.documents import Agency, Statement
from services.enrollment.agencies.queries import Traffic
from services.enrollment.agencies.timeline import Effective, effective
from shared.contracts.payload import Label, Name, Reason
from shared.contracts.register import (
    AgencyCode,
    AgencyHeadcount,
    AgencyQuota,
    KafkaUsers,
    MovesPerHour,
    TokenBinding,
    TokenBindings,
)


class StatementView(BaseModel):
    at: datetime
    kind: str
    """added, changed, suspended, resumed, distrusted, trusted or succeeded"""
    operator: str | None
    """None: the register began with it."""
    reason: str | None
    decision: str
    """Id of the command that said it: what takes a distrust back names it."""
    since: datetime | None
    """Distrusted: what arrived from then on counts for nothing."""
    until: datetime | None
    """And before then; None: what is still to come does not count either."""
    distrust: str | None
    """Trusted: the decision that it took back."""
    heir: str | None
    """Succeeded: code of the agency that took its place."""


class AgencyView(BaseModel):
    code: str
    state: str
    """active or suspended"""
    name: str
    name_en: str | None
    contact: str | None
    bound: bool
    """Whether only tokens of its own clients speak for it; else each token whose claim `opd` names it does."""
    token_bindings: list[TokenBinding]
    kafka_users: list[str]
    quota: AgencyQuota | None
    headcount: int | None
    """How many people it has by the register; more than a tenth beyond wait."""
    claimed: int
    """How many people it claims, by its own registrations; of an HR master source, how many it placed."""
    master: bool
    """Not an agency but the HR system of the city: it says whose person everybody is."""
    moves_per_hour: int | None
    """How many people it may give another home; None: one in a hundred of those that it knows."""
    topic: str
    fault: str | None
    """Why its topic can't be read."""
    last_event_at: datetime | None
    """When the last record that was decided had arrived."""
    undecided: int | None
    """Records in its topic that are not decided yet; None while nobody can tell."""
    statements: list[StatementView]
    """All that was said about it, oldest first."""


class AgencyBody(BaseModel):
    code: AgencyCode = Field(
        description="1 to 40 of a-z, 0-9 and '-', not beginning with '-'; it stays for good."
    )
    name: Name = Field(description="In Indonesian, as it is shown.")
    name_en: Name | None = Field(None, description="In English.")
    contact: Label | None = Field(None, description="An office or its address, never a person's.")
    token_bindings: TokenBindings = Field(
        (), description="Whose access tokens speak for it; none: see `bound`."
    )
    kafka_users: KafkaUsers = Field((), description="Names of its users in Kafka.")
    quota: AgencyQuota | None = None
    headcount: AgencyHeadcount | None = Field(
        None, description="How many people it has; more than a tenth beyond wait."
    )
    master: bool = Field(
        False,
        description="Not an agency but the HR system of the city, which says whose person everybody is.",
    )
    moves_per_hour: MovesPerHour | None = Field(
        None, description="How many people a master source may give another home; absent: one in a hundred."
    )


class AgencyChangeBody(BaseModel):
    """What is absent stays as it is; lists are replaced."""

    name: Name | None = None
    name_en: Name | None = None
    contact: Label | None = None
    token_bindings: TokenBindings | None = None
    kafka_users: KafkaUsers | None = None
    quota: AgencyQuota | None = None
    headcount: AgencyHeadcount | None = None
    moves_per_hour: MovesPerHour | None = None
    reason: Reason

    @model_validator(mode="after")
    def _says_something(self) -> "AgencyChangeBody":
        if all(value is None for name, value in self if name != "reason"):
            raise ValueError("changes nothing: say what is to be different")
        return self


class StateBody(BaseModel):
    reason: Reason


def agency_view(agency: Agency, traffic: Traffic, claimed: int = 0) -> AgencyView:
    current = effective(agency)
    assert current is not None, "an agency is made by its first statement"
    return AgencyView(
        **_particulars(current),
        claimed=claimed,
        topic=traffic.topic,
        fault=traffic.fault or None,
        last_event_at=traffic.last_event_at,
        undecided=traffic.undecided,
        statements=[_statement_view(statement) for statement in agency.statements],
    )


def _particulars(current: Effective) -> dict[str, object]:
    quota = current.quota
    return {
        "code": current.code,
        "state": current.state,
        "name": current.name,
        "name_en": current.name_en,
        "contact": current.contact,
        "bound": bool(current.bindings),
        "token_bindings": [
            TokenBinding(issuer=binding.issuer, client_ids=tuple(binding.client_ids))
            for binding in current.bindings
        ],
        "kafka_users": list(current.kafka_users),
        "headcount": current.headcount,
        "master": current.master,
        "moves_per_hour": current.moves_per_hour,
        "quota": None
        if quota is None
        else AgencyQuota(bytes_per_s=quota.bytes_per_s, request_percent=quota.request_percent),
    }


def _statement_view(statement: Statement) -> StatementView:
    return StatementView(
        at=statement.arrival.at,
        kind=statement.kind,
        operator=statement.operator or None,
        reason=statement.reason or None,
        decision=statement.command,
        since=statement.said.since,
        until=statement.said.until,
        distrust=statement.said.distrust,
        heir=statement.said.heir,
    )
