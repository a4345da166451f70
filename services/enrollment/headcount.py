"""How many people an agency claims, against how many it has: more than that and a tenth wait until somebody looks.

Employee numbers can be guessed, so without this who registers everybody first has everybody, and who claims everybody
second holds up everybody's mail.
"""

from typing import Final

from services.enrollment.agencies.documents import AGENCIES, lacks_room
from services.enrollment.agencies.timeline import standing
from services.enrollment.documents import HEADCOUNTS, Headcount
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


def more_people(agency: str, more: int, state: State) -> Headcount:
    known = state.get(HEADCOUNTS, agency)
    return Headcount(agency, max(0, (0 if known is None else known.people) + more))
