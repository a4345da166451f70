"""The mailer against a real MongoDB and a mail server that fails as ordered."""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest
from msgspec.structs import replace

from devstack import Stack
from devstack.ports import HOST, free_ports
from devstack.processes import Processes
from services.notification.app import WORK
from services.notification.delivery import mailer as mailers
from services.notification.delivery import policy as outcomes
from services.notification.delivery.documents import ALLOWANCES
from services.notification.delivery.mailer import HANDING_OVER, Mailer
from services.notification.delivery.metrics import REPEATED
from services.notification.delivery.policy import HELD, JOINED, MAX_REPEATS
from services.notification.delivery.preparation import Preparation
from services.notification.delivery.smtp import SmtpServer
from services.notification.letters.documents import (
    ADDRESS_CHANGED,
    CONTACTS,
    LETTERS,
    MAIL_CANCELLATIONS,
    MAIL_NOTES,
    MAILS,
    Contact,
    Mail,
    MailCancellation,
    MailNote,
)
from shared.contracts.payload import EmployeeId
from shared.pipeline.errors import Unavailable
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.work import WorkQueue
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
    states,
    true,
    until,
)


async def test_each_mail_is_sent_once_and_noted(mail_store: MongoStore, catcher: Catcher) -> None:
    mails = await given(mail_store, 200)
    async with running(mailer_for(mail_store, catcher.port), mailer_for(mail_store, catcher.port)):
        sent = await until(mail_store, sent=200)
    received = catcher.received()
    assert received == Counter(f"{one.id}@bandung.example" for one in mails)
    assert all(one.sent_at is not None and one.lease == "" and one.attempts == 0 for one in sent)
    assert {one.message_id.strip("<>") for one in sent} == set(received)


async def test_an_outage_delays_mails_and_charges_none(mail_store: MongoStore, catcher: Catcher) -> None:
    mails = await given(mail_store, 30)
    mailer = mailer_for(mail_store, catcher.port)
    catcher.order("refuse")
    async with running(mailer):
        await true(lambda: mailer.circuit.open)
        await until(mail_store, queued=30)
        (fault,) = mailer.faults()
        assert "mails wait" in fault
        catcher.order("none")
        sent = await until(mail_store, sent=30)
        assert mailer.faults() == []
    assert catcher.received() == Counter(f"{one.id}@bandung.example" for one in mails)
    assert {(one.attempts, one.repeated) for one in sent} == {(0, 0)}


async def test_nobody_listening_is_an_outage_too(mail_store: MongoStore) -> None:
    await given(mail_store, 3)
    (closed,) = free_ports(1)
    mailer = mailer_for(mail_store, closed)
    async with running(mailer):
        await true(lambda: mailer.circuit.open)
    (one, *_) = await until(mail_store, queued=3)
    assert one.attempts == 0


async def test_a_temporary_refusal_is_tried_again(mail_store: MongoStore, catcher: Catcher) -> None:
    mails = await given(mail_store, 10)
    catcher.order("tempfail", count=5)
    async with running(mailer_for(mail_store, catcher.port)):
        sent = await until(mail_store, sent=10)
    assert sum(one.attempts for one in sent) == 5
    assert catcher.received() == Counter(f"{one.id}@bandung.example" for one in mails)


async def test_a_mail_that_waits_says_why(mail_store: MongoStore, catcher: Catcher) -> None:
    await given(mail_store, 1)
    catcher.order("tempfail")
    async with running(mailer_for(mail_store, catcher.port, retry_s=3600)):
        (one,) = await until(mail_store, deferred=1)
    assert one.reason.startswith("451 4.3.0")
    assert one.due > datetime.now(UTC) + timedelta(minutes=20)


