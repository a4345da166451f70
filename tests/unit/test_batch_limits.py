"""A batch decides no more than what it may hold in memory; the rest is read again, and nothing of it is passed over."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.handlers import recalculate_completions
from services.enrollment.completions.terms import CompletionTerms
from shared.contracts.cloudevents import STRUCTURED, peek
from shared.contracts.pipeline import ReplayDeadLetter
from shared.contracts.topics import ENROLLMENT_COMMANDS, agency_topic
from shared.pipeline import limits as pipeline
from shared.pipeline.documents import State
from shared.pipeline.limits import Limits
from shared.pipeline.outcome import Due, Recalculation
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import DEAD_LETTERS, WAITING
from shared.pipeline.processing import loader as gathering
from shared.pipeline.processing import pace
from shared.pipeline.processing.unit_of_work import Decided, UnitOfWork
from shared.pipeline.store import Session, in_transaction
from tests.factories import as_record, completed, registered
from tests.memory_store import MemorySession
from tests.property.harness import AGENCIES, ENROLLMENT, TERMS, City, Sending

pytestmark = pytest.mark.slow

HEADERS = (("content-type", STRUCTURED.encode()),)
NUMBERS = [f"19800101200001{1 + n % 2}{n:03}" for n in range(30)]
TP = ("agency.dinas-a.v1", 0)
LIMITS = pipeline.LIMITS._replace(most_busy_s=float("inf"))  # No clock decides what is expected here.


async def decided(city: City, usually_asked: int, most_asked: int) -> Decided:
    member = city.members["enrollment"]
    position = await member.store.position(position_id("enrollment", TP), 0)
    items = {TP: [member.decoder.read(record) for record in city.log[TP][position.next :]]}

    async def unit_of_work(session: Session) -> Decided:
        limits = Limits(usually_asked=usually_asked, most_asked=most_asked)
        made = UnitOfWork(member.decoder, member.store, session, limits=limits)
        return await made.run(items, "enrollment", {TP: position.next})

    return await in_transaction(member.store, unit_of_work)


@pytest.mark.parametrize(
    ("usually_asked", "most_asked", "at_most"), [(0, 1, 1), (0, 10, 30), (0, 10_000, 60), (10, 10, 60)]
)
async def test_the_beginning_of_a_batch_is_decided_and_the_rest_next_time(
    usually_asked: int, most_asked: int, at_most: int
) -> None:
    city = City(services=(ENROLLMENT,))
    for n, number in enumerate(NUMBERS):
        city.send(Sending(registered(number), id=f"r{n}"))
        city.send(Sending(completed(number), id=f"c{n}"))
    records, seen = len(city.log[TP]), []
    while len(seen) < records:
        one = await decided(city, usually_asked, most_asked)
        assert one.taken[TP] > 0, "it stands still"
        seen += [decision.event_id for decision in one.decisions]
        assert one.taken[TP] <= at_most
    assert seen == [f"{kind}{n}" for n in range(len(NUMBERS)) for kind in "rc"]


async def decided_within(city: City, limits: Limits) -> list[Decided]:
    """All that enrollment has to decide of the one agency, in as many batches as it takes."""
    member, found = city.members["enrollment"], list[Decided]()
    while records := city.lag(member).get(TP):
        position = await member.store.position(position_id("enrollment", TP), 0)
        assert records == len(city.log[TP]) - position.next
        items = {TP: [member.decoder.read(record) for record in city.log[TP][position.next :]]}

        async def unit_of_work(session: Session) -> Decided:
            made = UnitOfWork(member.decoder, member.store, session, limits=limits)
            return await made.run(items, "enrollment", {TP: position.next})  # noqa: B023

        found.append(await in_transaction(member.store, unit_of_work))
        member.next[TP] = found[-1].steps[0].next
        assert found[-1].taken[TP] > 0, "it stands still"
    return found


async def test_records_that_waited_count_too_and_their_pages_are_not_loaded_all_at_once() -> None:
    """Of 30 people's registrations each releases 4: as many are decided in a batch as it takes on, and no more."""
    city = City(services=(ENROLLMENT,))
    for number in NUMBERS:
        for n in range(4):
            city.send(Sending(completed(number, code=f"W{n}"), id=f"{number}-{n}"))
    await decided_within(city, LIMITS)
    for n, number in enumerate(NUMBERS):
        city.send(Sending(registered(number), id=f"r{n}"))
    batches = await decided_within(city, LIMITS._replace(most_in_sets=20))
    assert max(len(one.decisions) for one in batches) <= 30
    assert sum(len(one.decisions) for one in batches) == 5 * len(NUMBERS)
    assert await city.documents("enrollment", WAITING) == []


