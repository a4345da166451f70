"""Dead letters and waiting records as operators mend them: once, late, twice, by two at once - one end."""

import json
from typing import Any

import pytest

from services.enrollment.certificates.documents import RENDERINGS
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.persons.documents import EMPLOYEES
from shared.contracts.payload import Payload, milliseconds
from shared.contracts.pipeline import DiscardDeadLetter, GiveUpWaiting, ReleaseWaiting, ReplayDeadLetter
from shared.contracts.topics import ENROLLMENT_COMMANDS, agency_topic
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, WAITING, DeadLetter, Decision
from shared.pipeline.processing.dry_run import run_dry
from shared.pipeline.records import Record
from shared.pipeline.waiting import WAITING_PAGE
from tests.factories import as_record, completed, registered
from tests.property.harness import AGENCIES, ENROLLMENT, City, Sending
from tests.property.histories import BUDI

TOPIC = agency_topic(AGENCIES[0])
OFFICER, WHY = "officer-7", "the agency sent it again by telephone"
# A day before the course began: refused, and mended by an operator.
WRONG = completed(BUDI, code="MENDED", form="course", programme_jp=7).model_dump_json()
JSON = (("content-type", b"application/cloudevents+json"),)


def event_of(**changes: Any) -> dict[str, Any]:
    value = as_record(completed(BUDI, code="MENDED", form="course", programme_jp=7), id="faulty").value or b""
    event: dict[str, Any] = json.loads(value)
    event["data"] |= changes
    return event


async def city_with_dead_letter(*, known: bool = True) -> tuple[City, DeadLetter]:
    """A completion whose date comes before its training's."""
    city = City(services=[ENROLLMENT])
    if known:
        await city.deliver([Sending(registered(BUDI), "registered")])
    city.append(TOPIC, 0, None, json.dumps(event_of(completed_on="2019-01-01")).encode(), JSON)
    await city.recalculate()
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    return city, dead


async def command(city: City, payload: Payload, id: str) -> Decision:
    """What an operator asks for; its decision."""
    record = as_record(
        payload, id=id, topic=ENROLLMENT_COMMANDS, source="urn:kompeten:enrollment", time=city.now
    )
    sent = city.append(ENROLLMENT_COMMANDS, 0, None, record.value, record.headers)
    await city.recalculate()
    (decision,) = [one for one in await city.documents("enrollment", DECISIONS) if one.id == f"{sent.at}/0"]
    return decision


def replay(dead: DeadLetter, event: dict[str, Any] | None = None) -> ReplayDeadLetter:
    text = None if event is None else json.dumps(event)
    return ReplayDeadLetter(dead_letter=dead.id, operator=OFFICER, reason=WHY, event=text)


async def completions(city: City) -> list[Completion]:
    return await city.documents("enrollment", COMPLETIONS)


async def test_a_mended_event_is_decided_and_what_came_is_kept() -> None:
    city, dead = await city_with_dead_letter()
    decision = await command(city, replay(dead, event_of()), "r1")
    assert (decision.verdict, decision.answer["outcome"]) == ("accepted", "accepted")
    assert (decision.answer["operator"], decision.answer["why"]) == (OFFICER, WHY)
    assert [one.contents[0].facts.code for one in await completions(city)] == ["MENDED"]
    (kept,) = await city.documents("enrollment", DEAD_LETTERS)
    assert (kept.state, kept.value) == ("replayed", dead.value)
    assert kept.resolution is not None
    assert json.loads(kept.resolution.edited or "") == event_of()
    verdicts = [
        one.verdict for one in await city.documents("enrollment", DECISIONS) if one.event_id == "faulty"
    ]
    assert sorted(verdicts) == ["accepted", "refused"], "both decisions stand under the event's own id"


