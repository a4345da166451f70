"""Notification's routes."""

from datetime import datetime
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel

from services.notification.documents import CONTACTS, MAILS
from services.notification.ledger import ledger
from services.notification.terms import Terms
from services.notification.trace import trace
from shared.http.access import Caller, Role, allow
from shared.http.admin import admin_router
from shared.http.decisions import decisions_router
from shared.http.numbers import own_of
from shared.http.problems import Problem
from shared.http.reconciliation import reconciliation_router
from shared.http.traces import traces_router
from shared.service import Parts


class MailView(BaseModel):
    template: str
    certificate_number: str | None
    """None, as the title: the mail is about no certificate."""
    title: str | None
    state: str
    """queued, leased, handing_over, sent, deferred, bounced, suppressed, skipped or unknown."""
    reason: str | None
    sent_at: datetime | None


def routers(parts: Parts[Terms]) -> list[APIRouter]:
    return [
        _own_mails(parts),
        decisions_router(parts.store, parts.service.topic_prefix, parts.askers),
        admin_router(parts),
        traces_router(partial(trace, parts.store)),
        reconciliation_router(parts.store, ledger),
    ]


def _own_mails(parts: Parts[Terms]) -> APIRouter:
    router = APIRouter(tags=["own mails"])

    @router.get("/me/mails", summary="What was mailed to me, and what became of it", **allow(Role.employee))
    async def my_mails(caller: Caller) -> list[MailView]:
        if caller.employee_number is None:
            raise Problem("forbidden", "Your token names no employee number: sign in as an employee.")
        contacts = await parts.store.select(CONTACTS, {"employee_numbers": caller.employee_number})
        contact = own_of(contacts)
        if contact is None:
            raise Problem("not-found", "You are not registered yet: ask your agency's personnel office.")
        ids = [contact.id, *contact.merged]
        mails = await parts.store.select(MAILS, {"employee_id": {"$in": ids}}, sort=[("due", -1)], limit=200)
        return [
            MailView(
                template=mail.letter.template,
                certificate_number=mail.letter.certificate_number or None,
                title=mail.letter.title or None,
                state=mail.state,
                reason=mail.reason or None,
                sent_at=mail.sent_at,
            )
            for mail in mails
        ]

    return router
