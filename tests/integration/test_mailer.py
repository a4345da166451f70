"""The mailer against a real MongoDB and a mail server that fails as ordered."""

import asyncio
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import httpx
import msgspec
import pytest

from services.notification.documents import (
    COLLECTIONS,
    CONTACTS,
    MAIL_CANCELLATIONS,
    MAIL_NOTES,
    MAILS,
    Contact,
    Letter,
    Mail,
    MailCancellation,
    MailNote,
)
from services.notification.mailer import HANDING_OVER, Mailer
from services.notification.outcomes import MOST_REPEATS
from services.notification.smtp import SmtpServer
from services.notification.terms import load_terms
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.mongo import MongoStore, connect
from shared.pipeline.documents import Collection
from shared.pipeline.work import WorkQueue
from shared.stack import Stack
from shared.stack.ports import HOST, free_ports, url_answers
from shared.stack.processes import Processes

SENDER = "Kompeten <kompeten@bandung.example>"
WITHIN_S = 20.0
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


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catcher]:
    directory = tmp_path_factory.mktemp("mailer")
    smtp, http = free_ports(2)
    with Processes(directory) as processes:
        options = ["--smtp-port", str(smtp), "--http-port", str(http), "--directory", str(directory / "mail")]
        child = processes.start_python("mailcatcher", "shared.stack.mailcatcher", *options)
        child.wait_ready(lambda: url_answers(f"http://{HOST}:{http}/readyz"), 60)
        with httpx.Client(base_url=f"http://{HOST}:{http}") as page:
            yield Catcher(smtp, page)


@pytest.fixture
def catcher(started: Catcher) -> Catcher:
    started.order("none")
    started.page.delete("/api/v1/messages").raise_for_status()
    return started


@pytest.fixture
async def store(stack: Stack) -> AsyncIterator[MongoStore]:
    client = connect(stack.mongo)
    name = f"mailer_{secrets.token_hex(6)}"
    store = MongoStore(client, name)
    await store.prepare(COLLECTIONS)
    yield store
    await client.drop_database(name)
    client.close()


def mailer_for(
    store: MongoStore,
    port: int,
    unknown: Literal["resend", "hold"] = "resend",
    lease_s: float = 10,
    retry_s: float = 0.05,
) -> Mailer:
    server = SmtpServer(HOST, port, client_name="bandung.example")
    return Mailer(
        store, server, SENDER, TERMS, unknown=unknown, lease_s=lease_s, retry_s=retry_s, pause_s=0.05
    )


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


async def test_each_mail_is_sent_once_and_noted(store: MongoStore, catcher: Catcher) -> None:
    mails = await given(store, 200)
    async with running(mailer_for(store, catcher.port), mailer_for(store, catcher.port)):
        sent = await until(store, sent=200)
    received = catcher.received()
    assert received == Counter(f"{one.id}@bandung.example" for one in mails)
    assert all(one.sent_at is not None and one.lease == "" and one.attempts == 0 for one in sent)
    assert {one.message_id.strip("<>") for one in sent} == set(received)


async def test_an_outage_delays_mails_and_charges_none(store: MongoStore, catcher: Catcher) -> None:
    mails = await given(store, 30)
    mailer = mailer_for(store, catcher.port)
    catcher.order("refuse")
    async with running(mailer):
        await true(lambda: mailer.circuit.open)
        await until(store, queued=30)
        (fault,) = mailer.faults()
        assert "mails wait" in fault
        catcher.order("none")
        sent = await until(store, sent=30)
        assert mailer.faults() == []
    assert catcher.received() == Counter(f"{one.id}@bandung.example" for one in mails)
    assert {(one.attempts, one.repeated) for one in sent} == {(0, 0)}


async def test_nobody_listening_is_an_outage_too(store: MongoStore) -> None:
    await given(store, 3)
    (closed,) = free_ports(1)
    mailer = mailer_for(store, closed)
    async with running(mailer):
        await true(lambda: mailer.circuit.open)
    (one, *_) = await until(store, queued=3)
    assert one.attempts == 0


async def test_a_temporary_refusal_is_tried_again(store: MongoStore, catcher: Catcher) -> None:
    mails = await given(store, 10)
    catcher.order("tempfail", count=5)
    async with running(mailer_for(store, catcher.port)):
        sent = await until(store, sent=10)
    assert sum(one.attempts for one in sent) == 5
    assert catcher.received() == Counter(f"{one.id}@bandung.example" for one in mails)


