"""What a trace of an employee says of records that were not accepted, on a real MongoDB."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from devstack import Stack
from services.enrollment.agencies.documents import REGISTER, REGISTERS, Arrival, Register
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.records import undecided
from services.enrollment.records.trace import trace
from shared.http.problems import Problem
from shared.http.traces import Trace, Wanted
from shared.pipeline.storage.mongo import MongoStore, connect
from tests.factories import completed, registered
from tests.property.harness import SERVICES, City, Sending
from tests.property.histories import BUDI, SRI

LONG_AGO = Arrival(datetime(2020, 1, 1, tzinfo=UTC), "enrollment.commands.v1", 0, 0)


@pytest.fixture
async def city(stack: Stack) -> AsyncIterator[City]:
    client = connect(stack.mongo)
    name = f"trace_{secrets.token_hex(4)}"
    stores = [MongoStore(client, f"{name}_{service.name}") for service in SERVICES]
    for store, service in zip(stores, SERVICES, strict=True):
        await store.prepare(service.collections)
    yield City(stores)
    for store in stores:
        await client.drop_database(store.database.name)
    client.close()


async def traced(city: City, **wanted: str) -> Trace:
    store: Any = city.members["enrollment"].store
    return await trace(store, city.members["enrollment"].service.terms, Wanted(**wanted))


async def test_a_trace_of_an_employee_has_what_waits_and_what_failed(city: City) -> None:
    """It said that nothing is missing while a completion waited for its body and another was refused."""
    await city.deliver(
        [Sending(registered(BUDI), "r"), Sending(registered(SRI), "s"), Sending(completed(BUDI), "counts")]
    )
    store: Any = city.members["enrollment"].store
    await store.keep([Register(REGISTER, 1, begun=True, judges_from=LONG_AGO)], REGISTERS)  # without a body
    await city.deliver([
        Sending(completed(BUDI, code="LAN", organizer="LAN-RI"), "waits"),
        Sending(completed(BUDI, code="OLD", start_date="1999-01-04"), "refused"),
        Sending(completed(SRI, code="LAN", organizer="LAN-RI"), "another's"),
    ])  # fmt: skip
    told = await traced(city, employee_number=BUDI)
    assert [one.what for one in told.missing if one.what != "pdf"] == ["body", "decision"]
    assert {one.state for one in told.steps} == {"ok", "waiting", "problem"}
    assert len(told.completion_ids) == 1
    assert told.unlooked == 0


async def test_a_trace_of_a_completion_has_its_correction_that_failed(city: City) -> None:
    await city.deliver([
        Sending(registered(BUDI), "r"), Sending(completed(BUDI), "counts"), Sending(completed(BUDI, code="NEXT"), "n"),
    ])  # fmt: skip
    await city.deliver([Sending(completed(BUDI, start_date="1999-01-04", revision=2), "refused")])
    for id in (await traced(city, employee_number=BUDI)).completion_ids:
        told = await traced(city, completion_id=id)
        (code,) = {one.facts.code for one in (await one_of(city, id)).contents}
        assert [one.what for one in told.missing if one.what != "pdf"] == ["decision"] * (code != "NEXT")


async def one_of(city: City, id: str) -> Completion:
    (found,) = [one for one in await city.documents("enrollment", COMPLETIONS) if one.id == id]
    return found


async def test_a_trace_of_somebody_whom_nobody_registered_has_what_waits_for_that(city: City) -> None:
    await city.deliver([Sending(completed(BUDI), "waits")])
    assert [one.what for one in (await traced(city, employee_number=BUDI)).missing] == ["employee"]
    with pytest.raises(Problem, match="have the agency publish the registration"):
        await traced(city, employee_number=SRI)


async def test_a_trace_says_how_much_it_did_not_look_into(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    await city.deliver([Sending(completed(BUDI), "one"), Sending(completed(SRI), "two")])
    monkeypatch.setattr(undecided, "MAX_BYTES", 10)
    store: Any = city.members["enrollment"].store
    assert await undecided.undecided(store, undecided.marks_of_person(BUDI, None)) == ([], 2)


async def test_a_trace_of_an_event_that_was_never_read_says_where_its_answer_is(city: City) -> None:
    with pytest.raises(Problem, match="POST /events refused"):
        await traced(city, event_id="never-read")
