"""People who change agencies, are let go, are two records and one again; bodies that are entered late, and an agency
whose word is taken back: each a story that is told step by step, while all else goes on.

Each step is said once what was said before it is decided, as people do who look before they order something. So what must
come of it follows from the order in which it is told, and is written down with each step.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Final

from pymongo.errors import PyMongoError

from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.notification.letters.documents import CONTACTS
from shared.contracts.agency import EmployeeReleased
from shared.contracts.bodies import AddBody, ChangeBody
from shared.contracts.payload import CompletionId, EmployeeId
from shared.contracts.people import ConfirmHome, MergeEmployees, SeparateEmployees
from shared.contracts.register import DistrustAgency, TrustAgency
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.pipeline_collections import DECISIONS
from tests import factories
from tests.chaos.system import System, unacknowledged
from tests.chaos.traffic import AGENCIES, DOUBTED, FORMS, Employee, Known, Reported, Said

LOOK_S: Final = 0.3
LOOK_AT_ALL_S: Final = 2.0
STUCK_S: Final = 240.0
LATE_S: Final = 8.0
"""What was not acknowledged and is sent again may stand in the log once more, until the client that sent it is closed."""
MOMENT: Final = timedelta(milliseconds=50)
A, B = AGENCIES
OF_A, OF_B, OF_DOUBTED = "DINKES", "DISKOMINFO", DOUBTED.upper()
"""Bodies: of each the agency alone issues for it."""
SAID: Final = {"officer": "officer-1", "opd": None, "reason": "SK 5/2026"}
WHY: Final = {"operator": "operator-1", "reason": "Surat 7/2026"}


class Stuck(Exception):
    """A step was never decided, or never heard of."""


class Teller:
    def __init__(self, system: System) -> None:
        self._system, self.traffic = system, system.traffic
        self._publisher = Publisher(system.stack.kafka, "storytellers")
        self.doubting = asyncio.Lock()
        """Held by the one story in which an agency's word is taken back."""

    async def stop(self) -> None:
        await self._publisher.stop()

    async def say(self, *said: Said, decided: bool = True) -> None:
        """All of it, in any order; returns when it is in the log, and decided. `decided` False: it waits for something.
        Raises Stuck."""
        left, times = [one.message for one in said], 0
        while left:
            left, times = await unacknowledged(self._publisher, left), times + 1
        if times > 1:
            await asyncio.sleep(LATE_S)
        if decided:
            ids = [one.id for one in said]
            decisions = self._system.database("enrollment")[DECISIONS.name]
            match = {"e": {"$in": ids}, "v": {"$ne": "waiting"}}
            await self._until(f"{ids} decided", lambda: len(decisions.distinct("e", match)) == len(ids))

    async def begun(self) -> None:
        """Senders are judged."""
        registers = self._system.database("enrollment")[REGISTERS.name]
        match = {"_id": REGISTER, "judges_from": {"$ne": None}}
        await self._until("the register begun", lambda: registers.count_documents(match) == 1)

    async def judged(self) -> None:
        """Nothing is judged by an older register than today's."""
        await self._until("all judged anew", lambda: not self._system.unjudged(), LOOK_AT_ALL_S)

    async def heard(self, *people: EmployeeId) -> None:
        """Notification knows where they are written to."""
        contacts = self._system.database("notification")[CONTACTS.name]
        match = {"_id": {"$in": list(people)}}
        await self._until(f"{people} heard of", lambda: contacts.count_documents(match) == len(people))

    async def _until(self, what: str, condition: Callable[[], bool], every_s: float = LOOK_S) -> None:
        """Databases are away now and then."""
        deadline = asyncio.get_running_loop().time() + STUCK_S
        while True:
            try:
                if await asyncio.to_thread(condition):
                    return
            except PyMongoError as error:
                what = f"{what.partition(';')[0]}; {type(error).__name__}"
            if asyncio.get_running_loop().time() > deadline:
                raise Stuck(what)
            await asyncio.sleep(every_s)


