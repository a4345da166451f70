"""What anybody may read of the product: its published reference. What is added there is attacked, too."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

REFERENCE: Final = Path(__file__).parents[2] / "docs/reference"
SERVICES: Final = ("enrollment", "incentive", "notification")
OF_AGENCIES: Final = "agency.{opd}.v1"


class EventType(NamedTuple):
    type: str
    addresses: frozenset[str]
    """Topics that it counts on, without the installation's prefix."""
    example: dict[str, Any]
    """The data of one."""


class Operation(NamedTuple):
    service: str
    method: str
    path: str
    roles: frozenset[str]
    """Empty: anybody."""

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


@cache
def event_types() -> tuple[EventType, ...]:
    asyncapi = _asyncapi()
    found: dict[str, EventType] = {}
    for channel in asyncapi["channels"].values():
        for message in channel["messages"]:
            if message.endswith("Structured"):
                said = asyncapi["components"]["messages"][message]
                known = found.get(said["name"])
                found[said["name"]] = EventType(
                    said["name"],
                    frozenset({channel["address"]}) | (known.addresses if known else frozenset()),
                    said["examples"][0]["payload"]["data"],
                )
    return tuple(found.values())


@cache
def addresses() -> tuple[str, ...]:
    """Every topic, as the reference writes it."""
    return tuple(channel["address"] for channel in _asyncapi()["channels"].values())


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(service, method.upper(), path, frozenset(said["x-roles"]))
        for service in SERVICES
        for path, methods in json.loads((REFERENCE / f"openapi-{service}.json").read_text())["paths"].items()
        for method, said in methods.items()
    )


def writers_of(address: str) -> set[str]:
    """As the page of topics tells it."""
    page = (REFERENCE / "topics.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{re.escape(address)}` \| \d+ \| ([^|]+) \|", page, re.MULTILINE)
    return {name.strip() for name in row.split(",")}


@cache
def _asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((REFERENCE / "asyncapi.yaml").read_text(encoding="utf-8"))
    return document
