"""A run directory belongs to one run at a time."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import StackError


@contextmanager
def alone(run_dir: Path) -> Iterator[Path]:
    """StackError if another run uses it."""
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with run_dir.with_name(f".{run_dir.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"another run uses {run_dir}: stop it, or take another --run-dir") from None
        yield run_dir


@contextmanager
def fresh(run_dir: Path) -> Iterator[Path]:
    """As `alone`, and emptied."""
    with alone(run_dir):
        shutil.rmtree(run_dir, ignore_errors=True)
        yield run_dir
