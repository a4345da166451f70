"""Whether an event about a certificate is enrollment's: only who has the identity key can have written it.

A forged one was mailed with a stranger's address in it. So a mail has no address out of an event either: composing.py
makes both of its own, when the mail is written.
"""

from typing import Final

from services.notification.terms import Terms
from shared.contracts.enrollment import CertificateIssued, CertificateRevoked, CompletionUncertified
from shared.pipeline.errors import Rejected

_DO: Final = (
    "so enrollment did not publish this event: discard it, and find out who else may write to its topic"
)


def check_genuine(data: CertificateIssued | CertificateRevoked, terms: Terms) -> None:
    """Raises Rejected."""
    check_certificate_id(data, terms)
    code = data.verification_url.rpartition("/")[2]
    if code != terms.ids.verification_code(data.certificate_id, data.revision):
        raise Rejected(f"verification_url does not end in the code of this certificate and revision, {_DO}")


def check_certificate_id(
    data: CertificateIssued | CertificateRevoked | CompletionUncertified, terms: Terms
) -> None:
    """Raises Rejected."""
    if data.certificate_id != terms.ids.certificate(data.completion_id):
        raise Rejected(f"certificate_id is not that of completion_id's certificate, {_DO}")
