"""Every name that begins with KOMPETEN_ and that something reads: any other one is most likely misspelt.

Those of the services are made from their settings, which `shared` does not import: `python -m tools.reference` writes
them to `names.txt`, a name on each line with who reads it, for `deploy/` as well.
"""

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from shared.settings.sources import PREFIX

FILE: Final = Path(__file__).with_name("names.txt")

# Beside the settings: name -> who reads it and what it is.
OTHERS: Final[Mapping[str, tuple[str, str]]] = {
    "KOMPETEN_BIND": ("compose", "Address of this host for all published ports but Kafka's"),
    "KOMPETEN_CACHE": ("stack", "Folder for downloaded parts of the local stack"),
    "KOMPETEN_ENROLLMENT_PORT": ("compose", "Published port of enrollment, or a range"),
    "KOMPETEN_ENROLLMENT_REPLICAS": ("compose", "How many of enrollment run"),
    "KOMPETEN_ENROLLMENT_URL": ("cli", "Where enrollment is"),
    "KOMPETEN_EXAMPLES": ("tests", "Examples that each property is tried on"),
    "KOMPETEN_FAILPOINT": ("tests", "Where a test kills a service; refused unless KOMPETEN_DEVELOPMENT=true"),
    "KOMPETEN_INCENTIVE_PORT": ("compose", "Published port of incentive, or a range"),
    "KOMPETEN_INCENTIVE_REPLICAS": ("compose", "How many of incentive run"),
    "KOMPETEN_INCENTIVE_URL": ("cli", "Where incentive is"),
    "KOMPETEN_ISSUER_PORT": ("compose", "Published port of the trial's issuer of tokens"),
    "KOMPETEN_KAFKA_BIND": ("compose", "Address of this host for Kafka's published port"),
    "KOMPETEN_KAFKA_HOST": ("compose", "Name under which agencies reach Kafka"),
    "KOMPETEN_KAFKA_PORT": ("compose", "Kafka's published port"),
    "KOMPETEN_MAIL_PAGE": ("stack", "Page of a mail catcher that is there already"),
    "KOMPETEN_MAIL_PAGE_PORT": ("compose", "Published port of the trial's mail catcher"),
    "KOMPETEN_NOTIFICATION_PORT": ("compose", "Published port of notification, or a range"),
    "KOMPETEN_NOTIFICATION_REPLICAS": ("compose", "How many of notification run"),
    "KOMPETEN_NOTIFICATION_URL": ("cli", "Where notification is"),
    "KOMPETEN_SMTP": ("stack", "host:port of a mail catcher that is there already"),
    "KOMPETEN_TEST_COMPOSE": ("tests", "1: the tests of the Compose file run too"),
    "KOMPETEN_TOKEN": ("cli", "Access token"),
    "KOMPETEN_TOKEN_FILE": ("cli", "File that holds the access token"),
    "KOMPETEN_VERSION": ("compose", "Image tag to run and to build"),
}
_ONLY_IN_DEVELOPMENT: Final = "KOMPETEN_FAILPOINT"
_NEAR: Final = 0.8


@cache
def known() -> Mapping[str, tuple[str, ...]]:
    """Name -> who reads it."""
    lines = (line.split() for line in FILE.read_text(encoding="utf-8").splitlines() if line[:1] != "#")
    return {name: tuple(readers) for name, *readers in lines}


def unknown(given: Mapping[str, str], own: Iterable[str] = ()) -> list[str]:
    """A sentence for each name that nothing reads. `own`: names of the settings that are being read."""
    settings = {*own, *(name for name in known() if name not in OTHERS)}
    names = {*settings, *(f"{name}_FILE" for name in settings), *OTHERS}
    if given.get("KOMPETEN_DEVELOPMENT", "").strip().lower() not in ("true", "1", "yes", "on", "t", "y"):
        names.discard(_ONLY_IN_DEVELOPMENT)
    return [f"{name} is not known: {_advice(name, names)}" for name in sorted(given) if name not in names]


def text(readers: Mapping[str, Iterable[str]]) -> str:
    """Of the file. `readers`: by name of a setting."""
    rows = {name: sorted(by) for name, by in readers.items()}
    for name, (by, _) in OTHERS.items():
        rows[name] = sorted({*rows.get(name, ()), by})
    lines = [f"{name} {' '.join(by)}\n" for name, by in sorted(rows.items())]
    return "".join(["# Written by `python -m tools.reference`: each name, and who reads it.\n", *lines])


_ADDRESSES: Final = ("_URL", "_URI", "_ADDRESS", "_SERVER", "_HOSTNAME")


def _address(name: str) -> str | None:
    """What somebody means who writes SMTP_URL or MONGO_URI; it looks more like SMTP_USER."""
    stem = next((name.removesuffix(end) for end in _ADDRESSES if name.endswith(end)), None)
    return next(
        (
            candidate
            for candidate in (stem, f"{stem}_HOST")
            if candidate in known() and candidate not in OTHERS
        ),
        None,
    )


def _advice(name: str, names: set[str]) -> str:
    if meant := _address(name):
        return f"did you mean {meant}?"
    # Compared without the prefix, which would make everything look alike.
    bare = {
        known_name.removeprefix(PREFIX)
        for known_name in names
        if known_name.endswith("_FILE") == name.endswith("_FILE")
    }
    near = difflib.get_close_matches(name.removeprefix(PREFIX), sorted(bare), n=2, cutoff=_NEAR)
    if not near:
        return "remove it, or see docs/reference/settings.md for those that there are."
    return f"did you mean {' or '.join(PREFIX + close for close in near)}?"
