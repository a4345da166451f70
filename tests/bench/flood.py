"""What a flood of one agency costs the others: `python -m tests.bench.flood [COMPLETIONS]`.

Three agencies publish as many completions as they can; a fourth, with its own credentials and the usual quota, sends
copies of one event without end, packed as tightly as Kafka takes them. The others' rate alone and beside it, in turn,
and the medians. Wanted: at least 0.8. Writes tests/bench/results/flood.json.
"""

import asyncio
import contextlib
import json
import sys
import uuid
from pathlib import Path
from statistics import median
from typing import Final

from aiokafka import AIOKafkaProducer
from pymongo import MongoClient

from shared.contracts.topics import agency_topic
from shared.kafka_admin import AgencyQuota, KafkaAdmin
from shared.stack import Stack, local_stack
from shared.stack.kompeten import SERVICES, configure, make_topics, start
from shared.stack.ports import free_ports
from shared.stack.processes import Processes
from tests.bench.whole import AGENCIES, PER_EMPLOYEE, Running, publish
from tests.bench.workload import HEADERS, cloudevent, completed, registered

RESULTS: Final = Path(__file__).parent / "results/flood.json"
ROUNDS: Final = 3
REACH: Final = 0.8
FLOODING: Final = AGENCIES[3]
OTHERS: Final = AGENCIES[:3]
MOST_COPIES: Final = 2_000_000


async def rate(running: Running, values: list[tuple[int, bytes]], done: int, *, beside: bool) -> float:
    """Completions of the others a second, until their points are settled."""
    flood = asyncio.create_task(flooded(running)) if beside else None
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        await publish(running, values)
        await asyncio.to_thread(
            running.until, lambda: running.count("incentive", "earned_completions") >= done + len(values)
        )
    finally:
        if flood is not None:
            flood.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flood
    return len(values) / (loop.time() - begun)


async def flooded(running: Running) -> None:
    producer = AIOKafkaProducer(
        **running.kompeten.kafka_of_agency(FLOODING).options(), acks=1, compression_type="zstd", linger_ms=5
    )
    await producer.start()
    topic, copy = agency_topic(FLOODING, running.kompeten.topic_prefix), cloudevent(registered(0))
    try:
        for _ in range(MOST_COPIES):
            await producer.send(topic, copy, partition=0, headers=HEADERS)
    finally:
        await producer.stop()


def measure(stack: Stack, completions: int, run_dir: Path) -> dict[str, float]:
    run = "flood" + uuid.uuid4().hex[:8]
    away = free_ports(1)[0]
    kompeten = configure(
        stack, AGENCIES, topic_prefix=run + ".", database_prefix=run,
        settings={"enrollment": {"KOMPETEN_PDF_WORKERS": "0"}, "notification": {"KOMPETEN_SMTP_PORT": str(away)},
                  "*": {"KOMPETEN_LOG_LEVEL": "WARNING"}},
    )  # fmt: skip
    make_topics(kompeten)
    user = kompeten.kafka_of_agency(FLOODING)
    KafkaAdmin(stack.kafka, kompeten.topic_prefix).ensure_agency(
        FLOODING, user.user, user.password, AgencyQuota()
    )
    running = Running(kompeten, MongoClient(stack.mongo))
    employees = completions // PER_EMPLOYEE
    rates: dict[bool, list[float]] = {False: [], True: []}
    with Processes(run_dir) as processes:
        start(kompeten, processes)
        asyncio.run(publish(running, [(n % 3, cloudevent(registered(n))) for n in range(employees)]))
        running.until(lambda: running.count("notification", "contacts") >= employees)
        for turn in range(2 * ROUNDS):
            values = [
                (
                    n % employees % 3,
                    cloudevent(completed(n % employees, turn * PER_EMPLOYEE + n // employees)),
                )
                for n in range(completions)
            ]
            beside = bool(turn % 2)
            rates[beside].append(asyncio.run(rate(running, values, turn * completions, beside=beside)))
            print(f"  {'beside a flood' if beside else 'alone':16} {rates[beside][-1]:8,.0f}/s", flush=True)
    for service in SERVICES:
        running.mongo.drop_database(kompeten.database(service))
    alone, among = median(rates[False]), median(rates[True])
    return {"alone_per_s": alone, "beside_per_s": among, "share": among / alone, "completions": completions}


if __name__ == "__main__":
    with local_stack(Path(".run/bench")) as own:
        result = measure(own, int(sys.argv[1]) if len(sys.argv) > 1 else 6_000, Path(".run/bench/services"))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"the others beside a flood of one agency: {result['share']:.2f} of their rate alone")
