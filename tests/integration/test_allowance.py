"""How many mails an address gets in a day, whoever its mails are about and however many mailers there are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from services.notification.delivery.allowance import WARNINGS_A_DAY
from services.notification.delivery.documents import ALLOWANCES
from services.notification.delivery.mailer import HANDING_OVER, Mailer
from services.notification.letters.documents import (
    ADDRESS_CHANGED,
    CONTACTS,
    MAIL_CANCELLATIONS,
    MAILS,
    Contact,
    Mail,
    MailCancellation,
)
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.work import WorkQueue
from tests.integration.mailing import TERMS, Catcher, insert, mail, mailer_for, running, true, until

A_DAY = 20
EVERY = timedelta(days=1) / A_DAY
VICTIM = "korban@example.org"


def person(n: int, email: str = VICTIM, confirmed: str | None = None) -> Contact:
    return Contact(EmployeeId(f"emp_{n}"), 1, ["1"], f"Pegawai {n}", email, "id", confirmed)


async def registered(store: MongoStore, people: Sequence[Contact]) -> list[Mail]:
    """One mail about each."""
    mails = [mail(number, one.id) for number, one in enumerate(people)]
    await insert(store, CONTACTS, *people)
    await insert(store, MAILS, *mails)
    return mails


def limited(store: MongoStore, catcher: Catcher, a_day: int = A_DAY) -> Mailer:
    return mailer_for(store, catcher.port, letters_a_day=a_day)


async def test_a_stranger_is_not_flooded_by_people_who_are_given_his_address(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await registered(mail_store, [person(n, email=VICTIM if n % 2 else VICTIM.upper()) for n in range(200)])
    async with running(*(limited(mail_store, catcher) for _ in range(3))):
        mails = await until(mail_store, sent=A_DAY, deferred=200 - A_DAY)
    assert catcher.received().total() == A_DAY
    waiting = sorted((one for one in mails if one.state == "deferred"), key=lambda one: one.slot_at)
    assert {one.reason for one in waiting} == {
        "more than 20 mails a day to an address that nobody has confirmed: it goes out in its turn"
    }
    now = datetime.now(UTC)
    for place, one in enumerate(waiting, 1):
        assert abs(one.slot_at - now - EVERY * place) < timedelta(minutes=1)
        assert one.due <= one.slot_at + timedelta(minutes=1)
        assert one.due - now <= timedelta(days=1, minutes=1)
        assert one.attempts == 0
    assert VICTIM not in str(await mail_store.select(ALLOWANCES, {})).lower()


async def test_other_addresses_get_theirs_meanwhile(mail_store: MongoStore, catcher: Catcher) -> None:
    victims = [person(n) for n in range(60)]
    others = [person(n, email=f"pegawai{n}@example.org") for n in range(60, 90)]
    await registered(mail_store, [*victims, *others])
    async with running(limited(mail_store, catcher, a_day=1)):
        await until(mail_store, sent=31, deferred=59)
    found = catcher.page.get("/api/v1/messages", params={"limit": 100}).json()["messages"]
    assert {one.email for one in others} < {one["To"][0]["Address"] for one in found}


async def test_a_confirmed_address_has_no_limit_and_another_one_has(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    people = [person(n, confirmed=VICTIM if n else "earlier@example.org") for n in range(10)]
    await registered(mail_store, people)
    async with running(limited(mail_store, catcher, a_day=1)):
        await until(mail_store, sent=10)
    async with running(limited(mail_store, catcher, a_day=1)):
        await insert(mail_store, MAILS, mail(99, "emp_0"))
        *_, last = await until(mail_store, sent=10, deferred=1)
    assert last.id == "let_0099"


async def test_a_mail_takes_one_slot_however_often_it_is_tried(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await registered(mail_store, [person(n) for n in range(A_DAY)])
    catcher.order("tempfail", count=15)
    async with running(limited(mail_store, catcher)):
        await until(mail_store, sent=A_DAY)


async def test_an_outage_uses_up_nothing(mail_store: MongoStore, catcher: Catcher) -> None:
    await registered(mail_store, [person(n) for n in range(A_DAY)])
    mailer = limited(mail_store, catcher)
    catcher.order("refuse")
    async with running(mailer):
        await true(lambda: mailer.circuit.open)
        await until(mail_store, queued=A_DAY)
        catcher.order("none")
        await until(mail_store, sent=A_DAY)


async def test_what_was_cancelled_uses_up_nothing(mail_store: MongoStore, catcher: Catcher) -> None:
    first, second, _ = await registered(mail_store, [person(n) for n in range(3)])
    await insert(
        mail_store, MAIL_CANCELLATIONS, *(MailCancellation(one.id, "overtaken") for one in (first, second))
    )
    async with running(limited(mail_store, catcher, a_day=1)):
        await until(mail_store, sent=1, skipped=2)


async def later(store: MongoStore, by: timedelta) -> None:
    """As if so much time had passed."""
    ms = round(by.total_seconds() * 1000)
    for collection, fields in ((MAILS, ("due", "slot_at")), (ALLOWANCES, ("used_until",))):
        moved = {name: {"$subtract": [f"${name}", ms]} for name in fields}
        await store.database[collection.name].update_many({}, [{"$set": moved}])


async def test_a_mail_that_waited_goes_in_its_turn_and_keeps_nobody_else_back(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await registered(mail_store, [person(n) for n in range(5)])
    async with running(limited(mail_store, catcher, a_day=2)):
        await until(mail_store, sent=2, deferred=3)
        await later(mail_store, timedelta(hours=12))
        await until(mail_store, sent=3, deferred=2)
        await later(mail_store, timedelta(hours=12))
        await until(mail_store, sent=4, deferred=1)
        await later(mail_store, timedelta(hours=12))
        await until(mail_store, sent=5)
        await later(mail_store, timedelta(hours=12))
        await insert(mail_store, MAILS, mail(99, "emp_0"))
        await until(mail_store, sent=6)


async def test_a_mail_whose_turn_is_far_off_goes_once_its_address_was_corrected(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    """It is looked at each day; until then it stays where it is, and takes no further slot."""
    await registered(mail_store, [person(n) for n in range(6)])
    async with running(limited(mail_store, catcher, a_day=1)):
        mails = await until(mail_store, sent=1, deferred=5)
        last = max((one for one in mails if one.slot_at), key=lambda one: one.slot_at)
        taken = await mail_store.select(ALLOWANCES, {})
        wrong = {"_id": last.employee_id}
        await mail_store.database[CONTACTS.name].update_one(wrong, {"$set": {"email": "benar@example.org"}})
        await later(mail_store, timedelta(hours=23))
        await later(mail_store, timedelta(hours=1, seconds=2))
        await until(mail_store, sent=3, deferred=3)
    ours = TERMS.ids.address(VICTIM)
    (after,) = (one for one in await mail_store.select(ALLOWANCES, {}) if one.id == ours)
    (before,) = taken
    passed = timedelta(days=1, seconds=2)
    assert abs(after.used_until + passed - before.used_until) < timedelta(seconds=1)


async def test_the_limit_holds_when_a_mailer_dies(mail_store: MongoStore, catcher: Catcher) -> None:
    """What it had in hand may have gone: that slot is taken once more, never twice given."""
    mails = await registered(mail_store, [person(n) for n in range(A_DAY + 10)])
    dead = WorkQueue(mail_store, MAILS, lease_s=0.01)
    await dead.hold(await dead.lease(5), HANDING_OVER)
    async with running(limited(mail_store, catcher)):
        await until(mail_store, sent=A_DAY, deferred=len(mails) - A_DAY)
    assert catcher.received().total() == A_DAY


def about(number: int, body: str) -> Mail:
    one = mail(number, "emp_0")
    return replace(one, letter=replace(one.letter, series=f"{body}/2026"))


async def test_mails_about_one_body_s_trainings_keep_those_of_another_back_for_hours_not_days(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await insert(mail_store, CONTACTS, person(0))
    await insert(mail_store, MAILS, *(about(number, "dinkes") for number in range(200)))
    async with running(*(limited(mail_store, catcher) for _ in range(2))):
        await until(mail_store, sent=A_DAY, deferred=200 - A_DAY)
        await insert(mail_store, MAILS, *(about(number, "bkpsdm") for number in (900, 901)))
        mails = await until(mail_store, sent=A_DAY, deferred=202 - A_DAY)
        now = datetime.now(UTC)
        slots = sorted((one.slot_at, one.id) for one in mails if one.state == "deferred" and one.slot_at)
        assert [id for _, id in slots[:4]].count("let_0900") == 1
        assert [id for _, id in slots[:5]].count("let_0901") == 1
        for place, (slot_at, _) in enumerate(slots, 1):  # no slot was given twice, none was lost
            assert abs(slot_at - now - EVERY * place) < timedelta(minutes=1)
        await later(mail_store, EVERY * 5)
        mails = await until(mail_store, sent=A_DAY + 5, deferred=197 - A_DAY)
    assert {one.id: one.state for one in mails}["let_0900"] == "sent"


def warning(number: int, employee: str) -> Mail:
    one = mail(number, employee)
    about_none = {"certificate_id": CertificateId(""), "completion_id": CompletionId("")}
    letter = replace(
        one.letter, template=ADDRESS_CHANGED, recipient=VICTIM, new_address="b***@x", **about_none
    )
    return replace(one, letter=letter)


async def test_who_is_flooded_hears_at_once_that_the_address_was_changed(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    """It waited behind 200 mails that whoever changed it had sent there before."""
    await registered(mail_store, [person(n) for n in range(200)])
    async with running(limited(mail_store, catcher)):
        await until(mail_store, sent=A_DAY, deferred=200 - A_DAY)
        await insert(mail_store, MAILS, warning(900, "emp_150"))
        mails = await until(mail_store, sent=A_DAY + 1, deferred=200 - A_DAY)
    assert {one.id: one.state for one in mails}["let_0900"] == "sent"


async def test_a_flood_of_made_up_changes_is_held_and_keeps_back_none_of_whom_it_is_known_to(
    mail_store: MongoStore, catcher: Catcher
) -> None:
    await insert(mail_store, CONTACTS, *(person(n) for n in range(101)))
    await insert(mail_store, MAILS, mail(0, "emp_0"))
    async with running(limited(mail_store, catcher)):
        (sent,) = await until(mail_store, sent=1)
        assert sent.sent_at is not None
        earlier = sent.sent_at - timedelta(days=2)
        await mail_store.database[MAILS.name].update_one({"_id": sent.id}, {"$set": {"sent_at": earlier}})
        await insert(mail_store, MAILS, *(warning(n, f"emp_{n}") for n in range(1, 101)))
        await until(mail_store, sent=1 + WARNINGS_A_DAY, deferred=100 - WARNINGS_A_DAY)
        await insert(mail_store, MAILS, *(warning(900 + n, "emp_0") for n in range(2 * WARNINGS_A_DAY)))
        mails = await until(mail_store, sent=1 + 2 * WARNINGS_A_DAY, deferred=100)
    states = {one.id: one.state for one in mails}
    own = [states[f"let_{900 + n:04}"] for n in range(2 * WARNINGS_A_DAY)]
    assert own.count("sent") == WARNINGS_A_DAY
    assert "more than 5 letters about a change a day" in {one.reason[:40] for one in mails if one.reason}
