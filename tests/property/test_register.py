"""The register of agencies ends the same, however its commands are batched, repeated, interrupted and decided again."""

from random import Random
from typing import Any

import pytest

from services.enrollment.agencies.documents import AGENCIES, REGISTERS, Agency
from services.enrollment.agencies.timeline import Standing, standing
from shared.contracts.payload import Payload
from shared.contracts.register import AddAgency, BeginRegister, ChangeAgency, ResumeAgency, SuspendAgency
from tests.property.harness import ENROLLMENT, OFFICER, ROUGH, City, Sending

CODES = ("dinas-a", "dinas-b", "dinas-c")
COMMANDS = 40


def command(random: Random) -> Payload:
    code, operator, reason = random.choice(CODES), "op", random.choice(("why", "why not"))
    return random.choice(
        [
            AddAgency(code=code, name=random.choice(("One", "Other")), operator=operator),
            ChangeAgency(code=code, contact=random.choice("xyz"), operator=operator, reason=reason),
            SuspendAgency(code=code, operator=operator, reason=reason),
            ResumeAgency(code=code, operator=operator, reason=reason),
            BeginRegister(codes=tuple(random.sample(CODES, 2))),
        ]
    )


async def ended(city: City) -> tuple[list[Agency], list[int]]:
    agencies = await city.documents("enrollment", AGENCIES)
    registers = await city.documents("enrollment", REGISTERS)
    return sorted(agencies, key=lambda one: one.id), [one.generation for one in registers]


def by_hand(sendings: list[Sending]) -> dict[str, Standing | None]:
    """What operators would expect: the first of the same code is the agency, the last word on each thing holds."""
    stands: dict[str, dict[str, Any]] = {}
    begun = False
    for one in (sending.payload for sending in sendings):
        if isinstance(one, BeginRegister):
            for code in one.codes if not begun else ():
                stands.setdefault(code, {"state": "active", "name": code})
            begun = True
        elif isinstance(one, AddAgency):
            stands.setdefault(one.code, {"state": "active", "name": one.name})
        elif isinstance(one, ChangeAgency) and one.code in stands:
            stands[one.code]["contact"] = one.contact
        elif isinstance(one, SuspendAgency | ResumeAgency) and one.code in stands:
            stands[one.code]["state"] = "suspended" if isinstance(one, SuspendAgency) else "active"
    return {code: Standing(code, **one) for code, one in stands.items()}


@pytest.mark.parametrize("seed", range(20))
async def test_any_weather_ends_in_the_same_register(seed: int) -> None:
    random = Random(seed)
    sendings = [Sending(command(random), f"c{n}", sender=OFFICER) for n in range(COMMANDS)]
    calm, rough = City(services=[ENROLLMENT]), City(services=[ENROLLMENT], random=random, weather=ROUGH)
    await calm.deliver(sendings)
    await rough.deliver(sendings)
    await rough.start_again("enrollment")
    await rough.settle()
    assert await ended(rough) == await ended(calm)
    agencies, _ = await ended(calm)
    assert {one.id: standing(one) for one in agencies} == by_hand(sendings)
