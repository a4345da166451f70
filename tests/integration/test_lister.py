"""Lists and ledgers as they are read from a real MongoDB: complete, in order, page by page."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.answers import Held
from cli.comparison import ENROLLMENT as OURS
from cli.comparison import findings, merged
from devstack import Stack
from services.enrollment.agencies.documents import REGISTER, REGISTERS, Arrival, Register
from services.enrollment.bodies.documents import BODIES, Body, BodySaid, BodyStatement, body_id
from services.enrollment.certificates.documents import RENDERINGS
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.persons.documents import EMPLOYEES
from services.enrollment.reconciliation import manifest_publisher as manifest_publisher
from services.enrollment.reconciliation.documents import MANIFEST_CURSORS, ManifestCursor
from services.enrollment.reconciliation.manifest_publisher import ManifestPublisher
from services.enrollment.reconciliation.reconciling import LISTING
from services.enrollment.reconciliation.snapshot import snapshot as enrollment_snapshot
from services.enrollment.records.notes import looked_up
from services.enrollment.records.trace import trace as enrollment_trace
from services.enrollment.records.views import record_view
from services.incentive.reconciliation.snapshot import snapshot as incentive_snapshot
from services.notification.reconciliation.snapshot import snapshot as notification_snapshot
from services.notification.reconciliation.trace import trace as notification_trace
from shared.contracts.cloudevents import decode, peek
from shared.contracts.enrollment import CompletionsListed
from shared.contracts.lists import Claim, claims_of
from shared.contracts.payload import Payload, milliseconds
from shared.contracts.topics import ENROLLMENT_COMMANDS, ENROLLMENT_EVENTS, agency_topic
from shared.http.traces import Wanted, WantedIds
from shared.pipeline.partitioner import partition_of
from shared.pipeline.pipeline_collections import DISCREPANCIES
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.reconciliation.routes import Entry, Some
from tests.factories import as_record, completed, registered
from tests.property.harness import AGENCIES, SERVICES, TERMS, City, Sending

PEOPLE = [f"1985010120100{n:05d}" for n in range(11001, 11013)]
CODES = "ABC"
Read = Callable[[MongoStore, Some], Awaitable[list[Entry]]]


class IntoTheLog:
    """Commands as the lister writes them, onto the city's log."""

    def __init__(self, city: City) -> None:
        self.city = city

    async def submit(self, payload: Payload, *, id: str, key: str, traceparent: str | None = None) -> None:
        self.city.command(ENROLLMENT_COMMANDS, payload, id, key)


@pytest.fixture
async def city(stack: Stack) -> AsyncIterator[City]:
    client = connect(stack.mongo)
    name = f"lists_{secrets.token_hex(4)}"
    stores = [MongoStore(client, f"{name}_{service.name}") for service in SERVICES]
    for store, service in zip(stores, SERVICES, strict=True):
        await store.prepare(service.collections)
    city = City(stores)
    for n, person in enumerate(PEOPLE):
        city.send(Sending(registered(person), f"person-{person}", sender=AGENCIES[n % 2]))
    await city.recalculate()
    for n, person in enumerate(PEOPLE):
        for code in CODES:
            city.send(Sending(work(person, code), f"{person}-{code}", sender=AGENCIES[n % 2]))
    await city.recalculate()
    yield city
    for store in stores:
        await client.drop_database(store.database.name)
    client.close()


def work(person: str, code: str) -> Payload:
    return completed(person, code=code, start_date="2026-01-05", form="seminar")


