"""Prometheus metrics of the pipeline. Labels are services and verdicts: never an id, never a person."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from shared.pipeline.processing.unit_of_work import Decided

DECISIONS = Counter("kompeten_decisions_total", "Records decided", ["service", "verdict"])
EVENTS = Counter("kompeten_events_published_total", "Events published", ["service"])
BATCH_SECONDS = Histogram(
    "kompeten_batch_seconds",
    "From a batch's arrival to its events' acknowledgement",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

LAG = Gauge("kompeten_lag_records", "Records not decided yet", ["service", "topic", "partition"])
UNREAD = Gauge("kompeten_source_unread", "1: a topic that should be read and can't be", ["service", "topic"])
OFFSETS_LOST = Counter(
    "kompeten_offsets_lost_total", "Partitions of which Kafka had lost the group's offset", ["service"]
)
_unread: dict[str, set[str]] = {}
_lagging: dict[str, set[tuple[str, int]]] = {}


def lag(service: str, by_partition: "Mapping[TopicPartition, int]") -> None:
    """A partition that another replica has now is no longer shown here."""
    for topic, partition in _lagging.get(service, set()) - by_partition.keys():
        LAG.remove(service, topic, str(partition))
    _lagging[service] = set(by_partition)
    for tp, records in by_partition.items():
        LAG.labels(service, tp.topic, str(tp.partition)).set(records)


def unread(service: str, topics: Iterable[str]) -> None:
    """Those that are mended are no longer shown."""
    now = set(topics)
    for topic in _unread.get(service, set()) - now:
        UNREAD.remove(service, topic)
    for topic in now:
        UNREAD.labels(service, topic).set(1)
    _unread[service] = now


def batch(service: str, decided: "Decided", seconds: float) -> None:
    for verdict, count in Tally(decision.verdict for decision in decided.decisions).items():
        DECISIONS.labels(service, verdict).inc(count)
    EVENTS.labels(service).inc(sum(len(step.pending) for step in decided.steps))
    BATCH_SECONDS.labels(service).observe(seconds)
