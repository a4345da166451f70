"""Rendering processes that die, on a real MongoDB and Kafka: what they had in hand is made all the same."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from devstack import Stack
from services.enrollment.certificates.documents import (
    HELD,
    RENDERINGS,
    STORED_PDFS,
    SUPERSEDED,
    Certificate,
    Rendering,
)
from services.enrollment.certificates.face import CertificateFace
from services.enrollment.certificates.pdf import drawing, render
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.reconciliation.snapshot import snapshot
from services.enrollment.records.notes import looked_up
from services.enrollment.records.trace import trace
from services.enrollment.records.views import completion_view
from services.enrollment.rendering.held_renderings import HeldRenderings
from services.enrollment.rendering.renderer import Renderer
from services.enrollment.routes import Reads
from services.enrollment.verification.routes import BeingPrepared, Held
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.contracts.topics import PARTITIONS
from shared.http.askers import Askers
from shared.http.commands import Commands, DecisionWaiter
from shared.http.traces import Wanted
from shared.kafka.topics import create_topics
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.reconciliation.routes import Some
from tests.factories import NIP, completed, registered
from tests.integration.test_work_queue import until
from tests.property.harness import ENROLLMENT
from tests.unit.given import Given

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
    await store.prepare([COMPLETIONS, RENDERINGS, STORED_PDFS])
    yield store
    await client.drop_database(name)
    client.close()


@contextlib.asynccontextmanager
async def rendering_by(
    stack: Stack, store: MongoStore, make: Callable[[dict[str, Any]], bytes]
) -> AsyncIterator[Renderer]:
    topic = f"{store.database.name}.commands"
    await create_topics(stack.kafka, [(topic, PARTITIONS, {})])
    publisher = Publisher(stack.kafka, "render-test")
    commands = Commands(
        "enrollment", topic, publisher, DecisionWaiter(store, topic), Askers("enrollment", "s" * 32)
    )
    renderer = Renderer(store, commands, workers=1, make=make)
    running = asyncio.create_task(renderer.run())
    try:
        yield renderer
    finally:
        renderer.stop()
        await running
        await publisher.stop()


async def insert(store: MongoStore, items: Iterable[Rendering]) -> None:
    await store.database[RENDERINGS.name].insert_many([dict(store.encode(one)) for one in items])


@pytest.mark.full
async def test_a_certificate_that_ends_its_process_keeps_no_other_from_being_made(
    stack: Stack, store: MongoStore
) -> None:
    await insert(store, (rendering(n) for n in range(COUNT)))

    async def all_but_one_made() -> bool:
        return await store.count(STORED_PDFS, {}) == COUNT - 1

    async with rendering_by(stack, store, make):
        await until(all_but_one_made, within_s=60)
        fatal = await until(lambda: store.select(RENDERINGS, {"state": "deferred"}), within_s=60)
    assert [(one.id, one.attempts) for one in fatal] == [(f"crt_{FATAL_AT:05d}/1", 1)]
    assert await store.count(RENDERINGS, {"state": "done"}) == COUNT - 1


async def test_a_title_no_font_draws_is_held_and_told_and_tried_again_by_a_version_that_draws_otherwise(
    stack: Stack, store: MongoStore
) -> None:
    titles = ["Pelatihan ᜊᜌ᜔", "Pelatihan ᜊᜌ᜔", "Pelatihan ᜀ", "Pelatihan biasa"]
    items = [titled(n, title) for n, title in enumerate(titles)]
    await insert(store, items)
    await store.database[COMPLETIONS.name].insert_many(
        # The third was issued anew since: nobody waits for its first revision.
        [dict(store.encode(certified(one, revision=2 if n == 2 else 1))) for n, one in enumerate(items)]
    )
    watch = HeldRenderings(store)

    async def all_seen() -> bool:
        return await store.count(RENDERINGS, {"state": {"$in": [HELD, "done"]}}) == len(items)

    async with rendering_by(stack, store, render) as renderer:
        await until(all_seen, within_s=60)
        assert renderer.faults() == []  # it is ready: trying again mends nothing
    await watch.step()
    (remark,) = watch.remarks()
    assert remark.startswith(
        "2 certificates are valid but have no PDF: 00000/X/2026, 00001/X/2026: no font draws U+170A (TAGALOG LETTER BA), "
    )
    assert " in the title; " in remark
    assert "ᜊᜌ᜔" not in remark
    assert [one.state for one in await store.select(RENDERINGS, {}, sort=[("_id", 1)])] == [
        HELD, HELD, SUPERSEDED, "done",
    ]  # fmt: skip
    await store.database[RENDERINGS.name].update_one({"_id": items[0].id}, {"$set": {"drawing": "earlier"}})
    await watch.step()
    assert [one.id for one in await store.select(RENDERINGS, {"state": "queued"})] == [items[0].id]


def titled(n: int, title: str) -> Rendering:
    one = rendering(n)
    return structs.replace(one, face=structs.replace(one.face, training_title=title))


def certified(one: Rendering, revision: int) -> Completion:
    certificate = Certificate(
        id=one.certificate_id, number=one.face.number, revision=revision, code="a" * 26, earlier_codes=[],
        issued_at=one.due, completion_version=1, holder_name=one.face.holder_name,
        holder_number=one.face.employee_number, jp=one.face.jp,
    )  # fmt: skip
    return Completion(
        id=one.completion_id, employee_id=one.employee_id, learning_year="", certificate=certificate
    )


async def test_a_held_pdf_is_called_held_by_record_books_trace_and_remarks_alike(store: MongoStore) -> None:
    """It was missed by the trace alone, while everybody else was told that it comes in seconds."""
    made = Given(ENROLLMENT, registered(NIP, name="សុខា Sok"), completed(NIP))
    completion = made.one(COMPLETIONS)
    assert completion.certificate is not None
    number = completion.certificate.number
    item = structs.replace(made.one(RENDERINGS), state=HELD, undrawn=("ស", "ខ"), drawing=drawing())
    await insert(store, [item])
    await store.database[COMPLETIONS.name].insert_one(dict(store.encode(completion)))

    (entry,) = await snapshot(store, Some())
    found = await trace(store, ENROLLMENT.terms, Wanted(completion_id=completion.id))
    assert entry.lacks == [one.what for one in found.missing] == ["pdf held"]
    watch = HeldRenderings(store)
    await watch.step()
    (remark,) = watch.remarks()
    assert remark.startswith(f"1 certificate is valid but has no PDF: {number}: no font draws U+179F")
    # The name alone changes no certificate.
    advice = (
        "in the employee's name; a version that has the font makes the PDF; if the text is wrong, have agency "
        "dinas-contoh publish the completion again with a higher `revision`, after employee.changed with the right one"
    )
    assert advice in remark
    assert advice in found.missing[0].do
    assert "Sok" not in remark + found.missing[0].do
    view = completion_view(completion, await looked_up(store, [completion]), ENROLLMENT.terms)
    assert "PDF-nya belum dapat dibuat karena ada huruf yang belum dapat dicetak" in (view.note or "")
    reads = Reads(SimpleNamespace(store=store, service=ENROLLMENT))  # type: ignore[arg-type]  # all that it reads
    with pytest.raises(Held):
        await reads.pdf(completion)

    await store.database[RENDERINGS.name].update_one({"_id": item.id}, {"$set": {"state": "queued"}})
    with pytest.raises(BeingPrepared):
        await reads.pdf(completion)
    assert completion_view(completion, await looked_up(store, [completion]), ENROLLMENT.terms).note is None
    assert (await snapshot(store, Some()))[0].lacks == []
