"""Writes docs/reference from the code: `python -m tools.reference`, with `--check` or `--release`.

Here, and not in `shared`, because it imports the services' tables, settings and HTTP applications.
What a service does not have yet is left out; a module that is there but lacks what it must offer is an error.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.services import SERVICES as DECLARED
from shared.http import problems
from shared.kafka_setup import SetUpSettings
from shared.settings import names
from shared.settings.common import Settings, reference_table
from shared.settings.reading import FromEnvironment
from shared.settings.sources import variable
from tools.contracts.pages import GENERATED
from tools.contracts.participants import Readers
from tools.contracts.reference import (
    COMMAND,
    advice,
    broken_promises,
    contract_files,
    json_text,
    schema_files,
)

SERVICES: Final = tuple(service.name for service in DECLARED)
REFERENCE: Final = Path(__file__).parents[1] / "docs" / "reference"
NOT_FROM_HERE: Final = frozenset({"client-traps.md", "fault-ledger.md"})
"""Written by hand, and by `make chaos`."""
# Files of these names that the code no longer produces are stale too.
GENERATED_NAMES: Final = ("schemas/*.json", "openapi-*.json", "asyncapi.yaml", "*.md")


Find = Callable[[str, str], ModuleType | None]
"""(service, name) -> its module, or None while it has none."""


class Incomplete(Exception):
    """A service's module lacks what the reference is made from."""


def _module(service: str, name: str) -> ModuleType | None:
    path = f"services.{service}.{name}"
    return import_module(path) if find_spec(path) is not None else None


def reference_files(find: Find = _module) -> dict[str, str]:
    """File name below docs/reference -> text."""
    return {
        **contract_files(handlers(find)),
        "problems.md": f"{GENERATED}# Problems\n\n{_PROBLEMS}\n\n{problems.reference_table()}",
        "settings.md": f"{GENERATED}# Settings\n\n{_SETTINGS}\n\n{reference_table(settings_classes(find))}"
        f"\n{_SET_UP}\n\n{reference_table([SetUpSettings])}\n{_OTHERS}\n\n{other_names_table()}",
        **{f"openapi-{service}.json": json_text(api) for service, api in api_documents(find).items()},
    }


def handlers(find: Find = _module) -> Readers:
    """Service -> classes in the table HANDLERS of its app, which adds up those of its capabilities."""
    found: dict[str, tuple[Any, ...]] = {}
    for service in SERVICES:
        if (app := find(service, "app")) is not None:
            found[service] = tuple(_offered(app, "HANDLERS"))
            for payload in found[service]:
                if payload not in EVENT_TYPES:
                    raise Incomplete(f"{app.__name__} reacts to {payload.__name__}: add it to EVENT_TYPES")
    return found


def settings_classes(find: Find = _module) -> list[type[Settings]]:
    """The services' settings; while no service has any, what all of them share."""
    found: list[type[Settings]] = []
    for service in SERVICES:
        if (module := find(service, "settings")) is not None:
            cls = _offered(module, f"{service.title()}Settings")
            if not (isinstance(cls, type) and issubclass(cls, Settings)):
                raise Incomplete(f"{module.__name__}.{service.title()}Settings is no subclass of Settings")
            if cls.service != service:
                raise Incomplete(f"{module.__name__}.{cls.__name__} must have service = {service!r}")
            found.append(cls)
    return found or [Settings]


def setting_names(find: Find = _module) -> str:
    """Text of `shared/settings/names.txt`."""
    readers: dict[str, list[str]] = {}
    classes: list[type[FromEnvironment]] = [*settings_classes(find), SetUpSettings]
    for cls in classes:
        for name in cls.model_fields:
            readers.setdefault(variable(name), []).append(cls.service)
    return names.text(readers)


def other_names_table() -> str:
    """Markdown: what is no setting of a service, and is known all the same."""
    rows = [f"| `{name}` | {by} | {what} |" for name, (by, what) in sorted(names.OTHERS.items())]
    return "\n".join(["| variable | read by | what it is |", "|---|---|---|", *rows, ""])


def api_documents(find: Find = _module) -> dict[str, dict[str, Any]]:
    """Service -> its OpenAPI document, from the function `openapi() -> dict` of its module `app`."""
    found = {}
    for service in SERVICES:
        app = find(service, "app")
        if app is not None and hasattr(app, "openapi"):
            found[service] = app.openapi()
    return found


