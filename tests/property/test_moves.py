"""Two records that become one person's, and two people's again: in whatever order their events are read, the accounts are
the same, and letters and mails are the person's."""

from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.persons.documents import EMPLOYEES
from services.incentive.points.documents import ACCOUNTS, EARNED_COMPLETIONS, PEOPLE, POINT_ENTRIES
from services.notification.letters.documents import ADDRESS_CHANGED, CONTACTS, MAILS
from shared.contracts.agency import TrainingCompleted
from shared.contracts.cloudevents import decode, peek
from shared.contracts.enrollment import CompletionRecorded, RestateCompletion
from shared.contracts.payload import Payload
from shared.contracts.people import MergeEmployees, SeparateEmployees
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.pipeline.records import Record
from tests.examples import QUIET, examples
from tests.factories import changed, completed, registered, reinstate, revoke
from tests.property.harness import INCENTIVE, OFFICER, ROUGH, TERMS, City, Sending
from tests.property.observed import BY_TYPE, observe, promises
from tests.property.test_reconciliation import lacking, listed
from tests.unit.given import Given

NUMBERS = ("199001012018212001", "199001012023212001", "199001012023212002")
"""Three contracts of one PPPK, each registered by itself."""
FILES = [TERMS.ids.employee(number) for number in NUMBERS]
Step = tuple[Any, ...]

CODES: dict[str, dict[str, object]] = {
    "A": {"code": "A", "form": "formal_education", "start_date": "2026-01-05", "organizer": "LAN"},
    "B": {"code": "B", "form": "formal_education", "start_date": "2026-01-06", "organizer": "LAN"},
    "C": {"code": "C", "form": "formal_education", "start_date": "2026-01-07", "organizer": "LAN"},
    "D": {"code": "D", "form": "seminar", "start_date": "2026-01-08", "organizer": "LAN"},
    "E": {"code": "E", "form": "seminar", "start_date": "2026-02-08", "organizer": "LAN"},
}
"""Four of one month, whose cap has room for two and a bit."""


def reported(file: int, code: str, score: int | None = None) -> TrainingCompleted:
    return completed(NUMBERS[file], score=score, predicate=None, **CODES[code])  # type: ignore[arg-type]


def completion_id(file: int, code: str) -> Any:
    return TERMS.ids.completion(FILES[file], "LAN", code, reported(file, code).training.batch)


async def happened(city: City, steps: list[Step]) -> None:
    """In enrollment, one after the other; the others have read nothing yet."""
    for n, number in enumerate(NUMBERS):
        city.send(
            Sending(registered(number, name=f"Rina {n}", email=f"rina{n}@example.org"), f"registered-{n}")
        )
    await enrolled(city)
    for n, step in enumerate(steps):
        payload = await said(city, step)
        if payload is not None:
            agencies = isinstance(payload, TrainingCompleted) or step[0] == "moved house"
            city.send(Sending(payload, f"step-{n}", sender="dinas-a" if agencies else OFFICER))
            await enrolled(city)


async def said(city: City, step: Step) -> Payload | None:
    """A step in words: what is sent."""
    match step:
        case ("merge", joins, into):
            return MergeEmployees(
                employee_id=FILES[joins], into=FILES[into], home=None, officer="o", opd=None, reason="SK 1"
            )
        case ("part", file):
            return SeparateEmployees(employee_id=FILES[file], officer="o", opd=None, reason="SK 2")
        case ("report", file, code, *score):
            return reported(file, code, *score)
        case ("revoke", file, code):
            return revoke(completion_id=completion_id(file, code), employee_id=FILES[file], opd=None)
        case ("reinstate", file, code, place):
            return reinstate(
                completion_id=completion_id(file, code), employee_id=FILES[file], opd=None,
                revocation_id=f"step-{place}",
            )  # fmt: skip
        case ("moved house", file, email):
            return changed(NUMBERS[file], previous_employee_number=None, name=f"Rina {file}", email=email)
        case ("restate", file, code):
            id = completion_id(file, code)
            known = {one.id: one for one in await city.documents("enrollment", COMPLETIONS)}.get(id)
            if known is None:
                return None
            return RestateCompletion(
                completion_id=id,
                employee_id=known.employee_id,
                version=known.version,
                operator="o",
                reason="x",
            )
    raise AssertionError(step)


