"""Where is this learner's certificate? What enrollment knows of it."""

from collections.abc import Container, Sequence
from typing import NamedTuple

from fastapi import APIRouter

from services.enrollment.certificates.documents import HELD, RENDERINGS, rendering_id
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.documents import Employee
from services.enrollment.reconciliation.reconciling import PDF, PDF_HELD
from services.enrollment.records.lookups import person_of_number
from services.enrollment.records.notes import Looked, looked_up, note_of
from services.enrollment.records.undecided import (
    NONE,
    Marks,
    marks_of_completions,
    marks_of_person,
    undecided,
)
from services.enrollment.rendering.held_renderings import what_to_do, why_held
from shared.http.access import Role, allow
from shared.http.decisions import in_order
from shared.http.problems import Problem
from shared.http.traces import Missing, Step, Trace, Wanted
from shared.pipeline.outcome import Verdict
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, OPEN, WAITING, Decision
from shared.pipeline.records import RecordMetadata
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.waiting import kind_of, waiting_id
from shared.service import Components

MAX_COMPLETIONS, MAX_DECISIONS = 200, 500
SERVICE = "enrollment"


def trace_router(components: Components[CompletionTerms]) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["operators"])

    @router.post(
        "/traces",
        summary="What became of an event, a certificate, a completion or an employee's completions",
        **allow(Role.operator, Role.auditor),
    )
    async def traces(body: Wanted) -> Trace:
        return await trace(components.store, components.service.terms, body)

    return router


async def trace(store: MongoStore, terms: CompletionTerms, wanted: Wanted) -> Trace:
    decisions: list[Decision] = []
    completions: list[Completion] = []
    person: Employee | None = None
    marks, others = Marks(), NONE
    if wanted.event_id is not None:
        decisions = await store.select(
            DECISIONS, {"e": wanted.event_id}, sort=[("t", 1)], limit=MAX_DECISIONS
        )
        subjects = sorted({decision.subject for decision in decisions} - {""})
        completions = await store.select(COMPLETIONS, {"_id": {"$in": subjects}})
    elif wanted.completion_id is not None:
        completions = await store.select(COMPLETIONS, {"_id": wanted.completion_id})
    elif wanted.certificate_number is not None:
        number = wanted.certificate_number.strip()
        completions = await store.select(COMPLETIONS, {"certificate.number": number}, limit=MAX_COMPLETIONS)
    elif wanted.employee_number is not None:
        person = await person_of_number(store, wanted.employee_number)
        if person is not None:
            completions = await store.select(COMPLETIONS, {"employee_id": person.id}, limit=MAX_COMPLETIONS)
        marks = marks_of_person(wanted.employee_number, person)
    if wanted.event_id is None:
        others = await undecided(store, marks | marks_of_completions(completions))
        decisions = others.decisions
        if wanted.employee_number is not None and person is None and not decisions:
            raise Problem(
                "not-found", "No employee has this number: have the agency publish the registration."
            )
    if not decisions and not completions:
        raise Problem("not-found", _unknown(wanted, others.unlooked))
    ids = sorted({completion.id for completion in completions})
    about = (
        await store.select(DECISIONS, {"s": {"$in": ids}}, sort=[("t", 1)], limit=MAX_DECISIONS)
        if ids
        else []
    )
    every = {decision.id: decision for decision in (*decisions, *about)}
    looked = await looked_up(store, completions)
    steps = steps_of(list(every.values()), completions, looked)
    missing = [await _undone(store, decision) for decision in every.values() if decision.verdict in _STATES]
    for completion in completions:
        missing += await _missing(store, completion)
    return Trace(
        steps=sorted(steps, key=lambda step: (step.at is None, step.at)),  # of one moment as they are
        missing=[lack for lack in missing if lack is not None],
        completion_ids=ids,
        employee_ids=sorted({completion.employee_id for completion in completions}),
        uncertified_ids=sorted(completion.id for completion in completions if not completion.certified),
        untold_ids=sorted(completion.id for completion in completions if not completion.effective),
        unlooked=others.unlooked,
    )


def _unknown(wanted: Wanted, unlooked: int) -> str:
    if wanted.event_id is not None:
        return (
            "No record with this event id was read: what POST /events refused is kept nowhere, its answer said why. "
            "Over Kafka, a record whose id cannot be read is among the dead letters without it."
        )
    if wanted.employee_number is None:
        return "No completion has this id or certificate number: see whether it is written as it was given."
    rest = f", but {unlooked} of those that wait or failed could not be looked into" if unlooked else ""
    return (
        f"The employee is registered, and no record of a completion was found{rest}: ask the agency for the id of its "
        "event, and for what was answered to it."
    )


_STATES = {Verdict.WAITING: "waiting", Verdict.REFUSED: "problem", Verdict.BUG: "problem"}


