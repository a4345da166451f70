"""An operator's day with docker-compose.yml: first start, events, three replicas, killed processes, down and up.

In order: each test goes on where the one before it ended. Takes minutes and a Docker engine, so it runs only when
asked: KOMPETEN_TEST_COMPOSE=1 pytest tests/end_to_end/test_compose.py
"""

import asyncio
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from devstack.processes import ROOT
from shared.kafka.access import NoAccess, connected
from tests.end_to_end.compose_project import UP_S, Project, until, why_not
from tests.integration.test_kafka_rights import READS, TOPICS, WRITES
from tests.kafka_attempts import reads, writes

ASKED = os.environ.get("KOMPETEN_TEST_COMPOSE") == "1"
REASON = why_not() if ASKED else "runs with KOMPETEN_TEST_COMPOSE=1 only, as .ci/run does: it takes minutes"
pytestmark = [
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
    pytest.mark.xdist_group("compose"),
]

TRAININGS = 4
"""A person: a workshop of 10 points in each of so many months, which no cap cuts."""
POINTS = 10
# Killed, Kafka takes connections again after 20 to 40 s on two busy cores.
ACCEPTED_WITHIN_S = 180
# A mail whose mailer was killed is taken over when its lease is over (60 s), then put off for 30 s at most.
SETTLED_WITHIN_S = 180
SERVICES = ("enrollment", "notification", "incentive")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("compose"))
    project.ship()
    project.run("chmod", "--recursive", "go=", ".")  # as cloned under umask 077
    try:
        yield project
    finally:
        project.remove()


@pytest.fixture(scope="module")
def people() -> list[int]:
    """Whose events were published so far."""
    return []


def number(person: int) -> str:
    return f"19850101201001{1 + person % 2}{person:03d}"


def events(person: int, body: str = "BKPSDM") -> list[dict[str, object]]:
    def event(id: str, type: str, data: dict[str, object]) -> dict[str, object]:
        return {
            "specversion": "1.0", "id": f"{person}-{id}", "source": "/simpeg", "type": f"id.go.bandung.{type}.v1",
            "time": "2026-05-04T03:02:01Z", "data": {"employee_number": number(person), **data},
        }  # fmt: skip

    registered = {
        "name": f"Pegawai {person}, S.Kom.", "email": f"p{person}@bandung.example", "employment_type": "pns",
        "opd": "Dinas Komunikasi dan Informatika",
    }  # fmt: skip
    completed = [
        event(f"t{month}", "training.completed", {
            "completed_on": f"2026-{month:02d}-03",
            "training": {
                "code": f"KEAMANAN-{month}", "batch": "1", "title": f"Keamanan Informasi {month}", "form": "workshop",
                "pathway": "classical", "organizer": {"code": body, "name": f"{body} Kota Bandung"},
                "start_date": f"2026-{month:02d}-02", "end_date": f"2026-{month:02d}-03",
            },
        })
        for month in range(1, TRAININGS + 1)
    ]  # fmt: skip
    return [event("r", "employee.registered", registered), *completed]


def send_by_http(project: Project, person: int, opd: str = "diskominfo", body: str = "") -> None:
    """As the manual asks of an agency: until it is accepted. `body`: another one than its own."""
    token = project.token("agency", opd=opd)
    url = f"{project.url('ENROLLMENT')}/events"
    answer: tuple[int, bytes] = (0, b"")

    def accepted() -> bool:
        nonlocal answer
        answer = project.call("POST", url, events(person, body or opd.upper()), token)
        return answer[0] == 202

    until(accepted, ACCEPTED_WITHIN_S, lambda: answer)


def send_by_kafka(project: Project, persons: list[int]) -> None:
    async def send() -> None:
        options = project.kafka_of("bkpsdm").options()
        async with AIOKafkaProducer(**options, acks="all", enable_idempotence=True) as producer:
            for person in persons:
                for event in events(person):
                    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
                    await producer.send_and_wait(
                        "agency.bkpsdm.v1", json.dumps(event).encode(), headers=headers
                    )

    asyncio.run(send())


