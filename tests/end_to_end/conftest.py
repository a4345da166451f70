"""The three services as real processes on the shared stack, with topics and databases of their own."""

import secrets
from collections.abc import Iterator

import pytest

from devstack import Stack
from devstack.kompeten import configure, make_topics, start
from devstack.processes import Processes
from tests.end_to_end.collector import Collector, collecting
from tests.end_to_end.product import OTHER_OPD, Product, opened
from tests.factories import BODIES, OPD


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="package")
def product(
    stack: Stack, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """One for all tests of this folder: they stop nothing and break nothing."""
    name = secrets.token_hex(4)
    kompeten = configure(
        stack,
        [OPD, OTHER_OPD],
        topic_prefix=f"e2e-{name}.",
        database_prefix=f"e2e_{name}",
        bodies=dict.fromkeys((*BODIES, "PUSDIK", "LEMBAGA-LURUS", "LEMBAGA-AKHIR-TAHUN", "ITB", "X"), OPD),
        settings={
            "*": {"KOMPETEN_OTLP_ENDPOINT": collector.url},
            # Tests that compare whole databases must not have a list between two looks.
            "enrollment": {"KOMPETEN_LIST_EVERY_S": "86400"},
        },
    )
    make_topics(kompeten)
    with Processes(tmp_path_factory.mktemp("kompeten")) as processes:
        start(kompeten, processes)
        with opened(kompeten, processes.logs) as product:
            yield product
