"""One sentence for a setting that is not accepted: its name as one writes it, what is wrong, what to write instead."""

import difflib
import re
import typing
from typing import Any, Final, Literal

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from shared.observability.redaction import redact
from shared.settings.sources import SECRETS_DIR, variable

ANY_TEXT: Final = "text on one line"
_SERVICE: Final = re.compile(r"\bSERVICE\b")
"""In an example: the service's own name."""
_SHOWN_CHARS: Final = 20
_OWN: Final = "setting"
"""Type of an error whose text is a sentence already (shared/settings/types.py)."""


def sentence(cls: type[BaseModel], error: Any) -> str:
    """Of one of pydantic's errors. Never has the value of a secret, or of what may have one in it."""
    # An example for all services has the name of whoever is told.
    return _SERVICE.sub(str(getattr(cls, "service", "SERVICE")), _sentence(cls, error))


def _sentence(cls: type[BaseModel], error: Any) -> str:
    location = [str(part) for part in error["loc"]]
    field = cls.model_fields.get(location[0]) if location else None
    if field is None:
        return f"The settings are not valid: {error['type']}."
    name, purpose = variable(location[0]), (field.description or "").split(";")[0]
    if error["type"] == "missing":
        return f"{name} is missing: set it{_example(location[0], field)} ({purpose})."
    if error["type"] == _OWN:
        said = str(error["msg"])
        return f"{name} {said}" + ("" if said.endswith("?") else f"{_example(location[0], field)}.")
    given = error["input"]
    return (
        f"{name}{_shown(field, given)} is not accepted: write {form(field)}{_example(location[0], field)}"
        f"{_meant(field, given)} ({purpose})."
    )


def form(field: FieldInfo) -> str:
    """How a value is written, in words."""
    kinds = _kinds(field.annotation)
    if choices := _choices(field):
        return f"one of {', '.join(choices)}"
    if bool in kinds:
        return "true or false"
    if int in kinds or float in kinds:
        return ("a whole number" if int in kinds else "a number") + _range(field)
    return ANY_TEXT


def example(field_name: str, field: FieldInfo) -> str:
    """NAME=value, of what may be written; empty where a field has neither example nor default."""
    if field.examples:
        return f"{variable(field_name)}={field.examples[0]}"
    if is_secret(field):
        return f"{variable(field_name)}_FILE={SECRETS_DIR}/{variable(field_name).lower()}"
    if field.is_required() or field.default in (None, "", (), {}):
        return ""
    default = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default}"
    return f"{variable(field_name)}={default.removesuffix('.0')}"


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in _kinds(field.annotation)


def _kinds(annotation: Any) -> set[Any]:
    """The types that it is made of, without None."""
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal or not parts:
        return {annotation} - {type(None)}
    return set().union(*(_kinds(part) for part in parts if isinstance(part, type) or typing.get_origin(part)))


def _choices(field: FieldInfo) -> tuple[str, ...]:
    for kind in _kinds(field.annotation):
        if typing.get_origin(kind) is Literal:
            return tuple(str(choice) for choice in typing.get_args(kind))
    return ()


def _range(field: FieldInfo) -> str:
    limits = field.metadata
    above = [f"more than {limit.gt}" for limit in limits if isinstance(limit, annotated_types.Gt)]
    least = [str(limit.ge) for limit in limits if isinstance(limit, annotated_types.Ge)]
    most = [str(limit.le) for limit in limits if isinstance(limit, annotated_types.Le)]
    if least and most:
        return f" from {least[0]} to {most[0]}"
    said = [*above, *(f"at least {bound}" for bound in least), *(f"at most {bound}" for bound in most)]
    return f", {' and '.join(said)}" if said else ""


def _example(field_name: str, field: FieldInfo) -> str:
    shown = example(field_name, field)
    return f", for example {shown}" if shown else ""


def _meant(field: FieldInfo, given: object) -> str:
    choices = {choice.lower(): choice for choice in _choices(field)}
    near = difflib.get_close_matches(str(given).lower(), choices, n=1) if isinstance(given, str) else []
    return f"; did you mean {choices[near[0]]}?" if near else ""


def _shown(field: FieldInfo, value: object) -> str:
    # Only plain values, as an address may have a password in it and a secret is one.
    plain = bool(_kinds(field.annotation) & {int, float, bool}) or bool(_choices(field))
    shown = isinstance(value, str) and plain and len(value) <= _SHOWN_CHARS
    return f"={redact(str(value))!r}" if shown else ""
