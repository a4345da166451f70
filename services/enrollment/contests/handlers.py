"""A person's agency doubts what another body reported; until somebody decides, it counts for nothing.

The certificate stands meanwhile, since its body answers for it. Members of sets, as revocations are: a decision may come
before the contest that it is about, and a contest before its completion.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from services.enrollment.agencies.documents import Arrival
from services.enrollment.agencies.statements import arrival_of
from services.enrollment.completions.authority import of_the_home
from services.enrollment.completions.contents import ContestState, begun, contest_state
from services.enrollment.completions.documents import (
    COMPLETIONS,
    CONTESTED,
    Completion,
    Contest,
    ContestDecision,
)
from services.enrollment.completions.recalculation import Changed, recalculate
from services.enrollment.completions.recalculation_needs import recalculation_needs
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.persons import person_of
from shared.contracts.enrollment import ContestCompletion, DecideContest
from shared.contracts.payload import Payload
from shared.pipeline.context import Context
from shared.pipeline.documents import Doc, Needs, State
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Remove, Verdict
from shared.pipeline.records import Received

_JSON = msgspec.json.Encoder(order="deterministic")
MAX_CONTESTS: Final = 20
"""Of one completion, by officers who act for one agency."""
MAX_DECISIONS: Final = 200
NO_SUCH: Final = "the person has no completion of this id"
BACKED: Final = (
    "noted; the completion goes on counting, as the person's own agency reported it too: have that agency send a "
    "correction, or the body revoke its certificate"
)
Command = Received[ContestCompletion] | Received[DecideContest]


class _Recalculated(NamedTuple):
    """A completion with what follows from what was said of it."""

    completion: Completion
    changes: list[Put | Remove]
    facts: list[OutgoingEvent]


def contest_needs(event: Command, state: State, terms: CompletionTerms) -> Needs:
    yield Doc(CONTESTED, event.data.completion_id)
    yield from recalculation_needs(event.data.completion_id, event.data.employee_id, state, terms)


def contest_completion(event: Received[ContestCompletion], state: State, terms: CompletionTerms) -> Outcome:
    """By an officer of the person's agency, or one who acts for all. Kept whoever says it: whether it counts is a fold
    over what stands (`effective_contests`), so that nothing hangs on which of the two is decided first."""
    data = event.data
    known = _known(event, state)
    if known is None:
        return _refused("not-found", NO_SUCH, event, terms)
    for earlier in known.contests:
        if earlier.id == event.id:
            same = (earlier.reason, earlier.officer, earlier.opd) == (data.reason, data.officer, data.opd)
            return _repeated(same, known, event, terms)
    arrival = arrival_of(event)
    contest = Contest(event.id, data.reason, data.officer, data.opd, event.now, arrival)
    contests = _kept(known.contests, contest)
    if contest not in contests:
        reason = f"{data.opd or 'they'} contested it {MAX_CONTESTS} times, no more are taken"
        return _refused("refused", reason, event, terms)
    after = msgspec.structs.replace(known, contests=contests)
    recalculated = _recalculated(known, after, Context.of(event, state, terms))
    problem, reason = _unheard(contest, recalculated.completion, state)
    if problem:
        return _refused(problem, reason, event, terms, recalculated)
    return _accepted(reason, recalculated, event, terms)


def decide_contest(event: Received[DecideContest], state: State, terms: CompletionTerms) -> Outcome:
    """By an officer who acts for all."""
    data = event.data
    known = _known(event, state)
    if known is None:
        return _refused("not-found", NO_SUCH, event, terms)
    for earlier in known.contest_decisions:
        if earlier.id == event.id:
            same = (earlier.upheld, earlier.reason, earlier.officer) == (
                data.upheld,
                data.reason,
                data.officer,
            )
            return _repeated(same, known, event, terms)
    if data.opd is not None:
        return _refused(
            "not-your-agency", "only an officer who acts for all agencies decides this", event, terms
        )
    if len(known.contest_decisions) >= MAX_DECISIONS:
        return _refused("refused", f"{MAX_DECISIONS} decisions are kept, no more are taken", event, terms)
    decision = ContestDecision(event.id, data.contest_id, data.upheld, data.reason, data.officer, event.now)
    decisions = sorted([*known.contest_decisions, decision], key=lambda one: one.id)
    after = msgspec.structs.replace(known, contest_decisions=decisions)
    return _accepted("", _recalculated(known, after, Context.of(event, state, terms)), event, terms)


def _known(event: Command, state: State) -> Completion | None:
    """None: it is another person's. One that has not come yet is begun, as a replay may take the command first."""
    id, file = event.data.completion_id, event.data.employee_id
    person = person_of(file, state)
    owner = file if person is None else person.main.id
    known = state.get(COMPLETIONS, id)
    if known is None:
        return begun(id, file, owner)
    return known if known.employee_id == owner else None


