"""How many mails an address gets that nobody has confirmed: so many in 24 hours, the others wait for their turn.

By address, not by person: whoever registers a thousand people under a stranger's address can't flood it. Each mail
takes a slot, so one moment is all that is kept of an address: until when its slots are taken (GCRA, ITU-T I.371). Whose
turn it is, turns.py says. Any number of mailers share it; all times are the server's.

The letter to an address that is no longer a person's has an allowance of its own, so that no flood of others keeps it
back: who holds an agency's credentials would change an address behind one. Nor does a flood of such letters about people
who were made up: whoever has got mails about a person there has an allowance for that person alone.
"""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from services.notification.delivery.documents import ALLOWANCES, Take
from services.notification.delivery.turns import Turns, Waiting, body_of, in_turns
from services.notification.letters.documents import ADDRESS_CHANGED, MAILS, Contact, Mail, recipient_of
from services.notification.letters.mails import SENT
from shared.identity.identifiers import Ids
from shared.pipeline.work import DEFERRED, Note

if TYPE_CHECKING:
    from shared.pipeline.storage.mongo import MongoStore

DAY: Final = timedelta(days=1)
LOOK_AGAIN: Final = DAY
"""After so long a mail whose slot is later is looked at again: its address may be another one, or confirmed."""


WARNINGS_A_DAY: Final = 5
"""Letters about changed addresses: of a person who has got mails there, or of all others."""


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
    def is_warning(self) -> bool:
        return self.mail.letter.template == ADDRESS_CHANGED

    @property
    def is_confirmed(self) -> bool:
        return self.email == self.contact.confirmed_email


class _Share(NamedTuple):
    """What a mail takes a slot of."""

    id: str
    """Of the allowance."""
    a_day: int
    what: str = "mails"

    @property
    def every(self) -> timedelta:
        return DAY / self.a_day


class _Late(NamedTuple):
    """What has a slot that is still to come."""

    one: Addressed
    slot_at: datetime
    now: datetime


class Allowances:
    def __init__(self, store: "MongoStore", ids: Ids, a_day: int | None) -> None:
        """`a_day` None: no limit."""
        self._store, self._ids, self._a_day = store, ids, a_day
        self._turns = Turns(store)

    async def take(self, mails: Sequence[Addressed]) -> tuple[list[Addressed], list[Note]]:
        """Those that may go now, and notes of those that wait. A mail takes one slot of its share, however often it
        is tried; one whose mailer died may take another."""
        if self._a_day is None:
            return list(mails), []
        going, asking = list[Addressed](), defaultdict[_Share, list[Addressed]](list)
        late = defaultdict[_Share, list[_Late]](list)
        for one, share in await self._shares(mails, self._a_day):
            if one.is_confirmed:
                going.append(one)
            elif one.mail.slot != share.id or one.mail.slot_at is None:
                asking[share].append(one)
            elif one.mail.slot_at <= one.mail.due:
                going.append(one._replace(slot={"slot": share.id, "slot_at": one.mail.slot_at}))
            else:
                late[share].append(_Late(one, one.mail.slot_at, one.mail.due))
        for share, take in (await self._taken(asking)).items():
            ordered = in_turns(asking[share], attrgetter("body"))
            for wait, one in zip(_waiting_times(take, share, len(ordered)), ordered, strict=True):
                if wait > timedelta(0):
                    late[share].append(_Late(one, take.at + wait, take.at))
                else:
                    going.append(one._replace(slot={"slot": share.id, "slot_at": one.mail.due}))
        return going, [note for share, ordered in late.items() for note in await self._wait(share, ordered)]

    async def _shares(self, mails: Sequence[Addressed], a_day: int) -> list[tuple[Addressed, _Share]]:
        """Of the address's, but for letters about a changed one."""
        readers = await self._readers([mail for mail in mails if mail.is_warning])
        found = []
        for mail in mails:
            address = self._ids.address(mail.email)
            share = _Share(address, a_day)
            if mail.is_warning:
                known = (mail.mail.employee_id, address) in readers
                whose = f"/{mail.mail.employee_id}" if known else ""
                share = _Share(
                    f"{address}/{ADDRESS_CHANGED}{whose}", WARNINGS_A_DAY, "letters about a change"
                )
            found.append((mail, share))
        return found

    async def _readers(self, warnings: Sequence[Addressed]) -> set[tuple[str, str]]:
        """People with the addresses at which mails about them went out more than a day ago: by their slots, so these
        are no more than the limit lets through."""
        if not warnings:
            return set()
        before = max(warning.mail.due for warning in warnings) - DAY
        stages: list[dict[str, Any]] = [
            {
                "$match": {
                    "employee_id": {"$in": sorted({warning.mail.employee_id for warning in warnings})},
                    "slot": {"$in": sorted({self._ids.address(warning.email) for warning in warnings})},
                    "state": SENT,
                    "sent_at": {"$lt": before},
                }
            },
            {"$group": {"_id": {"person": "$employee_id", "address": "$slot"}}},
        ]
        found = await self._store.aggregate(MAILS, stages)
        return {(document["_id"]["person"], document["_id"]["address"]) for document in found}

    async def _wait(self, share: _Share, late: Sequence[_Late]) -> list[Note]:
        """Notes of those that wait, each with its own slot or with the one that it got for that."""
        waiting = [Waiting(one.mail.id, one.body, slot_at) for one, slot_at, _ in late]
        exchanged = await self._turns.exchanged(share.id, waiting, max(now for _, _, now in late))
        return [
            _waits(one, share, got.slot_at, got.slot_at - now)
            for (one, _, now), got in zip(late, exchanged, strict=True)
        ]

    async def _taken(self, asking: Mapping[_Share, Sequence[Addressed]]) -> dict[_Share, Take]:
        """As many slots of each share as are asked for, in two round trips."""
        if not asking:
            return {}
        taker = secrets.token_hex(8)
        asked = {share.id: share.every * len(ordered) for share, ordered in asking.items()}
        allowances = {
            allowance.id: allowance for allowance in await self._store.reserve(ALLOWANCES, asked, taker)
        }
        return {share: take for share in asking for take in allowances[share.id].takes if take.taker == taker}


def _waiting_times(take: Take, share: _Share, count: int) -> list[timedelta]:
    """Of its slots, first to last: a slot may be used once all that it and those before it take fits into a day."""
    return [take.until - share.every * later - DAY - take.at for later in range(count - 1, -1, -1)]


def _waits(one: Addressed, share: _Share, slot_at: datetime, wait: timedelta) -> Note:
    to = "an address that nobody has confirmed"
    reason = f"more than {share.a_day} {share.what} a day to {to}: it goes out in its turn"
    kept: dict[str, object] = {"reason": reason, "slot": share.id, "slot_at": slot_at}
    # A millisecond more: the database cuts the rest of one, and due must not lie before the slot.
    delay = min(wait + timedelta(milliseconds=1), LOOK_AGAIN)
    return Note(one.mail.id, one.mail.lease, DEFERRED, kept, delay_s=delay.total_seconds())
