"""Whether it is a person or the mail server when mails are refused: by whom it takes mails from meanwhile; pure.

A refusal ends a mail no sooner than the server has taken another one after it. A server that refuses everybody, in
whatever words, so makes nobody's mail bounce: all of them pause, and a few are tried (circuit.py).
"""

from typing import Final, TypeVar

from services.notification.smtp import Barred, Refused, TryLater

T = TypeVar("T")
IN_A_ROW: Final[dict[type[Refused | TryLater | Barred], int]] = {Barred: 1, Refused: 5, TryLater: 20}
"""So many people, none taken in between, and all mails pause. Too few cost a second, till one is taken on trial.

Barred: the words say that it is not the person. Refused: wrong addresses come in twos and threes, as somebody typed a
list. TryLater: full mailboxes and greylisting mend themselves; only an outage of days would use up the attempts."""
WORDS: Final[dict[type[Refused | TryLater | Barred], str]] = {
    Barred: "it refuses our mails",
    Refused: "it refuses everybody, whoever it is",
    TryLater: "it puts off everybody",
}
MOST_KEPT: Final = 10_000


class Refusals:
    """What one mailer saw."""

    def __init__(self) -> None:
        self._row: dict[str, str] = {}
        """Refused since a mail was taken last: recipient -> domain."""
        self._mails: dict[str, float] = {}
        """Mails that were refused, and when for the first time."""
        self._particular: dict[str, None] = {}
        """Domains that were refused while another one was taken: they don't stop the others, as when a firm is gone."""
        self._taken_at = float("-inf")

    def refused(
        self, mail_id: str, recipient: str, delivery: Refused | TryLater | Barred, now: float
    ) -> str | None:
        """Why all mails are to pause; None: they are not."""
        _keep(self._mails, mail_id, now)
        _keep(self._row, recipient, domain_of(recipient))
        if self._row[recipient] in self._particular:
            return None
        people = sum(domain not in self._particular for domain in self._row.values())
        kind = type(delivery)
        return f"{WORDS[kind]} ({delivery.reason})" if people >= IN_A_ROW[kind] else None

    def taken(self, mail_id: str, recipient: str, began: float) -> None:
        """`began`: when it was tried. One that was on its way already when another was refused proves nothing."""
        own = domain_of(recipient)
        for domain in self._row.values():
            if domain != own:
                _keep(self._particular, domain, None)
        self._particular.pop(own, None)
        self._row.clear()
        self._mails.pop(mail_id, None)
        self._taken_at = max(self._taken_at, began)

    def is_believed(self, mail_id: str) -> bool:
        """Whether the server took another mail after it had refused this one."""
        return self._taken_at > self._mails.get(mail_id, float("inf"))

    def settled(self, mail_id: str) -> None:
        self._mails.pop(mail_id, None)

    @property
    def mails(self) -> list[str]:
        """That were refused and are not settled."""
        return list(self._mails)

    def is_suspect(self, recipient: str) -> bool:
        """A mail there tells least about the server: its domain was refused just now."""
        return domain_of(recipient) in self._row.values()


def domain_of(recipient: str) -> str:
    return recipient.rpartition("@")[2].lower()


def _keep(those: dict[str, T], key: str, value: T) -> None:
    """The first value; the oldest is forgotten where there are too many."""
    those.setdefault(key, value)
    if len(those) > MOST_KEPT:
        del those[next(iter(those))]
