"""Mails that ended without going out are sent again by an operator's order; and what ended is told to the log."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from devstack.ports import HOST
from services.notification.delivery import reporter as reporter
from services.notification.delivery.documents import MAIL_ORDERS, MailOrder
from services.notification.delivery.mailer import Mailer
from services.notification.delivery.policy import NO_ADDRESS
from services.notification.delivery.reporter import DeliveryReporter, UnreportedDeliveries
from services.notification.delivery.resender import Resender
from services.notification.delivery.routes import mails_router
from services.notification.delivery.smtp import SmtpServer
from services.notification.letters.documents import MAIL_CANCELLATIONS as CANCELLATIONS
from services.notification.letters.documents import MAIL_NOTES, MAILS, MailCancellation, MailNote
from shared.contracts.notification import NoteMail, ResendMail
from shared.contracts.payload import Payload
from shared.http.access import Principal, Role
from shared.http.app import create_app
from shared.pipeline.storage.mongo import MongoStore
from tests import factories
from tests.integration.mailing import (
    SENDER,
    TERMS,
    WITHIN_S,
    Catcher,
    given,
    insert,
    mail,
    mailer_for,
    running,
    until,
)

NOW = datetime.now(UTC)


class Log:
    """Commands as they are submitted."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, Payload]] = []

    async def submit(self, payload: Payload, *, id: str, **_: object) -> None:
        self.commands.append((id, payload))

    async def answer(self, payload: Payload, *_: object, **__: object) -> httpx.Response | Any:
        from fastapi.responses import JSONResponse

        self.commands.append(("", payload))
        return JSONResponse({})


def order(n: int, number: int = 1, id: str | None = None) -> MailOrder:
    return MailOrder(
        id=id or f"c-{n}-{number}", letter_id=f"let_{n:04}", number=number, operator="o", why="w", due=NOW
    )


async def set_all(store: MongoStore, **fields: object) -> None:
    await store.database[MAILS.name].update_many({}, {"$set": fields})


async def carried_out(store: MongoStore) -> Counter[str]:
    await Resender(store, lambda: None).step()
    return Counter(one.state for one in await store.select(MAIL_ORDERS, {}))


@pytest.mark.parametrize("state", ["bounced", "skipped", "unknown"])
async def test_a_mail_that_ended_goes_out_once_however_often_it_is_ordered(
    mail_store: MongoStore, catcher: Catcher, state: str
) -> None:
    await given(mail_store, 3)
    await set_all(mail_store, state=state, reason="550 5.7.1", attempts=80, repeated=3)
    # As an earlier version wrote them.
    await mail_store.database[MAILS.name].update_many({}, {"$unset": {"order": "", "ended_at": ""}})
    await insert(mail_store, MAIL_ORDERS, *(order(n) for n in range(3)), order(0, 2))
    assert await carried_out(mail_store) == {"done": 3, "void": 1}
    async with running(mailer_for(mail_store, catcher.port)):
        sent = await until(mail_store, sent=3)
    assert {(one.attempts, one.repeated) for one in sent} == {(0, 0)}
    await insert(mail_store, MAIL_ORDERS, order(1, 2), order(2, 2))
    assert (await carried_out(mail_store))["void"] == 3, "what went out stays as it is"
    async with running(mailer_for(mail_store, catcher.port)):
        await until(mail_store, sent=3)
    assert set(catcher.received().values()) == {1}


async def test_an_order_that_a_dead_worker_had_carried_out_is_not_carried_out_again(
    mail_store: MongoStore,
) -> None:
    """It bounced again meanwhile, which is nothing that the order was about."""
    await given(mail_store, 1)
    await set_all(mail_store, state="bounced", order=1)
    await insert(mail_store, MAIL_ORDERS, replace(order(0), state="leased", lease="dead", lease_until=NOW))
    assert await carried_out(mail_store) == {"done": 1}
    await until(mail_store, bounced=1)


@pytest.mark.parametrize(("noted", "goes"), [(0, True), (1, False)])
async def test_after_a_restore_an_order_counts_unless_the_mail_went_out_by_it(
    mail_store: MongoStore, catcher: Catcher, noted: int, goes: bool
) -> None:
    await given(mail_store, 1)
    await set_all(mail_store, state="bounced")
    state = "sent" if noted else "bounced"
    await insert(mail_store, MAIL_NOTES, MailNote("let_0000", state, epoch=0, at=NOW, order=noted))
    await insert(mail_store, MAIL_ORDERS, order(0))
    await carried_out(mail_store)
    server = SmtpServer(HOST, catcher.port, client_name="bandung.example")
    async with running(Mailer(mail_store, server, SENDER, TERMS, epoch=1)):
        await until(mail_store, sent=1)
    assert catcher.received().total() == goes


# The routes.


class IsOperator:
    async def principal(self, token: str) -> Principal:
        return Principal("jaga", frozenset({Role(token)}), None, None, "https://sso.example")

    async def aclose(self) -> None:
        pass


@pytest.fixture
async def admin(mail_store: MongoStore) -> AsyncIterator[tuple[httpx.AsyncClient, Log]]:
    async def ready() -> list[Any]:
        return []

    log = Log()
    parts: Any = SimpleNamespace(store=mail_store, commands=log)
    app = create_app("notification", routers=[mails_router(parts)], readiness=ready, access=IsOperator())
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": "Bearer operator"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client, log


