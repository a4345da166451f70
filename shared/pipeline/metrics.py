"""Prometheus metrics of the pipeline. Labels are services and verdicts: never an id, never a person."""

from collections import Counter as Tally
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from shared.pipeline.attempt import Decided

DECISIONS = Counter("kompeten_decisions_total", "Records decided", ["service", "verdict"])
EVENTS = Counter("kompeten_events_published_total", "Events published", ["service"])
BATCH_SECONDS = Histogram(
    "kompeten_batch_seconds",
    "From a batch's arrival to its events' acknowledgement",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


def batch(service: str, decided: "Decided", seconds: float) -> None:
    for verdict, count in Tally(decision.verdict for decision in decided.decisions).items():
        DECISIONS.labels(service, verdict).inc(count)
    EVENTS.labels(service).inc(sum(len(step.pending) for step in decided.steps))
    BATCH_SECONDS.labels(service).observe(seconds)
