"""How deep a record is when it is decided: each frame between is one more to read for whoever follows it."""

import traceback
from dataclasses import replace
from typing import Any

from aiokafka import TopicPartition

from shared.contracts.agency import TrainingCompleted
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.consuming.partition_table import Partition
from shared.pipeline.documents import Needs, State
from shared.pipeline.handlers import handler
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.outcome import Outcome, Verdict
from shared.pipeline.partitioner import position_id
from shared.pipeline.records import Received
from tests.factories import as_record, completed
from tests.memory_store import MemoryStore
from tests.property.harness import ENROLLMENT

MAX_FRAMES = 6


async def test_from_a_batch_to_a_decision_are_at_most_six_frames() -> None:
    """From what decides a batch to the handler, both counted."""
    frames = list[str]()

    def needs(event: Received[TrainingCompleted], state: State, terms: Any) -> Needs:
        yield from ()

    def decide(event: Received[TrainingCompleted], state: State, terms: Any) -> Outcome:
        frames.extend(frame.name for frame in traceback.extract_stack())
        return Outcome(Verdict.ACCEPTED)

    service = replace(ENROLLMENT, handlers={TrainingCompleted: handler(needs, decide)})
    store, tp = MemoryStore(), TopicPartition("agency.dinas-a.v1", 0)
    await store.position(position_id(service.name, (tp.topic, tp.partition)), 0)
    consumer = Consumer(service, store, Publisher.__new__(Publisher), None, {})  # type: ignore[arg-type]
    consumer.table.read[tp] = Partition(0, 0, 0)
    await consumer._decide({tp: await consumer._read([as_record(completed("198001012000011001"))])})
    assert consumer.table.read[tp].next == 1
    passed = frames[frames.index("_decide") :]
    assert passed[-1] == "decide"
    assert len(passed) <= MAX_FRAMES, " > ".join(passed)
