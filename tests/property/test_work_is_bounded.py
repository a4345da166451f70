"""Ten times as many records of one shape in one batch are ten times the work: counted in calls, so that no clock and no
other load decides. `python -m tests.bench.hostile_shapes` measures the same in CPU time, on a real database."""

import sys
from typing import Any

import pytest

from shared.pipeline.handlers import Service
from shared.pipeline.limits import LIMITS
from shared.pipeline.processing import pace
from tests.bench.shapes import SHAPES, Bench, Shape
from tests.memory_store import MemoryStore
from tests.property.harness import SERVICES

FEW, MANY = 30, 300
MAX_GROWTH = 11.0


async def calls(shape: Shape, n: int) -> int:
    """Of functions, while a batch of n is decided."""
    bench = Bench(shape.service, MemoryStore(), LIMITS._replace(most_busy_s=float("inf")))
    await bench.decide(shape.before(n))
    batch, count = shape.batch(n), 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        await bench.decide(batch)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.service.name}: {shape.name}")
async def test_ten_times_as_many_records_are_ten_times_the_work(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SLICE_S", float("inf"))
    few, many = await calls(shape, FEW), await calls(shape, MANY)
    assert many <= MAX_GROWTH * few, (
        f"{few} calls for {FEW} records, {many} for {MANY}: {many / few:.1f} times"
    )


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_handler_has_a_shape_of_its_own(service: Service[Any]) -> None:
    shown = {shape.handler for shape in SHAPES if shape.service is service}
    triage = {one for one in ("replay", "discard", "release", "give-up") if service.name != "enrollment"}
    missing = {
        payload.TYPE
        for payload in service.handlers
        if payload.TYPE not in shown and not any(f".{one}.v1" in payload.TYPE for one in triage)
    }
    assert not missing, f"{missing} have no row in tests/bench/shapes.py"
