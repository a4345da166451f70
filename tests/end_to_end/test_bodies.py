"""`kompeten body` on the running product: how the register began, an order with its preview, and who may read it."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack import Stack
from devstack.kompeten import configure, make_topics, start
from devstack.processes import Processes
from tests.end_to_end.product import OTHER_OPD, Product, opened, until
from tests.end_to_end.test_agencies import WHY, Cli
from tests.factories import OPD

pytestmark = pytest.mark.xdist_group("end_to_end")


@pytest.fixture(scope="module")
def product(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Enrollment alone, on topics and a database of its own, with bodies that it begins with."""
    name = secrets.token_hex(4)
    kompeten = configure(
        stack,
        [OPD, OTHER_OPD],
        topic_prefix=f"bodies-{name}.",
        database_prefix=f"bodies_{name}",
        settings={"enrollment": {"KOMPETEN_BODIES": f"PUSDIK={OPD},LAN RI=outside,ITB"}},
    )
    make_topics(kompeten)
    with Processes(tmp_path_factory.mktemp("bodies")) as processes:
        start(kompeten, processes, ("enrollment",))
        with opened(kompeten, processes.logs) as product:
            until(lambda: product.client("auditor").get("/bodies").json(), "the register of bodies begins")
            yield product


@pytest.fixture
def cli(product: Product, tmp_path: Path) -> Cli:
    return Cli(product, tmp_path / "stack.json")


def listed(cli: Cli) -> dict[str, Any]:
    return {one["code"]: one for one in cli("body", "list")["bodies"]}


def test_the_register_begins_with_the_setting_and_status_names_who_is_not_confirmed(
    product: Product, cli: Cli
) -> None:
    found = listed(cli)
    assert (found["PUSDIK"]["issuing"], found["PUSDIK"]["confirmed"]) == (OPD, True)
    assert (found["LAN RI"]["outside"], found["ITB"]["confirmed"]) == (True, False)

    def remarks() -> Any:
        return [
            one for one in product.client("operator").get("/admin/status").json()["remarks"] if "bod" in one
        ]

    assert until(remarks, "it is named") == ["bodies: 1 body is not confirmed: `kompeten body list`"]
    cli("body", "change", "itb", "--outside", *WHY, "--yes")
    assert listed(cli)["ITB"]["outside"]


def test_a_body_with_a_slash_is_entered_once_and_spelled_otherwise_later(product: Product, cli: Cli) -> None:
    add = ("body", "add", "BKN/Kanreg-3", "--name", "Kantor Regional", "--issued-by", OTHER_OPD, "--yes")
    first, again = cli(*add), cli(*add)
    assert (first["verdict"], first["issuing"]) == ("accepted", OTHER_OPD)
    assert again["command_id"] == first["command_id"], "one order, one statement"
    cli("body", "change", "bkn/kanreg-3", "--alias", "Kanreg 3", *WHY, "--yes")
    assert listed(cli)["BKN/Kanreg-3"]["aliases"] == ["Kanreg 3"]
    refused = cli("body", "add", "KANREG 3", "--name", "X", "--outside", "--yes", status=1)
    assert "another spelling of bkn/kanreg-3" in refused["error"]
    unknown = cli("body", "add", "B", "--name", "X", "--issued-by", "dinas-x", "--yes", status=1)
    assert "no agency dinas-x" in unknown["error"]
    wrong = cli("body", "add", "B_1", "--name", "X", "--outside", "--yes", status=1)
    assert "1 to 40 of A-Z" in wrong["error"]
    assert cli("body", "unknown") == {"bodies": [], "more": False}


@pytest.mark.parametrize("role", ["agency", "officer", "employee", "auditor"])
def test_only_an_operator_says_who_issues(product: Product, role: str) -> None:
    client = product.client(role, opd=OPD) if role in ("agency", "officer") else product.client(role)
    entry = {"code": "X", "name": "X", "outside": True}
    assert client.post("/bodies", json=entry).status_code == 403
    assert client.patch("/bodies", json={"code": "X", "name": "Y", "reason": "x"}).status_code == 403
    assert client.post("/bodies/preview", json={"add": entry}).status_code == 403
    assert client.get("/bodies").status_code == (200 if role in ("officer", "auditor") else 403)
    assert client.get("/bodies/unknown").status_code == (200 if role == "auditor" else 403)


def test_what_is_half_said_is_refused_with_what_to_say(product: Product) -> None:
    operator = product.client("operator")
    for answer in (
        operator.post("/bodies", json={"code": "X", "name": "X"}),
        operator.patch("/bodies", json={"code": "ITB", "reason": "x", "outside": False}),
        operator.post("/bodies/preview", json={"add": {"code": "X", "name": "X"}}),
    ):
        assert answer.status_code == 422
        assert "say one of both" in answer.text
