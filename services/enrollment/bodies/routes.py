"""Routes of the register of bodies. A code may have a slash or a blank in it, so it stands in bodies of requests."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.enrollment.agencies.documents import REGISTER
from services.enrollment.bodies.documents import body_id
from services.enrollment.bodies.queries import Judge, all_bodies, preview, unknown_bodies
from services.enrollment.bodies.views import (
    BodyChange,
    BodyEntry,
    BodyView,
    PreviewBody,
    PreviewView,
    UnknownBodiesView,
    body_view,
)
from shared.http.access import Caller, Role, allow
from shared.http.commands import Asking, commanding
from shared.service import Components

OPERATOR = allow(Role.operator)


def bodies_router(components: Components[Any], judge: Judge | None = None) -> APIRouter:
    """`judge`: says what becomes of completions, for a preview."""
    router = APIRouter(prefix="/bodies", tags=["bodies"])

    @router.get(
        "",
        summary="All bodies: who issues for each, and how it is spelled",
        **allow(Role.officer, Role.operator, Role.auditor),
    )
    async def bodies() -> list[BodyView]:
        return [body_view(body) for body in await all_bodies(components)]

    @router.get(
        "/unknown",
        summary="Bodies that completions wait for, most waiting first: at most 200",
        **allow(Role.operator, Role.auditor),
    )
    async def unknown() -> UnknownBodiesView:
        return await unknown_bodies(components)

    @router.post(
        "/preview", summary="What adding or changing a body would do; nothing is written", **OPERATOR
    )
    async def look(body: PreviewBody, caller: Caller) -> PreviewView:
        return await preview(components, body.command(caller.subject), datetime.now(UTC), judge)

    @router.post(
        "", summary="Say who issues for a body; what waits for it is decided", **commanding(OPERATOR)
    )
    async def add(body: BodyEntry, asked: Asking) -> Response:
        command = body.command(asked.caller.subject)
        route = f"body/add/{body_id(body.code)}"
        return await components.commands.answer(command, asked, route=route, key=REGISTER)

    @router.patch(
        "", summary="Change or confirm what is named; the rest stays as it is", **commanding(OPERATOR)
    )
    async def change(body: BodyChange, asked: Asking) -> Response:
        command = body.command(asked.caller.subject)
        route = f"body/change/{body_id(body.code)}"
        return await components.commands.answer(command, asked, route=route, key=REGISTER)

    return router
