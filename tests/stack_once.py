"""One stack for a whole test run, brought up by the first test that asks, in whichever worker that runs."""

import secrets
import shutil
import threading
from contextlib import AbstractContextManager
from multiprocessing.connection import Client, Listener
from pathlib import Path

import psutil

from devstack import Stack, StackError, local_stack
from devstack.processes import ROOT

RUNS = ROOT / ".run/test"


class StackOnce:
    """Lives in the process that the user started: pytest's, or the controller of pytest-xdist."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._turn = threading.Lock()
        self._entered: AbstractContextManager[Stack] | None = None
        self._answer: Stack | StackError | None = None

    def get(self) -> Stack:
        """StackError as often as asked, but tried once."""
        with self._turn:
            if self._answer is None:
                entered = local_stack(self.run_dir)
                try:
                    self._answer = entered.__enter__()
                    self._entered = entered
                except StackError as error:
                    self._answer = error
        return stack_or_raise(self._answer)

    def took(self) -> str | None:
        return f"{self._answer.took} ({self._answer.why})" if isinstance(self._answer, Stack) else None

    def close(self, keep: bool) -> None:
        """One that is still coming up is left to its guardian."""
        if self._turn.acquire(blocking=False) and self._entered is not None:
            self._entered.__exit__(None, None, None)
            if not keep:
                shutil.rmtree(self.run_dir, ignore_errors=True)

    def answer_workers(self) -> tuple[str, str]:
        """Address and key for `ask`, in strings."""
        key = secrets.token_bytes(16)
        listener = Listener(family="AF_UNIX", authkey=key)
        threading.Thread(target=self._answer_all, args=(listener,), daemon=True).start()
        return str(listener.address), key.hex()

    def _answer_all(self, listener: Listener) -> None:
        while True:
            with listener.accept() as worker:
                try:
                    worker.send(self.get())
                except StackError as error:
                    worker.send(error)


def ask(address: str, key: str) -> Stack:
    """From a worker; waits while the stack comes up."""
    with Client(address, family="AF_UNIX", authkey=bytes.fromhex(key)) as controller:
        answer: Stack | StackError = controller.recv()
    return stack_or_raise(answer)


def stack_or_raise(answer: Stack | StackError) -> Stack:
    if isinstance(answer, StackError):
        raise answer
    return answer


def forget_old_runs() -> None:
    """What failed runs left to look at, unless one still runs; the newest three stay."""
    runs = sorted(RUNS.glob("[0-9]*"), key=lambda run: run.stat().st_mtime, reverse=True)
    for run in runs[3:]:
        if not psutil.pid_exists(int(run.name)):
            shutil.rmtree(run, ignore_errors=True)
