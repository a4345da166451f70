"""What becomes of people and completions once the register says something else: judged as the sweep will, not written.

So that a preview tells what is told afterwards: who reported a completion besides, and whose person somebody was before,
decide more than how much the order names.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Register
from services.enrollment.agencies.trust import trust_of
from services.enrollment.bodies.documents import BODIES, Body, body_id
from services.enrollment.bodies.queries import Effects
from services.enrollment.completions.authority import effective, organizer_of, register_for
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import effective_content, effective_now
from services.enrollment.persons.documents import EMPLOYEES
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person
from services.enrollment.persons.queries import people_of
from shared.pipeline.documents import Collection, Doc, State
from shared.pipeline.processing.dry_run import DryRun
from shared.pipeline.storage.mongo import MongoStore

MAX_JUDGED: Final = 10_000
"""Of a kind: a few seconds."""
PAGE: Final = 200
Raw = dict[str, Any]


class Said(NamedTuple):
    """What the register would say."""

    register: Register | None
    bodies: Mapping[str, Body]
    """By id, those of which it would say something else."""


class Certificates(NamedTuple):
    lost: int = 0
    hours_kept: int = 0
    """Of those that lose it, how many go on giving hours."""
    issued: int = 0
    """How many get one, or theirs again."""
    more: bool = False
    """There are more completions than were judged."""


class People(NamedTuple):
    named: int = 0
    at_home: int = 0
    """Of those named, whose home the agency is."""
    moved: int = 0
    """Of those named, who get another home, or none."""
    more: bool = False


def said_after(rehearsal: DryRun) -> Said:
    changed = [(collection, document) for collection, _, document, _ in rehearsal.changes]
    return Said(
        next((one for where, one in changed if where is REGISTERS and isinstance(one, Register)), None),
        {one.id: one for where, one in changed if where is BODIES and isinstance(one, Body)},
    )


async def people_after(store: MongoStore, match: Raw, agency: str, said: Said) -> People:
    """Of those whose files match, each person once, however many files it has."""
    ids = await _ids(store, EMPLOYEES, [{"$match": match}])
    trust, seen = trust_of(said.register), set[str]()
    at_home = moved = 0
    for page in _pages(ids):
        for person in (await people_of(store, page)).values():
            if person.main.id in seen:
                continue
            seen.add(person.main.id)
            home = homes(person.whole).home
            at_home += home == person.trust.heir(agency)
            moved += home != homes(person._replace(trust=trust).whole).home
    return People(len(seen), at_home, moved, more=len(ids) == MAX_JUDGED)


async def certificates_after(store: MongoStore, stages: Sequence[Raw], said: Said) -> Certificates:
    """Of the completions that an aggregation begins with."""
    ids = await _ids(store, COMPLETIONS, stages)
    found = Certificates(more=len(ids) == MAX_JUDGED)
    bodies: dict[str, Body | None] = dict(said.bodies)
    for page in _pages(ids):
        completions = await store.select(COMPLETIONS, {"_id": {"$in": list(page)}})
        people = await people_of(store, [completion.employee_id for completion in completions])
        lacking = sorted(
            {body_id(organizer_of(completion)) for completion in completions if completion.contents}
            - bodies.keys()
        )
        bodies |= dict.fromkeys(lacking)
        bodies |= {body.id: body for body in await store.select(BODIES, {"_id": {"$in": lacking}})}
        for completion in completions:
            if (person := people.get(completion.employee_id)) is not None:
                found = _with(found, completion, person, said.register, bodies)
    return found


async def effects_on_body(store: MongoStore, rehearsal: DryRun, body: str) -> Effects:
    """`body`: its id. Of those that wait by what was rehearsed, of those recorded before as the sweep judges them."""
    made = [
        document
        for collection, _, document, stored in rehearsal.changes
        if collection is COMPLETIONS
        and isinstance(document, Completion)
        and document.effective
        and not stored
    ]
    reporters = Counter(
        effective_content(document).sender
        for document in made
        if document.certificate is None or document.certificate.revoked
    )
    known = await certificates_after(store, [{"$match": {"body": body}}], said_after(rehearsal))
    certified = len(made) - sum(reporters.values())
    return Effects(len(made), certified, reporters, known.issued, known.lost)


def _with(
    found: Certificates,
    completion: Completion,
    person: Person,
    register: Register | None,
    bodies: Mapping[str, Body | None],
) -> Certificates:
    code = organizer_of(completion)
    state = State()
    known = [(REGISTERS, register)] if register is not None else []
    body = bodies.get(body_id(code)) if code else None
    named = [(BODIES, body)] if body is not None else []
    state.loaded([Doc(REGISTERS, REGISTER), Doc(BODIES, body_id(code))], [*known, *named])
    judge, person = register_for(code, state), person._replace(trust=trust_of(register))
    now = effective_now(completion, effective(completion, person, judge), person, judge)
    had = completion.certificate is not None and not completion.certificate.revoked
    has = (
        now.content is not None
        and not now.withdrawn
        and (completion.certificate is not None or now.certified)
    )
    if had is has:
        return found
    if has:
        return found._replace(issued=found.issued + 1)
    kept = bool(completion.learning_year and now.year)
    return found._replace(lost=found.lost + 1, hours_kept=found.hours_kept + kept)


async def _ids(store: MongoStore, collection: Collection[Any], stages: Sequence[Raw]) -> list[str]:
    found = await store.aggregate(collection, [*stages, {"$limit": MAX_JUDGED}, {"$project": {"_id": 1}}])
    return [document["_id"] for document in found]


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[place : place + PAGE] for place in range(0, len(ids), PAGE))
