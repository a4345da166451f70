"""Starts processes that end with whoever started them, however that ends (see guardian.py)."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devstack.errors import StackError

ROOT = Path(__file__).resolve().parents[1]
POLL_S = 0.05
TAIL_LINES = 30


class Processes:
    """A set of processes that ends at once, on leaving the `with` or when this process dies.

    Each child is a session of its own: Ctrl-C reaches only the starter, which then ends them. Services need
    their broker to shut down: keep them in a set of their own, and leave that before the stack's.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir.resolve()
        self.logs = self.run_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._turn = threading.Lock()
        with (self.logs / "guardian.log").open("ab") as log:
            self._guardian = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    str(ROOT / "devstack/guardian.py"),
                    str(os.getpid()),
                    str(self.run_dir),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str | None] | None = None,
        cwd: Path = ROOT,
    ) -> "Child":
        """Output goes to `<run_dir>/logs/<name>.log`; `env` comes on top of this process's own, None takes away."""
        log = self.logs / f"{name}.log"
        log_start = log.stat().st_size if log.exists() else 0
        answer = self.ask(
            do="start",
            name=name,
            argv=list(argv),
            env={key: value for key, value in {**os.environ, **(env or {})}.items() if value is not None},
            cwd=str(cwd),
            log=str(log),
        )
        return Child(self, name, int(answer["pid"]), log, log_start)

    def start_python(
        self,
        name: str,
        module: str,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        cwd: Path = ROOT,
    ) -> "Child":
        """`python -m module args`, by this interpreter; its output is not held back in a buffer."""
        return self.start(
            name, [sys.executable, "-m", module, *args], {"PYTHONUNBUFFERED": "1", **(env or {})}, cwd
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """The guardian's answer. StackError: it refused, or it is gone."""
        assert self._guardian.stdin is not None
        assert self._guardian.stdout is not None
        with self._turn:
            try:
                self._guardian.stdin.write(json.dumps(request).encode() + b"\n")
                self._guardian.stdin.flush()
                line = self._guardian.stdout.readline()
            except (OSError, ValueError):
                line = b""
        if not line:
            raise StackError(
                f"the guardian of {self.run_dir} is gone; its log is {self.logs / 'guardian.log'}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise StackError(answer["error"])
        return answer

    def close(self) -> None:
        """Returns when everything has ended; 10 s after asking, what is left is killed."""
        assert self._guardian.stdin is not None
        with self._turn, contextlib.suppress(OSError, ValueError):
            self._guardian.stdin.write(b"end\n")
            self._guardian.stdin.close()
        self._guardian.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Child:
    """One process of a set; signals go to its whole group."""

    def __init__(self, processes: Processes, name: str, pid: int, log: Path, log_start: int = 0) -> None:
        self.name, self.pid, self.log = name, pid, log
        self._processes, self._log_start = processes, log_start

    def poll(self) -> int | None:
        """None while it runs, then its exit status (-n: ended by signal n)."""
        status: int | None = self._processes.ask(do="poll", pid=self.pid)["status"]
        return status

    def send_signal(self, number: signal.Signals) -> bool:
        """False if no process of the group is left."""
        return bool(self._processes.ask(do="signal", pid=self.pid, signal=int(number))["sent"])

    def wait(self, timeout_s: float) -> int:
        """Its exit status; StackError if it still runs then."""
        deadline = time.monotonic() + timeout_s
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} (pid {self.pid}) still runs after {timeout_s:g} s")
            time.sleep(POLL_S)
        return status

    def stop(self, grace_s: float = 10.0) -> int:
        """SIGTERM, after `grace_s` SIGKILL."""
        self.send_signal(signal.SIGTERM)
        try:
            return self.wait(grace_s)
        except StackError:
            return self.kill()

    def kill(self) -> int:
        """As `kill -9`."""
        self.send_signal(signal.SIGKILL)
        return self.wait(10)

    def wait_ready(self, probe: Callable[[], bool], timeout_s: float, what: str = "ready") -> None:
        """Polls `probe`. StackError with the end of the log if the process ends first or time is up."""
        wait_ready(self.name, probe, timeout_s, what, has_ended=self._ended, tail=self.tail)

    def _ended(self) -> str | None:
        status = self.poll()
        return None if status is None else f"ended with status {status}"

    def tail(self) -> str:
        """The last lines that it (not an earlier one of its name) wrote."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([f"--- end of {self.log}", *lines])


def wait_ready(
    name: str,
    probe: Callable[[], bool],
    timeout_s: float,
    what: str,
    *,
    has_ended: Callable[[], str | None],
    tail: Callable[[], str],
) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        if ended := has_ended():
            said = tail()
            if "Address already in use" in said:
                raise StackError(f"{name}: another program took its port just now; start again\n{said}")
            raise StackError(f"{name} {ended} before it was {what}\n{said}")
        if time.monotonic() > deadline:
            raise StackError(f"{name} was not {what} after {timeout_s:g} s\n{tail()}")
        time.sleep(POLL_S)
