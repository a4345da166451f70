"""What happened elsewhere and must not happen here: one story a test, in every order that it can come in."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from random import Random
from typing import Any

import pytest

from services.enrollment.certificates.documents import RENDERINGS, SEQUENCES
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.completions.terms import CompletionTerms
from services.incentive.points.documents import ACCOUNTS, POINT_ENTRIES
from services.notification.letters.documents import LETTERS, MAILS
from shared.contracts.agency import TrainingCompleted
from shared.contracts.enrollment import JpCredited
from shared.contracts.pipeline import ReleaseWaiting
from shared.contracts.topics import ENROLLMENT_COMMANDS
from shared.pipeline.documents import Needs, State
from shared.pipeline.handlers import Handler
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, WAITING
from shared.pipeline.waiting import WAITING_PAGE
from tests.factories import changed, completed, registered, reinstate, revoke
from tests.memory_store import MemoryStore
from tests.property.harness import AGENCIES, ENROLLMENT, MORNING, OFFICER, ROUGH, City, Sending
from tests.property.histories import BUDI, EMPLOYEE, SRI, SRI_EARLIER, completion_id
from tests.property.observed import observe, promises, published

SEEDS = range(8)
SEMINAR = completed(BUDI, code="A", completed_on="2026-03-04", score=None, predicate=None)
"""Worth 5 points."""


def sent(*payloads: object, sender: str = AGENCIES[0]) -> list[Sending]:
    return [
        Sending(payload, f"{sender}-{n}", MORNING - timedelta(days=9, minutes=-n), sender)  # type: ignore[arg-type]
        for n, payload in enumerate(payloads)
    ]


def officers(of: TrainingCompleted, *ids: str, lifts: str = "", opd: str | None = None) -> list[Sending]:
    about = {"completion_id": completion_id(of), "employee_id": EMPLOYEE[of.employee_number], "opd": opd}
    if lifts:
        return [Sending(reinstate(revocation_id=lifts, **about), id, sender=OFFICER) for id in ids]
    return [Sending(revoke(**about), id, sender=OFFICER) for id in ids]


async def told(sendings: Sequence[Sending], seed: int = 0) -> City:
    city = City(weather=ROUGH, random=Random(seed))
    await city.deliver(sendings)
    await promises(city)
    return city


# Revoked, then reinstated: the points come back (OP2).


@pytest.mark.parametrize("seed", SEEDS)
async def test_points_come_back_when_a_revocation_is_lifted_and_the_history_explains_it(seed: int) -> None:
    story = [
        *sent(registered(BUDI), SEMINAR),
        *officers(SEMINAR, "revocation"),
        *officers(SEMINAR, "reinstatement", lifts="revocation"),
    ]
    city = City(random=Random(seed))
    for sending in story:
        await city.deliver([sending])
    await city.deliver(story * 2)
    await promises(city)
    (account,) = await city.documents("incentive", ACCOUNTS)
    history = [(one.points, one.reason) for one in await city.documents("incentive", POINT_ENTRIES)]
    assert account.balance == 5
    assert history == [(5, None), (-5, "sertifikat dicabut"), (5, "pencabutan dibatalkan")]
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    assert completion.certificate is not None
    assert (completion.certificate.revoked, completion.certificate.revision) == (False, 2)
    letters = {
        (one.template, one.revision): one.state for one in await city.documents("notification", LETTERS)
    }
    assert letters == {
        ("certificate_issued", 1): "overtaken",
        ("certificate_revoked", 1): "overtaken",
        ("certificate_issued", 2): "released",
    }


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_revocation_and_reinstatement_may_come_before_what_they_concern(order: tuple[int, ...]) -> None:
    story = [
        *sent(registered(BUDI), SEMINAR),
        *officers(SEMINAR, "revocation"),
        *officers(SEMINAR, "reinstatement", lifts="revocation"),
    ]
    city = await told([story[n] for n in order] + story)
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    (account,) = await city.documents("incentive", ACCOUNTS)
    assert completion.certificate is not None
    assert (completion.certificate.revoked, completion.jp, account.balance) == (False, 8, 5)


async def test_another_bodys_officer_cannot_lift_a_revocation_by_being_early() -> None:
    lifting = officers(SEMINAR, "reinstatement", lifts="revocation", opd="LAN")
    for story in permutations([*sent(SEMINAR), *officers(SEMINAR, "revocation"), *lifting]):
        city = await told([*sent(registered(BUDI)), *story])
        (completion,) = await city.documents("enrollment", COMPLETIONS)
        assert completion.certificate is not None
        assert completion.certificate.revoked


async def test_a_third_letter_of_a_certificate_cancels_the_second_alone() -> None:
    """The first one's cancellation was inserted again: the letter ended as a dead letter."""
    corrections = [
        completed(BUDI, code="A", completed_on="2026-03-04", score=score) for score in (70, 80, 90)
    ]
    city = City()
    for sending in sent(registered(BUDI), *corrections):
        await city.deliver([sending])
    assert await city.documents("notification", DEAD_LETTERS) == []
    letters = {one.revision: one.state for one in await city.documents("notification", LETTERS)}
    assert letters == {1: "overtaken", 2: "overtaken", 3: "released"}


