"""Whose somebody is, over HTTP on the running product: a dispute and its end, a transfer, a merge and back."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from devstack import Stack
from devstack.kompeten import configure, make_topics, start
from devstack.processes import Processes
from shared.contracts.agency import EmployeeReleased
from tests.end_to_end.product import OTHER_OPD, Person, Product, opened, somebody, structured, until
from tests.end_to_end.test_agencies import WHY, Cli
from tests.factories import OPD, completed

pytestmark = pytest.mark.xdist_group("end_to_end")
THIRD_OPD: Final = "dinas-ketiga"
BODY: Final = "BKPSDM"
REASON: Final = "SK 800/123"


@pytest.fixture(scope="module")
def product(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Three agencies, one of which issues for the body, on topics and databases of their own."""
    name = secrets.token_hex(4)
    kompeten = configure(
        stack,
        [OPD, OTHER_OPD, THIRD_OPD],
        topic_prefix=f"people-{name}.",
        database_prefix=f"people_{name}",
        bodies={BODY: OPD},
    )
    make_topics(kompeten)
    with Processes(tmp_path_factory.mktemp("people")) as processes:
        start(kompeten, processes)
        with opened(kompeten, processes.logs) as product:
            yield product


@pytest.fixture
def cli(product: Product, tmp_path: Path) -> Cli:
    return Cli(product, tmp_path / "stack.json")


def officer(product: Product, opd: str) -> httpx.Client:
    return product.client("officer", opd=opd, sub=f"officer-of-{opd}")


def search(client: httpx.Client, number: str) -> httpx.Response:
    return client.post("/people/search", json={"employee_number": number})


def found(client: httpx.Client, number: str) -> dict[str, Any]:
    answer = search(client, number)
    assert answer.status_code == 200, answer.text
    person: dict[str, Any] = answer.json()
    return person


def listed(client: httpx.Client, kind: str) -> list[dict[str, Any]]:
    answer = client.get(f"/people/{kind}")
    assert (answer.status_code, answer.json()["next"]) == (200, None), answer.text
    rows: list[dict[str, Any]] = answer.json()["links" if kind == "links" else "people"]
    return rows


def registers(product: Product, person: Person, opd: str, **changes: object) -> None:
    (id,) = product.publish(person.registration(**changes), opd=opd)
    product.verdict(id)


@pytest.mark.full
def test_a_dispute_is_seen_holds_mails_and_is_decided(product: Product, cli: Cli) -> None:
    person = somebody()
    registers(product, person, OPD)
    registers(product, person, OTHER_OPD, email=f"baru.{person.email}")
    for client in (
        officer(product, OPD),
        officer(product, OTHER_OPD),
        officer(product, "*"),
        product.client("auditor"),
    ):
        (row,) = [one for one in listed(client, "disputed") if one["employee_numbers"] == [person.number]]
        assert [one["agency"] for one in row["claimants"]] == [OPD, OTHER_OPD]
    assert not listed(officer(product, THIRD_OPD), "disputed")
    status = product.client("operator").get("/admin/status").json()
    assert (status["work"]["employees"]["disputed"], status["remarks"]) == (1, [])

    product.publish(completed(person.number, organizer=BODY))
    until(lambda: [one for one in product.mail_states(person) if one["state"] == "deferred"], "it is held")
    id = row["employee_id"]
    told = cli("people", "transfer", id, "--to", OTHER_OPD, *WHY, "--yes")
    assert (told["verdict"], told["agency"]) == ("accepted", OTHER_OPD)
    until(lambda: product.mails_for(f"baru.{person.email}"), "the mail goes to the address that stands now")
    told_before = product.mails_for(person.email)
    assert not [mail for mail in told_before if "/d/" in mail["Text"]], "only that its address changed"
    assert not [one for one in listed(product.client("auditor"), "disputed") if one["employee_id"] == id]
    whole = found(officer(product, OTHER_OPD), person.number)
    assert (whole["home"], whole["state"], whole["held"]) == (OTHER_OPD, "confirmed", False)
    (decision,) = found(product.client("auditor"), person.number)["decisions"]
    assert (decision["reason"], decision["acting_for"], bool(decision["by"])) == (WHY[1], None, True)
    (kept,) = product.decisions(decision["command_id"])
    assert (kept["subject"], kept["verdict"]) == (id, "accepted")
    assert kept["source"].startswith("urn:kompeten:enrollment:"), "who gave it"