def all_there(people: list[int]) -> dict[str, object]:
    count = len(people) * TRAININGS
    return {
        "employees": len(people),
        "completions": count,
        "certificates": count,
        "certificate_numbers": count,
        "last_numbers": count,
        "pdfs": count,
        "certificates_with_pdf": count,
        "point_entries": count,
        "points": count * POINTS,
        "accounts_equal_to_ledger": len(people),
        "mails": {"sent": count},
        "waiting": 0,
        "dead_letters": 0,
    }


def counted(project: Project) -> dict[str, object]:
    found = project.counted()
    found.pop("repeated_mails")
    return found


def settle(project: Project, people: list[int]) -> None:
    until(lambda: counted(project) == all_there(people), SETTLED_WITHIN_S, lambda: project.counted())


def back(project: Project, container: str) -> bool:
    return project.inspect(container)["RestartCount"] >= 1 and project.healthy(container)


def test_without_settings_it_says_what_to_do(project: Project) -> None:
    del project.env["KOMPETEN_PUBLIC_URL"]
    refused = project.run("docker", "compose", "up", "--wait", check=False)
    project.env["KOMPETEN_PUBLIC_URL"] = project.url("ENROLLMENT")
    assert refused.returncode != 0
    assert "is not set" in refused.stderr


def test_two_commands_start_it(project: Project) -> None:
    project.run("deploy/make-secrets.sh", "bkpsdm", "diskominfo")
    project.run("deploy/make-certificate.sh", "127.0.0.1")
    project.up()
    for service in ("mongo", "kafka", "mailpit", "issuer", *SERVICES):
        assert [project.healthy(container) for container in project.containers(service)] == [True], service


def test_secrets_made_before_are_kept(project: Project) -> None:
    secret = project.folder / "deploy/secrets/kompeten_secret"
    before = secret.read_text()
    assert project.run("deploy/make-secrets.sh", "bkpsdm").stdout == ""
    assert secret.read_text() == before


def test_containers_can_do_little(project: Project) -> None:
    for service in SERVICES:
        inspected = project.inspect(project.containers(service)[0])
        assert inspected["Config"]["User"] == "10001:10001"
        assert inspected["HostConfig"]["ReadonlyRootfs"]
        assert inspected["HostConfig"]["CapDrop"] == ["ALL"]
        assert inspected["HostConfig"]["Memory"] > 0
        published = [one for ports in inspected["NetworkSettings"]["Ports"].values() for one in ports or ()]
        assert {one["HostIp"] for one in published} == {"127.0.0.1"}
        mounted = {mount["Destination"]: mount["Source"] for mount in inspected["Mounts"]}
        passwords = {Path(source).name for source in mounted.values() if "kafka_" in Path(source).name}
        assert passwords == {f"kafka_{service}"}
    assert not any(project.inspect(project.containers("mongo")[0])["HostConfig"]["PortBindings"].values())


def test_events_by_http_and_kafka_arrive_everywhere(project: Project, people: list[int]) -> None:
    send_by_http(project, 1)
    send_by_kafka(project, [2, 3])
    people += [1, 2, 3]
    settle(project, people)
    assert len(project.mails()) == len(people) * TRAININGS


def test_an_agency_is_connected_and_shut_out_without_a_restart(project: Project, people: list[int]) -> None:
    before = project.containers("enrollment")
    project.env["KOMPETEN_TOKEN"] = project.token("operator")

    def agency(*arguments: str) -> str:
        return project.run("./kompeten", "agency", *arguments).stdout

    added = json.loads(agency("add", "dinas-baru", "--name", "Dinas Baru", "--json"))
    assert (added["agency"]["state"], added["user"]) == ("active", "agency.dinas-baru.1")
    project.run(
        "./kompeten",
        "body",
        "add",
        "DINAS-BARU",
        "--name",
        "Dinas Baru",
        "--issued-by",
        "dinas-baru",
        "--yes",
    )
    send_by_http(project, 5, "dinas-baru")
    people.append(5)
    settle(project, people)
    agency("suspend", "dinas-baru", "--reason", "trying it out")
    token = project.token("agency", opd="dinas-baru")
    status, answer = project.call("POST", f"{project.url('ENROLLMENT')}/events", events(6), token)
    assert (status, json.loads(answer)["type"]) == (403, "/problems/agency-suspended")
    assert "suspended" in agency("list")
    assert project.containers("enrollment") == before
    del project.env["KOMPETEN_TOKEN"]


