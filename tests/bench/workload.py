"""The same work for every contender: completions of employees who are registered already."""

import asyncio
import json
import os
import uuid
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaProducer

from services.enrollment.app import service_of
from services.enrollment.completions.terms import CompletionTerms, load_terms
from services.enrollment.settings import EnrollmentSettings
from shared.contracts.agency import EmployeeRegistered, Organizer, Training, TrainingCompleted
from shared.contracts.cloudevents import STRUCTURED, encode
from shared.contracts.payload import Payload
from shared.contracts.topics import agency_topic, topic_specs
from shared.contracts.vocabulary import EmploymentType, Form, Pathway
from shared.kafka.connection import KafkaConnection
from shared.kafka.topics import create_topics
from shared.pipeline.handlers import Service
from shared.pipeline.partitioner import position_id
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.processing.unit_of_work import UnitOfWork
from shared.pipeline.records import Record, RecordMetadata
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.pipeline.store import in_transaction

OPD = "bench"
VARIABLE = "BENCH_KAFKA"
SECRET = "0123456789abcdef0123456789abcdef"
HEADERS = [("content-type", STRUCTURED.encode())]
MOMENT = datetime(2026, 3, 2, 1, tzinfo=UTC)


def told(kafka: KafkaConnection) -> dict[str, str]:
    """For a contender's process: in its environment, as arguments are seen by everybody on the machine."""
    return {**os.environ, VARIABLE: json.dumps(asdict(kafka))}


def heard() -> KafkaConnection:
    return KafkaConnection(**json.loads(os.environ.pop(VARIABLE)))


def settings_for(kafka: KafkaConnection, mongo: str, run: str) -> EnrollmentSettings:
    return EnrollmentSettings.model_validate(
        {
            "development": True, "kafka": kafka.bootstrap, "kafka_security": "plaintext", "mongo": mongo,
            "database_prefix": run, "topic_prefix": run + ".",
            "agencies": OPD, "public_url": "http://localhost:8001", "secret": SECRET,
            "oidc_issuer": "http://localhost:9", "pdf_workers": 0,
        }
    )  # fmt: skip


BODY: Final = "BENCH"


def employee_number(n: int) -> str:
    born = date(1970, 1, 1) + timedelta(days=n % 9000)
    return f"{born:%Y%m%d}201001{1 + n % 2}{n // 9000:03d}"


def registered(n: int) -> EmployeeRegistered:
    return EmployeeRegistered(
        employee_number=employee_number(n), name=f"Pegawai {n}", email=f"pegawai{n}@bandung.example",
        employment_type=EmploymentType.PNS, golongan="III/c", pangkat="Penata", jabatan="Analis", opd="Dinas Contoh",
    )  # fmt: skip


def completed(n: int, training: int) -> TrainingCompleted:
    """Of employee n. Spread over the year, so that each belongs to the same year and another month."""
    day = date(2026, 1 + training % 11, 3 + training % 20)
    return TrainingCompleted(
        employee_number=employee_number(n),
        training=Training(
            code=f"IT-{training:03d}", batch="1", title="Pelatihan Dasar Keamanan Informasi",
            form=Form.COURSE, pathway=Pathway.CLASSICAL,
            organizer=Organizer(code=BODY, name="Dinas Komunikasi dan Informatika"),
            start_date=day - timedelta(days=2), end_date=day, programme_jp=20,  # type: ignore[arg-type]
        ),
        completed_on=day,
    )  # fmt: skip


def cloudevent(payload: Payload) -> bytes:
    return encode(
        payload,
        id=str(uuid.uuid4()),
        source="urn:bench",
        time=MOMENT,
        subject="bench",
        partitionkey="bench",
        traceparent=None,
    )


def load(service: str = "enrollment") -> CompletionTerms:
    return load_terms(SECRET, "http://localhost:8001")


async def prepare(
    kafka: KafkaConnection, mongo: str, run: str, events: int, per_employee: int, employees: int = 0
) -> tuple[Service[CompletionTerms], MongoStore]:
    """Topics, a database with the employees registered, and the completions in the agency's topic. `employees`:
    how many, if not one for every `per_employee` events."""
    settings = settings_for(kafka, mongo, run)
    service = service_of(settings, load())
    store = MongoStore(connect(mongo), f"{run}_enrollment")
    await store.prepare(service.collections)
    await create_topics(kafka, [(s.name, s.partitions, s.config) for s in topic_specs([OPD], run + ".")])
    employees = employees or events // per_employee
    await _register(service, store, employees, agency_topic("setup", run + "."))
    await _publish(kafka, run, events, employees)
    return service, store


async def _register(service: Service[CompletionTerms], store: MongoStore, employees: int, topic: str) -> None:
    reader = Decoder(service)
    at = 0
    await store.position(position_id("setup", (topic, 0)), 0)
    while at < employees:
        records = [
            Record(
                RecordMetadata(topic, 0, n), int(MOMENT.timestamp() * 1000), None, cloudevent(registered(n))
            )
            for n in range(at, min(at + 1000, employees))
        ]
        items = {(topic, 0): [reader.read(record) for record in records]}
        start = at
        decided = await in_transaction(
            store,
            lambda s: UnitOfWork(reader, store, s).run(items, "setup", {(topic, 0): start}),  # noqa: B023
        )
        at += decided.taken[topic, 0]  # a batch ends when it has done enough


async def _publish(kafka: KafkaConnection, run: str, events: int, employees: int) -> None:
    producer = AIOKafkaProducer(**kafka.options(), acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    topic = agency_topic(OPD, run + ".")
    waiting: list[asyncio.Future[object]] = []
    for n in range(events):
        value = cloudevent(completed(n % employees, n // employees))
        waiting.append(await producer.send(topic, value, partition=0, headers=HEADERS))
        if len(waiting) > 5000:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    await producer.stop()
