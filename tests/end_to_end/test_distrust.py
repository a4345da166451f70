"""What reaches back, on the running product: a day that counts for nothing and again, an heir, a contest."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from devstack import Stack
from devstack.kompeten import configure, make_topics, start
from devstack.processes import Processes
from tests.end_to_end.product import OTHER_OPD, Person, Product, opened, somebody, until
from tests.end_to_end.test_agencies import WHY, Cli
from tests.end_to_end.test_people import REASON, found, officer
from tests.factories import OPD, completed

pytestmark = pytest.mark.xdist_group("end_to_end")
BODY: Final = "BKPSDM"
HEIR: Final = "dinas-pewaris"


@pytest.fixture(scope="module")
def product(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A body's agency, one with people, and one that comes after it; topics and databases of their own."""
    name = secrets.token_hex(4)
    kompeten = configure(
        stack,
        [OPD, OTHER_OPD, HEIR],
        topic_prefix=f"distrust-{name}.",
        database_prefix=f"distrust_{name}",
        bodies={BODY: OPD},
    )
    make_topics(kompeten)
    with Processes(tmp_path_factory.mktemp("distrust")) as processes:
        start(kompeten, processes)
        with opened(kompeten, processes.logs) as product:
            until(lambda: product.client("auditor").get("/bodies").json(), "the register of bodies begins")
            yield product


@pytest.fixture
def cli(product: Product, tmp_path: Path) -> Cli:
    return Cli(product, tmp_path / "stack.json")


def reported(product: Product, person: Person, *codes: str) -> None:
    """By the body's agency, of a person of the other one."""
    (id,) = product.publish(person.registration(), opd=OTHER_OPD)
    product.verdict(id)
    for id in product.publish(*(completed(person.number, organizer=BODY, code=code) for code in codes)):
        product.verdict(id)
    product.settled()


def certificate(product: Product, person: Person) -> dict[str, Any]:
    (one,) = product.record(person)["completions"]
    return dict(one["certificate"])


def page(product: Product, person: Person) -> str:
    """What the page of the certificate's code says."""
    code = certificate(product, person)["verification_url"].rpartition("/")[2]
    return str(product.client(None).get(f"/v/{code}").json()["status"])


def hours(product: Product, person: Person) -> float:
    return sum(float(one["jp"]) for one in product.record(person)["years"])


def test_what_arrived_while_an_agency_was_distrusted_counts_for_nothing_and_again_when_it_is_trusted(
    product: Product, cli: Cli
) -> None:
    before, during = somebody(), somebody()
    reported(product, before, "A")
    since = datetime.now(UTC).isoformat()
    reported(product, during, "B")
    number, earned = certificate(product, during)["number"], hours(product, during)
    assert (page(product, during), earned > 0) == ("valid", True)

    operator = product.client("operator")
    order = {"since": since, "reason": REASON}
    reach = operator.post(f"/agencies/{OPD}/distrusts/preview", json=order).json()
    assert (reach["verdict"], reach["completions"], reach["completions_alone"]) == ("accepted", 1, 1)
    assert (reach["people"], BODY in reach["bodies"], reach["more"]) == (0, True, False)
    assert operator.get(f"/agencies/{OPD}").json()["statements"][-1]["kind"] != "distrusted", (
        "nothing is written"
    )

    said = cli("agency", "distrust", OPD, "--since", since, *WHY, "--yes")
    assert (said["verdict"], said["decision"]) == ("accepted", said["command_id"])
    until(lambda: page(product, during) == "revoked", "its certificate's page says so")
    assert (hours(product, during), page(product, before), hours(product, before) > 0) == (0, "valid", True)
    product.settled()
    assert product.points(during)["balance"] == 0
    (one,) = found(officer(product, OTHER_OPD), during.number)["completions"]
    assert (one["counts"], bool(one["why"])) == (False, True)
    held = operator.get(f"/agencies/{OPD}").json()["statements"][-1]
    assert (held["kind"], held["decision"], held["until"]) == ("distrusted", said["decision"], None)

    # What comes now counts for nothing either, and waits for nobody.
    late = somebody()
    (id,) = product.publish(late.registration(), opd=OTHER_OPD)
    product.verdict(id)
    (id,) = product.publish(completed(late.number, organizer=BODY, code="C"))
    product.verdict(id)
    assert product.record(late)["completions"] == []

    cli("agency", "trust", OPD, *WHY, "--yes")
    until(lambda: page(product, during) == "valid", "it is valid again")
    until(lambda: hours(product, late), "what came meanwhile counts too")
    again = certificate(product, during)
    assert (again["number"], hours(product, during)) == (number, earned)
    refused = cli("agency", "trust", OPD, *WHY, "--yes", status=1)
    assert "is not distrusted" in refused["error"]


