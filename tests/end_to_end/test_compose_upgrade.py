"""A volume that was made before Kafka asked who somebody is: two commands more than any upgrade, and nothing is lost.

Takes minutes and a Docker engine: KOMPETEN_TEST_COMPOSE=1 pytest tests/end_to_end/test_compose_upgrade.py
"""

import asyncio
import json
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaProducer

from shared.kafka.connection import KafkaConnection
from tests.end_to_end.compose_project import WITH_KAFKA_PORT, Project
from tests.end_to_end.test_compose import (
    ASKED,
    REASON,
    SERVICES,
    TRAININGS,
    events,
    send_by_http,
    send_by_kafka,
    settle,
)

pytestmark = [
    pytest.mark.skipif(not ASKED or REASON is not None, reason=str(REASON)),
    pytest.mark.xdist_group("compose"),
]
EARLIER = "75feaf8"
"""The last version whose Kafka asked nobody."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("upgrade"))
    if why := project.ship_version(EARLIER):
        pytest.fail(why, pytrace=False)
    for name in WITH_KAFKA_PORT:
        del project.env[name]
    try:
        yield project
    finally:
        project.remove()


def send_without_credentials(project: Project, person: int) -> None:
    async def send() -> None:
        nobody = KafkaConnection(f"127.0.0.1:{project.port['KAFKA']}")
        async with AIOKafkaProducer(**nobody.options(), acks="all", enable_idempotence=True) as producer:
            for event in events(person):
                headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
                await producer.send_and_wait("agency.bkpsdm.v1", json.dumps(event).encode(), headers=headers)

    asyncio.run(send())


def test_a_volume_of_before_is_upgraded_and_goes_on(project: Project) -> None:
    project.run("deploy/make-secrets.sh")
    project.up()
    send_by_http(project, 1, body="BKPSDM")  # as it could: whoever did goes on with it
    send_without_credentials(project, 2)
    settle(project, [1, 2])
    mails = len(project.mails())
    before = project.counted()

    project.ship()
    project.run("deploy/make-secrets.sh", "bkpsdm")
    project.run("deploy/make-certificate.sh", "127.0.0.1")
    project.env |= WITH_KAFKA_PORT
    project.compose("build", timeout_s=600)
    project.up("--remove-orphans")
    for service in ("kafka", *SERVICES):
        assert [project.healthy(container) for container in project.containers(service)] == [True], service
    assert project.counted() == before
    assert len(project.mails()) == mails == 2 * TRAININGS

    send_by_http(project, 3, body="BKPSDM")
    send_by_kafka(project, [4])
    settle(project, [1, 2, 3, 4])
    with pytest.raises(Exception, match=r"[Cc]onnect|[Cc]lose|bootstrap"):
        send_without_credentials(project, 5)
    assert "as declared" in project.compose("run", "--rm", "setup")
