"""A batch decides no more than what it may hold in memory; the rest is read again, and nothing of it is passed over."""

import pytest

from shared.pipeline.attempt import Attempt, Decided
from shared.pipeline.limits import Limits
from shared.pipeline.places import position_id
from shared.pipeline.store import Session
from tests.factories import completed, registered
from tests.property.harness import ENROLLMENT, City, Sending

NUMBERS = [f"19800101200001{1 + n % 2}{n:03}" for n in range(30)]
TP = ("agency.dinas-a.v1", 0)


async def decided(city: City, usually_asked: int, most_asked: int) -> Decided:
    member = city.members["enrollment"]
    position = await member.store.position(position_id("enrollment", TP), 0)
    items = {TP: [member.reader.read(record) for record in city.log[TP][position.next :]]}

    async def attempt(session: Session) -> Decided:
        limits = Limits(usually_asked=usually_asked, most_asked=most_asked)
        made = Attempt(member.reader, member.store, session, limits=limits)
        return await made.run(items, "enrollment", {TP: position.next})

    return await member.store.attempt(attempt)


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
