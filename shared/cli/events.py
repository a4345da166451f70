"""Events that an operator puts in the place of a dead letter's: read as the services will read them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from shared.cli.answers import WholeLetter
from shared.cli.errors import CannotAsk, Refused
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import STRUCTURED, Undecodable, decode, peek
from shared.contracts.payload import Payload

_TYPES: Final[Mapping[str, type[Payload]]] = {payload.TYPE: payload for payload in EVENT_TYPES}
_STRUCTURED: Final = [("content-type", STRUCTURED.encode())]


def structured(letter: WholeLetter) -> dict[str, Any]:
    """The letter's event as one document; raises Refused when it is none that could be edited."""
    if not isinstance(letter.event, dict):
        raise Refused(
            "the record is no JSON object, so there is nothing to edit: write the right event into a file, then"
            f" `kompeten dead-letters replay {letter.id} --event FILE --reason TEXT`"
        )
    names = {name.lower(): value for name, value in letter.headers.items() if value is not None}
    if "specversion" in letter.event or "ce_specversion" not in names:
        return letter.event
    # Binary: the record's value is the data alone, the attributes are headers.
    attributes = {name.removeprefix("ce_"): value for name, value in names.items() if name.startswith("ce_")}
    return {**attributes, "data": letter.event}


def checked(text: bytes, letter: WholeLetter) -> dict[str, Any]:
    """The event that is in `text`; raises Undecodable with one sentence for each fault."""
    type, document = peek(text, _STRUCTURED)
    if type not in _TYPES:
        raise Undecodable("type is none that Kompeten knows: see docs/reference/events.md")
    event = decode(text, _STRUCTURED, document, _TYPES[type])
    if letter.event_id and event.attributes.id != letter.event_id:
        raise Undecodable("id was changed: it must stay, since by it a copy is known and the sender asks")
    assert document is not None
    return document


def event_of_file(path: Path, letter: WholeLetter) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError:
        raise CannotAsk(
            f"the file {path} cannot be read: name one that holds one CloudEvent as JSON"
        ) from None
    try:
        return checked(text, letter)
    except Undecodable as error:
        raise Refused(f"the event in {path} is not valid: {error}") from None


def as_text(event: Mapping[str, Any]) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False) + "\n"
