"""What a register change that concerns many people costs everybody else: `python -m tests.bench.refold [PEOPLE]`.

One agency has registered PEOPLE (100,000) with a completion each, and is distrusted from its first event on: all of them
and all that was reported of them are judged anew, page by page. Three other agencies publish completions: their rate
before that, meanwhile and after it, and the medians. After the last round beside it enrollment is killed and started
again: the judging goes on where it was. Wanted: at least 0.8. Writes tests/bench/results/refold.json.
"""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import httpx
from pymongo import MongoClient

from devstack import Stack, local_stack
from devstack.kompeten import SERVICES, configure, make_topics, start
from devstack.ports import free_ports
from devstack.processes import Processes
from services.enrollment.reach.documents import SWEEP
from tests.bench.whole import AGENCIES, PER_EMPLOYEE, Running, publish
from tests.bench.workload import BODY, cloudevent, completed, registered

RESULTS: Final = Path(__file__).parent / "results/refold.json"
ROUNDS: Final = 3
COMPLETIONS: Final = 6_000
"""Of the others, a round."""
DISTRUSTED: Final = 3
"""Place of the agency."""
FIRST_OF_THEM: Final = 200_000
PAGE: Final = 20_000


def populate(running: Running, people: int) -> None:
    for first in range(0, people, PAGE):
        those = range(FIRST_OF_THEM + first, FIRST_OF_THEM + min(people, first + PAGE))
        asyncio.run(publish(running, [(DISTRUSTED, cloudevent(registered(n))) for n in those]))
        asyncio.run(publish(running, [(DISTRUSTED, cloudevent(completed(n, 0))) for n in those]))
        earned = first + len(those)
        running.until(partial(_have_earned, running, earned))
        print(f"  {earned:8,} people", flush=True)


def _have_earned(running: Running, completions: int) -> bool:
    return running.count("incentive", "earned_completions") >= completions


def rate(running: Running, turn: int) -> float:
    """Completions of the others a second, until their points are settled."""
    employees = COMPLETIONS // PER_EMPLOYEE
    first = 1 + turn * employees
    contacts, earned = (
        running.count("notification", "contacts"),
        running.count("incentive", "earned_completions"),
    )
    asyncio.run(publish(running, [(n % 3, cloudevent(registered(first + n))) for n in range(employees)]))
    running.until(lambda: running.count("notification", "contacts") >= contacts + employees)
    values = [
        (n % employees % 3, cloudevent(completed(first + n % employees, n // employees)))
        for n in range(COMPLETIONS)
    ]
    begun = time.perf_counter()
    asyncio.run(publish(running, values))
    running.until(partial(_have_earned, running, earned + COMPLETIONS))
    return COMPLETIONS / (time.perf_counter() - begun)


def left(running: Running) -> int:
    """People whom the distrust concerns and who are not judged by it yet."""
    enrollment = running.mongo[running.kompeten.database("enrollment")]
    register = enrollment.registers.find_one()
    assert register is not None
    generation = register["generation"]
    return enrollment.employees.count_documents(
        {"claims.agency": AGENCIES[DISTRUSTED], "judged": {"$not": {"$gte": generation}}}
    )


def is_swept(running: Running) -> bool:
    enrollment = running.mongo[running.kompeten.database("enrollment")]
    register, sweep = enrollment.registers.find_one(), enrollment.sweeps.find_one({"_id": SWEEP})
    return register is not None and sweep is not None and sweep["generation"] >= register["generation"]


def measure(stack: Stack, people: int, run_dir: Path) -> dict[str, object]:
    run = "refold" + uuid.uuid4().hex[:8]
    kompeten = configure(
        stack, AGENCIES, topic_prefix=run + ".", database_prefix=run, bodies={BODY: ""},
        settings={"enrollment": {"KOMPETEN_PDF_WORKERS": "0"},
                  "notification": {"KOMPETEN_SMTP_PORT": str(free_ports(1)[0])},
                  "*": {"KOMPETEN_LOG_LEVEL": "WARNING"}},
    )  # fmt: skip
    make_topics(kompeten)
    running = Running(kompeten, MongoClient(stack.mongo))
    rates: dict[str, list[float]] = {"before": [], "meanwhile": [], "after": []}

    def rounds(kind: str, first: int) -> None:
        for turn in range(first, first + ROUNDS):
            rates[kind].append(rate(running, turn))
            print(f"  {kind:10} {rates[kind][-1]:8,.0f}/s", flush=True)

    with Processes(run_dir) as processes:
        start(kompeten, processes)
        populate(running, people)
        rounds("before", 0)
        begun = time.perf_counter()
        said = httpx.post(
            f"{kompeten.urls['enrollment']}/agencies/{AGENCIES[DISTRUSTED]}/distrusts",
            json={"since": datetime(2026, 1, 1, tzinfo=UTC).isoformat(), "reason": "bench"},
            headers={"authorization": f"Bearer {kompeten.token('operator')}"},
            timeout=60,
        )
        said.raise_for_status()
        rounds("meanwhile", ROUNDS)
        remaining = left(running)
        if not remaining:
            raise RuntimeError("all was judged before the last round beside it: take more people")
        os.kill(kompeten.children["enrollment"].pid, signal.SIGKILL)
        start(kompeten, processes, ["enrollment"])
        running.until(lambda: left(running) == 0)
        took = time.perf_counter() - begun
        running.until(lambda: is_swept(running))
        rounds("after", 2 * ROUNDS)
    for service in SERVICES:
        running.mongo.drop_database(kompeten.database(service))
    share = median(rates["meanwhile"]) / median([*rates["before"], *rates["after"]])
    return {
        "people": people,
        "rates": rates,
        "share": share,
        "left_when_killed": remaining,
        "judged_anew_in_s": round(took, 1),
    }


if __name__ == "__main__":
    with local_stack(Path(".run/bench")) as own:
        result = measure(own, int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, Path(".run/bench/services"))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"the others beside {result['people']:,} people judged anew: {result['share']:.2f} of their rate otherwise; "
        f"all judged in {result['judged_anew_in_s']} s, {result['left_when_killed']:,} of them after a kill"
    )
