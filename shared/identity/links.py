"""Addresses that leave the house: of a certificate's verification page, and of its PDF for a set time.

Notification signs a link when it writes the mail, enrollment opens it (docs/adr/0022):

    /d/<certificate>.<revision>.<end, seconds since 1970>.<keyed digest of the address>.<signature>

No link stands in an event, a topic or a database. Until there was a ring a link had neither revision nor address.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from shared.contracts.payload import CertificateId
from shared.identity.identifiers import Ids
from shared.identity.link_keys import LinkKeys

DOWNLOAD_DAYS: Final = 30


class Expired(Exception):
    """The link was ours and its time is over."""


class NotOurs(Exception):
    """The link was not signed by a key of the ring."""


class Download(NamedTuple):
    """What a link opens, and for whom."""

    certificate_id: CertificateId
    revision: int
    """The one that the mail was about; 0 in a link of before there was a ring."""
    address: str
    """Keyed digest of the address that the mail went to; empty in a link of before there was a ring."""
    written_at: datetime


class Links:
    """`public_url`: under which the public reaches Kompeten; no other address is ever written."""

    def __init__(self, public_url: str, ids: Ids, keys: LinkKeys) -> None:
        self._base, self._ids, self._keys = public_url.rstrip("/"), ids, keys

    def verification(self, code: str) -> str:
        return f"{self._base}/v/{code}"

    def download(
        self, certificate_id: CertificateId, revision: int, address: str, now: datetime
    ) -> tuple[str, datetime]:
        """The signed address, and when it expires."""
        until = download_until(now)
        digest = self._ids.address(address)
        text = f"{certificate_id}.{revision}.{int(until.timestamp())}.{digest}"
        return f"{self._base}/d/{text}.{self._keys.sign(text)}", until

    def opened(self, token: str, now: datetime) -> Download:
        """What a link's last part opens; raises NotOurs or Expired."""
        text, _, signature = token.rpartition(".")
        match text.split("."):
            case [certificate_id, revision, end, address] if self._keys.signed(text, signature):
                download = _download(certificate_id, revision, end, address)
            case [certificate_id, end] if self._keys.signed_before_rings(text, signature):
                download = _download(certificate_id, "0", end, "")
            case _:
                raise NotOurs
        if now > download.written_at + timedelta(days=DOWNLOAD_DAYS):
            raise Expired
        return download

    def goes_to(self, download: Download, address: str | None, since: datetime | None) -> bool:
        """Whether the mail of this link went to the address that stands. `since`: when that came, where it is known;
        a link of before there was a ring says no address, so it lives unless the address changed after it."""
        if download.address:
            return address is not None and download.address == self._ids.address(address)
        return since is None or since <= download.written_at


def download_until(now: datetime) -> datetime:
    """When a link that is written now expires."""
    return (now + timedelta(days=DOWNLOAD_DAYS)).replace(microsecond=0)


def _download(certificate_id: str, revision: str, end: str, address: str) -> Download:
    # Signed, so it is as we wrote it.
    until = datetime.fromtimestamp(int(end), UTC)
    written_at = until - timedelta(days=DOWNLOAD_DAYS)
    return Download(CertificateId(certificate_id), int(revision), address, written_at)
