"""Whichever module is imported first, it can be: `make demo` begins with another one than the services do."""

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
def test_each_module_is_imported_first_as_well_as_last() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("services/enrollment", "services/incentive", "services/notification", "demo")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.stem not in ("__init__", "__main__")
    ]
    told = subprocess.run(
        [sys.executable, "-c", EACH_FIRST, *names], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert len(names) > 50
    assert told.stdout == ""
