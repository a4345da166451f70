"""What asking who somebody is costs a stage: `python -m tests.bench.credentials [EVENTS]`.

On one broker, in turn: as nobody in particular, as its own user with its own rights, and as that user over TLS, as
systems outside connect. Wanted: who is asked pays less than 5 % of CPU more. Writes tests/bench/results/credentials.json.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from pymongo import MongoClient

from devstack import broker, native
from devstack.ports import HOST, free_ports
from devstack.processes import ROOT, Processes
from shared.contracts.rights import service_user
from shared.kafka.admin import KafkaAdmin
from shared.kafka.admin.acls import Acl
from shared.kafka.connection import KafkaConnection
from tests.bench.workload import prepare, told

RESULTS: Final = Path(__file__).parent / "results/credentials.json"
WAYS: Final = ("not_asked", "asked", "asked_over_tls")
ROUNDS: Final = 5
PER_EMPLOYEE: Final = 5


class Broker(NamedTuple):
    admin: KafkaConnection
    unguarded: str
    """An address that asks nobody..."""
    sealed: str
    """... and one that asks, over TLS."""
    ca: str


def start_broker(processes: Processes, data: Path, cache: Path) -> Broker:
    guarded, unguarded, sealed, controller = (f"{HOST}:{port}" for port in free_ports(4))
    password, secrets_dir = secrets.token_hex(16), certificate(data / "certificate")
    settings = {
        **broker.SETTINGS,
        **broker.guarded(["GUARDED", "SEALED"], password, unguarded=["OPEN"]),
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"GUARDED://{guarded},SEALED://{sealed},OPEN://{unguarded},CONTROLLER://{controller}",
        "advertised.listeners": f"GUARDED://{guarded},SEALED://{sealed},OPEN://{unguarded}",
        "log.dirs": str(data / "log"),
        "listener.name.sealed.ssl.keystore.type": "PEM",
        "listener.name.sealed.ssl.keystore.location": str(secrets_dir / "kafka_certificate"),
    }
    protocols = settings["listener.security.protocol.map"]
    settings["listener.security.protocol.map"] = protocols.replace("SEALED:SASL_PLAINTEXT", "SEALED:SASL_SSL")
    child = native.start_broker(processes, "kafka", data, cache, settings)
    admin = broker.administrator(guarded, password)
    native.kafka_ready(child, admin)
    return Broker(admin, unguarded, sealed, str(secrets_dir / "kafka_ca.pem"))


def certificate(place: Path) -> Path:
    """As operators make it; the folder that it is in."""
    script = place / "deploy/make-certificate.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "deploy/make-certificate.sh", script)
    subprocess.run(["sh", script, HOST], check=True, capture_output=True)
    return script.parent / "secrets"


def once(known: Broker, mongo: str, events: int, way: str) -> float:
    """CPU of the stage, in us an event."""
    run = "asked" + uuid.uuid4().hex[:8]
    admin = known.admin
    asyncio.run(prepare(admin, mongo, run, events, PER_EMPLOYEE))
    rights = KafkaAdmin(admin, run + ".")
    if way == "not_asked":
        rights.acls.ensure(
            [Acl("ANONYMOUS", "all", kind, run + ".", prefixed=True) for kind in ("topic", "group")]
        )
        kafka = KafkaConnection(known.unguarded)
    else:
        user, password = service_user("enrollment", run + "."), secrets.token_hex(16)
        rights.ensure_services({"enrollment": password})
        kafka = (
            KafkaConnection(admin.bootstrap, user, password, "sasl_plaintext")
            if way == "asked"
            else KafkaConnection(known.sealed, user, password, "sasl_ssl", ca=known.ca)
        )
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.contenders", "ours", mongo, run, str(events)],
        capture_output=True, text=True, timeout=600, env=told(kafka),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    MongoClient(mongo).drop_database(f"{run}_enrollment")
    return float(json.loads(done.stdout.splitlines()[-1])["cpu_us_per_event"])


def measure(events: int, run_dir: Path) -> dict[str, Any]:
    cache = Path(os.environ.get("KOMPETEN_CACHE") or ROOT / ".run/cache").resolve()
    cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    with Processes(run_dir) as processes:
        mongod, mongo = native.start_mongo(processes, run_dir / f"mongo-{os.getpid()}", cache)
        native.mongo_ready(mongod, mongo)
        known = start_broker(processes, run_dir / f"kafka-{os.getpid()}", cache)
        for turn in range(ROUNDS):
            first = turn % len(WAYS)  # none is always the first of its round
            for way in (*WAYS[first:], *WAYS[:first]):
                cpu[way].append(once(known, mongo, events, way))
                print(f"  {way:14} {cpu[way][-1]:7,.0f} us CPU an event", flush=True)
    shares = {way: median(cpu[way]) / median(cpu["not_asked"]) for way in WAYS[1:]}
    return {"cpu_us": cpu, "shares": shares, "events": events}


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, Path(".run/bench-credentials"))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    shares = found["shares"]
    print(
        f"asked who it is, a stage takes {shares['asked']:.2f} x the CPU of one that is not, "
        f"over TLS {shares['asked_over_tls']:.2f} x"
    )
