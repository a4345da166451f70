"""The second look, on a real MongoDB: what is there by then is taken back, what is not is counted with its reason."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from devstack import Stack
from services.enrollment.completions.documents import COMPLETIONS
from shared.contracts.enrollment import CertificateIssued
from shared.contracts.payload import CompletionId, Payload
from shared.contracts.topics import ENROLLMENT_EVENTS, NOTIFICATION_COMMANDS
from shared.pipeline.pipeline_collections import DISCREPANCIES, Discrepancy
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.reconciliation.missing import LACKING, Reconciliation
from tests.factories import as_record, certificate_issued, completed, genuine, registered
from tests.property.harness import NOTIFICATION, SERVICES, City, Sending
from tests.property.histories import BUDI


class IntoTheLog:
    def __init__(self, city: City) -> None:
        self.city, self.given = city, list[Payload]()

    async def submit(self, payload: Payload, *, id: str, key: str, traceparent: str | None = None) -> None:
        self.given.append(payload)
        self.city.command(NOTIFICATION_COMMANDS, payload, id, key)


@pytest.fixture
async def city(stack: Stack) -> AsyncIterator[City]:
    client = connect(stack.mongo)
    name = f"notes_{secrets.token_hex(4)}"
    stores = [MongoStore(client, f"{name}_{service.name}") for service in SERVICES]
    for store, service in zip(stores, SERVICES, strict=True):
        await store.prepare(service.collections)
    city = City(stores)
    await city.deliver(
        [Sending(registered(BUDI), "r"), Sending(completed(BUDI, start_date="2026-01-05"), "c")]
    )
    yield city
    for store in stores:
        await client.drop_database(store.database.name)
    client.close()


def counted(why: str) -> float:
    labels = {"service": "notification", "lacks": "letter", "why": why}
    return REGISTRY.get_sample_value("kompeten_discrepancies", labels) or 0


async def noted(city: City, id: str, age: timedelta = timedelta()) -> MongoStore:
    store: Any = city.members["notification"].store
    note = Discrepancy(id=id, version=1, standing=True, lacks=["letter"], since=city.now - age)
    await store.keep([note], DISCREPANCIES)
    assert isinstance(store, MongoStore)
    return store


async def look(city: City) -> list[Payload]:
    """Commands that a worker gave, which is the only one of its process."""
    LACKING.clear()
    worker, commands = worker_of(city)
    await worker.step()
    await city.recalculate()
    return commands.given


def worker_of(city: City) -> tuple[Reconciliation[Any], IntoTheLog]:
    commands, member = IntoTheLog(city), city.members["notification"]
    store: Any = member.store
    given: Any = commands
    return Reconciliation(member.service, store, given), commands


async def test_a_note_about_what_is_there_is_taken_back_and_never_counted(city: City) -> None:
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    store = await noted(city, completion.id)
    assert len(await look(city)) == 1
    assert counted("lost") == 0
    assert await store.select(DISCREPANCIES, {}) == []
    assert await look(city) == []


async def test_what_is_still_missing_is_counted_and_needs_no_command(city: City) -> None:
    store = await noted(city, "cmp_" + "0" * 32)
    worker, commands = worker_of(city)
    await worker.step()
    assert (counted("lost"), commands.given) == (1, [])
    await store.database[DISCREPANCIES.name].delete_many({})
    await worker.step()
    assert (counted("lost"), commands.given) == (0, [])


async def test_a_record_that_waits_is_the_reason(city: City) -> None:
    of_nobody = genuine(NOTIFICATION.terms.ids, CompletionId("cmp_" + "1" * 32), revision=1)
    event: CertificateIssued = certificate_issued(employee_id="emp_" + "1" * 32, **of_nobody)
    record = as_record(event, id="unknown-contact", time=city.now)
    city.append(ENROLLMENT_EVENTS, 0, None, record.value, record.headers)
    await city.recalculate()
    await noted(city, event.completion_id)
    assert await look(city) == []
    assert (counted("lost"), counted("waiting")) == (0, 1)
