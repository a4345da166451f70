"""What notification's decisions rest on besides event and state."""

from dataclasses import dataclass

from shared.identifiers import Ids


@dataclass(frozen=True, slots=True)
class Terms:
    ids: Ids


def load_terms(secret: str) -> Terms:
    return Terms(Ids(secret))
