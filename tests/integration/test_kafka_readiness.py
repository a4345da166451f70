"""What readiness says when Kafka or MongoDB does not let a service in, or what it needs is not there."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from devstack import Stack
from devstack.kompeten import SERVICES
from devstack.processes import Processes
from shared.contracts.topics import ENROLLMENT_EVENTS, INCENTIVE_EVENTS, NOTIFICATION_COMMANDS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.admin.acls import Acl
from tests.chaos.system import System, until

pytestmark = pytest.mark.full

WITHIN_S = 60.0


@pytest.fixture(scope="module")
async def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    with Processes(tmp_path_factory.mktemp("readiness") / "run") as started:
        made = System(stack, started)
        try:
            await made.make_topics()
            await made.started()
            yield made
        finally:
            await asyncio.to_thread(made.close)


async def says(system: System, service: str, *words: str) -> None:
    """Its check of topics, or of the consumer, has all of these words in one sentence."""
    await until(
        lambda: any(all(word in fault for word in words) for fault in system.faults_of(service) or ()),
        lambda: f"{service} should say {words}: {system.faults_of(service)}",
        WITHIN_S,
    )


@asynccontextmanager
async def without(system: System, acl: Acl) -> AsyncIterator[None]:
    acls = KafkaAdmin(system.stack.kafka).acls
    await asyncio.to_thread(acls.delete, [acl])
    try:
        yield
    finally:
        await asyncio.to_thread(acls.ensure, [acl])


@pytest.mark.parametrize(
    ("service", "operation", "topic"),
    [
        ("enrollment", "write", ENROLLMENT_EVENTS),
        ("incentive", "read", ENROLLMENT_EVENTS),
        ("notification", "write", NOTIFICATION_COMMANDS),
    ],
)
async def test_a_missing_right_is_told_and_well_again_once_it_is_there(
    system: System, service: str, operation: str, topic: str
) -> None:
    name = system.kompeten.topic_prefix + topic
    user = system.kompeten.kafka_of_service(service).user
    async with without(system, Acl(user, operation, "topic", name)):
        await says(system, service, user, "may not", operation, name)
    await system.ready(service, within_s=WITHIN_S)


async def test_a_group_that_is_not_ones_own_is_told(system: System) -> None:
    user = system.kompeten.kafka_of_service("incentive").user
    async with without(system, Acl(user, "read", "group", user)):
        await system.stopped("incentive")
        system.launch("incentive")
        await says(system, "incentive", "does not let user", "use group", user)
    await system.ready("incentive", within_s=WITHIN_S)


async def test_a_password_that_was_changed_is_told_before_anybody_restarts(system: System) -> None:
    kafka, users = system.kompeten.kafka_of_service("notification"), KafkaAdmin(system.stack.kafka).users
    await asyncio.to_thread(users.set_password, kafka.user, "another-password-0123456789")
    await says(system, "notification", "does not know user", kafka.user, "KOMPETEN_KAFKA_PASSWORD")
    await system.stopped("notification")
    system.launch("notification")
    await says(system, "notification", "consumer: ", "does not know user")
    assert kafka.password not in system.child("notification").log.read_text()
    await asyncio.to_thread(users.set_password, kafka.user, kafka.password)
    await system.ready("notification", within_s=WITHIN_S)


async def test_a_password_that_mongodb_does_not_take_is_told_and_taken_once_it_is_set(system: System) -> None:
    user, password = f"late-{secrets.token_hex(4)}", secrets.token_hex(16)
    address = system.stack.mongo.replace("://", f"://{user}:{password}@", 1)
    separator = "&" if "?" in address else "?"
    await system.stopped("incentive")
    system.launch("incentive", KOMPETEN_MONGO=f"{address}{separator}authSource=admin")
    await says(
        system, "incentive", "MongoDB: it does not let in the user in KOMPETEN_MONGO", "restart this service"
    )
    child = system.child("incentive")
    assert password not in child.log.read_text()
    assert "Traceback" not in child.log.read_text()
    admin = system.client.get_database("admin")
    await asyncio.to_thread(admin.command, "createUser", user, pwd=password, roles=["root"])
    try:
        await system.ready("incentive", within_s=WITHIN_S)
    finally:
        await system.stopped("incentive")
        await asyncio.to_thread(admin.command, "dropUser", user)
    system.launch("incentive")
    await system.ready("incentive", within_s=WITHIN_S)


@pytest.mark.parametrize(
    ("topic", "needed_by"),
    [
        (INCENTIVE_EVENTS, {"incentive", "notification"}),  # incentive only writes it
        (ENROLLMENT_EVENTS, set(SERVICES)),  # enrollment only writes it
    ],
)
async def test_a_topic_that_vanished_fails_whoever_reads_or_writes_it(
    system: System, topic: str, needed_by: set[str]
) -> None:
    name = system.kompeten.topic_prefix + topic
    admin = AIOKafkaAdminClient(**system.stack.kafka.options())
    await admin.start()
    try:
        await admin.delete_topics([name])
    finally:
        await admin.close()
    for service in needed_by:
        await says(system, service, f"topic {name} does not exist", "kafka_setup")
    for service in set(SERVICES) - needed_by:
        assert not any(name in fault for fault in system.faults_of(service) or ())
