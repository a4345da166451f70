"""Commands on `notification.commands.v1`; notification publishes no events."""

from typing import ClassVar, Literal

from shared.contracts.payload import Count, Payload, Reason


class ReleaseLetter(Payload):
    """A letter waited long enough for its points: send it without them."""

    TYPE: ClassVar[str] = "id.go.bandung.letter.release.v1"
    letter_id: str


class NoteMail(Payload):
    """The mail server took a letter, or refused it for good. A database restored from a backup reads it again."""

    TYPE: ClassVar[str] = "id.go.bandung.mail.note.v1"
    letter_id: str
    state: Literal["sent", "bounced"]
    """bounced: refused, so that it is never tried again."""
    epoch: Count
    """The one in which it was handed over."""
    order: Count = 0
    """The operator's order by which it was (ResendMail); 0: none."""


class ResendMail(Payload):
    """Send a mail that ended without going out: bounced, skipped, or nobody knows. One that went out stays as it is."""

    TYPE: ClassVar[str] = "id.go.bandung.mail.resend.v1"
    letter_id: str
    operator: str
    reason: Reason
