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

from shared.stack.processes import ROOT

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
    def __init__(self, directory: Path) -> None:
        self.path, self.log = directory / "stack.json", directory / "up.log"
        argv = [sys.executable, "-m", "demo.up", "--run-dir", str(directory / "up"),
                "--description", str(self.path)]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log, env={**os.environ})

    def description(self) -> dict[str, Any]:
        until(lambda: self.path.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()
        described: dict[str, Any] = json.loads(self.path.read_text())
        return described

    def started(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    started = Up(tmp_path)
    yield started
    started.process.send_signal(signal.SIGTERM)
    started.process.wait(60)


def test_services_are_ready_and_ctrl_c_ends_them_all(up: Up) -> None:
    described = up.description()
    assert set(described["services"]) == {"enrollment", "incentive", "notification"}
    for url in described["services"].values():
        assert httpx.get(f"{url}/health/ready", timeout=10).status_code == 200
    wish = described["tokens"]["employee"]
    token = httpx.request(wish["method"], wish["url"], json=wish["json"], timeout=10).json()["access_token"]
    record = httpx.get(
        f"{described['services']['enrollment']}/me/record",
        headers={"authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert record.status_code == 404  # nobody is registered yet; the token is good
    started = up.started()
    assert set(described["pids"].values()) <= {process.pid for process in started}
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    until(lambda: all(is_gone(process) for process in started))
    assert not up.path.exists()


def test_a_service_that_dies_is_named_and_ends_the_rest(up: Up) -> None:
    described, started = up.description(), up.started()
    os.kill(described["pids"]["incentive"], signal.SIGKILL)
    assert up.process.wait(60) == 1
    assert "up: incentive ended with status -9\n--- end of " in up.log.read_text()
    until(lambda: all(is_gone(process) for process in started))
    assert not up.path.exists()
