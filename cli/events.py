"""Events that an operator puts in the place of a dead letter's: read as the services will read them."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from cli.answers import WholeLetter
from cli.errors import CannotAsk, Refused
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import STRUCTURED, Undecodable, decode, peek
from shared.contracts.payload import Payload

_TYPES: Final[Mapping[str, type[Payload]]] = {payload.TYPE: payload for payload in EVENT_TYPES}
_STRUCTURED: Final = [("content-type", STRUCTURED.encode())]


def readable(letter: WholeLetter) -> str:
    """The letter's event as its sender should have sent it, one document in JSON, or as near to that as it comes;
    raises Refused when there is no text in it."""
    if letter.event is None and not letter.text:
        why = "is not text in UTF-8 (`show` has its bytes in base64)" if letter.raw_base64 else "has no value"
        raise Refused(
            f"the record {why}, so there is nothing to edit: write the right event into a file, then"
            f" `kompeten dead-letters replay {letter.id} --event FILE --reason TEXT`"
        )
    event = letter.event
    names = {name.lower(): value for name, value in letter.headers.items() if value is not None}
    if "ce_specversion" not in names or (isinstance(event, dict) and "specversion" in event):
        return as_text(_unpacked(event)) if event is not None else letter.text or ""
    # Binary: the record's value is the data alone, the attributes are headers.
    attributes = {name.removeprefix("ce_"): value for name, value in names.items() if name.startswith("ce_")}
    if event is not None:
        return as_text({**attributes, "data": event})
    # Its data stays as it came, to be mended in its place: as a text within JSON nobody could read it.
    return as_text(attributes).removesuffix("\n}\n") + f',\n  "data": {letter.text}\n}}\n'


def _unpacked(event: Any) -> Any:
    """With its data in JSON, where that is in base64; both say the same."""
    if not isinstance(event, dict) or "data" in event or "data_base64" not in event:
        return event
    try:
        data = from_json(base64.b64decode(event["data_base64"], validate=True), allow_inf_nan=False)
    except (TypeError, ValueError):
        return event
    return {name: value for name, value in event.items() if name != "data_base64"} | {"data": data}


def checked(text: bytes, letter: WholeLetter) -> dict[str, Any]:
    """The event that is in `text`; raises Undecodable with one sentence for each fault."""
    type, document = peek(text, _STRUCTURED)
    if type not in _TYPES:
        raise Undecodable("type is none that Kompeten knows: see docs/reference/events.md")
    event = decode(text, _STRUCTURED, document, _TYPES[type])
    if letter.event_id and event.attributes.id != letter.event_id:
        raise Undecodable("id was changed: it must stay, since by it a copy is known and the sender asks")
    assert document is not None
    try:
        json.dumps(document, allow_nan=False)
    except ValueError:
        raise Undecodable("NaN and Infinity are no JSON: send a number, or leave the field out") from None
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


def as_text(event: object) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False) + "\n"
