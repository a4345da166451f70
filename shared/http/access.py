"""Who may call what: a token becomes a Principal, and every route declares its callers.

    @router.get("/me/points", **allow(Role.employee))
    async def my_points(caller: Caller) -> Points: ...

The middleware (middleware.py) holds a request to its route's declaration before it reads the body. `undeclared_routes`
(in routes.py) finds the routes that declare nothing; `create_app` refuses them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol, TypedDict, TypeVar

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.params import Depends as DependsParam
from fastapi.security.base import SecurityBase
from starlette.datastructures import Headers
from starlette.types import Scope

from shared.http.problems import MEDIA_TYPE, Problem
from shared.identity.identifiers import key as spelling
from shared.observability.redaction import mask_number, redact

ACCESS_SCOPE_KEY: Final = "kompeten.access"
ALL_AGENCIES: Final = "*"
"""As a token's `opd`: an officer or supervisor for all bodies. Said, never meant by leaving it out."""
_SIGNED_IN: Final = "kompeten.signed_in"
_DECLARATION: Final = "__kompeten_access__"
_MAX_TOKEN_CHARS: Final = 8192


class Role(StrEnum):
    employee = "employee"
    supervisor = "supervisor"
    officer = "officer"
    agency = "agency"
    operator = "operator"
    auditor = "auditor"


# What they may do depends on an agency: without one in the token they may do nothing.
_OF_AN_AGENCY: Final = frozenset({Role.officer, Role.supervisor, Role.agency})
_OF_ALL_AGENCIES: Final = frozenset({Role.officer, Role.supervisor})


@dataclass(frozen=True, repr=False)
class Principal:
    """The caller. `opd` is the agency that an officer, supervisor or agency system acts for, or ALL_AGENCIES."""

    subject: str
    roles: frozenset[Role]
    employee_number: str | None
    opd: str | None
    issuer: str
    client_id: str | None = None
    """The client that the token was issued to: claim `azp` (OpenID Connect Core, 2), else `client_id` (RFC 9068)."""

    def acts_for(self, code: str) -> bool:
        """Whether an officer's or supervisor's agency is this one, however its code is spelled."""
        return self.opd == ALL_AGENCIES or (self.opd is not None and spelling(self.opd) == spelling(code))

    @property
    def opd_of_commands(self) -> str | None:
        """For a command's `opd`, where null has always meant all bodies; a caller without agency gives none."""
        if self.opd is None:
            raise TypeError("a command for an agency is given by a caller who acts for none")
        return None if self.opd == ALL_AGENCIES else self.opd

    def entitled(self) -> "Principal":
        """With those of its roles alone that its agency goes with."""
        usable = self.roles
        if self.opd is None:
            usable -= _OF_AN_AGENCY
        elif self.opd == ALL_AGENCIES:
            usable -= _OF_AN_AGENCY - _OF_ALL_AGENCIES
        return self if usable == self.roles else replace(self, roles=usable)

    def __repr__(self) -> str:
        # Some issuers use the employee number as subject.
        number = None if self.employee_number is None else mask_number(self.employee_number)
        return (
            f"Principal(subject={redact(self.subject)!r}, roles={sorted(self.roles)}, "
            f"employee_number={number!r}, opd={self.opd!r})"
        )


class Access(Protocol):
    """What `create_app` needs: the real one is `OidcAccess` (oidc.py)."""

    async def principal(self, token: str) -> Principal: ...

    async def aclose(self) -> None: ...


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
        """As a dependency it holds where the edge is not in front; behind it the token is checked already."""
        return await self.check(request.scope)

    async def check(self, scope: Scope) -> Principal:
        """Needs nothing of the body. Raises Problem: 401 without a valid token, 403 without the role."""
        if (signed_in := scope.get(_SIGNED_IN)) is None:
            access: Access = scope[ACCESS_SCOPE_KEY]
            signed_in = scope[_SIGNED_IN] = await access.principal(_bearer_token(Headers(scope=scope)))
        principal: Principal = signed_in.entitled()
        if not principal.roles & self.roles:
            raise Problem("forbidden", _forbidden(signed_in, self.roles))
        scope.setdefault("state", {})["principal"] = principal
        return principal


def _forbidden(signed_in: Principal, needed: frozenset[Role]) -> str:
    roles = " or ".join(sorted(needed))
    if signed_in.roles & needed:
        return (
            f"The role {roles} is for nothing without an agency: ask your agency's administrator for its code "
            f"in the token's claim for the agency (officers for all bodies: '{ALL_AGENCIES}')."
        )
    return f"This needs the role {roles}: ask your agency's administrator."


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


def _bearer_token(headers: Headers) -> str:
    given = headers.getlist("authorization")
    if not given:
        raise Problem("unauthenticated")
    scheme, _, token = given[0].partition(" ")
    token = token.strip()
    if len(given) > 1 or scheme.lower() != "bearer" or not token or not token.isascii():
        raise Problem("unauthenticated")
    if len(token) > _MAX_TOKEN_CHARS:
        raise Problem("invalid-token", f"The token is longer than {_MAX_TOKEN_CHARS} characters.")
    return token


def _documented(slug: str) -> dict[str, Any]:
    return {
        "description": slug,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
