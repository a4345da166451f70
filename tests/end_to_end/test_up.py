"""`make up`: ready services with a description, and nothing left of them after Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from demo.up import example_event
from devstack.forget import forget
from devstack.processes import ROOT

pytestmark = pytest.mark.full


def until(happened: Callable[[], object], timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Up:
    def __init__(self, directory: Path, **env: str) -> None:
        self.path, self.log = directory / "stack.json", directory / "up.log"
        argv = [sys.executable, "-m", "demo.up", "--run-dir", str(directory / "up"),
                "--description", str(self.path)]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **env})

    def description(self) -> dict[str, Any]:
        until(lambda: self.path.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()
        described: dict[str, Any] = json.loads(self.path.read_text())
        return described

    def started(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    started = Up(tmp_path)
    yield started
    started.end()
    forget(tmp_path)


def record_of(described: dict[str, Any], role: str = "employee") -> httpx.Response:
    services = described["services"]
    return httpx.get(f"{services['enrollment']}/me/record", headers=bearer(described, role), timeout=10)


def bearer(described: dict[str, Any], role: str) -> dict[str, str]:
    wish = described["tokens"][role]
    token = httpx.request(wish["method"], wish["url"], json=wish["json"], timeout=10).json()["access_token"]
    return {"authorization": f"Bearer {token}"}


def test_services_are_ready_and_ctrl_c_ends_them_all_but_the_data(up: Up, tmp_path: Path) -> None:
    described = up.description()
    assert set(described["services"]) == {"enrollment", "incentive", "notification"}
    for url in described["services"].values():
        assert httpx.get(f"{url}/health/ready", timeout=10).status_code == 200
    assert record_of(described).status_code == 404  # nobody is registered yet; the token is good
    registration = example_event(described["agencies"][0])
    accepted = httpx.post(
        f"{described['services']['enrollment']}/events",
        headers=bearer(described, "agency"),
        json=registration,
    )
    assert accepted.status_code == 202
    until(lambda: record_of(described).status_code == 200)
    started = up.started()
    assert set(described["pids"].values()) <= {process.pid for process in started}
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    until(lambda: all(is_gone(process) for process in started))
    assert not up.path.exists()
    # Not the way that is chosen by itself here: the one that has the data.
    again = Up(tmp_path, STACK="")
    try:
        assert record_of(again.description()).status_code == 200
        assert f"stack: {described['took']} (as the last time" in again.log.read_text()
    finally:
        again.end()


def test_a_service_that_dies_is_named_and_ends_the_rest(up: Up) -> None:
    described, started = up.description(), up.started()
    os.kill(described["pids"]["incentive"], signal.SIGKILL)
    assert up.process.wait(60) == 1
    assert "up: incentive ended with status -9\n--- end of " in up.log.read_text()
    until(lambda: all(is_gone(process) for process in started))
    assert not up.path.exists()
