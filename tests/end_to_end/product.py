"""The three services as their users meet them: a log to publish to, addresses to call, mails that arrive."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pymongo
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from devstack.kompeten import SERVICES, Kompeten
from services.notification.delivery.policy import HELD
from shared.contracts.agency import EmployeeRegistered
from shared.contracts.payload import Payload
from shared.contracts.topics import agency_topic, topic_specs
from shared.kafka.connection import KafkaConnection
from shared.pipeline.records import Record
from tests.factories import OPD, as_record, registered

OTHER_OPD: Final = "dinas-kedua"
WITHIN_S: Final = 180.0
"""Generous: other work may have the machine."""
POLL_S: Final = 0.05
OPEN: Final = ["queued", "leased", "deferred", "handing_over"]

V = TypeVar("V")
_numbers = count(1)


@dataclass(frozen=True)
class Person:
    """Somebody that nobody else in this run is."""

    number: str
    name: str
    email: str

    def registration(self, **changes: object) -> EmployeeRegistered:
        return registered(self.number, **{"name": self.name, "email": self.email, **changes})


# The stack's mail catcher is shared with whatever else runs beside.
RUN = secrets.token_hex(4)


def somebody(name: str = "Dra. Contoh Pegawai, M.Si.") -> Person:
    n = next(_numbers)
    return Person(f"19850101201001{1 + n // 1000}{n % 1000:03d}", name, f"pegawai.{n}.{RUN}@example.com")


def until(probe: Callable[[], V | None], what: str, within_s: float = WITHIN_S) -> V:
    """The first answer of `probe` that is not empty."""
    deadline = time.monotonic() + within_s
    while True:
        if answer := probe():
            return answer
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(POLL_S)


def structured(payload: Payload, id: str | None = None, **attributes: str) -> dict[str, Any]:
    """An event as an agency's system writes it, to be changed before it is sent."""
    record = as_record(payload, id=id or fresh_id(), time=datetime.now(UTC), attributes=attributes)
    assert record.value is not None
    event: dict[str, Any] = json.loads(record.value)
    return event


def fresh_id() -> str:
    return f"evt-{secrets.token_hex(8)}"


