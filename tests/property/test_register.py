"""The register ends the same, however its commands are batched, repeated, interrupted and decided again."""

from random import Random
from typing import Any

import pytest

from services.enrollment.agencies.documents import AGENCIES, REGISTERS, Agency, Register
from services.enrollment.agencies.timeline import Effective, effective
from services.enrollment.bodies.documents import BODIES, Body, body_id
from services.enrollment.bodies.timeline import effective_body
from shared.contracts.bodies import AddBody, BeginBodies, BodySeed, ChangeBody
from shared.contracts.payload import Payload
from shared.contracts.register import AddAgency, BeginRegister, ChangeAgency, ResumeAgency, SuspendAgency
from tests.property.harness import ENROLLMENT, OFFICER, ROUGH, City, Sending

CODES = ("dinas-a", "dinas-b", "dinas-c")
BODY_CODES = ("BADAN A", "badan  a", "BADAN-B", "B/C")
COMMANDS = 60


def command(random: Random) -> Payload:
    code, operator, reason = random.choice(CODES), "op", random.choice(("why", "why not"))
    return random.choice(
        [
            AddAgency(code=code, name=random.choice(("One", "Other")), operator=operator),
            ChangeAgency(code=code, contact=random.choice("xyz"), operator=operator, reason=reason),
            SuspendAgency(code=code, operator=operator, reason=reason),
            ResumeAgency(code=code, operator=operator, reason=reason),
            BeginRegister(codes=tuple(random.sample(CODES, 2))),
            of_a_body(random),
        ]
    )


def of_a_body(random: Random) -> Payload:
    code, operator = random.choice(BODY_CODES), "op"
    issuing = random.choice((None, *CODES))
    aliases = tuple(random.sample((*BODY_CODES, "BADAN-D", "badan-d", "E"), random.randint(0, 2)))
    return random.choice(
        [
            AddBody(
                code=code.replace("  ", " "), name="Badan", issuing=issuing, outside=issuing is None, aliases=aliases,
                operator=operator,
            ),
            ChangeBody(
                code=code, issuing=issuing, outside=random.choice((True, None)) if issuing is None else None,
                aliases=aliases, operator=operator, reason="why",
            ),
            BeginBodies(
                bodies=tuple(BodySeed(code=one, issuing=issuing, used_by=CODES[:1]) for one in aliases),
            ),
        ]
    )  # fmt: skip


Ended = tuple[list[Agency], list[Body], list[Register]]


async def ended(city: City) -> Ended:
    agencies = await city.documents("enrollment", AGENCIES)
    bodies = await city.documents("enrollment", BODIES)
    registers = await city.documents("enrollment", REGISTERS)
    return sorted(agencies, key=lambda one: one.id), sorted(bodies, key=lambda one: one.id), registers


def by_hand(sendings: list[Sending]) -> dict[str, Effective | None]:
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
    return {code: Effective(code, **one) for code, one in stands.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
async def test_any_weather_ends_in_the_same_register(seed: int) -> None:
    random = Random(seed)
    sendings = [Sending(command(random), f"c{n}", sender=OFFICER) for n in range(COMMANDS)]
    calm, rough = City(services=[ENROLLMENT]), City(services=[ENROLLMENT], random=random, weather=ROUGH)
    await calm.deliver(sendings)
    await rough.deliver(sendings)
    await rough.start_again("enrollment")
    await rough.recalculate()
    assert await ended(rough) == await ended(calm)
    agencies, bodies, _ = await ended(calm)
    assert {one.id: effective(one) for one in agencies} == by_hand(sendings)
    spelled(bodies)


def spelled(bodies: list[Body]) -> None:
    """Each spelling means one body, which knows it."""
    effective = {one.id: effective_body(one) for one in bodies}
    aliases = {one.id: one.alias_of for one in bodies if one.alias_of}
    known = {
        body_id(alias): id
        for id, stands in effective.items()
        if stands is not None
        for alias in stands.aliases
    }
    assert aliases == known
    assert all(effective[id] is not None for id in aliases.values())