# A late arrival counts when it happened (OC1).


async def test_a_completion_of_december_that_arrives_in_january_counts_in_december() -> None:
    city = City()
    city.now_ms = int(datetime(2026, 1, 10, 1, tzinfo=UTC).timestamp() * 1000)
    december = completed(BUDI, completed_on="2025-12-20", start_date="2025-12-20", end_date="2025-12-20")
    await city.deliver([Sending(one, str(n), datetime(2026, 1, 9, tzinfo=UTC)) for n, one in
                        enumerate([registered(BUDI), december])])  # fmt: skip
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    (credited,) = published(city, JpCredited).values()
    (rendering,) = await city.documents("enrollment", RENDERINGS)
    (entry,) = await city.documents("incentive", POINT_ENTRIES)
    assert isinstance(credited, JpCredited)
    assert completion.certificate is not None
    assert completion.learning_year.endswith("/2025")
    assert completion.certificate.number.endswith("/2025")
    assert (credited.year, rendering.face.completed_on, entry.month) == (2025, date(2025, 12, 20), "2025-12")


# The same completion again and again.


@pytest.mark.parametrize("batches", [1, 5], ids=["in one batch", "a batch each"])
@pytest.mark.parametrize("senders", [AGENCIES[:1], AGENCIES], ids=["one agency", "two agencies"])
async def test_one_completion_sent_five_times_is_one_of_everything(
    batches: int, senders: Sequence[str]
) -> None:
    city = City()
    await city.deliver(sent(registered(BUDI)))
    copies = [sending for sender in senders for sending in sent(*[SEMINAR] * 5, sender=sender)]
    for n in range(batches):
        for sending in copies[n::batches]:
            city.send(sending)
        await city.recalculate()
    await promises(city)
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    (sequence,) = await city.documents("enrollment", SEQUENCES)
    assert completion.certificate is not None
    assert (completion.certificate.revision, sequence.last) == (1, 1)
    assert len(published(city, JpCredited)) == 1
    assert [one.points for one in await city.documents("incentive", POINT_ENTRIES)] == [5]
    assert len(await city.documents("notification", MAILS)) == 1
    verdicts = [
        one.verdict for one in await city.documents("enrollment", DECISIONS) if one.subject == completion.id
    ]
    assert verdicts.count("accepted") == 2  # the completion, and the PDF's digest
    assert verdicts.count("duplicate") + verdicts.count("superseded") == len(copies) - 1


# Unknown employees.


@pytest.mark.slow
async def test_records_that_wait_for_one_employee_are_released_page_by_page() -> None:
    many = WAITING_PAGE + 3
    city = City()
    # In two years: of one no more than 400 are recorded.
    days = ("2026-03-04", "2025-03-04")
    for sending in sent(*(completed(BUDI, code=f"T{n}", start_date=days[n % 2]) for n in range(many))):
        city.send(sending)
    await city.recalculate()
    assert len(await city.documents("enrollment", WAITING)) == many
    city.send(sent(registered(BUDI))[0])
    (tp,) = city.lag(city.members["enrollment"])
    decided = await city.batch(city.members["enrollment"], {tp: 1})
    assert len(decided.decisions) == 1 + WAITING_PAGE
    assert len(await city.documents("enrollment", WAITING)) == 3
    commands = [record for (topic, _), records in city.log.items() for record in records
                if topic == ENROLLMENT_COMMANDS]  # fmt: skip
    assert [ReleaseWaiting.TYPE.encode() in (one.value or b"") for one in commands] == [True]
    await city.recalculate()
    await promises(city)
    assert await city.documents("enrollment", WAITING) == []
    assert len(await city.documents("enrollment", COMPLETIONS)) == many


