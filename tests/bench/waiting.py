"""What 100,000 waiting events cost the others: `python -m tests.bench.waiting [WAITING] [ROUNDS] [LOOKS]`.

Two systems on one stack, one of them with completions whose employees nobody knows. Each round starts enrollment of
the one and then of the other, first each in turn: how fast a backlog of ordinary completions is decided, how long one
takes when it is idle, while the service looks at those that wait, and the process's memory after both. The CPU time an
event costs the service and MongoDB is told too: unlike the rate it hardly depends on what else the machine does.
Writes tests/bench/results/waiting.json.
"""

import asyncio
import json
import os
import platform
import statistics
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from pymongo import MongoClient

from devstack import Stack, StackError, local_stack
from devstack.kompeten import configure, make_topics, start
from devstack.processes import Processes
from shared.contracts.topics import ENROLLMENT_EVENTS, PARTITIONS
from shared.pipeline.pipeline_collections import WAITING
from shared.workers.waits import EVERY_S
from tests.bench.__main__ import RESULTS, commit
from tests.bench.whole import AGENCIES, Running, idle_latency, publish
from tests.bench.workload import BODY, cloudevent, completed, registered

EMPLOYEES = 2_000
BACKLOG = 10_000
WARM = 1_000
LOOKS = 2
"""So many looks at what waits fall into the time in which latency is measured."""
LATENCIES_PER_S = 10
QUIET_S = 2.0


def system(stack: Stack, run_dir: Path, waiting: int) -> Running:
    """Enrollment, stopped, with its employees, and so many completions of others."""
    run = "waiting" + uuid.uuid4().hex[:8]
    kompeten = configure(
        stack, AGENCIES, topic_prefix=run + ".", database_prefix=run, bodies={BODY: ""},
        settings={"enrollment": {"KOMPETEN_PDF_WORKERS": "0"}, "*": {"KOMPETEN_LOG_LEVEL": "WARNING"}},
    )  # fmt: skip
    make_topics(kompeten)
    running = Running(kompeten, MongoClient(stack.mongo))
    values = [(n % 4, cloudevent(registered(n))) for n in range(EMPLOYEES)]
    values += [(n % 4, cloudevent(completed(EMPLOYEES + n, 0))) for n in range(waiting)]
    asyncio.run(publish(running, values))
    with Processes(run_dir) as processes:
        start(kompeten, processes, ["enrollment"])
        running.until(lambda: running.count("enrollment", WAITING.name) >= waiting)
        running.until(lambda: running.count("enrollment", "employees") >= EMPLOYEES)
    return running


def cpu_s(running: Running) -> dict[str, float]:
    """Used so far by the service, and by the stack's MongoDB, which is a child's child of ours."""
    service = psutil.Process(running.kompeten.children["enrollment"].pid)
    (mongod,) = [one for one in psutil.Process().children(recursive=True) if one.name() == "mongod"]
    found = {"service": service, "mongod": mongod}
    return {name: sum(process.cpu_times()[:2]) for name, process in found.items()}


def once(running: Running, run_dir: Path, turn: int, looks: float) -> dict[str, float]:
    done, per_employee = running.count("enrollment", "completions"), BACKLOG // EMPLOYEES
    first = turn * per_employee
    values = [
        (n % 4, cloudevent(completed(n, training)))
        for training in range(first, first + per_employee)
        for n in range(EMPLOYEES)
    ]
    asyncio.run(publish(running, values))
    with Processes(run_dir) as processes:
        start(running.kompeten, processes, ["enrollment"])
        running.until(lambda: running.count("enrollment", "completions") >= done + WARM)
        at, begun = running.count("enrollment", "completions"), time.perf_counter()
        cpu = cpu_s(running)
        running.until(lambda: running.count("enrollment", "completions") >= done + BACKLOG)
        events, seconds = done + BACKLOG - at, time.perf_counter() - begun
        used = {f"cpu_us_{name}": (at - cpu[name]) / events * 1e6 for name, at in cpu_s(running).items()}
        busy_mb = running.memory_mb()["enrollment"]
        asyncio.run(quiet(running))
        samples = round(looks * EVERY_S * LATENCIES_PER_S)
        pause_s = 1 / LATENCIES_PER_S
        latency = asyncio.run(idle_latency(running, samples, EMPLOYEES, turn * samples, pause_s))
        return {
            "events_per_s": events / seconds,
            **used,
            "latency_ms_p50": statistics.median(latency) * 1e3,
            "latency_ms_p99": statistics.quantiles(latency, n=100)[98] * 1e3,
            "memory_busy_mb": busy_mb,
            "memory_idle_mb": running.memory_mb()["enrollment"],
        }


async def quiet(running: Running) -> None:
    """When the last batch's events are published too: read later, they would pass for those of the samples."""
    topic = running.kompeten.topic_prefix + ENROLLMENT_EVENTS
    consumer = AIOKafkaConsumer(**running.kompeten.stack.kafka.options())
    await consumer.start()
    before: dict[TopicPartition, int] = {}
    while True:
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        ends = await consumer.end_offsets(partitions)
        if ends == before:
            break
        before = ends
        await asyncio.sleep(QUIET_S)
    await consumer.stop()


def measure(
    stack: Stack, waiting: int, rounds: int, looks: float, run_dir: Path
) -> dict[int, list[dict[str, float]]]:
    systems = {count: system(stack, run_dir, count) for count in (0, waiting)}
    found: dict[int, list[dict[str, float]]] = {count: [] for count in systems}
    for turn in range(rounds):
        for count in sorted(systems, reverse=turn % 2 == 1):
            found[count].append(once(systems[count], run_dir, turn, looks))
            figures = "  ".join(f"{name} {value:,.1f}" for name, value in found[count][-1].items())
            print(f"  {count:>7,} waiting  {figures}", flush=True)
    for count, running in systems.items():
        assert running.count("enrollment", WAITING.name) == count
        running.mongo.drop_database(running.kompeten.database("enrollment"))
    return found


def main(waiting: int = 100_000, rounds: int = 3, looks: float = LOOKS) -> None:
    run_dir = Path(".run/bench-waiting")
    with local_stack(run_dir) as stack:
        found = measure(stack, waiting, rounds, looks, run_dir / "services")
        took = stack.took
    medians = {
        count: {name: statistics.median(one[name] for one in those) for name in those[0]}
        for count, those in found.items()
    }
    ratios = {name: medians[waiting][name] / medians[0][name] for name in medians[0]}
    report = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python -m tests.bench.waiting", *sys.argv[1:]]),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "stack": took,
        "commit": commit(),
        "waiting": waiting,
        "rounds": found,
        "medians": medians,
        "with_waiting_against_without": ratios,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "waiting.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{'median of ' + str(rounds):16}  {'0 waiting':>12}  {f'{waiting:,} waiting':>16}  ratio")
    for name, ratio in ratios.items():
        print(f"{name:16}  {medians[0][name]:>12,.1f}  {medians[waiting][name]:>16,.1f}  {ratio:.2f}")
    print("wanted: events_per_s at least 0.9, memory no more than 1.1")
    if (load := os.getloadavg()[0]) > (os.cpu_count() or 1):
        print(f"the machine was busy with something else too (load {load:.1f}): run it again when it is idle")


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:3]), *map(float, sys.argv[3:4]))
    except StackError as error:
        sys.exit(f"bench: {error}")