async def test_a_connection_lost_after_data_is_sent_again_and_counted(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    mails = await given(mail_store, 10)
    catcher.order("close_after_data", count=3)
    async with running(mailer_for(mail_store, catcher.port)):
        sent = await until(mail_store, sent=10)
    received = catcher.received()
    assert set(received) == {f"{one.id}@bandung.example" for one in mails}
    assert {one.id: received[f"{one.id}@bandung.example"] - 1 for one in sent} == {
        one.id: one.repeated for one in sent
    }
    assert sum(one.repeated for one in sent) == 3


def counted_again() -> float:
    return REPEATED._value.get()


async def test_mails_handed_over_again_are_counted_as_they_arrive_again(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    """Not those that are queued again and never go."""
    before = counted_again()
    mails = await given(mail_store, 10)
    catcher.order("close_after_data", count=3)
    dead = WorkQueue(mail_store, MAILS, lease_s=0.01)
    (gone,) = await dead.hold(await dead.lease(1), HANDING_OVER)
    await insert(mail_store, MAIL_CANCELLATIONS, MailCancellation(gone.id, "overtaken"))
    async with running(mailer_for(mail_store, catcher.port, lease_s=4)):
        await until(mail_store, sent=len(mails) - 1, skipped=1)
    received = catcher.received()
    assert counted_again() - before == received.total() - len(received) == 3


async def test_mails_whose_outcomes_can_not_be_written_are_counted_when_another_mailer_sends_them_again(
    mail_store: MongoStore, catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while the disk is full: their leases end, and nobody else knows that they went."""
    before, full = counted_again(), True
    hindered = MongoStore(mail_store.client, mail_store.database.name)

    async def note_items(*given: Any) -> int:
        if full:
            raise Unavailable("the disk is full")
        return await mail_store.note_items(*given)

    monkeypatch.setattr(hindered, "note_items", note_items)
    monkeypatch.setattr(mailers, "DATABASE_PAUSE_S", 0.1)
    await given(mail_store, 5)
    async with running(mailer_for(hindered, catcher.port, lease_s=4)):
        await true(lambda: catcher.received().total() == 5)
        async with running(mailer_for(mail_store, catcher.port, lease_s=4)):
            await until(mail_store, sent=5)
        full = False
    assert set(catcher.received().values()) == {2}
    assert counted_again() - before == 5


async def test_a_server_that_always_breaks_off_is_not_fed_for_ever(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await given(mail_store, 1)
    catcher.order("close_after_data")
    async with running(mailer_for(mail_store, catcher.port)):
        (one,) = await until(mail_store, unknown=1)
    assert one.repeated == MAX_REPEATS
    assert catcher.received().total() == MAX_REPEATS + 1


async def test_held_mails_wait_for_an_operator(mail_store: MongoStore, catcher: Catcher) -> None:
    await given(mail_store, 5)
    catcher.order("close_after_data", count=2)
    async with running(mailer_for(mail_store, catcher.port, "hold")):
        mails = await until(mail_store, sent=3, unknown=2)
    assert catcher.received().total() == 5
    assert all(one.repeated == 0 for one in mails)
    assert all("after DATA" in one.reason for one in mails if one.state == "unknown")


@pytest.mark.parametrize(("unknown", "state", "repeated"), [("resend", "sent", 1), ("hold", "unknown", 0)])
async def test_what_a_dead_mailer_was_handing_over_follows_the_policy(
    mail_store: MongoStore, catcher: Catcher, unknown: Literal["resend", "hold"], state: str, repeated: int
) -> None:
    await given(mail_store, 1)
    dead = WorkQueue(mail_store, MAILS, lease_s=0.01)
    await dead.hold(await dead.lease(1), HANDING_OVER)
    async with running(mailer_for(mail_store, catcher.port, unknown, lease_s=4)):
        (one,) = await until(mail_store, **{state: 1})
    assert one.repeated == repeated
    assert catcher.received().total() == repeated


async def test_what_a_dead_mailer_had_only_leased_is_sent_uncounted(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await given(mail_store, 1)
    await WorkQueue(mail_store, MAILS, lease_s=0.01).lease(1)
    async with running(mailer_for(mail_store, catcher.port)):
        (one,) = await until(mail_store, sent=1)
    assert one.repeated == 0


async def test_a_permanent_refusal_bounces_without_naming_the_person(
    mail_store: MongoStore, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    await to_people(mail_store, ["rina@example.org", *(f"p{n}@example.org" for n in range(20))])
    catcher.order("reply", text="550 5.1.1 <rina@example.org> no such mailbox", to="rina")
    async with running(mailer_for(mail_store, catcher.port)):
        mails = await until(mail_store, sent=20, bounced=1)
    (bounced,) = (one for one in mails if one.state == "bounced")
    assert bounced.reason.startswith("550 5.1.1")
    assert "rina" not in bounced.reason
    assert "rina" not in caplog.text


async def to_people(store: MongoStore, emails: Sequence[str]) -> list[Mail]:
    """One to each."""
    contacts = [
        Contact(EmployeeId(f"emp_{n}"), 1, [f"{n}"], "Rina", one, "id") for n, one in enumerate(emails)
    ]
    mails = [mail(n, f"emp_{n}") for n in range(len(emails))]
    await insert(store, CONTACTS, *contacts)
    await insert(store, MAILS, *mails)
    return mails


@pytest.mark.parametrize(
    ("at", "text", "domains"),
    [
        ("rcpt", "550 5.7.1 Relaying denied", 1),
        ("rcpt", "550-Refused.\r\n550 5.1.1 User unknown", 40),
        ("rcpt", "454 4.7.1 Relay access denied", 40),
        ("data", "554 5.7.1 Message refused", 40),
        ("mail", "530 5.7.0 Authentication required", 40),
    ],
)
async def test_a_server_that_refuses_everybody_makes_nobodys_mail_bounce(
    mail_store: MongoStore, catcher: Catcher, at: str, text: str, domains: int
) -> None:
    """All mails pause, readiness says why, and each goes out once when that is mended."""
    mails = await to_people(mail_store, [f"p{n}@d{n % domains}.example" for n in range(40)])
    catcher.order("reply", at=at, text=text)
    mailer = mailer_for(mail_store, catcher.port)
    async with running(mailer):
        await true(lambda: any(text[:3] in fault and "mails wait" in fault for fault in mailer.faults()))
        given_by_then = catcher.page.get("/faults").json()["given"]
        await true(lambda: catcher.page.get("/faults").json()["given"] > given_by_then)
        assert (await states(mail_store)).keys() <= {"queued", "leased", "handing_over", "deferred"}
        assert mailer.faults()
        catcher.order("none")
        await until(mail_store, sent=40)
        await true(lambda: not mailer.faults())
    assert catcher.received() == Counter(f"{one.id}@bandung.example" for one in mails)


async def test_a_gone_domain_bounces_and_keeps_no_other_back(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    """However many in a row."""
    await to_people(mail_store, [*(f"p{n}@gone.example" for n in range(80)), "rina@example.org"])
    catcher.order("reply", text="550 5.1.2 No such domain", to="gone.example")
    async with running(mailer_for(mail_store, catcher.port)):
        tried = {"$or": [{"state": {"$in": ["sent", "bounced"]}}, {"attempts": {"$gt": 0}}]}
        async with asyncio.timeout(WITHIN_S):
            while await mail_store.count(MAILS, tried) < 81:
                await asyncio.sleep(0.02)
        await insert(
            mail_store, CONTACTS, Contact(EmployeeId("emp_x"), 1, ["x"], "Budi", "budi@example.org", "id")
        )
        await insert(mail_store, MAILS, mail(100, "emp_x"))
        await until(mail_store, sent=2, bounced=80)


# One agency's addresses, as many as it likes, each at a domain of its own.


async def about(store: MongoStore, body: str, first: int, emails: Sequence[str]) -> list[Mail]:
    """Mails about trainings of one body, one to each of its people."""
    contacts = [
        Contact(EmployeeId(f"emp_{n}"), 1, [f"{n}"], "Rina", email, "id")
        for n, email in enumerate(emails, first)
    ]
    mails = [mail(n, f"emp_{n}") for n in range(first, first + len(emails))]
    mails = [replace(one, letter=replace(one.letter, series=f"{body}/2026")) for one in mails]
    await insert(store, CONTACTS, *contacts)
    await insert(store, MAILS, *mails)
    return mails


def to_body(mails: Sequence[Mail]) -> dict[str, object]:
    return {"_id": {"$in": [one.id for one in mails]}, "state": "sent"}


async def none_is_left(store: MongoStore, mails: Sequence[Mail]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await store.count(MAILS, to_body(mails)) < len(mails):
            await asyncio.sleep(0.02)


ABOUT_A_DOMAIN = [
    "450 4.1.2 Recipient address rejected: Domain not found",
    "554 5.7.1 Access denied",
    "550 5.1.2 No such domain",
]
FRESH = [f"x@d{n}.fresh.example" for n in range(100)]


@pytest.mark.parametrize(
    ("text", "restarted"), [*((text, False) for text in ABOUT_A_DOMAIN), (ABOUT_A_DOMAIN[0], True)]
)
async def test_one_bodys_addresses_at_ever_new_domains_hold_up_no_other_bodys_mails(
    mail_store: MongoStore, catcher: Catcher, text: str, restarted: bool
) -> None:
    """Whom the server took a mail for before, it is asked about: also by a mailer that was not there then."""
    before = await about(mail_store, "DINKES", 0, ["rina@dinkes.example"])
    mailer = mailer_for(mail_store, catcher.port, retry_s=3600)
    async with running(mailer):
        await none_is_left(mail_store, before)
        if not restarted:
            await hold_up_no_other(mail_store, catcher, mailer, text)
    if restarted:
        mailer = mailer_for(mail_store, catcher.port, retry_s=3600)
        async with running(mailer):
            await hold_up_no_other(mail_store, catcher, mailer, text)
    assert set(catcher.received().values()) == {1}


async def hold_up_no_other(store: MongoStore, catcher: Catcher, mailer: Mailer, text: str) -> None:
    catcher.order("reply", text=text, to="fresh.example")
    fresh = await about(store, "DISKOMINFO", 1000, FRESH)
    others = await about(store, "DINKES", 2000, [f"p{n}@d{n}.honest.example" for n in range(11)])
    tried = {"_id": {"$in": [one.id for one in fresh]}, "$or": [{"attempts": 1}, {"state": "bounced"}]}
    async with asyncio.timeout(WITHIN_S):
        while await store.count(MAILS, tried) < len(fresh):
            assert mailer.faults() == []
            await asyncio.sleep(0.005)
    await none_is_left(store, others)


async def test_unknown_people_of_one_body_hold_up_no_others_at_the_same_domain(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    before = await about(mail_store, "DINKES", 0, ["rina@bandung.example"])
    mailer = mailer_for(mail_store, catcher.port, retry_s=3600)
    async with running(mailer):
        await none_is_left(mail_store, before)
        catcher.order("reply", text="550 5.1.1 User unknown", to="unknown")
        fresh = await about(
            mail_store, "DISKOMINFO", 1000, [f"unknown{n}@bandung.example" for n in range(99)]
        )
        tried = {"_id": {"$in": [one.id for one in fresh]}, "attempts": 1}
        async with asyncio.timeout(WITHIN_S):
            while await mail_store.count(MAILS, tried) < len(fresh):
                assert mailer.faults() == []
                await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("rcpt", "450 4.1.2 Recipient address rejected: Domain not found"),
        ("rcpt", "550 5.7.1 Relaying denied"),
        ("rcpt", "550 5.1.1 User unknown"),
        ("data", "554 5.7.1 Message refused"),
    ],
)
async def test_a_server_that_took_mails_and_refuses_everybody_now_pauses_all_and_says_why(
    mail_store: MongoStore, catcher: Catcher, at: str, text: str
) -> None:
    """Also where one body alone has mails."""
    before = await about(mail_store, "DINKES", 0, ["rina@dinkes.example"])
    mailer = mailer_for(mail_store, catcher.port)
    async with running(mailer):
        await none_is_left(mail_store, before)
        catcher.order("reply", at=at, text=text)
        mails = await about(mail_store, "DISKOMINFO", 1000, FRESH[:40])
        await true(lambda: any(text[:3] in fault and "mails wait" in fault for fault in mailer.faults()))
        assert await mail_store.count(MAILS, {"state": "bounced"}) == 0
        catcher.order("none")
        await none_is_left(mail_store, mails)
        await true(lambda: not mailer.faults())
    assert set(catcher.received().values()) == {1}


async def test_a_server_that_never_took_a_mail_is_tried_for_bodies_in_turns(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    """Once it was mended, those of one body that it still refuses keep it from nobody else."""
    text = ABOUT_A_DOMAIN[0]
    await about(mail_store, "DISKOMINFO", 1000, FRESH)
    mailer = mailer_for(mail_store, catcher.port, retry_s=3600)
    catcher.order("reply", text=text)
    async with running(mailer):
        await true(lambda: bool(mailer.faults()))
        others = await about(mail_store, "DINKES", 2000, [f"p{n}@d{n}.honest.example" for n in range(11)])
        catcher.order("reply", text=text, to="fresh.example")
        await none_is_left(mail_store, others)


@pytest.mark.parametrize("email", [None, "no address at all", "r" * 65 + "@example.org"])
async def test_a_mail_without_an_address_is_skipped_with_the_reason(
    mail_store: MongoStore, catcher: Catcher, email: str | None
) -> None:
    await given(mail_store, 1, email=email)
    async with running(mailer_for(mail_store, catcher.port)):
        (one,) = await until(mail_store, skipped=1)
    assert "address" in one.reason
    assert catcher.received().total() == 0


async def test_the_newest_address_counts(mail_store: MongoStore, catcher: Catcher) -> None:
    await given(mail_store, 1, email="old@example.org")
    await mail_store.database[CONTACTS.name].update_one(
        {"_id": "emp_1"}, {"$set": {"email": "new@example.org"}}
    )
    async with running(mailer_for(mail_store, catcher.port)):
        await until(mail_store, sent=1)
    (received,) = catcher.page.get("/api/v1/messages").json()["messages"]
    assert received["To"] == [{"Name": "Rina Ma'ruf", "Address": "new@example.org"}]


async def test_a_cancelled_mail_is_skipped(mail_store: MongoStore, catcher: Catcher) -> None:
    await given(mail_store, 3)
    await insert(mail_store, MAIL_CANCELLATIONS, MailCancellation("let_0001", "the certificate was revoked"))
    async with running(mailer_for(mail_store, catcher.port)):
        mails = await until(mail_store, sent=2, skipped=1)
    assert mails[1].reason == "the certificate was revoked"
    assert catcher.received().total() == 2


async def about_the_contact(store: MongoStore, **fields: object) -> None:
    await store.database[CONTACTS.name].update_one({"_id": "emp_1"}, {"$set": fields})


@pytest.mark.parametrize("email", ["rina@example.org", None])
async def test_a_mail_to_whom_two_agencies_claim_waits_uncounted_and_goes_once_that_is_decided(
    mail_store: MongoStore, catcher: Catcher, monkeypatch: pytest.MonkeyPatch, email: str | None
) -> None:
    """Without an address too: the decision may bring one."""
    monkeypatch.setattr(outcomes, "HELD_S", 0.2)
    await given(mail_store, 2, email=email)
    await insert(mail_store, MAIL_CANCELLATIONS, MailCancellation("let_0001", "the certificate was revoked"))
    await about_the_contact(mail_store, held=True)
    async with running(mailer_for(mail_store, catcher.port, letters_a_day=20)):
        mails = await until(mail_store, deferred=1, skipped=1)
        await asyncio.sleep(1)
        again, _ = await until(mail_store, deferred=1, skipped=1)
        assert again.due > mails[0].due
        assert (again.reason, again.attempts, again.slot) == (HELD, 0, "")
        assert catcher.received().total() == 0
    counts = {name: await mail_store.count(MAILS, filter) for name, filter in WORK[MAILS].items()}
    assert {name: count for name, count in counts.items() if count} == {"held": 1}
    async with running(mailer_for(mail_store, catcher.port, letters_a_day=20)):
        await about_the_contact(mail_store, held=False, email="rina@example.org")
        sent, _ = await until(mail_store, sent=1, skipped=1)
    assert (sent.reason, sent.attempts) == ("", 0)
    assert catcher.received() == Counter(["let_0000@bandung.example"])


# A record that was merged into another one's person.

OWN, PERSON = "rina.lama@example.org", "rina@example.org"


def contact(id: str, email: str, *numbers: str, merged: Sequence[str] = ()) -> Contact:
    return Contact(
        EmployeeId(id), 1, list(numbers), "Rina", email, "id", merged=[EmployeeId(one) for one in merged]
    )


@pytest.mark.parametrize(
    ("contacts", "expected"),
    [
        ([contact("emp_1", OWN), contact("emp_2", PERSON, "1", "2", merged=["emp_1"])], PERSON),
        ([contact("emp_1", OWN, "1"), contact("emp_2", PERSON, "2")], OWN),
        ([contact("emp_1", OWN, "1"), contact("emp_2", PERSON, "1", "2", merged=["emp_1"])], OWN),
        ([contact("emp_1", OWN), contact("emp_2", PERSON, "2")], None),
    ],
    ids=["merged", "separated", "one side of a separation", "one side of a merge"],
)
async def test_a_mail_goes_to_whose_the_record_is_by_then(
    mail_store: MongoStore, contacts: list[Contact], expected: str | None
) -> None:
    """And nowhere while that can't be told."""
    await insert(mail_store, CONTACTS, *contacts)
    ready, notes = await Preparation(mail_store, SENDER, TERMS, None, 0).prepare([mail(1)])
    assert [one.recipient for one in ready] == [expected] * (expected is not None)
    assert [note.set["reason"] for note in notes] == [JOINED] * (expected is None)


async def test_a_mail_on_its_way_when_records_are_merged_goes_out_once_to_the_person(
    mail_store: MongoStore, catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "JOINED_S", 0.2)
    await insert(mail_store, MAILS, mail(0))
    await insert(mail_store, CONTACTS, contact("emp_1", OWN))
    async with running(mailer_for(mail_store, catcher.port)):
        await until(mail_store, deferred=1)
        await insert(mail_store, CONTACTS, contact("emp_2", PERSON, "1", "2", merged=["emp_1"]))
        await until(mail_store, sent=1)
    assert [
        to["Address"] for one in catcher.page.get("/api/v1/messages").json()["messages"] for to in one["To"]
    ] == [PERSON]


async def test_a_mail_goes_to_whose_the_completion_came_to_be_since_it_was_released(
    mail_store: MongoStore,
) -> None:
    """As after a separation, of one that was reported in between."""
    await insert(mail_store, CONTACTS, contact("emp_1", OWN, "1"), contact("emp_2", PERSON, "2"))
    await insert(mail_store, LETTERS, replace(mail(1).letter, employee_id=EmployeeId("emp_2")))
    ready, _ = await Preparation(mail_store, SENDER, TERMS, None, 0).prepare([mail(1), mail(2)])
    assert [one.recipient for one in ready] == [PERSON, OWN]


async def test_the_letter_that_tells_of_a_merge_goes_to_the_address_that_the_record_had(
    mail_store: MongoStore,
) -> None:
    await insert(mail_store, CONTACTS, contact("emp_1", OWN), contact("emp_2", PERSON, "1", merged=["emp_1"]))
    telling = mail(1)
    telling = replace(
        telling, letter=replace(telling.letter, template=ADDRESS_CHANGED, recipient=OWN, new_address="r***@x")
    )
    ready, _ = await Preparation(mail_store, SENDER, TERMS, None, 0).prepare([telling])
    assert [one.recipient for one in ready] == [OWN]


async def test_a_letter_to_the_address_before_goes_there_whatever_stands(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await given(mail_store, 0, email=None)
    letter = msgspec.structs.replace(
        mail(0).letter, template=ADDRESS_CHANGED, certificate_id="", recipient="old@example.org", new_address="r***@b.org"
    )  # fmt: skip
    await insert(mail_store, MAILS, msgspec.structs.replace(mail(0), letter=letter))
    async with running(mailer_for(mail_store, catcher.port, letters_a_day=20)):
        await until(mail_store, sent=1)
    (received,) = catcher.page.get("/api/v1/messages").json()["messages"]
    assert received["To"] == [{"Name": "Rina Ma'ruf", "Address": "old@example.org"}]
    (allowance,) = await mail_store.select(ALLOWANCES, {})
    assert allowance.id.startswith(TERMS.ids.address("old@example.org"))


async def test_a_letter_that_cannot_be_written_waits_and_keeps_no_other(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await given(mail_store, 2)
    broken = mail(99)
    broken = msgspec.structs.replace(
        broken, letter=msgspec.structs.replace(broken.letter, template="unheard")
    )
    await insert(mail_store, MAILS, broken)
    async with running(mailer_for(mail_store, catcher.port)):
        mails = await until(mail_store, sent=2, deferred=1)
    assert mails[-1].reason == "bug: KeyError"


async def test_a_slow_server_never_keeps_a_mail_past_its_lease(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await given(mail_store, 1)
    catcher.order("slow", count=1, delay_s=30)
    async with running(mailer_for(mail_store, catcher.port, lease_s=1)):
        (one,) = await until(mail_store, sent=1)
    # Given up in time by the one who held it, so no second mailer ever had a lease on it meanwhile.
    assert one.repeated == 1
    assert one.attempts == 1


async def test_a_stopped_mailer_leaves_nothing_half_done(mail_store: MongoStore, catcher: Catcher) -> None:
    await given(mail_store, 100)
    mailer = mailer_for(mail_store, catcher.port)
    async with running(mailer):
        await true(lambda: catcher.received().total() > 0)
    seen = await states(mail_store)
    assert seen.keys() <= {"sent", "queued"}
    assert catcher.received().total() == seen["sent"]
    async with running(mailer_for(mail_store, catcher.port)):
        await until(mail_store, sent=100)
    assert set(catcher.received().values()) == {1}


@pytest.mark.parametrize("failpoint", ["mail-leased", "mail-handing-over", "mail-accepted", "mail-noted"])
async def test_a_killed_mailer_loses_no_mail_and_every_double_is_counted(
    stack: Stack, mail_store: MongoStore, catcher: Catcher, processes: Processes, failpoint: str
) -> None:
    mails = await given(mail_store, 20)
    arguments = [stack.mongo, mail_store.database.name, str(catcher.port), "2"]
    env = {"KOMPETEN_FAILPOINT": failpoint}
    child = processes.start_python("mailer", "tests.integration.mailer_process", *arguments, env=env)
    assert await asyncio.to_thread(child.wait, WITHIN_S) == -signal.SIGKILL
    async with running(mailer_for(mail_store, catcher.port, lease_s=4)):
        sent = await until(mail_store, sent=20)
    received = catcher.received()
    assert set(received) == {f"{one.id}@bandung.example" for one in mails}
    for one in sent:
        assert received[f"{one.id}@bandung.example"] - 1 <= one.repeated
    if failpoint == "mail-leased":
        assert received.total() == 20
        assert all(one.repeated == 0 for one in sent)


async def test_a_letter_with_broken_data_waits_for_a_fix_and_is_not_skipped(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await given(mail_store, 1)
    change = {"$set": {"letter.completed_on": "soon"}}
    await mail_store.database[MAILS.name].update_one({"_id": "let_0000"}, change)
    async with running(mailer_for(mail_store, catcher.port)):
        (one,) = await until(mail_store, deferred=1)
    assert one.reason == "bug: ValueError"


async def test_what_went_out_before_a_restore_is_not_sent_again(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    """Not even if it was overtaken since; what a mailer of the same epoch noted holds nobody back."""
    mails = await given(mail_store, 3)
    at = datetime.now(UTC) - timedelta(days=1)
    await insert(
        mail_store,
        MAIL_NOTES,
        MailNote(id=mails[0].id, state="sent", epoch=0, at=at),
        MailNote(id=mails[1].id, state="sent", epoch=1, at=at),
    )
    await insert(mail_store, MAIL_CANCELLATIONS, MailCancellation(id=mails[0].id, reason="overtaken"))
    server = SmtpServer(HOST, catcher.port, client_name="bandung.example")
    async with running(Mailer(mail_store, server, SENDER, TERMS, epoch=1)):
        before, *_ = await until(mail_store, sent=3)
    assert "before the database was restored" in before.reason
    assert before.sent_at is not None
    assert abs(before.sent_at - at) < timedelta(milliseconds=1)
    assert catcher.received() == Counter(f"{one.id}@bandung.example" for one in mails[1:])


async def test_a_mail_that_an_earlier_version_queued_goes_with_links_of_our_own(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    """Its letter has the link that stood in the event, and none of the fields of today."""
    await given(mail_store, 1)
    of_before = {
        "letter.download_url": "https://kompeten.example/d/crt_0.1778518740.abcdefghijklmnopqrstuv",
        "letter.download_until": datetime.now(UTC),
    }
    of_today = {"slot": "", "slot_at": "", "letter.not_before": ""}
    await mail_store.database[MAILS.name].update_one({}, {"$set": of_before, "$unset": of_today})
    await mail_store.database[CONTACTS.name].update_one({}, {"$unset": {"confirmed_email": ""}})
    async with running(mailer_for(mail_store, catcher.port, letters_a_day=20)):
        await until(mail_store, sent=1)
    (listed,) = catcher.page.get("/api/v1/messages").json()["messages"]
    text = catcher.page.get(f"/api/v1/message/{listed['ID']}").json()["Text"]
    (link,) = (word for word in text.split() if "/d/" in word)
    opened = TERMS.links.opened(link.rpartition("/")[2], datetime.now(UTC))
    assert (opened.certificate_id, opened.revision) == ("crt_0", 1)
    assert TERMS.links.goes_to(opened, "rina@example.org", since=None)
