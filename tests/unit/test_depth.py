"""How deep one has to read: each frame between a record, its decision and what that makes is one more to follow."""

import traceback
from dataclasses import replace
from datetime import date
from typing import Any, Final

from aiokafka import TopicPartition

from services.enrollment.certificates.issuing_bodies import IssuingBody
from shared.contracts.agency import TrainingCompleted
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.consuming.partition_table import Partition
from shared.pipeline.documents import Needs, State
from shared.pipeline.handlers import handler
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.outcome import Outcome, Verdict
from shared.pipeline.partitioner import position_id
from shared.pipeline.records import Received
from tests.factories import NIP, as_record, completed, registered
from tests.memory_store import MemoryStore
from tests.property.harness import ENROLLMENT, TERMS
from tests.unit import given

MAX_TO_THE_DECISION: Final = 6
MAX_TO_THE_NUMBER: Final = 3


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
    await consumer._decide({tp: await consumer._read([as_record(completed(NIP))])})
    assert consumer.table.read[tp].next == 1
    passed = frames[frames.index("_decide") :]
    assert passed[-1] == "decide"
    assert len(passed) <= MAX_TO_THE_DECISION, " > ".join(passed)


class Template(str):
    """Of numbers: takes note of who fills it in."""

    def __init__(self, text: str) -> None:
        self.fillers: list[list[tuple[str, str]]] = []

    def format(self, *args: object, **fields: object) -> str:
        self.fillers.append([(frame.filename, frame.name) for frame in traceback.extract_stack()[:-1]])
        return super().format(*args, **fields)


class OneBody:
    def __init__(self, template: str) -> None:
        self.body = IssuingBody(template, None)

    def at(self, code: str, day: date) -> IssuingBody:
        return self.body


def test_from_a_decision_to_the_number_are_at_most_three_frames() -> None:
    template = Template("{sequence}/{body}")
    bodies: Any = OneBody(template)
    terms = replace(TERMS, bodies=bodies)
    city = given.Given(replace(ENROLLMENT, terms=terms), registered(NIP))
    city.when(completed(NIP))
    (frames,) = template.fillers
    called_here = max(place for place, (file, _) in enumerate(frames) if file == given.__file__)
    decision, *below = [name for _, name in frames[called_here + 1 :]]
    assert len(below) <= MAX_TO_THE_NUMBER, " > ".join((decision, *below))
