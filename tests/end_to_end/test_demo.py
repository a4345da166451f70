"""`make demo`, on a small city."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.processes import ROOT

pytestmark = pytest.mark.full


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "demo", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_day_comes_out_exactly_once(tmp_path: Path) -> None:
    run_dir = tmp_path / "demo"
    done = demo("--employees", "40", "--run-dir", str(run_dir))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {
        "completions", "certificates", "jp_credits", "point_entries", "mails", "dead_letters", "waiting",
        "lost", "doubled",
    }  # fmt: skip
    assert (result["lost"], result["doubled"]) == (0, 0)
    assert result["completions"] == result["certificates"] == result["jp_credits"] > 80
    assert (result["dead_letters"], result["waiting"]) == (10, 6)
    assert result["mails"] > 60
    assert (run_dir / "certificate.pdf").read_bytes().startswith(b"%PDF")
    assert b"Message-ID:" in (run_dir / "mail.eml").read_bytes()
    assert "<html" in (run_dir / "mail.html").read_text()


def test_a_wrong_stack_is_a_sentence_not_a_traceback(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "demo", "--run-dir", str(tmp_path / "demo")]
    env = {"PATH": "/usr/bin:/bin", "STACK": "podman"}
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 1
    assert (
        done.stderr == "demo: STACK is 'podman': allowed are docker and native, or nothing to let it choose\n"
    )
