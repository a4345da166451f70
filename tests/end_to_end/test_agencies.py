"""`kompeten agency`: from a command to the first accepted event, over HTTP and Kafka, without a restart; and back."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from devstack import Stack
from devstack.kompeten import configure, make_topics, start, write_description
from devstack.processes import Processes
from shared.contracts.payload import Payload
from shared.contracts.rights import agency_user
from shared.contracts.topics import agency_topic
from shared.kafka.connection import SCRAM, KafkaConnection
from tests.end_to_end.product import OTHER_OPD, Product, opened, somebody, structured, until
from tests.factories import OPD

pytestmark = pytest.mark.xdist_group("end_to_end")

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 60.0
WHY: Final = ("--reason", "trying it out")


class Cli:
    """The operator's command line on the running product, as `make up` describes it."""

    def __init__(self, product: Product, description: Path) -> None:
        self.description = description
        write_description(product.kompeten, description)

    def __call__(self, *argv: str | Path, status: int = 0) -> Any:
        env = {name: value for name, value in os.environ.items() if not name.startswith("KOMPETEN_")}
        command = [ROOT / "kompeten", *argv, "--stack", self.description, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)
        assert done.returncode == status, (argv, done.stdout, done.stderr)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def product(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Enrollment alone, on topics and a database of its own: agencies of these tests come to harm."""
    name = secrets.token_hex(4)
    kompeten = configure(
        stack, [OPD, OTHER_OPD], topic_prefix=f"agencies-{name}.", database_prefix=f"agencies_{name}"
    )
    make_topics(kompeten)
    with Processes(tmp_path_factory.mktemp("agencies")) as processes:
        start(kompeten, processes, ("enrollment",))
        with opened(kompeten, processes.logs) as product:
            yield product


@pytest.fixture
def cli(product: Product, tmp_path: Path) -> Cli:
    return Cli(product, tmp_path / "stack.json")


@pytest.fixture
def code() -> str:
    return f"dinas-{secrets.token_hex(4)}"


class Agency:
    """A system of the agency that keeps its Kafka connection open, with the credentials that it was given."""

    def __init__(self, product: Product, code: str, added: dict[str, Any]) -> None:
        self.product, self.code = product, code
        kafka = product.kompeten.stack.kafka
        self.kafka = KafkaConnection(
            kafka.bootstrap, added["user"], added["password"], kafka.security, SCRAM, kafka.ca
        )
        self.producer: AIOKafkaProducer | None = None

    def publish(self) -> str:
        """The id of an event that Kafka acknowledged; raises what the client raises."""
        event = structured(somebody().registration())
        self.product._runner.run(self._send(json.dumps(event).encode()))
        return str(event["id"])

    async def _send(self, value: bytes) -> None:
        if self.producer is None:
            self.producer = AIOKafkaProducer(**self.kafka.options(), acks="all", enable_idempotence=True)
            await self.producer.start()
        topic = agency_topic(self.code, self.product.kompeten.topic_prefix)
        await self.producer.send_and_wait(
            topic, value, headers=[("content-type", b"application/cloudevents+json; charset=UTF-8")]
        )

    def close(self) -> None:
        if self.producer is not None:
            self.product._runner.run(self.producer.stop())


Connect = Callable[[str, dict[str, Any]], Agency]


@pytest.fixture
def connect(product: Product) -> Iterator[Connect]:
    made: list[Agency] = []

    def connect(code: str, added: dict[str, Any]) -> Agency:
        made.append(Agency(product, code, added))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def post(agency: httpx.Client, payload: Payload | None = None) -> httpx.Response:
    event = structured(payload or somebody().registration())
    return agency.post(
        "/events", content=json.dumps(event), headers={"content-type": "application/cloudevents+json"}
    )


def accepted(product: Product, answer: httpx.Response) -> None:
    assert answer.status_code == 202, answer.text
    assert product.verdict(answer.json()[0]["id"])["verdict"] == "accepted"


def refused(answer: httpx.Response, problem: str) -> bool:
    return answer.status_code == 403 and answer.json()["type"] == f"/problems/{problem}"


def ready(product: Product) -> bool:
    return httpx.get(f"{product.kompeten.urls['enrollment']}/health/ready", timeout=30).status_code == 200


def test_a_new_agency_speaks_over_http_and_kafka_without_a_restart(
    product: Product, cli: Cli, code: str, connect: Connect
) -> None:
    early = product.client("agency", opd=code, fresh=True)
    assert refused(post(early), "not-your-agency")
    pid = product.kompeten.children["enrollment"].pid
    started = time.monotonic()
    added = cli("agency", "add", code, "--name", "Dinas Baru")
    accepted(product, post(early))  # the connection that was refused before
    by_kafka = connect(code, added).publish()
    assert product.verdict(by_kafka)["verdict"] == "accepted"
    assert time.monotonic() - started < WITHIN_S
    assert product.kompeten.children["enrollment"].pid == pid
    assert ready(product)


def test_the_master_source_says_whose_person_everybody_is(product: Product, cli: Cli, code: str) -> None:
    added = cli("agency", "add", code, "--name", "BKD", "--master", "--http-only")
    assert added["agency"]["master"]
    person, master = somebody(), product.client("agency", opd=code, fresh=True)
    for opd in (OPD, OTHER_OPD):
        answer = post(product.client("agency", opd=opd, fresh=True), person.registration())
        product.verdict(answer.json()[0]["id"])
    accepted(product, post(master, person.registration(name="Nama Benar", home=OTHER_OPD)))
    found = product.client("auditor").post("/people/search", json={"employee_number": person.number}).json()
    assert (found["home"], found["state"], found["name"]) == (OTHER_OPD, "confirmed", "Nama Benar")
    id = found["employee_id"]
    moved = cli("people", "transfer", id, "--to", OPD, *WHY, "--yes", status=1)
    assert f"{code} says whose person this is" in moved["error"]
    no_home = cli("people", "transfer", id, "--to", code, *WHY, "--yes", status=1)
    assert f"no agency {code}" in no_home["error"]


@pytest.mark.full
def test_the_same_command_again_changes_nothing_and_keeps_the_password(
    product: Product, cli: Cli, code: str, connect: Connect
) -> None:
    first = cli("agency", "add", code, "--name", "Dinas Baru")
    again = cli("agency", "add", code, "--name", "Dinas Baru")
    assert again["command_id"] == first["command_id"], "one order, one statement"
    assert again["kafka"] == []
    assert "password" not in again
    connect(code, first).publish()
    other = cli("agency", "add", code, "--name", "Dinas Lain", status=1)
    assert "another name" in other["error"]


def test_a_suspended_agency_is_refused_at_once_on_open_connections_and_goes_on_when_resumed(
    product: Product, cli: Cli, code: str, connect: Connect
) -> None:
    added = cli("agency", "add", code, "--name", "Dinas Nakal")
    system, http = connect(code, added), product.client("agency", opd=code, fresh=True)
    assert product.verdict(system.publish())["verdict"] == "accepted"
    accepted(product, post(http))
    cli("agency", "suspend", code, *WHY)
    assert refused(post(http), "agency-suspended")
    with pytest.raises(TopicAuthorizationFailedError):
        system.publish()
    (listed,) = [one for one in cli("agency", "list", status=0)["agencies"] if one["code"] == code]
    assert (listed["state"], listed["undecided"]) == ("suspended", 0)
    told = cli("status", "--service", "enrollment")["services"]["enrollment"]["suspended"]
    (said,) = [one["statements"][-1] for one in told if one["code"] == code]
    assert (said["kind"], said["reason"]) == ("suspended", WHY[1])
    assert said["operator"]
    cli("agency", "resume", code, *WHY)
    accepted(product, post(http))
    assert product.verdict(connect(code, added).publish())["verdict"] == "accepted"


def test_a_rotated_agency_has_two_users_until_the_old_one_is_shut_out(
    product: Product, cli: Cli, code: str, connect: Connect
) -> None:
    added = cli("agency", "add", code, "--name", "Dinas Rapi")
    old = connect(code, added)
    old.publish()
    rotated = cli("agency", "rotate", code, *WHY)
    new = connect(code, rotated)
    assert rotated["agency"]["kafka_users"] == [added["user"], rotated["user"]]
    old.publish()
    assert product.verdict(new.publish())["verdict"] == "accepted"
    assert "under way" in cli("agency", "rotate", code, *WHY, status=1)["error"]
    finished = cli("agency", "rotate", code, "--finish", *WHY)
    assert finished["agency"]["kafka_users"] == [rotated["user"]]
    with pytest.raises(KafkaError):
        old.publish()
    assert product.verdict(new.publish())["verdict"] == "accepted"


def test_a_bound_agency_is_spoken_for_by_its_own_client_alone(product: Product, cli: Cli, code: str) -> None:
    cli("agency", "add", code, "--name", "Dinas Terikat", "--client-id", "simpeg-baru", "--http-only")
    own = product.client("agency", opd=code, azp="simpeg-baru")
    answer = post(own)
    accepted(product, answer)
    decided = f"/decisions/{answer.json()[0]['id']}"
    assert own.get(decided).status_code == 200
    assert refused(post(product.client("agency", azp="simpeg-baru")), "forbidden")
    for claims in (
        {"opd": code},
        {"opd": code, "azp": "simpeg-lain"},
        {"opd": OTHER_OPD, "azp": "simpeg-baru"},
    ):
        other = product.client("agency", **claims)
        assert refused(post(other), "not-your-agency"), claims
        assert refused(other.get(decided), "not-your-agency"), claims
    cli("agency", "change", code, "--unbind", *WHY)
    accepted(product, post(product.client("agency", opd=code)))


def test_the_password_goes_into_a_file_that_only_its_owner_may_read(
    cli: Cli, code: str, tmp_path: Path, product: Product, connect: Connect
) -> None:
    file = tmp_path / "password"
    added = cli("agency", "add", code, "--name", "Dinas Rahasia", "--password-file", file)
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    assert password not in json.dumps(added)
    connect(code, {**added, "password": password}).publish()
    assert password not in (product.logs / "enrollment.log").read_text()


def test_the_agencies_of_the_setting_are_in_the_register_and_nothing_differs(
    product: Product, cli: Cli
) -> None:
    listed = cli("agency", "list")
    known = {one["code"]: one for one in listed["agencies"]}
    for opd in (OPD, OTHER_OPD):
        assert (known[opd]["state"], known[opd]["bound"]) == ("active", False)
        (user,) = listed["kafka"][opd]["users"]  # made by the set-up step: the register does not have it
        assert (user["name"], user["denied"]) == (
            agency_user(opd, prefix=product.kompeten.topic_prefix),
            False,
        )
    assert listed["drift"] == {}


@pytest.mark.full
def test_an_agency_without_a_topic_stops_nobody_and_is_named(product: Product, cli: Cli, code: str) -> None:
    operator = product.client("operator")
    added = operator.post("/agencies", json={"code": code, "name": "Dinas Tanpa Topik"})
    assert added.json()["verdict"] == "accepted"

    def fault() -> str | None:
        said = operator.get(f"/agencies/{code}").json()["fault"]
        return said if said is None else str(said)

    assert "does not exist" in str(until(fault, "the missing topic is named"))
    answer = post(product.client("agency", opd=code))
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-ready")
    assert ready(product)
    told = product.client("auditor").get("/admin/status").json()
    assert any(agency_topic(code, product.kompeten.topic_prefix) in one for one in told["remarks"])
    accepted(product, post(product.client("agency", opd=OPD)))
    cli("agency", "change", code, "--name", "Dinas Bertopik", *WHY, status=1)
    cli("agency", "add", code, "--name", "Dinas Bertopik")
    accepted(product, post(product.client("agency", opd=code)))


@pytest.mark.parametrize("role", ["agency", "officer", "employee", "auditor"])
def test_only_an_operator_changes_the_register(product: Product, role: str) -> None:
    client = product.client(role, opd=OPD) if role in ("agency", "officer") else product.client(role)
    assert client.post("/agencies", json={"code": "dinas-x", "name": "X"}).status_code == 403
    for change in ("suspensions", "resumptions"):
        assert client.post(f"/agencies/{OPD}/{change}", json={"reason": "x"}).status_code == 403
    assert client.patch(f"/agencies/{OPD}", json={"name": "X", "reason": "x"}).status_code == 403
    assert client.get("/agencies").status_code == (200 if role == "auditor" else 403)


PAGE: Final = ROOT / "docs/how-to/connect-an-agency.md"
# kcat is librdkafka on the command line; where it is not installed, the same library by its Python binding.
KCAT: Final = """
import sys
from confluent_kafka import Producer
words = sys.argv[1:]
said = [(words[n], words[n + 1]) for n in range(len(words) - 1) if words[n] in ("-F", "-t", "-H")]
(config,), (topic,) = [value for name, value in said if name == "-F"], [value for name, value in said if name == "-t"]
producer = Producer(dict(line.split("=", 1) for line in open(config).read().splitlines()))
headers = [tuple(value.split("=", 1)) for name, value in said if name == "-H"]
faults = []
for line in sys.stdin.read().splitlines():
    producer.produce(topic, line.encode(), headers=headers, on_delivery=lambda error, _: error and faults.append(error))
left = producer.flush(20)
sys.exit(f"not delivered: {left} {faults}" if left or faults else 0)
"""


def commands_of(page: Path, *headings: str) -> str:
    """What stands in the code blocks below these headings."""
    sections = page.read_text(encoding="utf-8").split("\n## ")
    chosen = [section for section in sections if section.partition("\n")[0] in headings]
    assert len(chosen) == len(headings)
    return "\n".join(block for section in chosen for block in section.split("```")[1::2])


def test_by_the_how_to_alone_an_agency_is_connected_in_under_a_minute(
    product: Product, tmp_path: Path
) -> None:
    (tmp_path / ".run").mkdir()
    write_description(product.kompeten, tmp_path / ".run/stack.json")
    kompeten, kcat = tmp_path / "kompeten", tmp_path / "bin/kcat"
    kcat.parent.mkdir()
    kompeten.write_text(f'#!/bin/sh\nexec {ROOT}/kompeten "$@" --stack {tmp_path}/.run/stack.json\n')
    (tmp_path / "kcat.py").write_text(KCAT)
    kcat.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/kcat.py "$@"\n')
    for file in (kompeten, kcat):
        file.chmod(0o755)
    typed = commands_of(
        PAGE,
        "Add it",
        "See its first event accepted, over HTTP",
        "See its first event accepted, over Kafka",
    ).replace("agency.dinas-baru.", f"{product.kompeten.topic_prefix}agency.dinas-baru.")
    env = {name: value for name, value in os.environ.items() if not name.startswith("KOMPETEN_")}
    started = time.monotonic()
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", typed],
        cwd=tmp_path, env={**env, "PATH": f"{kcat.parent}:{env['PATH']}"},
        input="y\n", capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert time.monotonic() - started < WITHIN_S
    assert '"status":"accepted"' in done.stdout
    assert "nothing yet" not in done.stdout
    assert "curl: (" not in done.stderr, "a decision that is awaited is no error"
    for id in ("http-1", "kafka-1"):
        (decision,) = product.decisions(id)
        assert decision["verdict"] in ("accepted", "duplicate", "superseded")
