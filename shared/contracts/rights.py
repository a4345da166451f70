"""Who may do what in Kafka: all that is granted follows from here, and nothing else is.

A right to read or write a topic includes seeing that it exists (Describe), which also gives its ends. Nobody here
may create, change or delete a topic, or use a transactional id. Users are named as the groups of the services
are; an agency's carry a number, so that a new password is a new user and the old one can be shut out at once.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from shared.contracts.services import SERVICES, ServiceTopics
from shared.contracts.topics import AGENCY, agency_topic

AGENCY_TOPICS: Final = "agency."
"""What the names of all agencies' topics begin with. Its dot closes it: nothing else begins so."""
AGENCY_USER: Final = "agency.{opd}.{number}"


class Right(NamedTuple):
    user: str
    operation: Literal["read", "write"]
    resource: Literal["topic", "group"]
    name: str
    prefixed: bool = False
    """Every name that begins with `name`, which then ends with a dot."""

    def __str__(self) -> str:
        return f"{self.user} may {self.operation} {self.resource} {self.name}{'*' if self.prefixed else ''}"


def service_user(service: str, prefix: str = "") -> str:
    return prefix + service


def agency_user(opd: str, number: int = 1, prefix: str = "") -> str:
    """`number` counts up with each rotation. An agency's code has no dot, so no two agencies share a name."""
    return prefix + AGENCY_USER.format(opd=opd, number=number)


def number_of(user: str, opd: str, prefix: str = "") -> int | None:
    """The number in the name of this agency's user; None when the user is none of its."""
    found = _agency_user(user, prefix)
    return int(found[2]) if found and found[1] == opd else None


def opd_of(user: str, prefix: str = "") -> str | None:
    """The agency whose user it is; None when it is no agency's."""
    found = _agency_user(user, prefix)
    return found[1] if found else None


def _agency_user(user: str, prefix: str) -> re.Match[str] | None:
    return re.fullmatch(re.escape(prefix) + r"agency\.([a-z0-9-]+)\.([1-9][0-9]*)", user)


def service_rights(service: ServiceTopics, prefix: str = "") -> list[Right]:
    """Its sources and its group to read, its commands to read and write, its events to write and, after a
    restore, to read (docs/adr/0013-epochs.md)."""
    user = service_user(service.name, prefix)
    rights = [Right(user, "read", "group", prefix + service.name)]
    for source in service.sources:
        if source == AGENCY:
            # A new agency is added while services run, by a command that has no rights on enrollment's user.
            rights += _both(user, prefix + AGENCY_TOPICS, prefixed=True)
        else:
            rights.append(Right(user, "read", "topic", prefix + source))
    for own in filter(None, (service.commands, service.events)):
        rights += _both(user, prefix + own)
    return rights


def agency_rights(user: str, opd: str, prefix: str = "") -> list[Right]:
    """To write its own topic. An idempotent producer needs no more (KIP-679: Write on any topic)."""
    return [Right(user, "write", "topic", agency_topic(opd, prefix))]


def all_service_rights(prefix: str = "") -> list[Right]:
    return [right for service in SERVICES for right in service_rights(service, prefix)]


def rights_of_service(name: str, prefix: str = "") -> Sequence[Right]:
    return next(service_rights(service, prefix) for service in SERVICES if service.name == name)


def _both(user: str, topic: str, *, prefixed: bool = False) -> list[Right]:
    # Enrollment writes what agencies send to POST /events to their topics.
    return [
        Right(user, "read", "topic", topic, prefixed),
        Right(user, "write", "topic", topic, prefixed),
    ]
