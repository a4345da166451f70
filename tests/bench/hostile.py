"""What hostile records cost the good ones between them: `python -m tests.bench.hostile [EVENTS]`.

As many hostile records as good ones, one after the other in the same partition; the rate of the good ones alone and
between them, in turn, and the medians. Wanted: at least half. Writes tests/bench/results/hostile.json.
"""

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from aiokafka import AIOKafkaProducer
from pymongo import MongoClient

from devstack import Stack, local_stack
from shared.contracts.topics import agency_topic
from shared.kafka.connection import KafkaConnection
from shared.pipeline.pipeline_collections import Decision
from shared.service import tune_gc
from tests.bench.contenders import ours
from tests.bench.workload import HEADERS, OPD, cloudevent, completed, heard, prepare, told
from tests.chaos.hostile import hostile_records

RESULTS: Final = Path(__file__).parent / "results/hostile.json"
ROUNDS: Final = 3
SEED: Final = 20260305
PER_EMPLOYEE: Final = 5
MAX_BYTES: Final = 2 * 1024 * 1024 - 100_000
"""What the topic lets in."""


async def publish(kafka: KafkaConnection, run: str, events: int, between: bool) -> None:
    topic = agency_topic(OPD, run + ".")
    hostile = [
        one
        for one in hostile_records(SEED, 2 * events, [OPD])
        if one.topic == agency_topic(OPD)
        and 0 < len(one.value or b"") + len(one.key or b"") < MAX_BYTES  # no client sends one without both
    ]
    producer = AIOKafkaProducer(
        **kafka.options(), acks="all", enable_idempotence=True, max_request_size=4 * 1024 * 1024
    )
    await producer.start()
    employees = events // PER_EMPLOYEE
    for n in range(events):
        await producer.send(
            topic, cloudevent(completed(n % employees, n // employees)), partition=0, headers=HEADERS
        )
        if between:
            one = hostile[n % len(hostile)]
            await producer.send(topic, one.value, one.key, 0, headers=list(one.headers))
    await producer.flush()
    await producer.stop()


def accepted(decisions: Sequence[Decision]) -> int:
    """Completions; what of the hostile ones is accepted is something else."""
    return sum(one.verdict == "accepted" and one.subject.startswith("cmp_") for one in decisions)


def measure(stack: Stack, events: int) -> dict[str, float]:
    rates: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * ROUNDS):
        between = bool(turn % 2)
        run = "hostile" + uuid.uuid4().hex[:8]
        asyncio.run(prepare(stack.kafka, stack.mongo, run, 0, PER_EMPLOYEE, employees=events // PER_EMPLOYEE))
        asyncio.run(publish(stack.kafka, run, events, between))
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.hostile", stack.mongo, run, str(events)],
            capture_output=True, text=True, timeout=600, env=told(stack.kafka),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        MongoClient(stack.mongo).drop_database(f"{run}_enrollment")
        rates[between].append(float(done.stdout.splitlines()[-1]))
        print(
            f"  {'between hostile ones' if between else 'alone':20} {rates[between][-1]:8,.0f}/s", flush=True
        )
    alone, among = median(rates[False]), median(rates[True])
    return {"alone_per_s": alone, "between_per_s": among, "share": among / alone, "events": events}


if __name__ == "__main__":
    if len(sys.argv) == 4:
        mongo_url, run_name, count = sys.argv[1:]
        tune_gc()
        seconds = asyncio.run(ours(heard(), mongo_url, run_name, int(count), accepted))
        print(int(count) / seconds)
    else:
        with local_stack(Path(".run/bench")) as running:
            result = measure(running, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        print(f"good events between as many hostile ones: {result['share']:.2f} of their rate alone")
