"""Whether a caller wants data or a page (RFC 9110, section 12.5.1)."""

import re
from typing import Final

_QUALITY: Final = re.compile(r"[01](\.\d{0,3})?")


def prefers_json(accept: str) -> bool:
    """True for `application/json` and axios' `application/json, */*`; False for browsers, `*/*` and none."""
    ranges = _ranges(accept)
    return _rank(ranges, ("application/json", "application/problem+json")) > _rank(ranges, ("text/html",))


def _rank(ranges: dict[str, float], types: tuple[str, ...]) -> tuple[float, int]:
    """The quality of the best of the types, then how exactly it was named."""
    best = (0.0, 0)
    for media_type in types:
        for exactness, name in ((2, media_type), (1, media_type.split("/")[0] + "/*"), (0, "*/*")):
            if name in ranges:
                quality = ranges[name]
                best = max(best, (quality, exactness if quality else 0))
                break
    return best


def _ranges(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((parameter[2:].strip() for parameter in parameters if parameter.startswith("q=")), "1")
        if name:
            found[name] = min(1.0, float(quality)) if _QUALITY.fullmatch(quality) else 0.0
    return found
