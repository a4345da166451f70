"""Whichever module is imported first, it can be: `make demo` begins with another one than the services do."""

import subprocess
import sys
from pathlib import Path

import pytest

from devstack.kompeten import SERVICES

ROOT = Path(__file__).parents[2]
FROM_ELSEWHERE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
ours = ("services", "shared", "cli", "devstack", "demo", "__main__")
print("\\n".join(name for name in sys.modules if name.partition(".")[0] not in ours))
"""
EACH_FIRST = """
import importlib, os, sys
for name in sys.stdin.read().split():  # what all of them import from elsewhere: once
    try:
        importlib.import_module(name)
    except ImportError:  # some name modules that there are not
        pass
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
    apps = [f"services.{service}.app" for service in SERVICES]
    elsewhere = python(FROM_ELSEWHERE, *apps)
    assert len(names) > 50
    assert python(EACH_FIRST, *names, told=elsewhere) == ""


def python(program: str, *arguments: str, told: str = "") -> str:
    argv = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(argv, cwd=ROOT, input=told, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout
