"""One stage against its peers, in one run on one stack: `python -m tests.bench.stage [EVENTS] [PER_EMPLOYEE]`."""

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path

from pymongo import MongoClient

from devstack import Stack, local_stack
from tests.bench.workload import prepare, told

SLOW = 1_000  # one transaction a message: enough for a steady rate
ROUNDS = 3
CONTENDERS = ("faststream", "faststream_batch", "ours", "bare")


def measure(
    stack: Stack, events: int, per_employee: int, contenders: tuple[str, ...] = CONTENDERS
) -> dict[str, list[float]]:
    """Events/s by contender, one figure a round. A machine's speed drifts by a tenth from minute to minute, so
    every round has each of them, on topics and a database of its own, and begins with another one."""
    rates: dict[str, list[float]] = {contender: [] for contender in contenders}
    for turn in range(ROUNDS):
        first = turn % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            result = once(stack, contender, events, per_employee)
            rates[contender].append(result["events_per_s"])
            print(
                f"  {contender:17} {result['events_per_s']:8,.0f}/s  {result['cpu_us_per_event']:7,.0f} us CPU",
                flush=True,
            )
    return rates


def once(stack: Stack, contender: str, events: int, per_employee: int) -> dict[str, float]:
    run = "bench" + uuid.uuid4().hex[:8]
    count = min(events, SLOW) if contender == "faststream" else events
    count -= count % per_employee
    asyncio.run(prepare(stack.kafka, stack.mongo, run, count, per_employee))
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.contenders", contender, stack.mongo, run, str(count)],
        capture_output=True, text=True, timeout=600, env=told(stack.kafka),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{contender}: {done.stderr[-3000:]}")
    MongoClient(stack.mongo).drop_database(f"{run}_enrollment")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with local_stack(Path(".run/bench")) as running:
        measure(running, count, each, tuple(sys.argv[3:]) or CONTENDERS)