@dataclass
class Cast:
    """Who is in one story, and what they say."""

    teller: Teller
    number: int
    _codes: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def other_way(self) -> bool:
        """Of two ways in which a story may end."""
        return self.number % 2 == 1

    def person(self, agency: str) -> Employee:
        return self.teller.traffic.newcomer(agency)

    def id(self, person: Employee) -> EmployeeId:
        return self.teller.traffic.ids.employee(person.number)

    def email(self, person: Employee, agency: str) -> str:
        return f"{person.number}@{agency}.example.org"

    def registers(self, agency: str, person: Employee) -> Said:
        """By another address than any other agency has."""
        snapshot = factories.registered(
            person.number, name=f"Pegawai Cerita {self.number}", email=self.email(person, agency)
        )
        return self.teller.traffic.said(snapshot, agency)

    def reports(
        self,
        agency: str,
        person: Employee,
        body: str,
        *,
        code: str = "",
        of: str = "",
        score: int = 70,
        revision: int = 1,
    ) -> tuple[CompletionId, Said]:
        """`of`: the body that is meant, where it is spelled otherwise."""
        place = next(self._codes)
        code = code or f"S{self.number}-{place}"
        day = date(2025, 1, 10) + timedelta(days=7 * (self.number % 40))
        form = FORMS[self.number % len(FORMS)]
        data = factories.completed(
            person.number,
            score=Decimal(score),
            revision=revision,
            code=code,
            batch="1",
            form=form,
            organizer=body,
            start_date=day,
            programme_jp=Decimal(4) if form == "e_learning" else None,
        )
        traffic, owner = self.teller.traffic, self.id(person)
        id = traffic.ids.completion(owner, of or body, code, "1")
        if id not in traffic.reported:
            traffic.reported[id] = Reported(id, owner, Decimal(score), day.year, told=True)
        return id, traffic.said(data, agency)

    def ends(self, *ids: CompletionId, **how: object) -> None:
        """How completions must stand from now on, where it is otherwise than as they were reported first."""
        for id in ids:
            self.teller.traffic.reported[id] = replace(self.teller.traffic.reported[id], **how)  # type: ignore[arg-type]

    def knows(self, person: Employee, agency: str, *warned: str) -> Known:
        id = self.id(person)
        known = Known(id, self.email(person, agency), (person.number,), warned=warned)
        self.teller.traffic.people[id] = known
        return known

    def home(self, person: Employee, agency: str) -> Said:
        order = ConfirmHome(employee_id=self.id(person), agency=agency, **SAID)
        return self.teller.traffic.ordered(order, order.employee_id)

    def register(self, order: AddBody | ChangeBody | DistrustAgency | TrustAgency) -> Said:
        return self.teller.traffic.ordered(order, REGISTER)


async def transferred(cast: Cast) -> None:
    """From one agency to the next by an officer's word."""
    tell, person = cast.teller, cast.person(A)
    cast.knows(person, A)
    await tell.say(cast.registers(A, person))
    _, said = cast.reports(A, person, OF_A)
    elsewhere, also = cast.reports(A, person, OF_DOUBTED)
    cast.ends(elsewhere, certified=False)
    await tell.say(said, also)
    await tell.heard(cast.id(person))
    await tell.say(cast.home(person, B))
    late, said = cast.reports(A, person, OF_DOUBTED)
    cast.ends(late, stands=False, certified=False)
    issued, also = cast.reports(A, person, OF_A)  # its own body's, whoever's the person is
    cast.ends(issued, backed=False)
    _, corrected = cast.reports(A, person, OF_DOUBTED, code=code_of(cast, 2), score=71, revision=2)
    await tell.say(said, also, corrected)
    cast.knows(person, B, cast.email(person, A))
    await tell.say(cast.registers(B, person))
    _, said = cast.reports(B, person, OF_DOUBTED, code=code_of(cast, 2), score=72)
    cast.ends(elsewhere, score=Decimal(72))
    _, also = cast.reports(B, person, OF_B)
    await tell.say(said, also)
    if cast.other_way:
        _, said = cast.reports(B, person, OF_A, code=code_of(cast, 4), score=73)
        cast.ends(issued, backed=True)
        await tell.say(said)


