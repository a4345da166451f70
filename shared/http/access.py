"""Who may call what: a token becomes a Principal, and every route declares its callers.

    @router.get("/me/points", **allow(Role.employee))
    async def my_points(caller: Caller) -> Points: ...

`undeclared_routes` (in routes.py) finds the routes that declare nothing; `create_app` refuses them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol, TypedDict, TypeVar

import jwt
from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.params import Depends as DependsParam
from fastapi.security.base import SecurityBase

from shared.http.jwks import ALGORITHMS, KeySet, KeysUnavailable
from shared.http.problems import MEDIA_TYPE, Problem
from shared.redaction import mask_number, redact

ACCESS_SCOPE_KEY: Final = "kompeten.access"
_DECLARATION: Final = "__kompeten_access__"
_MAX_TOKEN_CHARS: Final = 8192
_OPD: Final = re.compile(r"[a-z0-9-]+")


class Role(StrEnum):
    employee = "employee"
    supervisor = "supervisor"
    officer = "officer"
    agency = "agency"
    operator = "operator"
    auditor = "auditor"


@dataclass(frozen=True, repr=False)
class Principal:
    """The caller. `opd` is the agency that an officer, supervisor or agency system acts for."""

    subject: str
    roles: frozenset[Role]
    employee_number: str | None
    opd: str | None
    issuer: str
    client_id: str | None = None
    """To whom the issuer gave the token: the claim `azp`, or `client_id` where there is none."""

    def __repr__(self) -> str:
        # Some issuers use the employee number as subject.
        number = None if self.employee_number is None else mask_number(self.employee_number)
        return (
            f"Principal(subject={redact(self.subject)!r}, roles={sorted(self.roles)}, "
            f"employee_number={number!r}, opd={self.opd!r})"
        )


class Access(Protocol):
    """What `create_app` needs: the real one is `OidcAccess`."""

    async def principal(self, token: str) -> Principal: ...

    async def aclose(self) -> None: ...


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
        except (jwt.PyJWTError, ValueError):
            raise Problem("invalid-token", "This is not a JWT: send the issuer's access token.") from None
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            allowed = ", ".join(ALGORITHMS)
            raise Problem("invalid-token", f"The token's algorithm is not one of {allowed}.")
        try:
            key = await self._keys.key(header.get("kid"), algorithm)
        except KeysUnavailable:
            raise Problem("issuer-unreachable", headers={"Retry-After": "10"}) from None
        if key is None:
            raise Problem("invalid-token", "The issuer has no such key: get a new token.")
        return self._principal(self._verified(token, key))

    async def aclose(self) -> None:
        await self._keys.aclose()

    def _verified(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            # Most specific first; the library's own text can quote the token.
            for kind, detail in _REFUSALS.items():
                if isinstance(error, kind):
                    raise Problem("invalid-token", detail) from None
            raise Problem("invalid-token") from None

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        return Principal(
            subject=claims["sub"],
            roles=_roles(_claim(claims, self._claims.roles)),
            employee_number=_text(claims, self._claims.employee_number),
            opd=_opd(_text(claims, self._claims.opd)),
            issuer=self._issuer,
            client_id=_text(claims, "azp") or _text(claims, "client_id"),
        )


_REFUSALS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired: get a new one.",
    jwt.ImmatureSignatureError: "The token is not valid yet: check the clocks of issuer and server.",
    jwt.InvalidAudienceError: "The token is meant for another service: ask the issuer for our audience.",
    jwt.InvalidIssuerError: "The token is from another issuer: sign in with the configured one.",
    jwt.MissingRequiredClaimError: "The token lacks one of exp, iss, aud, sub.",
    jwt.InvalidSignatureError: "The token's signature does not match: get a new one.",
}


class RouteAccess(TypedDict):
    """Keyword arguments for a route: `@router.get(path, **allow(...))`."""

    dependencies: Sequence[DependsParam]
    openapi_extra: dict[str, Any]
    responses: dict[int | str, dict[str, Any]]


class Guard(SecurityBase):
    """The dependency behind a declaration; FastAPI derives the OpenAPI security from its class."""

    def __init__(self, roles: frozenset[Role]) -> None:
        self.roles = roles
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token of the configured issuer.")
        self.scheme_name = "oidc"

    async def __call__(self, request: Request) -> Principal:
        access: Access = request.scope[ACCESS_SCOPE_KEY]
        principal = await access.principal(_bearer_token(request))
        if not principal.roles & self.roles:
            needed = " or ".join(sorted(self.roles))
            raise Problem("forbidden", f"This needs the role {needed}: ask your agency's administrator.")
        request.state.principal = principal
        return principal


class Public:
    """The declaration of a route that anybody may call."""

    async def __call__(self) -> None:
        return None


def allow(*roles: Role) -> RouteAccess:
    """Callers with at least one of the roles; 401 without a valid token, 403 without the role."""
    if not roles:
        raise ValueError("allow() names no role: name at least one, or use public()")
    guard = Guard(frozenset(roles))
    return {
        "dependencies": [Depends(guard)],
        "openapi_extra": {"x-roles": sorted(roles)},
        "responses": {401: _documented("unauthenticated"), 403: _documented("forbidden")},
    }


def public() -> RouteAccess:
    """Anybody, without a token."""
    return {
        "dependencies": [Depends(Public())],
        "openapi_extra": {"security": [], "x-roles": []},
        "responses": {},
    }


_Declared = TypeVar("_Declared", bound=Callable[..., Any])


def declare_public(target: _Declared) -> _Declared:
    """The same for what takes no dependencies: a mounted StaticFiles or another ASGI application, a plain
    Starlette endpoint. Such things can be public only, as nothing there would check a token."""
    setattr(target, _DECLARATION, True)
    return target


def is_declared_public(target: object) -> bool:
    # Not inherited from a class: the declaration is about this one object.
    return _DECLARATION in getattr(target, "__dict__", {})


async def _caller(request: Request) -> Principal:
    principal = getattr(request.state, "principal", None)
    if not isinstance(principal, Principal):
        raise TypeError("a route asks for its Caller but is public: declare it with allow(...)")
    return principal


Caller = Annotated[Principal, Depends(_caller)]


def _bearer_token(request: Request) -> str:
    headers = request.headers.getlist("authorization")
    if not headers:
        raise Problem("unauthenticated")
    scheme, _, token = headers[0].partition(" ")
    token = token.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not token or not token.isascii():
        raise Problem("unauthenticated")
    if len(token) > _MAX_TOKEN_CHARS:
        raise Problem("invalid-token", f"The token is longer than {_MAX_TOKEN_CHARS} characters.")
    return token


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
    if value is not None and not _OPD.fullmatch(value):
        raise Problem("invalid-token", "The token's agency code may have a-z, 0-9 and '-' only.")
    return value


def _documented(slug: str) -> dict[str, Any]:
    return {
        "description": slug,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
