"""Kafka and MongoDB as processes of this machine. Who wants to break one starts it alone."""

import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devstack import broker, fetch, probes
from devstack.errors import StackError
from devstack.ports import HOST, free_ports
from devstack.processes import Child, Processes
from shared.kafka.connection import KafkaConnection

READY_S = 90.0


def start_kafka(
    processes: Processes, data: Path, cache: Path, port: int | None = None, password: str | None = None
) -> tuple[Child, KafkaConnection]:
    """The broker and its administrator's connection, not yet ready (see `kafka_ready`). What `data` holds is kept."""
    controller, *free = free_ports(2)
    address, password = f"{HOST}:{port or free[0]}", password or secrets.token_hex(16)
    settings = _settings(address, f"{HOST}:{controller}", data / "log", password)
    return start_broker(processes, "kafka", data, cache, settings), broker.administrator(address, password)


def start_broker(
    processes: Processes,
    name: str,
    data: Path,
    cache: Path,
    settings: Mapping[str, str],
    *,
    heap: str = broker.HEAP,
) -> Child:
    """One node by its settings, whose `log.dirs` is `data`/log; formats its storage when it is new."""
    java, jars = fetch.java(), fetch.kafka_jars(cache)
    data.mkdir(parents=True, exist_ok=True)
    properties = data / "server.properties"
    properties.touch(mode=0o600)
    properties.write_text(broker.as_properties(settings))
    if not (data / "log/meta.properties").exists():
        _format(java, jars, properties)
    log4j = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
    # Compiled lightly: in the minutes that it lives, compiling well costs more than it gains.
    flags = ["-XX:+UseG1GC", "-XX:TieredStopAtLevel=1"]
    argv = [java, *heap.split(), *flags, log4j, "-cp", f"{jars}/*", "kafka.Kafka", str(properties)]
    return processes.start(name, argv)


def kafka_ready(kafka: Child, admin: KafkaConnection) -> None:
    kafka.wait_ready(lambda: probes.kafka_answers(admin), READY_S)


def start_mongo(processes: Processes, data: Path, cache: Path, port: int | None = None) -> tuple[Child, str]:
    """A one-node replica set and its URL, not yet ready (see `mongo_ready`). What `data` holds is kept."""
    port = port or free_ports(1)[0]
    return start_mongod(processes, "mongod", data, cache, port), probes.mongo_url(f"{HOST}:{port}")


def start_mongod(processes: Processes, name: str, data: Path, cache: Path, port: int, *options: str) -> Child:
    """One node of a replica set that nobody has initiated."""
    data.mkdir(parents=True, exist_ok=True)
    argv = [fetch.mongod(cache), "--dbpath", str(data), "--port", str(port), "--bind_ip", HOST]
    argv += ["--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false"]
    return processes.start(name, [*argv, *(options or probes.MONGOD_OPTIONS)])


def mongo_ready(mongo: Child, url: str) -> None:
    mongo.wait_ready(lambda: probes.is_primary(url), READY_S, "primary")


def _settings(address: str, controller: str, log: Path, password: str) -> dict[str, str]:
    return {
        **broker.SETTINGS,
        "controller.quorum.voters": f"1@{controller}",
        **broker.guarded(["CLIENTS"], password),
        "listeners": f"CLIENTS://{address},CONTROLLER://{controller}",
        "advertised.listeners": f"CLIENTS://{address}",
        "log.dirs": str(log),
    }


def _format(java: str, jars: Path, properties: Path) -> None:
    # One thread and the first compiler only: it lives for a second.
    flags = ["-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    tool = ["kafka.tools.StorageTool", "format", "-t", broker.CLUSTER_ID, "-c", str(properties)]
    done = subprocess.run(
        [java, *flags, "-cp", f"{jars}/*", *tool], capture_output=True, text=True, check=False
    )
    if done.returncode:
        shutil.rmtree(properties.parent / "log", ignore_errors=True)
        raise StackError(f"Kafka's storage could not be formatted\n{done.stdout}{done.stderr}")