def test_the_agency_that_has_a_person_lets_it_go_and_no_other_takes_it(product: Product) -> None:
    person = somebody()
    registers(product, person, OPD)
    old, new, neighbour = (officer(product, opd) for opd in (OPD, OTHER_OPD, THIRD_OPD))
    path = f"/people/{found(old, person.number)['employee_id']}/homes"
    order = {"agency": OTHER_OPD, "reason": REASON}

    unknown = somebody()
    nobodys = f"/people/emp_{'0' * 32}/homes"
    for client in (new, neighbour):
        assert alike(search(client, person.number), search(client, unknown.number))
        for address in ("", "/preview"):
            answer = client.post(path + address, json=order)
            assert alike(answer, client.post(nobodys + address, json=order))
            assert answer.status_code == 404
    own = old.post(path, json={"agency": OPD, "reason": REASON})
    assert (own.status_code, own.json()["type"]) == (403, "/problems/not-your-agency")
    nowhere = old.post(path, json={"agency": "dinas-x", "reason": REASON})
    assert (nowhere.status_code, "no agency dinas-x" in nowhere.json()["detail"]) == (409, True)

    preview = old.post(f"{path}/preview", json=order).json()
    assert preview["people"][0]["after"]["home"] == OTHER_OPD
    assert found(old, person.number)["home"] == OPD, "nothing was written"
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first, again = (old.post(path, json=order, headers=key) for _ in range(2))
    assert first.json() == again.json()
    assert (first.json()["verdict"], first.json()["agency"]) == ("accepted", OTHER_OPD)
    (decision,) = found(new, person.number)["decisions"]
    assert (decision["by"], decision["acting_for"]) == (None, OPD), "another agency's officer is not named"
    assert found(product.client("auditor"), person.number)["decisions"][0]["by"] == f"officer-of-{OPD}"
    assert search(old, person.number).status_code == 404, "who let a person go sees it no more"
    registers(product, person, OPD, name="Dari instansi lama")
    assert found(old, person.number)["home"] == OTHER_OPD
    refused = old.post(path, json={"agency": THIRD_OPD, "reason": REASON})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-your-agency")


@pytest.mark.parametrize(
    ("reason", "waits"), [("mistake", False), ("moved", True), ("retired", False), ("died", False)]
)
def test_an_agency_releases_a_person_over_http(product: Product, reason: str, waits: bool) -> None:
    person = somebody()
    registers(product, person, OPD)
    released = structured(
        EmployeeReleased.model_validate({"employee_number": person.number, "reason": reason})
    )
    answer = product.client("agency", opd=OPD).post("/events", json=[released])
    assert answer.status_code == 202, answer.text
    product.verdict(released["id"])
    auditor = product.client("auditor")
    rows = [one for one in listed(auditor, "unclaimed") if one["employee_numbers"] == [person.number]]
    assert [one["state"] for one in rows] == (["nobody"] if waits else [])
    assert found(auditor, person.number)["home"] is None
    assert search(officer(product, OPD), person.number).status_code == 404, "it is not its person any more"


def alike(one: httpx.Response, other: httpx.Response) -> bool:
    shapes = [{**answer.json(), "instance": ""} for answer in (one, other)]
    return one.status_code == other.status_code and shapes[0] == shapes[1]


