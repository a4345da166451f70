"""On the real broker: each user may do exactly what is written here, and a suspended one nothing more."""

import asyncio
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaConnectionError,
    for_code,
)

from devstack import Stack
from devstack.kompeten import SERVICES, Kompeten, configure, make_topics
from shared.contracts.rights import agency_user
from shared.kafka.access import NoAccess, Refused, connected
from shared.kafka.admin import AdminError, AgencyQuota, KafkaAdmin
from shared.kafka.connection import KafkaConnection
from shared.kafka.topics import create_topics
from tests.kafka_attempts import allowed, producer, reads, writes

# The code of one is how the code of the other begins.
DINAS: Final = "dinas"
DINAS_SDA: Final = "dinas-sda"
TOPICS: Final = (
    "agency.dinas.v1",
    "agency.dinas-sda.v1",
    "agency.added-later.v1",
    "enrollment.events.v1",
    "enrollment.commands.v1",
    "incentive.events.v1",
    "incentive.commands.v1",
    "notification.commands.v1",
    "somebody-elses",
)
AGENCIES: Final = frozenset(TOPICS[:3])
READS: Final = {
    "enrollment": AGENCIES | {"enrollment.commands.v1", "enrollment.events.v1"},
    "incentive": {"enrollment.events.v1", "incentive.commands.v1", "incentive.events.v1"},
    "notification": {"enrollment.events.v1", "incentive.events.v1", "notification.commands.v1"},
    DINAS: set[str](),
    DINAS_SDA: set[str](),
    "no rights": set[str](),
}
WRITES: Final = {
    "enrollment": AGENCIES | {"enrollment.commands.v1", "enrollment.events.v1"},
    "incentive": {"incentive.commands.v1", "incentive.events.v1"},
    "notification": {"notification.commands.v1"},
    DINAS: {"agency.dinas.v1"},
    DINAS_SDA: {"agency.dinas-sda.v1"},
    "no rights": set[str](),
}
USERS: Final = tuple(READS)


@dataclass
class Installation:
    kompeten: Kompeten
    admin: KafkaAdmin

    @property
    def prefix(self) -> str:
        return self.kompeten.topic_prefix

    def of(self, user: str) -> KafkaConnection:
        if user in SERVICES:
            return self.kompeten.kafka_of_service(user)
        if user in self.kompeten.agencies:
            return self.kompeten.kafka_of_agency(user)
        name = f"{self.prefix}stranger"
        return replace(self.kompeten.kafka_of_service("incentive"), user=name, password=name * 3)


@pytest.fixture(scope="module")
async def installation(stack: Stack) -> Installation:
    run = f"rights-{secrets.token_hex(4)}"
    made = configure(stack, [DINAS, DINAS_SDA], topic_prefix=f"{run}.", database_prefix=run)
    await asyncio.to_thread(make_topics, made)
    await create_topics(
        stack.kafka,
        [(made.topic_prefix + topic, 1, {}) for topic in ("agency.added-later.v1", "somebody-elses")],
    )
    found = Installation(made, KafkaAdmin(stack.kafka, made.topic_prefix))
    stranger = found.of("no rights")
    await asyncio.to_thread(found.admin.users.set_password, stranger.user, stranger.password)
    return found


@pytest.fixture(scope="module")
async def topics(installation: Installation) -> list[str]:
    """Each with a record."""
    names = [installation.prefix + topic for topic in TOPICS]
    assert await writes(installation.kompeten.stack.kafka, *names) == set(names)
    return names


@pytest.mark.parametrize("user", USERS)
async def test_a_user_writes_what_is_its_own(
    installation: Installation, topics: list[str], user: str
) -> None:
    may = await writes(installation.of(user), *topics)
    assert may == {installation.prefix + topic for topic in WRITES[user]}


@pytest.mark.parametrize("user", USERS)
async def test_a_user_reads_what_it_needs(installation: Installation, topics: list[str], user: str) -> None:
    may = await reads(installation.of(user), *topics)
    assert may == {installation.prefix + topic for topic in READS[user]}


@pytest.mark.parametrize("user", USERS)
async def test_nobody_deletes_changes_or_makes_a_topic(installation: Installation, user: str) -> None:
    names = [installation.prefix + topic for topic in TOPICS]
    refused = {"TopicAuthorizationFailedError"}
    admin = AIOKafkaAdminClient(**installation.of(user).options())
    await admin.start()
    try:
        deleted: Any = await admin.delete_topics(names)
        assert {for_code(code).__name__ for _, code in deleted.topic_error_codes} == refused
        changes = [
            ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "1000"}) for name in names
        ]
        (altered,) = await admin.alter_configs(changes)
        assert {for_code(code).__name__ for code, *_ in altered.resources} == refused
    finally:
        await admin.close()
    with pytest.raises(Exception, match="could not be created"):
        await create_topics(installation.of(user), [(f"{installation.prefix}agency.new.v1", 1, {})])