async def test_mails_that_ended_are_listed_without_a_person_and_ordered_by_id(
    mail_store: MongoStore, admin: tuple[httpx.AsyncClient, Log]
) -> None:
    client, log = admin
    await given(mail_store, 0)
    ended = {"state": "bounced", "reason": "550 5.7.1 (no) $relay"}
    await insert(
        mail_store,
        MAILS,
        replace(mail(1), **ended, ended_at=NOW),
        replace(mail(2), **ended, due=NOW - timedelta(days=2)),
        replace(mail(3), state="skipped", reason="overtaken"),
        replace(mail(4), state="sent"),
        replace(mail(5), state="skipped", reason=NO_ADDRESS, due=NOW),
    )
    await insert(mail_store, CANCELLATIONS, MailCancellation("let_0003", "overtaken"))
    groups = (await client.get("/admin/mails")).json()
    assert [(one["state"], one["count"], one["sample"]) for one in groups] == [
        ("bounced", 2, "let_0001"),
        ("skipped", 1, "let_0003"),
        ("skipped", 1, "let_0005"),
    ]
    assert all(
        one["latest"] is not None for one in groups
    )  # where no end was kept, it is told as in the list of mails
    assert [one["do"].startswith("have the agency send the address") for one in groups] == [
        False,
        False,
        True,
    ]

    async def ids(**asked: str) -> list[str]:
        answer = await client.get("/admin/mails/ended", params=asked)
        assert "Rina" not in answer.text and "example.org" not in answer.text  # noqa: PT018
        return [one["id"] for one in answer.json()]

    assert await ids() == ["let_0001", "let_0002", "let_0003", "let_0005"]
    assert await ids(said="5.7.1 (NO) $") == ["let_0001", "let_0002"]
    assert await ids(said="5.7.1", since=(NOW - timedelta(hours=1)).isoformat()) == ["let_0001"]
    assert await ids(state="skipped") == ["let_0003", "let_0005"]
    assert await ids(limit="1", after="let_0001") == ["let_0002"]
    body = {"id": "let_0001", "reason": "the relay is mended"}
    assert (await client.post("/admin/mails/resends", json=body)).status_code == 200
    assert [one for _, one in log.commands] == [
        ResendMail(letter_id="let_0001", operator="jaga", reason="the relay is mended")
    ]
    gone = await client.post("/admin/mails/resends", json={**body, "id": "let_0004"})
    assert (gone.status_code, "sent" in gone.json()["detail"]) == (409, True)
    assert (await client.post("/admin/mails/resends", json={**body, "id": "let_x"})).status_code == 404
    auditor = await client.post(
        "/admin/mails/resends", json=body, headers={"Authorization": "Bearer auditor"}
    )
    assert auditor.status_code == 403


# What ended is told to the log.


async def told(log: Log, count: int) -> list[NoteMail]:
    async with asyncio.timeout(WITHIN_S):
        while len(log.commands) < count:
            await asyncio.sleep(0.01)
    return [one for _, one in log.commands if isinstance(one, NoteMail)]


@pytest.fixture
async def untold(mail_store: MongoStore) -> AsyncIterator[Callable[..., tuple[UnreportedDeliveries, Log]]]:
    running: list[asyncio.Task[None]] = []

    def make(behind_s: float = 0.0) -> tuple[UnreportedDeliveries, Log]:
        log = Log()
        telling = DeliveryReporter(log, 0)  # type: ignore[arg-type]
        running.append(asyncio.create_task(telling.run()))
        return UnreportedDeliveries(mail_store, telling, factories.always(behind_s)), log

    yield make
    for one in running:
        one.cancel()


async def test_what_a_killed_mailer_had_not_told_is_told_at_the_next_start(
    mail_store: MongoStore,
    untold: Callable[..., tuple[UnreportedDeliveries, Log]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporter, "PAGE", 2)
    states: Sequence[str] = ("sent", "bounced", "queued", "sent", "sent", "skipped")
    await insert(mail_store, MAILS, *(replace(mail(n), state=one) for n, one in enumerate(states)))
    await mail_store.database[MAILS.name].update_one({"_id": "let_0004"}, {"$set": {"order": 1}})
    await insert(
        mail_store,
        MAIL_NOTES,
        MailNote("let_0003", "sent", epoch=0, at=NOW),
        MailNote("let_0004", "bounced", epoch=0, at=NOW),
    )
    worker, log = untold()
    await worker.step()
    found = await told(log, 3)
    assert {(one.letter_id, one.state, one.order) for one in found} == {
        ("let_0000", "sent", 0),
        ("let_0001", "bounced", 0),
        ("let_0004", "sent", 1),
    }
    assert len({id for id, _ in log.commands}) == 3


async def test_what_may_stand_unread_in_the_log_is_not_told_again(
    mail_store: MongoStore, untold: Callable[..., tuple[UnreportedDeliveries, Log]]
) -> None:
    now = datetime.now(UTC)
    ends = [{"sent_at": now - timedelta(minutes=n)} for n in (1, 3)] + [{"ended_at": now}]
    await insert(mail_store, MAILS, *(replace(mail(n), state="sent", **end) for n, end in enumerate(ends)))
    nobody, log = untold(math.inf)
    await nobody.step()
    worker, log = untold(120.0)
    await worker.step()
    found = await told(log, 1)
    assert [one.letter_id for one in found] == ["let_0001"]
    worker._behind_s = factories.always(0.0)
    await worker.step()
    found = await told(log, 4)
    assert {one.letter_id for one in found} == {"let_0000", "let_0001", "let_0002"}


async def test_what_another_mailer_did_not_tell_is_told_by_those_that_run(
    mail_store: MongoStore, untold: Callable[..., tuple[UnreportedDeliveries, Log]]
) -> None:
    worker, log = untold()
    await worker.step()
    ended = {"sent_at": datetime.now(UTC)}
    await insert(mail_store, MAILS, replace(mail(1), state="sent", **ended), replace(mail(2), state="sent"))
    await worker.step()
    assert [one.letter_id for one in await told(log, 1)] == ["let_0001"]
