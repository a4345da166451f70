"""Any order, repetition, split and resend of the same events ends in the same record, JP, points and mails."""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.harness import CALM, ROUGH, City, Sending
from tests.property.histories import deliveries, histories
from tests.property.observed import observe, promises


@st.composite
def twice_told(draw: st.DrawFn) -> tuple[list[Sending], list[Sending]]:
    history = draw(histories())
    return history, draw(deliveries(history))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(twice_told(), st.integers(0, 2**16))
async def test_any_order_ends_in_the_same_place(told: tuple[list[Sending], list[Sending]], seed: int) -> None:
    history, delivery = told
    calm = City(weather=CALM)
    await calm.deliver(history)
    await promises(calm)
    rough = City(weather=ROUGH, random=Random(seed))
    await rough.deliver(delivery)
    await promises(rough)
    assert await observe(rough) == await observe(calm)