def code_of(cast: Cast, place: int) -> str:
    """Of the `place`-th training that the story reports."""
    return f"S{cast.number}-{place}"


async def released(cast: Cast) -> None:
    """One agency lets go, the next one registers."""
    tell, person = cast.teller, cast.person(B)
    cast.knows(person, B)
    await tell.say(cast.registers(B, person))
    own, said = cast.reports(B, person, OF_B)
    elsewhere, also = cast.reports(B, person, OF_DOUBTED)
    cast.ends(elsewhere, certified=False)
    await tell.say(said, also)
    await tell.heard(cast.id(person))
    leaving = EmployeeReleased(employee_number=person.number, reason="mistake" if cast.other_way else "moved")
    if cast.other_way:  # it never was that agency's person, so what it said as its agency counts no more
        cast.ends(own, backed=False)
        cast.ends(elsewhere, revoked=True)
    await tell.say(tell.traffic.said(leaving, B))
    late, said = cast.reports(B, person, OF_DOUBTED)
    cast.ends(late, stands=False, certified=False)
    issued, also = cast.reports(B, person, OF_B)
    cast.ends(issued, backed=False)
    await tell.say(said, also)
    cast.knows(person, A, cast.email(person, B))
    await tell.say(cast.registers(A, person))
    _, said = cast.reports(A, person, OF_DOUBTED, code=code_of(cast, 3), score=71)
    cast.ends(late, stands=True, score=Decimal(71))
    _, also = cast.reports(A, person, OF_A)
    await tell.say(said, also)


async def entered_late(cast: Cast) -> None:
    """A body that is reported before the register has it, and then is another agency's."""
    tell, person = cast.teller, cast.person(A)
    code, spelled = f"BADAN-{cast.number}", f"Badan Nomor {cast.number}"
    cast.knows(person, A)
    await tell.say(cast.registers(A, person))
    first, said = cast.reports(A, person, code)
    second, also = cast.reports(A, person, spelled, of=code)
    cast.ends(first, second, certified=False)
    await tell.say(said, also, decided=False)
    add = AddBody(code=code, name=code, issuing=B, aliases=(spelled,), operator="operator-1")
    await tell.say(cast.register(add))
    issued, said = cast.reports(B, person, code)
    cast.ends(issued, backed=False)
    await tell.say(said)
    cast.ends(first, second, certified=True)
    await tell.say(cast.register(ChangeBody(code=code, issuing=A, **WHY)))
    _, said = cast.reports(A, person, spelled, of=code)
    await tell.say(said)
    if cast.other_way:
        await tell.judged()
        await tell.say(cast.register(ChangeBody(code=code, outside=True, **WHY)))
        outside, said = cast.reports(A, person, code)
        cast.ends(outside, certified=False)
        await tell.say(said)
    await tell.judged()


async def doubted(cast: Cast) -> None:
    """An agency's word of some time is taken back; in the one way it counts again, in the other it does not."""
    tell = cast.teller
    async with tell.doubting:
        person = cast.person(DOUBTED)
        cast.knows(person, DOUBTED)
        await tell.say(cast.registers(DOUBTED, person))
        before, said = cast.reports(DOUBTED, person, OF_DOUBTED)
        await tell.say(said)
        since = await moment()
        within, said = cast.reports(DOUBTED, person, OF_DOUBTED)
        _, corrected = cast.reports(DOUBTED, person, OF_DOUBTED, code=code_of(cast, 1), score=71, revision=2)
        await tell.say(said, corrected)
        until = await moment()
        _, said = cast.reports(DOUBTED, person, OF_DOUBTED)
        await tell.say(said)
        if cast.other_way:
            cast.ends(within, revoked=True)
            await tell.say(cast.register(distrust(since, until)))
        else:
            order = cast.register(distrust(since, None))
            await tell.say(order)
            _, said = cast.reports(DOUBTED, person, OF_DOUBTED)  # counts once the word does again
            await tell.say(said)
            await tell.judged()
            cast.ends(before, score=Decimal(71))
            await tell.say(cast.register(TrustAgency(code=DOUBTED, distrust=order.id, **WHY)))
        await tell.judged()


