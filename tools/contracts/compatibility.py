"""Does a change of a JSON Schema break those who still send or read the old form?

incoming: whatever the old schema allowed must still be accepted.
outgoing: whatever the new schema allows must be no surprise to a reader of the old one.
Both: a field that goes away takes what it said with it, whoever tolerates its absence.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

Direction = Literal["incoming", "outgoing"]
Schema = Mapping[str, Any]


def breaks(old_schema: Schema, new_schema: Schema, direction: Direction) -> list[str]:
    """One sentence per break, with the path of the field; empty when the change is harmless."""
    old, new = _Document(old_schema, old_schema), _Document(new_schema, new_schema)
    given, taken = (old, new) if direction == "incoming" else (new, old)
    faults = [
        *_gone(old, new, "data"),
        *_refused(given, taken, "data", _INCOMING if direction == "incoming" else _OUTGOING),
    ]
    return list(dict.fromkeys(faults))


class _Document(NamedTuple):
    """A schema, with the document in which its references are looked up."""

    schema: Schema
    root: Schema

    def at(self, schema: Schema) -> "_Document":
        """References resolved; what stands beside a reference is annotation in our schemas."""
        while "$ref" in schema:
            target: Any = self.root
            for name in schema["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        return _Document(schema, self.root)

    def variants(self) -> "list[_Document]":
        """The alternatives of anyOf or oneOf, one for each type."""
        here = self.at(self.schema)
        inner = here.schema.get("anyOf", here.schema.get("oneOf"))
        if inner is not None:
            return [variant for part in inner for variant in here._replace(schema=part).variants()]
        types = here.schema.get("type", "any")
        names = types if isinstance(types, list) else [types]
        return [here._replace(schema={**here.schema, "type": name}) for name in names]

    def properties(self) -> "dict[str, _Document]":
        return {name: self._replace(schema=one) for name, one in self.schema.get("properties", {}).items()}


class _Words(NamedTuple):
    """How the same difference reads from either side."""

    type: str
    value: str
    required: str
    default_counts: bool


_INCOMING: Final = _Words(
    type="no longer accepts {}",
    value="no longer accepts the value {}",
    required="is required now, and old senders leave it out",
    default_counts=True,
)
_OUTGOING: Final = _Words(
    type="may now be {}, which old readers do not expect",
    value="may now be {}, which old readers do not know",
    required="may be left out now, and old readers require it",
    default_counts=False,
)


def _gone(old: _Document, new: _Document, path: str) -> Iterator[str]:
    """Fields of the old form that the new one does not have: removed, or renamed."""
    counterparts = {variant.schema["type"]: variant for variant in new.variants()}
    for variant in old.variants():
        match = counterparts.get(variant.schema["type"])
        if match is None:
            continue
        fields = match.properties()
        for name, field in variant.properties().items():
            if name not in fields:
                yield f"{path}.{name} is gone: it was removed or renamed"
            else:
                yield from _gone(field, fields[name], f"{path}.{name}")
        if "items" in variant.schema and "items" in match.schema:
            yield from _gone(
                variant._replace(schema=variant.schema["items"]),
                match._replace(schema=match.schema["items"]),
                f"{path}[]",
            )


def _refused(given: _Document, taken: _Document, path: str, words: _Words) -> Iterator[str]:
    """Why something that `given` allows is not allowed by `taken`."""
    for variant in given.variants():
        matches = [
            candidate
            for candidate in taken.variants()
            if _covers(candidate.schema["type"], variant.schema["type"])
        ]
        if not matches:
            yield f"{path} {words.type.format(_article(variant.schema['type']))}"
            continue
        attempts = [list(_differences(variant, match, path, words)) for match in matches]
        if all(attempts):
            yield from attempts[0]
    defaults = [document.at(document.schema).schema for document in (given, taken)]
    if (
        words.default_counts
        and all("default" in default for default in defaults)
        and _default_differs(*defaults)
    ):
        yield f"{path} has another default now, so events without it change their meaning"


def _default_differs(one: Schema, other: Schema) -> bool:
    defaults = one["default"], other["default"]
    if all(isinstance(default, dict) for default in defaults):  # a field more is no other default
        return any(defaults[0][name] != defaults[1][name] for name in defaults[0].keys() & defaults[1].keys())
    return bool(defaults[0] != defaults[1])


def _differences(given: _Document, taken: _Document, path: str, words: _Words) -> Iterator[str]:
    yield from _values(given.schema, taken.schema, path, words)
    for keyword in given.schema.keys() | taken.schema.keys():
        if keyword not in _JUDGED and given.schema.get(keyword) != taken.schema.get(keyword):
            yield f"{path} differs in {keyword}, which cannot be judged here: treat it as a break"
    for keyword, tighter in _LIMITS.items():
        limit, other = taken.schema.get(keyword), given.schema.get(keyword)
        if limit is not None and (other is None or tighter(limit, other)):
            yield f"{path} differs in {keyword} ({_shown(other)} against {_shown(limit)}): {_why(words)}"
    if "items" in taken.schema and "items" in given.schema:
        inner = [document._replace(schema=document.schema["items"]) for document in (given, taken)]
        yield from _refused(inner[0], inner[1], f"{path}[]", words)
    elif "items" in taken.schema:
        yield f"{path} differs in what its items may be: {_why(words)}"
    fields, takers = given.properties(), taken.properties()
    for name, field in fields.items():
        if name in takers:
            yield from _refused(field, takers[name], f"{path}.{name}", words)
        elif taken.schema.get("additionalProperties") is False:
            yield f"{path}.{name} is refused, since no other fields are allowed"
    for name in taken.schema.get("required", ()):
        if name not in given.schema.get("required", ()) and (name in fields or words is _INCOMING):
            yield f"{path}.{name} {words.required}"


def _values(given: Schema, taken: Schema, path: str, words: _Words) -> Iterator[str]:
    allowed, possible = _enumeration(taken), _enumeration(given)
    if allowed is None:
        return
    if possible is None:
        yield f"{path} is limited to a list of values on one side only: {_why(words)}"
        return
    for value in possible:
        if value not in allowed:
            yield f"{path} {words.value.format(_shown(value))}"


def _enumeration(schema: Schema) -> Sequence[Any] | None:
    values: Sequence[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return values


def _covers(taken: str, given: str) -> bool:
    return taken in (given, "any") or (taken == "number" and given == "integer")


def _article(type: str) -> str:
    return type if type in ("null", "any") else f"{'an' if type[0] in 'aeiou' else 'a'} {type}"


def _shown(value: object) -> str:
    return "none" if value is None else repr(value)


def _why(words: _Words) -> str:
    return "some old events are refused" if words is _INCOMING else "some new events surprise old readers"


_LIMITS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "minLength": lambda limit, other: limit > other,
    "maxLength": lambda limit, other: limit < other,
    "minimum": lambda limit, other: limit > other,
    "maximum": lambda limit, other: limit < other,
    "exclusiveMinimum": lambda limit, other: limit > other,
    "exclusiveMaximum": lambda limit, other: limit < other,
    "minItems": lambda limit, other: limit > other,
    "maxItems": lambda limit, other: limit < other,
    "uniqueItems": lambda limit, other: bool(limit) and not other,
    # Whether one pattern contains another is not decided here, so any other one counts.
    "pattern": lambda limit, other: limit != other,
    "format": lambda limit, other: limit != other,
    "multipleOf": lambda limit, other: bool(other % limit),
}
_ANNOTATIONS: Final = {
    "$schema", "$id", "$defs", "$comment", "title", "description", "examples", "default", "deprecated",
    "readOnly", "writeOnly",
}  # fmt: skip
_JUDGED: Final = {
    *_LIMITS, *_ANNOTATIONS, "type", "enum", "const", "items", "properties", "required",
    "additionalProperties",
}  # fmt: skip
