"""Bearer JWTs of one OpenID Connect issuer become principals (RFC 9068, OpenID Connect Core 1.0)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from shared.http.access import ALL_AGENCIES, Principal, Role
from shared.http.jwks import ALGORITHMS, KeySet, KeysUnavailable
from shared.http.problems import Problem

_OPD: Final = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True)
class ClaimNames:
    """Where an issuer puts what we need: a claim's name, or a path such as `realm_access.roles`."""

    roles: str = "roles"
    employee_number: str = "employee_number"
    opd: str = "opd"


class OidcAccess:
    """Bearer JWTs of one issuer."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        jwks_url: str | None = None,
        claims: ClaimNames | None = None,
        leeway_s: float = 30,
        keys: KeySet | None = None,
    ) -> None:
        self._issuer, self._audience, self._leeway_s = issuer, audience, leeway_s
        self._claims = claims or ClaimNames()
        self._keys = keys or KeySet(issuer=issuer, jwks_url=jwks_url)

    async def principal(self, token: str) -> Principal:
        """Raises Problem: invalid-token, or issuer-unreachable when no key can be had."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Problem("invalid-token", "This is not a JWT: send the issuer's access token.") from None
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            allowed = ", ".join(ALGORITHMS)
            raise Problem("invalid-token", f"The token's algorithm is not one of {allowed}.")
        try:
            return self._principal(await self._claims_of(token, header.get("kid"), algorithm))
        except KeysUnavailable:
            raise Problem("issuer-unreachable", headers={"Retry-After": "10"}) from None

    async def trouble(self) -> str:
        """See KeySet."""
        return await self._keys.trouble()

    async def aclose(self) -> None:
        await self._keys.aclose()

    async def _claims_of(self, token: str, key_id: object, algorithm: str) -> dict[str, Any]:
        """Keys are asked for once more where none fits: an issuer may put a new one under the id of the old."""
        tried = await self._keys.keys(key_id, algorithm)
        try:
            return self._verified(token, tried)
        except _WrongKey:
            others = await self._keys.renewed(key_id, algorithm, tried)
        try:
            return self._verified(token, others)
        except _WrongKey:
            detail = _REFUSALS[jwt.InvalidSignatureError] if tried or others else _NO_SUCH_KEY
            raise Problem("invalid-token", detail) from None

    def _verified(self, token: str, keys: Sequence[jwt.PyJWK]) -> dict[str, Any]:
        """The claims, by the first key that fits; raises _WrongKey when none does."""
        for key in keys:
            try:
                return self._decoded(token, key)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
                # Most specific first; the library's own text can quote the token.
                for kind, detail in _REFUSALS.items():
                    if isinstance(error, kind):
                        raise Problem("invalid-token", detail) from None
                raise Problem("invalid-token") from None
        raise _WrongKey

    def _decoded(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway_s,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        return Principal(
            subject=claims["sub"],
            roles=_roles(_claim(claims, self._claims.roles)),
            employee_number=_text(claims, self._claims.employee_number),
            opd=_opd(_text(claims, self._claims.opd)),
            issuer=self._issuer,
            client_id=_client(claims),
        )


class _WrongKey(Exception):
    """No key at hand made the token's signature."""


_NO_SUCH_KEY: Final = "The issuer has no such key: get a new token."
_REFUSALS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired: get a new one.",
    jwt.ImmatureSignatureError: "The token is not valid yet: check the clocks of issuer and server.",
    jwt.InvalidAudienceError: "The token is meant for another service: ask the issuer for our audience.",
    jwt.InvalidIssuerError: "The token is from another issuer: sign in with the configured one.",
    jwt.MissingRequiredClaimError: "The token lacks one of exp, iss, aud, sub.",
    jwt.InvalidSignatureError: "The token's signature does not match: get a new one.",
}


def _claim(claims: Mapping[str, Any], name: str) -> object:
    # The whole name first: namespaced claims such as https://example.go.id/roles contain dots themselves.
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = _claim(claims, name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Problem(
            "invalid-token", f"The token's claim '{name}' must be text: a JSON number loses digits."
        )
    return value


def _roles(value: object) -> frozenset[Role]:
    names = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    # An issuer's token has roles of other applications too.
    return frozenset(Role(name) for name in names if isinstance(name, str) and name in set(Role))


def _opd(value: str | None) -> str | None:
    if value is not None and value != ALL_AGENCIES and not _OPD.fullmatch(value):
        raise Problem(
            "invalid-token",
            f"The token's agency code may have a-z, 0-9 and '-' only, or be '{ALL_AGENCIES}' for all.",
        )
    return value


def _client(claims: Mapping[str, Any]) -> str | None:
    for name in ("azp", "client_id"):
        if isinstance(value := claims.get(name), str) and value:
            return value
    return None
