"""Where an employee is written to, and the one letter that goes to the address before when another one comes.

Whoever changes an address gets the next certificates, so its owner hears of it where he hears of all else. So does who
merges two records: the address of the one that joins is told where its mails go from then on. A separation changes
addresses too, and tells nobody: what stood until then was another person's.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec

from services.notification.letters.documents import (
    ADDRESS_CHANGED,
    CONTACTS,
    MAIL_NOTES,
    MAILS,
    RELEASED,
    Contact,
    Letter,
    person_lock,
)
from services.notification.letters.mails import gone_before, queued
from services.notification.terms import Terms
from shared.contracts.enrollment import EmployeeRecorded
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.observability.redaction import hinted
from shared.pipeline.documents import LOAD, Doc, Needs, State
from shared.pipeline.outcome import Outcome, Put, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waiting_for


def lacks_contact(employee_id: EmployeeId) -> str:
    return "contact/" + employee_id


def contact_needs(event: Received[EmployeeRecorded], state: State, terms: Terms) -> Needs:
    employee_id = event.data.employee_id
    yield person_lock(employee_id)
    yield Doc(CONTACTS, employee_id)
    if event.data.addressed_at is not None:
        letter = letter_id(employee_id, event.data.addressed_at, terms)
        yield Doc(MAILS, letter)
        yield Doc(MAIL_NOTES, letter)
    yield LOAD
    if state.get(CONTACTS, employee_id) is None:
        yield from waiting_for(lacks_contact(employee_id))


def letter_id(employee_id: EmployeeId, addressed_at: datetime, terms: Terms) -> str:
    """By the moment of the change, which no other change of this person has. Not by version: after a restore
    enrollment tells the same again under a higher one."""
    return terms.ids.letter(employee_id, ADDRESS_CHANGED, addressed_at.isoformat())


def record_contact(event: Received[EmployeeRecorded], state: State, terms: Terms) -> Outcome:
    """The newest version stands; what changed its address tells the one before."""
    data = event.data
    known = state.get(CONTACTS, data.employee_id)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.employee_id)
    before = _settled(known)
    if known is not None and before.email is not None and _is_a_stranger_s(before.email, known, data, terms):
        before = _Settled(None, before.at)
    contact = _contact(known, before, data)
    changes = [Put(CONTACTS, contact)]
    if before.email is not None and _tells(before, data, terms):
        changes += _told(before.email, event, state, terms)
    return Outcome(
        Verdict.ACCEPTED,
        subject=data.employee_id,
        changes=changes,
        unblocks=[lacks_contact(data.employee_id)] if known is None else [],
    )


def _contact(known: Contact | None, before: "_Settled", data: EmployeeRecorded) -> Contact:
    """`before`: its settled address until now."""
    numbers = list(data.employee_numbers)
    if not numbers and known is not None:
        return msgspec.structs.replace(
            known, version=data.version, employee_numbers=numbers, merged=[], settled_email=before.email
        )
    stale = data.held or not numbers
    after = before if stale else _Settled(data.email or before.email, _latest(before.at, data.addressed_at))
    return Contact(
        id=data.employee_id,
        version=data.version,
        employee_numbers=numbers,
        name=data.name,
        email=data.email if numbers else None,
        language=data.language,
        confirmed_email=None if known is None else known.confirmed_email,
        held=data.held,
        settled_email=after.email,
        settled_at=after.at,
        merged=list(data.merged),
    )


def _is_a_stranger_s(email: str, known: Contact, data: EmployeeRecorded, terms: Terms) -> bool:
    """Whether the address that stood until now is that of a person from whom this one is separated."""
    parted = not set(known.merged) <= {*data.merged}
    return parted and (data.email is None or terms.ids.address(email) != terms.ids.address(data.email))


class _Settled(NamedTuple):
    """See Contact.settled_email and settled_at."""

    email: str | None
    at: datetime | None


def _settled(known: Contact | None) -> _Settled:
    if known is None:
        return _Settled(None, None)
    return _Settled(known.settled_email or (None if known.held else known.email), known.settled_at)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _tells(before: _Settled, data: EmployeeRecorded, terms: Terms) -> bool:
    """Whether this is a change that was not heard of before, of what is an address and becomes one. One that came
    while two agencies disputed the person counts once that is decided."""
    if data.held or not before.email or not data.email or data.addressed_at is None:
        return False
    if terms.ids.address(before.email) == terms.ids.address(data.email):
        return False
    return before.at is None or data.addressed_at > before.at


def _told(old: str, event: Received[EmployeeRecorded], state: State, terms: Terms) -> list[Put]:
    """The letter's mail; none when it is there already."""
    data = event.data
    assert data.email is not None
    assert data.addressed_at is not None
    letter = Letter(
        id=letter_id(data.employee_id, data.addressed_at, terms),
        certificate_id=CertificateId(""),
        completion_id=CompletionId(""),
        employee_id=data.employee_id,
        template=ADDRESS_CHANGED,
        revision=0,
        state=RELEASED,
        reason="",
        due=event.now,
        completion_version=0,
        certificate_number="",
        title="",
        verification_url="",
        traceparent=event.traceparent,
        recipient=old,
        new_address=hinted(data.email),
    )
    if state.get(MAILS, letter.id) is not None:
        return []
    note = state.get(MAIL_NOTES, letter.id)
    return [Put(MAILS, queued(letter, event.now) if note is None else gone_before(letter, note, event.now))]
