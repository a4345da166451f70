"""Every topic and what administers them, with each Kafka user that there is: the broker lets nobody further than the
reference says."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from shared.kafka.connection import KafkaConnection
from tests.attack.attacker import ATTACKER_OPD, OTHER_OPD, SOON_S, Attacker, KafkaUser, cloud_event
from tests.attack.reference import OF_AGENCIES, SERVICES, addresses, event_types, writers_of
from tests.attack.victim import VICTIM_OPD, Victim
from tests.end_to_end.product import Product

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

AGENCIES: Final = (VICTIM_OPD, ATTACKER_OPD, OTHER_OPD)
USERS: Final = (ATTACKER_OPD, OTHER_OPD, *SERVICES)
"""Agencies but the victim, and services: whoever gets at a service's password is no administrator."""
REFUSED: Final = {"TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}


def kafka_of(product: Product, user: str) -> KafkaConnection:
    kompeten = product.kompeten
    return kompeten.kafka_of_service(user) if user in SERVICES else kompeten.kafka_of_agency(user)


def topics(product: Product) -> dict[str, str]:
    """Every topic's name in the broker, and the address that it has in the reference."""
    prefix = product.kompeten.topic_prefix
    return {
        prefix + address.format(opd=opd): address
        for address in addresses()
        for opd in (AGENCIES if address == OF_AGENCIES else ("",))
    }


def may_write(product: Product, user: str) -> set[str]:
    """Enrollment writes for agencies what they send by HTTP."""
    if user not in SERVICES:
        return {f"{product.kompeten.topic_prefix}agency.{user}.v1"}
    every = topics(product).items()
    return {
        name for name, address in every
        if user in writers_of(address) or (user == "enrollment" and address == OF_AGENCIES)
    }  # fmt: skip


@pytest.mark.parametrize("user", USERS)
def test_each_user_writes_its_own_topics_alone(product: Product, user: str) -> None:
    """Nothing comes of what is let through: it is of a type that nobody knows."""
    event = cloud_event("id.go.bandung.nothing.happened.v1", {})
    sender = KafkaUser(kafka_of(product, user))
    answers = {topic: sender.write(topic, event) for topic in topics(product)}
    assert {topic for topic, error in answers.items() if error is None} == may_write(product, user)
    assert {error for error in answers.values() if error} <= REFUSED


@pytest.mark.parametrize("user", USERS)
def test_a_forged_fact_gets_into_no_topic_of_another(product: Product, victim: Victim, user: str) -> None:
    """Every fact and command about the victim, where it would count."""
    sender, prefix = KafkaUser(kafka_of(product, user)), product.kompeten.topic_prefix
    own = may_write(product, user)
    for one in event_types():
        data = {**one.example, "employee_id": victim.valid.employee_id, "version": 2**53 - 1}
        for topic in {prefix + address.format(opd=VICTIM_OPD) for address in one.addresses} - own:
            assert sender.write(topic, cloud_event(one.type, data)) in REFUSED, (one.type, topic)


@pytest.mark.parametrize("user", [ATTACKER_OPD, OTHER_OPD])
def test_an_agency_reads_nothing_not_even_its_own(product: Product, user: str) -> None:
    settings = {
        **kafka_of(product, user).librdkafka(),
        "log_level": 0,
        "group.id": f"{product.kompeten.topic_prefix}reader",
        "enable.auto.commit": False,
    }
    for topic in topics(product):
        consumer = Consumer(settings)
        try:
            consumer.assign([TopicPartition(topic, 0, 0)])
            message = consumer.poll(SOON_S)
            assert message is not None, topic
            assert message.error() is not None, topic
            assert message.error().name() in REFUSED
        finally:
            consumer.close()


@pytest.mark.parametrize("user", USERS)
def test_nobody_but_the_administrator_administers(product: Product, victim: Victim, user: str) -> None:
    kafka = kafka_of(product, user)
    for name, attempt in administration(product, kafka):
        # To empty a topic the client asks first who leads it, and is told of none that it may not see.
        refused = REFUSED | {"_NOENT"} if name.startswith("empty") else REFUSED
        assert outcome(attempt) in refused, f"{user}: {name}"


@pytest.mark.parametrize("user", [ATTACKER_OPD, OTHER_OPD])
def test_an_agency_sees_its_own_topic_and_nothing_else(product: Product, user: str) -> None:
    admin = administrator(kafka_of(product, user))
    assert set(admin.list_topics(timeout=SOON_S).topics) == may_write(product, user)
    assert admin.list_consumer_groups(request_timeout=SOON_S).result().valid == []
    assert admin.describe_acls(anything(), request_timeout=SOON_S).result() == []


@pytest.mark.parametrize("user", [ATTACKER_OPD, OTHER_OPD])
def test_an_agency_gets_into_no_group_and_opens_no_transaction(product: Product, user: str) -> None:
    """A member of a service's group would be given its partitions; a transaction left open would hold up its readers."""
    kafka, prefix = kafka_of(product, user).librdkafka(), product.kompeten.topic_prefix
    for group in SERVICES:
        consumer = Consumer({**kafka, "log_level": 0, "group.id": prefix + group})
        try:
            consumer.subscribe([f"{prefix}agency.{user}.v1"])
            message = consumer.poll(SOON_S)
            assert message is not None, group
            assert message.error() is not None, group
            assert message.error().name() in REFUSED
        finally:
            consumer.close()
    with pytest.raises(KafkaException) as refused:
        Producer({**kafka, "log_level": 0, "transactional.id": f"{prefix}open"}).init_transactions(SOON_S)
    assert refused.value.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"


def administrator(kafka: KafkaConnection) -> AdminClient:
    """In name: whoever asks as this user."""
    settings = KafkaUser(kafka).settings
    return AdminClient({name: value for name, value in settings.items() if name != "message.timeout.ms"})


def administration(
    product: Product, kafka: KafkaConnection
) -> Iterator[tuple[str, Callable[[], Mapping[Any, Future[Any]]]]]:
    prefix = product.kompeten.topic_prefix
    admin = administrator(kafka)
    for topic in topics(product):
        yield f"delete {topic}", lambda topic=topic: admin.delete_topics([topic])
        yield f"grow {topic}", lambda topic=topic: admin.create_partitions([NewPartitions(topic, 12)])
        yield f"empty {topic}", lambda topic=topic: admin.delete_records([TopicPartition(topic, 0, 1)])
        yield f"shorten {topic}", lambda topic=topic: admin.incremental_alter_configs([shortened(topic)])
    yield "create", lambda: admin.create_topics([NewTopic(f"{prefix}agency.baru.v1", 1, 1)])
    yield "rights", lambda: admin.create_acls([everything(kafka.user)])
    yield "lift denials", lambda: admin.delete_acls([anything()])
    for victim_user in (kafka.user, f"{prefix}agency.{VICTIM_OPD}.1", "admin"):
        yield (
            f"password of {victim_user}",
            lambda u=victim_user: admin.alter_user_scram_credentials([password(u)]),
        )
    for group in SERVICES:
        back = ConsumerGroupTopicPartitions(
            prefix + group, [TopicPartition(f"{prefix}{group}.commands.v1", 0, 0)]
        )
        if not kafka.user.endswith(group):
            yield f"set back {group}", lambda back=back: admin.alter_consumer_group_offsets([back])
        yield f"end {group}", lambda group=group: admin.delete_consumer_groups([prefix + group])


def shortened(topic: str) -> ConfigResource:
    entry = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
    return ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])


