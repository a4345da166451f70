"""The issuer's public keys: fetched without blocking, kept, and fetched again only as often as is polite."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import httpx
import jwt

# By key type, so that a token cannot choose an algorithm its key was not made for. No HS*, no none.
_ALGORITHMS: Final[dict[tuple[str, str | None], tuple[str, ...]]] = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
ALGORITHMS: Final = tuple(name for names in _ALGORITHMS.values() for name in names)
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MIN_RSA_BITS: Final = 2048
_MAX_DOCUMENT_BYTES: Final = 512 * 1024
MAX_TRIED: Final = 8
"""Keys that a token without key id is tried with: each costs some 50 us."""

_logger = logging.getLogger("kompeten.http.jwks")


class KeysUnavailable(Exception):
    """The issuer could not be asked, so nothing can be said about a token."""


class KeySet:
    """Public keys by key id.

    A known key is used for `max_age_s` without asking, and for `stale_s` while the issuer cannot be
    reached. An unknown key id, and a signature that no known key made, make one fetch, but never two within
    `min_interval_s`, whoever asks.
    """

    def __init__(
        self,
        *,
        issuer: str,
        jwks_url: str | None,
        min_interval_s: float = 10,
        max_age_s: float = 600,
        stale_s: float = 3600,
        timeout_s: float = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._jwks_url = issuer, jwks_url
        self._min_interval_s, self._max_age_s, self._stale_s = min_interval_s, max_age_s, stale_s
        self._timeout_s, self._clock = timeout_s, clock
        self._keys: dict[tuple[str | None, str], list[jwt.PyJWK]] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._failed = False
        self._trouble = ""
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None

    async def keys(self, key_id: object, algorithm: str) -> list[jwt.PyJWK]:
        """Those that may have signed; none when the issuer has no such key. Raises KeysUnavailable.

        A token without key id may be signed by any, and a key without id may have signed any token.
        """
        found = self._find(key_id, algorithm)
        if not found or self._age() > self._max_age_s:
            await self._refresh(lambda: not self._find(key_id, algorithm), missing=not found)
            found = self._find(key_id, algorithm)
        if self._age() > self._stale_s or (not found and self._failed):
            raise KeysUnavailable
        return found

    async def renewed(self, key_id: object, algorithm: str, tried: Sequence[jwt.PyJWK]) -> list[jwt.PyJWK]:
        """Others than `tried`, none of which made the signature, if the issuer has any by now: asked for at
        once, where that is polite. Raises KeysUnavailable when the issuer could not be asked."""
        await self._refresh(lambda: self._find(key_id, algorithm) == list(tried), missing=True)
        found = self._find(key_id, algorithm)
        if self._failed:
            raise KeysUnavailable
        return [key for key in found if key not in tried]

    async def trouble(self) -> str:
        """Asks the issuer; a few words about what is wrong with its answer, without addresses. Empty: nothing."""
        await self._refresh(lambda: True, missing=True)
        if self._trouble:
            return self._trouble
        return "" if self._keys else "it has no key that is usable here"

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _find(self, key_id: object, algorithm: str) -> list[jwt.PyJWK]:
        if isinstance(key_id, str):
            found = [*self._keys.get((key_id, algorithm), ()), *self._keys.get((None, algorithm), ())]
        elif key_id is None:
            found = [key for (_, name), keys in self._keys.items() if name == algorithm for key in keys]
        else:
            found = []
        return found[:MAX_TRIED]

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    async def _refresh(self, still_wanted: Callable[[], bool], *, missing: bool) -> None:
        if not missing and self._lock.locked():
            return  # Somebody is fetching, and the key at hand is good meanwhile.
        async with self._lock:
            if missing and not still_wanted() and not self._failed:
                return
            if self._asked_at is not None and self._clock() - self._asked_at < self._min_interval_s:
                return
            self._asked_at = self._clock()
            try:
                async with asyncio.timeout(2 * self._timeout_s):
                    documents = await self._fetch()
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
                self._failed, self._trouble = True, _words(error)
                _logger.warning("keys of the issuer not fetched: %s: %s", type(error).__name__, self._trouble)
                return
            self._keys = _by_id(documents)
            self._fetched_at, self._failed, self._trouble = self._clock(), False, ""

    async def _fetch(self) -> list[dict[str, Any]]:
        url = self._jwks_url or await self._discover()
        keys = (await self._get(url)).get("keys")
        if not isinstance(keys, list):
            raise ValueError("no list of keys")
        return [key for key in keys if isinstance(key, dict)]

    async def _discover(self) -> str:
        document = await self._get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer:
            raise ValueError("the discovery document is another issuer's")
        if not isinstance(url, str) or (self._issuer.startswith("https:") and not url.startswith("https:")):
            raise ValueError("jwks_uri is missing or less protected than the issuer")
        return url

    async def _get(self, url: str) -> dict[str, Any]:
        if self._client is None:
            # No redirects: keys come from the configured address or not at all.
            self._client = httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False, trust_env=True)
        body = b""
        async with self._client.stream("GET", url, headers={"Accept": "application/json"}) as response:
            response.raise_for_status()
            if response.status_code != 200:
                raise ValueError("not a document")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_DOCUMENT_BYTES:
                    raise ValueError("document too large")
        try:
            document = httpx.Response(200, content=body).json()
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return document


def _words(error: Exception) -> str:
    match error:
        case httpx.HTTPStatusError():
            return f"it answers {error.response.status_code}"
        case TimeoutError() | httpx.TimeoutException():
            return "no answer in time"
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return "what is set is no address"
        case httpx.HTTPError():
            return "no connection"
        case json.JSONDecodeError() | UnicodeDecodeError():
            return "it answers no JSON"
    return str(error)


def _by_id(documents: Iterable[dict[str, Any]]) -> dict[tuple[str | None, str], list[jwt.PyJWK]]:
    found: dict[tuple[str | None, str], list[jwt.PyJWK]] = {}
    for document in documents:
        for key in usable_keys(document):
            found.setdefault((document.get("kid"), key.algorithm_name), []).append(key)
    return found


def usable_keys(document: dict[str, Any]) -> list[jwt.PyJWK]:
    """One key per allowed algorithm; none for symmetric, encryption, private, weak or broken keys.

    Whatever is wrong with one, it costs no other: issuers publish keys of kinds that are not known here.
    """
    # A member that is null says as little as one that is absent (serializers write them out).
    members = {name: value for name, value in document.items() if value is not None}
    if members.get("use", "sig") != "sig" or _PRIVATE_MEMBERS & members.keys():
        return []
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return []
    if not isinstance(members.get("kid"), str | None):
        return []
    kind, curve = members.get("kty"), members.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return []
    names = _ALGORITHMS.get((kind, None if kind == "RSA" else curve), ())
    keys = []
    for name in names:
        if members.get("alg", name) != name:
            continue
        try:
            key = jwt.PyJWK(members, algorithm=name)
        except Exception as error:  # noqa: BLE001 - another's document: no list of what it may raise is whole
            _logger.warning("a key of the issuer is not readable and is left out: %s", type(error).__name__)
            return []
        if kind == "RSA" and key.key.key_size < _MIN_RSA_BITS:
            return []
        keys.append(key)
    return keys
