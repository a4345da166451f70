"""What every decision of enrollment rests on besides event and state. A capability that needs more extends it."""

from dataclasses import dataclass

from shared.identity.identifiers import Ids
from shared.identity.links import Links


@dataclass(frozen=True, slots=True)
class Terms:
    ids: Ids
    links: Links
    epoch: int
