"""Two records that become one person's, and two people's again, as the person and everybody else sees it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from cli.answers import Held
from cli.comparison import findings
from devstack.kompeten import SERVICES
from services.enrollment.completions.recalculation import SAME_TRAINING
from services.notification.letters.documents import ADDRESS_CHANGED, ISSUED
from shared.contracts.payload import EmployeeId, Payload
from shared.contracts.people import MergeEmployees, SeparateEmployees
from shared.contracts.topics import ENROLLMENT_COMMANDS
from tests.end_to_end.product import OTHER_OPD, Person, Product, fresh_id, somebody
from tests.end_to_end.test_links import mailed_link, status
from tests.factories import as_record, completed

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("end_to_end")]

BODY = "BKPSDM"
WHY = "SK perpanjangan kontrak 800/12"


@dataclass(frozen=True)
class Two:
    """Records of one person: training A was reported under the earlier number, C under the later one, B under both."""

    product: Product
    earlier: Person
    later: Person
    ids: tuple[EmployeeId, EmployeeId]

    def report(self, person: Person, *codes: str) -> None:
        self.product.publish(
            *(completed(person.number, code=code, organizer=BODY, predicate=None) for code in codes)
        )
        self.product.settled()

    def merge(self) -> None:
        """The later record joins the earlier one."""
        main, joining = self.ids
        self._decided(
            MergeEmployees(employee_id=joining, into=main, home=None, officer="o", opd=None, reason=WHY)
        )

    def separate(self) -> None:
        self._decided(SeparateEmployees(employee_id=self.ids[1], officer="o", opd=None, reason=WHY))

    def _decided(self, command: Payload) -> None:
        id = fresh_id()
        self.product.write(
            ENROLLMENT_COMMANDS,
            as_record(command, id=id, source="urn:kompeten:enrollment", time=datetime.now(UTC)),
        )
        assert self.product.verdict(id)["verdict"] == "accepted"
        self.product.settled()

    def completions(self, person: Person) -> dict[str, dict[str, Any]]:
        """By id."""
        return {one["completion_id"]: one for one in self.product.record(person)["completions"]}

    def mails(self, person: Person, template: str) -> list[str]:
        """States of a person's own mails."""
        return [one["state"] for one in self.product.mail_states(person) if one["template"] == template]


@pytest.fixture
def two(product: Product) -> Two:
    earlier, later = somebody("Rina, kontrak lama"), somebody("Rina, kontrak baru")
    for one in (earlier, later):
        product.publish(one.registration())
        product.settled()
    ids = tuple(EmployeeId(product.record(one)["employee_id"]) for one in (earlier, later))
    two = Two(product, earlier, later, ids)  # type: ignore[arg-type]
    two.report(earlier, "A", "B")
    two.report(later, "B", "C")
    return two


def pdf(product: Product, person: Person, certificate_id: str) -> int:
    return product.employee(person).get(f"/certificates/{certificate_id}/pdf").status_code


def certificate_ids(completions: Sequence[dict[str, Any]]) -> list[str]:
    return [one["certificate"]["certificate_id"] for one in completions]


def wrong_in_the_books(product: Product, ids: Sequence[str]) -> list[object]:
    """As `kompeten reconcile` compares them."""
    comparison: dict[str, dict[str, Held]] = {id: {} for id in ids}
    for service in SERVICES:
        answer = product.client("operator", service).post(
            "/admin/reconciliation/looks", json={"completion_ids": list(ids)}
        )
        for one in answer.json()["entries"]:
            comparison[one["completion_id"]][service] = Held.model_validate(one)
    return [found for id, those in comparison.items() for found in findings(id, those)]


def test_a_merged_person_sees_all_of_it_by_any_number(product: Product, two: Two) -> None:
    before = {**two.completions(two.earlier), **two.completions(two.later)}
    points = [product.points(one)["balance"] for one in (two.earlier, two.later)]
    link = mailed_link(product.mails_for(two.later.email)[-1])
    two.merge()
    record = product.record(two.later)
    assert record == product.record(two.earlier)
    assert (record["employee_id"], record["name"]) == (two.ids[0], "Rina, kontrak baru")
    after = two.completions(two.earlier)
    assert after.keys() == before.keys()
    assert [one["certificate"] for one in after.values()] == [before[id]["certificate"] for id in after]
    (twin,) = [one for one in after.values() if one["jp_reason"] == SAME_TRAINING.id]
    assert (twin["jp"], twin["certificate"]["status"]) == (0, "valid")
    assert [year["jp"] for year in record["years"]] == [3 * 8.0]
    for person in (two.earlier, two.later):
        assert {pdf(product, person, id) for id in certificate_ids(record["completions"])} == {200}
        assert product.points(person)["balance"] == sum(points) - 5
        assert two.mails(person, ISSUED) == ["sent"] * 4
    for one in after.values():
        page = httpx.get(one["certificate"]["verification_url"], headers={"accept": "application/json"})
        assert (page.status_code, page.json()["status"]) == (200, "valid")
    traced = [
        product.client("operator").post("/admin/traces", json={"employee_number": one.number}).json()
        for one in (two.earlier, two.later)
    ]
    assert traced[0] == traced[1]
    assert (traced[0]["completion_ids"], traced[0]["missing"]) == (sorted(after), [])
    assert wrong_in_the_books(product, list(after)) == []
    assert status(link) == 200
    (told,) = [one for one in product.mails_for(two.earlier.email) if "telah diubah" in one["Subject"]]
    assert two.later.email not in told["Text"]


