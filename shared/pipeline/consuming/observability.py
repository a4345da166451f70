"""What is told of a batch once it stands: a span for each event, a line for each that was refused."""

import logging
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from shared.contracts.cloudevents import event_id
from shared.observability.telemetry import (
    child_traceparent,
    is_tracing,
    log_context,
    parse_traceparent,
    record_span,
    root_traceparent,
)
from shared.pipeline.handlers import Service
from shared.pipeline.outcome import Outcome, OutgoingEvent, Verdict
from shared.pipeline.processing.dead_letters import MAX_TYPE_CHARS
from shared.pipeline.processing.messages import Message
from shared.pipeline.processing.unit_of_work import Decided

T = TypeVar("T")
log = logging.getLogger(__name__)


def tell(service: Service[T], decided: Decided, seconds: float) -> None:
    """After the batch is committed and published, so that nothing is told twice or of what was undone."""
    end_ns = time.time_ns()
    for message, outcome in decided.outcomes:
        if outcome.verdict in (Verdict.REFUSED, Verdict.BUG):
            _log_refusal(message, outcome)
    if is_tracing():
        for n, (message, outcome) in enumerate(decided.outcomes):
            facts = [*outcome.facts, *decided.followed.get(n, ())]
            _record_spans(
                service, message, outcome, facts, start_ns=end_ns - int(seconds * 1e9), end_ns=end_ns
            )


def _log_refusal(message: Message[Any], outcome: Outcome) -> None:
    event = message.event
    ids = parse_traceparent(event.traceparent) if event is not None else None
    with log_context(trace_id=None if ids is None else ids[0], event_id=None if event is None else event.id):
        log.log(
            logging.ERROR if outcome.verdict is Verdict.BUG else logging.WARNING,
            "%s: record %s",
            "handler failed" if outcome.verdict is Verdict.BUG else "refused",
            message.record.at,
            extra={"event_type": message.event_type[:MAX_TYPE_CHARS], "reason": outcome.reason},
        )


def _record_spans(
    service: Service[T],
    message: Message[Any],
    outcome: Outcome,
    facts: Sequence[OutgoingEvent],
    *,
    start_ns: int,
    end_ns: int,
) -> None:
    """The decision below the event that it is about; below it the events that it caused, under the ids
    that they carry as their own traceparent."""
    event = message.event
    if event is None:
        return
    # One that came without a trace is the root of its own: nobody recorded the span that stands in for its sender.
    made_up = root_traceparent(f"{event.sender}/{event.id}") == event.traceparent
    parent = None if made_up else event.traceparent
    # By service: two of them decide the same event.
    own = child_traceparent(
        event.traceparent, f"{service.name}/{message.record.at}/{message.record.redelivery}"
    )
    record_span(
        f"decide {event.type}",
        own,
        parent,
        start_ns,
        end_ns,
        attributes={
            "kompeten.verdict": outcome.verdict.value,
            "kompeten.subject": outcome.subject,
            "kompeten.event": event.id,
        },
        kind="consumer",
        error=outcome.verdict is Verdict.BUG,
    )
    for fact in facts:
        id = event_id(service.epoch, fact.aggregate, fact.version, fact.payload.TYPE)
        record_span(
            f"publish {fact.payload.TYPE}",
            child_traceparent(event.traceparent, id),
            own,
            end_ns,
            end_ns,
            attributes={"kompeten.event": id},
            kind="producer",
        )
