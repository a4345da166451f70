"""What officers see of completions that a person's agency may doubt, and of those that it does."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from services.enrollment.completions.contents import contest_state
from services.enrollment.completions.documents import COMPLETIONS, CONTESTED, Completion, Contest
from services.enrollment.completions.recalculation import effective_content, revocations_standing
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person
from services.enrollment.persons.queries import people_of
from services.enrollment.persons.rights import knows, sees_all
from services.enrollment.records.notes import Looked, looked_up, note_of
from shared.contracts.enrollment import ContestCompletion, DecideContest
from shared.contracts.payload import NO_CONTROLS, Jp, Reason
from shared.http.access import Principal
from shared.pipeline.outcome import Verdict
from shared.pipeline.processing.dry_run import run_command_dry
from shared.pipeline.storage.mongo import MongoStore
from shared.service import Components

Order = ContestCompletion | DecideContest
COMPLETION_ID: Final = r"^cmp_[0-9a-f]{32}$"
MAX_OF_A_PERSON: Final = 400


class ContestBody(BaseModel):
    completion_id: str = Field(pattern=COMPLETION_ID)
    reason: Reason = Field(description="Why it is not the person's learning.")


class ContestDecisionBody(BaseModel):
    completion_id: str = Field(pattern=COMPLETION_ID)
    contest_id: str = Field(
        min_length=1, max_length=200, pattern=NO_CONTROLS, description="The contest, by its id."
    )
    upheld: bool = Field(description="True: it goes on counting for nothing. False: it counts again.")
    reason: Reason


class ContestView(BaseModel):
    contest_id: str
    at: datetime
    acting_for: str | None
    """The one agency that the officer acted for; None: all."""
    by: str | None
    """Subject of the officer's token; None: of another agency than yours."""
    reason: str
    state: Literal["undecided", "upheld", "dismissed"]
    """Dismissed counts again, for good: who doubts it still contests it anew."""


class DoubtfulView(BaseModel):
    """A completion, as its person's agency looks at it."""

    completion_id: str
    title: str
    organizer: str
    """Its code."""
    reported_by: str
    """Code of the agency that sent what stands."""
    completed_on: date
    jp: Jp
    counts: bool
    why: str | None
    """In Indonesian: why it counts for nothing, or for less than its rate."""
    note: str | None
    """In Indonesian: why it has no certificate of ours, or stands for nothing."""
    contestable: bool
    """False: the person's own agency stands behind it."""
    contests: list[ContestView]
    """Oldest first."""


class ContestedView(DoubtfulView):
    employee_id: str
    home: str | None
    """Code of the agency whose person it is."""


class ContestedPageView(BaseModel):
    completions: list[ContestedView]
    next: str | None
    """Give it as `after` for the next page; None: there are no more."""


class ContestPreviewView(BaseModel):
    verdict: str
    """On the order: accepted, duplicate or refused."""
    reason: str | None
    """Of a refusal; or why it would be noted and change nothing."""
    before: DoubtfulView | None = None
    after: DoubtfulView | None = None
    """As it would stand."""


async def completions_of(store: MongoStore, person: Person, caller: Principal) -> Sequence[DoubtfulView]:
    """The latest 400, those that stand for nothing among them, for the person's own agency and those who see all; an
    agency that merely claims the person is told none."""
    if not knows(caller, person.whole):
        return []
    found = await store.select(
        COMPLETIONS,
        {"employee_id": person.main.id},
        sort=[("stated_at", -1), ("_id", 1)],
        limit=MAX_OF_A_PERSON,
    )
    reported = [completion for completion in found if completion.contents]
    looked = await looked_up(store, reported)
    views = [DoubtfulView(**_shown(completion, looked, caller)) for completion in reported]
    return sorted(views, key=lambda view: (view.completed_on, view.completion_id), reverse=True)


async def contested_page(store: MongoStore, caller: Principal, after: str, limit: int) -> ContestedPageView:
    listed = await store.select(CONTESTED, {"_id": {"$gt": after}}, sort=[("_id", 1)], limit=limit)
    found = await store.select(
        COMPLETIONS, {"_id": {"$in": [contested.id for contested in listed]}}, sort=[("_id", 1)]
    )
    people = await people_of(store, sorted({completion.employee_id for completion in found}))
    looked = await looked_up(store, found)
    return ContestedPageView(
        completions=[_contested(completion, people, looked, caller) for completion in found],
        next=listed[-1].id if len(listed) == limit else None,
    )


async def preview(
    components: Components[CompletionTerms],
    order: Order,
    completion: Completion,
    caller: Principal,
    now: datetime,
) -> ContestPreviewView:
    """Decides the order on what stands now; writes nothing."""
    rehearsal = await run_command_dry(components.service, components.store, order, order.employee_id, now)
    ((_, outcome),) = rehearsal.outcomes
    if outcome.verdict is not Verdict.ACCEPTED:
        return ContestPreviewView(verdict=outcome.verdict.value, reason=outcome.reason or None)
    changed = [document for _, _, document, _ in rehearsal.changes]
    (after,) = (
        document for document in changed if isinstance(document, Completion) and document.id == completion.id
    )
    looked = await looked_up(components.store, [completion, after])
    return ContestPreviewView(
        verdict=Verdict.ACCEPTED.value,
        reason=outcome.reason or None,
        before=DoubtfulView(**_shown(completion, looked, caller)),
        after=DoubtfulView(**_shown(after, looked, caller)),
    )


def _contested(
    completion: Completion, people: Mapping[str, Person], looked: Looked, caller: Principal
) -> ContestedView:
    person = people.get(completion.employee_id)
    return ContestedView(
        **_shown(completion, looked, caller),
        employee_id=completion.employee_id,
        home=None if person is None else homes(person.whole).home,
    )


def _shown(completion: Completion, looked: Looked, caller: Principal) -> dict[str, object]:
    content = effective_content(completion) if completion.effective else completion.contents[0]
    note = note_of(completion, looked)
    return {
        "completion_id": completion.id,
        "title": content.facts.title,
        "organizer": content.facts.organizer_code,
        "reported_by": content.sender,
        "completed_on": content.facts.completed_on,
        "jp": completion.jp,
        "counts": bool(completion.learning_year),
        "why": _why(completion),
        "note": None if note is None else note.people,
        "contestable": not completion.backed,
        "contests": [_contest(contest, completion, caller) for contest in _by_time(completion)],
    }


_DOUBTED: Final = (
    "instansi pegawai menyatakan ini bukan pembelajaran pegawainya; belum dihitung sampai diputuskan"
)
_DECIDED_AGAINST: Final = "diputuskan: ini bukan pembelajaran pegawainya, dan tidak dihitung"


def _why(completion: Completion) -> str | None:
    if completion.learning_year:
        return completion.jp_reason
    if revocations := revocations_standing(completion):
        return revocations[0].reason
    if completion.contested:  # its reason speaks to the person
        return _DECIDED_AGAINST if completion.contest_upheld else _DOUBTED
    return completion.jp_reason


def _by_time(completion: Completion) -> list[Contest]:
    return sorted(completion.contests, key=lambda contest: (contest.at, contest.id))


def _contest(contest: Contest, completion: Completion, caller: Principal) -> ContestView:
    own = contest.opd is not None and caller.acts_for(contest.opd)
    return ContestView(
        contest_id=contest.id,
        at=contest.at,
        acting_for=contest.opd,
        by=contest.officer if own or sees_all(caller) else None,
        reason=contest.reason,
        state=contest_state(contest, completion).value,
    )