def distrust(since: datetime, until: datetime | None) -> DistrustAgency:
    return DistrustAgency(code=DOUBTED, since=since, until=until, **WHY)


async def moment() -> datetime:
    """Between what was said and what will be, by the log's time."""
    await asyncio.sleep(MOMENT.total_seconds())
    now = datetime.now(UTC)
    await asyncio.sleep(MOMENT.total_seconds())
    return now


async def merged(cast: Cast) -> None:
    """Two records become one person's; in the one way they are two people's again."""
    tell, first, second = cast.teller, cast.person(A), cast.person(B)
    one, other = cast.knows(first, A), cast.knows(second, B)
    await tell.say(cast.registers(A, first), cast.registers(B, second))
    _, said = cast.reports(A, first, OF_A)
    _, also = cast.reports(B, second, OF_B)
    training = f"S{cast.number}-T"
    _, here = cast.reports(A, first, OF_A, code=training)
    twin, there = cast.reports(A, second, OF_A, code=training)
    cast.ends(twin, backed=False)
    await tell.say(said, also, here, there)
    await tell.heard(one.employee_id, other.employee_id)
    order = MergeEmployees(employee_id=other.employee_id, into=one.employee_id, home=A, **SAID)
    later = [id for id, known in tell.traffic.reported.items() if known.employee_id == other.employee_id]
    cast.ends(*later, employee_id=one.employee_id)
    cast.ends(twin, backed=True, twin=True)
    warned = replace(other, warned=(other.email,))
    tell.traffic.people |= {
        one.employee_id: replace(one, numbers=(*one.numbers, *other.numbers)),
        other.employee_id: replace(warned, email=one.email, numbers=(), merged_into=one.employee_id),
    }
    await tell.say(tell.traffic.ordered(order, order.employee_id))
    issued, said = cast.reports(A, second, OF_A)
    elsewhere, also = cast.reports(B, second, OF_DOUBTED)
    cast.ends(elsewhere, certified=False)
    cast.ends(issued, elsewhere, employee_id=one.employee_id)
    await tell.say(said, also)
    if cast.other_way:
        parted = SeparateEmployees(employee_id=other.employee_id, **SAID)
        cast.ends(*later, issued, elsewhere, employee_id=other.employee_id)
        cast.ends(twin, backed=False, twin=False)
        cast.ends(issued, backed=False)
        tell.traffic.people |= {one.employee_id: one, other.employee_id: warned}
        await tell.say(tell.traffic.ordered(parted, parted.employee_id))


KINDS: Final[tuple[Callable[[Cast], Awaitable[None]], ...]] = (
    transferred,
    entered_late,
    merged,
    released,
    doubted,
)


class Stories:
    """Begun by turns, and told beside each other."""

    def __init__(self, system: System) -> None:
        self._teller = Teller(system)
        self._telling: list[asyncio.Task[None]] = []

    def begin(self, stories: int) -> None:
        for _ in range(stories):
            turn, kind = divmod(self._teller.traffic.stories, len(KINDS))
            self._teller.traffic.stories += 1
            # Each kind in its one way, then in the other.
            cast = Cast(self._teller, turn + kind * 1_000)
            self._telling.append(asyncio.create_task(self._told(KINDS[kind], cast)))

    async def _told(self, story: Callable[[Cast], Awaitable[None]], cast: Cast) -> None:
        await self._teller.begun()
        await story(cast)

    async def ended(self) -> list[str]:
        """When all that were begun are told to their end; why some were not."""
        ends = await asyncio.gather(*self._telling, return_exceptions=True)
        self._telling.clear()
        await self._teller.stop()
        for end in ends:
            if end is not None and not isinstance(end, Stuck):
                raise end
        return [f"a story came to no end: {end}" for end in ends if end is not None]
