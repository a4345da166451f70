"""Who gave a command, as the command's `source` says and its decision keeps.

A keyed digest: with some issuers the subject is an employee number, and decisions are kept for good. It lets
people find what became of their own commands, and tells nobody else whose they are.
"""

from shared.http.access import Principal
from shared.identity.identifiers import Ids


class Askers:
    def __init__(self, service: str, secret: str) -> None:
        self.service, self._ids = service, Ids(secret)

    def source(self, caller: Principal) -> str:
        """Another one for each person and service (CloudEvents 1.0.2, `source`: a URI reference)."""
        digest = self._ids.digest(b"asker", caller.issuer.encode(), caller.subject.encode())
        return f"urn:kompeten:{self.service}:{digest.hex()}"
