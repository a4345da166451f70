"""What the services need goes away, or is not there yet; and they are told to stop."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from devstack import Stack, broker, native
from devstack.errors import StackMissing
from devstack.kompeten import SERVICES
from devstack.ports import HOST, free_ports
from devstack.processes import ROOT, Processes
from services.notification.letters.documents import MAILS
from tests.chaos.system import System, until

pytestmark = pytest.mark.chaos

CACHE = Path(os.environ.get("KOMPETEN_CACHE") or ROOT / ".run/cache").resolve()


class Brokers:
    """A Kafka and a MongoDB of this test alone, at addresses that are known before they start."""

    def __init__(self, processes: Processes) -> None:
        self.processes, (self.kafka_port, self.mongo_port) = processes, free_ports(2)
        self._password = secrets.token_hex(16)
        self.kafka = broker.administrator(f"{HOST}:{self.kafka_port}", self._password)
        self.mongo = f"mongodb://{HOST}:{self.mongo_port}/?replicaSet=rs0"

    async def start_kafka(self) -> None:
        child, admin = native.start_kafka(
            self.processes, self.processes.run_dir / "kafka", CACHE, self.kafka_port, self._password
        )
        self.kafka_process = child
        await asyncio.to_thread(native.kafka_ready, child, admin)

    async def start_mongo(self) -> None:
        child, url = native.start_mongo(
            self.processes, self.processes.run_dir / "mongo", CACHE, self.mongo_port
        )
        self.mongo_process = child
        await asyncio.to_thread(native.mongo_ready, child, url)


@contextmanager
def own(directory: Path) -> Iterator[Processes]:
    with Processes(directory / "run") as started:
        yield started


@pytest.fixture(scope="module")
async def brokers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Brokers]:
    with own(tmp_path_factory.mktemp("brokers")) as started:
        yield Brokers(started)


@pytest.fixture(scope="module")
async def system(
    stack: Stack, brokers: Brokers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    with own(tmp_path_factory.mktemp("outages")) as started:
        made = System(replace(stack, kafka=brokers.kafka, mongo=brokers.mongo), started, seed=3)
        try:
            yield made
        finally:
            for child in made.kompeten.children.values():
                child.kill()


async def test_services_started_first_become_ready_by_themselves(system: System, brokers: Brokers) -> None:
    for service in SERVICES:
        system.launch(service)
    for service in SERVICES:
        await until(
            lambda service=service: any("database" in fault for fault in system.faults_of(service) or ()),
            lambda service=service: f"{service}: {system.faults_of(service)}",
            60,
        )
    try:
        await asyncio.gather(brokers.start_mongo(), brokers.start_kafka())
    except StackMissing as missing:
        pytest.fail(str(missing), pytrace=False)
    await until(  # topics are missing: nothing makes them but who declares them
        lambda: any("topic" in fault for fault in system.faults_of("enrollment") or ()),
        lambda: f"{system.faults_of('enrollment')}",
        60,
    )
    await system.make_topics()
    await system.ready()
    assert all(system.child(service).poll() is None for service in SERVICES)
    await system.flow(20)
    await system.settled()


async def test_a_database_that_goes_and_comes_loses_nothing(system: System, brokers: Brokers) -> None:
    sending = asyncio.create_task(system.flow(120, pause_s=1.0))
    await asyncio.sleep(2)
    brokers.mongo_process.kill()
    for service in SERVICES:
        await until(
            lambda service=service: any("database" in fault for fault in system.faults_of(service) or ()),
            lambda service=service: f"{service}: {system.faults_of(service)}",
            60,
        )
    await brokers.start_mongo()
    await sending
    await system.ready()
    await system.settled()
    assert all(system.child(service).poll() is None for service in SERVICES), "none had to be restarted"


async def test_a_broker_that_goes_and_comes_loses_nothing(system: System, brokers: Brokers) -> None:
    await system.flow(40, pause_s=0.1)
    await system.settled()
    brokers.kafka_process.kill()
    for service in SERVICES:  # none of them has anything to publish, and each says so all the same
        await until(
            lambda service=service: any("Kafka" in fault for fault in system.faults_of(service) or ()),
            lambda service=service: f"{service}: {system.faults_of(service)}",
            60,
        )
    await brokers.start_kafka()
    await system.ready(within_s=120)
    await system.flow(40, pause_s=0.1)
    await system.settled()
    assert all(system.child(service).poll() is None for service in SERVICES), "none had to be restarted"


async def test_told_to_stop_mid_flow_each_ends_in_time_with_status_0(system: System) -> None:
    sending = asyncio.create_task(system.flow(80, pause_s=0.5))
    for service in SERVICES:
        await asyncio.sleep(0.7)
        # 20 s to finish what is in hand, and the interpreter's own end.
        assert await system.stopped(service, within_s=30) == 0, system.child(service).tail()
        system.launch(service)
    await sending
    await system.settled()


async def test_mails_refused_for_a_while_arrive_once_each(system: System) -> None:
    before = sum(mail.repeated for mail in system.all("notification", MAILS))
    # Its open connections would still take mails.
    await system.stopped("notification")
    system.order("refuse")
    system.launch("notification")
    await system.flow(20, pause_s=0.1)
    await until(
        lambda: any("mail server" in fault for fault in system.faults_of("notification") or ()),
        lambda: f"{system.faults_of('notification')}",
        60,
    )
    system.order("tempfail", count=5)
    found = await system.settled()
    assert sum(mail.repeated for mail in found.mails) == before
    await system.ready("notification")
