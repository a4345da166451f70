"""Whether it is a person or the mail server when mails are refused: by whom it takes mails from meanwhile; pure.

A refusal ends a mail no sooner than the server has taken another one after it. A server that refuses everybody, in
whatever words, so makes nobody's mail bounce: all of them pause, and a few are tried (circuit_breaker.py).

Many people in a row may be one body's, with addresses that nobody takes. So before all mails pause, the server is asked
about people to whom it took a mail lately, first of other bodies (witnesses.py).
"""

from collections.abc import Collection
from typing import Final, NamedTuple, TypeVar

from services.notification.delivery.smtp import Barred, Refused, TryLater

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
MAX_KEPT: Final = 10_000


class Turned(NamedTuple):
    """Somebody who was refused."""

    domain: str
    body: str
    at_rcpt: bool


class Refusals:
    """What one mailer saw."""

    def __init__(self) -> None:
        self._row: dict[str, Turned] = {}
        """Refused since a mail was taken last, by recipient."""
        self._mails: dict[str, float] = {}
        """Mails that were refused, and when for the first time."""
        self._particular: dict[str, None] = {}
        """Domains that were refused while another one was taken: they don't stop the others, as when a firm is gone."""
        self._taken_at = float("-inf")

    def refused(
        self,
        mail_id: str,
        recipient: str,
        delivery: Refused | TryLater | Barred,
        now: float,
        body: str = "",
    ) -> str | None:
        """Why all mails are to pause; None: they are not. `body`: whose training the mail is about."""
        domain = domain_of(recipient)
        _keep(self._mails, mail_id, now)
        _keep(self._row, recipient, Turned(domain, body, delivery.at_rcpt))
        return None if domain in self._particular else self.why(delivery)

    def why(self, delivery: Refused | TryLater | Barred) -> str | None:
        """The same, after a refusal of this kind."""
        people = sum(turned.domain not in self._particular for turned in self._row.values())
        kind = type(delivery)
        return f"{WORDS[kind]} ({delivery.reason})" if people >= IN_A_ROW[kind] else None

    def taken(self, mail_id: str, recipient: str, began: float) -> None:
        """`began`: when it was tried. One that was on its way already when another was refused proves nothing."""
        self._are_particular(list(self._row), recipient)
        self._mails.pop(mail_id, None)
        self._taken_at = max(self._taken_at, began)

    def would_be_taken(self, witness: str) -> None:
        """The server would take a mail to this one. That says nothing of those that it refused for the content, and ends
        nobody's mail."""
        self._are_particular([who for who, one in self._row.items() if one.at_rcpt], witness)

    def _are_particular(self, people: Collection[str], taken: str) -> None:
        own = domain_of(taken)
        for who in people:
            domain = self._row.pop(who).domain
            if domain != own:
                _keep(self._particular, domain, None)
        self._particular.pop(own, None)

    @property
    def people(self) -> Collection[str]:
        """Refused since a mail was taken last."""
        return self._row.keys()

    @property
    def bodies(self) -> set[str]:
        """Whose mails those were."""
        return {turned.body for turned in self._row.values()}

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
        domain = domain_of(recipient)
        return any(turned.domain == domain for turned in self._row.values())


def domain_of(recipient: str) -> str:
    return recipient.rpartition("@")[2].lower()


def _keep(kept: dict[str, T], key: str, value: T) -> None:
    """The first value; the oldest is forgotten where there are too many."""
    kept.setdefault(key, value)
    if len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]
