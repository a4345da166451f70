"""`python -m shared.kafka_setup` with what cannot be taken: one line, status 2, before Kafka is asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from devstack.processes import ROOT
from shared.contracts.services import SERVICES

pytestmark = pytest.mark.slow

HIDDEN = "hunter2-0f1e2d3c"


def run(**settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {"KOMPETEN_KAFKA": "127.0.0.1:1", "KOMPETEN_KAFKA_PASSWORD": HIDDEN, **settings}
    return subprocess.run(
        [sys.executable, "-m", "shared.kafka_setup"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (None, "which cannot be read (FileNotFoundError): make it"),
        (b"", "which is empty: write a password there"),
        (b"\n", "which is empty: write a password there"),
        (HIDDEN.encode() + b"\xff", "which is not UTF-8: save it as that"),
    ],
)
def test_a_services_password_that_cannot_be_taken_is_told_by_setting_and_file(
    tmp_path: Path, raw: bytes | None, said: str
) -> None:
    for service in SERVICES:
        (tmp_path / service.name).write_text(HIDDEN + "\n")
    file = tmp_path / "incentive"
    file.unlink()
    if raw is not None:
        file.write_bytes(raw)
    ran = run(KOMPETEN_KAFKA_SERVICES_DIR=str(tmp_path))
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"KOMPETEN_KAFKA_SERVICES_DIR names the folder of {file}, {said}")
    assert HIDDEN not in line


def test_a_broker_that_nobody_finds_is_told_by_the_settings_that_say_where_it_is(tmp_path: Path) -> None:
    for service in SERVICES:
        (tmp_path / service.name).write_text(HIDDEN + "\n")
    ran = run(KOMPETEN_KAFKA_SERVICES_DIR=str(tmp_path))
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("kafka: Kafka does not answer at 127.0.0.1:1, spoken to by sasl_ssl (")
    assert "KOMPETEN_KAFKA_SECURITY" in line
