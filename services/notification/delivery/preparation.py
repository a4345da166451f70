"""From leased mails to messages: those that go to somebody, now, and are still to be told.

What falls out on the way is a note, for the mailer to write.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from services.notification.delivery.allowance import Addressed, Allowances
from services.notification.delivery.policy import NO_ADDRESS, held, joined, skipped, told_before
from services.notification.delivery.turns import body_of
from services.notification.letters.composing import compose
from services.notification.letters.documents import (
    CONTACTS,
    LETTERS,
    MAIL_CANCELLATIONS,
    MAIL_NOTES,
    MAILS,
    Contact,
    Mail,
    recipient_of,
)
from services.notification.letters.mime import NoAddress, address
from services.notification.terms import Terms
from shared.contracts.payload import EmployeeId
from shared.pipeline.work import Note, deferral

if TYPE_CHECKING:
    from shared.pipeline.storage.mongo import MongoStore

BUG_RETRY_S: Final = 3600.0
COMPOSE_EVERY_S: Final = 0.001
LATELY: Final = 500
"""Mails, read once at the start."""
log = logging.getLogger(__name__)


class Ready(NamedTuple):
    mail: Mail
    recipient: str
    message: bytes
    slot: Mapping[str, object]
    """See Addressed."""

    @property
    def body(self) -> str:
        return body_of(self.mail.letter.organizer_code, self.mail.letter.series)


class Sent(NamedTuple):
    recipient: str
    body: str


class _Contacts(NamedTuple):
    owners: Mapping[str, EmployeeId]
    """By mail."""
    by_id: Mapping[EmployeeId, Contact]
    by_merged: Mapping[EmployeeId, Contact]
    """The person's, by a record that was merged into it."""

    def of(self, mail: Mail) -> Contact | None:
        """Whom it is written to: whose the completion is; where that is a record that has joined a person, the person. It
        goes by what the record itself says: of a separation the person's may be heard of later."""
        owner = self.owners[mail.id]
        own = self.by_id.get(owner)
        if own is not None and (not own.joined or mail.letter.recipient):
            return own
        return self.by_merged.get(owner, own)


AboutMail = TypeVar("AboutMail", Addressed, Ready)


class Preparation:
    def __init__(
        self, store: "MongoStore", sender: str, terms: Terms, letters_a_day: int | None, epoch: int
    ) -> None:
        """`letters_a_day`: to an unconfirmed address; None: no limit."""
        self._store, self._sender, self._terms, self._epoch = store, sender, terms, epoch
        self._allowances = Allowances(store, terms.ids, letters_a_day)

    async def lately_sent(self) -> list[Sent]:
        """Whom the last mails went to that the server took, the last one at the end."""
        mails = await self._store.select(MAILS, {"state": "sent"}, sort=[("due", -1)], limit=LATELY)
        addressed, _ = await self._addressed(mails[::-1])
        found = list[Sent]()
        for mail, contact, *_ in addressed:
            with suppress(NoAddress):  # also where two agencies claim the person, who may have none now
                recipient = address("", recipient_of(mail.letter, contact)).addr_spec
                found.append(Sent(recipient, body_of(mail.letter.organizer_code, mail.letter.series)))
        return found

    async def prepare(self, mails: Sequence[Mail]) -> tuple[list[Ready], list[Note]]:
        """What was cancelled or is held uses up nothing of an address's allowance."""
        mails, told = await self._not_told(mails)
        addressed, nowhere = await self._addressed(mails)
        addressed, cancelled = await self.not_cancelled(addressed)
        put_off = [held(addressee.mail) for addressee in addressed if addressee.contact.held]
        addressed = [addressee for addressee in addressed if not addressee.contact.held]
        addressed, waiting = await self._allowances.take(addressed)
        ready, unwritten = await self._written(addressed)
        return ready, [*told, *nowhere, *cancelled, *put_off, *waiting, *unwritten]

    async def not_cancelled(self, mails: Sequence[AboutMail]) -> tuple[list[AboutMail], list[Note]]:
        """To be asked again right before they are handed over."""
        ids = [mail.mail.id for mail in mails]
        found = await self._store.select(MAIL_CANCELLATIONS, {"_id": {"$in": ids}}) if ids else []
        reasons = {cancellation.id: cancellation.reason for cancellation in found}
        notes = [skipped(mail.mail, reasons[mail.mail.id]) for mail in mails if mail.mail.id in reasons]
        return [mail for mail in mails if mail.mail.id not in reasons], notes

    async def _not_told(self, mails: Sequence[Mail]) -> tuple[Sequence[Mail], list[Note]]:
        """Without those that went out before the database was restored. In an epoch of its own nothing is: an operator
        may have a mail sent again."""
        if not self._epoch:
            return mails, []
        of_before = {"_id": {"$in": [mail.id for mail in mails]}, "epoch": {"$lt": self._epoch}}
        told = {note.id: note for note in await self._store.select(MAIL_NOTES, of_before)}
        # What an operator ordered later than it was told goes out all the same.
        told = {
            mail.id: told[mail.id] for mail in mails if mail.id in told and told[mail.id].order >= mail.order
        }
        notes = [told_before(mail, told[mail.id]) for mail in mails if mail.id in told]
        return [mail for mail in mails if mail.id not in told], notes

    async def _addressed(self, mails: Sequence[Mail]) -> tuple[list[Addressed], list[Note]]:
        """One that is held may have an address once that is decided."""
        contacts = await self._contacts(mails)
        addressed, notes = list[Addressed](), list[Note]()
        for mail in mails:
            contact = contacts.of(mail)
            if contact is not None and contact.joined and not mail.letter.recipient:
                notes.append(joined(mail))
            elif contact is None or not (contact.held or recipient_of(mail.letter, contact)):
                notes.append(skipped(mail, NO_ADDRESS))
            else:
                addressed.append(Addressed(mail, contact))
        return addressed, notes

    async def _contacts(self, mails: Sequence[Mail]) -> "_Contacts":
        letters = await self._store.select(LETTERS, {"_id": {"$in": [mail.id for mail in mails]}})
        owners = {mail.id: mail.employee_id for mail in mails} | {
            letter.id: letter.employee_id for letter in letters
        }
        ids = list(set(owners.values()))
        about = {"$or": [{"_id": {"$in": ids}}, {"merged": {"$in": ids}}]}
        found = await self._store.select(CONTACTS, about)
        merged = {record: contact for contact in found for record in contact.merged}
        return _Contacts(owners, {contact.id: contact for contact in found}, merged)

    async def _written(self, mails: Sequence[Addressed]) -> tuple[list[Ready], list[Note]]:
        ready, notes = list[Ready](), list[Note]()
        now = datetime.now(UTC)
        for mail, contact, slot in mails:
            # 1 ms of work each, and the loop has connections and heartbeats to serve; a bare yield comes back
            # before they had their turns: 215 mails/s.
            await asyncio.sleep(COMPOSE_EVERY_S)
            try:
                message = compose(mail.letter, contact, self._sender, now, self._terms)
                recipient = message["To"].addresses[0].addr_spec
                ready.append(Ready(mail, recipient, message.as_bytes(), slot))
            except NoAddress as error:
                notes.append(skipped(mail, str(error)))
            except Exception as error:  # noqa: BLE001  one letter's fault must not keep the others: parked
                log.error("letter %s can't be written: %s", mail.id, type(error).__name__)
                notes.append(deferral(mail.id, mail.lease, f"bug: {type(error).__name__}", BUG_RETRY_S))
        return ready, notes
