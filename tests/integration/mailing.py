"""What tests of the mailer share: mails, mailers, and a mail server that fails as ordered."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import httpx

from devstack.ports import HOST
from services.notification.delivery.mailer import Mailer
from services.notification.delivery.smtp import SmtpServer
from services.notification.letters.documents import CONTACTS, MAILS, Contact, Letter, Mail
from services.notification.terms import load_terms
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.pipeline.documents import Collection
from shared.pipeline.storage.mongo import MongoStore

SENDER = "Kompeten <kompeten@bandung.example>"
WITHIN_S = 60.0
TERMS = load_terms("0123456789abcdef" * 4, "https://kompeten.example")


class Catcher:
    def __init__(self, port: int, page: httpx.Client) -> None:
        self.port, self.page = port, page

    def order(self, mode: str, **more: Any) -> None:
        self.page.put("/faults", json={"mode": mode, **more}).raise_for_status()

    def received(self) -> Counter[str]:
        """Message ids and how often each came."""
        mails = self.page.get("/api/v1/messages", params={"limit": 10_000}).json()["messages"]
        return Counter(mail["MessageID"] for mail in mails)


def mailer_for(
    store: MongoStore,
    port: int,
    unknown: Literal["resend", "hold"] = "resend",
    lease_s: float = 10,
    retry_s: float = 0.05,
    letters_a_day: int | None = None,
) -> Mailer:
    server = SmtpServer(HOST, port, client_name="bandung.example")
    return Mailer(
        store, server, SENDER, TERMS, letters_a_day=letters_a_day, unknown=unknown, lease_s=lease_s,
        retry_s=retry_s, pause_s=0.05,
    )  # fmt: skip


@asynccontextmanager
async def running(*mailers: Mailer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(mailer.run()) for mailer in mailers]
    try:
        yield
    finally:
        for mailer in mailers:
            mailer.stop()
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*tasks)


def mail(number: int, employee: str = "emp_1") -> Mail:
    now = datetime.now(UTC) - timedelta(minutes=1)
    letter = Letter(
        id=f"let_{number:04}",
        certificate_id=CertificateId(f"crt_{number}"),
        completion_id=CompletionId(f"cmp_{number}"),
        employee_id=EmployeeId(employee),
        template="certificate_issued",
        revision=1,
        state="released",
        reason="",
        due=now,
        completion_version=1,
        certificate_number=f"800.2/{number:04}/BKPSDM/2026",
        title="Keamanan Informasi",
        verification_url="https://kompeten.example/v/abc",
        jp=Decimal(20),
    )
    return Mail(id=letter.id, employee_id=letter.employee_id, letter=letter, due=now)


async def insert(store: MongoStore, collection: Collection[Any], *documents: Any) -> None:
    await store.database[collection.name].insert_many([dict(store.encode(one)) for one in documents])


async def given(store: MongoStore, count: int, email: str | None = "rina@example.org") -> list[Mail]:
    contact = Contact(EmployeeId("emp_1"), 1, ["198503122010011001"], "Rina Ma'ruf", email, "id")
    mails = [mail(number) for number in range(count)]
    await insert(store, CONTACTS, contact)
    if mails:
        await insert(store, MAILS, *mails)
    return mails


async def states(store: MongoStore) -> Counter[str]:
    return Counter(mail.state for mail in await store.select(MAILS, {}))


async def until(store: MongoStore, *, within_s: float = WITHIN_S, **counts: int) -> list[Mail]:
    """All mails, once just so many are in these states."""
    deadline = time.monotonic() + within_s
    while (seen := await states(store)) != counts:
        assert time.monotonic() < deadline, f"{dict(seen)}, expected {counts}"
    return await store.select(MAILS, {}, sort=[("_id", 1)])


async def true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "not seen in time"
        await asyncio.sleep(0)
