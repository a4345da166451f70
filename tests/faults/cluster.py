"""Three brokers and a replica set of three, as processes; clients reach each through the network's proxies."""

import asyncio
import json
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from devstack import broker, native, probes
from devstack.ports import HOST, free_ports
from devstack.processes import Child, Processes
from shared.kafka.connection import KafkaConnection
from tests.faults.proxy import Network

NODES: Final = 3
READY_S: Final = 120.0
HEAP: Final = "-Xms256m -Xmx256m"
MONGOD: Final = ("--replSet", probes.REPLICA_SET, "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "512")
# MongoDB's own is 10 s; a primary that is gone is replaced after it.
ELECTION_MS: Final = 5_000
SMALL_DISK_MB: Final = 700


class Cluster:
    def __init__(self, processes: Processes, network: Network, directory: Path, cache: Path) -> None:
        self.processes, self.network, self.directory, self.cache = processes, network, directory, cache
        ports = free_ports(NODES * 6)
        self._direct, self._own, self._controllers = ports[0:3], ports[3:6], ports[6:9]
        self._kafka_proxies, self._mongo_proxies, self._open = ports[9:12], ports[12:15], ports[15:18]
        self._password = secrets.token_hex(16)
        self._mongo_own = free_ports(NODES)
        for node in range(NODES):
            network.listen(self._kafka_proxies[node], "broker", self._own[node])
            network.listen(self._mongo_proxies[node], "database", self._mongo_own[node])
        self.brokers: dict[int, Child] = {}
        self.databases: dict[int, Child] = {}
        self._small_disk: Path | None = None
        self.no_small_disk = "no small file system was asked for"

    @property
    def kafka(self) -> KafkaConnection:
        """As services reach it, for the administrator."""
        return self._administrator(*self._kafka_proxies)

    @property
    def kafka_open(self) -> str:
        """Where nobody is asked who they are: for a version that knows no credentials yet."""
        return ",".join(f"{HOST}:{port}" for port in self._open)

    def _administrator(self, *ports: int) -> KafkaConnection:
        return broker.administrator(",".join(f"{HOST}:{port}" for port in ports), self._password)

    @property
    def mongo(self) -> str:
        members = ",".join(f"{HOST}:{port}" for port in self._mongo_proxies)
        return f"mongodb://{members}/?replicaSet={probes.REPLICA_SET}"

    # Brokers

    def start_broker(self, node: int) -> None:
        voters = ",".join(f"{n + 1}@{HOST}:{port}" for n, port in enumerate(self._controllers))
        data = self.directory / f"kafka-{node}"
        settings = {
            **broker.SETTINGS,
            **broker.guarded(["DIRECT", "PROXIED"], self._password, unguarded=["OPEN"]),
            "node.id": str(node + 1),
            "controller.quorum.voters": voters,
            "listeners": f"DIRECT://{HOST}:{self._direct[node]},PROXIED://{HOST}:{self._own[node]},"
            f"OPEN://{HOST}:{self._open[node]},CONTROLLER://{HOST}:{self._controllers[node]}",
            "advertised.listeners": f"DIRECT://{HOST}:{self._direct[node]},"
            f"PROXIED://{HOST}:{self._kafka_proxies[node]},OPEN://{HOST}:{self._open[node]}",
            "log.dirs": str(data / "log"),
            "offsets.topic.replication.factor": str(NODES),
            "offsets.topic.num.partitions": "6",
            "transaction.state.log.replication.factor": str(NODES),
            "transaction.state.log.min.isr": "2",
            "default.replication.factor": str(NODES),
            "min.insync.replicas": "2",
            # Of a heap this small the usual 128 MB are not always there in one piece: then a broker ends at its start.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        }
        self.brokers[node] = native.start_broker(
            self.processes, f"kafka-{node}", data, self.cache, settings, heap=HEAP
        )

    async def brokers_ready(self) -> None:
        for node in range(NODES):
            admin = self._administrator(self._direct[node])
            await asyncio.to_thread(native.kafka_ready, self.brokers[node], admin)

    def controller(self) -> int:
        """The node that leads the quorum, as the nodes' own notes say."""
        epochs: dict[int, int] = {}
        for node in range(NODES):
            state = self.directory / f"kafka-{node}/log/__cluster_metadata-0/quorum-state"
            noted = json.loads(state.read_text())
            if noted["leaderId"] >= 1:
                epochs[noted["leaderEpoch"]] = noted["leaderId"] - 1
        return epochs[max(epochs)]

    # Databases

    def start_database(self, node: int) -> None:
        data = self.directory / f"mongo-{node}"
        if node == NODES - 1 and self._small_disk is not None:
            data = self._small_disk / "data"
        self.databases[node] = native.start_mongod(
            self.processes, f"mongod-{node}", data, self.cache, self._mongo_own[node], *MONGOD
        )

    async def databases_ready(self) -> None:
        await asyncio.to_thread(self._initiated)

    def _initiated(self) -> None:
        for node in range(NODES):
            address = f"{HOST}:{self._mongo_own[node]}"
            self.databases[node].wait_ready(lambda address=address: probes.port_answers(address), READY_S)  # type: ignore[misc]
        members = [
            {"_id": node, "host": f"{HOST}:{port}", "priority": 1}
            for node, port in enumerate(self._mongo_proxies)
        ]
        with self._direct_client(0) as client:
            client.admin.command(
                "replSetInitiate",
                {
                    "_id": probes.REPLICA_SET,
                    "members": members,
                    "settings": {"electionTimeoutMillis": ELECTION_MS},
                },
            )
        within(READY_S, lambda: self.primary() is not None, "a primary")

    def _direct_client(self, node: int) -> MongoClient[dict[str, Any]]:
        return MongoClient(
            f"mongodb://{HOST}:{self._mongo_own[node]}",
            directConnection=True,
            serverSelectionTimeoutMS=2000,
            connectTimeoutMS=2000,
        )

    def primary(self) -> int | None:
        for node, child in self.databases.items():
            if child.poll() is None:
                try:
                    with self._direct_client(node) as client:
                        if client.admin.command("hello").get("isWritablePrimary"):
                            return node
                except PyMongoError:
                    continue
        return None

    def step_down(self, node: int, for_s: int = 10) -> None:
        with self._direct_client(node) as client:
            client.admin.command({"replSetStepDown": for_s, "secondaryCatchUpPeriodSecs": 5, "force": True})

    def step_up(self, node: int) -> None:
        """Makes this one primary; tries until it is, for it must have caught up."""

        def up() -> bool:
            try:
                with self._direct_client(node) as client:
                    client.admin.command("replSetStepUp")
            except PyMongoError:
                pass
            return self.primary() == node

        within(READY_S, up, f"database {node} as primary")

    def mount_small_disk(self) -> None:
        """The last database's directory becomes a file system of its own that can be filled; `no_small_disk` says
        why not, if it can't."""
        place = self.directory / "small-disk"
        place.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "tmpfs", str(place)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            self.no_small_disk = "no small file system could be mounted: " + (done.stderr.strip() or "?")
        else:
            self._small_disk, self.no_small_disk = place, ""

    def leave_small_disk(self) -> None:
        """While the node is down: its data move to an ordinary directory."""
        assert self._small_disk is not None
        shutil.copytree(self._small_disk / "data", self.directory / f"mongo-{NODES - 1}")
        subprocess.run(["umount", str(self._small_disk)], check=True)
        self._small_disk = None

    def fill_disk(self) -> Path:
        """Takes all the space that is left."""
        assert self._small_disk is not None
        filler = self._small_disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024 * 1024))
            except OSError:
                pass
        return filler

    def close(self) -> None:
        for child in [*self.databases.values(), *self.brokers.values()]:
            child.send_signal(signal.SIGKILL)
        if self._small_disk is not None:
            for child in self.databases.values():
                child.wait(10)
            subprocess.run(["umount", str(self._small_disk)], capture_output=True, check=False)


def within(seconds: float, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(0.1)
