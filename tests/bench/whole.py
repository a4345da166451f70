"""The three services together: completion -> certificate, JP, points and mail intent; latency when idle; memory.

    python -m tests.bench.whole [COMPLETIONS]    (prints JSON)

Rendering and mailing are left out on purpose (no rendering process, no mail server): they have figures of their own.
"""

import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import MongoClient

from devstack import Stack, local_stack
from devstack.kompeten import SERVICES, Kompeten, configure, make_topics, start
from devstack.ports import free_ports
from devstack.processes import Processes
from shared.contracts.enrollment import CertificateIssued
from shared.contracts.topics import ENROLLMENT_EVENTS, agency_topic
from tests.bench.workload import BODY, HEADERS, cloudevent, completed, registered

AGENCIES = tuple(f"opd{n}" for n in range(1, 5))
PER_EMPLOYEE = 5
MEMORY_EVERY = 10_000  # divides the completions
PATIENCE_S = 600.0


@dataclass
class Running:
    kompeten: Kompeten
    mongo: "MongoClient[dict[str, object]]"

    def count(self, service: str, collection: str) -> int:
        return self.mongo[self.kompeten.database(service)][collection].estimated_document_count()

    def until(self, done: Callable[[], bool]) -> float:
        start = time.perf_counter()
        while not done():
            if time.perf_counter() - start > PATIENCE_S:
                raise RuntimeError(f"not done after {PATIENCE_S:.0f} s")
            time.sleep(0.1)
        return time.perf_counter() - start

    def memory_mb(self) -> dict[str, float]:
        return {
            name: psutil.Process(child.pid).memory_info().rss / 1e6
            for name, child in self.kompeten.children.items()
        }

    def cpu_s(self) -> dict[str, float]:
        """Of each service's process since its start."""
        return {
            name: sum(psutil.Process(child.pid).cpu_times()[:2])
            for name, child in self.kompeten.children.items()
        }


async def publish(running: Running, values: list[tuple[int, bytes]]) -> None:
    """(agency's number, event), as fast as Kafka takes them."""
    producer = AIOKafkaProducer(
        **running.kompeten.stack.kafka.options(), acks="all", enable_idempotence=True, linger_ms=5
    )
    await producer.start()
    waiting: list[asyncio.Future[object]] = []
    for agency, value in values:
        topic = agency_topic(AGENCIES[agency], running.kompeten.topic_prefix)
        waiting.append(await producer.send(topic, value, partition=0, headers=HEADERS))
        if len(waiting) >= 5000:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    await producer.stop()


def measure(stack: Stack, completions: int, latencies: int, run_dir: Path) -> dict[str, object]:
    """Sustained rate over `completions`, idle latency over `latencies`, memory after each 10,000."""
    run = "whole" + uuid.uuid4().hex[:8]
    away = free_ports(1)[0]
    kompeten = configure(
        stack, AGENCIES, topic_prefix=run + ".", database_prefix=run, bodies={BODY: ""},
        settings={"enrollment": {"KOMPETEN_PDF_WORKERS": "0"}, "notification": {"KOMPETEN_SMTP_PORT": str(away)},
                  "*": {"KOMPETEN_LOG_LEVEL": "WARNING"}},
    )  # fmt: skip
    make_topics(kompeten)
    running = Running(kompeten, MongoClient(stack.mongo))
    with Processes(run_dir) as processes:
        start(kompeten, processes)
        employees = completions // PER_EMPLOYEE
        asyncio.run(publish(running, [(n % 4, cloudevent(registered(n))) for n in range(employees)]))
        running.until(lambda: running.count("notification", "contacts") >= employees)
        latency = asyncio.run(idle_latency(running, latencies, employees))
        done_before = running.count("notification", "mails")
        values = [
            (n % employees % 4, cloudevent(completed(n % employees, n // employees)))
            for n in range(completions)
        ]
        begun, cpu_before = time.perf_counter(), running.cpu_s()
        psutil.cpu_percent()  # of the whole machine, until it is asked again
        asyncio.run(publish(running, values))
        memory: dict[int, dict[str, float]] = {}
        for done in range(MEMORY_EVERY, completions + 1, MEMORY_EVERY):
            running.until(lambda done=done: running.count("notification", "mails") >= done_before + done)  # type: ignore[misc]
            memory[done] = running.memory_mb()
        seconds, busy = time.perf_counter() - begun, psutil.cpu_percent()
        cpu = {name: after - cpu_before[name] for name, after in running.cpu_s().items()}
        assert running.count("enrollment", "completions") == completions + latencies
        assert running.count("incentive", "earned_completions") == completions + latencies
    for service in SERVICES:
        running.mongo.drop_database(kompeten.database(service))
    return {
        "completions": completions,
        "completions_per_s": completions / seconds,
        "latency_ms_p50": statistics.median(latency) * 1e3,
        "latency_ms_p99": statistics.quantiles(latency, n=100)[98] * 1e3,
        "memory_mb": memory,
        "cpu_us_per_completion": {name: value / completions * 1e6 for name, value in cpu.items()},
        "busy_percent_of_all_cores": busy,
        "cores": os.cpu_count(),
    }


async def idle_latency(
    running: Running, samples: int, employees: int, first: int = 0, pause_s: float = 0.02
) -> list[float]:
    """Seconds from sending a completion to reading its certificate's event, one at a time. `first`: samples taken
    before, since a completion that is known has no event."""
    stack = running.kompeten.stack
    consumer = AIOKafkaConsumer(
        running.kompeten.topic_prefix + ENROLLMENT_EVENTS, **stack.kafka.options(), auto_offset_reset="latest",
        fetch_max_wait_ms=100,
    )  # fmt: skip
    producer = AIOKafkaProducer(**stack.kafka.options(), acks="all", enable_idempotence=True)
    await consumer.start()
    await consumer.seek_to_end()
    await producer.start()
    taken = []
    for n in range(first, first + samples):
        value = cloudevent(completed(n % employees, 900 + n // employees))
        topic = agency_topic(AGENCIES[n % 4], running.kompeten.topic_prefix)
        begun = time.perf_counter()
        await producer.send(topic, value, partition=0, headers=HEADERS)
        async for record in consumer:
            assert record.value is not None
            if json.loads(record.value)["type"] == CertificateIssued.TYPE:
                break
        taken.append(time.perf_counter() - begun)
        await asyncio.sleep(pause_s)
    await consumer.stop()
    await producer.stop()
    return taken


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with local_stack(Path(".run/bench")) as local:
        print(json.dumps(measure(local, asked, 50, Path(".run/bench/services")), indent=1))
