"""What notification's decisions rest on besides event and state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.identity.identifiers import Ids
from shared.identity.link_keys import LinkKeys
from shared.identity.links import Links

REISSUE_QUIET_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Terms:
    ids: Ids
    links: Links
    reissue_quiet: timedelta
    """A certificate that was issued anew is told when no newer issue came for so long."""


def load_terms(
    secret: str, public_url: str, reissue_quiet_s: float = REISSUE_QUIET_S, link_keys: Sequence[str] = ()
) -> Terms:
    """`link_keys`: see LinkKeys."""
    ids = Ids(secret)
    return Terms(ids, Links(public_url, ids, LinkKeys(ids, link_keys)), timedelta(seconds=reissue_quiet_s))
