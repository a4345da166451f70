"""A person's agency doubts what another body reported; until somebody decides, it counts for nothing.

The certificate stands meanwhile, since its body answers for it. Members of sets, as revocations are: a decision may come
before the contest that it is about.
"""

from typing import Final

import msgspec

from services.enrollment.documents import (
    COMPLETIONS,
    CONTESTED,
    Completion,
    Contest,
    ContestDecision,
    Contested,
)
from services.enrollment.homes import homes
from services.enrollment.persons import Person, person_of
from services.enrollment.settling import Changed, settle
from services.enrollment.settling_keys import settling_keys
from services.enrollment.terms import Terms
from shared.contracts.enrollment import ContestCompletion, DecideContest
from shared.contracts.payload import Payload
from shared.identifiers import key
from shared.pipeline.documents import Doc, Keys, State
from shared.pipeline.outcome import Outcome, Put, Remove, Verdict
from shared.pipeline.reactions import Reaction, react
from shared.pipeline.records import Received

_JSON = msgspec.json.Encoder(order="deterministic")
MOST_CONTESTS: Final = 20
"""And as many decisions, of one completion."""
Command = Received[ContestCompletion] | Received[DecideContest]


def undecided_contests(completion: Completion) -> list[Contest]:
    decided = {one.contest_id for one in completion.contest_decisions}
    return [one for one in completion.contests if one.id not in decided]


def contest_keys(event: Command, state: State, terms: Terms) -> Keys:
    yield Doc(CONTESTED, event.data.completion_id)
    yield from settling_keys(event.data.completion_id, event.data.employee_id, state, terms)


def contest_completion(event: Received[ContestCompletion], state: State, terms: Terms) -> Outcome:
    """By an officer of the person's agency, or one who acts for all."""
    data = event.data
    known, person = state.get(COMPLETIONS, data.completion_id), person_of(data.employee_id, state)
    if known is None or person is None or not known.standing or known.employee_id != person.main.id:
        return _refused("not-found", "the person has no completion of this id", event, terms)
    if any(one.id == event.id for one in known.contests):
        return _answered(Verdict.DUPLICATE, "done before", known, event, terms)
    if data.opd is not None and key(data.opd) != homes(person.whole).home:
        return _refused(
            "not-your-agency", "the person is another agency's: ask an officer of it", event, terms
        )
    if known.backed:
        reason = "the person's own agency reported it: have it send a correction, or the body revoke its certificate"
        return _refused("refused", reason, event, terms)
    if len(known.contests) >= MOST_CONTESTS:
        return _refused("refused", f"it was contested {MOST_CONTESTS} times, no more are taken", event, terms)
    contest = Contest(event.id, data.reason, data.officer, data.opd, event.now)
    contests = sorted([*known.contests, contest], key=lambda one: one.id)
    return _settled(known, msgspec.structs.replace(known, contests=contests), person, event, state, terms)


def decide_contest(event: Received[DecideContest], state: State, terms: Terms) -> Outcome:
    """By an officer who acts for all."""
    data = event.data
    known, person = state.get(COMPLETIONS, data.completion_id), person_of(data.employee_id, state)
    if known is None or person is None or not known.standing or known.employee_id != person.main.id:
        return _refused("not-found", "the person has no completion of this id", event, terms)
    if any(one.id == event.id for one in known.contest_decisions):
        return _answered(Verdict.DUPLICATE, "done before", known, event, terms)
    if data.opd is not None:
        return _refused(
            "not-your-agency", "only an officer who acts for all agencies decides this", event, terms
        )
    if len(known.contest_decisions) >= MOST_CONTESTS:
        return _refused("refused", f"{MOST_CONTESTS} decisions are kept, no more are taken", event, terms)
    decision = ContestDecision(event.id, data.contest_id, data.upheld, data.reason, data.officer, event.now)
    decisions = sorted([*known.contest_decisions, decision], key=lambda one: one.id)
    return _settled(
        known, msgspec.structs.replace(known, contest_decisions=decisions), person, event, state, terms
    )


def _settled(
    known: Completion, after: Completion, person: Person, event: Command, state: State, terms: Terms
) -> Outcome:
    settled = settle([Changed(known, after, event.now, event.traceparent)], person, state, terms)
    facts = [fact for fact, _ in settled.facts]
    after = settled.completions[known.id]
    changes = [*settled.changes, *_listed(after, state)]
    return Outcome(
        Verdict.ACCEPTED, "", known.id, _content(event, terms), changes, facts, answer=_answer(after)
    )


def _listed(completion: Completion, state: State) -> list[Put | Remove]:
    """The worklist as it is from now on."""
    listed = state.get(CONTESTED, completion.id) is not None
    if bool(undecided_contests(completion)) is listed:
        return []
    return [Remove(CONTESTED, completion.id) if listed else Put(CONTESTED, Contested(completion.id))]


def _answered(verdict: Verdict, reason: str, known: Completion, event: Command, terms: Terms) -> Outcome:
    return Outcome(verdict, reason, known.id, _content(event, terms), answer=_answer(known))


def _refused(problem: str, reason: str, event: Command, terms: Terms) -> Outcome:
    return Outcome(
        Verdict.REFUSED, reason, event.data.completion_id, _content(event, terms), answer={"problem": problem}
    )


def _answer(completion: Completion) -> dict[str, str | int | bool | None]:
    return {"completion_id": completion.id, "counts": bool(completion.learning_year)}


def _content(event: Command, terms: Terms) -> bytes:
    return terms.ids.content(_JSON.encode(event.data.model_dump(mode="json")))


REACTIONS: dict[type[Payload], Reaction[Terms]] = {
    ContestCompletion: react(contest_keys, contest_completion),
    DecideContest: react(contest_keys, decide_contest),
}
