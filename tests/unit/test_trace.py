"""What `kompeten trace` tells of a completion."""

from datetime import timedelta

from msgspec.structs import replace

from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.records.notes import Looked
from services.enrollment.records.trace import steps_of
from shared.contracts.enrollment import ContestCompletion, DecideContest
from shared.http.traces import Step
from shared.pipeline.pipeline_collections import Decision
from tests.factories import NIP, completed, registered, reinstate, revoke
from tests.property.harness import ENROLLMENT
from tests.unit.given import NINE, Given

NOTHING = Looked({}, {}, None)


def told(completion: Completion, *event_ids: str) -> list[Step]:
    decisions = [Decision(f"topic/0/{place}/0", id, "accepted", NINE) for place, id in enumerate(event_ids)]
    return steps_of(decisions, [completion], NOTHING)


def test_what_officers_said_has_its_kind_and_reason() -> None:
    """It was `record enrollment.commands.v1/3/17/0 decided: accepted`, and no more."""
    made = Given(ENROLLMENT, registered(NIP), completed(NIP))
    one = made.one(COMPLETIONS)
    about = {"completion_id": one.id, "employee_id": one.employee_id, "opd": None}
    made.when(revoke(**about, reason="wrong person"), id="r")
    made.when(reinstate(**about, revocation_id="r", reason="it was right"), id="l")
    officer = {**about, "officer": "o"}
    made.when(ContestCompletion(**officer, reason="not ours"), id="c")
    made.when(DecideContest(**officer, contest_id="c", upheld=True, reason="no list"), id="d")
    said = {(step.what, step.detail) for step in told(made.one(COMPLETIONS), "r", "l", "c", "d", "another")}
    assert {
        ("revocation, record topic/0/0/0 decided: accepted", "wrong person"),
        ("reinstatement, record topic/0/1/0 decided: accepted", "it was right"),
        ("contest, record topic/0/2/0 decided: accepted", "not ours"),
        ("contest upheld, record topic/0/3/0 decided: accepted", "no list"),
        ("record topic/0/4/0 decided: accepted", None),
    } <= said


def test_hours_have_the_time_of_their_own_change_or_none() -> None:
    """Of a completion that a cap cut later, they had the time at which its certificate was issued."""
    made = Given(ENROLLMENT, registered(NIP), completed(NIP))
    one = made.one(COMPLETIONS)
    assert one.certificate is not None
    later = replace(one, stated_at=one.certificate.issued_at + timedelta(days=1))
    (hours,) = [step for step in told(later) if "JP" in step.what]
    assert hours.at == later.stated_at
    cut = replace(later, version=later.version + 1)
    (hours,) = [step for step in told(cut) if "JP" in step.what]
    assert hours.at is None


def test_records_of_one_moment_are_told_as_the_log_has_them() -> None:
    """By text, record 10 came before 9; one that was taken up again follows what it waited for."""
    ids = ["b/0/9/0", "b/0/10/0", "a/0/7/0", "b/0/9/1"]
    decisions = [Decision(id, "", "accepted", NINE) for id in sorted(ids)]
    told = steps_of(decisions, [], NOTHING)
    assert [step.what.split()[1] for step in told] == ["a/0/7/0", "b/0/9/0", "b/0/10/0", "b/0/9/1"]
