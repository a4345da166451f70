"""Kompeten on topics, databases and a mail catcher of its own, whose services a test kills and starts again."""

import asyncio
import itertools
import json
import os
import re
import secrets
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar, cast
from urllib.error import HTTPError, URLError

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.database import Database

from devstack import Stack
from devstack.companions import mail_ready, start_mail
from devstack.kompeten import SERVICES, Kompeten, configure, launch, make_topics
from devstack.ports import free_ports
from devstack.processes import Child, Processes
from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.enrollment.bodies.documents import BODIES
from services.enrollment.certificates.documents import RENDERINGS, SEQUENCES, STORED_PDFS
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.persons.documents import EMPLOYEES
from services.enrollment.reach.documents import SWEEP, SWEEPS
from services.incentive.points.documents import ACCOUNTS, EARNED_COMPLETIONS, POINT_ENTRIES
from services.notification.letters.documents import LETTERS, MAILS
from shared.contracts.topics import ENROLLMENT_EVENTS, INCENTIVE_EVENTS, PARTITIONS, agency_topic
from shared.kafka.connection import KafkaConnection
from shared.pipeline.documents import Collection, Document
from shared.pipeline.errors import Unavailable
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, WAITING
from tests.chaos import ledger
from tests.chaos.ledger import Decided, Found, Published
from tests.chaos.traffic import CONNECTED, ISSUERS, Message, Traffic

POLL_S: Final = 0.2
READY_S: Final = 90.0
SETTLED_S: Final = 150.0
NO_SIGNAL: Final = cast("signal.Signals", 0)  # asks only whether anybody is there
D = TypeVar("D", bound=Document)
Raw = dict[str, Any]


