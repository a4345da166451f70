"""Whom the attacks are about: people of another agency, what they hold, and how to tell whether any of it changed."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.attack.reference import SERVICES
from tests.end_to_end.product import Person, Product, until
from tests.factories import completed

VICTIM_OPD: Final = "dinas-air"
REASON: Final = "Daftar hadir tertukar dengan angkatan lain."
# What a service notes about every record that it reads, and about itself: attacks are meant to stand there.
BOOKKEEPING: Final = {
    "dead_letter_chunks", "dead_letters", "decisions", "epochs", "identity", "listings", "locks", "positions",
}  # fmt: skip
ABOUT: Final = (
    "employee_id",
    "completion_id",
    "certificate_id",
    "certificate.id",
    "numbers",
    "employee_numbers",
)


@dataclass(frozen=True)
class Holder:
    """Somebody with a certificate, and all that an attacker would like to know or use of it."""

    person: Person
    event_ids: tuple[str, ...]
    employee_id: str
    completion_id: str
    certificate_id: str
    number: str
    """The certificate's."""
    code: str
    link: str

    @property
    def token(self) -> str:
        """The link's."""
        return self.link.rpartition("/")[2]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Nobody else is ever told one of these."""
        person = self.person
        return (
            person.number,
            person.name,
            person.email,
            self.number,
            self.employee_id,
            self.code,
            self.token,
        )


class Victim:
    """An agency with two people: one holds a certificate, the other's was revoked."""

    def __init__(self, product: Product, valid: Person, revoked: Person) -> None:
        self.product = product
        self.valid, self.revoked = (_certified(product, person) for person in (valid, revoked))
        officer = product.client("officer", opd=VICTIM_OPD)
        address = f"/certificates/{self.revoked.certificate_id}/revocations"
        answer = officer.post(address, json={"reason": REASON})
        assert answer.json()["verdict"] == "accepted", answer.text
        self.revocation_id = str(answer.json()["command_id"])
        until(lambda: self.page(self.revoked)["status"] == "revoked", "the revocation shows")
        product.settled()

    @property
    def holders(self) -> tuple[Holder, Holder]:
        return self.valid, self.revoked

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.valid.secrets + self.revoked.secrets

    def page(self, holder: Holder) -> dict[str, Any]:
        """What anybody with the code sees."""
        page: dict[str, Any] = self.product.client(None).get(f"/v/{holder.code}").json()
        return page

    def state(self) -> dict[str, Any]:
        """What they see, what anybody sees, the letters that they have, and every document about them."""
        return {
            **{f"seen of {holder.certificate_id}": self._seen(holder) for holder in self.holders},
            **{f"database of {service}": self._kept(service) for service in SERVICES},
        }

    def _seen(self, holder: Holder) -> dict[str, Any]:
        product, person = self.product, holder.person
        pdf = product.employee(person).get(f"/certificates/{holder.certificate_id}/pdf")
        return {
            "record": product.record(person),
            "points": product.points(person),
            "mails": product.mail_states(person),
            "letters": [mail["ID"] for mail in product.mails_for(person.email)],
            "page": self.page(holder),
            "pdf": (pdf.status_code, hashlib.sha256(pdf.content).hexdigest() if pdf.is_success else ""),
            "link": httpx.get(holder.link, timeout=60).status_code,
        }

    def _kept(self, service: str) -> dict[str, str]:
        """Each document that is about one of them, by collection and id."""
        marks = [
            mark
            for one in self.holders
            for mark in (one.employee_id, one.completion_id, one.certificate_id, one.person.number)
        ]
        about = [{field: {"$in": marks}} for field in ABOUT]
        database = self.product.database(service)
        return {
            f"{name}/{document['_id']}": repr(document)
            for name in sorted(set(database.list_collection_names()) - BOOKKEEPING)
            for document in database[name].find({"$or": [*about, {"_id": {"$regex": "|".join(marks)}}]})
        }


def mailed_link(mail: dict[str, Any]) -> str:
    return next(word for word in mail["Text"].split() if "/d/" in word)


def _certified(product: Product, person: Person) -> Holder:
    training = completed(person.number, organizer=VICTIM_OPD.upper(), title=f"Pelatihan {person.name}")
    ids = product.publish(person.registration(), training, opd=VICTIM_OPD)
    product.settled()
    (completion,) = product.record(person)["completions"]
    certificate = completion["certificate"]
    found = product.database("enrollment").completions.find_one({"_id": completion["completion_id"]})
    return Holder(
        person,
        tuple(ids),
        found["employee_id"],
        completion["completion_id"],
        certificate["certificate_id"],
        certificate["number"],
        certificate["verification_url"].rpartition("/")[2],
        mailed_link(product.mails_for(person.email)[-1]),
    )
