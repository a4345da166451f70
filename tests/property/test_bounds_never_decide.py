"""Which contents are kept, where there are more than may be, depends on them alone: not on order, split or copies."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.enrollment.completions import contents as completions
from services.enrollment.completions.contents import content_of, effective_before, facts_of, with_content
from services.enrollment.completions.documents import COMPLETIONS, Completion, Content
from services.enrollment.completions.recalculation import effective_training
from shared.pipeline.records import Received, RecordMetadata
from tests.examples import QUIET, examples
from tests.factories import completed, registered
from tests.property.harness import AGENCIES, ROUGH, TERMS, City, Sending
from tests.property.histories import BUDI, EMPLOYEE, SENT_FROM
from tests.property.observed import observe, promises

FEW = 3
"""Instead of 20, so that small sets go beyond it in every way."""
NOTHING = Completion(
    id=TERMS.ids.completion(EMPLOYEE[BUDI], "A", "A", "1"), employee_id=EMPLOYEE[BUDI], learning_year=""
)


def content(sender: str, score: int, hour: int, revision: int) -> Content:
    data = completed(BUDI, score=Decimal(score), revision=revision or None)
    time = SENT_FROM + timedelta(hours=hour)
    event = Received(
        data=data, id="1", type=data.TYPE, time=time, sender=sender, now=time, traceparent=None,
        at=RecordMetadata("agency.x.v1", 0, hour), arrived=time,
    )  # fmt: skip
    return content_of(facts_of(data, data.training.organizer.code), event, TERMS.ids)


contents = st.lists(
    st.builds(content, st.sampled_from(AGENCIES), st.integers(0, 7), st.integers(0, 6), st.integers(0, 2)),
    min_size=1,
    max_size=24,
)


def taken(order: list[Content]) -> Completion:
    completion = NOTHING
    for one in order:
        completion = with_content(completion, one)
    return completion


def without_copies(those: Sequence[Content]) -> list[Content]:
    """When a copy of what is beyond the bound came is not kept, and is not known should it come to be within it."""
    return [replace(one, again=None) for one in those]


def merged(those: list[Content]) -> list[Content]:
    """All of them, each once, under the earliest time that it was seen."""
    earliest: dict[tuple[str, bytes, int], Content] = {}
    for one in sorted(those, key=lambda one: one.first_time):
        earliest.setdefault((one.sender, one.digest, one.revision), one)
    return list(earliest.values())


@settings(max_examples=examples(600), deadline=None, suppress_health_check=QUIET)
@given(contents, st.integers(0, 2**16))
def test_the_same_contents_are_kept_in_any_order(
    monkeypatch: pytest.MonkeyPatch, those: list[Content], seed: int
) -> None:
    monkeypatch.setattr(completions, "MAX_CONTENTS", FEW)
    shuffled = [*those, *those]
    Random(seed).shuffle(shuffled)
    assert without_copies(taken(shuffled).contents) == without_copies(taken(those).contents)


@settings(max_examples=examples(600), deadline=None, suppress_health_check=QUIET)
@given(contents)
def test_what_is_kept_has_the_owner_and_the_highest_revision_of_all(
    monkeypatch: pytest.MonkeyPatch, those: list[Content]
) -> None:
    monkeypatch.setattr(completions, "MAX_CONTENTS", FEW)
    stands, whole = effective_before(taken(those).contents), effective_before(merged(those))
    assert stands is not None
    assert whole is not None
    assert (stands.sender, stands.revision) == (whole.sender, whole.revision)
    of_its_revision = [
        one for one in merged(those) if (one.sender, one.revision) == (whole.sender, whole.revision)
    ]
    if len(of_its_revision) <= FEW:
        assert without_copies([stands]) == without_copies([whole])


@settings(max_examples=examples(30), deadline=None, suppress_health_check=QUIET)
@given(
    st.lists(
        st.tuples(st.sampled_from([*AGENCIES[:1] * 4, AGENCIES[1]]), st.integers(0, 45), st.integers(0, 5),
                  st.sampled_from([None] * 5 + [1, 2])),
        min_size=30, max_size=45,
    ),
    st.integers(0, 2**16),
)  # fmt: skip
async def test_more_contents_than_are_kept_end_in_the_same_place(
    said: list[tuple[str, int, int, int | None]], seed: int
) -> None:
    history = [Sending(registered(BUDI), "registered")] + [
        Sending(completed(BUDI, code="A", score=Decimal(score), revision=revision), f"sent-{n}",
                SENT_FROM + timedelta(hours=hour), sender)
        for n, (sender, score, hour, revision) in enumerate(said)
    ]  # fmt: skip
    calm, rough = City(), City(weather=ROUGH, random=Random(seed))
    await calm.deliver(history)
    delivery = [*history, *Random(seed).sample(history, 10)]
    Random(seed).shuffle(delivery)
    await rough.deliver(delivery)
    for city in (calm, rough):
        await promises(city)
        for one in await city.documents("enrollment", COMPLETIONS):
            assert len(one.contents) <= len(AGENCIES) * (completions.MAX_CONTENTS + 1)
    assert await observe(rough) == await observe(calm)
    ends = [
        [effective_training(one) for one in await city.documents("enrollment", COMPLETIONS)]
        for city in (calm, rough)
    ]
    assert ends[0] == ends[1]