@pytest.mark.parametrize("user", USERS)
async def test_a_user_has_its_own_group_alone(installation: Installation, user: str) -> None:
    may = set()
    for group in SERVICES:
        consumer = AIOKafkaConsumer(
            **installation.of(user).options(), group_id=installation.prefix + group, enable_auto_commit=False
        )
        async with consumer:
            tp = TopicPartition(f"{installation.prefix}{group}.commands.v1", 0)
            consumer.assign([tp])
            if await allowed(lambda consumer=consumer, tp=tp: consumer.committed(tp)):
                may.add(group)
    assert may == ({user} if user in SERVICES else set())


@pytest.mark.parametrize("user", USERS)
async def test_only_the_administrator_administers(installation: Installation, user: str) -> None:
    with pytest.raises(AdminError, match="does not administer Kafka"):
        await asyncio.to_thread(KafkaAdmin(installation.of(user)).drift, [])


async def test_who_gives_no_credentials_is_not_let_in(installation: Installation) -> None:
    nobody = KafkaConnection(installation.kompeten.stack.kafka.bootstrap)
    with pytest.raises(Refused, match=r"Kafka asks at .* who somebody is"):
        async with connected(nobody, "test"):
            pass
    with pytest.raises(KafkaConnectionError):
        async with producer(nobody) as sender:
            await sender.send_and_wait(installation.prefix + TOPICS[0], b"{}")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"password": "0123456789abcdef"}, "does not know user .* by the password"),
        ({"user": "unknown"}, "does not know user 'unknown'"),
        ({"mechanism": "plain"}, "does not know user .* by the password"),
        ({"security": "sasl_ssl"}, "does not answer at .* spoken to by sasl_ssl"),
        ({"bootstrap": "127.0.0.1:1"}, "does not answer at 127.0.0.1:1"),
    ],
)
async def test_who_is_not_let_in_is_told_why(
    installation: Installation, wrong: dict[str, Any], sentence: str
) -> None:
    kafka = replace(installation.of("incentive"), **wrong)
    with pytest.raises(NoAccess, match=sentence) as caught:
        async with connected(kafka, "test"):
            pass
    assert kafka.password not in str(caught.value)


# What the administrator does


async def test_what_is_declared_is_there_and_nothing_else(installation: Installation) -> None:
    assert await asyncio.to_thread(installation.admin.drift) == []
    assert await asyncio.to_thread(installation.admin.drift, [DINAS]) == [
        f"not declared: {installation.prefix}agency.dinas-sda.1 may write topic {installation.prefix}{TOPICS[1]}"
    ]


async def test_a_right_by_hand_and_a_missing_one_are_told(installation: Installation) -> None:
    admin, acls = installation.admin, installation.admin.acls
    mine = {
        acl for acl in await asyncio.to_thread(acls.all) if acl.user == f"{installation.prefix}agency.dinas.1"
    }
    (right,) = mine
    by_hand = right._replace(operation="read", name=f"{installation.prefix}enrollment.events.v1")
    await asyncio.to_thread(acls.ensure, [by_hand])
    await asyncio.to_thread(acls.delete, [right])
    try:
        assert await asyncio.to_thread(admin.drift) == [
            f"missing: {right}",
            f"not declared: {by_hand}",
        ]
    finally:
        await asyncio.to_thread(acls.delete, [by_hand])
        await asyncio.to_thread(acls.ensure, [right])


async def test_setting_up_again_changes_nothing(installation: Installation) -> None:
    kompeten, admin = installation.kompeten, installation.admin
    passwords = {name: kompeten.kafka_of_service(name).password for name in SERVICES}
    assert await asyncio.to_thread(admin.ensure_services, passwords) == []
    user = kompeten.kafka_of_agency(DINAS)
    assert await asyncio.to_thread(admin.ensure_agency, DINAS, user.user, user.password) == []