def _kept(contests: Sequence[Contest], new: Contest) -> list[Contest]:
    """Of each agency the first by arrival, whatever order they are decided in: none shuts out another one's."""
    own = sorted([*(contest for contest in contests if contest.opd == new.opd), new], key=_arrived)[
        :MAX_CONTESTS
    ]
    return sorted(
        [*(contest for contest in contests if contest.opd != new.opd), *own], key=lambda one: one.id
    )


def _arrived(contest: Contest) -> tuple[bool, Arrival | None, datetime, str]:
    return (contest.arrival is not None, contest.arrival, contest.at, contest.id)


def _recalculated(known: Completion, after: Completion, context: Context[CompletionTerms]) -> _Recalculated:
    person = person_of(after.employee_id, context.state)
    if person is None or not after.contents:
        return _Recalculated(after, [Put(COMPLETIONS, after)], [])
    completions, changes, facts = recalculate(
        [Changed(known, after, context.now, context.traceparent)], person, context
    )
    return _Recalculated(completions[known.id], changes, [fact for fact, _ in facts])


def _unheard(contest: Contest, completion: Completion, state: State) -> tuple[str, str]:
    """The problem, if its officer had no say; and what he is to know where it changes nothing by itself."""
    person = person_of(completion.employee_id, state)
    if person is None or not completion.effective:
        return "", "noted: nothing stands that it could be about"
    if contest_state(contest, completion) is not ContestState.UNDECIDED:
        return "", ""
    if not of_the_home(contest, person):
        return "not-your-agency", "the person is another agency's: ask an officer of it"
    if completion.backed:
        return "", BACKED
    return "", ""


def _accepted(reason: str, recalculated: _Recalculated, event: Command, terms: CompletionTerms) -> Outcome:
    completion, changes, facts = recalculated
    return Outcome(
        Verdict.ACCEPTED,
        reason,
        completion.id,
        _content(event, terms),
        changes,
        facts,
        answer=_answer(completion),
    )


def _repeated(same: bool, known: Completion, event: Command, terms: CompletionTerms) -> Outcome:
    if not same:
        reason = "this Idempotency-Key was used for another request: take a new key"
        return _refused("idempotency-key-reused", reason, event, terms)
    return Outcome(Verdict.DUPLICATE, "done before", known.id, _content(event, terms), answer=_answer(known))


def _refused(
    problem: str,
    reason: str,
    event: Command,
    terms: CompletionTerms,
    recalculated: _Recalculated | None = None,
) -> Outcome:
    """`recalculated`: what follows all the same."""
    content = _content(event, terms)
    return Outcome(
        Verdict.REFUSED,
        reason,
        event.data.completion_id,
        content,
        () if recalculated is None else recalculated.changes,
        () if recalculated is None else recalculated.facts,
        answer={"problem": problem},
    )


def _answer(completion: Completion) -> dict[str, str | int | bool | None]:
    return {"completion_id": completion.id, "counts": bool(completion.learning_year)}


def _content(event: Command, terms: CompletionTerms) -> bytes:
    return terms.ids.content(_JSON.encode(event.data.model_dump(mode="json")))


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    ContestCompletion: handler(contest_needs, contest_completion),
    DecideContest: handler(contest_needs, decide_contest),
}
