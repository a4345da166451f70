"""What an employee number means to routes: the person that its record belongs to by now, and a completion of it."""

from services.enrollment.completions.documents import COMPLETIONS, file_of
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.documents import EMPLOYEE_NUMBERS, EMPLOYEES, Employee
from shared.contracts.payload import CompletionId, EmployeeId
from shared.pipeline.storage.mongo import MongoStore


async def person_of_number(store: MongoStore, number: str) -> Employee | None:
    """None: nobody has it. A number that merely waits to be linked is its own record's."""
    alias = await store.read(EMPLOYEE_NUMBERS, number)
    file = None if alias is None else await store.read(EMPLOYEES, alias.employee_id)
    if file is not None and file.merged_into:
        return await store.read(EMPLOYEES, file.merged_into)
    return file


async def completion_meant(
    store: MongoStore, terms: CompletionTerms, number: str, *, organizer: str, training: str, batch: str
) -> tuple[CompletionId, EmployeeId]:
    """The completion of a training that somebody means who names the person by any of its numbers, and whose it is: the
    one that was reported under this number, else under another one; where none was yet, the one that will be."""
    alias = await store.read(EMPLOYEE_NUMBERS, number)
    file = terms.ids.employee(number) if alias is None else alias.employee_id
    person = await person_of_number(store, number)
    files = [file] if person is None else [file, person.id, *person.files]
    named = (organizer, training, batch)
    ids = {
        id
        for file in files
        for id in (terms.ids.completion(file, *named), terms.ids.completion_before(file, *named))
    }
    found = await store.select(COMPLETIONS, {"_id": {"$in": sorted(filter(None, ids))}})
    reported = [completion for completion in found if completion.effective]
    if not reported:
        return terms.ids.completion(file, organizer, training, batch), file
    meant = min(
        reported,
        key=lambda completion: (file_of(completion) != file, not completion.learning_year, completion.id),
    )
    return meant.id, meant.employee_id
