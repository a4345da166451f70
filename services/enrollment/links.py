"""Addresses that leave the house: of a certificate's verification page, and of its PDF for a set time."""

from datetime import datetime, timedelta
from hmac import compare_digest
from typing import NamedTuple

from shared.contracts.payload import CertificateId
from shared.identifiers import Ids

DOWNLOAD_DAYS = 30


class Expired(Exception):
    """The link was ours and its time is over."""


class NotOurs(Exception):
    """The link was not signed by us."""


class Download(NamedTuple):
    certificate_id: CertificateId
    until: datetime


class Links:
    def __init__(self, public_url: str, ids: Ids) -> None:
        self._base, self._ids = public_url.rstrip("/"), ids

    def verification(self, code: str) -> str:
        return f"{self._base}/v/{code}"

    def download(self, certificate_id: CertificateId, issued_at: datetime) -> tuple[str, datetime]:
        """The signed address, and when it expires."""
        until = (issued_at + timedelta(days=DOWNLOAD_DAYS)).replace(microsecond=0)
        text = f"{certificate_id}.{int(until.timestamp())}"
        return f"{self._base}/d/{text}.{self._ids.signature(text)}", until

    def opened(self, token: str, now: datetime) -> CertificateId:
        """The certificate that a download link opens; raises NotOurs or Expired."""
        certificate_id, dot, rest = token.partition(".")
        seconds, dot2, signature = rest.partition(".")
        expected = self._ids.signature(f"{certificate_id}.{seconds}")
        # compare_digest wants ASCII; anything else is not ours anyway
        if not (
            dot and dot2 and signature.isascii() and compare_digest(signature, expected) and seconds.isdigit()
        ):
            raise NotOurs
        if now.timestamp() > int(seconds):
            raise Expired
        return CertificateId(certificate_id)
