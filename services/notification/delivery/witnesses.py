"""Of whom the mail server is asked when it refuses many in a row: people to whom it took a mail lately; pure.

One agency can have as many addresses at as many domains as it likes, and none of them says anything about the mails of
others. Who is asked is of another body where there is one, so no body can speak for the others.
"""

from collections.abc import Collection
from typing import Final

from services.notification.delivery.refusals import domain_of

ASKED: Final = 3
"""Of different bodies, where there are: one of them may be gone."""
MAX_DOMAINS: Final = 20
"""Of each body."""
MAX_BODIES: Final = 1000


class Witnesses:
    def __init__(self) -> None:
        self._by_body: dict[str, dict[str, str]] = {}
        """Body -> domain -> recipient, the newest last."""

    def took(self, recipient: str, body: str) -> None:
        domains = self._by_body.pop(body, {})
        domain = domain_of(recipient)
        domains.pop(domain, None)
        domains[domain] = recipient
        self._by_body[body] = domains
        for counted, most in ((domains, MAX_DOMAINS), (self._by_body, MAX_BODIES)):
            if len(counted) > most:
                del counted[next(iter(counted))]

    def to_ask(self, refused: Collection[str], bodies: Collection[str]) -> list[str]:
        """First those of other bodies than whose mails were refused, each body's newest before any one's second."""
        found = list[tuple[bool, int, str]]()
        for body, domains in reversed(self._by_body.items()):
            people = [domain for domain in reversed(domains.values()) if domain not in refused]
            found += [(body in bodies, turn, one) for turn, one in enumerate(people)]
        found.sort(key=lambda one: one[:2])
        return list(dict.fromkeys(one for _, _, one in found))[:ASKED]

    def refused(self, recipient: str) -> None:
        """Asked again after all others."""
        domain = domain_of(recipient)
        for body, domains in self._by_body.items():
            if domains.get(domain) == recipient:
                self._by_body[body] = {domain: recipient, **domains}
