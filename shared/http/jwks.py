"""The issuer's public keys: fetched without blocking, kept, and fetched again only as often as is polite."""

import asyncio
import logging
import time
from collections.abc import Callable
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

_logger = logging.getLogger("kompeten.http.jwks")


class KeysUnavailable(Exception):
    """The issuer could not be asked, so nothing can be said about a token."""


class KeySet:
    """Public keys by key id.

    A known key is used for `max_age_s` without asking, and for `stale_s` while the issuer cannot be
    reached. An unknown key id makes one fetch, but never two within `min_interval_s`, whoever asks.
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
        self._keys: dict[tuple[str | None, str], jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._failed = False
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None

    async def key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """None when the issuer has no such key for that algorithm; raises KeysUnavailable."""
        found = self._find(key_id, algorithm)
        if found is None or self._age() > self._max_age_s:
            await self._refresh(missing=(key_id, algorithm) if found is None else None)
            found = self._find(key_id, algorithm)
        if self._age() > self._stale_s or (found is None and self._failed):
            raise KeysUnavailable
        return found

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        if key_id is not None:
            return self._keys.get((key_id, algorithm))
        # Issuers with a single key may leave its id out; among several we do not try one after the other.
        candidates = [key for (_, name), key in self._keys.items() if name == algorithm]
        return candidates[0] if len(candidates) == 1 else None

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    async def _refresh(self, missing: tuple[str | None, str] | None) -> None:
        if missing is None and self._lock.locked():
            return  # Somebody is fetching, and the key at hand is good meanwhile.
        async with self._lock:
            if missing is not None and self._find(*missing) is not None and not self._failed:
                return
            if self._asked_at is not None and self._clock() - self._asked_at < self._min_interval_s:
                return
            self._asked_at = self._clock()
            try:
                async with asyncio.timeout(2 * self._timeout_s):
                    documents = await self._fetch()
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
                self._failed = True
                _logger.warning("keys of the issuer not fetched: %s", type(error).__name__)
                return
            self._keys = {
                (document.get("kid"), key.algorithm_name): key
                for document in documents
                for key in usable_keys(document)
            }
            self._fetched_at, self._failed = self._clock(), False

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
        document = httpx.Response(200, content=body).json()
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return document


def usable_keys(document: dict[str, Any]) -> list[jwt.PyJWK]:
    """One key per allowed algorithm; none for symmetric, encryption, private, weak or broken keys."""
    if document.get("use", "sig") != "sig" or _PRIVATE_MEMBERS & document.keys():
        return []
    if "verify" not in document.get("key_ops", ["verify"]):
        return []
    if not isinstance(document.get("kid"), str | None):
        return []
    kind = str(document.get("kty"))
    names = _ALGORITHMS.get((kind, None if kind == "RSA" else document.get("crv")), ())
    keys = []
    for name in names:
        if document.get("alg", name) != name:
            continue
        try:
            key = jwt.PyJWK(document, algorithm=name)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            _logger.warning("a key of the issuer is not readable and is left out")
            return []
        if kind == "RSA" and key.key.key_size < _MIN_RSA_BITS:
            return []
        keys.append(key)
    return keys