async def test_what_waits_under_an_earlier_number_follows_the_employee() -> None:
    earlier, later = (completed(number, code=code) for number, code in ((SRI_EARLIER, "A"), (SRI, "B")))
    snapshot = changed(SRI, previous_employee_number=SRI_EARLIER)
    for story in permutations(sent(earlier, later, snapshot)):
        city = await told(list(story))
        completions = await city.documents("enrollment", COMPLETIONS)
        assert {one.employee_id for one in completions} == {EMPLOYEE[SRI]}
        assert len(completions) == 2


async def test_a_batch_asks_for_keys_a_few_times_a_record_however_many_they_are() -> None:
    """Each change of the batch had them all asked again: 800 events took 1.7 s, and four times that twice as many."""
    asked = 0
    known = ENROLLMENT.handlers[TrainingCompleted]

    def keys(event: Any, state: State, terms: CompletionTerms) -> Needs:
        nonlocal asked
        asked += 1
        return known.needs(event, state, terms)

    counting = {**ENROLLMENT.handlers, TrainingCompleted: Handler(keys, known.decide)}
    city = City(services=[replace(ENROLLMENT, handlers=counting)])
    numbers = [f"1985010120100110{n:02d}" for n in range(1, 41)]
    for sending in sent(*(registered(one) for one in numbers), *(completed(one) for one in numbers)):
        city.send(sending)
    (tp,) = city.lag(city.members["enrollment"])
    await city.batch(city.members["enrollment"], {tp: 80})
    assert len(await city.documents("enrollment", COMPLETIONS)) == 40
    assert asked <= 2 * 40


async def test_a_page_that_is_released_is_loaded_at_once() -> None:
    """By an earlier number the employee has another id than the one that those who waited had asked for."""
    city = City(services=[ENROLLMENT])
    for sending in sent(*(completed(SRI, code=f"T{n}") for n in range(50))):
        city.send(sending)
    await city.recalculate()
    city.send(Sending(changed(SRI, previous_employee_number=SRI_EARLIER), "changed"))
    store = city.members["enrollment"].store
    assert isinstance(store, MemoryStore)
    calls = store.calls
    (tp,) = city.lag(city.members["enrollment"])
    decided = await city.batch(city.members["enrollment"], {tp: 1})
    assert len(decided.decisions) == 51
    assert store.calls - calls < 25  # a handful of rounds, each with a call a collection


# What an officer does with a completion that has not come yet is told with the right totals.


async def test_a_completion_that_arrives_revoked_does_not_zero_the_years_total() -> None:
    other = completed(BUDI, code="B", completed_on="2026-03-04")
    city = City()
    for sending in [
        *sent(registered(BUDI), other),
        *officers(SEMINAR, "revocation"),
        *sent(SEMINAR, sender="dinas-b"),
    ]:
        await city.deliver([sending])
    credited = [one for one in published(city, JpCredited).values() if isinstance(one, JpCredited)]
    assert {one.completion_id: (one.jp, one.year_total_jp) for one in credited} == {
        completion_id(other): (8, 8),
        completion_id(SEMINAR): (0, 8),
    }


async def test_a_correction_to_another_year_leaves_the_one_and_enters_the_other() -> None:
    seminar = {"code": "A", "start_date": "2025-12-30", "end_date": "2025-12-30"}
    city = City()
    for n, day in enumerate(["2025-12-30", "2026-01-02"]):
        await city.deliver(
            [*sent(registered(BUDI)), Sending(completed(BUDI, completed_on=day, **seminar), f"c{n}",
                                              MORNING - timedelta(days=2 - n))]
        )  # fmt: skip
    await promises(city)
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    assert effective_training(completion).completed_on == date(2026, 1, 2)
    assert (await observe(city)).year_totals == {f"{EMPLOYEE[BUDI]}/2026": 4}
    history = [(one.month, one.points) for one in await city.documents("incentive", POINT_ENTRIES)]
    assert history == [("2025-12", 15), ("2025-12", -15), ("2026-01", 15)]
