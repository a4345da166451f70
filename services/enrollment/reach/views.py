"""What the routes of distrust, its end and succession take and answer."""

from datetime import datetime

from pydantic import BaseModel, Field

from shared.contracts.payload import NO_CONTROLS, Reason, Timestamp
from shared.contracts.register import KnownAgencyCode


class DistrustBody(BaseModel):
    since: Timestamp = Field(description="What arrived from then on counts for nothing, by the log's time.")
    until: Timestamp | None = Field(
        None, description="And before then; absent: what is still to come does not count either."
    )
    reason: Reason


class TrustBody(BaseModel):
    distrust: str = Field(
        min_length=1,
        max_length=200,
        pattern=NO_CONTROLS,
        description="The decision that is taken back, by its id: the agency's statements name it.",
    )
    reason: Reason


class SuccessionBody(BaseModel):
    heir: KnownAgencyCode = Field(description="The agency that takes its place.")
    reason: Reason


class ReachView(BaseModel):
    """What an order reaches, as of now."""

    verdict: str
    """On the order: accepted, duplicate or refused."""
    reason: str | None
    """Why it is not accepted; of an accepted one what holds all the same, such as another distrust."""
    since: datetime | None = None
    """Begin of the time that is meant; none of a succession."""
    until: datetime | None = None
    """Its end; none: what is still to come is meant too."""
    completions: int = 0
    """That the agency reported in the time."""
    completions_alone: int = 0
    """Those of them that nobody else reported, nor the agency itself at another time."""
    certificates_lost: int = 0
    """How many of them lose their certificate."""
    hours_kept: int = 0
    """Of those that lose it, how many go on giving hours, since somebody else reported them too."""
    certificates_issued: int = 0
    """How many of them get a certificate, or theirs again."""
    people: int = 0
    """Whom it registered, released or placed in the time; of a succession, whose home it is. Merged ones once."""
    people_moved: int = 0
    """Of them, who get another home, or none."""
    more: bool = False
    """There are more than were looked at: the latest 100,000 completions, and 10,000 of those that it reported, and of
    people."""
    bodies: list[str] = []
    """Codes of those that it issues for now."""
    warnings: list[str] = []
    """What is not refused, and hardly meant."""
    follows: str | None = None
    """What happens next, in a sentence."""