def steps_of(decisions: Sequence[Decision], completions: Sequence[Completion], looked: Looked) -> list[Step]:
    """What was decided, and what the completions are by now."""
    orders = {id: order for completion in completions for id, order in _orders(completion).items()}
    told = {decision.event_id for decision in decisions}
    steps = [
        _decided(decision, orders.get(decision.event_id)) for decision in sorted(decisions, key=in_order)
    ]
    return steps + [step for completion in completions for step in _recorded(completion, looked, told)]


class _Order(NamedTuple):
    """What an officer said of a completion."""

    what: str
    reason: str


def _orders(completion: Completion) -> dict[str, _Order]:
    """By the id of its event."""
    return {
        **{revocation.id: _Order("revocation", revocation.reason) for revocation in completion.revocations},
        **{
            reinstatement.id: _Order("reinstatement", reinstatement.reason)
            for reinstatement in completion.reinstatements
        },
        **{contest.id: _Order("contest", contest.reason) for contest in completion.contests},
        **{
            decision.id: _Order(f"contest {'upheld' if decision.upheld else 'dismissed'}", decision.reason)
            for decision in completion.contest_decisions
        },
    }


def _decided(one: Decision, order: _Order | None) -> Step:
    reasons = [one.reason] if order is None else [order.reason, one.reason]
    return Step(
        at=one.decided_at,
        service=SERVICE,
        what=f"{'' if order is None else order.what + ', '}record {one.id} decided: {one.verdict}",
        state=_STATES.get(Verdict(one.verdict), "ok"),
        detail="; ".join(filter(None, reasons)) or None,
        completion_id=one.subject if one.subject.startswith("cmp_") else None,
    )


async def _undone(store: MongoStore, one: Decision) -> Missing | None:
    """What is still to be done about a record that was not accepted."""
    if one.verdict == Verdict.WAITING:
        topic, partition, offset, _ = one.id.rsplit("/", 3)
        waiting = await store.read(WAITING, waiting_id(RecordMetadata(topic, int(partition), int(offset))))
        if waiting is None:
            return None
        return Missing(service=SERVICE, what=kind_of(waiting.lacks), do=waiting.reason)
    letter = await store.read(DEAD_LETTERS, one.id)
    if letter is None or letter.state != OPEN:
        return None
    return Missing(
        service=SERVICE,
        what="decision",
        do=f"dead letter {one.id}: kompeten dead-letters show {one.id}; mend and replay it, or discard it",
    )


def _recorded(completion: Completion, looked: Looked, told: Container[str]) -> Sequence[Step]:
    """`told`: ids of events of which the decision is a step."""
    certificate, note = completion.certificate, note_of(completion, looked)
    steps: list[Step] = []
    if note is not None:
        what, _, why = note.operators.partition(": ")
        steps.append(
            Step(
                at=completion.stated_at,
                service=SERVICE,
                what=what,
                state="ok" if completion.learning_year else "problem",
                detail=why,
                completion_id=completion.id,
            )
        )
    if certificate is None:
        return [*steps, _credited(completion)] if completion.effective else steps
    steps += [
        Step(
            at=certificate.issued_at,
            service=SERVICE,
            what=f"certificate {certificate.number}, revision {certificate.revision}",
            completion_id=completion.id,
        ),
        _credited(completion),
    ]
    if certificate.revoked:
        steps += [
            Step(
                at=revocation.at,
                service=SERVICE,
                what="revoked",
                state="problem",
                detail=revocation.reason,
                completion_id=completion.id,
            )
            for revocation in completion.revocations
            if revocation.id not in told
        ]
    elif certificate.sha256 is not None:
        steps.append(
            Step(
                at=None,
                service=SERVICE,
                what="PDF stored",
                detail=certificate.sha256,
                completion_id=completion.id,
            )
        )
    return steps


def _credited(completion: Completion) -> Step:
    """Since it was stated last; when another completion changed them after that, nobody noted."""
    return Step(
        at=completion.stated_at if completion.stated == completion.version else None,
        service=SERVICE,
        what=f"{completion.jp} JP by {completion.jp_rule or 'no rule'}",
        detail=completion.jp_reason,
        completion_id=completion.id,
    )


async def _missing(store: MongoStore, completion: Completion) -> list[Missing]:
    certificate = completion.certificate
    if not completion.certified or (completion.contents and not completion.effective):
        return []
    if certificate is None:
        # Only a revocation can stand alone; it waits for what it revokes.
        do = "it was revoked before it was reported: have the agency report the completion"
        return [Missing(service=SERVICE, what="completion", do=do, completion_id=completion.id)]
    if certificate.revoked or certificate.sha256 is not None:
        return []
    item = await store.read(RENDERINGS, rendering_id(certificate.id, certificate.revision))
    what = PDF
    if item is not None and item.state == HELD:
        what = PDF_HELD
        do = f"the certificate is valid: {why_held(item)}; {what_to_do(item, completion)}"
    else:
        state = "was never queued" if item is None else f"is {item.state} after {item.attempts} attempts"
        do = f"its rendering {state}: look at enrollment's log and at kompeten status"
    return [
        Missing(
            service=SERVICE,
            what=what,
            do=do,
            completion_id=completion.id,
        )
    ]
