"""Nothing that a stack started outlives its starter, and what fails says why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import psutil
import pytest
from docker.client import DockerClient

from devstack import StackError, containers, native
from devstack.processes import ROOT, Processes
from shared.kafka.topics import create_topics

CACHE = ROOT / ".run/cache"


def until(happened: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def is_gone(process: psutil.Process) -> bool:
    """Also if nobody has asked yet how it ended, as where process 1 is no real init."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Starts(Protocol):
    def __call__(self, run_dir: Path, mode: str) -> subprocess.Popen[bytes]: ...


@pytest.fixture
def start_stack() -> Iterator[Starts]:
    starters: list[subprocess.Popen[bytes]] = []

    def start(run_dir: Path, mode: str) -> subprocess.Popen[bytes]:
        argv, env = [sys.executable, "-m", "devstack", str(run_dir)], {**os.environ, "STACK": mode}
        with (run_dir / "starter.log").open("wb") as log:
            starters.append(subprocess.Popen(argv, cwd=ROOT, env=env, stdout=log))
        return starters[-1]

    yield start
    for starter in starters:
        starter.kill()
        starter.wait(30)


def printed_addresses(run_dir: Path) -> bool:
    return b'"took"' in (run_dir / "starter.log").read_bytes()


def with_descendants(starter: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(starter.pid).children(recursive=True)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGKILL, marks=pytest.mark.full),
        pytest.param(signal.SIGTERM, marks=pytest.mark.full),
        pytest.param(signal.SIGINT, marks=pytest.mark.full),
    ],
)
def test_nothing_outlives_a_starter_that_is_killed(
    start_stack: Starts, tmp_path: Path, number: signal.Signals
) -> None:
    starter = start_stack(tmp_path, "native")
    until(lambda: printed_addresses(tmp_path) or starter.poll() is not None)
    started = with_descendants(starter)
    # The guardian, and below it the issuer, the catcher, mongod and Kafka.
    assert len(started) == 5
    starter.send_signal(number)
    starter.wait(30)
    until(lambda: all(is_gone(process) for process in started))


@pytest.mark.full
def test_nothing_outlives_a_starter_that_is_killed_while_starting(
    start_stack: Starts, tmp_path: Path
) -> None:
    starter = start_stack(tmp_path, "native")
    until(lambda: len(with_descendants(starter)) >= 4)
    started = with_descendants(starter)
    starter.kill()
    starter.wait(30)
    until(lambda: all(is_gone(process) for process in started))


def test_children_end_with_a_guardian_that_is_killed(processes: Processes) -> None:
    child = psutil.Process(processes.start("sleeper", ["sleep", "600"]).pid)
    guardian = child.parent()
    assert guardian is not None
    guardian.kill()
    until(lambda: is_gone(child))
    with pytest.raises(StackError, match=r"guardian .* is gone"):
        processes.start("another", ["true"])


def test_a_stopped_child_is_ended_too(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("sleeper", ["sleep", "600"])
        process = psutil.Process(child.pid)
        child.send_signal(signal.SIGSTOP)
        until(lambda: process.status() == psutil.STATUS_STOPPED)
    assert is_gone(process)


def test_a_child_that_dies_early_shows_the_end_of_its_log(processes: Processes) -> None:
    code = "import sys; print('no such topic: x'); sys.exit(3)"
    child = processes.start("service", [sys.executable, "-c", code])
    with pytest.raises(
        StackError, match=r"service ended with status 3 before it was ready\n.*\nno such topic: x"
    ):
        child.wait_ready(lambda: False, timeout_s=30)


def test_a_program_that_is_not_there_is_named(processes: Processes) -> None:
    with pytest.raises(StackError, match="cannot start /no/such/program: No such file"):
        processes.start("nothing", ["/no/such/program"])


@pytest.mark.full
async def test_a_killed_broker_comes_back_with_its_topics(processes: Processes, tmp_path: Path) -> None:
    kafka, admin = native.start_kafka(processes, tmp_path / "kafka", CACHE)
    native.kafka_ready(kafka, admin)
    await create_topics(admin, [("stays", 3, {})])
    assert kafka.kill() == -signal.SIGKILL
    kafka, admin = native.start_kafka(
        processes, tmp_path / "kafka", CACHE, port=admin.addresses()[0][1], password=admin.password
    )
    native.kafka_ready(kafka, admin)
    assert await create_topics(admin, [("stays", 3, {})]) == []


@pytest.mark.full
def test_mongodb_comes_back_on_another_port_with_its_data(processes: Processes, tmp_path: Path) -> None:
    import pymongo

    for expected in (1, 2):
        mongo, url = native.start_mongo(processes, tmp_path / "mongo", CACHE)
        native.mongo_ready(mongo, url)
        with pymongo.MongoClient[dict[str, int]](url) as client:
            client.test.facts.insert_one({})
            assert client.test.facts.count_documents({}) == expected
        mongo.stop()


@pytest.mark.full
def test_no_container_outlives_a_starter_that_is_killed(start_stack: Starts, tmp_path: Path) -> None:
    try:
        containers.engine_and_images()
    except StackError as reason:
        pytest.skip(f"Docker is not tried: {reason}")
    starter = start_stack(tmp_path, "docker")
    until(lambda: printed_addresses(tmp_path) or starter.poll() is not None, 120)
    assert printed_addresses(tmp_path), "the stack did not come up by Docker: see above"

    def theirs() -> int:
        label = f"{containers.LABEL}.starter={starter.pid}"
        return len(DockerClient.from_env().containers.list(all=True, filters={"label": label}))

    assert theirs() == 2
    started = with_descendants(starter)
    starter.kill()
    starter.wait(30)
    until(lambda: theirs() == 0 and all(is_gone(process) for process in started))
