"""The register of bodies on a real MongoDB: what completions name, what waits for a body, what an order would do."""

import math
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import pytest

from devstack import Stack
from services.enrollment import app
from services.enrollment.bodies.beginning import BodiesBeginning
from services.enrollment.bodies.documents import BODIES, LACKED, lacks_body
from services.enrollment.bodies.queries import MAX_UNKNOWN, Effects, all_bodies, preview, unknown_bodies
from services.enrollment.bodies.timeline import effective_body
from services.enrollment.bodies.views import body_view
from services.enrollment.completions.reported_bodies import Reported, reported_bodies
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.reach.outcomes import effects_on_body
from services.enrollment.reach.sweep import Sweeper
from services.enrollment.settings import EnrollmentSettings
from services.enrollment.waiting_watch import WaitingWatch
from shared.contracts.agency import TrainingCompleted
from shared.contracts.bodies import AddBody, BeginBodies, BodySeed, ChangeBody
from shared.contracts.payload import Payload, milliseconds
from shared.contracts.people import RefoldCompletions
from shared.contracts.register import BeginRegister, ReplaceAgency
from shared.contracts.topics import agency_topic
from shared.pipeline.pipeline_collections import DECISIONS, WAITING, WaitingRecord
from shared.pipeline.processing.dry_run import DryRun
from shared.service import ON_PAPER, Components
from tests.factories import as_record, completed, registered
from tests.property.harness import AGENCIES, ENROLLMENT, OFFICER, SECRET, City, Sending

NIP: Final = "198001012000011001"
NOW: Final = datetime(2026, 6, 2, tzinfo=UTC)
LATER: Final = NOW + timedelta(days=1)
PUSDIK: Final = AddBody(code="PUSDIK", name="Pusat Pendidikan", issuing=AGENCIES[0], operator="op")


@pytest.fixture
async def components(stack: Stack) -> AsyncIterator[Components[CompletionTerms]]:
    name = f"bodies_{secrets.token_hex(4)}"
    settings = {**ON_PAPER, "mongo": stack.mongo, "database_prefix": name, "secret": SECRET}
    made = app.build(EnrollmentSettings(**settings)).components
    await made.store.prepare(made.service.collections)
    yield made
    await made.store.client.drop_database(made.store.database.name)
    made.store.client.close()


@pytest.fixture
async def city(components: Components[CompletionTerms]) -> City:
    """With two agencies and one person."""
    made = City([components.store], services=[ENROLLMENT])
    await made.deliver(
        [Sending(BeginRegister(codes=AGENCIES), "begin", sender=OFFICER), Sending(registered(NIP), "person")]
    )
    return made


async def wait_for(
    components: Components[CompletionTerms], code: str, count: int, opd: str = AGENCIES[0], first: int = 0
) -> None:
    """Completions of the person that wait for a body."""
    topic, documents = agency_topic(opd), []
    for n in range(first, first + count):
        record = as_record(completed(NIP, code=f"K-{n}", organizer=code), id=f"w-{code}-{n}", topic=topic)
        documents.append(
            WaitingRecord(
                id=f"{topic}/0/{n:019d}", lacks=lacks_body(code), reason="its body is not entered",
                event_type=TrainingCompleted.TYPE, event_id=f"w-{code}-{n}", topic=topic, partition=0, offset=n,
                timestamp_ms=milliseconds(NOW), key=None, value=record.value, headers=list(record.headers), redelivery=0,
                since=NOW + timedelta(seconds=n), kind=LACKED,
            )
        )  # fmt: skip
    rows = components.store.database[WAITING.name]
    await rows.insert_many([dict(components.store.encode(one)) for one in documents])


async def test_what_completions_name_is_told_with_who_reported_it(
    components: Components[CompletionTerms], city: City
) -> None:
    await city.deliver(
        [
            Sending(completed(NIP, code="A", organizer="PUSDIK"), "a", sender=AGENCIES[0]),
            Sending(completed(NIP, code="A", organizer="PUSDIK", place="Lain"), "b", sender=AGENCIES[1]),
            Sending(completed(NIP, code="B", organizer="ITB"), "c", sender=AGENCIES[1]),
        ]
    )
    found = [Reported(one.code, sorted(one.agencies)) for one in await reported_bodies(components.store)]
    assert found == [Reported("PUSDIK", sorted(AGENCIES)), Reported("ITB", [AGENCIES[1]])]


async def test_an_unknown_body_is_one_line_however_many_wait(
    components: Components[CompletionTerms], city: City
) -> None:
    await wait_for(components, "Pus Dik", 3, first=5)
    await wait_for(components, "PUS  DIK", 2, AGENCIES[1])
    await wait_for(components, "X", 1, first=20)
    found = await unknown_bodies(components)
    assert [(one.code, one.waiting, one.agencies, one.since) for one in found.bodies] == [
        ("Pus Dik", 5, list(AGENCIES), NOW),
        ("X", 1, [AGENCIES[0]], NOW + timedelta(seconds=20)),
    ]
    assert not found.more


