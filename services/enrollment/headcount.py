"""How many people an agency claims, against how many it has: more than that and a tenth wait until somebody looks.

Employee numbers can be guessed, so without this who registers everybody first has everybody, and who claims everybody
second holds up everybody's mail. An HR master source, whose word gives homes, moves at most so many people in an hour.
"""

from typing import Final

from services.enrollment.agencies.documents import AGENCIES, Arrival, lacks_pace, lacks_room
from services.enrollment.agencies.timeline import standing
from services.enrollment.documents import HEADCOUNTS, Headcount
from services.enrollment.homes import homes
from services.enrollment.persons import Person
from shared.pipeline.documents import Doc, Keys, Lock, State
from shared.pipeline.errors import Waiting
from shared.pipeline.outcome import Put

BEYOND: Final = 1.1
"""Of the headcount: people come before others have gone."""


def headcount_keys(agency: str) -> Keys:
    yield Lock("headcount/" + agency)
    yield Doc(HEADCOUNTS, agency)
    yield Doc(AGENCIES, agency)


def counted(agency: str, more: int, state: State) -> Put:
    """Raises Waiting where it would be more people than the agency may claim."""
    after = more_people(agency, more, state)
    stands = standing(state.get(AGENCIES, agency))
    most = None if stands is None or stands.headcount is None else stands.headcount * BEYOND
    if stands is not None and most is not None and more > 0 and after.people > most:
        raise Waiting(
            lacks_room(agency),
            f"{agency} has {stands.headcount} people by the register, and claims more than a tenth beyond that: "
            "the operator looks, and raises its headcount or suspends it",
        )
    return Put(HEADCOUNTS, after)


def recounting_keys(person: Person | None, *agencies: str) -> Keys:
    """`agencies`: that may come to claim the person."""
    claimants = [] if person is None else homes(person.whole).claimants
    for agency in sorted({*claimants, *agencies}):
        yield from headcount_keys(agency)


def recounted(before: Person, after: Person, state: State) -> list[Put]:
    """For what is decided about a person: whom it gives the person to is not asked whether there is room."""
    was, now = set(homes(before.whole).claimants), set(homes(after.whole).claimants)
    puts = [Put(HEADCOUNTS, more_people(agency, -1, state)) for agency in sorted(was - now)]
    return [*puts, *(Put(HEADCOUNTS, more_people(agency, 1, state)) for agency in sorted(now - was))]


def is_of_the_day(agency: str, person: Person, arrival: Arrival) -> bool:
    """Whether the agency claims the person since the day of the arrival: it goes on counting when it is let go the same
    day, else as many people as there are numbers could be registered and released."""
    spans = homes(person.whole).claims
    return any(
        one.agency == agency and one.end is None and one.begin.at.date() == arrival.at.date() for one in spans
    )


LEAST_MOVES: Final = 10
"""In an hour, where one in a hundred would be fewer."""


def moves_counted(
    source: str, known: Person | None, after: Person, arrival: Arrival, state: State
) -> Put | None:
    """Of a master source's word; None where it changes nothing that is counted. Raises Waiting where it is more than one
    in a hundred of its people in an hour: a fault of that system, or somebody else in it, would move the whole city."""
    home = None if known is None else homes(known.whole).home
    moves = home is not None and homes(after.whole).home != home
    placed_first = (known is None or not known.whole.placements) and bool(after.whole.placements)
    if not moves and not placed_first:
        return None
    count = state.get(HEADCOUNTS, source) or Headcount(source, 0)
    hour = arrival.at.replace(minute=0, second=0, microsecond=0)
    hour = hour if count.hour is None else max(hour, count.hour)
    so_far = (count.moves if count.hour == hour else 0) + moves
    stands = standing(state.get(AGENCIES, source))
    most = None if stands is None else stands.moves_per_hour
    if most is None:
        most = max(LEAST_MOVES, count.people // 100)
    if moves and so_far > most:
        raise Waiting(
            lacks_pace(source),
            f"{source} gave {most} people another home within an hour, and no more is done unseen: the operator looks, "
            "and lets it move more or suspends it",
        )
    return Put(HEADCOUNTS, Headcount(source, count.people + placed_first, hour, so_far))


def more_people(agency: str, more: int, state: State) -> Headcount:
    known = state.get(HEADCOUNTS, agency)
    return Headcount(agency, max(0, (0 if known is None else known.people) + more))
