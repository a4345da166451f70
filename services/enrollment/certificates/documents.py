"""Certificates, their numbers, and the work of drawing them. A certificate stands in its completion, under its lock."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from services.enrollment.certificates.face import CertificateFace, Signatory
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.pipeline.documents import Collection


class Printed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a certificate shows beside its content, and which one that is: reinstated, it comes back as it was."""

    content: bytes
    """Digest; empty: nothing was printed, as it was revoked before it was issued."""
    revision: int
    """Of that content: the highest that changed nothing of what is printed."""
    employment_type: str
    opd: str
    golongan: str | None = None
    pangkat: str | None = None
    jabatan: str | None = None
    signatory: Signatory | None = None


KEPT: Final = tuple(name for name in Printed.__struct_fields__ if name not in ("content", "revision"))
"""Fields that a face and what is kept of it share: a further one needs to be declared, and is copied both ways."""


class Certificate(msgspec.Struct, frozen=True):
    id: CertificateId
    number: str
    revision: int
    code: str
    earlier_codes: list[str]
    issued_at: datetime
    completion_version: int
    holder_name: str
    """As printed; a later change of name doesn't change a certificate."""
    holder_number: str
    jp: Decimal
    """By rate, as printed: what other completions leave of a cap doesn't change a certificate."""
    revoked: bool = False
    sha256: str | None = None
    """Of the stored PDF of this revision; None until it is made."""
    series: str = ""
    ordinal: int = msgspec.field(name="place", default=0)
    """The number is the `ordinal`-th of its series: see NumberSequence."""
    printed: Printed | None = None
    """None: from before that was kept; its rendering has it."""


class NumberSequence(msgspec.Struct, frozen=True):
    """The last number that a body gave out in a year; its lock makes numbers gapless."""

    id: str = msgspec.field(name="_id")
    last: int
    free: list[int] = []
    """Below `last`, and nobody's: given out by a database that was lost before anybody was told."""


class PriorRevision(msgspec.Struct, frozen=True):
    revision: int
    content_digest: str
    at: datetime


class PriorIssue(msgspec.Struct, frozen=True):
    """What was told about a certificate after the backup that this database was restored from (restore.py)."""

    id: CompletionId = msgspec.field(name="_id")
    number: str
    series: str
    ordinal: int = msgspec.field(name="place")
    revision: int
    """The highest."""
    issues: list[PriorRevision] = []


class Rendering(msgspec.Struct, frozen=True):
    """Work: a PDF to be made. Inserted by the consumer; its state is the workers' (shared/pipeline/work.py)."""

    id: str = msgspec.field(name="_id")
    certificate_id: CertificateId
    completion_id: CompletionId
    employee_id: EmployeeId
    revision: int
    face: CertificateFace
    traceparent: str | None
    due: datetime
    state: str = "queued"
    lease: str = ""
    attempts: int = 0
    undrawn: tuple[str, ...] = ()
    """While it is held: characters of the face that no font has."""
    drawing: str = ""
    """What could not draw them (`certificate_pdf.drawing`)."""


HELD = "held"
"""State of a rendering that waits for a version whose fonts draw it."""
SUPERSEDED = "superseded"
"""State of one that was held, and whose certificate has another revision since."""


class StoredPdf(msgspec.Struct, frozen=True):
    """Written once by a worker, never regenerated."""

    id: str = msgspec.field(name="_id")
    certificate_id: CertificateId
    employee_id: EmployeeId
    sha256: str
    content: bytes


SEQUENCES = Collection("sequences", NumberSequence)
PRIOR_ISSUES = Collection("given", PriorIssue)
RENDERINGS = Collection("renderings", Rendering, indexes=(("state", "due"),))
STORED_PDFS = Collection("stored_pdfs", StoredPdf, indexes=(("certificate_id",),))


def rendering_id(certificate_id: str, revision: int) -> str:
    return f"{certificate_id}/{revision}"
