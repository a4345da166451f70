"""What asking who somebody is costs a stage: `python -m tests.bench.credentials [EVENTS]`.

On one broker, as its own user with its own rights and as nobody in particular, in turn. Wanted: less than 5 % of CPU.
Writes tests/bench/results/credentials.json.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import uuid
from pathlib import Path
from statistics import median
from typing import Final

from pymongo import MongoClient

from shared.contracts.rights import service_user
from shared.kafka_admin import KafkaAdmin
from shared.kafka_admin.acls import Acl
from shared.kafka_connection import KafkaConnection
from shared.stack import broker, native
from shared.stack.ports import HOST, free_ports
from shared.stack.processes import ROOT, Processes
from tests.bench.workload import prepare, told

RESULTS: Final = Path(__file__).parent / "results/credentials.json"
ROUNDS: Final = 5
PER_EMPLOYEE: Final = 5


def start_broker(processes: Processes, data: Path, cache: Path) -> tuple[KafkaConnection, str]:
    """Its administrator's connection, and an address that asks nobody."""
    guarded, unguarded, controller = (f"{HOST}:{port}" for port in free_ports(3))
    password = secrets.token_hex(16)
    settings = {
        **broker.SETTINGS,
        **broker.guarded(["GUARDED"], password, unguarded=["OPEN"]),
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"GUARDED://{guarded},OPEN://{unguarded},CONTROLLER://{controller}",
        "advertised.listeners": f"GUARDED://{guarded},OPEN://{unguarded}",
        "log.dirs": str(data / "log"),
    }
    child = native.start_broker(processes, "kafka", data, cache, settings)
    admin = broker.administrator(guarded, password)
    native.kafka_ready(child, admin)
    return admin, unguarded


def once(admin: KafkaConnection, unguarded: str, mongo: str, events: int, *, asked: bool) -> float:
    """CPU of the stage, in us an event."""
    run = "asked" + uuid.uuid4().hex[:8]
    asyncio.run(prepare(admin, mongo, run, events, PER_EMPLOYEE))
    rights = KafkaAdmin(admin, run + ".")
    if asked:
        user, password = service_user("enrollment", run + "."), secrets.token_hex(16)
        rights.ensure_services({"enrollment": password})
        kafka = KafkaConnection(admin.bootstrap, user, password, "sasl_plaintext")
    else:
        rights.acls.ensure(
            [Acl("ANONYMOUS", "all", kind, run + ".", prefixed=True) for kind in ("topic", "group")]
        )
        kafka = KafkaConnection(unguarded)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.contenders", "ours", mongo, run, str(events)],
        capture_output=True, text=True, timeout=600, env=told(kafka),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    MongoClient(mongo).drop_database(f"{run}_enrollment")
    return float(json.loads(done.stdout.splitlines()[-1])["cpu_us_per_event"])


def measure(events: int, run_dir: Path) -> dict[str, object]:
    cache = Path(os.environ.get("KOMPETEN_CACHE") or ROOT / ".run/cache").resolve()
    cpu: dict[bool, list[float]] = {True: [], False: []}
    with Processes(run_dir) as processes:
        mongod, mongo = native.start_mongo(processes, run_dir / f"mongo-{os.getpid()}", cache)
        native.mongo_ready(mongod, mongo)
        admin, unguarded = start_broker(processes, run_dir / f"kafka-{os.getpid()}", cache)
        for turn in range(2 * ROUNDS):
            asked = bool((turn + turn // 2) % 2)  # neither is always the first of its pair
            cpu[asked].append(once(admin, unguarded, mongo, events, asked=asked))
            print(
                f"  {'asked' if asked else 'not asked':10} {cpu[asked][-1]:7,.0f} us CPU an event", flush=True
            )
    share = median(cpu[True]) / median(cpu[False])
    return {"asked_cpu_us": cpu[True], "not_asked_cpu_us": cpu[False], "share": share, "events": events}


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, Path(".run/bench-credentials"))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(f"asked who it is, a stage takes {found['share']:.2f} x the CPU of one that is not")