async def enrolled(city: City) -> None:
    enrollment = city.members["enrollment"]
    while lag := city.lag(enrollment):
        await city.batch(enrollment, lag)


def shuffled(city: City, random: Random) -> None:
    """What enrollment published comes in any order, and some of it twice, as if nothing had been read yet."""
    facts = [one for tp in sorted(city.log) if tp[0] == ENROLLMENT_EVENTS for one in city.log.pop(tp)]
    facts += random.sample(facts, min(5, len(facts)))
    random.shuffle(facts)
    for fact in facts:
        city.append(ENROLLMENT_EVENTS, fact.at.partition, fact.key, fact.value, fact.headers)


async def ends_alike(steps: list[Step], seed: int) -> City:
    calm = City()
    await happened(calm, steps)
    await calm.recalculate()
    await whole(calm)
    rough = City(random=Random(seed))
    await happened(rough, steps)
    shuffled(rough, rough.random)
    rough.weather = ROUGH
    await rough.recalculate()
    await whole(rough)
    assert await observe(rough) == await observe(calm)
    return rough


async def whole(city: City) -> None:
    await promises(city)
    people = {one.id: one for one in await city.documents("enrollment", EMPLOYEES)}
    numbers = {one.id: one.employee_numbers for one in await city.documents("incentive", PEOPLE)}
    assert numbers == {id: one.numbers for id, one in people.items()}
    assert {
        one.id: (one.employee_numbers, one.merged) for one in await city.documents("notification", CONTACTS)
    } == {id: (one.numbers, list(one.files)) for id, one in people.items()}
    await listed(city)
    assert {service: await lacking(city, service) for service in city.members} == {
        service: {} for service in city.members
    }
    balances = {one.id: one.balance for one in await city.documents("incentive", ACCOUNTS)}
    assert not any(balances.get(one.id) for one in people.values() if one.merged_into)


# By hand: what an order may get wrong.

