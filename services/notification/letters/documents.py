"""What is said to whom, and the mails that are to carry it. An employee's lock covers the contact, the points and the
letters of the employee."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.pipeline.documents import Collection, Lock

ISSUED, REVOKED, ADDRESS_CHANGED = "certificate_issued", "certificate_revoked", "address_changed"
RECORDED: Final = "completion_recorded"
"""Templates of letters."""
STANDS: Final = {ISSUED: True, REVOKED: False, RECORDED: False}
"""Letters that say how a certificate stands, and whether by them it does. What the newest of them says is held against
what enrollment lists; a letter of any other kind says nothing of that."""
COLLECTING, RELEASED, OVERTAKEN, DROPPED = "collecting", "released", "overtaken", "dropped"
"""States of letters."""


class Contact(msgspec.Struct, frozen=True):
    """Where and how an employee is written to; the newest version stands."""

    id: EmployeeId = msgspec.field(name="_id")
    version: int
    employee_numbers: list[str]
    name: str
    email: str | None
    language: str
    confirmed_email: str | None = None
    """The address of which its owner said that it is right; while another one stands, that one is unconfirmed."""
    held: bool = False
    """Two agencies claim the person and nobody has decided: nothing is sent until then."""
    settled_email: str | None = None
    """The last address that stood while nobody disputed whose the person is: it is told of the next one. None: none
    did, or it stood before that was kept and is `email`."""
    settled_at: datetime | None = None
    """When its last change came, as enrollment tells it: one that is no later was told before, as after a restore."""
    merged: list[EmployeeId] = []
    """Records that were merged into this one: their letters and mails are this one's."""

    @property
    def joined(self) -> bool:
        """It is such a record, and keeps the name and address that it had. Nobody is written to by it, but for the letter
        that tells that address."""
        return not self.employee_numbers


class SettledPoints(msgspec.Struct, frozen=True):
    """The newest that incentive said about the points of a completion."""

    id: CompletionId = msgspec.field(name="_id")
    employee_id: EmployeeId
    version: int
    completion_version: int
    points: int
    points_by_rule: int
    reason: str | None
    balance: int
    level: str
    level_en: str | None = None
    reason_en: str | None = None


class Letter(msgspec.Struct, frozen=True):
    """The intent of one mail. Id from (certificate, template, occasion), never from the address.

    One about no certificate leaves what tells of one empty. One about no completion either waits for nothing and stands
    in its mail alone.
    """

    id: str = msgspec.field(name="_id")
    certificate_id: CertificateId
    completion_id: CompletionId
    employee_id: EmployeeId
    """Whose the completion is: another's than when the letter was begun, once records were merged or separated."""
    template: str
    revision: int
    state: str
    """collecting: waits for its points | released: handed to the mailers | overtaken: released, then cancelled
    (once), as a newer letter came | dropped: see `reason`."""
    reason: str
    due: datetime
    """When it goes, with its points or without."""
    completion_version: int
    certificate_number: str
    title: str
    verification_url: str
    """As it was when the letter was begun; a mail has one of its own, made when it is written."""
    organizer_name: str | None = None
    completed_on: str | None = None
    jp: Decimal | None = None
    jp_by_rate: Decimal | None = None
    jp_reason: str | None = None
    revocation_reason: str | None = None
    points: int | None = None
    points_by_rule: int | None = None
    points_reason: str | None = None
    balance: int | None = None
    level: str | None = None
    traceparent: str | None = None
    not_before: datetime | None = None
    """Of a certificate that was issued anew: until then a newer issue takes its place."""
    recipient: str | None = None
    """Where it goes whatever the contact's address is by then; None: to that."""
    new_address: str | None = None
    """A hint at it, r***@example.org."""
    why: str | None = None
    """Here and below, of a completion without a certificate of ours: as CompletionUncertified says it."""
    organizer_code: str | None = None
    issuing: str | None = None
    external_issuer: str | None = None
    external_certificate: str | None = None
    series: str | None = None
    """Of the certificate's number: its body and year."""
    jp_reason_en: str | None = None
    """Here and below: in English; None: nobody said."""
    points_reason_en: str | None = None
    level_en: str | None = None
    revocation_reason_en: str | None = None
    hours: str | None = None
    """Of a revoked certificate: as CertificateRevoked says it."""
    reinstated: bool | None = None
    """Here and below: as CertificateIssued says it."""
    reinstated_reason: str | None = None
    issuing_name: str | None = None
    """Here and below: as CompletionUncertified says it."""
    issuing_unused: bool | None = None
    reporter: str | None = None
    reporter_name: str | None = None
    told_again: int = 0
    """The highest version of the completion under which enrollment told the same once more: after a restore, or where it
    was asked to restate."""

    @property
    def newest_version(self) -> int:
        """Of the completion, that it tells how the certificate stands in."""
        return max(self.completion_version, self.told_again)


class Mail(msgspec.Struct, frozen=True):
    """Work: a letter to be sent. Inserted by the consumer; its state is the mailers' alone (mailer.py).

    queued -> leased -> handing_over -> sent | deferred | bounced | suppressed | skipped | unknown
    """

    id: str = msgspec.field(name="_id")
    """The letter's id."""
    employee_id: EmployeeId
    """The letter's when it was released. Whom it goes to, the letter says."""
    letter: Letter
    """As it was when it was released: what the mail says."""
    due: datetime
    state: str = "queued"
    reason: str = ""
    attempts: int = 0
    message_id: str = ""
    repeated: int = 0
    """How often it was handed over again although the first time may have arrived."""
    sent_at: datetime | None = None
    lease: str = ""
    lease_until: datetime | None = None
    slot: str = ""
    """Allowance of which it has a slot (allowance.py)."""
    slot_at: datetime | None = None
    """Not before this moment, as the server's clock has it. While it waits, others may take it for theirs (turns.py)."""
    order: int = 0
    """The last operator's order that had it sent again (MailOrder)."""
    ended_at: datetime | None = None
    """When it bounced; None: it did not, or before that was kept."""


class MailCancellation(msgspec.Struct, frozen=True):
    """Inserted by the consumer; a mailer looks for it before the point of no return."""

    id: str = msgspec.field(name="_id")
    """The letter's id."""
    reason: str


class MailNote(msgspec.Struct, frozen=True):
    """What became of a mail, as the log tells it: a mailer of a later epoch believes it (docs/adr/0013)."""

    id: str = msgspec.field(name="_id")
    """The letter's id."""
    state: str
    epoch: int
    at: datetime
    order: int = 0
    """See Mail."""


def recipient_of(letter: Letter, contact: Contact) -> str:
    """Empty: nowhere."""
    return letter.recipient or contact.email or ""


CONTACTS = Collection("contacts", Contact, indexes=(("employee_numbers",), ("merged",)))
SETTLED_POINTS = Collection("settled_points", SettledPoints)
LETTERS = Collection("letters", Letter, indexes=(("completion_id",), ("state", "due"), ("employee_id",)))
MAILS = Collection(
    "mails", Mail, indexes=(("state", "due"), ("employee_id",), ("lease",), ("slot", "slot_at"))
)
MAIL_CANCELLATIONS = Collection("mail_cancellations", MailCancellation)

MAIL_NOTES = Collection("mail_notes", MailNote)


def person_lock(employee_id: str) -> Lock:
    """Who decides about a person's letters takes it."""
    return Lock("employee/" + employee_id)
