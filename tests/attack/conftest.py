"""The running product, a victim, and somebody with ordinary credentials. After each attack the victim is looked at."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from devstack import Stack
from devstack.kompeten import configure, make_topics, start
from devstack.processes import Processes
from tests.attack.attacker import ATTACKER_OPD, OTHER_OPD, Attacker, stays_ready
from tests.attack.odd_keys import ODD_KEYS
from tests.attack.victim import VICTIM_OPD, Victim
from tests.end_to_end.product import Product, opened, somebody
from tests.factories import BODIES
from tests.unit.oidc_issuer import Issuer, serving_issuer


@pytest.fixture(scope="package")
def issuer() -> Iterator[Issuer]:
    """Everybody's, with a key set of the odd kind: that all else works beside it is a test too."""
    with serving_issuer() as issuer:
        issuer.keys = [*ODD_KEYS, *issuer.keys]
        yield issuer


@pytest.fixture(scope="package")
def product(stack: Stack, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    name = secrets.token_hex(4)
    kompeten = configure(
        replace(stack, issuer=issuer.url),
        [VICTIM_OPD, ATTACKER_OPD, OTHER_OPD],
        topic_prefix=f"attack-{name}.",
        database_prefix=f"attack_{name}",
        bodies=dict.fromkeys(BODIES, VICTIM_OPD),
        settings={"enrollment": {"KOMPETEN_LIST_EVERY_S": "86400"}},  # no list between two looks
    )
    make_topics(kompeten)
    with Processes(tmp_path_factory.mktemp("kompeten")) as processes:
        start(kompeten, processes)
        with opened(kompeten, processes.logs) as product:
            yield product


@pytest.fixture(scope="package")
def victim(product: Product) -> Victim:
    return Victim(product, somebody("Tirta Contoh Sejahtera"), somebody("Ratna Contoh Lestari"))


@pytest.fixture(scope="package")
def attacker(product: Product, issuer: Issuer) -> Attacker:
    return Attacker(product, issuer)


@pytest.fixture(scope="package")
def untouched(victim: Victim) -> dict[str, Any]:
    """What nothing in the whole run may change."""
    return victim.state()


@pytest.fixture
def unharmed(product: Product, victim: Victim, untouched: dict[str, Any]) -> Iterator[None]:
    """The victim's side is the same after the attack as before it, and every service is ready."""
    yield
    stays_ready(product)
    assert victim.state() == untouched


@pytest.fixture(scope="module", autouse=True)
def unharmed_by_what_follows(product: Product, victim: Victim, untouched: dict[str, Any]) -> Iterator[None]:
    """Nor has anything come of it once all is decided, rendered and mailed."""
    yield
    product.settled()
    assert victim.state() == untouched
