"""After the register changed: completions that were judged by an older one are judged anew, page by page.

Decisions read the register without a lock, so one that began before a change may commit after it. Therefore completions
note by which generation they were judged, and the worker looks until it finds none of an older one, once more after the
longest transaction that may still have been open.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Register
from services.enrollment.bodies.documents import BODIES
from services.enrollment.documents import COMPLETIONS, SWEEP, SWEEPS, Sweep
from services.enrollment.persons import person_of
from services.enrollment.settling import Changed, Sequences, refold_keys, settle
from services.enrollment.terms import Terms
from shared.contracts.cloudevents import event_id
from shared.contracts.payload import CompletionId, EmployeeId, Payload
from shared.contracts.people import EndSweep, RefoldCompletions, Refolded
from shared.http.commands import Commands
from shared.mongo import MongoStore
from shared.periodic import Periodic
from shared.pipeline.documents import Doc, Keys, Lock, State
from shared.pipeline.outcome import Fact, Outcome, Put, Verdict
from shared.pipeline.reactions import Reaction, react
from shared.pipeline.records import Received
from shared.telemetry import root_traceparent

log = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 2.0
PAGE: Final = 100
LONGEST_TRANSACTION_S: Final = 65.0
"""MongoDB ends one after 60 s."""
DECIDED_WITHIN_S: Final = 30.0
LONG_MIN: Final = 30.0


class Sweeper(Periodic):
    """Any replica may: of two commands about the same completions the second changes nothing."""

    def __init__(self, store: MongoStore, commands: Commands, wait_s: float = LONGEST_TRANSACTION_S) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store, self._commands, self._wait_s = store, commands, wait_s
        self._generation = 0
        self._seen_at = 0.0
        self._left = False

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
        began = time.monotonic()
        bodies = [one.id for one in await self._store.select(BODIES, {"generation": {"$gt": done}})]
        await self._pass(register, bodies)
        if began - self._seen_at < self._wait_s:
            return min(self._wait_s, LOOK_EVERY_S)
        command = EndSweep(generation=register.generation)
        id = event_id(0, "sweep", register.generation, command.TYPE)
        await self._commands.submit(command, id=id, key=SWEEP, traceparent=root_traceparent(id))
        return None

    async def _pass(self, register: Register, bodies: Sequence[str]) -> None:
        after = ""
        while page := await self._page(register.generation, bodies, after):
            started = time.monotonic()
            after = page[-1].completion_id
            command = RefoldCompletions(generation=register.generation, found=tuple(page))
            id = event_id(0, f"refold/{page[0].completion_id}/{len(page)}", register.generation, command.TYPE)
            place = await self._commands.submit(command, id=id, key=after, traceparent=root_traceparent(id))
            await self._commands.decision(place, DECIDED_WITHIN_S)
            # What agencies send has its turn meanwhile.
            await asyncio.sleep(max(0.05, 2 * (time.monotonic() - started)))
            if self._stopping.is_set():
                return

    async def _page(self, generation: int, bodies: Sequence[str], after: str) -> list[Refolded]:
        found: list[dict[str, Any]] = await self._store.aggregate(COMPLETIONS, [
            {"$match": {"_id": {"$gt": after}, "judged": {"$lt": generation}, "body": {"$in": list(bodies)}}},
            {"$sort": {"_id": 1}},
            {"$limit": PAGE},
            {"$project": {"employee_id": 1}},
        ])  # fmt: skip
        return [
            Refolded(completion_id=CompletionId(one["_id"]), employee_id=EmployeeId(one["employee_id"]))
            for one in found
        ]


# Decisions.


def sweeping_keys(event: Received[RefoldCompletions], state: State, terms: Terms) -> Keys:
    yield from refold_keys([(one.completion_id, one.employee_id) for one in event.data.found], state, terms)


def refold_completions(event: Received[RefoldCompletions], state: State, terms: Terms) -> Outcome:
    changes: list[Put] = []
    facts: list[Fact] = []
    by_employee: dict[str, list[Changed]] = {}
    for one in event.data.found:
        known = state.get(COMPLETIONS, one.completion_id)
        if known is not None and known.judged < event.data.generation:
            by_employee.setdefault(known.employee_id, []).append(
                Changed(known, known, event.now, event.traceparent)
            )
    sequences: Sequences = {}
    for employee_id, changed in sorted(by_employee.items()):
        person = person_of(employee_id, state)
        if person is None:
            continue
        settled = settle(changed, person, state, terms, sequences)
        changes += settled.changes
        facts += [fact for fact, _ in settled.facts]
    return Outcome(Verdict.ACCEPTED if changes else Verdict.NOTHING, changes=changes, facts=facts)


def ending_keys(event: Received[EndSweep], state: State, terms: Terms) -> Keys:
    yield Lock("sweep")
    yield Doc(SWEEPS, SWEEP)


def end_sweep(event: Received[EndSweep], state: State, terms: Terms) -> Outcome:
    known = state.get(SWEEPS, SWEEP)
    if known is not None and known.generation >= event.data.generation:
        return Outcome(Verdict.NOTHING, "ended before", SWEEP)
    return Outcome(Verdict.ACCEPTED, "", SWEEP, changes=[Put(SWEEPS, Sweep(SWEEP, event.data.generation))])


REACTIONS: dict[type[Payload], Reaction[Terms]] = {
    RefoldCompletions: react(sweeping_keys, refold_completions),
    EndSweep: react(ending_keys, end_sweep),
}
