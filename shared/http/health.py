"""Alive and ready: two public addresses that say nothing about what is inside."""

import asyncio
import http
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from shared.http.access import RouteAccess, public
from shared.observability.redaction import redact

_TIMEOUT_S: Final = 5
# Addresses: URLs, IPv4 with or without port, host:port.
_ADDRESS: Final = re.compile(r"\w[\w+.-]*://\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\b[\w.-]+:\d{2,5}\b")

_logger = logging.getLogger("kompeten.http.health")


@dataclass(frozen=True)
class Check:
    """`sentence` tells an operator what is the case and what to do, without addresses or names of hosts."""

    name: str
    ok: bool
    sentence: str
    warning: bool = False
    """Somebody must mend it, though the service does its work."""

    def document(self) -> dict[str, Any]:
        document = {
            "name": self.name,
            "ok": self.ok,
            "sentence": redact(_ADDRESS.sub("[address]", self.sentence)),
        }
        return document | {"warning": True} if self.warning else document


Readiness = Callable[[], Awaitable[Sequence[Check]]]


def health_router(readiness: Readiness) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="The process answers", **public())
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get(
        "/health/ready",
        summary="The service can do its work: 200 or 503",
        **_answering(_CHECKS, 200, 503),
    )
    async def ready() -> Response:
        checks = await _checks(readiness)
        ok = all(check.ok for check in checks)
        return JSONResponse([check.document() for check in checks], 200 if ok else 503)

    return router


_CHECKS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "ok", "sentence"],
        "properties": {
            "name": {"type": "string"},
            "ok": {"type": "boolean"},
            "sentence": {"type": "string"},
            "warning": {"type": "boolean", "description": "Mend it, though the service does its work"},
        },
    },
}


def _answering(schema: dict[str, Any], *statuses: int) -> RouteAccess:
    declared = public()
    for status in statuses:
        declared["responses"][status] = {
            "description": http.HTTPStatus(status).phrase,
            "content": {"application/json": {"schema": schema}},
        }
    return declared


async def _checks(readiness: Readiness) -> Sequence[Check]:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await readiness()
    except TimeoutError:
        return [Check("readiness", False, f"The checks took longer than {_TIMEOUT_S} s: see the log.")]
    except Exception:
        _logger.exception("readiness check failed")
        return [Check("readiness", False, "The checks themselves failed: see the log.")]