async def test_an_agency_has_its_quotas_and_its_topic_its_bound(installation: Installation) -> None:
    quota = AgencyQuota(producer_byte_rate=500_000, request_percentage=20, retention_bytes=10**9)
    user = await added(installation, "with-quota", quota)
    (state,) = await asyncio.to_thread(installation.admin.describe_agencies, ["with-quota"])
    assert (state.topic, state.open, state.retention_bytes) == (True, True, 10**9)
    (found,) = state.users
    assert (found.name, found.may_write, found.denied) == (user.user, True, False)
    assert found.quota["producer_byte_rate"] == 500_000
    assert found.quota["request_percentage"] == 20
    raised = replace(quota, retention_bytes=2 * 10**9, producer_byte_rate=600_000)
    done = await asyncio.to_thread(
        installation.admin.ensure_agency, "with-quota", user.user, user.password, raised
    )
    assert done == [f"retention.bytes of {installation.prefix}agency.with-quota.v1", f"quota of {user.user}"]


async def test_an_agency_is_not_faster_than_its_quota(installation: Installation) -> None:
    slow = await added(installation, "slow", AgencyQuota(producer_byte_rate=100_000))
    topic = f"{installation.prefix}agency.slow.v1"
    began = time.monotonic()
    async with producer(slow, max_request_size=200_000) as sender:
        for _ in range(12):
            await sender.send_and_wait(topic, bytes(100_000), partition=0)
    # 1.2 MB, of which some ten seconds' worth may come at once; the rest is held back.
    assert time.monotonic() - began > 1


async def added(installation: Installation, opd: str, quota: AgencyQuota | None = None) -> KafkaConnection:
    user = agency_user(opd, prefix=installation.prefix)
    kafka = replace(installation.of(DINAS), user=user, password=secrets.token_hex(16))
    await asyncio.to_thread(installation.admin.ensure_agency, opd, user, kafka.password, quota)
    return kafka


async def test_a_suspended_agency_is_refused_on_its_open_connection(installation: Installation) -> None:
    kafka = await added(installation, "suspended")
    topic = f"{installation.prefix}agency.suspended.v1"
    async with producer(kafka) as sender, producer(installation.of(DINAS)) as other:
        await sender.send_and_wait(topic, b"{}", partition=0)
        assert await asyncio.to_thread(installation.admin.deny, kafka.user)
        assert not await allowed(lambda: sender.send_and_wait(topic, b"{}", partition=0))
        assert await allowed(
            lambda: other.send_and_wait(f"{installation.prefix}agency.dinas.v1", b"{}", partition=0)
        )
        (state,) = await asyncio.to_thread(installation.admin.describe_agencies, ["suspended"])
        assert not state.open
        # A new right opens nothing while it is denied.
        await asyncio.to_thread(installation.admin.ensure_agency, "suspended", kafka.user, kafka.password)
        assert not await writes(kafka, topic)
        assert await asyncio.to_thread(installation.admin.allow, kafka.user)
    assert await writes(kafka, topic)


async def test_a_new_password_is_a_new_user_and_the_old_one_ends(installation: Installation) -> None:
    old = await added(installation, "rotated")
    topic = f"{installation.prefix}agency.rotated.v1"
    name = await asyncio.to_thread(installation.admin.next_agency_user, "rotated")
    assert name == agency_user("rotated", 2, installation.prefix)
    new = replace(old, user=name, password=secrets.token_hex(16))
    await asyncio.to_thread(installation.admin.ensure_agency, "rotated", new.user, new.password)
    assert await writes(old, topic), "both, until the agency's system has the new one"
    assert await writes(new, topic)
    async with producer(old) as sender:
        await sender.send_and_wait(topic, b"{}", partition=0)
        await asyncio.to_thread(installation.admin.delete_user, old.user)
        assert not await allowed(lambda: sender.send_and_wait(topic, b"{}", partition=0))
    with pytest.raises(Refused):
        async with connected(old, "test"):
            pass
    assert await writes(new, topic)
    assert await asyncio.to_thread(installation.admin.agency_users, "rotated") == [new.user]


async def test_a_deleted_user_is_out_on_return_also_of_a_broker_behind_its_controller(
    installation: Installation,
) -> None:
    """New topics, whose logs the broker makes before it looks at what was changed next, keep it behind."""
    several = [await added(installation, f"gone-{number}") for number in range(3)]
    topics = [(f"{installation.prefix}busy-{number}", 40, {}) for number in range(9)]
    for number, user in enumerate(several):
        busy = create_topics(installation.kompeten.stack.kafka, topics[number * 3 : number * 3 + 3])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(busy)
            await asyncio.to_thread(installation.admin.delete_user, user.user)
            with pytest.raises(Refused):
                async with connected(user, "test"):
                    pass


async def test_a_short_password_is_refused(installation: Installation) -> None:
    with pytest.raises(AdminError, match="fewer than 16 characters") as caught:
        await asyncio.to_thread(installation.admin.users.set_password, "somebody", "hunter2")
    assert "hunter2" not in str(caught.value)
