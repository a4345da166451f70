"""A new password for an agency's system is a new user: both work until the system has changed over."""

from collections.abc import Sequence

from cli.agency_drift import in_kafka, users_of
from cli.agency_password import Handed
from cli.agency_view import told
from cli.answers import Agency, Ordered
from cli.client import Service
from cli.command import Desk
from cli.errors import Refused
from cli.orders import new_key
from shared.kafka.admin import KafkaAdmin


def begin(
    desk: Desk, service: Service, admin: KafkaAdmin, stands: Agency, reason: str, *, handed: Handed
) -> int:
    if len(stands.kafka_users) > 1:
        raise Refused(
            f"a rotation of {stands.code} is under way: once its system uses {stands.kafka_users[-1]}, say --finish"
        )
    if not stands.active:
        raise Refused(f"{stands.code} is suspended: resume it first, or its new user would be let in")
    old = users_of(stands, admin)
    user = _interrupted(stands, admin) or admin.next_agency_user(stands.code)
    quota = None if stands.quota is None else stands.quota.model_dump()
    done = admin.ensure_agency(stands.code, user, handed.password, in_kafka(quota))
    ordered = _registered(service, stands.code, [*old, user], reason)
    return told(desk, service, ordered, done, user=user, handed=handed)


def finish_it(desk: Desk, service: Service, admin: KafkaAdmin, stands: Agency, reason: str) -> int:
    """The newest user stays. The register first: whoever is interrupted finds the rest by the same command."""
    if not stands.kafka_users:
        raise Refused(f"{stands.code} has no rotation under way: without --finish one begins")
    kept = stands.kafka_users[-1]
    ordered = _registered(service, stands.code, [kept], reason)
    old = [user for user in admin.agency_users(stands.code) if user != kept]
    done = [line for user in old for line in admin.deny(user)]
    return told(desk, service, ordered, done)


def _interrupted(stands: Agency, admin: KafkaAdmin) -> str | None:
    """The user of a rotation that was interrupted: newer than those of the register, and nobody has its password."""
    there = admin.agency_users(stands.code)
    if not stands.kafka_users or stands.kafka_users[-1] not in there:
        return None
    newer = there[there.index(stands.kafka_users[-1]) + 1 :]
    return newer[-1] if newer else None


def _registered(service: Service, code: str, users: Sequence[str], reason: str) -> Ordered:
    change = {"kafka_users": list(users), "reason": reason}
    return service.change_agency(code, change, key=new_key("rotate", code, reason, change))
