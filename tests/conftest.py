"""What every kind of test may ask for. The stack comes up only if a test asks, once for all workers."""

import contextlib
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from devstack import Stack, StackError
from devstack.processes import Processes
from tests.examples import examples
from tests.stack_once import RUNS, StackOnce, ask, forget_old_runs

ONCE = pytest.StashKey[StackOnce]()
WORKERS_WAY = pytest.StashKey[tuple[str, str]]()
FAILED = pytest.StashKey[bool]()

# A busy machine is no fault of what is tried.
settings.register_profile(
    "asked", max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("asked")


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background job ignores Ctrl-C, and so would all that tests start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        forget_old_runs()
        config.stash[ONCE] = StackOnce(RUNS / str(os.getpid()))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """By pytest-xdist, for each worker that it starts."""
    if WORKERS_WAY not in node.config.stash:
        node.config.stash[WORKERS_WAY] = node.config.stash[ONCE].answer_workers()
    node.workerinput["stack"] = node.config.stash[WORKERS_WAY]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m "not stack"`: what runs without Kafka and MongoDB."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.stack)


def pytest_collection_finish() -> None:
    """Thousands of tests are not looked through at each collection of garbage."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[FAILED] = exitstatus != pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if ONCE in config.stash and (took := config.stash[ONCE].took()):
        terminalreporter.write_line(f"stack: {took}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if ONCE in config.stash:
        config.stash[ONCE].close(keep=config.stash.get(FAILED, True))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Stack:
    """Shared by all tests: use topics and databases with names of your own, order no faults, stop nothing."""
    try:
        if hasattr(request.config, "workerinput"):
            return ask(*request.config.workerinput["stack"])
        return request.config.stash[ONCE].get()
    except StackError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """For what a test starts, and may break; all of it ends with the test."""
    with Processes(tmp_path / "run") as started:
        yield started
