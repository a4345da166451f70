"""The keys of links change under traffic; the identity key never does."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest

from devstack import Stack
from devstack.kompeten import READY_WITHIN_S, SERVICES, Kompeten, configure, launch, make_topics, start
from devstack.ports import url_answers
from devstack.processes import ROOT, Processes
from shared.identity.identifiers import Ids
from shared.identity.link_keys import LinkKeys
from tests.end_to_end.product import Person, Product, opened, somebody, structured, until
from tests.factories import BODIES, OPD, completed

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("end_to_end")]

PAGE = {"accept": "text/html"}


class Installation:
    """With processes that a test may stop, and a ring of keys in a file."""

    def __init__(self, kompeten: Kompeten, processes: Processes, product: Product, ring: Path) -> None:
        self.kompeten, self.processes, self.product, self.ring = kompeten, processes, product, ring

    def keys(self, *arguments: str) -> None:
        """As the operator runs it."""
        script = [str(ROOT / "deploy/link-keys.sh"), *arguments, str(self.ring)]
        subprocess.run(script, check=True, capture_output=True, timeout=30)

    def restart(self, name: str) -> None:
        self.kompeten.children[name].stop(30)
        child = launch(self.kompeten, self.processes, name)
        child.wait_ready(partial(url_answers, f"{self.kompeten.urls[name]}/health/ready"), READY_WITHIN_S)

    def certified(self) -> tuple[Person, str]:
        """Somebody new, and the link of the mail."""
        person = somebody()
        self.product.publish(person.registration(), completed(person.number))
        self.product.settled()
        return person, self.link_of(person)

    def link_of(self, person: Person) -> str:
        (mail,) = self.product.mails_for(person.email)
        return next(word for word in mail["Text"].split() if "/d/" in word)

    def signed_by(self, link: str, ring: list[str]) -> bool:
        text, _, signature = link.rpartition("/")[2].rpartition(".")
        secret = self.kompeten.env["enrollment"]["KOMPETEN_SECRET"]
        return LinkKeys(Ids(secret), ring).signed(text, signature)


@pytest.fixture(scope="module")
def installation(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    name, folder = token_hex(4), tmp_path_factory.mktemp("secrets")
    ring = folder / "kompeten_link_keys"
    ring.write_text("identity\n", encoding="utf-8")
    file = {"KOMPETEN_LINK_KEYS_FILE": str(ring)}
    kompeten = configure(
        stack, [OPD, "dinas-kedua"], topic_prefix=f"keys-{name}.", database_prefix=f"keys_{name}",
        bodies=dict.fromkeys(BODIES, OPD),
        settings={"enrollment": file, "notification": file},
    )  # fmt: skip
    make_topics(kompeten)
    with Processes(folder) as processes:
        start(kompeten, processes)
        with opened(kompeten, processes.logs) as product:
            yield Installation(kompeten, processes, product, ring)


class Traffic(threading.Thread):
    """One person after the other, over HTTP; what is refused while enrollment restarts is sent again."""

    def __init__(self, product: Product) -> None:
        super().__init__()
        self.post: Callable[..., httpx.Response] = product.client("agency", opd=OPD, fresh=True).post
        self.people: list[Person] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            person = somebody()
            events = [structured(person.registration()), structured(completed(person.number))]
            until(partial(self._taken, events), "enrollment is back")
            self.people.append(person)
            self.ended.wait(0.05)

    def _taken(self, events: list[dict[str, Any]]) -> bool:
        try:
            return self.post("/events", json=events).status_code == 202
        except httpx.TransportError:
            return False

    def stop(self) -> list[Person]:
        self.ended.set()
        self.join()
        return self.people


def status(link: str) -> int:
    return httpx.get(link, headers=PAGE, timeout=60).status_code


def codes(product: Product) -> dict[str, tuple[str, str]]:
    """By certificate: its number and its code."""
    found = product.database("enrollment").completions.find()
    return {
        one["certificate"]["id"]: (one["certificate"]["number"], one["certificate"]["code"]) for one in found
    }


@pytest.mark.chaos
def test_link_keys_change_under_traffic(installation: Installation) -> None:
    product = installation.product
    before, old_link = installation.certified()
    given = codes(product)
    traffic = Traffic(product)
    traffic.start()
    until(lambda: len(traffic.people) >= 5, "some people before")
    installation.keys("rotate")
    new, identity = installation.ring.read_text(encoding="utf-8").split()
    assert (len(new), identity) == (64, "identity")
    installation.restart("enrollment")
    installation.restart("notification")
    passed = len(traffic.people)
    until(lambda: len(traffic.people) >= passed + 5, "some people after")
    people = traffic.stop()
    product.settled()

    assert codes(product).items() >= given.items()
    assert len(codes(product)) == len(people) + 1
    links = [installation.link_of(person) for person in people]
    assert {status(link) for link in [old_link, *links]} == {200}
    assert installation.signed_by(links[0], ["identity"])
    assert installation.signed_by(links[-1], [new])
    assert not installation.signed_by(links[-1], ["identity"])
    product.publish(completed(before.number))
    product.settled()
    assert len(product.mails_for(before.email)) == 1

    installation.keys("withdraw", "2")
    installation.restart("notification")
    installation.restart("enrollment")
    assert [status(link) for link in (old_link, links[0], links[-1])] == [404, 404, 200]
    for _, code in given.values():
        assert status(f"{installation.kompeten.urls['enrollment']}/v/{code}") == 200


@pytest.mark.parametrize("service", SERVICES)
def test_another_identity_key_on_the_same_data_is_refused(installation: Installation, service: str) -> None:
    """It started, said that nothing was wrong, and gave a second number for each event that was sent again."""
    product, kompeten = installation.product, installation.kompeten
    person, link = installation.certified()
    kompeten.children[service].stop(30)
    before = product.contents()
    event = structured(completed(person.number))
    product.publish(*[event] * 5)
    wrong = launch(kompeten, installation.processes, service, KOMPETEN_SECRET=token_hex(32))
    assert wrong.wait(READY_WITHIN_S) == 2
    said = wrong.tail()
    assert "KOMPETEN_SECRET is another one than that which the ids in database" in said
    assert kompeten.env[service]["KOMPETEN_SECRET"] not in said
    ours = {name: hash for name, hash in product.contents().items() if name.startswith(service)}
    assert ours.items() <= before.items()
    installation.restart(service)
    product.settled()
    assert [one["verdict"] for one in product.decisions(event["id"])] == ["duplicate"] * 5
    (completion,) = product.record(person)["completions"]
    assert completion["certificate"]["revision"] == 1
    assert installation.link_of(person) == link


def test_a_database_of_before_fingerprints_knows_its_key_by_its_ids(installation: Installation) -> None:
    product, kompeten = installation.product, installation.kompeten
    installation.certified()
    for service in ("enrollment", "notification"):
        kompeten.children[service].stop(30)
        product.database(service).identity.drop()
        wrong = launch(kompeten, installation.processes, service, KOMPETEN_SECRET=token_hex(32))
        assert wrong.wait(READY_WITHIN_S) == 2
        assert product.database(service).identity.count_documents({}) == 0
        launch(kompeten, installation.processes, service)
        url = f"{kompeten.urls[service]}/health/ready"
        kompeten.children[service].wait_ready(partial(url_answers, url), READY_WITHIN_S)
        assert product.database(service).identity.count_documents({}) == 1
