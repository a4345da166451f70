"""What an order that reaches back would reach, on a real MongoDB: the figures are those of what follows."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import pytest

from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.documents import EMPLOYEES
from services.enrollment.persons.homes import homes
from services.enrollment.persons.queries import people_of
from services.enrollment.reach.previews import preview
from services.enrollment.reach.sweep import Sweeper
from services.enrollment.reach.views import ReachView
from shared.contracts.people import RefoldPeople
from shared.contracts.register import (
    AddAgency,
    ChangeAgency,
    DistrustAgency,
    ReplaceAgency,
    SuspendAgency,
    TrustAgency,
)
from shared.contracts.topics import agency_topic
from shared.service import Components
from tests.factories import completed, registered
from tests.integration.test_bodies import Orders
from tests.integration.test_people import (
    EARLIER,
    LATER,
    OFFICER,
    A,
    B,
    Story,
    components,
    merge,
    number,
    story,
)
from tests.property.harness import ENROLLMENT, City

__all__ = ["components", "story"]
LATE: Final = datetime(2027, 1, 1, tzinfo=UTC)
MASTER: Final = "bkd"


def distrust(code: str) -> DistrustAgency:
    return DistrustAgency(
        code=code, since=datetime(2020, 1, 1, tzinfo=UTC), until=None, operator="op", reason="leak"
    )


def replace(heir: str = B) -> ReplaceAgency:
    return ReplaceAgency(code=A, heir=heir, operator="op", reason="Perwal 12/2026")


async def judged_anew(components: Components[CompletionTerms], story: Story) -> None:
    """As the sweep does."""
    register = await components.store.read(REGISTERS, REGISTER)
    assert register is not None
    everybody = tuple(one.id for one in await components.store.select(EMPLOYEES, {}))
    await story.tell(OFFICER, RefoldPeople(generation=register.generation, found=everybody))


async def stand(components: Components[CompletionTerms]) -> tuple[int, int]:
    """How many certificates stand, and how many completions give hours."""
    found = await components.store.select(COMPLETIONS, {})
    certificates = [one.certificate for one in found if one.certificate is not None]
    return sum(not one.revoked for one in certificates), sum(bool(one.learning_year) for one in found)


@pytest.fixture
async def reported(story: Story) -> Story:
    """A issues; of B's person it reports two completions, of which B reports one too."""
    await story.tell(B, registered(EARLIER))
    for title in ("D-1", "D-2"):
        await story.tell(A, completed(EARLIER, organizer="BKPSDM", batch=title))
    await story.tell(B, completed(EARLIER, organizer="BKPSDM", batch="D-1"))
    return story


async def test_what_loses_its_certificate_and_keeps_its_hours_is_told_before_and_happens(
    components: Components[CompletionTerms], reported: Story
) -> None:
    assert await stand(components) == (2, 2)
    told = await preview(components, distrust(A), LATE)
    assert (told.completions, told.completions_alone) == (2, 1)
    assert (told.certificates_lost, told.hours_kept, told.certificates_issued) == (2, 1, 0)
    assert (told.since, told.until) == (distrust(A).since, None)
    await reported.tell(OFFICER, distrust(A))
    await judged_anew(components, reported)
    assert await stand(components) == (0, 1)
    (said,) = (await components.store.select(REGISTERS, {}))[0].distrusts
    back = await preview(
        components, TrustAgency(code=A, distrust=said.command, operator="op", reason="own"), LATE
    )
    assert (back.certificates_issued, back.certificates_lost) == (2, 0)


async def test_how_far_the_judging_anew_is_is_counted_until_it_is_done(
    components: Components[CompletionTerms], reported: Story
) -> None:
    orders = cast("Any", Orders(reported.city))
    sweeper = Sweeper(components.store, orders, wait_s=0.0)
    while (await sweeper.left())["going"]:
        await sweeper.step()
    assert await sweeper.left() == {"people": 0, "completions": 0, "going": 0}
    await reported.tell(OFFICER, distrust(A))
    assert await Sweeper(components.store, orders).left() == {"people": 0, "completions": 2, "going": 1}
    await Sweeper(components.store, orders).step()
    assert await Sweeper(components.store, orders).left() == {"people": 0, "completions": 0, "going": 1}
    await sweeper.step()
    assert await Sweeper(components.store, orders).left() == {"people": 0, "completions": 0, "going": 0}


async def test_people_whom_a_master_source_placed_are_counted(
    components: Components[CompletionTerms],
) -> None:
    story = Story(components)
    read = (*ENROLLMENT.sources, agency_topic(MASTER))
    story.city = City([components.store], services=[dataclasses.replace(ENROLLMENT, sources=read)])
    await story.begins()
    await story.tell(OFFICER, AddAgency(code=MASTER, name="BKD", master=True, operator="op"))
    for n in range(4):
        await story.tell(A, registered(number(n)))
    for n, home in enumerate((B, B, A)):
        await story.tell(MASTER, registered(number(n), home=home))
    told = await preview(components, distrust(MASTER), LATE)
    assert (told.people, told.people_moved) == (3, 2)
    await story.tell(OFFICER, distrust(MASTER))
    people = await people_of(components.store, [story.id(number(n)) for n in range(4)])
    assert [homes(one.whole).home for one in people.values()] == [A] * 4


async def test_a_succession_counts_those_whose_agency_it_is_and_merged_ones_once(
    components: Components[CompletionTerms], story: Story
) -> None:
    for n in (71, 72):
        await story.tell(A, registered(number(n)))
    await story.tell(B, registered(number(70)))
    await story.tell(A, registered(number(70)))  # B's, whom A claims too
    for one in (EARLIER, LATER):
        await story.tell(A, registered(one))
    await story.tell(OFFICER, merge(story, home=A))
    assert (await preview(components, replace(), LATE)).people == 3


async def test_an_heir_that_is_suspended_or_too_small_is_warned_of(
    components: Components[CompletionTerms], story: Story
) -> None:
    for n in range(4):
        await story.tell(A, registered(number(n)))
    assert (await preview(components, replace(), LATE)).warnings == []
    await story.tell(
        OFFICER,
        ChangeAgency(code=B, headcount=2, operator="op", reason="counted"),
        SuspendAgency(code=B, operator="op", reason="leak"),
    )
    told: ReachView = await preview(components, replace(), LATE)
    suspended, small = told.warnings
    assert suspended.startswith(f"{B} is suspended")
    assert f"{B} has 2 people by the register, and both together have 4" in small


async def test_the_same_distrust_again_is_told_before_it_is_ordered(
    components: Components[CompletionTerms], story: Story
) -> None:
    await story.tell(OFFICER, distrust(A))
    told = await preview(components, distrust(A), LATE)
    assert (told.verdict, told.reason) == (
        "duplicate",
        f"so already: decision {await _decision(components)} says it, and holds",
    )
    later = distrust(A).model_copy(update={"since": distrust(A).since + timedelta(days=1)})
    assert (await preview(components, later, LATE)).verdict == "accepted"


async def _decision(components: Components[CompletionTerms]) -> str:
    (register,) = await components.store.select(REGISTERS, {})
    return register.distrusts[0].command
