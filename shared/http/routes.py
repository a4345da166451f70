"""Every address that an application answers, mounted ones included, and whom it says may call it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Host, Mount, Route, Router

from shared.http.access import Guard, Public, is_declared_public

UNMATCHED: Final = "(no route)"


class UndeclaredRoutes(Exception):
    def __init__(self, routes: Sequence[str]) -> None:
        self.routes = list(routes)
        super().__init__(
            f"these routes do not say who may call them: {', '.join(routes)}; add **allow(role) or **public()"
        )


@dataclass(frozen=True)
class Address:
    """A route with the whole template of its path. `methods` is empty where any method is answered."""

    template: str
    methods: frozenset[str]
    declared: bool
    guards: tuple[Guard, ...] = ()
    """What a caller has to pass, each of them; none where anybody may call."""
    opaque: bool = False

    def answers(self, method: str) -> bool:
        return not self.methods or method in self.methods

    def __str__(self) -> str:
        return f"{','.join(sorted(self.methods)) or 'ANY'} {self.template}"


def undeclared_routes(app: Any) -> list[str]:
    """`METHODS /template` of every route without a declaration."""
    return [str(address) for address in addresses(app) if not address.declared]


def addresses(app: Any, prefix: str = "") -> Iterator[Address]:
    """Fails closed: what cannot be looked into, or has a kind unknown here, counts as undeclared."""
    router = getattr(app, "router", app)
    for context in iter_route_contexts(router.routes):
        route = context.original_route
        template = prefix + (context.path or "")
        if isinstance(route, Mount | Host):
            # Starlette wraps the application where a mount has middleware; the routes are in the inner one.
            yield from _mounted(route, getattr(route, "_base_app", route.app), template)
        elif isinstance(route, APIRoute):
            yield _declared(template, context.methods or (), context.dependant)
        elif isinstance(route, Route):
            yield Address(template, frozenset(route.methods or ()), is_declared_public(route.endpoint))
        else:
            # Web sockets end here: no guard checks them, so they cannot be declared.
            yield Address(f"{template or '/'} ({type(route).__name__})", frozenset(), declared=False)
    yield from _low_priority(router, prefix)
    default = getattr(router, "default", None)
    if isinstance(router, Router) and default != router.not_found and not is_declared_public(default):
        yield Address(f"{prefix}/{{path}} (default)", frozenset(), declared=False, opaque=True)


def _mounted(route: BaseRoute, app: Any, template: str) -> Iterator[Address]:
    if isinstance(getattr(app, "routes", None), list):
        yield from addresses(app, template)
    else:
        yield Address(f"{template}/{{path}}", frozenset(), is_declared_public(app), opaque=True)


def _low_priority(router: Any, prefix: str) -> Iterator[Address]:
    # FastAPI keeps `frontend()` directories outside `routes`; it has no public way to list them.
    for candidate in getattr(router, "_iter_low_priority_routes", lambda: ())():
        group = getattr(candidate, "original_route", candidate)
        inner = prefix + getattr(candidate, "frontend_prefix", "")
        for route in getattr(group, "routes", [group]):
            path = f"{inner}{str(getattr(route, 'path', '')).rstrip('/')}/{{path}}"
            dependant = getattr(candidate, "dependant", None)
            yield _declared(path, ("GET", "HEAD"), dependant, opaque=True)


def _declared(
    template: str, methods: Iterable[str], dependant: Dependant | None, *, opaque: bool = False
) -> Address:
    found = list(_declarations(dependant))
    guards = tuple(declaration for declaration in found if isinstance(declaration, Guard))
    return Address(template, frozenset(methods), bool(found), guards, opaque)


def _declarations(dependant: Dependant | None) -> Iterator[Guard | Public]:
    if dependant is not None:
        if isinstance(dependant.call, Guard | Public):
            yield dependant.call
        for inner in dependant.dependencies:
            yield from _declarations(inner)


class RouteTable:
    """Finds what answers a request: for the edge, which holds it to the declaration, and for logs and metrics,
    which must have the template and never the path itself.

    It matches for itself, since what routers leave in the scope differs by kind of route and by version, and
    they say it only after the body was read.
    """

    def __init__(self, app: Any) -> None:
        self._rows = [(_regex(address), address) for address in addresses(app)]

    def find(self, method: str, path: str) -> Address | None:
        """The first that answers the method at this path, else the first at this path."""
        found = None
        for regex, address in self._rows:
            if regex.match(path):
                if address.answers(method):
                    return address
                found = found or address
        return found


_PARAMETER: Final = re.compile(r"\\{\w+(:\w+)?\\}")


def _regex(address: Address) -> re.Pattern[str]:
    path = re.escape(address.template.partition(" (")[0])
    segment = ".*" if address.opaque else "[^/]+"
    pattern = _PARAMETER.sub(lambda match: ".*" if match.group(1) == ":path" else segment, path)
    return re.compile(f"{pattern}\\Z")