def test_a_contest_counts_for_nothing_until_somebody_decides(product: Product, cli: Cli) -> None:
    person = somebody()
    reported(product, person, "D")
    home, stranger, of_all = (officer(product, opd) for opd in (OTHER_OPD, HEIR, "*"))
    (one,) = found(home, person.number)["completions"]
    assert (one["counts"], one["contestable"], one["reported_by"]) == (True, True, OPD)
    order = {"completion_id": one["completion_id"], "reason": REASON}
    nobodys = {**order, "completion_id": f"cmp_{'0' * 32}"}
    for address in ("/completions/contests", "/completions/contests/preview"):
        answers = [stranger.post(address, json=body) for body in (order, nobodys)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json()["detail"] == answers[1].json()["detail"]
    seen = home.post("/completions/contests/preview", json=order).json()
    assert (seen["before"]["counts"], seen["after"]["counts"]) == (True, False)
    assert hours(product, person) > 0, "nothing was written"

    contest = home.post("/completions/contests", json=order).json()
    assert (contest["verdict"], contest["counts"]) == ("accepted", False)
    assert (hours(product, person), page(product, person)) == (0, "valid")
    assert home.get("/completions/contested").status_code == 403
    (row,) = of_all.get("/completions/contested").json()["completions"]
    assert (row["completion_id"], row["home"]) == (one["completion_id"], OTHER_OPD)
    assert [each["contest_id"] for each in row["contests"]] == [contest["command_id"]]
    status = product.client("operator").get("/admin/status").json()
    assert status["work"]["contested"] == {"undecided": 1}
    (listed,) = cli("contests", "list")["completions"]
    assert listed["completion_id"] == one["completion_id"]

    dismissal = {**order, "contest_id": contest["command_id"], "upheld": False}
    assert home.post("/completions/contests/decisions", json=dismissal).status_code == 403
    unknown = of_all.post("/completions/contests/decisions", json={**dismissal, "contest_id": "x"})
    assert unknown.status_code == 404
    decided = of_all.post("/completions/contests/decisions", json=dismissal).json()
    assert (decided["verdict"], decided["counts"], hours(product, person) > 0) == ("accepted", True, True)
    assert cli("contests", "list")["completions"] == []
    (after,) = found(home, person.number)["completions"]
    assert [each["state"] for each in after["contests"]] == ["dismissed"]

    # Numbers can be guessed: who merely claims the person sees no completion and contests none.
    (id,) = product.publish(person.registration(), opd=HEIR)
    product.verdict(id)
    assert found(stranger, person.number)["completions"] == []
    refused = stranger.post("/completions/contests", json=order)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-your-agency")


def test_an_heir_has_what_the_agency_had_and_nobody_is_told(product: Product, cli: Cli) -> None:
    person = somebody()
    reported(product, person, "E")
    number, mails = certificate(product, person)["number"], len(product.mails_for(person.email))
    refused = cli("agency", "replace", OTHER_OPD, "--heir", "dinas-x", *WHY, "--yes", status=1)
    assert "the heir must be another agency" in refused["error"]
    said = cli("agency", "replace", OTHER_OPD, "--heir", HEIR, *WHY, "--yes")
    assert said["verdict"] == "accepted"
    until(lambda: found(product.client("auditor"), person.number)["home"] == HEIR, "the person is the heir's")
    assert found(officer(product, HEIR), person.number)["completions"][0]["counts"]
    product.settled()
    assert (certificate(product, person)["number"], page(product, person)) == (number, "valid")
    assert len(product.mails_for(person.email)) == mails
    (held,) = [
        one
        for one in product.client("operator").get(f"/agencies/{OTHER_OPD}").json()["statements"]
        if one["kind"] == "succeeded"
    ]
    assert held["heir"] == HEIR


@pytest.mark.parametrize("role", ["agency", "officer", "auditor", "employee"])
def test_nobody_but_an_operator_gives_or_sees_such_an_order(product: Product, role: str) -> None:
    client = product.client(role, opd=OPD)
    bodies = {
        "distrusts": {"since": "2026-01-01T00:00:00Z", "reason": REASON},
        "trusts": {"distrust": "x", "reason": REASON},
        "successions": {"heir": HEIR, "reason": REASON},
    }
    for path, body in bodies.items():
        for preview in ("", "/preview"):
            assert client.post(f"/agencies/{OPD}/{path}{preview}", json=body).status_code == 403