def test_two_records_are_merged_with_a_preview_and_parted_again(product: Product, cli: Cli) -> None:
    earlier, later = somebody("Lama Contoh"), somebody("Baru Contoh")
    registers(product, earlier, OPD)
    registers(product, later, OTHER_OPD, previous_employee_number=earlier.number)
    for person, codes in ((earlier, ("A", "B")), (later, ("B", "C"))):
        product.publish(*(completed(person.number, organizer=BODY, code=code) for code in codes))
    product.settled()
    old, new = officer(product, OPD), officer(product, OTHER_OPD)
    (link,) = [one for one in listed(old, "links") if one["employee_number"] == later.number]
    assert (link["said_by"], link["into_name"]) == (OTHER_OPD, "Lama Contoh")
    (theirs,) = [one for one in listed(new, "links") if one["employee_number"] == later.number]
    assert (theirs["into"], theirs["into_name"]) == (None, None), (
        "whose the other number is, it does not learn"
    )
    assert not listed(officer(product, THIRD_OPD), "links")
    assert search(old, later.number).status_code == 404

    order = {"employee_id": link["employee_id"], "into": link["into"], "home": OTHER_OPD, "reason": REASON}
    for client in (new, officer(product, THIRD_OPD)):
        assert client.post("/people/merges", json=order).status_code == 404
    preview = old.post("/people/merges/preview", json=order).json()
    assert [preview[one]["count"] for one in ("moved", "counted_once")] == [2, 1]
    assert {one["employee_id"]: bool(one["before"]["jp"]) for one in preview["people"]} == {
        link["into"]: True,
        link["employee_id"]: False,
    }, "what the other agency's person has learned it does not tell"
    preview = officer(product, "*").post("/people/merges/preview", json=order).json()
    before = {one["employee_id"]: one["before"]["jp"] for one in preview["people"]}
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first, again = (old.post("/people/merges", json=order, headers=key) for _ in range(2))
    assert (first.json()["verdict"], again.json()) == ("accepted", first.json())
    person = found(new, later.number)
    assert person["employee_numbers"] == [earlier.number, later.number]
    assert [one["employee_id"] for one in person["merged"]] == [link["employee_id"]]
    assert not [one for one in listed(product.client("auditor"), "links") if one["into"] == link["into"]]

    cli("people", "separate", link["employee_id"], *WHY, "--yes")
    for record, number in ((link["into"], earlier.number), (link["employee_id"], later.number)):
        shown = cli("people", "search", "--id", record)
        assert shown["employee_numbers"] == [number]
        years = product.record(earlier if number == earlier.number else later)["years"]
        assert {str(one["year"]): one["jp"] for one in years} == before[record]
    assert not listed(new, "links"), "that they are two was decided, too"


def test_a_person_says_which_of_two_agencies_is_right(product: Product) -> None:
    person = somebody()
    registers(product, person, OPD)
    me = product.client("employee", employee_number=person.number, sub=f"user-{person.number[-6:]}")
    other = me.post("/me/home", json={"agency": OTHER_OPD})
    assert (other.status_code, "dispute" in other.json()["detail"]) == (409, True)
    registers(product, person, OTHER_OPD)
    home = me.get("/me/home").json()
    assert (home["state"], [one["code"] for one in home["choices"]]) == ("disputed", [OPD, OTHER_OPD])
    assert me.post("/me/home", json={"agency": OTHER_OPD}).status_code == 200
    assert me.get("/me/home").json()["home"]["code"] == OTHER_OPD
    assert found(officer(product, OTHER_OPD), person.number)["state"] == "confirmed"
    stranger = product.client("employee", employee_number=somebody().number, sub="stranger")
    assert stranger.get("/me/home").status_code == 404


@pytest.mark.full
def test_sixty_disputed_people_are_decided_by_one_command_that_may_be_stopped(
    product: Product, cli: Cli, tmp_path: Path
) -> None:
    people = [somebody() for _ in range(60)]
    for opd in (OTHER_OPD, THIRD_OPD):
        for id in product.publish(*(one.registration() for one in people), opd=opd):
            product.verdict(id)
    both = ("--claimed-by", OTHER_OPD, "--claimed-by", THIRD_OPD)
    bystander = somebody()
    registers(product, bystander, OPD)
    registers(product, bystander, THIRD_OPD)
    numbers = tmp_path / "people.csv"
    numbers.write_text("employee_number\n" + "".join(f"{one.number}\n" for one in people[:20]))

    first = cli("people", "transfer-all", "--to", THIRD_OPD, "--file", numbers, *WHY, "--yes")
    assert first["outcomes"] == {"accepted": 20}
    again = cli("people", "transfer-all", "--to", THIRD_OPD, "--file", numbers, *WHY, "--yes")
    assert again["outcomes"] == {"so already": 20}
    rest = cli("people", "transfer-all", "--to", THIRD_OPD, *both, *WHY, "--yes")
    assert rest["outcomes"] == {"accepted": 40}
    gone = cli("people", "transfer-all", "--to", THIRD_OPD, *both, *WHY, "--yes", status=1)
    assert "nobody is like that" in gone["error"]

    auditor = product.client("auditor")
    for one in people:
        person = found(auditor, one.number)
        assert (person["home"], person["state"], len(person["decisions"])) == (THIRD_OPD, "confirmed", 1)
    (left,) = [one for one in listed(auditor, "disputed") if one["employee_numbers"] == [bystander.number]]
    assert left["state"] == "disputed"
    assert not [line for line in product.log_lines()["enrollment"] if people[0].number in line]


