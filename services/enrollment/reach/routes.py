"""`/agencies/{code}/distrusts`, `trusts` and `successions`: each with a preview. Each order goes through the log."""

from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import Response

from services.enrollment.agencies.documents import REGISTER
from services.enrollment.agencies.routes import OPERATOR, Code
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.reach.previews import Order, preview
from services.enrollment.reach.views import DistrustBody, ReachView, SuccessionBody, TrustBody
from shared.contracts.register import DistrustAgency, ReplaceAgency, TrustAgency
from shared.http.access import Caller, Principal, Role, allow
from shared.http.commands import Asking, CommandRequest
from shared.service import Components

LOOK = allow(Role.operator)
NOTHING_WRITTEN = "What that would reach; nothing is written"


def reach_router(components: Components[CompletionTerms]) -> APIRouter:
    router = APIRouter(prefix="/agencies/{code}", tags=["agencies"])

    @router.post("/distrusts", summary="Have what an agency sent in some time count for nothing", **OPERATOR)
    async def distrust(code: Code, body: DistrustBody, asked: Asking) -> Response:
        return await _give(components, _distrust(code, body, asked.caller), asked)

    @router.post("/distrusts/preview", summary=NOTHING_WRITTEN, **LOOK)
    async def preview_distrust(code: Code, body: DistrustBody, caller: Caller) -> ReachView:
        return await preview(components, _distrust(code, body, caller), datetime.now(UTC))

    @router.post("/trusts", summary="Take a distrust back: all counts as before it", **OPERATOR)
    async def trust(code: Code, body: TrustBody, asked: Asking) -> Response:
        return await _give(components, _trust(code, body, asked.caller), asked)

    @router.post("/trusts/preview", summary=NOTHING_WRITTEN, **LOOK)
    async def preview_trust(code: Code, body: TrustBody, caller: Caller) -> ReachView:
        return await preview(components, _trust(code, body, caller), datetime.now(UTC))

    @router.post(
        "/successions",
        summary="Say that another agency took its place: all that it had is the heir's",
        **OPERATOR,
    )
    async def replace(code: Code, body: SuccessionBody, asked: Asking) -> Response:
        return await _give(components, _succession(code, body, asked.caller), asked)

    @router.post("/successions/preview", summary=NOTHING_WRITTEN, **LOOK)
    async def preview_succession(code: Code, body: SuccessionBody, caller: Caller) -> ReachView:
        return await preview(components, _succession(code, body, caller), datetime.now(UTC))

    return router


async def _give(components: Components[CompletionTerms], order: Order, asked: CommandRequest) -> Response:
    route = f"{order.TYPE}/{order.code}"
    return await components.commands.answer(order, asked, route=route, key=REGISTER)


def _distrust(code: str, body: DistrustBody, caller: Principal) -> DistrustAgency:
    return DistrustAgency(
        code=code, since=body.since, until=body.until, operator=caller.subject, reason=body.reason
    )


def _trust(code: str, body: TrustBody, caller: Principal) -> TrustAgency:
    return TrustAgency(code=code, distrust=body.distrust, operator=caller.subject, reason=body.reason)


def _succession(code: str, body: SuccessionBody, caller: Principal) -> ReplaceAgency:
    return ReplaceAgency(code=code, heir=body.heir, operator=caller.subject, reason=body.reason)
