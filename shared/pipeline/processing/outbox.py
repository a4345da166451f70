"""The events that follow from a unit of work, encoded, each pending with the record that it follows from."""

from typing import Any, Final

from shared.contracts.cloudevents import encode, event_id
from shared.contracts.payload import Payload
from shared.contracts.topics import MAX_RECORD_BYTES
from shared.observability.telemetry import child_traceparent
from shared.pipeline.errors import Rejected
from shared.pipeline.handlers import Service
from shared.pipeline.outcome import OutgoingEvent
from shared.pipeline.partitioner import TopicPartition, partition_of
from shared.pipeline.pipeline_collections import Outgoing
from shared.pipeline.processing.messages import EPOCH
from shared.pipeline.records import Received

# The rest of what a record may have is for its frame in the log.
MAX_OUTGOING_BYTES: Final = MAX_RECORD_BYTES - 4096


class Outbox:
    def __init__(self, service: Service[Any]) -> None:
        self._service = service
        self.outgoing: list[Outgoing] = []
        """In the order in which it was decided."""
        self.pending: dict[TopicPartition, list[Outgoing]] = {}
        """The same, by the partition of the record that they follow from: whoever takes it over publishes them before
        it decides the next one, so what one topic says of a person stays in order."""
        self.size_bytes = 0

    def encoded(self, fact: OutgoingEvent, event: Received[Payload] | None) -> Outgoing:
        """Not added yet. Raises Rejected where the log would not take it."""
        payload, service = fact.payload, self._service
        id = event_id(service.epoch, fact.aggregate, fact.version, payload.TYPE)
        value = encode(
            payload,
            id=id,
            source=f"urn:kompeten:{service.name}",
            time=event.now if event is not None else EPOCH,
            subject=fact.aggregate,
            partitionkey=fact.key,
            traceparent=child_traceparent(event.traceparent if event is not None else None, id),
        )
        if len(value) + len(fact.key) > MAX_OUTGOING_BYTES:
            raise Rejected(  # else it is published in vain for ever, and nothing after it
                f"the event {payload.TYPE} that follows from it would be larger than the log takes: "
                "send the ids and texts that Kompeten itself gave out"
            )
        return Outgoing(service.topic_of(type(payload)), partition_of(fact.key), fact.key.encode(), value)

    def add(self, record: Outgoing, taking: TopicPartition) -> None:
        """`taking`: whose record it follows from."""
        self.outgoing.append(record)
        self.pending.setdefault(taking, []).append(record)
        self.size_bytes += len(record.value) + len(record.key) + 64
