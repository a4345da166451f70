"""How far was listed, and which version of a completion its readers have at least."""

from datetime import datetime

import msgspec

from services.enrollment.completions.documents import Completion
from shared.pipeline.documents import Collection


class ManifestCursor(msgspec.Struct, frozen=True):
    """How far what changed was listed to the services that keep books about it. Times are those of `stated_at`."""

    id: str = msgspec.field(name="_id")
    until: datetime
    lagging: dict[str, datetime] = {}
    """Positions that were not so far, and up to where they were."""


MANIFEST_CURSORS = Collection("listings", ManifestCursor)


def issued_version(completion: Completion) -> int | None:
    """That the letter about its valid certificate tells of, where it is not the stated one; see AtVersion."""
    certificate = completion.certificate
    if certificate is None or certificate.revoked:
        return None
    told = certificate.completion_version
    return None if (told, True) == (stated_version(completion), bool(completion.learning_year)) else told


def stated_version(completion: Completion) -> int:
    """Never above what was said; 0 while only a revocation has come."""
    if completion.stated or completion.certificate is None:
        return completion.stated
    return completion.certificate.completion_version
