"""What is said to whom: letters, and to whom they go.

A letter is the intent of one mail. `handlers.py` begins it, waits for its points and releases it as a mail, which
delivery carries out; `timers.py` says when one waited long enough; `contacts.py` is where and how a person is written
to; `composing.py` makes the text from a folder of `templates/`, `mime.py` the message of it.

It owns the collections `contacts`, `settled_points`, `letters`, `mails`, `mail_cancellations` and `mail_notes`, and the
locks `employee/<id>`. The state of a mail is delivery's alone once it is there, and so are the notes. It imports the
service's terms and what services share; of notification's other parts nothing (.importlinter).

To add a letter: a folder in `templates/`, and its row in `composing.py`.
"""

from services.notification.letters.documents import (
    CONTACTS,
    LETTERS,
    MAIL_CANCELLATIONS,
    MAIL_NOTES,
    MAILS,
    SETTLED_POINTS,
)
from services.notification.letters.handlers import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability(
    "letters",
    HANDLERS,
    (CONTACTS, SETTLED_POINTS, LETTERS, MAILS, MAIL_CANCELLATIONS, MAIL_NOTES),
)