async def test_a_mail_that_waits_says_why(store: MongoStore, catcher: Catcher) -> None:
    await given(store, 1)
    catcher.order("tempfail")
    async with running(mailer_for(store, catcher.port, retry_s=3600)):
        (one,) = await until(store, deferred=1)
    assert one.reason.startswith("451 4.3.0")
    assert one.due > datetime.now(UTC) + timedelta(minutes=20)


async def test_a_connection_lost_after_data_is_sent_again_and_counted(
    store: MongoStore, catcher: Catcher
) -> None:
    mails = await given(store, 10)
    catcher.order("close_after_data", count=3)
    async with running(mailer_for(store, catcher.port)):
        sent = await until(store, sent=10)
    received = catcher.received()
    assert set(received) == {f"{one.id}@bandung.example" for one in mails}
    assert {one.id: received[f"{one.id}@bandung.example"] - 1 for one in sent} == {
        one.id: one.repeated for one in sent
    }
    assert sum(one.repeated for one in sent) == 3


async def test_a_server_that_always_breaks_off_is_not_fed_for_ever(
    store: MongoStore, catcher: Catcher
) -> None:
    await given(store, 1)
    catcher.order("close_after_data")
    async with running(mailer_for(store, catcher.port)):
        (one,) = await until(store, unknown=1)
    assert one.repeated == MOST_REPEATS
    assert catcher.received().total() == MOST_REPEATS + 1


async def test_held_mails_wait_for_an_operator(store: MongoStore, catcher: Catcher) -> None:
    await given(store, 5)
    catcher.order("close_after_data", count=2)
    async with running(mailer_for(store, catcher.port, "hold")):
        mails = await until(store, sent=3, unknown=2)
    assert catcher.received().total() == 5
    assert all(one.repeated == 0 for one in mails)
    assert all("after DATA" in one.reason for one in mails if one.state == "unknown")


@pytest.mark.parametrize(("unknown", "state", "repeated"), [("resend", "sent", 1), ("hold", "unknown", 0)])
async def test_what_a_dead_mailer_was_handing_over_follows_the_policy(
    store: MongoStore, catcher: Catcher, unknown: Literal["resend", "hold"], state: str, repeated: int
) -> None:
    await given(store, 1)
    dead = WorkQueue(store, MAILS, lease_s=0.01)
    await dead.hold(await dead.lease(1), HANDING_OVER)
    async with running(mailer_for(store, catcher.port, unknown, lease_s=4)):
        (one,) = await until(store, **{state: 1})
    assert one.repeated == repeated
    assert catcher.received().total() == repeated


async def test_what_a_dead_mailer_had_only_leased_is_sent_uncounted(
    store: MongoStore, catcher: Catcher
) -> None:
    await given(store, 1)
    await WorkQueue(store, MAILS, lease_s=0.01).lease(1)
    async with running(mailer_for(store, catcher.port)):
        (one,) = await until(store, sent=1)
    assert one.repeated == 0


