"""Each kind of change to an event, and whom it breaks."""

from typing import Any

import pytest

from tools.contracts.compatibility import Direction, breaks

Schema = dict[str, Any]


def of(field: Schema, *, required: bool = True) -> Schema:
    return {"type": "object", "properties": {"f": field}, "required": ["f"] if required else []}


TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NONE: Schema = {"type": "null"}
NOTHING: Schema = {"type": "object", "properties": {}}
AB: Schema = {"type": "string", "enum": ["a", "b"]}
ABC: Schema = {"type": "string", "enum": ["a", "b", "c"]}
BOTH: tuple[Direction, ...] = ("incoming", "outgoing")
IN: tuple[Direction, ...] = ("incoming",)
OUT: tuple[Direction, ...] = ("outgoing",)
NOBODY: tuple[Direction, ...] = ()

CHANGES: list[tuple[str, Schema, Schema, tuple[Direction, ...]]] = [
    ("nothing", of(TEXT), of(TEXT), NOBODY),
    ("description", of(TEXT), of({**TEXT, "description": "x", "title": "X", "examples": ["y"]}), NOBODY),
    ("field removed", of(TEXT), NOTHING, BOTH),
    ("optional field removed", of(TEXT, required=False), NOTHING, BOTH),
    ("field renamed", of(TEXT), {"type": "object", "properties": {"g": TEXT}, "required": ["g"]}, BOTH),
    ("optional field added", NOTHING, of(TEXT, required=False), NOBODY),
    ("required field added", NOTHING, of(TEXT), IN),
    ("made required", of(TEXT, required=False), of(TEXT), IN),
    ("made optional", of(TEXT), of(TEXT, required=False), OUT),
    ("null added", of(TEXT), of({"anyOf": [TEXT, NONE]}), OUT),
    ("null taken away", of({"anyOf": [TEXT, NONE]}), of(TEXT), IN),
    ("null as a list of types", of({"anyOf": [TEXT, NONE]}), of({"type": ["string", "null"]}), NOBODY),
    ("other type", of(TEXT), of(WHOLE), BOTH),
    ("whole number to number", of(WHOLE), of({"type": "number"}), OUT),
    ("number to whole number", of({"type": "number"}), of(WHOLE), IN),
    ("any to text", of({}), of(TEXT), IN),
    ("text to any", of(TEXT), of({}), OUT),
    ("value removed", of(ABC), of(AB), IN),
    ("value added", of(AB), of(ABC), OUT),
    ("list of values to text", of(AB), of(TEXT), OUT),
    ("text to list of values", of(TEXT), of(AB), IN),
    ("single value to list", of({"const": "a", "type": "string"}), of(AB), OUT),
    ("order of values", of(AB), of({"type": "string", "enum": ["b", "a"]}), NOBODY),
    ("pattern added", of(TEXT), of({**TEXT, "pattern": "^x$"}), IN),
    ("pattern removed", of({**TEXT, "pattern": "^x$"}), of(TEXT), OUT),
    ("pattern changed", of({**TEXT, "pattern": "^x$"}), of({**TEXT, "pattern": "^y$"}), BOTH),
    ("format added", of(TEXT), of({**TEXT, "format": "date"}), IN),
    ("format changed", of({**TEXT, "format": "date"}), of({**TEXT, "format": "date-time"}), BOTH),
    ("shorter", of({**TEXT, "maxLength": 9}), of({**TEXT, "maxLength": 8}), IN),
    ("longer", of({**TEXT, "maxLength": 8}), of({**TEXT, "maxLength": 9}), OUT),
    ("longer at least", of({**TEXT, "minLength": 1}), of({**TEXT, "minLength": 2}), IN),
    ("length unlimited", of({**TEXT, "maxLength": 8}), of(TEXT), OUT),
    ("lower maximum", of({**WHOLE, "maximum": 9}), of({**WHOLE, "maximum": 8}), IN),
    ("higher maximum", of({**WHOLE, "maximum": 8}), of({**WHOLE, "maximum": 9}), OUT),
    ("higher minimum", of({**WHOLE, "minimum": 0}), of({**WHOLE, "minimum": 1}), IN),
    ("new minimum of 0", of(WHOLE), of({**WHOLE, "minimum": 0}), IN),
    ("coarser steps", of({**WHOLE, "multipleOf": 2}), of({**WHOLE, "multipleOf": 4}), IN),
    ("finer steps", of({**WHOLE, "multipleOf": 4}), of({**WHOLE, "multipleOf": 2}), OUT),
    ("items", of({"type": "array", "items": TEXT}), of({"type": "array", "items": WHOLE}), BOTH),
    ("fewer items", of({"type": "array", "maxItems": 3}), of({"type": "array", "maxItems": 2}), IN),
    ("items described", of({"type": "array"}), of({"type": "array", "items": TEXT}), IN),
    ("in an item", of({"type": "array", "items": of(TEXT)}), of({"type": "array", "items": NOTHING}), BOTH),
    ("deep inside", of(of(AB)), of(of(ABC)), OUT),
    ("deep removal behind null", of({"anyOf": [of(TEXT), NONE]}), of({"anyOf": [NOTHING, NONE]}), BOTH),
    ("other fields refused", of(TEXT), {**of(TEXT), "additionalProperties": False}, NOBODY),
    ("other default", of({**TEXT, "default": "a"}), of({**TEXT, "default": "b"}), IN),
    ("default with a field more", of({"default": {}}), of({"default": {"a": 1}}), NOBODY),
    ("null as default", of({**TEXT, "default": None}), of({**TEXT, "default": None}), NOBODY),
    ("unknown keyword", of(TEXT), of({**TEXT, "contentEncoding": "base64"}), BOTH),
    ("moved to a definition", of(AB), {**of({"$ref": "#/$defs/Ab"}), "$defs": {"Ab": AB}}, NOBODY),
    ("definition changed", {**of({"$ref": "#/$defs/X"}), "$defs": {"X": AB}},
     {**of({"$ref": "#/$defs/X"}), "$defs": {"X": ABC}}, OUT),
]  # fmt: skip


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize(
    ("old", "new", "broken"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_each_change_breaks_exactly_those_it_concerns(
    old: Schema, new: Schema, broken: tuple[Direction, ...], direction: Direction
) -> None:
    found = breaks(old, new, direction)
    assert bool(found) == (direction in broken), found
    assert all(sentence.startswith("data") for sentence in found)


def test_a_break_is_told_once_and_names_the_field() -> None:
    assert breaks(of(of(TEXT)), of(NOTHING), "incoming") == ["data.f.f is gone: it was removed or renamed"]
    assert breaks(of(AB), of(ABC), "outgoing") == ["data.f may now be 'c', which old readers do not know"]
    assert breaks(of(AB), of(AB), "outgoing") == []
