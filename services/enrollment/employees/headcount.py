"""How many people an agency claims, against how many it has: more than that and a tenth wait until somebody looks.

Employee numbers can be guessed, so without this who registers everybody first has everybody, and who claims everybody
second holds up everybody's mail. An HR master source, whose word gives homes, moves at most so many people in an hour.
"""

from typing import Final

import msgspec

from services.enrollment.agencies.documents import AGENCIES, Arrival, lacks_pace, lacks_room
from services.enrollment.agencies.timeline import effective
from services.enrollment.persons.documents import HEADCOUNTS, FullHour, Headcount
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person, employee_sources
from shared.pipeline.documents import Doc, Lock, Needs, State
from shared.pipeline.errors import Waiting
from shared.pipeline.outcome import Put

BEYOND: Final = 1.1
"""Of the headcount: people come before others have gone."""


def headcount_needs(agency: str) -> Needs:
    yield Lock("headcount/" + agency)
    yield Doc(HEADCOUNTS, agency)
    yield Doc(AGENCIES, agency)


def counted(agency: str, more: int, state: State) -> Put:
    """Raises Waiting where it would be more people than the agency may claim."""
    after = more_people(agency, more, state)
    current = effective(state.get(AGENCIES, agency))
    most = None if current is None or current.headcount is None else current.headcount * BEYOND
    if current is not None and most is not None and more > 0 and after.people > most:
        raise Waiting(
            lacks_room(agency),
            f"{agency} has {current.headcount} people by the register, and claims more than a tenth beyond that: "
            "the operator looks, and raises its headcount or suspends it",
        )
    return Put(HEADCOUNTS, after)


def recounting_needs(person: Person | None, *agencies: str) -> Needs:
    """`agencies`: that may come to claim the person. So may all that ever did, by a word that is decided late."""
    if person is None:
        return
    heir = person.trust.heir
    for agency in sorted({heir(code) for code in (*employee_sources(person.whole), *agencies) if code}):
        yield from headcount_needs(agency)


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
        span.agency == agency and span.end is None and span.begin.at.date() == arrival.at.date()
        for span in spans
    )


MIN_MOVES: Final = 10
"""In an hour, where one in a hundred would be fewer."""
MAX_FULL_HOURS: Final = 31 * 24
"""A record waits no longer."""


def moves_counted(
    source: str, known: Person | None, after: Person, arrival: Arrival, state: State
) -> Put | None:
    """Of a master source's word; None where it changes nothing that is counted. Raises Waiting where it is more than one
    in a hundred of its people in an hour: a fault of that system, or somebody else in it, would move the whole city.

    What it sends while nobody trusts it is counted, and waits, as if it were trusted: a distrust that is taken back later
    would else let through what was held.
    """
    moves = _moves(source, known, after, arrival)
    placed_first = not _placed(known) and _placed(after)
    if not moves and not placed_first:
        return None
    count = state.get(HEADCOUNTS, source) or Headcount(source, 0)
    current = effective(state.get(AGENCIES, source))
    said = None if current is None else current.moves_per_hour
    after_it = _in_its_hour(count, arrival, moves, said)
    if after_it is None:
        most = _most(count, said)
        raise Waiting(
            lacks_pace(source),
            f"{source} gave {most} people another home within an hour, and no more is done unseen: the operator looks, "
            "and lets it move more or suspends it",
        )
    return Put(HEADCOUNTS, msgspec.structs.replace(after_it, people=count.people + placed_first))


def _moves(source: str, known: Person | None, after: Person, arrival: Arrival) -> bool:
    """Whether the source's word of then, if it counts, gives the person another home."""
    if known is None:
        return False
    trust = after.trust.with_word(source, arrival)
    home = homes(known._replace(trust=trust).whole).home
    return home is not None and homes(after._replace(trust=trust).whole).home != home


def _placed(person: Person | None) -> bool:
    return person is not None and any(file.placements for file in person.files)


def _in_its_hour(count: Headcount, arrival: Arrival, moves: bool, said: int | None) -> Headcount | None:
    """With one more in the hour in which it arrived; None: that hour is full. What was held in an hour that was full
    takes no later hour's place, since all of it would go through by and by, unseen; only more `said` by an operator does
    it."""
    hour = arrival.at.replace(minute=0, second=0, microsecond=0)
    for n, one in enumerate(count.full):
        if moves and one.hour == hour:
            if said is None or one.moves >= said:
                return None
            full = [*count.full[:n], FullHour(hour, one.moves + 1), *count.full[n + 1 :]]
            return msgspec.structs.replace(count, full=full)
    most = _most(count, said)
    if count.hour is not None and hour > count.hour:
        full = [*count.full, FullHour(count.hour, count.moves)] if count.moves >= most else count.full
        count = msgspec.structs.replace(count, moves=0, full=full[-MAX_FULL_HOURS:])
    if moves and count.moves >= most:
        return None
    hour = hour if count.hour is None else max(hour, count.hour)
    return msgspec.structs.replace(count, hour=hour, moves=count.moves + moves)


def _most(count: Headcount, said: int | None) -> int:
    return max(MIN_MOVES, count.people // 100) if said is None else said


def more_people(agency: str, more: int, state: State) -> Headcount:
    known = state.get(HEADCOUNTS, agency)
    return Headcount(agency, max(0, (0 if known is None else known.people) + more))
