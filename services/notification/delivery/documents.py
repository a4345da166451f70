"""What delivery keeps besides the mails themselves: how often an address was written to, and operators' orders."""

from datetime import datetime
from typing import Final

import msgspec

from shared.pipeline.documents import Collection

RESENDABLE: Final = ("bounced", "skipped", "unknown")
"""States of mails that ended without going out, as far as anybody knows."""


class Take(msgspec.Struct, frozen=True):
    """Slots that a mailer took at once."""

    taker: str
    until: datetime
    """Where the last of them ends."""
    at: datetime


class Allowance(msgspec.Struct, frozen=True):
    """How far the slots of an address are taken; written by the mailers alone."""

    id: str = msgspec.field(name="_id")
    """Keyed digest of the address; and the template, and the person, where those have an allowance of their own."""
    used_until: datetime
    takes: list[Take]
    """Of the last minute."""


class MailOrders(msgspec.Struct, frozen=True):
    """How many orders were given to send a mail again; written by the consumer."""

    id: str = msgspec.field(name="_id")
    """The letter's id."""
    given: int


class MailOrder(msgspec.Struct, frozen=True):
    """Work: an operator's order to send a mail again. Inserted by the consumer, carried out by resender.py.

    queued -> leased -> done | void (the mail was on its way, or had gone)
    """

    id: str = msgspec.field(name="_id")
    """The command's id."""
    letter_id: str
    number: int
    """Among the orders about this letter."""
    operator: str
    why: str
    due: datetime
    state: str = "queued"
    reason: str = ""
    attempts: int = 0
    lease: str = ""
    lease_until: datetime | None = None


ALLOWANCES = Collection("allowances", Allowance)
ORDERS_GIVEN = Collection("mail_orders_given", MailOrders)
MAIL_ORDERS = Collection("mail_orders", MailOrder, indexes=(("state", "due"), ("lease",)))
