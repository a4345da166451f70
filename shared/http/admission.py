"""What a request must pass before its route sees anything of it: the declared callers, then size, coding and time
of its body, then a place among the requests that are handled at once.

The order is the point: a stranger costs a look at the headers, whatever comes behind them.
"""

import asyncio
import sys
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.access import ALL_AGENCIES, Principal, Role
from shared.http.problems import Problem
from shared.http.routes import Address
from shared.http.shares import Share, Shares

MAX_PUBLIC_BODY_BYTES: Final = 8 * 1024
"""What anybody may send: a form with a code, 500 characters of nine bytes at most when percent-encoded."""
MAX_PERSONAL_BODY_BYTES: Final = 64 * 1024
"""What a person may send: a form. Only agencies' events and what operators mend are larger."""
MAX_BODIES_BYTES: Final = 32 * 1024 * 1024
MAX_BODIES_BYTES_EACH: Final = 8 * 1024 * 1024
"""Eight of the largest at once: as many as an agency sends side by side without being in anybody's way."""
MAX_REQUESTS: Final = 256
MAX_REQUESTS_EACH: Final = 64
BODY_WITHIN_S: Final = 10.0
MIN_BYTES_PER_S: Final = 16 * 1024
"""Each so many bytes that have come prolong the time for a body by a second: 1 MiB has 74 s."""

_OF_A_BODY: Final = frozenset({Role.agency, Role.officer, Role.supervisor})
_WITH_LARGE_BODIES: Final = frozenset({Role.agency, Role.operator})
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Content codings that exist (RFC 9110, 8.4.1; RFC 7932; RFC 8878). Another word is input, and is not repeated.
_CODINGS: Final = frozenset({"gzip", "x-gzip", "compress", "x-compress", "deflate", "br", "zstd"})
# Python reads no number of more than 4,300.
_MAX_DIGITS: Final = 20
# Health must be told from outside, most of all when there is too much to do.
_PROBES: Final = "/health/"


class Disconnected(Exception):
    """The caller is gone, so there is nobody to answer."""


class Admission:
    """One for an application, as what it bounds is bounded for all of its requests together."""

    def __init__(
        self, max_body_bytes: int, *, body_within_s: float = BODY_WITHIN_S, max_requests: int = MAX_REQUESTS
    ) -> None:
        self._max_body_bytes, self._body_within_s = max_body_bytes, body_within_s
        self.bodies = Shares(MAX_BODIES_BYTES, MAX_BODIES_BYTES_EACH)
        self.requests = Shares(max_requests, min(MAX_REQUESTS_EACH, max_requests))

    async def pass_on(
        self, app: ASGIApp, address: Address | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Has the application answer, with the whole body in its hands. Raises Problem, or Disconnected."""
        caller = await _caller(address, scope)
        with self.bodies.share(caller) as held, self.requests.share(caller) as place:
            body = b""
            if address is not None and address.answers(scope["method"]) and scope["method"] in _WITH_BODY:
                limit = min(self._max_body_bytes, _limit(address))
                _check(Headers(scope=scope), limit)
                body = await self._read(receive, held, limit)
            if address is None or not address.template.startswith(_PROBES):
                place.take(1)
            await app(scope, _received(body, receive), send)

    async def _read(self, receive: Receive, held: Share, limit: int) -> bytes:
        body = bytearray()
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(began + self._body_within_s) as deadline:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    part = message.get("body", b"")
                    if len(body) + len(part) > limit:
                        raise _too_large(limit)
                    held.take(len(part))
                    body += part
                    if not message.get("more_body", False):
                        return bytes(body)
                    deadline.reschedule(began + self._body_within_s + len(body) / MIN_BYTES_PER_S)
        except TimeoutError:
            raise Problem("too-slow") from None


async def _caller(address: Address | None, scope: Scope) -> str:
    """Who it is, for shares: "" is anybody."""
    principal: Principal | None = None
    # Of an address without this method the application says so, whoever asks.
    if address is not None and address.answers(scope["method"]):
        for guard in address.guards:
            principal = await guard.check(scope)
    return "" if principal is None else share_of(principal)


def share_of(principal: Principal) -> str:
    """All systems of an agency are one caller, and all officers of a body: by subject, five of one body's held what
    there is for everybody."""
    group = principal.roles & _OF_A_BODY
    if group and principal.opd not in (None, ALL_AGENCIES):
        return "\x1f".join((principal.issuer, *sorted(group), str(principal.opd)))
    return f"{principal.issuer}\x1f\x1f{principal.subject}"


def _limit(address: Address) -> int:
    """Bytes of a body, by who may send it."""
    if not address.guards:
        return MAX_PUBLIC_BODY_BYTES
    large = any(guard.roles & _WITH_LARGE_BODIES for guard in address.guards)
    return sys.maxsize if large else MAX_PERSONAL_BODY_BYTES


def _check(headers: Headers, limit: int) -> None:
    codings = [coding.strip().lower() for coding in headers.get("content-encoding", "").split(",")]
    if packed := [coding for coding in codings if coding not in ("", "identity")]:
        named = " and ".join(coding for coding in packed if coding in _CODINGS) or "a coding"
        raise Problem(
            "unsupported-media-type",
            f"The body is packed by {named}, and none is unpacked here: send it plain, without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > _MAX_DIGITS or int(declared) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Problem:
    return Problem("too-large", f"At most {limit} bytes are read: split it into smaller requests.")


def _received(body: bytes, receive: Receive) -> Receive:
    """First the whole body, then whatever else comes: that the caller is gone."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