async def test_what_fails_again_is_a_dead_letter_that_remembers() -> None:
    city, dead = await city_with_dead_letter()
    decision = await command(city, replay(dead), "r1")
    assert (decision.verdict, decision.answer["outcome"]) == ("accepted", "refused")
    assert decision.answer["outcome_reason"] == dead.reason
    old, new = await city.documents("enrollment", DEAD_LETTERS)
    assert (old.id, old.state, new.state) == (dead.id, "replayed", "open")
    assert (new.attempts, new.first_failed_at, new.fingerprint) == (2, dead.first_failed_at, dead.fingerprint)
    assert new.last_failed_at > dead.last_failed_at
    again = await command(city, replay(new, event_of()), "r2")
    assert again.answer["outcome"] == "accepted"


async def test_two_operators_at_once_replay_it_once() -> None:
    city, dead = await city_with_dead_letter()
    for id in ("r1", "r2"):
        record = as_record(replay(dead, event_of()), id=id, topic=ENROLLMENT_COMMANDS, time=city.now)
        city.append(ENROLLMENT_COMMANDS, 0, None, record.value, record.headers)
    await city.batch(city.members["enrollment"], {(ENROLLMENT_COMMANDS, 0): 2})
    decisions = {one.event_id: one for one in await city.documents("enrollment", DECISIONS)}
    assert [decisions[id].verdict for id in ("r1", "r2")] == ["accepted", "duplicate"]
    (one,) = await completions(city)
    assert len(one.contents) == 1
    assert len(await city.documents("enrollment", RENDERINGS)) == 1


@pytest.mark.parametrize("late", [False, True], ids=["in its turn", "after a newer event"])
async def test_a_late_replay_ends_where_one_in_time_would_have(late: bool) -> None:
    city, dead = await city_with_dead_letter()
    correction = Sending(completed(BUDI, code="MENDED", form="course", programme_jp=12), "correction")
    if late:
        await city.deliver([correction])
    await command(city, replay(dead, event_of()), "r1")
    if not late:
        await city.deliver([correction])
    (one,) = await completions(city)
    stands = next(content for content in one.contents if content.digest == one.effective)
    assert stands.facts.programme_jp == 12
    assert len(one.contents) == 2


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        ({"id": "another"}, "id must stay"),
        ({"type": "id.go.bandung.nothing.v1"}, "type is unknown"),
        ({"data": {}}, "is missing"),
    ],
)
async def test_an_edit_that_is_no_such_event_is_refused(edit: dict[str, Any], fault: str) -> None:
    city, dead = await city_with_dead_letter()
    decision = await command(city, replay(dead, event_of() | edit), "r1")
    assert decision.verdict == "refused"
    assert fault in decision.reason
    assert [one.state for one in await city.documents("enrollment", DEAD_LETTERS)] == ["open"]


async def test_a_discarded_letter_is_kept_with_the_reason_and_not_replayed() -> None:
    city, dead = await city_with_dead_letter()
    discard = DiscardDeadLetter(dead_letter=dead.id, operator=OFFICER, reason="a test message")
    decision = await command(city, discard, "d1")
    assert (decision.verdict, decision.answer["outcome"]) == ("accepted", "discarded")
    assert (await command(city, replay(dead, event_of()), "r1")).verdict == "duplicate"
    assert await completions(city) == []
    (kept,) = await city.documents("enrollment", DEAD_LETTERS)
    assert kept.resolution is not None
    assert (kept.state, kept.resolution.operator, kept.resolution.reason) == (
        "discarded",
        OFFICER,
        "a test message",
    )


async def test_an_unknown_letter_is_refused_not_buried() -> None:
    city, dead = await city_with_dead_letter()
    unknown = ReplayDeadLetter(dead_letter=dead.id + "9", operator=OFFICER, reason=WHY)
    assert (await command(city, unknown, "r1")).verdict == "refused"
    assert len(await city.documents("enrollment", DEAD_LETTERS)) == 1