async def test_operators_are_told_that_something_waits_for_them(
    components: Components[CompletionTerms], city: City
) -> None:
    watch = WaitingWatch(components.store)
    await watch.step()
    assert watch.remarks() == []
    await wait_for(components, "Pus Dik", 2)
    await watch.step()
    assert watch.remarks() == [
        "completions wait for bodies that nobody entered (pus dik): `kompeten body unknown`"
    ]


async def test_the_list_of_unknown_bodies_has_an_end_and_says_so(
    components: Components[CompletionTerms],
) -> None:
    for n in range(MAX_UNKNOWN + 1):
        await wait_for(components, f"BODY {n}", 1 + (n == 150), first=2 * n)
    found = await unknown_bodies(components)
    assert (len(found.bodies), found.more, found.bodies[0].code) == (MAX_UNKNOWN, True, "BODY 150")


async def test_a_preview_tells_what_would_be_decided_and_writes_nothing(
    components: Components[CompletionTerms], city: City
) -> None:
    await wait_for(components, "pusdik", 2)
    await wait_for(components, "Pus Dik", 1, first=7)
    before = await components.store.size(DECISIONS)
    told = await preview(components, PUSDIK, LATER)
    assert (told.verdict, told.waiting, told.decided) == ("accepted", 2, {"accepted": 2})
    told = await preview(components, AddBody(**{**dict(PUSDIK), "aliases": ("Pus Dik",)}), LATER)
    assert (told.waiting, told.decided) == (3, {"accepted": 3})
    told = await preview(components, AddBody(**{**dict(PUSDIK), "issuing": "dinas-x"}), LATER)
    assert (told.verdict, "no agency dinas-x" in (told.reason or "")) == ("refused", True)
    told = await preview(components, ChangeBody(code="PUSDIK", name="X", operator="op", reason="why"), LATER)
    assert told.verdict == "refused"
    assert await components.store.select(BODIES, {}) == []
    assert await components.store.size(DECISIONS) == before
    assert await components.store.count(WAITING, {}) == 3


async def test_a_preview_tells_who_gets_a_certificate_and_who_gets_none_by_whom(
    components: Components[CompletionTerms], city: City
) -> None:
    async def judge(run: DryRun, body: str) -> Effects:
        return await effects_on_body(components.store, run, body)

    await city.deliver([Sending(BeginBodies(bodies=()), "begin-bodies", sender=OFFICER)])
    for n, sender in enumerate((AGENCIES[0], AGENCIES[0], AGENCIES[1])):
        event = completed(NIP, code=f"K-{n}", organizer="PUSDIK")
        await city.deliver([Sending(event, f"k-{n}", sender=sender)])
    other = AddBody(**{**dict(PUSDIK), "issuing": AGENCIES[1]})
    told = await preview(components, other, LATER, judge)
    assert (told.recorded, told.certified, told.uncertified) == (3, 1, {AGENCIES[0]: 2})
    await city.deliver([Sending(other, "add", sender=OFFICER)])
    change = ChangeBody(code="PUSDIK", issuing=AGENCIES[0], operator="op", reason="it was wrong")
    told = await preview(components, change, LATER, judge)
    assert (told.recorded, told.certificates_issued, told.certificates_revoked) == (0, 2, 0)
    assert (await preview(components, other, LATER, judge)).verdict == "duplicate"


async def test_a_body_is_its_agency_s_heir_s_after_a_succession(
    components: Components[CompletionTerms], city: City
) -> None:
    heir = ReplaceAgency(code=AGENCIES[0], heir=AGENCIES[1], operator="op", reason="Perwal")
    await city.deliver([Sending(PUSDIK, "add", sender=OFFICER), Sending(heir, "heir", sender=OFFICER)])
    assert [body_view(one).issuing for one in await all_bodies(components)] == [AGENCIES[1]]


async def test_what_waited_is_decided_with_the_body(
    components: Components[CompletionTerms], city: City
) -> None:
    await wait_for(components, "pusdik", 2)
    await wait_for(components, "Pus Dik", 1, first=7)
    await city.deliver([Sending(PUSDIK, "add", sender=OFFICER)])
    assert await components.store.count(WAITING, {}) == 1
    change = ChangeBody(code="PUSDIK", aliases=("Pus Dik",), operator="op", reason="another spelling")
    await city.deliver([Sending(change, "change", sender=OFFICER)])
    assert await components.store.count(WAITING, {}) == 0