def test_the_holder_finds_points_and_certificates(project: Project) -> None:
    token = project.token("employee", employee_number=number(1))
    status, answer = project.call("GET", f"{project.url('INCENTIVE')}/me/points", token=token)
    assert (status, json.loads(answer)["balance"]) == (200, TRAININGS * POINTS)
    status, answer = project.call("GET", f"{project.url('ENROLLMENT')}/me/record", token=token)
    assert status == 200
    assert len(json.loads(answer)["completions"]) == TRAININGS


def test_the_links_in_a_mail_lead_to_verification_and_pdf(project: Project) -> None:
    mail = next(mail for mail in project.mails() if mail["To"][0]["Address"] == "p1@bandung.example")
    status, answer = project.call("GET", f"{project.url('MAIL_PAGE')}/api/v1/message/{mail['ID']}")
    assert status == 200
    text = json.loads(answer)["Text"]
    base = re.escape(project.url("ENROLLMENT"))
    verification, download = (re.search(rf"{base}/{part}/\S+", text) for part in ("v", "d"))
    assert verification is not None
    assert download is not None
    status, answer = project.call("GET", verification.group(), accept="application/json")
    assert (status, json.loads(answer).get("status")) == (200, "valid")
    shown = json.loads(answer)["sha256"]
    status, pdf = project.call("GET", download.group())
    assert (status, hashlib.sha256(pdf).hexdigest()) == (200, shown)


def test_three_replicas_start_beside_each_other(project: Project, people: list[int]) -> None:
    project.env |= {"KOMPETEN_INCENTIVE_REPLICAS": "3", "KOMPETEN_INCENTIVE_PORT": "28100-28199"}
    project.up()
    containers = project.containers("incentive")
    assert [project.healthy(one) for one in containers] == [True, True, True]
    send_by_kafka(project, [4])
    people.append(4)
    settle(project, people)


def test_killed_processes_come_back_and_nothing_is_lost_or_doubled(
    project: Project, people: list[int]
) -> None:
    coming = list(range(10, 40))
    failed: list[BaseException] = []

    def send() -> None:
        try:
            for person in coming[:15]:
                send_by_http(project, person)
                time.sleep(1)
        except BaseException as error:
            failed.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    send_by_kafka(project, coming[15:])
    killed = [one for service in (*SERVICES, "kafka", "mongo") for one in project.containers(service)]
    for container in killed:
        project.kill(container)
    sending.join()
    assert not failed, failed
    people += coming
    for container in killed:
        until(partial(back, project, container), ACCEPTED_WITHIN_S, partial(project.inspect, container))
    settle(project, people)
    letters = [mail["MessageID"] for mail in project.mails()]
    assert len(set(letters)) == len(people) * TRAININGS
    # A mail may be there twice only if that is known.
    assert len(letters) - len(set(letters)) <= project.counted()["repeated_mails"]


def test_down_and_up_keeps_all_and_goes_on(project: Project, people: list[int]) -> None:
    person, before = 50, project.counted()
    project.compose("down")
    project.up()
    assert project.counted() == before
    send_by_http(project, person)
    people.append(person)
    settle(project, people)
    # The catcher starts empty: no mail of before is sent again.
    assert {mail["To"][0]["Address"] for mail in project.mails()} == {f"p{person}@bandung.example"}


