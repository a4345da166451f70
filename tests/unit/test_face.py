"""What a digest of a certificate's content covers, and what a field that comes later leaves as it is."""

from datetime import date
from decimal import Decimal
from typing import Any

import bson
import msgspec

from services.enrollment.certificates.documents import KEPT
from services.enrollment.certificates.face import (
    OF_THE_EMPLOYEE,
    OF_THE_TRAINING,
    CertificateFace,
    Signatory,
)
from services.enrollment.certificates.numbering import content_digest
from services.enrollment.completions.terms import load_terms
from shared.pipeline.storage.mongo import encode

TERMS = load_terms("31" * 32, "https://kompeten.example")
FACE: dict[str, Any] = {
    "number": "800.2/00001/BKPSDM/III/2026",
    "holder_name": "Dra. Contoh Pegawai, M.Si.",
    "employee_number": "198501012010011001",
    "employment_type": "pns",
    "opd": "BKPSDM",
    "training_title": "Penyusunan Rencana Kerja",
    "form": "Pelatihan teknis",
    "organizer": "BKPSDM Kota Bandung",
    "start_date": date(2026, 3, 2),
    "end_date": date(2026, 3, 4),
    "completed_on": date(2026, 3, 4),
    "issued_on": date(2026, 3, 5),
    "jp": Decimal("8.0"),
    "verification_url": "https://kompeten.example/v/x",
    "golongan": "III/c",
    "signatory": Signatory(name="Dr. Contoh", nip="197001011995031001", jabatan="Kepala BKPSDM"),
}

OURS = {"number", "employee_number", "employment_type", "form", "verification_url", "language"}
"""Texts in which each sign is one of ours."""


class Later(CertificateFace, frozen=True, kw_only=True, omit_defaults=True):
    """As a later version has it."""

    competence: str | None = None


class Stored(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    face: CertificateFace


def test_the_digest_of_what_was_issued_is_what_it_was() -> None:
    """Told in events: another one would give every certificate a new revision after a restore."""
    assert content_digest(CertificateFace(**FACE), TERMS) == "114aea410a69e1c2cecceaeaaa2ae647"


def test_number_revision_address_and_day_of_issue_are_not_covered() -> None:
    changed = {
        "number": "2",
        "verification_url": "https://other.example",
        "issued_on": date(2027, 1, 1),
        "revision": 7,
    }
    assert content_digest(CertificateFace(**FACE | changed), TERMS) == content_digest(
        CertificateFace(**FACE), TERMS
    )


def test_a_field_that_comes_later_changes_no_digest_until_it_says_something() -> None:
    before = content_digest(CertificateFace(**FACE), TERMS)
    assert content_digest(Later(**FACE), TERMS) == before
    assert content_digest(Later(**FACE, competence="Analis Kebijakan"), TERMS) != before


def test_a_replica_of_before_reads_what_a_later_one_keeps() -> None:
    plain, more = (
        encode(Stored("1", Later(**FACE, **said))) for said in ({}, {"competence": "Analis Kebijakan"})
    )
    known = encode(Stored("1", CertificateFace(**FACE)))
    assert plain.raw == known.raw
    for document in (plain, more):
        assert msgspec.convert(bson.decode(document.raw), Stored) == Stored("1", CertificateFace(**FACE))


def test_operators_are_told_of_each_text_by_what_it_is() -> None:
    texts = {name for name, kind in CertificateFace.__annotations__.items() if "str" in str(kind)} | {
        "employment_type",
        "language",
    }
    assert texts - OURS == {*OF_THE_EMPLOYEE, *OF_THE_TRAINING}


def test_what_is_kept_of_a_face_are_fields_of_it() -> None:
    assert {*KEPT} <= {one.name for one in msgspec.structs.fields(CertificateFace)}