class Deciding(httpx.HTTPTransport):
    """Sends a command again under its key until it is decided: on a busy machine that takes longer than one request
    waits. Each command has a key, its own or one given here."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            request.headers.setdefault("Idempotency-Key", secrets.token_hex(8))
        deadline = time.monotonic() + WITHIN_S
        while True:
            answer = super().handle_request(request)
            if "/decisions/" not in answer.headers.get("location", "") or time.monotonic() > deadline:
                return answer
            answer.read()
            answer.close()


class Product:
    """All that tests may do to it. One for the whole run: tests use people and trainings of their own."""

    def __init__(self, kompeten: Kompeten, logs: Path) -> None:
        self.kompeten, self.logs = kompeten, logs
        self.mongo: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(kompeten.stack.mongo)
        self._mail = httpx.Client(base_url=kompeten.stack.mail_page, timeout=30)
        self._runner = asyncio.Runner()
        self._producers: dict[str, AIOKafkaProducer] = {}
        self._clients: dict[str, httpx.Client] = {}

    def close(self) -> None:
        for producer in self._producers.values():
            self._runner.run(producer.stop())
        self._runner.close()
        self.mongo.close()
        for client in (self._mail, *self._clients.values()):
            client.close()

    # What agencies do.

    def publish(
        self, *events: Payload | Record | dict[str, Any] | bytes, opd: str = OPD, source: str = ""
    ) -> list[str]:
        """To the agency's topic, acknowledged, in this order; ids of those events that were given as payloads.

        Bytes go as they are, without headers.
        """
        ids, records = [], list[Record]()
        for event in events:
            if isinstance(event, Payload):
                ids.append(fresh_id())
                event = as_record(
                    event, id=ids[-1], source=source or f"urn:{opd}:simpeg", time=datetime.now(UTC)
                )
            elif isinstance(event, dict):
                event = json.dumps(event).encode()
            if isinstance(event, bytes):
                event = Record(as_record(registered()).at, 0, None, event, ())
            records.append(event)
        self._runner.run(self._send(opd, records))
        return ids

    def write(self, topic: str, *records: Record) -> None:
        """To any topic, as whoever gets at Kafka's administration can."""
        topic = self.kompeten.topic_prefix + topic
        self._runner.run(self._sent("", self.kompeten.stack.kafka, topic, records))

    async def _send(self, opd: str, records: Sequence[Record]) -> None:
        """As the agency itself, with no more rights than it has."""
        topic = agency_topic(opd, self.kompeten.topic_prefix)
        await self._sent(opd, self.kompeten.kafka_of_agency(opd), topic, records)

    async def _sent(self, name: str, kafka: KafkaConnection, topic: str, records: Sequence[Record]) -> None:
        if name not in self._producers:
            self._producers[name] = AIOKafkaProducer(**kafka.options(), acks="all")
            await self._producers[name].start()
        sent = [
            await self._producers[name].send(
                topic, one.value, one.key, partition=0, headers=list(one.headers)
            )
            for one in records
        ]
        await asyncio.gather(*sent)

    def log_of(self, opd: str = OPD) -> list[bytes]:
        """Every record of an agency's topic."""
        return self.records_of(agency_topic(opd))

    def records_of(self, topic: str) -> list[bytes]:
        """Every record of a topic, all partitions."""
        return self._runner.run(self._read(self.kompeten.topic_prefix + topic))

    async def _read(self, topic: str) -> list[bytes]:
        (count,) = (
            spec.partitions
            for spec in topic_specs(self.kompeten.agencies, self.kompeten.topic_prefix)
            if spec.name == topic
        )
        parts = [TopicPartition(topic, partition) for partition in range(count)]
        consumer = AIOKafkaConsumer(**self.kompeten.stack.kafka.options(), enable_auto_commit=False)
        values: list[bytes] = []
        async with consumer:
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            for tp in parts:
                consumer.seek(tp, 0)
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    values += [record.value for record in records]
        return values

    # What people and systems do over HTTP.

    def client(
        self, role: str | None, service: str = "enrollment", *, fresh: bool = False, **claims: str
    ) -> httpx.Client:
        """Signed in; role None: nobody. `fresh` gives one with connections of its own."""
        name = json.dumps([role, service, claims])
        if not fresh and name in self._clients:
            return self._clients[name]
        headers = {"accept": "application/json"}
        if role is not None:
            headers["authorization"] = f"Bearer {self.kompeten.token(role, **claims)}"
        client = httpx.Client(
            base_url=self.kompeten.urls[service], headers=headers, transport=Deciding(), timeout=60
        )
        self._clients[name if not fresh else secrets.token_hex(8)] = client
        return client

    def internal(self, service: str, path: str) -> httpx.Response:
        """What is told to operators, on the port that the public does not reach."""
        return httpx.get(self.kompeten.internal_urls[service] + path, timeout=60)

    def employee(self, person: Person, service: str = "enrollment") -> httpx.Client:
        return self.client("employee", service, employee_number=person.number)

    def record(self, person: Person) -> dict[str, Any]:
        return _answer(self.employee(person).get("/me/record"))

    def points(self, person: Person) -> dict[str, Any]:
        return _answer(self.employee(person, "incentive").get("/me/points"))

    def mail_states(self, person: Person) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _answer(self.employee(person, "notification").get("/me/mails"))
        return found

    def decisions(self, event_id: str, service: str = "enrollment") -> list[dict[str, Any]]:
        """Latest last; empty while nothing is decided."""
        answer = self.client("auditor", service).get(f"/decisions/{event_id}")
        if answer.status_code == 404:
            return []
        found: list[dict[str, Any]] = _answer(answer)
        return found

    def verdict(self, event_id: str, service: str = "enrollment") -> dict[str, Any]:
        """The latest, as soon as there is one."""
        return until(lambda: self.decisions(event_id, service), f"a decision on {event_id}")[-1]

    # What arrives.

    def mails_for(self, address: str) -> list[dict[str, Any]]:
        """Whole mails, oldest first."""
        every = _answer(self._mail.get("/api/v1/messages", params={"limit": 100_000}))["messages"]
        ours = [mail["ID"] for mail in every if address in {to["Address"] for to in mail["To"]}]
        return [_answer(self._mail.get(f"/api/v1/message/{id}")) for id in reversed(ours)]

    def settled(self) -> None:
        """Until all that was published has had all its consequences: then a count is final.

        Offsets are noted in Kafka only after what a batch caused is published, so when all groups stand at
        the end, and no end moved while we looked, nothing is on its way.
        """
        until(self._is_settled, "everything published is decided, rendered and mailed")

    def _is_settled(self) -> bool:
        return not self._open_work() and self._runner.run(self._caught_up()) and not self._open_work()

    def _open_work(self) -> bool:
        enrollment, notification = self.database("enrollment"), self.database("notification")
        return bool(
            enrollment.renderings.count_documents({"state": {"$ne": "done"}}, limit=1)
            or notification.letters.count_documents({"state": "collecting"}, limit=1)
            # What is held waits for people to decide.
            or notification.mails.count_documents({"state": {"$in": OPEN}, "reason": {"$ne": HELD}}, limit=1)
        )

    async def _caught_up(self) -> bool:
        prefix = self.kompeten.topic_prefix
        specs = topic_specs(self.kompeten.agencies, prefix)
        every = [TopicPartition(spec.name, n) for spec in specs for n in range(spec.partitions)]
        async with AIOKafkaConsumer(**self.kompeten.stack.kafka.options()) as watcher:
            before = await watcher.end_offsets(every)
            for service in SERVICES:
                if not await self._stands_at(service, before):
                    return False
            return bool(await watcher.end_offsets(every) == before)

    async def _stands_at(self, service: str, ends: dict[TopicPartition, int]) -> bool:
        group = AIOKafkaConsumer(
            **self.kompeten.stack.kafka.options(),
            group_id=self.kompeten.topic_prefix + service,
            enable_auto_commit=False,
        )
        prefix = self.kompeten.topic_prefix
        reads = {
            "enrollment": ("agency.", "enrollment.commands"),
            "incentive": ("enrollment.events", "incentive.commands"),
            "notification": ("enrollment.events", "incentive.events", "notification.commands"),
        }[service]
        async with group:
            for tp, end in ends.items():
                if tp.topic.removeprefix(prefix).startswith(reads):
                    group.assign([tp])
                    if (await group.committed(tp) or 0) < end:
                        return False
        return True

    # What is inside, for what no address shows.

    def database(self, service: str) -> Any:
        return self.mongo[self.kompeten.database(service)]

    def contents(self) -> dict[str, str]:
        """A hash of each collection: equal when nothing at all has changed."""
        return {
            f"{service}.{name}": hash
            for service in SERVICES
            for name, hash in self.database(service).command("dbHash")["collections"].items()
        }

    def log_lines(self) -> dict[str, list[str]]:
        """What each service has printed."""
        return {
            name: (self.logs / f"{name}.log").read_text(encoding="utf-8").splitlines() for name in SERVICES
        }


def _answer(response: httpx.Response) -> Any:
    assert response.status_code == 200, (response.status_code, response.text)
    return response.json()


@contextmanager
def opened(kompeten: Kompeten, logs: Path) -> Iterator[Product]:
    product = Product(kompeten, logs)
    try:
        yield product
    finally:
        product.close()
