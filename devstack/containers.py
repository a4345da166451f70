"""Kafka and MongoDB as containers, under the images' own names. Removing them is the guardian's work."""

import os
import secrets
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from docker.client import DockerClient
from docker.errors import DockerException, ImageNotFound

from devstack import broker, kept, probes
from devstack.errors import StackError
from devstack.ports import HOST, free_ports
from devstack.processes import Processes, wait_ready
from shared.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

MONGO_IMAGE = "mongo:8.0"
KAFKA_IMAGE = "apache/kafka:4.3.1"
RYUK_IMAGE = "testcontainers/ryuk:0.8.1"
READY_S = 90.0
KAFKA_DATA = "/var/lib/kafka/data"
LABEL = "kompeten.stack"
KEEPS_DATA = "kompeten.stack.keeps_data"
STOPS_WITHIN_S = 10
FAILURES = (DockerException, requests.RequestException)


def engine_and_images() -> str:
    """The engine's version. StackError: no engine answers, or an image is not to be had."""
    try:
        client = DockerClient.from_env(timeout=10)
        version = str(client.version()["Version"])
    except FAILURES as error:
        raise StackError("no Docker engine answers") from error
    for image in (MONGO_IMAGE, KAFKA_IMAGE):
        # testcontainers' own setting for those who pull through a mirror
        name = os.environ.get("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "") + image
        try:
            client.images.get(name)
        except ImageNotFound:
            _pull(name)
    return version


def _pull(image: str) -> None:
    print(f"stack: pulling {image}", flush=True)
    try:
        DockerClient.from_env(timeout=300).images.pull(image)
    except FAILURES as error:
        raise StackError(f"Docker answers, but the image {image} is neither here nor to be pulled") from error


def start_kafka_and_mongo(
    processes: Processes, kafka: KafkaConnection | None, mongo: str | None, *, keep: bool = False
) -> tuple[KafkaConnection, str]:
    """Kafka's administrator and MongoDB's URL, both ready; one that is given is not started. With `keep` their data
    are in volumes of the run directory, which stay."""
    _settle_testcontainers()
    run_dir = processes.run_dir
    label = f"{LABEL}={uuid.uuid4().hex}"
    processes.ask(do="watch containers", label=label)  # before the first is made: none can be forgotten
    kafka_port, mongo_port = free_ports(2)
    password = secrets.token_hex(16)
    admin = kafka or broker.administrator(f"{HOST}:{kafka_port}", password)
    url = mongo or probes.mongo_url(f"{HOST}:{mongo_port}")
    try:
        if keep:
            _remove_left_over(run_dir)
        started_mongo = started_kafka = None
        if not mongo:
            data = _kept_volume(run_dir, "mongo") if keep else None
            started_mongo = _start("mongod", _mongo(mongo_port, data), mongo_port, label, run_dir)
        if not kafka:
            data = _kept_volume(run_dir, "kafka") if keep else None
            started_kafka = _start("kafka", _kafka(kafka_port, password, data), kafka_port, label, run_dir)
        if started_mongo is not None:
            _wait("mongod", started_mongo, lambda: probes.is_primary(url))
        if started_kafka is not None:
            _wait("kafka", started_kafka, lambda: probes.kafka_answers(admin))
    except FAILURES as error:
        raise StackError(f"Docker could not run the containers: {error}") from error
    return admin, url


def _settle_testcontainers() -> None:
    """Read once, when testcontainers is first imported; what the user has set stays."""
    if Path("/.dockerenv").exists():
        os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    try:
        DockerClient.from_env().images.get(RYUK_IMAGE)
    except ImageNotFound:
        # The guardian does Ryuk's work; it is a second pair of eyes where its image is there.
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


def _remove_left_over(run_dir: Path) -> None:
    """Of a run that was killed together with its guardian: two must not work on the same data."""
    label = {"label": f"{kept.RUN_DIR}={run_dir}"}
    for container in DockerClient.from_env().containers.list(all=True, filters=label):
        container.remove(force=True, v=True)


def _kept_volume(run_dir: Path, name: str) -> str:
    """Made once, and found again by its name."""
    made = DockerClient.from_env().volumes.create(
        kept.volume(run_dir, name), labels={kept.RUN_DIR: str(run_dir)}
    )
    return str(made.name)


def _mongo(port: int, data: str | None) -> "DockerContainer":
    """Listens inside on the port it has outside: a replica set's clients use the members' own addresses."""
    from testcontainers.core.container import DockerContainer

    options = ["--port", str(port), "--bind_ip_all", *probes.MONGOD_OPTIONS]
    container = DockerContainer(MONGO_IMAGE).with_command(["mongod", *options])
    return container if data is None else container.with_volume_mapping(data, "/data/db", "rw")


def _kafka(port: int, password: str, data: str | None) -> "DockerContainer":
    """HOST is for this machine, BROKER for the broker and the tools in the container."""
    from testcontainers.core.container import DockerContainer

    settings = {
        **broker.SETTINGS,
        **broker.guarded(["BROKER", "HOST"], password),
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": f"HOST://0.0.0.0:{port},BROKER://localhost:9092,CONTROLLER://localhost:9093",
        "advertised.listeners": f"HOST://{HOST}:{port},BROKER://localhost:9092",
        **({} if data is None else {"log.dirs": KAFKA_DATA}),
    }
    variables = {
        **broker.as_variables(settings),
        "CLUSTER_ID": broker.CLUSTER_ID,
        "KAFKA_HEAP_OPTS": broker.HEAP,
    }
    container = DockerContainer(KAFKA_IMAGE).with_envs(**variables)
    return container if data is None else container.with_volume_mapping(data, KAFKA_DATA, "rw")


def _start(name: str, container: "DockerContainer", port: int, label: str, run_dir: Path) -> "Container":
    container.ports[str(port)] = (HOST, port)  # type: ignore[assignment]  # Docker takes it; with_bind_ports does not
    key, _, value = label.partition("=")
    labels = {key: value, f"{LABEL}.name": name, f"{LABEL}.starter": str(os.getpid())}
    if container.volumes:
        labels[KEEPS_DATA] = "yes"
    container.with_kwargs(labels={**labels, kept.RUN_DIR: str(run_dir)})
    container.start()
    if container.get_container_host_ip() not in ("localhost", HOST):
        raise StackError(f"the Docker engine is on another machine ({container.get_container_host_ip()})")
    return container.get_wrapped_container()


def _wait(name: str, container: "Container", ready: probes.Probe) -> None:
    def has_ended() -> str | None:
        container.reload()
        return (
            None if container.status in ("created", "running") else f"stopped (container {container.status})"
        )

    wait_ready(
        name,
        ready,
        READY_S,
        "ready",
        has_ended=has_ended,
        tail=lambda: container.logs(tail=30).decode(errors="replace"),
    )
