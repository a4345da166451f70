"""What an agency has in Kafka, as it is asked for and as it is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.contracts.topics import CONFIG

MEBI: Final = 1024 * 1024


@dataclass(frozen=True)
class AgencyQuota:
    """Bounds what one agency can cost the others, whatever its system does."""

    producer_byte_rate: int = MEBI
    """Bytes a second that each of its users may send: about 1,000 events. Who is faster is slowed down, not refused."""
    request_percentage: int = 25
    """Of one thread of the broker, for all requests of a user: small requests in a tight loop cost no bytes."""
    consumer_byte_rate: int = MEBI
    """Agencies read nothing; this holds for whoever is given that right by hand."""
    retention_bytes: int = 4 * 1024 * MEBI
    """Of its topic: so much is kept at most, the oldest goes first."""

    def of_user(self) -> dict[str, float | None]:
        """In Kafka's words."""
        return {
            "producer_byte_rate": float(self.producer_byte_rate),
            "consumer_byte_rate": float(self.consumer_byte_rate),
            "request_percentage": float(self.request_percentage),
        }

    def of_topic(self) -> dict[str, str]:
        return {**CONFIG, "retention.bytes": str(self.retention_bytes)}


@dataclass(frozen=True)
class UserState:
    name: str
    may_write: bool
    denied: bool
    quota: Mapping[str, float]


@dataclass(frozen=True)
class AgencyState:
    opd: str
    topic: bool
    """Whether it is there."""
    retention_bytes: int | None
    """None without a topic; -1 is without limit."""
    users: tuple[UserState, ...]
    """Oldest first."""

    @property
    def open(self) -> bool:
        """Whether somebody can publish for it over Kafka."""
        return self.topic and any(user.may_write and not user.denied for user in self.users)