class System:
    def __init__(self, stack: Stack, processes: Processes, *, seed: int = 1, revoking: bool = True) -> None:
        run = secrets.token_hex(4)
        mail, smtp, page = start_mail(processes, processes.run_dir / f"mail-{run}")
        self.stack, self.processes = replace(stack, smtp=smtp, mail_page=page), processes
        self.kompeten: Kompeten = configure(
            self.stack, CONNECTED, topic_prefix=f"chaos-{run}.", database_prefix=f"chaos_{run}",
            bodies=ISSUERS,
            # What waits for its turn until tomorrow is not told from what got lost.
            settings={"notification": {"KOMPETEN_LETTERS_A_DAY": "100000"}},
        )  # fmt: skip
        self.traffic = Traffic(
            self.kompeten.env["enrollment"]["KOMPETEN_SECRET"],
            self.kompeten.topic_prefix,
            seed,
            revoking=revoking,
        )
        self.dead_letters = 0
        self.client: MongoClient[Raw] = MongoClient(stack.mongo, readConcernLevel="majority")
        self._page = httpx.Client(base_url=page, timeout=60)
        self._replicas = itertools.count(2)
        mail_ready(mail, page)

    def close(self) -> None:
        for child in self.kompeten.children.values():
            child.kill()
        for service in SERVICES:
            self.client.drop_database(self.kompeten.database(service))
        self.client.close()
        self._page.close()

    # Processes

    async def make_topics(self) -> None:
        await asyncio.to_thread(make_topics, self.kompeten)

    def launch(self, service: str, failpoint: str = "", **env: str) -> Child:
        more = {"KOMPETEN_FAILPOINT": failpoint} if failpoint else {}
        return launch(self.kompeten, self.processes, service, **more, **env)

    def spare(self, service: str) -> str:
        """Settings for one more process of a service; the name that they are under."""
        (port,) = free_ports(1)
        name = f"{service}-{next(self._replicas)}"
        self.kompeten.env[name] = {
            **self.kompeten.env[service],
            "KOMPETEN_HTTP_PORT": str(port),
            "KOMPETEN_INTERNAL_PORT": "0",
        }
        self.kompeten.urls[name] = f"http://127.0.0.1:{port}"
        return name

    def replica(self, service: str) -> tuple[Child, str]:
        """A second process of a service, and its address."""
        name = self.spare(service)
        env = self.kompeten.env[name]
        child = self.processes.start_python(name, f"services.{service}", env={**foreign(env), **env})
        self.kompeten.children[name] = child
        return child, self.kompeten.urls[name]

    def child(self, service: str) -> Child:
        return self.kompeten.children[service]

    def faults_of(self, service: str) -> list[str] | None:
        """What readiness complains about, [] when ready, None when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.kompeten.urls[service]}/health/ready", timeout=6) as answer:
                checks = json.load(answer)
        except HTTPError as error:
            checks = json.load(error)
        except (URLError, OSError):
            return None
        return [f"{one['name']}: {one['sentence']}" for one in checks if not one["ok"]]

    async def ready(self, *services: str, within_s: float = READY_S) -> None:
        for service in services or SERVICES:
            child = self.child(service)
            await until(
                lambda service=service: self.faults_of(service) == [],
                lambda service=service, child=child: (
                    f"{service} is not ready: {self.faults_of(service)}\n{child.tail()}"
                ),
                within_s,
            )

    async def started(self, *services: str) -> None:
        for service in services or SERVICES:
            self.launch(service)
        await self.ready(*services)

    async def stopped(self, service: str, within_s: float = 30) -> int:
        """By SIGTERM; its exit status."""
        child = self.child(service)
        child.send_signal(signal.SIGTERM)
        return await self.died(service, within_s)

    async def died(self, service: str, within_s: float = 60) -> int:
        child = self.child(service)
        status: list[int] = []

        def ended() -> bool:
            found = child.poll()
            status.extend([] if found is None else [found])
            return found is not None

        await until(ended, lambda: f"{service} still runs\n{child.tail()}", within_s)
        return status[0]

    async def nothing_left_of(self, service: str) -> None:
        """Processes that it started have ended with it."""
        child = self.child(service)
        await until(lambda: not child.send_signal(NO_SIGNAL), lambda: f"{service} left processes behind", 20)

    # What goes in

    async def send(self, messages: Iterable[Message]) -> None:
        async with producer(self.stack.kafka) as sender:
            await asyncio.gather(*[await put(sender, message) for message in messages])

    async def flow(self, completions: int, per_batch: int = 10, pause_s: float = 0.25) -> None:
        """So many new completions, in small batches, as they would come."""
        async with producer(self.stack.kafka) as sender:
            for _ in range(0, completions, per_batch):
                batch = self.traffic.batch(per_batch)
                await asyncio.gather(*[await put(sender, message) for message in batch])
                await asyncio.sleep(pause_s)

    # What comes out

    def database(self, service: str) -> Database[Raw]:
        codec: CodecOptions[Raw] = CodecOptions(tz_aware=True)
        return self.client.get_database(self.kompeten.database(service), codec_options=codec)

    def all(self, service: str, collection: Collection[D]) -> list[D]:
        found = list(self.database(service)[collection.name].find({}))
        return msgspec.convert(found, list[collection.document])  # type: ignore[name-defined]

    def unfinished(self) -> list[str]:
        """Cheap signs that something is still on its way."""
        enrollment, notification = self.database("enrollment"), self.database("notification")
        topics = "|".join(re.escape(agency_topic(one, self.kompeten.topic_prefix)) for one in CONNECTED)
        agencies = [one for one in self.traffic.messages if "agency." in one.topic]
        at = {"$slice": [{"$split": ["$_id", "/"]}, 3]}  # whatever the turn: after a replay it is another
        found = enrollment[DECISIONS.name].aggregate(
            [
                {"$match": {"_id": {"$regex": f"^({topics})/"}}},
                {"$group": {"_id": at}},
                {"$count": "records"},
            ]
        )
        decided = sum(one["records"] for one in found)
        counts = {
            f"{decided} of {len(agencies)} records decided": decided < len(agencies),
            "people and completions judged by an older register": self.unjudged(),
            "records wait": enrollment[WAITING.name].count_documents({}),
            "PDFs to be made": enrollment[RENDERINGS.name].count_documents({"state": {"$ne": "done"}}),
            "letters that collect": notification[LETTERS.name].count_documents({"state": "collecting"}),
            "mails": notification[MAILS.name].count_documents({"state": {"$in": sorted(ledger.UNFINISHED)}}),
        }
        return [f"{what}: {count:d}" for what, count in counts.items() if count]

    def unjudged(self) -> int:
        """People and completions of which the register says something else than when they were judged."""
        enrollment = self.database("enrollment")
        register = enrollment[REGISTERS.name].find_one({"_id": REGISTER}) or {}
        done = (enrollment[SWEEPS.name].find_one({"_id": SWEEP}) or {"generation": 0})["generation"]
        latest = {one["agency"]: one["generation"] for one in register.get("distrusts", ())}
        people: list[Raw] = []
        completions: list[Raw] = []
        for agency, generation in latest.items():
            older = {"judged": {"$not": {"$gte": generation}}}
            people.append({**older, "claims.agency": agency})
            completions.append({**older, "contents.sender": agency})
        for body in enrollment[BODIES.name].find({"generation": {"$gt": done}}, {"generation": 1}):
            completions.append({"judged": {"$not": {"$gte": body["generation"]}}, "body": body["_id"]})
        return sum(
            enrollment[collection.name].count_documents({"$or": match})
            for collection, match in ((EMPLOYEES, people), (COMPLETIONS, completions))
            if match
        )

    def is_swept(self) -> bool:
        """Nothing is looked for any more that was judged by an older register."""
        enrollment = self.database("enrollment")
        register = enrollment[REGISTERS.name].find_one({"_id": REGISTER})
        sweep = enrollment[SWEEPS.name].find_one({"_id": SWEEP})
        return register is not None and sweep is not None and sweep["generation"] >= register["generation"]

    async def settled(self, within_s: float = SETTLED_S) -> Found:
        """Waits until nothing is lost, and holds that nothing is doubled or swapped; what was found."""
        deadline = time.monotonic() + within_s
        pause_s = POLL_S
        while True:
            wrong = self.unfinished()
            if not wrong:
                found = await self.read()
                wrong = ledger.faults(self.traffic, found, dead_letters=self.dead_letters)
                if not wrong:
                    return found
                pause_s = min(pause_s * 2, 5)
            if time.monotonic() > deadline:
                raise AssertionError("\n".join([f"{len(wrong)} faults", *wrong[:20], *self._state()]))
            self.hasten()
            await asyncio.sleep(pause_s)

    def _state(self) -> list[str]:
        return [
            f"{name}: {self.faults_of(name)}, status {child.poll()}, see {child.log}; what it said of faults: "
            f"{[line for line in child.log.read_text(errors='replace').splitlines() if 'ERROR' in line.upper()][-5:]}"
            for name, child in self.kompeten.children.items()
        ]

    def hasten(self) -> None:
        """Deferred mails become due at once."""
        self.database("notification")[MAILS.name].update_many(
            {"state": "deferred"}, [{"$set": {"due": "$$NOW"}}]
        )

    def expire_leases(self, service: str) -> None:
        """As if a lease's time had passed since the service died; only while it is down."""
        assert self.child(service).poll() is not None
        for collection in (MAILS, RENDERINGS):
            self.database(service)[collection.name].update_many(
                {"lease": {"$nin": ["", None]}},
                [{"$set": {"lease_until": {"$add": ["$$NOW", -1]}}}],
            )

    async def read(self) -> Found:
        prefix = self.kompeten.topic_prefix
        own = (prefix + ENROLLMENT_EVENTS, prefix + INCENTIVE_EVENTS)
        agencies = [agency_topic(one, prefix) for one in CONNECTED]
        ends = await self._ends(agencies)
        pdfs = self.database("enrollment")[STORED_PDFS.name].find({}, {"sha256": 1})
        letters = self.all("notification", LETTERS)
        return Found(
            completions=list(self.all("enrollment", COMPLETIONS)),
            employees=self.all("enrollment", EMPLOYEES),
            numbers=self.all("enrollment", SEQUENCES),
            pdfs={one["_id"]: one["sha256"] for one in pdfs},
            decisions={
                service: [
                    Decided(one["_id"], one["v"], one.get("s", ""), one.get("c", b""))
                    for one in self.database(service)[DECISIONS.name].find({}, {"v": 1, "s": 1, "c": 1})
                ]
                for service in SERVICES
            },
            waiting=sum(self.database(service)[WAITING.name].count_documents({}) for service in SERVICES),
            dead_letters=[
                f"{service}: {one.reason}" for service in SERVICES for one in self.all(service, DEAD_LETTERS)
            ],
            earned=self.all("incentive", EARNED_COMPLETIONS),
            entries=self.all("incentive", POINT_ENTRIES),
            accounts=self.all("incentive", ACCOUNTS),
            letters=letters,
            mails=self.all("notification", MAILS),
            caught=self.caught(),
            published=await self.published(own),
            records={"enrollment": ends},
        )

    def caught(self) -> Counter[str]:
        mails = self._page.get("/api/v1/messages", params={"limit": 1_000_000}).json()["messages"]
        return Counter(mail["MessageID"].strip("<>").partition("@")[0] for mail in mails)

    def order(self, mode: str, **more: Any) -> None:
        """A fault of the mail server."""
        self._page.put("/faults", json={"mode": mode, **more}).raise_for_status()

    def given(self) -> int:
        """How often the fault of the mail server was met since it was ordered."""
        return int(self._page.get("/faults").raise_for_status().json()["given"])

    async def published(self, topics: Sequence[str]) -> list[Published]:
        """All records of these topics, in order within each partition."""
        found: list[Published] = []
        async with reader(self.stack.kafka) as consumer:
            ends = await _ends(consumer, topics)
            left = {tp for tp, end in ends.items() if end}
            await consumer.seek_to_beginning()
            while left:
                for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
                    found += [
                        Published(tp.topic, tp.partition, one.offset, one.value)
                        for one in records
                        if one.offset < ends[tp]
                    ]
                    if records and records[-1].offset >= ends[tp] - 1:
                        left.discard(tp)
        return found

    async def ends(self, topics: dict[str, list[str]]) -> dict[str, int]:
        """Where each partition of these topics ends, by service, named as the service's positions are."""
        every = sorted({topic for those in topics.values() for topic in those})
        ends = await self._ends(every)
        return {
            position_id(service, (topic, partition)): end
            for service, those in topics.items()
            for (topic, partition), end in ends.items()
            if topic in those
        }

    async def _ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        async with reader(self.stack.kafka) as consumer:
            return {(tp.topic, tp.partition): end for tp, end in (await _ends(consumer, topics)).items()}


