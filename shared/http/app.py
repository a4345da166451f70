"""One way to build a service's HTTP application, so that nobody forgets a part of it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from shared.http.access import Access, public
from shared.http.edge import Edge
from shared.http.health import Readiness, health_router
from shared.http.problems import describe_problems, install_problems
from shared.http.routes import Templates, UndeclaredRoutes, undeclared_routes

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

MAX_BODY_BYTES: Final = 1024 * 1024


def create_app(
    service: str,
    *,
    routers: Sequence[APIRouter],
    readiness: Readiness,
    access: Access,
    lifespan: Lifespan | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> FastAPI:
    """Raises UndeclaredRoutes, here and again at start, for a route that does not say who may call it."""

    @asynccontextmanager
    async def checked_lifespan(app: FastAPI) -> AsyncIterator[None]:
        refuse_undeclared(app)
        try:
            if lifespan is None:
                yield
            else:
                async with lifespan(app):
                    yield
        finally:
            await access.aclose()

    app = FastAPI(
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
    for router in (health_router(readiness), _schema_router(app), *routers):
        app.include_router(router)
    install_problems(app)
    # Asked for at the first request: a caller may mount something on the application until it starts.
    templates = cache(lambda: Templates(app))
    app.add_middleware(
        Edge, service=service, access=access, max_body_bytes=max_body_bytes, templates=templates
    )
    refuse_undeclared(app)
    return app


def refuse_undeclared(app: FastAPI) -> None:
    undeclared = undeclared_routes(app)
    if undeclared:
        raise UndeclaredRoutes(undeclared)


def _schema_router(app: FastAPI) -> APIRouter:
    router = APIRouter()

    @cache
    def schema() -> dict[str, Any]:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        return describe_problems(document)

    app.openapi = schema  # type: ignore[method-assign]  # as FastAPI documents it

    @router.get("/openapi.json", include_in_schema=False, **public())
    async def openapi() -> dict[str, Any]:
        return app.openapi()

    return router