def test_what_an_upgrade_lacks_is_said_before_it_and_stops_no_service(project: Project) -> None:
    preflight = ("docker", "compose", "--progress", "quiet", "run", "--rm", "preflight")
    looked = project.run(*preflight).stdout
    assert looked.endswith("ready for `up`\n")
    assert "MEND" not in looked
    login = project.folder / "admin.properties"
    login.write_text(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="admin" password="{(project.folder / "deploy/secrets/kafka_admin").read_text().strip()}";\n'
    )
    topic = "--create --topic agency.rusak.v1 --partitions 2 --bootstrap-server localhost:9092"
    tool = f"/opt/kafka/bin/kafka-topics.sh --command-config /tmp/login {topic}"
    project.run(
        "bash", "-c",
        f"docker compose exec -T -e KAFKA_HEAP_OPTS=-Xmx128m kafka bash -c 'cat >/tmp/login; {tool}' <admin.properties",
    )  # fmt: skip
    dotenv = project.folder / ".env"
    before = dotenv.read_text()
    dotenv.write_text(f"{before}KOMPETEN_SMTP_PROT=25\nKOMPETEN_AGENCIES=bkpsdm,diskominfo,rusak\n")
    refused = project.run(*preflight, check=False)
    assert refused.returncode == 1
    assert "MEND  .env: KOMPETEN_SMTP_PROT is no setting: did you mean KOMPETEN_SMTP_PORT?" in refused.stdout
    assert "MEND  topics: wrong number of partitions: agency.rusak.v1 has 2, declared are 1" in refused.stdout
    up = project.run("docker", "compose", "up", "--detach", "--wait", check=False)
    assert up.returncode != 0
    assert 'service "setup" didn\'t complete successfully' in up.stderr
    for service in SERVICES:
        for container in project.containers(service):
            until(partial(project.healthy, container), ACCEPTED_WITHIN_S, partial(project.inspect, container))
    dotenv.write_text(before)


def test_by_the_how_to_the_passwords_of_mongodb_and_kafka_are_changed_and_nothing_is_lost(
    project: Project, people: list[int]
) -> None:
    changed = ("mongo_enrollment", "kafka_enrollment", "kafka_admin", "kafka_jaas", "mongo_admin")
    files = [project.folder / "deploy/secrets" / name for name in changed]
    before = [file.read_text() for file in files]
    page = (ROOT / "docs/how-to/rotate-the-secrets.md").read_text(encoding="utf-8")
    part = page.partition("## Change the passwords of MongoDB and Kafka")[2].partition("\n## ")[0]
    for typed in part.split("```")[1::2]:
        said = project.run("bash", "-e", "-c", typed, timeout_s=2 * UP_S).stdout
        if "kafka_enrollment" in typed:
            assert "another password for user enrollment" in said
    assert all(file.read_text() != was for file, was in zip(files, before, strict=True))
    send_by_http(project, 60)
    people.append(60)
    settle(project, people)


@pytest.mark.parametrize(
    ("user", "changed"),
    [
        ("bkpsdm", {"password": "0123456789abcdef"}),
        ("bkpsdm", {"security": "plaintext"}),
        ("bkpsdm", {"security": "sasl_plaintext"}),
        ("bkpsdm", {"ca": ""}),
        ("admin", {"mechanism": "plain"}),  # not from outside, even with the right password
    ],
)
async def test_nobody_else_is_let_in_at_kafkas_port(
    project: Project, user: str, changed: dict[str, Any]
) -> None:
    with pytest.raises(NoAccess):
        async with connected(replace(project.kafka_of(user), **changed), "test"):
            pass


async def test_each_user_may_do_what_is_declared(project: Project) -> None:
    """Last, for what is written here is nonsense."""
    agencies = {"agency.diskominfo.v1", "agency.bkpsdm.v1"}
    topics = [
        *agencies,
        *(one for one in TOPICS if not one.startswith("agency.") and one != "somebody-elses"),
    ]
    for user in ("bkpsdm", "diskominfo", *SERVICES):
        own_agency = agencies if user == "enrollment" else {f"agency.{user}.v1"} & agencies
        kafka = project.kafka_of(user)
        assert await writes(kafka, *topics) == WRITES.get(user, set()) & set(topics) | own_agency, user
        may_read = READS.get(user, set()) & set(topics) | (agencies if user == "enrollment" else set())
        assert await reads(kafka, *topics) == may_read, user