@pytest.mark.full
def test_links_of_many_are_decided_by_one_command(product: Product, cli: Cli) -> None:
    pairs = [(somebody(), somebody()) for _ in range(4)]
    for earlier, later in pairs:
        registers(product, earlier, OPD)
        registers(product, later, THIRD_OPD, previous_employee_number=earlier.number)
    numbers = tmp_numbers(cli, pairs[0][1])
    apart = cli("people", "separate-all", "--file", numbers, *WHY, "--yes")
    assert apart["outcomes"] == {"accepted": 1}
    merged = cli("people", "merge-all", "--said-by", THIRD_OPD, "--home", THIRD_OPD, *WHY, "--yes")
    assert merged["outcomes"] == {"accepted": 3}
    auditor = product.client("auditor")
    for earlier, later in pairs[1:]:
        person = found(auditor, earlier.number)
        assert (person["employee_numbers"], person["home"]) == ([earlier.number, later.number], THIRD_OPD)
    assert found(auditor, pairs[0][0].number)["employee_numbers"] == [pairs[0][0].number]
    assert not [one for one in listed(auditor, "links") if one["said_by"] == THIRD_OPD]


def tmp_numbers(cli: Cli, *people: Person) -> Path:
    path = cli.description.with_name("numbers.txt")
    path.write_text("".join(f"{one.number}\n" for one in people))
    return path


def test_who_has_no_certificate_is_mailed_why_once_and_what_nobody_may_say_is_shown_to_officers(
    product: Product, cli: Cli
) -> None:
    person = somebody()
    registers(product, person, OTHER_OPD)
    for _ in range(2):
        (id,) = product.publish(completed(person.number, organizer=BODY, code="OURS"), opd=OTHER_OPD)
        product.verdict(id)
    (id,) = product.publish(completed(person.number, organizer=BODY, code="THEIRS"), opd=THIRD_OPD)
    assert "is not this person's agency" in product.verdict(id)["reason"]
    product.settled()
    (mail,) = product.mails_for(person.email)
    assert f"Mintalah pengelola pelatihan di {OPD} melaporkannya" in " ".join(mail["Text"].split())
    (own,) = product.record(person)["completions"]
    assert (own["certificate"], own["note"].partition(": ")[0]) == (
        None,
        "Tercatat, tanpa sertifikat dari kami",
    )
    (told,) = product.employee(person, "notification").get("/me/mails").json()
    assert (told["template"], told["certificate_number"], bool(told["title"])) == (
        "completion_recorded",
        None,
        True,
    )
    shown = found(officer(product, OTHER_OPD), person.number)["completions"]
    assert sorted((one["counts"], one["note"].partition(":")[0]) for one in shown) == [
        (False, "Tidak berlaku"), (True, "Tercatat, tanpa sertifikat dari kami"),
    ]  # fmt: skip
    (stranger,) = [one["completion_id"] for one in shown if not one["counts"]]
    traced = cli("trace", "--completion", stranger, status=1)
    assert [step["what"] for step in traced["steps"] if step["state"] == "problem"] == [
        "kept, does not stand"
    ]
    assert traced["missing"] == []


@pytest.mark.parametrize("role", ["agency", "employee", "supervisor"])
def test_nobody_else_sees_or_decides_anything(product: Product, role: str) -> None:
    client = product.client(role, opd=OPD)
    for kind in ("disputed", "unclaimed", "links"):
        assert client.get(f"/people/{kind}").status_code == 403
    assert search(client, somebody().number).status_code == 403
    auditor = product.client("auditor")
    order = {"employee_id": f"emp_{'0' * 32}", "reason": REASON}
    for asking in (client, auditor):
        assert asking.post("/people/separations", json=order).status_code == 403


def test_a_number_never_stands_in_an_address_or_a_log(product: Product) -> None:
    person = somebody()
    registers(product, person, OPD)
    found(officer(product, OPD), person.number)
    assert (
        officer(product, OPD)
        .post(f"/people/{person.number}/homes", json={"agency": OTHER_OPD, "reason": REASON})
        .status_code
        == 422
    )
    assert not [line for line in product.log_lines()["enrollment"] if person.number in line]