async def _ends(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> dict[TopicPartition, int]:
    partitions = [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in range(1 if "agency." in topic else PARTITIONS)
    ]
    consumer.assign(partitions)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    return ends


class reader:
    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka

    async def __aenter__(self) -> AIOKafkaConsumer:
        self._consumer = AIOKafkaConsumer(
            **self._kafka.options(), auto_offset_reset="earliest", enable_auto_commit=False
        )
        await self._consumer.start()
        return self._consumer

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()


class producer:
    def __init__(self, kafka: KafkaConnection, **options: Any) -> None:
        self._kafka, self._options = kafka, options

    async def __aenter__(self) -> AIOKafkaProducer:
        self._producer = AIOKafkaProducer(
            **self._kafka.options(), acks="all", enable_idempotence=True, **self._options
        )
        await self._producer.start()
        return self._producer

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()


async def put(sender: AIOKafkaProducer, message: Message) -> "asyncio.Future[Any]":
    return await sender.send(
        message.topic, message.value, message.key, message.partition, headers=list(message.headers)
    )


async def unacknowledged(publisher: Publisher, messages: list[Message]) -> list[Message]:
    """Sends all of them. Those that were not acknowledged may be in the log all the same, and are to be sent again."""

    async def one(message: Message) -> bool:
        try:
            await publisher.send(
                message.topic,
                message.value,
                key=message.key,
                partition=message.partition,
                headers=list(message.headers),
                within_s=10,
            )
        except Unavailable:
            return False
        return True

    done = await asyncio.gather(*[one(message) for message in messages])
    return [message for message, sent in zip(messages, done, strict=True) if not sent]


def foreign(env: dict[str, str]) -> dict[str, str | None]:
    return {name: None for name in os.environ if name.startswith("KOMPETEN_") and name not in env}


async def until(
    condition: Callable[[], bool], otherwise: Callable[[], str], within_s: float, every_s: float = POLL_S
) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(every_s)
