"""What follows from the contracts: who may read and write which topic, and what the users are called."""

from fnmatch import fnmatch

import pytest

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.rights import (
    agency_rights,
    agency_user,
    all_service_rights,
    number_of,
    rights_of_service,
)
from shared.contracts.services import SERVICES
from shared.contracts.topics import topic_specs
from shared.kafka.connection import KafkaConnection
from shared.service import own_topics

PREFIXES = ("", "e2e-1.")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_topic_has_a_writer_and_a_reader(prefix: str) -> None:
    rights = [*all_service_rights(prefix), *agency_rights("user", "dinas", prefix)]
    for spec in topic_specs(["dinas"], prefix):
        found = {
            right.operation
            for right in rights
            if right.resource == "topic"
            and fnmatch(spec.name, right.name + "*" if right.prefixed else right.name)
        }
        assert found == {"read", "write"}, spec.name


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_pattern_ends_with_the_dot_that_closes_a_name(prefix: str) -> None:
    assert all(right.name.endswith(".") for right in all_service_rights(prefix) if right.prefixed)


def test_a_service_writes_no_topic_of_another() -> None:
    for service in SERVICES:
        for right in rights_of_service(service.name):
            if right.operation == "write" and not right.prefixed:
                assert right.name.startswith(service.name + ".")


def test_an_agency_has_one_right() -> None:
    (right,) = agency_rights("agency.dinas.1", "dinas", "p.")
    assert str(right) == "agency.dinas.1 may write topic p.agency.dinas.v1"
    assert not right.prefixed


def test_readiness_asks_for_every_topic_that_events_of_the_service_go_to() -> None:
    for service in SERVICES:
        own = own_topics(service.name, "")
        written = {topic for topic in EVENT_TYPES.values() if topic.startswith(service.name + ".")}
        assert written <= set(own)
        assert all("write" in own[topic].operations for topic in written)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_number_of_a_user_is_read_from_its_name_alone(prefix: str) -> None:
    assert number_of(agency_user("dinas", 12, prefix), "dinas", prefix) == 12
    assert number_of(agency_user("dinas-sda", 1, prefix), "dinas", prefix) is None
    for foreign in ("agency.dinas.", "agency.dinas.x", "agency.dinas.²", "dinas.1", "enrollment"):
        assert number_of(prefix + foreign, "dinas", prefix) is None


def test_a_password_is_shown_nowhere() -> None:
    kafka = KafkaConnection("kafka:9092", "somebody", "hunter2-hunter2", "sasl_plaintext")
    assert "hunter2" not in f"{kafka} {kafka!r}"
    assert kafka.options()["sasl_plain_password"] == kafka.librdkafka()["sasl.password"] == "hunter2-hunter2"
    assert kafka.addresses() == [("kafka", 9092)]
