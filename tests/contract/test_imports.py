"""Whichever of them is imported first, it can be: `make demo` begins with another module than the services do."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EACH_FIRST = """
import importlib, os, sys
import shared.service  # what all of them import from elsewhere, once
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"{name}: {error}", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.full
def test_each_room_and_whatever_is_started_is_imported_first_as_well_as_last() -> None:
    rooms = [
        path.parent
        for folder in ("services/enrollment", "services/incentive", "services/notification")
        for path in (ROOT / folder).rglob("__init__.py")
    ]
    started = [*(ROOT / "demo").glob("*.py"), *(ROOT / "services").glob("*/app.py")]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted([*rooms, *started])
        if path.stem not in ("__init__", "__main__")
    ]
    told = subprocess.run(
        [sys.executable, "-c", EACH_FIRST, *names], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert len(names) > 30
    assert told.stdout == ""
