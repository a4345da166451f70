"""What one person, one completion and one sender may have, and what is told beyond it."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from services.enrollment.completions.contents import MAX_CONTENTS
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.handlers import MAX_COMPLETIONS, MAX_REVOCATIONS
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.employees.registration import MAX_NUMBERS
from services.enrollment.persons.documents import EMPLOYEES
from shared.contracts.agency import TrainingCompleted
from shared.pipeline.errors import Rejected
from shared.pipeline.outcome import Verdict
from tests.bench.workload import employee_number
from tests.factories import NIP, changed, completed, registered, reinstate, revoke
from tests.property.harness import ENROLLMENT
from tests.unit.given import Given

BUDI = registered(NIP)
BEYOND = (
    f"this sender has reported more than {MAX_CONTENTS} contents, and those of the highest revisions are kept: "
    "to have this one stand, send it with a higher revision"
)


def scored(score: int, revision: int | None = None) -> TrainingCompleted:
    return completed(NIP, score=Decimal(score), revision=revision)


def with_contents(count: int) -> Given[object]:
    return Given(ENROLLMENT, BUDI, *(scored(n) for n in range(count)))  # type: ignore[arg-type]


def standing_score(city: Given[object]) -> Decimal | None:
    return effective_training(city.one(COMPLETIONS)).score


def test_one_content_more_than_are_kept_is_superseded_and_says_what_to_do() -> None:
    city = with_contents(MAX_CONTENTS)
    for _ in range(2):  # a copy is told the same
        outcome = city.when(scored(99))
        assert (outcome.verdict, outcome.reason, outcome.changes) == (Verdict.SUPERSEDED, BEYOND, ())
    assert standing_score(city) == MAX_CONTENTS - 1


def test_a_higher_revision_stands_however_many_contents_there_are() -> None:
    city = with_contents(MAX_CONTENTS)
    assert city.when(scored(99, revision=1)).verdict is Verdict.CORRECTION
    assert standing_score(city) == 99
    assert len(city.one(COMPLETIONS).contents) == MAX_CONTENTS


def test_contents_of_one_sender_leave_those_of_another_alone() -> None:
    city = Given(ENROLLMENT, BUDI, scored(0))
    for n in range(MAX_CONTENTS + 5):
        city.when(scored(n + 1), sender="another")
    assert city.when(scored(99)).verdict is Verdict.CORRECTION
    assert standing_score(city) == 99  # type: ignore[arg-type]


def of_the_year(n: int) -> TrainingCompleted:
    return completed(NIP, code=f"T{n}", start_date=(date(2026, 1, 1) + timedelta(days=n % 50)).isoformat())


@pytest.mark.slow
def test_a_year_takes_no_more_completions_of_a_person_until_one_is_revoked() -> None:
    city = Given(ENROLLMENT, BUDI, *(of_the_year(n) for n in range(MAX_COMPLETIONS)))
    with pytest.raises(Rejected, match="400 completions of this employee in 2026 are recorded already"):
        city.when(of_the_year(MAX_COMPLETIONS))
    city.when(completed(NIP, code="T0", start_date="2025-03-04"))  # another year has room
    assert city.when(of_the_year(1)).verdict is Verdict.DUPLICATE
    wrong = city.all(COMPLETIONS)[0]
    city.when(revoke(completion_id=wrong.id, employee_id=wrong.employee_id, opd=None))
    assert city.when(of_the_year(MAX_COMPLETIONS)).verdict is Verdict.ACCEPTED


def test_a_person_has_no_more_numbers_than_are_allowed() -> None:
    numbers = [employee_number(n) for n in range(MAX_NUMBERS + 1)]
    city = Given(ENROLLMENT, registered(numbers[0]))
    for before, after in pairwise(numbers[:MAX_NUMBERS]):
        city.when(changed(after, previous_employee_number=before))
    with pytest.raises(Rejected, match="this employee has 20 numbers, 20 are allowed") as refused:
        city.when(changed(numbers[-1], previous_employee_number=numbers[-2]))
    assert not any(number in str(refused.value) for number in numbers)
    assert (
        city.when(changed(numbers[-2], previous_employee_number=None, name="Budi")).verdict
        is Verdict.ACCEPTED
    )
    assert len(city.one(EMPLOYEES).numbers) == MAX_NUMBERS


@pytest.mark.parametrize("what", ["revocations", "reinstatements"])
def test_officers_are_told_when_a_completion_takes_no_more_of_their_decisions(what: str) -> None:
    city = Given(ENROLLMENT, BUDI, of_the_year(0))
    known = city.one(COMPLETIONS)
    about = {"completion_id": known.id, "employee_id": known.employee_id, "opd": None}
    command = revoke(**about) if what == "revocations" else reinstate(**about, revocation_id="r")
    for n in range(MAX_REVOCATIONS):
        assert city.when(command, id=f"command-{n}").verdict is Verdict.ACCEPTED
    refused = city.when(command, id="one-more")
    assert (refused.verdict, refused.answer) == (Verdict.REFUSED, {"problem": "refused"})
    assert f"{MAX_REVOCATIONS} {what}" in refused.reason
    assert city.when(command, id="command-0").verdict is Verdict.DUPLICATE
