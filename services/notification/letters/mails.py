"""Mails of released letters: to be sent, or known to have gone before their letter was lost."""

from datetime import datetime
from typing import Final

from services.notification.letters.documents import Letter, Mail, MailNote

SENT: Final = "sent"


def queued(letter: Letter, now: datetime) -> Mail:
    return Mail(id=letter.id, employee_id=letter.employee_id, letter=letter, due=now)


def gone_before(letter: Letter, note: MailNote, now: datetime) -> Mail:
    """Of a letter that was lost after its mail had gone: nobody gets a second one."""
    return Mail(
        id=letter.id,
        employee_id=letter.employee_id,
        letter=letter,
        due=now,
        state=note.state,
        reason="it was handed over before its letter was lost",
        sent_at=note.at if note.state == SENT else None,
    )
