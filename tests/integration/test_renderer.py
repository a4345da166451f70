"""Rendering processes that die, on a real MongoDB and Kafka: what they had in hand is made all the same."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.enrollment.certificate_face import CertificateFace
from services.enrollment.documents import RENDERINGS, STORED_PDFS, Rendering
from services.enrollment.renderer import Renderer
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.contracts.topics import PARTITIONS
from shared.http.askers import Askers
from shared.http.commands import Board, Commands
from shared.mongo import MongoStore, connect
from shared.pipeline.publisher import Publisher
from shared.stack import Stack
from shared.topics import create_topics
from tests.integration.test_work_queue import until

FATAL = "Pelatihan yang mematikan"
COUNT, FATAL_AT = 40, 17


def make(face: dict[str, Any]) -> bytes:
    if face["training_title"] == FATAL:
        os._exit(1)
    return str(face["number"]).encode()


def rendering(n: int) -> Rendering:
    day = date(2026, 3, 2)
    face = CertificateFace(
        number=f"{n:05d}/X/2026", holder_name="Budi", employee_number="198001012005011001",
        employment_type="pns", opd="Dinas Contoh", training_title=FATAL if n == FATAL_AT else "Pelatihan", form="Kursus",
        organizer="X", start_date=day, end_date=day, completed_on=day, issued_on=day, jp=Decimal(2),
        verification_url="http://127.0.0.1/v/x",
    )  # fmt: skip
    return Rendering(
        id=f"crt_{n:05d}/1", certificate_id=CertificateId(f"crt_{n:05d}"), completion_id=CompletionId(f"cmp_{n}"),
        employee_id=EmployeeId(f"emp_{n}"), revision=1, face=face, traceparent=None,
        due=datetime.now(UTC) - timedelta(minutes=5) + timedelta(seconds=n),
    )  # fmt: skip


@pytest.fixture
async def store(stack: Stack) -> AsyncIterator[MongoStore]:
    client = connect(stack.mongo)
    name = f"render_{secrets.token_hex(6)}"
    store = MongoStore(client, name)
    await store.prepare([RENDERINGS, STORED_PDFS])
    yield store
    await client.drop_database(name)
    client.close()


async def test_a_certificate_that_ends_its_process_keeps_no_other_from_being_made(
    stack: Stack, store: MongoStore
) -> None:
    topic = f"{store.database.name}.commands"
    await create_topics(stack.kafka, [(topic, PARTITIONS, {})])
    publisher = Publisher(stack.kafka, "render-test")
    renderer = Renderer(
        store,
        Commands("enrollment", topic, publisher, Board(store, topic), Askers("enrollment", "s" * 32)),
        workers=1,
        make=make,
    )
    await store.database[RENDERINGS.name].insert_many(
        [dict(store.encode(rendering(n))) for n in range(COUNT)]
    )
    running = asyncio.create_task(renderer.run())

    async def all_but_one_made() -> bool:
        return await store.count(STORED_PDFS, {}) == COUNT - 1

    await until(all_but_one_made, within_s=60)
    fatal = await until(lambda: store.select(RENDERINGS, {"state": "deferred"}), within_s=60)
    renderer.stop()
    await running
    await publisher.stop()
    assert [(one.id, one.attempts) for one in fatal] == [(f"crt_{FATAL_AT:05d}/1", 1)]
    assert await store.count(RENDERINGS, {"state": "done"}) == COUNT - 1
