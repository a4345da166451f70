"""Figures and the description of the API: for operators, on a port that the public does not reach.

Neither tells of a person; both tell a stranger how much is going on and where to try.
"""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.http.access import public


def internal_router(described: FastAPI) -> APIRouter:
    router = APIRouter()

    @router.get("/metrics", response_class=PlainTextResponse, **public())
    def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @router.get("/openapi.json", **public())
    async def openapi() -> dict[str, Any]:
        return described.openapi()

    return router