async def test_a_permanent_refusal_bounces_without_naming_the_person(
    store: MongoStore, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    await given(store, 3)
    catcher.order("permfail", count=1)
    async with running(mailer_for(store, catcher.port)):
        mails = await until(store, sent=2, bounced=1)
    (bounced,) = (one for one in mails if one.state == "bounced")
    assert bounced.reason.startswith("550 5.1.1")
    assert "rina" not in bounced.reason
    assert "rina" not in caplog.text


@pytest.mark.parametrize("email", [None, "no address at all"])
async def test_a_mail_without_an_address_is_skipped_with_the_reason(
    store: MongoStore, catcher: Catcher, email: str | None
) -> None:
    await given(store, 1, email=email)
    async with running(mailer_for(store, catcher.port)):
        (one,) = await until(store, skipped=1)
    assert "address" in one.reason
    assert catcher.received().total() == 0


async def test_the_newest_address_counts(store: MongoStore, catcher: Catcher) -> None:
    await given(store, 1, email="old@example.org")
    await store.database[CONTACTS.name].update_one({"_id": "emp_1"}, {"$set": {"email": "new@example.org"}})
    async with running(mailer_for(store, catcher.port)):
        await until(store, sent=1)
    (received,) = catcher.page.get("/api/v1/messages").json()["messages"]
    assert received["To"] == [{"Name": "Rina Ma'ruf", "Address": "new@example.org"}]


async def test_a_cancelled_mail_is_skipped(store: MongoStore, catcher: Catcher) -> None:
    await given(store, 3)
    await insert(store, MAIL_CANCELLATIONS, MailCancellation("let_0001", "the certificate was revoked"))
    async with running(mailer_for(store, catcher.port)):
        mails = await until(store, sent=2, skipped=1)
    assert mails[1].reason == "the certificate was revoked"
    assert catcher.received().total() == 2


async def test_a_letter_that_cannot_be_written_waits_and_keeps_no_other(
    store: MongoStore, catcher: Catcher
) -> None:
    await given(store, 2)
    broken = mail(99)
    broken = msgspec.structs.replace(
        broken, letter=msgspec.structs.replace(broken.letter, template="unheard")
    )
    await insert(store, MAILS, broken)
    async with running(mailer_for(store, catcher.port)):
        mails = await until(store, sent=2, deferred=1)
    assert mails[-1].reason == "bug: KeyError"


async def test_a_slow_server_never_keeps_a_mail_past_its_lease(store: MongoStore, catcher: Catcher) -> None:
    await given(store, 1)
    catcher.order("slow", count=1, delay_s=30)
    async with running(mailer_for(store, catcher.port, lease_s=1)):
        (one,) = await until(store, sent=1)
    # Given up in time by the one who held it, so no second mailer ever had a lease on it meanwhile.
    assert one.repeated == 1
    assert one.attempts == 1


async def test_a_stopped_mailer_leaves_nothing_half_done(store: MongoStore, catcher: Catcher) -> None:
    await given(store, 300)
    mailer = mailer_for(store, catcher.port)
    async with running(mailer):
        await true(lambda: catcher.received().total() > 0)
    seen = await states(store)
    assert seen.keys() <= {"sent", "queued"}
    assert catcher.received().total() == seen["sent"]
    async with running(mailer_for(store, catcher.port, lease_s=2)):
        await until(store, sent=300)
    assert set(catcher.received().values()) == {1}


@pytest.mark.parametrize("failpoint", ["mail-leased", "mail-handing-over", "mail-accepted", "mail-noted"])
async def test_a_killed_mailer_loses_no_mail_and_every_double_is_counted(
    stack: Stack, store: MongoStore, catcher: Catcher, processes: Processes, failpoint: str
) -> None:
    mails = await given(store, 20)
    arguments = [stack.mongo, store.database.name, str(catcher.port), "2"]
    env = {"KOMPETEN_FAILPOINT": failpoint}
    child = processes.start_python("mailer", "tests.integration.mailer_process", *arguments, env=env)
    assert await asyncio.to_thread(child.wait, WITHIN_S) == -signal.SIGKILL
    async with running(mailer_for(store, catcher.port, lease_s=4)):
        sent = await until(store, sent=20)
    received = catcher.received()
    assert set(received) == {f"{one.id}@bandung.example" for one in mails}
    for one in sent:
        assert received[f"{one.id}@bandung.example"] - 1 <= one.repeated
    if failpoint == "mail-leased":
        assert received.total() == 20
        assert all(one.repeated == 0 for one in sent)


async def test_a_letter_with_broken_data_waits_for_a_fix_and_is_not_skipped(
    store: MongoStore, catcher: Catcher
) -> None:
    await given(store, 1)
    change = {"$set": {"letter.completed_on": "soon"}}
    await store.database[MAILS.name].update_one({"_id": "let_0000"}, change)
    async with running(mailer_for(store, catcher.port)):
        (one,) = await until(store, deferred=1)
    assert one.reason == "bug: ValueError"


async def test_what_went_out_before_a_restore_is_not_sent_again(store: MongoStore, catcher: Catcher) -> None:
    """Not even if it was overtaken since; what a mailer of the same epoch noted holds nobody back."""
    mails = await given(store, 3)
    at = datetime.now(UTC) - timedelta(days=1)
    await insert(
        store,
        MAIL_NOTES,
        MailNote(id=mails[0].id, state="sent", epoch=0, at=at),
        MailNote(id=mails[1].id, state="sent", epoch=1, at=at),
    )
    await insert(store, MAIL_CANCELLATIONS, MailCancellation(id=mails[0].id, reason="overtaken"))
    server = SmtpServer(HOST, catcher.port, client_name="bandung.example")
    async with running(Mailer(store, server, SENDER, TERMS, epoch=1)):
        before, *_ = await until(store, sent=3)
    assert "before the database was restored" in before.reason
    assert before.sent_at is not None
    assert abs(before.sent_at - at) < timedelta(milliseconds=1)
    assert catcher.received() == Counter(f"{one.id}@bandung.example" for one in mails[1:])
