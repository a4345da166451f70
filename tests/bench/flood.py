"""What a flood of one agency costs the others: `python -m tests.bench.flood [COMPLETIONS]`.

A flooding agency has as many copies of one event waiting in its topic as last for the whole measurement, so that its
own work on this machine costs nobody anything. Three others publish completions at once: their rate before that
backlog, beside it and once it is decided (a database that has grown is slower with or without a flood), and the medians.
Each round has people of its own. Wanted: at least 0.8. Writes tests/bench/results/flood.json.
"""

import asyncio
import json
import sys
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Final

from aiokafka import AIOKafkaProducer
from pymongo import MongoClient

from devstack import Stack, local_stack
from devstack.kompeten import SERVICES, configure, make_topics, start
from devstack.ports import free_ports
from devstack.processes import Processes
from shared.contracts.topics import agency_topic
from shared.kafka.admin import AgencyQuota, KafkaAdmin
from tests.bench.whole import AGENCIES, PER_EMPLOYEE, Running, publish
from tests.bench.workload import BODY, HEADERS, cloudevent, completed, registered

RESULTS: Final = Path(__file__).parent / "results/flood.json"
ROUNDS: Final = 3
FLOODING: Final = AGENCIES[3]
COPIES: Final = 400_000


async def flood(running: Running) -> None:
    """By the flooding agency's own user, whom its quota slows down."""
    producer = AIOKafkaProducer(
        **running.kompeten.kafka_of_agency(FLOODING).options(), acks=1, compression_type="zstd", linger_ms=5
    )
    await producer.start()
    topic, copy = agency_topic(FLOODING, running.kompeten.topic_prefix), cloudevent(registered(0))
    for _ in range(COPIES):
        await producer.send(topic, copy, partition=0, headers=HEADERS)
    await producer.stop()


def rate(running: Running, turn: int, completions: int) -> float:
    """Completions of the others a second, until their points are settled."""
    employees = completions // PER_EMPLOYEE
    first = 1 + turn * employees
    asyncio.run(publish(running, [(n % 3, cloudevent(registered(first + n))) for n in range(employees)]))
    running.until(lambda: running.count("notification", "contacts") >= (turn + 1) * employees)
    values = [
        (n % employees % 3, cloudevent(completed(first + n % employees, n // employees)))
        for n in range(completions)
    ]
    begun = time.perf_counter()
    asyncio.run(publish(running, values))
    running.until(lambda: running.count("incentive", "earned_completions") >= (turn + 1) * completions)
    return completions / (time.perf_counter() - begun)


def measure(stack: Stack, completions: int, run_dir: Path) -> dict[str, object]:
    run = "flood" + uuid.uuid4().hex[:8]
    away = free_ports(1)[0]
    kompeten = configure(
        stack, AGENCIES, topic_prefix=run + ".", database_prefix=run, bodies={BODY: ""},
        settings={"enrollment": {"KOMPETEN_PDF_WORKERS": "0"}, "notification": {"KOMPETEN_SMTP_PORT": str(away)},
                  "*": {"KOMPETEN_LOG_LEVEL": "WARNING"}},
    )  # fmt: skip
    make_topics(kompeten)
    user = kompeten.kafka_of_agency(FLOODING)
    KafkaAdmin(stack.kafka, kompeten.topic_prefix).ensure_agency(
        FLOODING, user.user, user.password, AgencyQuota()
    )
    running = Running(kompeten, MongoClient(stack.mongo))
    rates: dict[str, list[float]] = {"alone": [], "beside": []}

    def rounds(kind: str, first: int) -> None:
        for turn in range(first, first + ROUNDS):
            rates[kind].append(rate(running, turn, completions))
            print(f"  {kind:8} {rates[kind][-1]:8,.0f}/s", flush=True)

    def is_over() -> bool:
        others = sum(map(len, rates.values())) * (completions + completions // PER_EMPLOYEE)
        return running.count("enrollment", "decisions") - others >= COPIES

    with Processes(run_dir) as processes:
        start(kompeten, processes)
        rounds("alone", 0)
        asyncio.run(flood(running))
        rounds("beside", ROUNDS)
        if is_over():
            raise RuntimeError("the flood was over before the last round beside it: raise COPIES")
        running.until(is_over)
        rounds("alone", 2 * ROUNDS)
    for service in SERVICES:
        running.mongo.drop_database(kompeten.database(service))
    share = median(rates["beside"]) / median(rates["alone"])
    return {"rates": rates, "share": share, "completions": completions}


if __name__ == "__main__":
    with local_stack(Path(".run/bench")) as own:
        result = measure(own, int(sys.argv[1]) if len(sys.argv) > 1 else 6_000, Path(".run/bench/services"))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"the others beside a flood of one agency: {result['share']:.2f} of their rate alone")
