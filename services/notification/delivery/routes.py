"""`/admin/mails`: for operators, the mails that ended without going out, and sending them again. Names no person."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from services.notification.delivery.documents import RESENDABLE
from services.notification.delivery.policy import NO_ADDRESS
from services.notification.letters.documents import MAIL_CANCELLATIONS, MAILS
from services.notification.terms import Terms
from shared.contracts.notification import ResendMail
from shared.contracts.payload import Reason
from shared.http.admin import OPERATOR, READERS, Limit
from shared.http.admin_views import Id
from shared.http.commands import Asking, commanding
from shared.http.problems import Problem
from shared.service import Components

Said = Annotated[str | None, Query(max_length=200, description="Part of the reason")]
State = Annotated[str | None, Query(pattern=f"^({'|'.join(RESENDABLE)})$")]
After = Annotated[str | None, Query(max_length=400)]


class MailGroupView(BaseModel):
    """Mails that ended alike."""

    state: str
    reason: str
    count: int
    sample: str
    latest: datetime | None
    """When the last of them ended; where that was not kept, when it was to go."""
    do: str
    """What there is to do about them."""


class EndedMailView(BaseModel):
    id: str
    template: str
    state: str
    """bounced, skipped or unknown"""
    reason: str
    ended_at: datetime
    """Where that was not kept, when it was to go."""
    cancelled: str | None
    """Why it would not go out even if it is sent again."""


class ResendBody(BaseModel):
    id: Id
    """Of the letter, let_..."""
    reason: Reason


_WHAT_TO_DO: Final = {
    "bounced": "correct the address, or mend what the mail server says of it; then `kompeten mail resend`",
    "unknown": "look for its Message-ID in the mail server's log; if it did not go out, `kompeten mail resend`",
    "skipped": "nothing, where a newer letter took its place; else mend what is said, then `kompeten mail resend`",
}


def _group(**group: Any) -> MailGroupView:
    do = _WHAT_TO_DO[group["state"]]
    if group["reason"] == NO_ADDRESS:
        do = "have the agency send the address in a snapshot of the employee; then `kompeten mail resend`"
    return MailGroupView(do=do, **group)


def mails_router(components: Components[Terms]) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["operators"])
    store = components.store

    @router.get("/mails", summary="Mails that ended without going out, by what was said", **READERS)
    async def groups(limit: Limit = 50) -> list[MailGroupView]:
        found = await store.aggregate(MAILS, [
            {"$match": {"state": {"$in": list(RESENDABLE)}}},
            {"$group": {
                "_id": {"state": "$state", "reason": "$reason"}, "count": {"$sum": 1}, "sample": {"$min": "$_id"},
                "latest": {"$max": {"$ifNull": ["$ended_at", "$due"]}},
            }},
            {"$sort": {"count": -1, "_id.state": 1, "_id.reason": 1}},
            {"$limit": limit},
        ])  # fmt: skip
        return [_group(**document.pop("_id"), **document) for document in found]

    @router.get("/mails/ended", summary="The same, one by one in order of id", **READERS)
    async def ended(
        said: Said = None,
        state: State = None,
        since: datetime | None = None,
        after: After = None,
        limit: Limit = 100,
    ) -> list[EndedMailView]:
        wanted: dict[str, Any] = {"state": {"$in": list(RESENDABLE) if state is None else [state]}}
        if said is not None:
            wanted["reason"] = {"$regex": re.escape(said), "$options": "i"}
        if since is not None:
            since = since if since.tzinfo else since.replace(tzinfo=UTC)
            wanted["$or"] = [{"ended_at": {"$gte": since}}, {"ended_at": None, "due": {"$gte": since}}]
        if after is not None:
            wanted["_id"] = {"$gt": after}
        found = await store.select(MAILS, wanted, sort=[("_id", 1)], limit=limit)
        ids = {"_id": {"$in": [mail.id for mail in found]}}
        cancelled = {
            cancellation.id: cancellation.reason
            for cancellation in await store.select(MAIL_CANCELLATIONS, ids)
        }
        return [
            EndedMailView(
                id=mail.id,
                template=mail.letter.template,
                state=mail.state,
                reason=mail.reason,
                ended_at=mail.ended_at or mail.due,
                cancelled=cancelled.get(mail.id),
            )
            for mail in found
        ]

    @router.post("/mails/resends", summary="Send a mail that ended again", **commanding(OPERATOR))
    async def resend(body: ResendBody, asked: Asking) -> Response:
        mail = await store.read(MAILS, body.id)
        if mail is None:
            raise Problem("not-found", "There is no mail of this id: list them first.")
        # A repeated request finds it on its way already, and is answered as the first one was.
        if mail.state not in RESENDABLE and not mail.order:
            raise Problem(
                "refused", f"It is {mail.state}: only a mail that ended without going out is sent again."
            )
        command = ResendMail(letter_id=body.id, operator=asked.caller.subject, reason=body.reason)
        return await components.commands.answer(command, asked, route=f"resend/{body.id}", key=body.id)

    return router
