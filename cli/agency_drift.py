"""An agency in the register and in Kafka, side by side."""

from collections.abc import Mapping

from cli.answers import Agency
from shared.kafka.admin import AgencyQuota, AgencyState, KafkaAdmin


def quota_of(
    bytes_per_s: int | None, request_percent: int | None, stands: Agency | None
) -> dict[str, int] | None:
    """What is to stand in the register; None when neither is named. What is not named stays, or is the usual."""
    if bytes_per_s is None and request_percent is None:
        return None
    known = None if stands is None else stands.quota
    usual = AgencyQuota()
    bytes_before = usual.producer_byte_rate if known is None else known.bytes_per_s
    percent_before = usual.request_percentage if known is None else known.request_percent
    return {
        "bytes_per_s": bytes_before if bytes_per_s is None else bytes_per_s,
        "request_percent": percent_before if request_percent is None else request_percent,
    }


def in_kafka(quota: Mapping[str, int] | None) -> AgencyQuota | None:
    """A quota of the register in Kafka's words."""
    if quota is None:
        return None
    return AgencyQuota(producer_byte_rate=quota["bytes_per_s"], request_percentage=quota["request_percent"])


def users_of(agency: Agency, admin: KafkaAdmin) -> list[str]:
    """Those of the register; of an agency that was connected before there was one, those that Kafka has."""
    return agency.kafka_users or admin.agency_users(agency.code)


def differences(agency: Agency, found: AgencyState) -> list[str]:
    """What Kafka has otherwise than the register says; one sentence each, with what mends it."""
    users = {user.name: user for user in found.users}
    told = [] if found.topic else [f"its topic is missing: `kompeten agency add {agency.code}` makes it"]
    for name in agency.kafka_users:
        user = users.get(name)
        if user is None or not user.may_write:
            told.append(
                f"user {name} is missing or may not write: `kompeten agency rotate {agency.code}` makes one"
            )
        elif user.denied and agency.active:
            told.append(f"user {name} is denied: `kompeten agency resume {agency.code}` lets it in")
        elif not user.denied and not agency.active:
            told.append(f"user {name} is not denied: `kompeten agency suspend {agency.code}` shuts it out")
    if not agency.kafka_users and not agency.active:  # users that the set-up step made
        told += [
            f"user {user.name} is not denied: `kompeten agency suspend {agency.code}` shuts it out"
            for user in found.users
            if user.may_write and not user.denied
        ]
    told += [
        f"user {user.name} can write and is not in the register: `kompeten agency rotate {agency.code}` replaces it"
        for user in found.users
        if agency.kafka_users and user.name not in agency.kafka_users and user.may_write and not user.denied
    ]
    return told + _quota_differences(agency, found)


def _quota_differences(agency: Agency, found: AgencyState) -> list[str]:
    wanted = in_kafka(None if agency.quota is None else agency.quota.model_dump())
    if wanted is None:
        return []
    return [
        f"the quota of {user.name} is another one: `kompeten agency change {agency.code}` sets it"
        for user in found.users
        if user.name in agency.kafka_users and dict(user.quota) != wanted.of_user()
    ]