async def test_a_completion_of_an_unknown_body_waits_until_the_body_is_entered(
    components: Components[CompletionTerms], city: City
) -> None:
    await city.deliver(
        [
            Sending(BeginBodies(bodies=()), "begin-bodies", sender=OFFICER),
            Sending(completed(NIP, code="A", organizer="Pus Dik"), "a", sender=AGENCIES[0]),
        ]
    )
    (waiting,) = await components.store.select(WAITING, {})
    assert (waiting.kind, waiting.lacks) == (LACKED, lacks_body("PUS DIK"))
    (line,) = (await unknown_bodies(components)).bodies
    assert (line.code, line.waiting, line.agencies) == ("Pus Dik", 1, [AGENCIES[0]])
    command = AddBody(**{**dict(PUSDIK), "aliases": ("Pus Dik",)})
    told = await preview(components, command, LATER)
    assert (told.waiting, told.decided) == (1, {"accepted": 1})
    await city.deliver([Sending(command, "add", sender=OFFICER)])
    (decision,) = await components.store.select(DECISIONS, {"e": "a", "v": "accepted"})
    assert decision.subject.startswith("cmp_")
    assert (await unknown_bodies(components)).bodies == []


class Submitted:
    """Takes commands, and has them decided."""

    def __init__(self, city: City) -> None:
        self.city, self.commands = city, list[Payload]()

    async def submit(self, command: Payload, **_: object) -> None:
        self.commands.append(command)
        await self.city.deliver([Sending(command, f"s-{len(self.commands)}", sender=OFFICER)])


async def test_the_register_begins_when_all_is_read_and_once(
    components: Components[CompletionTerms], city: City
) -> None:
    await city.deliver([Sending(completed(NIP, code="A", organizer="ITB"), "a", sender=AGENCIES[1])])
    submitted, behind_s, asked = Submitted(city), math.inf, 0

    async def behind() -> float:
        return behind_s

    async def reported() -> list[Reported]:
        nonlocal asked
        asked += 1
        return await reported_bodies(components.store)

    setting = {"PUSDIK": AGENCIES[0], "LAN RI": "outside"}
    ruled = {"BADAN": AGENCIES[1], "DISKOMINFO": "diskominfo"}
    beginning = BodiesBeginning(
        components.store, submitted, setting=setting, ruled=ruled,  # type: ignore[arg-type]
        reported=reported, behind_s=behind,
    )  # fmt: skip
    await beginning.step()
    assert (submitted.commands, asked) == ([], 0), "what is not read yet may name bodies"
    behind_s = 600.0  # on a busy day it always is
    for _ in range(3):
        await beginning.step()
    assert [type(one) for one in submitted.commands] == [BeginBodies]
    assert asked == 1
    standing = {one.id: effective_body(one) for one in await components.store.select(BODIES, {})}
    assert {id: (one.issuing, one.outside, one.used_by) for id, one in standing.items() if one} == {
        "pusdik": (AGENCIES[0], False, ()),
        "lan ri": ("", True, ()),
        "badan": (AGENCIES[1], False, ()),
        "itb": ("", False, (AGENCIES[1],)),
    }
    assert beginning.remarks() == ["1 body is not confirmed: `kompeten body list`"]
    await city.deliver(
        [
            Sending(
                ChangeBody(code="ITB", outside=True, operator="op", reason="why"), "confirm", sender=OFFICER
            )
        ]
    )
    await beginning.step()
    assert beginning.remarks() == []


class Orders:
    """Has each command decided at once."""

    def __init__(self, city: City) -> None:
        self._city = city
        self.found: list[int] = []
        """How many completions each page had."""

    async def submit(self, payload: Payload, *, id: str, key: str, traceparent: str) -> None:
        if isinstance(payload, RefoldCompletions):
            self.found.append(len(payload.found))
        await self._city.deliver([Sending(payload, id, sender=OFFICER)])

    async def decision(self, place: None, within_s: float) -> None:
        pass


async def test_what_knows_the_change_is_not_judged_again_when_another_body_changes(
    components: Components[CompletionTerms], city: City
) -> None:
    """While operators entered bodies one by one, each entry had all completions judged again that one of them before it
    concerned, and no sweep came to its end."""
    begin = BeginBodies(bodies=tuple(BodySeed(code=code, issuing=AGENCIES[0]) for code in ("PUSDIK", "ITB")))
    await city.deliver([Sending(begin, "bodies", sender=OFFICER)])
    reported = [completed(NIP, code=f"K-{n}", organizer="ITB" if n > 2 else "PUSDIK") for n in range(5)]
    await city.deliver([Sending(one, one.training.code) for one in reported])
    orders = Orders(city)
    sweeper = Sweeper(components.store, cast("Any", orders))
    for code, swept in (("PUSDIK", [3]), ("ITB", [3, 2])):
        change = ChangeBody(code=code, outside=True, operator="op", reason="SK 9")
        await city.deliver([Sending(change, f"change-{code}", sender=OFFICER)])
        for _ in range(2):
            await sweeper.step()
        assert orders.found == swept
