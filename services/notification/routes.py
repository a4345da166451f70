"""Notification's routes."""

from datetime import datetime
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel

from services.notification.delivery.routes import mails_router
from services.notification.letters.documents import CONTACTS, LETTERS, MAILS, Contact, Mail
from services.notification.reconciliation.snapshot import snapshot
from services.notification.reconciliation.trace import trace
from services.notification.terms import Terms
from shared.http.access import Caller, Role, allow
from shared.http.admin import admin_router
from shared.http.decisions import decisions_router
from shared.http.numbers import own_of
from shared.http.problems import Problem
from shared.http.traces import traces_router
from shared.pipeline.storage.mongo import MongoStore
from shared.reconciliation.routes import reconciliation_router
from shared.service import Components

MAX_MAILS: Final = 200


class MailView(BaseModel):
    template: str
    certificate_number: str | None
    """None: the mail is about no certificate."""
    title: str | None
    """None: it is about no completion."""
    state: str
    """queued, leased, handing_over, sent, deferred, bounced, suppressed, skipped or unknown."""
    reason: str | None
    sent_at: datetime | None


def routers(components: Components[Terms]) -> list[APIRouter]:
    return [
        _own_mails(components),
        decisions_router(components.store, components.service.topic_prefix, components.askers),
        admin_router(components),
        mails_router(components),
        traces_router(partial(trace, components.store)),
        reconciliation_router(components.store, snapshot),
    ]


def _own_mails(components: Components[Terms]) -> APIRouter:
    router = APIRouter(tags=["own mails"])

    @router.get("/me/mails", summary="What was mailed to me, and what became of it", **allow(Role.employee))
    async def my_mails(caller: Caller) -> list[MailView]:
        if caller.employee_number is None:
            raise Problem("forbidden", "Your token names no employee number: sign in as an employee.")
        contacts = await components.store.select(CONTACTS, {"employee_numbers": caller.employee_number})
        contact = own_of(contacts)
        if contact is None:
            raise Problem("not-found", "You are not registered yet: ask your agency's personnel office.")
        mails = await _mails_of(components.store, contact)
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


async def _mails_of(store: MongoStore, contact: Contact) -> list[Mail]:
    """Latest first. By their letters, which say whose they are by now; those about no completion have none."""
    own = {"employee_id": {"$in": [contact.id, *contact.merged]}}
    letters: list[dict[str, Any]] = await store.aggregate(
        LETTERS, [{"$match": own}, {"$sort": {"due": -1}}, {"$limit": MAX_MAILS}, {"$project": {"_id": 1}}]
    )
    about_none = {**own, "letter.completion_id": ""}
    which = {"$or": [{"_id": {"$in": [letter["_id"] for letter in letters]}}, about_none]}
    return await store.select(MAILS, which, sort=[("due", -1)], limit=MAX_MAILS)
