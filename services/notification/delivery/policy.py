"""What is noted about a mail after a delivery was tried; pure."""

from typing import Final, Literal, NamedTuple, assert_never

from services.notification.delivery.smtp import Accepted, Barred, Delivery, Refused, TryLater, Unsure
from services.notification.letters.documents import Mail, MailNote
from shared.backoff import Backoff
from shared.pipeline.work import DEFERRED, Note, deferral

UNKNOWN: Final = "unknown"
NO_ADDRESS: Final = "the employee has no e-mail address"
MAX_RETRY_S: Final = 3600.0
MAX_ATTEMPTS: Final = 80
"""About three days, then a mail that is put off again and again has bounced."""
HELD: Final = (
    "two agencies say that this person is theirs: it goes out once it is decided whose the person is"
)
HELD_S: Final = 60.0
"""How long a mail that is held waits until somebody looks again; never counted, so it ends with the dispute alone."""
JOINED: Final = (
    "two records were merged or separated, and only one of them has been heard of: it goes out after that"
)
JOINED_S: Final = 2.0
UNBELIEVED: Final = "; believed once the server has taken another mail"
MAX_REPEATS: Final = 3
"""A server that breaks off after DATA each time may deliver each time."""


class Patience(NamedTuple):
    unknown: Literal["resend", "hold"]
    """What becomes of a mail that may have arrived."""
    retry_s: float
    """The first delay; each further one is twice as long."""


class Seen(NamedTuple):
    """What else is known when a mail was refused (refusals.py)."""

    believed: bool = True
    """The server took another mail since: it is not everybody that it refuses."""
    on_trial: bool = False
    """It was tried to see whether the server takes any mail: not charged."""


def outcome(
    mail: Mail,
    delivery: Delivery,
    message_id: str,
    patience: Patience,
    *,
    jitter: float,
    seen: Seen = Seen(),  # noqa: B008  immutable
) -> Note:
    """`jitter`: 0 to 1, so that mails that failed together don't come back together."""
    match delivery:
        case Accepted():
            fields = {"message_id": message_id, "reason": "", "order": mail.order}
            return Note(mail.id, mail.lease, "sent", fields, stamp=("sent_at",))
        case Refused(reason) if seen.believed:
            return _bounced(mail, reason)
        case Refused(reason):
            return _put_off(mail, reason + UNBELIEVED, patience, jitter, seen)
        case TryLater(reason) | Barred(reason):
            return _put_off(mail, reason, patience, jitter, seen)
        case Unsure(reason):
            return unsure(mail, reason, patience, jitter)
    assert_never(delivery)


def _put_off(mail: Mail, reason: str, patience: Patience, jitter: float, seen: Seen) -> Note:
    delay_s = _delay_s(mail, patience, jitter)
    if seen.on_trial:
        return Note(mail.id, mail.lease, DEFERRED, {"reason": reason}, delay_s=delay_s)
    if mail.attempts + 1 >= MAX_ATTEMPTS and seen.believed:
        reason = f"given up after {mail.attempts + 1} attempts: {reason}"
        return _bounced(mail, reason)._replace(add={"attempts": 1})
    return deferral(mail.id, mail.lease, reason, delay_s)


def _bounced(mail: Mail, reason: str) -> Note:
    fields = {"reason": reason, "order": mail.order}
    return Note(mail.id, mail.lease, "bounced", fields, stamp=("ended_at",))


def unsure(mail: Mail, reason: str, patience: Patience, jitter: float) -> Note:
    """It may have arrived: sent again, and counted as repeated; or held."""
    if patience.unknown == "hold" or mail.repeated >= MAX_REPEATS:
        return Note(mail.id, mail.lease, UNKNOWN, {"reason": reason})
    return deferral(mail.id, mail.lease, reason, _delay_s(mail, patience, jitter), repeated=1)


def skipped(mail: Mail, reason: str) -> Note:
    return Note(mail.id, mail.lease, "skipped", {"reason": reason})


def held(mail: Mail) -> Note:
    """Put off without an attempt."""
    return Note(mail.id, mail.lease, DEFERRED, {"reason": HELD}, delay_s=HELD_S)


def joined(mail: Mail) -> Note:
    """The same."""
    return Note(mail.id, mail.lease, DEFERRED, {"reason": JOINED}, delay_s=JOINED_S)


def told_before(mail: Mail, note: MailNote) -> Note:
    """The log says that it went out (or never will) before the database was restored from a backup."""
    reason = "done before the database was restored, as the log tells"
    fields: dict[str, object] = {"reason": reason, "order": mail.order}
    fields |= {"sent_at" if note.state == "sent" else "ended_at": note.at}
    return Note(mail.id, mail.lease, note.state, fields)


def _delay_s(mail: Mail, patience: Patience, jitter: float) -> float:
    return Backoff(patience.retry_s, MAX_RETRY_S, spread=0.5).pause_s(mail.attempts + 1, jitter)
