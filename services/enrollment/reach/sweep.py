"""After the register changed: completions that were judged by an older one are judged anew, page by page.

Decisions read the register without a lock, so one that began before a change may commit after it. Therefore completions
note by which generation they were judged, and the worker looks until it finds none of an older one, once more after the
longest transaction that may still have been open.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Register
from services.enrollment.bodies.documents import BODIES
from services.enrollment.certificates.numbering import Sequences
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.recalculation import Changed, recalculate
from services.enrollment.completions.recalculation_needs import refold_needs, refolding_all_needs
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.current import as_it_stands
from services.enrollment.persons.documents import EMPLOYEES
from services.enrollment.persons.persons import person_of
from services.enrollment.reach.documents import SWEEP, SWEEPS, Sweep
from shared.contracts.cloudevents import event_id
from shared.contracts.payload import CompletionId, EmployeeId, Payload
from shared.contracts.people import EndSweep, RefoldCompletions, Refolded, RefoldPeople
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.context import Context
from shared.pipeline.documents import Collection, Doc, Lock, Needs, State
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Remove, Verdict
from shared.pipeline.records import Received
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

log = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 2.0
PAGE: Final = 100
MAX_TRANSACTION_S: Final = 65.0
"""MongoDB ends one after 60 s."""
DECIDED_WITHIN_S: Final = 30.0
LONG_MIN: Final = 30.0
COUNT_EVERY_S: Final = 10.0
MAX_COUNTED: Final = 100_000
NOTHING_LEFT: Final = MappingProxyType({"people": 0, "completions": 0, "going": 0})
_SAID_BY: Final = (
    "claims.agency",
    "snapshots.source",
    "confirmations.agency",
    "placements.source",
    "placements.agency",
)
"""Fields of a person that name an agency."""


class _Changed(NamedTuple):
    """Of what the register says something else than when all was judged last. By generation with which it came to say
    so: what was judged by that one or a later one knows it, however often the register changes during a sweep."""

    bodies: dict[int, list[str]]
    """Ids."""
    agencies: dict[int, list[str]]
    """Codes: distrusted, trusted again, or with an heir."""


class Sweeper(Periodic):
    """Any replica may: of two commands about the same completions the second changes nothing."""

    name = "sweeper"

    def __init__(self, store: MongoStore, commands: Commands, wait_s: float = MAX_TRANSACTION_S) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store, self._commands, self._wait_s = store, commands, wait_s
        self._generation = 0
        self._seen_at = 0.0
        self._next_at = 0.0
        self._left = False
        self._counted: Mapping[str, int] = NOTHING_LEFT
        self._counted_at = float("-inf")

    async def left(self) -> Mapping[str, int]:
        """How many people, with all their completions, and how many other completions are still judged by an older
        register, at most so many as are counted; and whether it goes on: it looks once more when there are none."""
        register = await self._store.read(REGISTERS, REGISTER)
        swept = await self._store.read(SWEEPS, SWEEP)
        done = 0 if swept is None else swept.generation
        if register is None or register.judges_from is None or register.generation <= done:
            return NOTHING_LEFT
        if time.monotonic() - self._counted_at >= COUNT_EVERY_S:  # it reads all documents
            changed = await self._changed(register, done)
            people = await self._count(EMPLOYEES, _people_of(changed))
            completions = await self._count(COMPLETIONS, _completions_of(changed))
            self._counted = {"people": people, "completions": completions, "going": 1}
            self._counted_at = time.monotonic()
        return self._counted

    async def _count(self, collection: Collection[Any], match: list[dict[str, Any]]) -> int:
        if not match:
            return 0
        stages: list[dict[str, Any]] = [{"$match": {"$or": match}}, {"$limit": MAX_COUNTED}, {"$count": "n"}]
        found = await self._store.aggregate(collection, stages)
        return found[0]["n"] if found else 0

    def remarks(self) -> list[str]:
        """It is nothing odd that completions are judged anew, unless it takes long."""
        minutes = (time.monotonic() - self._seen_at) / 60
        if not self._left or minutes < LONG_MIN:
            return []
        return [
            f"the register changed {minutes:.0f} minutes ago, and completions are still judged anew: see the log for why"
        ]

    async def step(self) -> float | None:
        register = await self._store.read(REGISTERS, REGISTER)
        swept = await self._store.read(SWEEPS, SWEEP)
        done = 0 if swept is None else swept.generation
        if register is None or register.judges_from is None or register.generation <= done:
            self._left = False
            return None
        self._left = True
        if register.generation != self._generation:
            self._generation, self._seen_at = register.generation, time.monotonic()
            self._next_at = self._seen_at
        began = time.monotonic()
        if began < self._next_at:
            return None
        changed = await self._changed(register, done)
        await self._people(register.generation, changed)
        await self._completions(register.generation, changed)
        if began - self._seen_at < self._wait_s:
            # A look reads all completions: soon again, since most transactions are short, then ever later.
            waited = max(LOOK_EVERY_S, 2 * (began - self._seen_at))
            self._next_at = self._seen_at + min(waited, self._wait_s)
            return min(LOOK_EVERY_S, self._wait_s)
        await self._give(EndSweep(generation=register.generation), "sweep", SWEEP)
        return None

    async def _changed(self, register: Register, done: int) -> _Changed:
        bodies: dict[int, list[str]] = {}
        for body in await self._store.select(BODIES, {"generation": {"$gt": done}}):
            bodies.setdefault(body.generation, []).append(body.id)
        said = [(distrust.agency, distrust.generation) for distrust in register.distrusts]
        said += [
            (code, succession.generation)
            for succession in register.successions
            for code in (succession.agency, succession.heir)
        ]
        latest: dict[str, int] = {}
        for code, generation in said:
            latest[code] = max(generation, latest.get(code, 0))
        agencies: dict[int, list[str]] = {}
        for code, generation in sorted(latest.items()):
            if generation > done:
                agencies.setdefault(generation, []).append(code)
        return _Changed(bodies, agencies)

    async def _people(self, generation: int, changed: _Changed) -> None:
        """With all their completions."""
        match, after = _people_of(changed), ""
        while match and (page := await self._page(EMPLOYEES, {"$or": match}, after)):
            after = page[-1]["_id"]
            found = tuple(EmployeeId(document["_id"]) for document in page)
            await self._give(RefoldPeople(generation=generation, found=found), f"people/{found[0]}", after)
            if self._stopping.is_set():
                return

    async def _completions(self, generation: int, changed: _Changed) -> None:
        match, after = _completions_of(changed), ""
        while match and (page := await self._page(COMPLETIONS, {"$or": match}, after)):
            after = page[-1]["_id"]
            found = tuple(
                Refolded(
                    completion_id=CompletionId(document["_id"]),
                    employee_id=EmployeeId(document["employee_id"]),
                )
                for document in page
            )
            await self._give(
                RefoldCompletions(generation=generation, found=found),
                f"refold/{found[0].completion_id}",
                after,
            )
            if self._stopping.is_set():
                return

    async def _give(self, command: RefoldPeople | RefoldCompletions | EndSweep, about: str, key: str) -> None:
        """And waits for its decision; then what agencies send has its turn."""
        started = time.monotonic()
        id = event_id(0, about, command.generation, command.TYPE)
        place = await self._commands.submit(command, id=id, key=key, traceparent=root_traceparent(id))
        await self._commands.decision(place, DECIDED_WITHIN_S)
        await asyncio.sleep(max(0.05, 2 * (time.monotonic() - started)))

    async def _page(
        self, collection: Collection[Any], match: Mapping[str, Any], after: str
    ) -> list[dict[str, Any]]:
        return await self._store.aggregate(collection, [
            {"$match": {"_id": {"$gt": after}, **match}},
            {"$sort": {"_id": 1}},
            {"$limit": PAGE},
            {"$project": {"employee_id": 1}},
        ])  # fmt: skip


def _people_of(changed: _Changed) -> list[dict[str, Any]]:
    return [
        {"judged": {"$not": {"$gte": since}}, field: {"$in": codes}}
        for since, codes in changed.agencies.items()
        for field in _SAID_BY
    ]


def _completions_of(changed: _Changed) -> list[dict[str, Any]]:
    return [
        {"judged": {"$lt": since}, field: {"$in": codes}}
        for field, by_generation in (("body", changed.bodies), ("contents.sender", changed.agencies))
        for since, codes in by_generation.items()
    ]


# Decisions.


def sweeping_needs(event: Received[RefoldCompletions], state: State, terms: CompletionTerms) -> Needs:
    yield from refold_needs([(due.completion_id, due.employee_id) for due in event.data.found], state, terms)


def refold_completions(event: Received[RefoldCompletions], state: State, terms: CompletionTerms) -> Outcome:
    changes: list[Put | Remove] = []
    facts: list[OutgoingEvent] = []
    by_employee: dict[str, list[Changed]] = {}
    for due in event.data.found:
        known = state.get(COMPLETIONS, due.completion_id)
        if (
            known is None or known.employee_id != due.employee_id
        ):  # it is another one's by now, and is found with that
            continue
        if known.judged < event.data.generation:
            by_employee.setdefault(known.employee_id, []).append(
                Changed(known, known, event.now, event.traceparent)
            )
    sequences: Sequences = {}
    context = Context.of(event, state, terms)
    for employee_id, changed in sorted(by_employee.items()):
        person = person_of(employee_id, state)
        if person is None:
            continue
        recalculated = recalculate(changed, person, context, sequences)
        changes += recalculated.changes
        facts += [fact for fact, _ in recalculated.facts]
    return Outcome(Verdict.ACCEPTED if changes else Verdict.NOTHING, changes=changes, facts=facts)


def people_needs(event: Received[RefoldPeople], state: State, terms: CompletionTerms) -> Needs:
    yield from refolding_all_needs(event.data.found, state, terms)


def refold_people(event: Received[RefoldPeople], state: State, terms: CompletionTerms) -> Outcome:
    generation = event.data.generation
    changes: list[Put | Remove] = []
    facts: list[OutgoingEvent] = []
    sequences: Sequences = {}
    context = Context.of(event, state, terms)
    people = {
        person.main.id: person
        for person in (person_of(file, state) for file in event.data.found)
        if person is not None
    }
    for person in people.values():
        if min(file.judged for file in person.files) >= generation:
            continue
        judged = person
        for file in person.files:
            judged = judged.with_file(msgspec.structs.replace(file, judged=generation))
        after, said = as_it_stands(person, judged, context)
        completions = state.all(COMPLETIONS, "employee_id", after.main.id)
        changed = [
            Changed(completion, completion, event.now, event.traceparent) for completion in completions
        ]
        recalculated = recalculate(changed, after, context, sequences)
        changes += [*(Put(EMPLOYEES, file) for file in after.files), *recalculated.changes]
        facts += [*said, *(fact for fact, _ in recalculated.facts)]
    return Outcome(Verdict.ACCEPTED if changes else Verdict.NOTHING, changes=changes, facts=facts)


def ending_needs(event: Received[EndSweep], state: State, terms: CompletionTerms) -> Needs:
    yield Lock("sweep")
    yield Doc(SWEEPS, SWEEP)


def end_sweep(event: Received[EndSweep], state: State, terms: CompletionTerms) -> Outcome:
    known = state.get(SWEEPS, SWEEP)
    if known is not None and known.generation >= event.data.generation:
        return Outcome(Verdict.NOTHING, "ended before", SWEEP)
    return Outcome(Verdict.ACCEPTED, "", SWEEP, changes=[Put(SWEEPS, Sweep(SWEEP, event.data.generation))])


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    RefoldCompletions: handler(sweeping_needs, refold_completions),
    RefoldPeople: handler(people_needs, refold_people),
    EndSweep: handler(ending_needs, end_sweep),
}
