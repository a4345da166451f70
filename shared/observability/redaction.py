"""The last line of defence: no employee number, address or token leaves the process in a log or a trace.

Nothing should put personal data there in the first place; this is for the exception text of a library,
a driver's debug line, a header that somebody printed.
"""

import re
from collections.abc import Mapping
from typing import Final

MASK: Final = "******"

_WORD: Final = r"[^\s\"'<>()\[\],;:=/]"
# Of a longer text the ends are shown: no rule may take longer than a line of a log is worth.
_HALF_CHARS: Final = 6_000
_DIGITS: Final = "0123456789"
_PARTS_OF_A_NUMBER: Final = 4
"""As many words at a cut may be what is left of a number, and are cut too."""

# The order matters: a user part is cut from a URL before what follows it can pass for an address.
_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # Pydantic's error text, which quotes the value: a name would pass all rules below.
    (re.compile(r"input_value=.*?, input_type=", re.DOTALL), "input_value=[hidden], input_type="),
    (re.compile(r"://[^/\s@\"']+@"), "://[credentials]@"),
    # An employee number that went through a float.
    (re.compile(r"\b\d\.\d+e\+1[5-9]\b", re.IGNORECASE), MASK),
    (re.compile(r"\b(bearer|basic|dpop)\s+[^\s\"',;]+", re.IGNORECASE), r"\1 [token]"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]*(?:\.[\w-]*)*"), "[token]"),
    # Wider than a valid address, as it is the malformed ones that end up in error messages. Begun at the
    # beginning of a word only: a type of a megabyte in a record took hours to log.
    (re.compile(rf"(?<!{_WORD}){_WORD}+(?:@|%40)+{_WORD}+"), "[address]"),
)
# As printed on decrees: 19850312 201001 1 001.
_SPACED_NUMBER: Final = re.compile(r"(?<!\d)\d{8}[ .-]\d{6}[ .-]?\d[ .-]?\d{3}(?!\d)")
# 16 digits are the national identity number; 17 and 19 are mistyped employee numbers.
_LONG_NUMBER: Final = re.compile(r"\d{16,}")
_FLOAT_LIMIT: Final = 1e15
_DEPTH_LIMIT: Final = 8


def redact(text: str) -> str:
    """18 digits become `1985******1001`; other runs of 16 or more digits, addresses and tokens go whole."""
    if len(text) > 2 * _HALF_CHARS:
        head, *_ = text[:_HALF_CHARS].rsplit(maxsplit=_PARTS_OF_A_NUMBER) or [""]
        *_, tail = text[-_HALF_CHARS:].split(maxsplit=_PARTS_OF_A_NUMBER) or [""]
        text = f"{head.rstrip(_DIGITS)} [{len(text)} characters in all] {tail.lstrip(_DIGITS)}"
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = _SPACED_NUMBER.sub(lambda match: mask_number(re.sub(r"\D", "", match.group())), text)
    return _LONG_NUMBER.sub(lambda match: mask_number(match.group()), text)


def mask_number(digits: str) -> str:
    """`1985******1001` for 18 digits; anything else is hidden whole, since a typing error still points
    to a person."""
    return f"{digits[:4]}{MASK}{digits[-4:]}" if len(digits) == 18 else MASK


def hinted(email: str) -> str:
    """`r***@example.org`: enough for whoever has the address, and nothing to write to."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"


def redact_value(value: object, depth: int = 0) -> object:
    """The same for a field of a log record: a JSON value in which every text and number went through
    `redact`. Objects are shown by their `str`, so that no encoder takes them apart field by field."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        masked = redact(str(value))
        return value if masked == str(value) else masked
    if isinstance(value, float):
        return MASK if abs(value) >= _FLOAT_LIMIT else value
    if isinstance(value, bytes | bytearray):
        return redact(bytes(value).decode("utf-8", "replace"))
    if depth < _DEPTH_LIMIT:
        if isinstance(value, Mapping):
            return {redact(str(key)): redact_value(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [redact_value(item, depth + 1) for item in value]
    return redact(str(value))
