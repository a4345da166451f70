"""What is wrong with a field, in words for whoever sent it.

Pydantic's own are for whoever wrote the model ("String should have at least 1 character"), and some repeat the value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic_core import core_schema

from shared.contracts.payload import NO_CONTROLS

# A key of a mapping is input; what does not look like one of our field names is not repeated.
FIELD_NAME: Final = re.compile(r"(?!.*\d{4})[A-Za-z][A-Za-z0-9_-]{0,39}")

_DATE = "is no date that exists: send it as YYYY-MM-DD"
_MOMENT = "must be a moment YYYY-MM-DDThh:mm:ss with Z or an offset such as +07:00, as text"
_NO_MOMENT = "is no moment that exists: send it as YYYY-MM-DDThh:mm:ss with Z or an offset such as +07:00"
_OFFSET = "must have its offset: Z, or such as +07:00"
_NUMBER = "must be a number, with a point and without blanks: 88.5"
_WHOLE = "must be a whole number, such as 3"
_TRUTH = "must be true or false, without quotation marks"
_OBJECT = "must be an object, as its schema shows it"
_LIST = "must be a list, as its schema shows it"
_CONTROL = "has a control character (a tab, a line end, NUL...): take it out"

# In braces: bounds of our own models, never anything that was sent.
_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing: send it",
    "none_required": "must be null, or be left out",
    "extra_forbidden": "is no field that is known here: leave it out",
    "json_invalid": "is not JSON: send one JSON object, as its schema shows it",
    "json_type": "must be JSON, as text",
    "string_type": "must be text: send it in quotation marks",
    "string_unicode": "is not UTF-8: send the text as UTF-8",
    "string_too_short": "must have at least {min_length} characters: send it whole",
    "string_too_long": "must have at most {max_length} characters: shorten it",
    "string_pattern_mismatch": "is not written as the pattern in its schema says: correct it",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "has more digits than any field takes: send the number that is meant",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": "must have at most {max_digits} digits: round it",
    "decimal_max_places": "must have at most {decimal_places} digits behind the point: round it",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point: correct it",
    "finite_number": "must be a number that ends, not NaN or infinity: correct it, or leave the field out",
    "greater_than": "must be more than {gt}: correct it",
    "greater_than_equal": "must be {ge} or more: correct it",
    "less_than": "must be less than {lt}: correct it",
    "less_than_equal": "must be {le} or less: correct it",
    "date_type": "must be a date YYYY-MM-DD, as text",
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_type": _MOMENT,
    "datetime_parsing": _NO_MOMENT,
    "datetime_object_invalid": _NO_MOMENT,
    "datetime_from_date_parsing": _NO_MOMENT,
    "timezone_aware": _OFFSET,
    "timezone_offset": _OFFSET,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "too_short": "must have at least {min_length} entries: send all",
    "too_long": "must have at most {max_length} entries: leave out the others, or send them apart",
}
# Of text validators: the validator of addresses repeats parts of them, and its texts are not ours to check.
_ADDRESS: Final = "value is not a valid email address"
_OF_PYDANTIC: Final = frozenset(get_args(core_schema.ErrorType))
_UNCLEAR: Final = "is not valid: see the schema of this field"


def sentence(error: Mapping[str, Any], *, own_words: bool = True) -> str:
    """What is wrong and what to do, from one of pydantic's errors, without anything that was sent.

    `own_words`: whether what a validator of the model itself said (ValueError) may be repeated.
    """
    kind, message, bounds = str(error["type"]), str(error["msg"]), error.get("ctx") or {}
    if kind == "string_too_short" and bounds.get("min_length") == 1:
        return "is empty: send its text, or leave the field out where its schema allows that"
    if kind == "string_pattern_mismatch" and bounds.get("pattern") == NO_CONTROLS:
        return _CONTROL
    if kind in ("enum", "literal_error") and error.get("input") == "":
        return f"is empty: send {bounds['expected']}, or leave the field out where its schema allows that"
    if kind in _SENTENCES and error.get("input", "") is None:
        return "is null: send what it is, or leave the field out where its schema allows that"
    if (known := _SENTENCES.get(kind)) is not None:
        return known.format_map(bounds)
    if kind == "value_error" and message.startswith(_ADDRESS):
        return "is not a valid e-mail address: send one such as nama@dinas.example, or leave the field out"
    if kind == "value_error" and own_words:
        return message.removeprefix("Value error, ")
    # Any other kind than pydantic's was made by us with PydanticCustomError, whose text is written for callers.
    return _UNCLEAR if kind in _OF_PYDANTIC else message[:1].lower() + message[1:]


def nul_at(node: object, path: str = "") -> Iterator[str]:
    """The fields whose text or name has the character U+0000."""
    if isinstance(node, str) and "\0" in node:
        yield path.lstrip(".") or "event"
    elif isinstance(node, dict):
        for name, value in node.items():
            shown = name if FIELD_NAME.fullmatch(name) else "*"
            if "\0" in name:
                yield f"{path}.*".lstrip(".")
            yield from nul_at(value, f"{path}.{shown}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from nul_at(value, f"{path}.{number}")