def worker(city: City) -> ManifestPublisher:
    async def ends(places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return {place: len(city.log.get(place, [])) for place in places}

    member = city.members["enrollment"]
    commands: Any = IntoTheLog(city)
    return ManifestPublisher(
        member.store,  # type: ignore[arg-type]
        commands,
        group="enrollment",
        topics=lambda: member.service.topics,
        log_ends=ends,
        every_s=1,
    )


async def lists(city: City) -> Counter[tuple[Claim, int]]:
    """How often each claim was listed in which partition, by one look of the worker."""
    before = {tp: len(records) for tp, records in city.log.items()}
    await look(city)
    await city.recalculate()
    found = Counter[tuple[Claim, int]]()
    for (topic, partition), records in city.log.items():
        if topic == ENROLLMENT_EVENTS:
            for record in records[before.get((topic, partition), 0) :]:
                type, document = peek(record.value, record.headers)
                if type == CompletionsListed.TYPE:
                    assert record.value is not None
                    data = decode(record.value, record.headers, document, CompletionsListed).data
                    assert isinstance(data, CompletionsListed)
                    found.update((claim, partition) for claim in claims_of(data.completions))
    return found


async def look(city: City) -> None:
    """The worker's clock is the real one, and the log's must not be behind it."""
    marks = await city.documents("enrollment", MANIFEST_CURSORS)
    while marks and datetime.now(UTC) - timedelta(seconds=2) <= marks[0].until:
        await asyncio.sleep(0.1)
    city.now_ms = max(city.now_ms, milliseconds(datetime.now(UTC)))
    await worker(city).step()


async def all_claims(city: City) -> Counter[tuple[Claim, int]]:
    return Counter(
        (Claim(one.id, one.stated, True), partition_of(one.employee_id))
        for one in await city.documents("enrollment", COMPLETIONS)
    )


async def test_each_change_is_listed_once_page_by_page(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_publisher, "PAGE", 7)
    assert await lists(city) == await all_claims(city)
    (mark,) = await city.documents("enrollment", MANIFEST_CURSORS)
    assert datetime.now(UTC) - mark.until < timedelta(minutes=1)
    assert await lists(city) == Counter(), "nothing has changed since"


@pytest.mark.parametrize("page", [1, *(pytest.param(n, marks=pytest.mark.full) for n in (7, 12))])
async def test_changes_of_one_moment_are_listed_once_too(
    city: City, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """The broker gives all records of a batch the same time."""
    monkeypatch.setattr(manifest_publisher, "PAGE", page)
    database = city.members["enrollment"].store.database  # type: ignore[union-attr]
    await database.completions.update_many({}, {"$set": {"stated_at": city.now}})
    assert await lists(city) == await all_claims(city)


async def test_what_a_lagging_partition_brings_late_is_listed_then(city: City) -> None:
    member, topic = city.members["enrollment"], agency_topic(AGENCIES[0])
    store: Any = member.store
    await store.keep([ManifestCursor(id=LISTING, until=city.now)], MANIFEST_CURSORS)
    late = as_record(work(PEOPLE[0], "LATE"), id="late")
    city.append(topic, 0, late.key, late.value, late.headers)
    other = as_record(work(PEOPLE[1], "OTHER"), id="other")
    place = (agency_topic(AGENCIES[1]), 0)
    city.append(*place, other.key, other.value, other.headers)
    await city.batch(member, {place: 1})
    # The worker looks while the first one is not decided.
    await look(city)
    commands = [tp for tp, count in city.lag(member).items() if tp[0] == ENROLLMENT_COMMANDS]
    for tp in commands:
        await city.batch(member, {tp: city.lag(member)[tp]})
    (mark,) = await city.documents("enrollment", MANIFEST_CURSORS)
    assert list(mark.lagging) == [f"enrollment/{topic}/0"]
    await city.recalculate()
    (completion,) = [
        one for one in await city.documents("enrollment", COMPLETIONS) if one.contents[0].facts.code == "LATE"
    ]
    assert completion.stated_at is not None
    assert completion.stated_at < mark.until
    listed = await lists(city)
    assert (Claim(completion.id, 1, True), partition_of(completion.employee_id)) in listed


async def test_a_rendering_that_nobody_makes_is_noted_in_enrollment_itself(city: City) -> None:
    one = (await city.documents("enrollment", COMPLETIONS))[0]
    assert one.certificate is not None
    database = city.members["enrollment"].store.database  # type: ignore[union-attr]
    await database.completions.update_one({"_id": one.id}, {"$set": {"certificate.sha256": None}})
    await database.renderings.delete_one({"_id": f"{one.certificate.id}/1"})
    await lists(city)
    assert [(note["_id"], note["lacks"]) async for note in database.discrepancies.find()] == [
        (one.id, ["pdf"])
    ]
    assert len(await city.documents("enrollment", RENDERINGS)) == len(PEOPLE) * len(CODES) - 1


async def test_what_has_no_certificate_of_ours_lacks_none_anywhere(city: City) -> None:
    """Of a body outside the city, by the person's agency: recorded, with JP and points."""
    stores: dict[str, Any] = {name: member.store for name, member in city.members.items()}
    judging = Register(REGISTER, 1, begun=True, judges_from=Arrival(city.now, "~", 0, 0))
    said = BodyStatement("1", Arrival(city.now, "~", 0, 0), "added", BodySaid(code="LAN", outside=True))
    await stores["enrollment"].keep([judging], REGISTERS)
    await stores["enrollment"].keep([Body(id=body_id("LAN"), statements=[said])], BODIES)
    city.send(Sending(registered(PEOPLE[0], name="Rina"), "again", sender=AGENCIES[0]))
    abroad = completed(PEOPLE[0], code="LAN", organizer="LAN", start_date="2026-01-07", form="seminar")
    city.send(Sending(abroad, "abroad", sender=AGENCIES[0]))
    await city.recalculate()
    (one,) = [one for one in await city.documents("enrollment", COMPLETIONS) if not one.certified]
    assert (one.certificate, one.jp_rule != "") == (None, True)

    claim = Claim(one.id, one.stated, standing=True, certified=False)
    assert (claim, partition_of(one.employee_id)) in await lists(city)
    for service in SERVICES:
        assert one.id not in {note.id for note in await city.documents(service.name, DISCREPANCIES)}
    ledgers = {service: await read(city, service, 5000) for service in LEDGERS}
    check = {name: held for name, those in ledgers.items() for held in those if held.completion_id == one.id}
    assert (check.keys(), check[OURS].certified) == (LEDGERS.keys(), False)
    assert findings(one.id, check) == []

    found = await enrollment_trace(stores["enrollment"], TERMS, Wanted(completion_id=one.id))
    assert ("recorded, without a certificate of ours", "LAN is no body of the city") in {
        (step.what, step.detail) for step in found.steps
    }
    assert (found.missing, found.uncertified_ids) == ([], [one.id])
    ids = WantedIds(completion_ids=[one.id], uncertified_ids=found.uncertified_ids)
    assert (await notification_trace(stores["notification"], ids)).missing == []
    told = await notification_trace(stores["notification"], ids)
    assert [step.what.partition(":")[0] for step in told.steps] == ["letter completion_recorded"]
    await stores["notification"].database.letters.delete_many({"completion_id": one.id})
    assert (await notification_trace(stores["notification"], ids)).missing == []
    unsaid = WantedIds(completion_ids=[one.id])
    assert [lack.what for lack in (await notification_trace(stores["notification"], unsaid)).missing] == [
        "mail"
    ]

    (person,) = [who for who in await city.documents("enrollment", EMPLOYEES) if who.id == one.employee_id]
    own = await stores["enrollment"].select(COMPLETIONS, {"employee_id": person.id})
    shown = record_view(person, own, await looked_up(stores["enrollment"], own), TERMS).completions
    assert {(view.certified, view.note) for view in shown} == {
        (True, None), (False, "Tercatat, tanpa sertifikat dari kami: LAN bukan lembaga kota."),
    }  # fmt: skip


async def test_what_nobody_may_say_is_traced_with_the_reason_and_missed_nowhere(city: City) -> None:
    store: Any = city.members["enrollment"].store
    judging = Register(REGISTER, 1, begun=True, judges_from=Arrival(city.now, "~", 0, 0))
    said = BodyStatement("1", Arrival(city.now, "~", 0, 0), "added", BodySaid(code="LAN", outside=True))
    await store.keep([judging], REGISTERS)
    await store.keep([Body(id=body_id("LAN"), statements=[said])], BODIES)
    city.send(Sending(registered(PEOPLE[0], name="Rina"), "again", sender=AGENCIES[0]))
    stranger = completed(PEOPLE[0], code="STRANGER", organizer="LAN", start_date="2026-01-07")
    city.send(Sending(stranger, "stranger", sender=AGENCIES[1]))
    await city.recalculate()
    (one,) = [one for one in await city.documents("enrollment", COMPLETIONS) if not one.effective]
    found = await enrollment_trace(store, TERMS, Wanted(completion_id=one.id))
    (why,) = [step for step in found.steps if step.what == "kept, does not stand"]
    assert (why.state, "dinas-b is not this person's agency" in str(why.detail)) == ("problem", True)
    assert (found.missing, found.untold_ids) == ([], [one.id])
    assert one.id not in {claim.completion_id for claim, _ in await lists(city)}


async def test_what_waits_for_its_body_is_said_to_lack_that(city: City) -> None:
    """It was said to lack its employee."""
    store: Any = city.members["enrollment"].store
    judging = Register(REGISTER, 1, begun=True, judges_from=Arrival(city.now, "~", 0, 0))
    await store.keep([judging], REGISTERS)
    city.send(Sending(registered(PEOPLE[0], name="Rina"), "again", sender=AGENCIES[0]))
    city.send(Sending(completed(PEOPLE[0], code="NEW", organizer="PUSDIK"), "lacks-body", sender=AGENCIES[0]))
    await city.recalculate()
    found = await enrollment_trace(store, TERMS, Wanted(event_id="lacks-body"))
    ((what, do),) = [(one.what, one.do) for one in found.missing]
    assert what == "body"
    assert "the register has no body PUSDIK" in do


LEDGERS: dict[str, Read] = {
    "enrollment": enrollment_snapshot,
    "incentive": incentive_snapshot,
    "notification": notification_snapshot,
}


async def read(city: City, service: str, limit: int) -> list[Held]:
    store: Any = city.members[service].store
    entries: list[Entry] = []
    while page := await LEDGERS[service](
        store, Some(entries[-1].completion_id if entries else "", None, limit)
    ):
        assert len(page) <= limit
        entries += page
    return [Held.model_validate(one.model_dump()) for one in entries]


@pytest.mark.parametrize("limit", [5, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 5000))])
async def test_ledgers_are_in_order_whole_and_agree(city: City, limit: int) -> None:
    ledgers = {service: await read(city, service, limit) for service in LEDGERS}
    for held in ledgers.values():
        ids = [one.completion_id for one in held]
        assert ids == sorted(set(ids))
        assert len(ids) == len(PEOPLE) * len(CODES)
    wrong = [one for id, check in merged(ledgers) for one in findings(id, check) if one.service != OURS]
    assert wrong == []
    # The city's workers store no PDFs, and its ledger says so.
    assert {tuple(one.lacks) for one in ledgers[OURS]} <= {(), ("pdf",)}


async def test_a_look_at_some_is_the_same_as_the_ledger(city: City) -> None:
    for service, ledger in LEDGERS.items():
        whole = await read(city, service, 5000)
        store: Any = city.members[service].store
        some = await ledger(store, Some(ids=[one.completion_id for one in whole[3:9]]))
        assert [one.model_dump() for one in some] == [one.model_dump() for one in whole[3:9]]