@pytest.mark.parametrize(
    ("limits", "at_most"),
    [
        (LIMITS._replace(most_decisions=7), 7),
        (LIMITS._replace(most_busy_s=0.0), 1),
        (LIMITS._replace(most_pending_bytes=1), 1),
    ],
)
async def test_a_batch_ends_when_it_has_done_enough(limits: Limits, at_most: int) -> None:
    city = City(services=(ENROLLMENT,))
    for n, number in enumerate(NUMBERS):
        city.send(Sending(registered(number), id=f"r{n}"))
    batches = await decided_within(city, limits)
    assert {one.taken[TP] for one in batches} <= set(range(1, at_most + 1))
    assert [one.event_id for batch in batches for one in batch.decisions] == [f"r{n}" for n in range(30)]


async def test_decisions_leave_the_loop_to_others_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SLICE_S", 0.0)
    city = City(services=(ENROLLMENT,))
    for n in range(200):
        city.send(Sending(completed(NUMBERS[0], code=f"C{n}"), id=f"c{n}"))
    city.send(Sending(registered(NUMBERS[0]), id="r"))
    one, turns = await turns_of_others(city)
    assert len(one.decisions) == 401  # each of the 200 first waits, then is decided by the registration
    assert turns >= len(one.decisions)


async def test_others_have_turns_each_time_that_a_record_is_asked_what_it_rests_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four times here: for the number and the body, for the person, for the years, and when it is decided."""
    monkeypatch.setattr(pace, "SLICE_S", 0.0)
    city = City(services=(ENROLLMENT,))
    city.send(Sending(registered(NUMBERS[0]), id="r"))
    await decided_within(city, LIMITS)
    for n in range(200):
        city.send(Sending(completed(NUMBERS[0], code=f"C{n}"), id=f"c{n}"))
    one, turns = await turns_of_others(city)
    assert len(one.decisions) == 200
    assert turns >= 4 * len(one.decisions)


async def turns_of_others(city: City) -> tuple[Decided, int]:
    """That they have while one batch is decided."""
    turns = 0

    async def heartbeat() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heartbeat())
    (one,) = await decided_within(city, LIMITS)
    beating.cancel()
    return one, turns


async def test_what_cannot_be_recalculated_together_is_the_fault_of_the_record_that_can_not() -> None:
    def recalculate(due: Sequence[Due[Any]], state: State, terms: CompletionTerms) -> Recalculation:
        if any(one.after.contents[0].facts.code == "BAD" for one in due):
            raise ZeroDivisionError
        return recalculate_completions(due, state, terms)

    city = City(services=(replace(ENROLLMENT, recalculate=recalculate),))
    city.send(Sending(registered(NUMBERS[0]), id="r"))
    for code in ("A", "BAD", "B"):
        city.send(Sending(completed(NUMBERS[0], code=code), id=code))
    (one,) = await decided_within(city, LIMITS)
    assert [(each.event_id, each.verdict) for each in one.decisions] == [
        ("r", "accepted"), ("A", "accepted"), ("BAD", "bug"), ("B", "accepted"),
    ]  # fmt: skip
    assert [bool(bug) for bug in one.failures[TP]] == [False, False, True, False]
    (letter,) = await city.documents("enrollment", DEAD_LETTERS)
    assert letter.reason.startswith("ZeroDivisionError in recalculate")
    assert len(await city.documents("enrollment", COMPLETIONS)) == 2


async def test_a_year_is_recounted_once_a_batch_however_many_completions_came() -> None:
    city = City(services=(ENROLLMENT,))
    city.send(Sending(registered(NUMBERS[0]), id="r"))
    for n in range(50):
        day = f"2026-03-{31 - n % 28:02}"
        city.send(
            Sending(
                completed(NUMBERS[0], code=f"C{n}", start_date=day, form="e_learning", programme_jp=3),
                f"c{n}",
            )
        )
    (one,) = await decided_within(city, LIMITS)
    kinds = Counter(peek(out.value, HEADERS)[0].split(".")[3:5][0] for out in one.outgoing)
    assert kinds == {"employee": 1, "completion": 50, "certificate": 50, "jp": 50}


async def test_dead_letters_are_replayed_a_few_at_once_since_each_may_be_large() -> None:
    city = City(services=(ENROLLMENT,))
    for _ in range(30):
        city.append(TP[0], 0, None, b"no event", ())
    await decided_within(city, LIMITS)
    tp = (ENROLLMENT_COMMANDS, 0)
    for letter in await city.documents("enrollment", DEAD_LETTERS):
        replay = ReplayDeadLetter(dead_letter=letter.id, operator="o", reason="again")
        record = as_record(replay, id=letter.id, topic=tp[0])
        city.append(*tp, None, record.value, record.headers)
    member = city.members["enrollment"]
    batches = []
    while lag := city.lag(member).get(tp):
        batches.append(await city.batch(member, {tp: lag}))
    assert max(one.taken[tp] for one in batches) <= 11
    assert sum(len(one.decisions) for one in batches) == 60


async def test_a_rendering_finds_the_certificate_of_a_completion_in_the_same_batch() -> None:
    """As when a log is decided anew: what the first time lay minutes apart comes together."""
    city = City(services=(ENROLLMENT,))
    city.send(Sending(registered(NUMBERS[0]), id="r"))
    city.send(Sending(completed(NUMBERS[0]), id="c"))
    await decided_within(city, LIMITS)
    await city.render()
    fresh = City(services=(ENROLLMENT,))
    fresh.log = city.log
    member = fresh.members["enrollment"]
    decided = await fresh.batch(member, fresh.lag(member))
    assert [one.verdict for one in decided.decisions] == ["accepted"] * 3
    (one,) = await fresh.documents("enrollment", COMPLETIONS)
    assert one.certificate is not None
    assert one.certificate.sha256


async def test_what_follows_is_pending_where_its_record_came_from() -> None:
    """Whoever takes a topic over publishes what follows from it before its next record: else, of two versions of one
    completion, the newer could be told first."""
    city = City(services=(ENROLLMENT,))
    for n, agency in enumerate(AGENCIES[:2]):
        city.send(Sending(registered(NUMBERS[n]), id=f"r{n}", sender=agency))
        city.send(Sending(completed(NUMBERS[n]), id=f"c{n}", sender=agency))
    places = {(agency_topic(agency), 0): 2 for agency in AGENCIES[:2]}
    one = await city.batch(city.members["enrollment"], places)
    for (topic, _), step in zip(one.taken, one.steps, strict=True):
        employees = {json.loads(event.value)["partitionkey"] for event in step.pending}
        own = NUMBERS[[agency_topic(agency) for agency in AGENCIES].index(topic)]
        assert employees == {TERMS.ids.employee(own)}
        assert len(step.pending) == 4, "employee, completion, certificate, learning hours"


async def test_sets_that_turn_out_larger_than_those_before_are_loaded_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten people with one completion each, then twenty with eight: a call for all others at once is given up."""
    monkeypatch.setattr(gathering, "SETS_AT_ONCE", 10)
    monkeypatch.setattr(gathering, "MAX_AT_ONCE", 40)
    city, held = City(services=(ENROLLMENT,)), list[int]()
    known = MemorySession.find_by

    async def counted(session: MemorySession, *asked: Any) -> list[Any]:
        found = await known(session, *asked)
        held.append(len(found))
        return found

    async def counted_few(session: MemorySession, *asked: Any) -> list[Any] | None:
        found = await known(session, *asked[:-1], 0)
        return found if len(found) <= asked[-1] else None

    for n, number in enumerate(NUMBERS):
        city.send(Sending(registered(number), id=f"r{n}"))
        for k in range(1 if n < 10 else 8):
            city.send(Sending(completed(number, code=f"K{k}"), id=f"k{n}-{k}"))
    await decided_within(city, LIMITS)
    monkeypatch.setattr(MemorySession, "find_by", counted)
    monkeypatch.setattr(MemorySession, "find_few_by", counted_few)
    for n, number in enumerate(NUMBERS):
        city.send(Sending(completed(number, code="NEW"), id=f"n{n}"))
    (batch,) = await decided_within(city, LIMITS)
    assert [one.verdict for one in batch.decisions] == ["accepted"] * len(NUMBERS)
    assert held == [0, 10, 80, 80], "of those that reach into another year there are none"