def _offered(module: ModuleType, name: str) -> Any:
    if not hasattr(module, name):
        raise Incomplete(f"{module.__name__} has no {name}: the reference is made from it")
    return getattr(module, name)


def stale(files: Mapping[str, str], root: Path = REFERENCE) -> list[str]:
    """Names of files that are missing, differ, or are left over."""
    differing = [name for name, text in files.items() if not _is(root / name, text)]
    return sorted([*differing, *_left_over(files, root)])


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _left_over(files: Mapping[str, str], root: Path) -> list[str]:
    there = {path.relative_to(root).as_posix() for pattern in GENERATED_NAMES for path in root.glob(pattern)}
    return sorted(there - files.keys() - NOT_FROM_HERE)


def write(files: Mapping[str, str], root: Path = REFERENCE) -> list[str]:
    """Names of the files that it changed or removed."""
    changed = stale(files, root)
    for name in changed:
        path = root / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name].encode())
        else:
            path.unlink()
    return changed


def released(root: Path = REFERENCE) -> dict[str, Any]:
    """Event type -> its frozen schema."""
    return {
        path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((root / "released").glob("*.json"))
    }


def release(root: Path = REFERENCE) -> list[str]:
    """Freezes what the code promises now; only when nothing that was promised before is broken."""
    if broken := broken_promises(released(root)):
        raise Incomplete(advice(broken))
    return [f"released/{name}" for name in write(schema_files(), root / "released")]


def main(arguments: list[str] | None = None, root: Path = REFERENCE) -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description="Writes docs/reference from the code.")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    modes.add_argument("--release", action="store_true", help="freeze the schemas that are promised from now")
    chosen = parser.parse_args(arguments)
    try:
        files = reference_files()
        if chosen.check:
            outdated = [f"docs/reference/{name}" for name in stale(files, root)]
            if not _is(names.FILE, setting_names()):
                outdated.append("shared/settings/names.txt")
            if outdated:
                sys.stderr.write("".join(f"stale: {name}\n" for name in outdated))
                sys.stderr.write(f"Write them anew: {COMMAND}\n")
                return 1
            return 0
        names.FILE.write_bytes(setting_names().encode())
        changed = write(files, root)
        if chosen.release:
            changed += release(root)
    except (Incomplete, LookupError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"wrote docs/reference/{name}\n" for name in changed))
    return 0


_PROBLEMS: Final = """\
Every error of the HTTP interface is a problem document (RFC 9457, `application/problem+json`) of one of
these types. `detail` says what to do; `errors` lists fields that are not valid, without what was sent;
`error_id`, with status 500, finds the error in the log."""

_SETTINGS: Final = """\
Read once at start from variables of the environment. Each can be given by a file instead:
`<variable>_FILE` names it, or it is mounted as `/run/secrets/<variable in lower case>`. One line end at the end of a
file is none of the value; an empty variable or file is none at all. Blanks around a value do not count, but in secrets,
which are what their file holds.

What is not accepted is told on standard error, a line for each setting: its name, what is wrong, what to write instead.
The process ends with status 2 before it has connected to anything, and no line has a secret in it. A variable that
begins with `KOMPETEN_` and that nothing on this page reads stops it too: it is most likely misspelt. One that another
service reads does not, so one `.env` does for all; `python -m shared.settings --check .env` looks for misspelt ones
beforehand.

What is found out only by connecting stops no process. A wrong password of MongoDB or Kafka, an address where nobody
answers, a name that DNS does not know now: the service lives, is not ready, says in one sentence which setting it is
about (`/health/ready` and the log), and goes on by itself when the other side takes what it has. So a password may be
changed on either side first; a service reads its file again when it is restarted. The set-up of Kafka ends with status 1
instead, since somebody waits for it.

`KOMPETEN_PUBLIC_URL` must not lead to the machine itself, however that is written (`127.1`, `[::ffff:127.0.0.1]`,
`localhost.`) and whatever this machine takes its name for; a name that cannot be looked up at the start stops nobody.
Addresses of private networks are taken. `KOMPETEN_DEVELOPMENT=true` allows all."""

_SET_UP: Final = """\
## Setting up Kafka

What `python -m shared.kafka_setup` reads, as an administrator of Kafka. It makes topics, users, rights and quotas before
the services start, and whenever they change."""

_OTHERS: Final = """\
## Beside these

Names that Compose, the command line, the local stack and the tests read. They are known to all, and settings of none."""

if __name__ == "__main__":
    sys.exit(main())
