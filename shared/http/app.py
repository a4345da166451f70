"""One way to build a service's HTTP application, so that nobody forgets a part of it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from shared.http.access import Access
from shared.http.admission import Admission
from shared.http.health import Readiness, health_router
from shared.http.internal import internal_router
from shared.http.middleware import Middleware
from shared.http.problems import describe_problems, install_problems
from shared.http.routes import RouteTable, UndeclaredRoutes, undeclared_routes

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

MAX_BODY_BYTES: Final = 1024 * 1024


def create_app(
    service: str,
    *,
    routers: Sequence[APIRouter],
    readiness: Readiness,
    access: Access,
    lifespan: Lifespan | None = None,
    admission: Admission | None = None,
) -> FastAPI:
    """Raises UndeclaredRoutes, here and again at start, for a route that does not say who may call it."""

    @asynccontextmanager
    async def closing(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with (lifespan or _nothing)(app):
                yield
        finally:
            await access.aclose()

    app = _bare(service, closing)

    @cache
    def schema() -> dict[str, Any]:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        return describe_problems(document)

    app.openapi = schema  # type: ignore[method-assign]  # as FastAPI documents it
    return _complete(app, service, (health_router(readiness), *routers), access, admission)


def create_internal_app(service: str, described: FastAPI, access: Access) -> FastAPI:
    """What is for the operators' own network: a port of its own, which nobody publishes."""
    return _complete(_bare(service, _nothing), service, [internal_router(described)], access, None)


@asynccontextmanager
async def _nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


def _bare(service: str, lifespan: Lifespan) -> FastAPI:
    @asynccontextmanager
    async def checked_lifespan(app: FastAPI) -> AsyncIterator[None]:
        refuse_undeclared(app)
        async with lifespan(app):
            yield

    return FastAPI(
        title=f"Kompeten {service}",
        # FastAPI's pages load scripts from another host and round long numbers; the schema is enough.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # Sends an undeclared answer to another spelling of the address.
        redirect_slashes=False,
        # FastAPI's own traces have raw paths and the text of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        lifespan=checked_lifespan,
    )


def _complete(
    app: FastAPI, service: str, routers: Sequence[APIRouter], access: Access, admission: Admission | None
) -> FastAPI:
    for router in routers:
        app.include_router(router)
    install_problems(app)
    # Asked for at the first request: a caller may mount something on the application until it starts.
    routes = cache(lambda: RouteTable(app))
    admission = admission or Admission(MAX_BODY_BYTES)
    app.add_middleware(Middleware, service=service, access=access, admission=admission, routes=routes)
    refuse_undeclared(app)
    return app


def refuse_undeclared(app: FastAPI) -> None:
    undeclared = undeclared_routes(app)
    if undeclared:
        raise UndeclaredRoutes(undeclared)
