"""How many mails an address gets that nobody has confirmed: so many in 24 hours, the others wait for their turn.

By address, not by person: whoever registers a thousand people under a stranger's address can't flood it. Each mail
takes a slot, so one moment is all that is kept of an address: until when its slots are taken (GCRA, ITU-T I.371). Whose
turn it is, turns.py says. Any number of mailers share it; all times are the server's.
"""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from services.notification.documents import ALLOWANCES, Contact, Mail, Take, recipient_of
from services.notification.turns import Turns, Waiting, body_of, in_turns
from shared.identifiers import Ids
from shared.pipeline.work import DEFERRED, Note

if TYPE_CHECKING:
    from shared.mongo import MongoStore

DAY: Final = timedelta(days=1)
LOOK_AGAIN: Final = DAY
"""After so long a mail whose slot is later is looked at again: its address may be another one, or confirmed."""


class Addressed(NamedTuple):
    mail: Mail
    contact: Contact
    slot: Mapping[str, object] = {}
    """What the mail keeps of the slot that it has."""

    @property
    def email(self) -> str:
        return recipient_of(self.mail.letter, self.contact)

    @property
    def body(self) -> str:
        return body_of(self.mail.letter.organizer_code, self.mail.letter.series)

    @property
    def is_confirmed(self) -> bool:
        return self.email == self.contact.confirmed_email


class _Late(NamedTuple):
    """What has a slot that is still to come."""

    one: Addressed
    slot_at: datetime
    now: datetime


class Allowances:
    def __init__(self, store: "MongoStore", ids: Ids, a_day: int | None) -> None:
        """`a_day` None: no limit."""
        self._store, self._ids, self._a_day = store, ids, a_day
        self._every = DAY / (a_day or 1)
        self._turns = Turns(store)

    async def take(self, mails: Sequence[Addressed]) -> tuple[list[Addressed], list[Note]]:
        """Those that may go now, and notes of those that wait. A mail takes one slot of an address, however often it
        is tried; one whose mailer died may take another."""
        if self._a_day is None:
            return list(mails), []
        going, asking = list[Addressed](), defaultdict[str, list[Addressed]](list)
        late = defaultdict[str, list[_Late]](list)
        for one in mails:
            address = self._ids.address(one.email)
            if one.is_confirmed:
                going.append(one)
            elif one.mail.slot != address or one.mail.slot_at is None:
                asking[address].append(one)
            elif one.mail.slot_at <= one.mail.due:
                going.append(one._replace(slot={"slot": address, "slot_at": one.mail.slot_at}))
            else:
                late[address].append(_Late(one, one.mail.slot_at, one.mail.due))
        for address, take in (await self._taken(asking)).items():
            those = in_turns(asking[address], attrgetter("body"))
            for wait, one in zip(self._waiting_times(take, len(those)), those, strict=True):
                if wait > timedelta(0):
                    late[address].append(_Late(one, take.at + wait, take.at))
                else:
                    going.append(one._replace(slot={"slot": address, "slot_at": one.mail.due}))
        return going, [note for address, those in late.items() for note in await self._wait(address, those)]

    async def _wait(self, address: str, late: Sequence[_Late]) -> list[Note]:
        """Notes of those that wait, each with its own slot or with the one that it got for that."""
        waiting = [Waiting(one.mail.id, one.body, slot_at) for one, slot_at, _ in late]
        exchanged = await self._turns.exchanged(address, waiting, max(now for _, _, now in late))
        return [
            self._waits(one, address, got.slot_at, got.slot_at - now)
            for (one, _, now), got in zip(late, exchanged, strict=True)
        ]

    async def _taken(self, asking: Mapping[str, Sequence[Addressed]]) -> dict[str, Take]:
        """As many slots of each address as are asked for, in two round trips."""
        if not asking:
            return {}
        taker = secrets.token_hex(8)
        asked = {address: self._every * len(those) for address, those in asking.items()}
        allowances = await self._store.reserve(ALLOWANCES, asked, taker)
        return {one.id: take for one in allowances for take in one.takes if take.taker == taker}

    def _waiting_times(self, take: Take, count: int) -> list[timedelta]:
        """Of its slots, first to last: a slot may be used once all that it and those before it take fits into a day."""
        return [take.until - self._every * later - DAY - take.at for later in range(count - 1, -1, -1)]

    def _waits(self, one: Addressed, address: str, slot_at: datetime, wait: timedelta) -> Note:
        reason = f"more than {self._a_day} mails a day to an address that nobody has confirmed: it goes out in its turn"
        kept: dict[str, object] = {"reason": reason, "slot": address, "slot_at": slot_at}
        # A millisecond more: the database cuts the rest of one, and due must not lie before the slot.
        delay = min(wait + timedelta(milliseconds=1), LOOK_AGAIN)
        return Note(one.mail.id, one.mail.lease, DEFERRED, kept, delay_s=delay.total_seconds())
