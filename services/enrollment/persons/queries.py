"""People as they stand, with all their files; and worklists, page by page, by the index on `Employee.open`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from services.enrollment.agencies.documents import REGISTER, REGISTERS, Register
from services.enrollment.persons.current import waiting_links
from services.enrollment.persons.documents import EMPLOYEE_NUMBERS, EMPLOYEES, HEADCOUNTS, Employee
from services.enrollment.persons.persons import Person, person_of
from shared.contracts.payload import EmployeeId
from shared.pipeline.documents import Collection, Doc, State
from shared.pipeline.storage.mongo import MongoStore


class Page(NamedTuple):
    people: list[Person]
    next: str | None
    """Id to go on after; None: there are no more."""


async def worklist(store: MongoStore, kind: str, after: str, limit: int) -> Page:
    """People of whom something is to be decided, in order of id. `kind`: one of those of `Employee.open`."""
    asked = {"open": kind, "_id": {"$gt": after}}
    mains = await store.select(EMPLOYEES, asked, sort=[("_id", 1)], limit=limit)
    others = await _files(store, [other for main in mains for other in main.files])
    register = await store.read(REGISTERS, REGISTER)
    people = people_in(
        {employee.id: employee for employee in (*mains, *others)}, [main.id for main in mains], register
    )
    return Page(list(people.values()), mains[-1].id if len(mains) == limit else None)


async def people_of(store: MongoStore, ids: Sequence[str]) -> dict[str, Person]:
    """By the ids given, which may be those of merged files too; without those that nobody has."""
    known: dict[str, Employee] = {}
    wanted = set(ids)
    while wanted:  # the files, then those that they are merged into, then all files of those
        files = await _files(store, sorted(wanted))
        known |= {file.id: file for file in files}
        named = {str(id) for file in files for id in (file.merged_into, *file.files) if id}
        wanted = named - known.keys()
    return people_in(known, ids, await store.read(REGISTERS, REGISTER))


async def people_by_number(store: MongoStore, numbers: Iterable[str]) -> dict[str, Person]:
    """By those of the numbers that somebody has registered."""
    asked = sorted(set(numbers))
    aliases = await store.select(EMPLOYEE_NUMBERS, {"_id": {"$in": asked}}) if asked else []
    people = await people_of(store, [alias.employee_id for alias in aliases])
    return {alias.id: people[alias.employee_id] for alias in aliases if alias.employee_id in people}


async def linked_people(store: MongoStore, people: Iterable[Person]) -> dict[str, Person]:
    """By number: whose the numbers are that waiting links name as earlier ones."""
    return await people_by_number(
        store, [link.previous for person in people for link in waiting_links(person, person.whole)]
    )


async def people_claimed(store: MongoStore) -> dict[str, int]:
    """By code of an agency: how many people it claims, as its headcount counts them."""
    return {headcount.id: headcount.people for headcount in await store.select(HEADCOUNTS, {})}


def people_in(
    files: Mapping[str, Employee], ids: Iterable[str], register: Register | None = None
) -> dict[str, Person]:
    """By id, of files that were read together."""
    state = State()
    named = {other for file in files.values() for other in (file.merged_into, *file.files)} | set(ids)
    found: list[tuple[Collection[Any], Any]] = [(EMPLOYEES, file) for file in files.values()]
    if register is not None:
        found.append((REGISTERS, register))
    state.loaded([Doc(REGISTERS, REGISTER), *(Doc(EMPLOYEES, id) for id in named)], found)
    people = {id: person_of(EmployeeId(id), state) for id in ids}
    return {id: person for id, person in people.items() if person is not None}


async def _files(store: MongoStore, ids: Sequence[str]) -> list[Employee]:
    return await store.select(EMPLOYEES, {"_id": {"$in": list(ids)}}) if ids else []