def test_a_separated_one_sees_its_own_again_and_nothing_of_the_other(product: Product, two: Two) -> None:
    before = [product.record(one) for one in (two.earlier, two.later)]
    balances = [product.points(one)["balance"] for one in (two.earlier, two.later)]
    addressed = [len(product.mails_for(one.email)) for one in (two.earlier, two.later)]
    link = mailed_link(product.mails_for(two.earlier.email)[-1])
    two.merge()
    assert status(link) == 410, "the person is written to elsewhere"
    two.separate()
    assert [product.record(one) for one in (two.earlier, two.later)] == before
    assert [product.points(one)["balance"] for one in (two.earlier, two.later)] == balances
    own, theirs = (certificate_ids(one["completions"]) for one in before)
    for person, readable, unreadable in ((two.earlier, own, theirs), (two.later, theirs, own)):
        assert {pdf(product, person, id) for id in readable} == {200}
        assert {pdf(product, person, id) for id in unreadable} == {404}
        assert two.mails(person, ISSUED) == ["sent"] * 2
    assert status(link) == 200
    assert len(product.mails_for(two.later.email)) == addressed[1], "nothing of the other's was told there"
    assert len(product.mails_for(two.earlier.email)) == addressed[0] + 1, "of the merge alone"
    assert (
        wrong_in_the_books(product, [one["completion_id"] for of in before for one in of["completions"]])
        == []
    )


def test_a_mail_goes_out_once_and_to_the_person_whatever_the_number_it_is_about(
    product: Product, two: Two
) -> None:
    two.merge()
    two.report(two.earlier, "D")
    two.report(two.later, "E")
    mails = [one for one in product.mails_for(two.later.email) if "telah diubah" not in one["Subject"]]
    assert len(mails) == 4, "of B and C before, of D and E after"
    assert status(mailed_link(mails[-1])) == status(mailed_link(mails[-2])) == 200
    assert [len(two.mails(one, ISSUED)) for one in (two.earlier, two.later)] == [6, 6]
    assert two.mails(two.later, ADDRESS_CHANGED) == ["sent"]


def test_what_was_reported_meanwhile_goes_with_its_number(product: Product, two: Two) -> None:
    """With its mails, although they went to where the person was written to."""
    balances = [product.points(one)["balance"] for one in (two.earlier, two.later)]
    two.merge()
    two.report(two.earlier, "D", "E")
    two.report(two.later, "F")
    two.separate()
    assert [len(two.completions(one)) for one in (two.earlier, two.later)] == [4, 3]
    assert [len(two.mails(one, ISSUED)) for one in (two.earlier, two.later)] == [4, 3]
    assert [product.points(one)["balance"] for one in (two.earlier, two.later)] == [
        balances[0] + 2 * 5, balances[1] + 5,
    ]  # fmt: skip


def test_a_revocation_by_number_finds_what_was_reported_under_another_number_of_the_person(
    product: Product, two: Two
) -> None:
    def revoke(code: str) -> Any:
        training = completed(code=code).training
        body = {
            "employee_number": two.later.number, "organizer_code": BODY, "training_code": code,
            "batch": training.batch, "reason": WHY,
        }  # fmt: skip
        answer = product.client("officer", opd="bkpsdm").post("/completions/revocations", json=body)
        assert answer.status_code in (200, 202), answer.text
        product.settled()

    two.merge()
    revoke("A")
    assert sorted(one["certificate"]["status"] for one in two.completions(two.later).values()) == [
        "revoked", "valid", "valid", "valid",
    ]  # fmt: skip
    revoke("F")
    two.report(two.later, "F")
    assert sorted(one["certificate"]["status"] for one in two.completions(two.later).values()) == [
        "revoked", "revoked", "valid", "valid", "valid",
    ]  # fmt: skip


def test_nobody_reads_another_record_through_a_link_that_waits(product: Product) -> None:
    """Whoever registers a number may name anybody's as the one before; until that is decided each reads its own."""
    victim, attacker = somebody("Korban"), somebody("Penyerang")
    product.publish(victim.registration(), completed(victim.number, code="A", organizer=BODY))
    product.settled()
    product.publish(attacker.registration(previous_employee_number=victim.number), opd=OTHER_OPD)
    product.settled()
    (certificate,) = certificate_ids(product.record(victim)["completions"])
    record = product.record(attacker)
    assert (record["name"], record["completions"]) == ("Penyerang", [])
    assert product.record(victim)["name"] == "Korban"
    assert (pdf(product, attacker, certificate), pdf(product, victim, certificate)) == (404, 200)
    assert product.points(attacker)["entries"] == []
    assert product.mail_states(attacker) == []
    link = mailed_link(product.mails_for(victim.email)[-1])
    assert re.search(r"/d/crt_", link)
    assert status(link) == 200
    assert product.mails_for(attacker.email) == []