def everything(user: str) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC, "*", ResourcePatternType.LITERAL, f"User:{user}", "*", AclOperation.ALL,
        AclPermissionType.ALLOW,
    )  # fmt: skip


def anything() -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )


def password(user: str) -> UserScramCredentialUpsertion:
    known = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    return UserScramCredentialUpsertion(user, known, b"known to the attacker")


def outcome(attempt: Callable[[], Mapping[Any, Future[Any]]]) -> str:
    try:
        for future in attempt().values():
            future.result(SOON_S)
    except KafkaException as error:
        return str(error.args[0].name())
    return "done"


def test_who_shows_no_right_credentials_does_nothing(product: Product) -> None:
    own = kafka_of(product, ATTACKER_OPD)
    topic = f"{product.kompeten.topic_prefix}agency.{ATTACKER_OPD}.v1"
    with ThreadPoolExecutor(len(STRANGERS)) as together:
        answers = together.map(
            lambda changes: impatient(replace(own, **changes)).write(topic, b"{}"), STRANGERS
        )
        for changes, answer in zip(STRANGERS, answers, strict=True):
            assert answer in {"_MSG_TIMED_OUT", "_AUTHENTICATION"}, changes


STRANGERS: Final[tuple[dict[str, Any], ...]] = (
    {"password": "0123456789abcdef"},
    {"user": "admin"},
    {"user": "ANONYMOUS"},
    {"mechanism": "plain"},
    {"security": "plaintext"},
)


def impatient(kafka: KafkaConnection) -> KafkaUser:
    """A client tries on and on where it is not let in."""
    user = KafkaUser(kafka)
    user.settings["message.timeout.ms"] = 5_000
    return user


def test_its_own_topic_is_all_that_an_agency_may_write(attacker: Attacker) -> None:
    """The other side: the refusals above are for what it may, not for how it connects."""
    event = cloud_event("id.go.bandung.employee.registered.v1", {})
    assert attacker.kafka.write(attacker.topic, event) is None