STORIES: dict[str, list[Step]] = {
    "there": [("report", 0, "A"), ("report", 1, "B"), ("report", 1, "C"), ("merge", 1, 0)],
    "and back": [("report", 0, "A"), ("report", 1, "B"), ("merge", 1, 0), ("part", 1)],
    "twice": [("report", 1, "B"), ("merge", 1, 0), ("part", 1), ("merge", 1, 0)],
    "to another": [("report", 1, "B"), ("merge", 1, 0), ("part", 1), ("merge", 1, 2)],
    "of three one": [("report", 1, "B"), ("report", 2, "C"), ("merge", 1, 0), ("merge", 2, 0), ("part", 1)],
    "a twin": [("report", 0, "A"), ("report", 1, "A"), ("merge", 1, 0), ("revoke", 0, "A"), ("part", 1)],
    "corrected": [("report", 1, "D"), ("merge", 1, 0), ("report", 1, "D", 90), ("part", 1)],
    "revoked": [("report", 1, "B"), ("merge", 1, 0), ("revoke", 1, "B"), ("part", 1)],
    "reinstated": [("report", 1, "B"), ("revoke", 1, "B"), ("merge", 1, 0), ("reinstate", 1, "B", 1)],
    "restated": [("report", 1, "B"), ("merge", 1, 0), ("restate", 1, "B"), ("part", 1)],
    "the cap": [*(("report", n, code) for n in (0, 1) for code in "ABC"), ("merge", 1, 0), ("part", 1)],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
async def test_all_orders_of_its_facts_end_in_the_same_accounts(name: str) -> None:
    city = City()
    await happened(city, STORIES[name])
    facts = [
        event
        for (topic, _), records in city.log.items()
        if topic == ENROLLMENT_EVENTS
        for event in map(_fact, records)
        if isinstance(event, CompletionRecorded)
    ]
    endings = set()
    orders = list(permutations(facts)) if len(facts) <= 6 else _some(facts)
    for order in orders:
        reader = Given(INCENTIVE, *order)
        entered: dict[tuple[str, str], int] = {}
        for one in reader.all(POINT_ENTRIES):
            key = (one.employee_id, one.completion_id)
            entered[key] = entered.get(key, 0) + one.points
        earned = {
            (one.employee_id, one.id): one.points for one in reader.all(EARNED_COMPLETIONS) if one.points
        }
        assert {key: points for key, points in entered.items() if points} == earned
        balances = {one.id: one.balance for one in reader.all(ACCOUNTS) if one.balance}
        endings.add((frozenset(earned.items()), frozenset(balances.items())))
    assert len(endings) == 1


def _some(facts: list[CompletionRecorded]) -> list[list[CompletionRecorded]]:
    random = Random(len(facts))
    return [random.sample(facts, len(facts)) for _ in range(1_000)]


def _fact(record: Record) -> Payload:
    type, structured = peek(record.value, record.headers)
    assert type is not None
    assert record.value is not None
    return decode(record.value, record.headers, structured, BY_TYPE[type]).data


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", STORIES)
async def test_its_story_ends_alike_however_it_is_read(name: str, seed: int) -> None:
    await ends_alike(STORIES[name], seed)


async def test_a_separation_tells_nobody_of_the_other_s_address() -> None:
    """Merged, the person is written to where the later record was, and its own address is told; separated, nobody is."""
    city = City()
    await happened(city, [("report", 0, "A"), ("merge", 1, 0)])
    await city.recalculate()
    assert await told(city) == [(FILES[0], "rina0@example.org")]
    await city.deliver([Sending((await said(city, ("part", 1))), "parted", sender=OFFICER)])  # type: ignore[arg-type]
    await whole(city)
    contacts = {one.id: one.email for one in await city.documents("notification", CONTACTS)}
    assert [contacts[file] for file in FILES] == [f"rina{n}@example.org" for n in range(3)]
    assert await told(city) == [(FILES[0], "rina0@example.org")]


async def told(city: City) -> list[tuple[str, str | None]]:
    """Whose change of address, and where."""
    mails = await city.documents("notification", MAILS)
    return [
        (one.employee_id, one.letter.recipient) for one in mails if one.letter.template == ADDRESS_CHANGED
    ]


# By chance.

BETWEEN: list[Step] = [
    ("merge", 1, 0), ("report", 1, "A"), ("part", 1), ("report", 0, "A"), ("moved house", 0, "a@example.org"),
    ("report", 1, "A", 90), ("report", 2, "A"), ("merge", 1, 0), ("merge", 1, 0),
]  # fmt: skip
"""A letter of one person comes between two settlements of points that are another's."""


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    file, code = st.sampled_from(range(len(NUMBERS))), st.sampled_from(sorted(CODES))
    step = st.one_of(
        st.tuples(st.just("report"), file, code),
        st.tuples(st.just("report"), file, code, st.sampled_from([None, 80, 90])),
        st.tuples(st.just("merge"), file, file),
        st.tuples(st.just("merge"), st.just(1), st.just(0)),
        st.tuples(st.just("part"), file),
        st.tuples(st.just("revoke"), file, code),
        st.tuples(st.just("reinstate"), file, code, st.integers(0, 10)),
        st.tuples(st.just("moved house"), file, st.sampled_from(["a@example.org", "b@example.org", None])),
        st.tuples(st.just("restate"), file, code),
    )
    return draw(st.lists(step, min_size=3, max_size=16))


@settings(max_examples=examples(), deadline=None, suppress_health_check=QUIET)
@given(stories(), st.integers(0, 2**16))
@example(BETWEEN, 737)
async def test_any_order_of_events_ends_in_the_same_accounts(steps: list[Step], seed: int) -> None:
    await ends_alike(steps, seed)
