"""The JSON Schema of an event's data, as the reference publishes it and as `compatibility` compares it."""

import json
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.payload import Payload
from shared.contracts.topics import AGENCY
from tools.contracts.compatibility import Direction
from tools.contracts.examples import EXAMPLES
from tools.contracts.field_descriptions import FIELD_DESCRIPTIONS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """What a sender may send and a reader must expect, with an example; refuses a field without meaning."""
    schema = payload.model_json_schema(schema_generator=_Generator)
    _explain(schema, payload.__name__)
    for name, definition in schema.get("$defs", {}).items():
        if "properties" in definition:
            _explain(definition, name)
    if (description := schema.pop("description", None)) is None:
        raise NoMeaning(payload.__name__)
    return {
        "$schema": DIALECT,
        "$id": f"{payload.TYPE}.json",
        "title": payload.__name__,
        "description": description,
        **schema,
        "examples": [example_of(payload)],
    }


def example_of(payload: type[Payload]) -> dict[str, Any]:
    """As it goes over the wire; senders may leave out what they don't know, so agencies' examples do."""
    if (found := EXAMPLES.get(payload)) is None:
        raise NoExample(payload.__name__)
    text = found.model_dump_json(exclude_none=EVENT_TYPES[payload] == AGENCY)
    example: dict[str, Any] = json.loads(text)
    return example


class NoExample(LookupError):
    def __init__(self, payload: str) -> None:
        super().__init__(f"{payload} has no example: add one to tools/contracts/examples.py")


def directions(payload: type[Payload]) -> tuple[Direction, ...]:
    """What agencies send is read by us alone. What we send ourselves is also read back from the log, which
    keeps it for weeks, and by the version before during a deployment."""
    return ("incoming",) if EVENT_TYPES[payload] == AGENCY else ("incoming", "outgoing")


class NoMeaning(LookupError):
    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place} has no meaning: add a docstring, or for a field a row to field_descriptions.py"
        )


def _explain(schema: dict[str, Any], owner: str) -> None:
    for name, field in schema["properties"].items():
        if "description" not in field or field["description"] == _OF_NUMBERS:
            if name not in FIELD_DESCRIPTIONS:
                raise NoMeaning(f"{owner}.{name}")
            field["description"] = FIELD_DESCRIPTIONS[name]


_OF_NUMBERS: Final = "NIP or NI PPPK, as text"


class _Generator(GenerateJsonSchema):
    """Without titles that repeat names; decimals as numbers only, as we write them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        number = super().decimal_schema(schema)
        alternatives = number.get("anyOf", [number])
        return next(alternative for alternative in alternatives if alternative.get("type") == "number")