async def test_what_never_came_is_said_and_can_be_replayed_when_it_comes_after_all() -> None:
    city = City(services=[ENROLLMENT])
    await city.deliver([Sending(completed(BUDI, code="EARLY"), "early")])
    (waiting,) = await city.documents("enrollment", WAITING)
    give_up = GiveUpWaiting(lacks=waiting.lacks, before=city.now, reason="it did not come within 24 hours")
    await command(city, give_up, "g1")
    assert await city.documents("enrollment", WAITING) == []
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert dead.kind == "expired"
    assert "not known yet" in dead.reason
    assert "24 hours" in dead.reason
    await city.deliver([Sending(registered(BUDI), "registered")])
    assert await completions(city) == []
    assert (await command(city, replay(dead), "r1")).answer["outcome"] == "accepted"
    assert len(await completions(city)) == 1


async def test_only_what_waited_so_long_is_given_up_and_what_is_there_is_decided() -> None:
    city = City(services=[ENROLLMENT])
    await city.deliver([Sending(completed(BUDI, code="OLD"), "old")])
    then = city.now
    city.wait(3600)
    await city.deliver([Sending(completed(BUDI, code="NEW"), "new")])
    lacks = (await city.documents("enrollment", WAITING))[0].lacks
    decision = await command(city, GiveUpWaiting(lacks=lacks, before=then, reason="over"), "g1")
    assert decision.answer["outcome"] == "refused"
    assert len(await city.documents("enrollment", WAITING)) == 1
    assert len(await city.documents("enrollment", DEAD_LETTERS)) == 1


@pytest.mark.slow
async def test_a_look_in_vain_at_more_than_a_page_comes_to_an_end() -> None:
    city = City(services=[ENROLLMENT])
    for n in range(WAITING_PAGE + 3):
        day = ("2026-03-04", "2025-03-04")[n % 2]  # of one year no more than 400 are recorded
        city.send(Sending(completed(BUDI, code=f"C{n}", start_date=day), f"c{n}"))
    await city.recalculate()
    lacks = (await city.documents("enrollment", WAITING))[0].lacks
    look = ReleaseWaiting(lacks=lacks, page=0, operator=OFFICER, reason=WHY)
    assert (await command(city, look, "l1")).verdict == "accepted"
    assert len(await city.documents("enrollment", WAITING)) == WAITING_PAGE + 3
    await city.deliver([Sending(registered(BUDI), "registered")])
    assert await city.documents("enrollment", WAITING) == []
    assert len(await completions(city)) == WAITING_PAGE + 3


async def test_seventeen_megabytes_are_put_together_for_a_replay() -> None:
    city = City(services=[ENROLLMENT])
    await city.deliver([Sending(registered(BUDI), "registered")])
    event = event_of() | {"note": "A" * 17_000_000}
    event["data"]["completed_on"] = "2019-01-01"
    city.append(TOPIC, 0, None, json.dumps(event).encode(), JSON)
    await city.recalculate()
    (dead,) = await city.documents("enrollment", DEAD_LETTERS)
    assert dead.chunks == 3
    decision = await command(city, replay(dead), "r1")
    assert decision.answer["outcome_reason"] == dead.reason


async def test_a_rehearsal_shows_what_would_follow_and_writes_nothing() -> None:
    city, dead = await city_with_dead_letter()
    member = city.members["enrollment"]
    before = {
        name: await city.documents("enrollment", one) for name, one in (("d", DECISIONS), ("e", EMPLOYEES))
    }
    mended = Record(dead.record().at, dead.timestamp_ms, None, json.dumps(event_of()).encode(), JSON, 1)
    run = await run_dry(member.decoder, member.store, [(mended, None)], milliseconds(city.now))
    assert [outcome.verdict for _, outcome in run.outcomes] == ["accepted"]
    assert {collection.name for collection, *_ in run.changes} >= {
        "completions",
        "renderings",
        "sequences",
    }
    types = [json.loads(event.value)["type"] for event in run.events]
    assert "id.go.bandung.certificate.issued.v1" in types
    assert await completions(city) == []
    assert before == {
        name: await city.documents("enrollment", one) for name, one in (("d", DECISIONS), ("e", EMPLOYEES))
    }
    assert [one.state for one in await city.documents("enrollment", DEAD_LETTERS)] == ["open"]
