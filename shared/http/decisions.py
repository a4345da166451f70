"""`GET /decisions/{event_id}`: what became of an event or a command."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from shared.contracts.topics import agency_topic
from shared.http.access import Caller, Role, allow
from shared.http.problems import Problem
from shared.mongo import MongoStore
from shared.pipeline.books import DECISIONS, Decision


class DecisionView(BaseModel):
    event_id: str
    verdict: str
    """accepted, correction, superseded, duplicate, waiting, refused, bug or nothing."""
    reason: str | None
    subject: str | None
    decided_at: datetime
    record: str
    """topic/partition/offset/turn"""
    answer: dict[str, str | int | bool | None]


def decisions_router(store: MongoStore, topic_prefix: str = "") -> APIRouter:
    router = APIRouter(tags=["decisions"])

    @router.get(
        "/decisions/{event_id}",
        summary="What was decided about an event or command, latest last",
        **allow(Role.agency, Role.officer, Role.operator, Role.auditor),
    )
    async def decisions(
        event_id: Annotated[str, Path(min_length=1, max_length=200)], caller: Caller
    ) -> list[DecisionView]:
        found = await store.select(DECISIONS, {"e": event_id}, sort=[("t", 1)], limit=100)
        if not caller.roles & {Role.operator, Role.auditor, Role.officer}:
            own = agency_topic(caller.opd or "", topic_prefix) + "/"
            found = [one for one in found if one.id.startswith(own)]
        if not found:
            raise Problem("not-found", "Nothing is decided under this id yet: look again in a few seconds.")
        return [decision_view(one) for one in found]

    return router


def decision_view(decision: Decision) -> DecisionView:
    return DecisionView(
        event_id=decision.event_id,
        verdict=decision.verdict,
        reason=decision.reason or None,
        subject=decision.subject or None,
        decided_at=decision.decided_at,
        record=decision.id,
        answer=decision.answer,
    )
