"""The reference of all that goes over Kafka, as file name -> text. `python -m tools.reference` writes it."""

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

from shared.contracts.catalogue import EVENT_TYPES
from tools.contracts.asyncapi import ENVELOPE, ENVELOPE_NAME, asyncapi
from tools.contracts.compatibility import breaks
from tools.contracts.pages import events_page, topics_page
from tools.contracts.participants import Readers
from tools.contracts.schemas import directions, schema_of

COMMAND: Final = "python -m tools.reference"


def contract_files(readers: Readers) -> dict[str, str]:
    """`readers` are the services' tables: service -> the payload classes that it reacts to."""
    return {
        **{f"schemas/{name}": text for name, text in schema_files().items()},
        f"schemas/{ENVELOPE_NAME}": json_text(ENVELOPE),
        "asyncapi.yaml": yaml.dump(
            asyncapi(readers), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100
        ),
        "events.md": events_page(readers),
        "topics.md": topics_page(readers),
    }


def schema_files() -> dict[str, str]:
    return {f"{payload.TYPE}.json": json_text(schema_of(payload)) for payload in EVENT_TYPES}


def broken_promises(released: Mapping[str, Any]) -> dict[str, list[str]]:
    """Event type -> how it is broken for old senders or readers. `released`: type -> frozen schema."""
    found: dict[str, list[str]] = {}
    known = {payload.TYPE: payload for payload in EVENT_TYPES}
    for name, frozen in released.items():
        if name not in known:
            found[name] = ["the event type is gone: records of it stay in the log, so keep its class"]
            continue
        payload, current = known[name], schema_of(known[name])
        faults = [
            f"{direction}: {fault}"
            for direction in directions(payload)
            for fault in breaks(frozen, current, direction)
        ]
        if faults:
            found[name] = faults
    return found


def advice(broken: Mapping[str, list[str]]) -> str:
    """What to do about broken promises."""
    listed = "\n".join(
        f"  {name}\n" + "\n".join(f"    {promise}" for promise in found) for name, found in broken.items()
    )
    return (
        f"These released events would break those who send or read them:\n{listed}\n"
        "Take the change back, or add a new type beside the old one: a class whose TYPE ends with .v2, and "
        f"its row in\nEVENT_TYPES; publish both until nobody reads .v1. Then run: {COMMAND} --release\n"
        "(Only if every sender and reader is known to take the change: delete the event's file in "
        "docs/reference/released,\nrun the same command, and say in the commit who agreed.)"
    )


def json_text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class _Plain(yaml.SafeDumper):
    """Without anchors: what stands twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
