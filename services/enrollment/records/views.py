"""What people see of enrollment: an employee's own record, a certificate's state for officers."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from services.enrollment.completions.documents import Completion
from services.enrollment.completions.recalculation import effective_training, revocations_standing
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.learning_hours.duty import duty
from services.enrollment.persons.documents import Employee
from services.enrollment.records.notes import Looked, note_of
from shared.contracts.payload import Jp
from shared.contracts.vocabulary import Form


class CertificateView(BaseModel):
    certificate_id: str
    number: str
    status: Literal["valid", "revoked"]
    revision: int
    verification_url: str
    pdf_ready: bool
    revocation_ids: list[str]
    """Of the revocations that stand; a reinstatement names one."""


class ExternalCertificateView(BaseModel):
    """Of a body outside the city, as its agency reported it."""

    issuer: str
    number: str
    issued_on: date | None


class CompletionView(BaseModel):
    completion_id: str
    title: str
    organizer: str
    form: str
    form_label: str
    batch: str
    completed_on: date
    jp: Jp
    jp_rule: str
    jp_reason: str | None
    """In Indonesian: why fewer hours count than its rate gives; None where all do."""
    jp_reason_en: str | None
    """The same in English; also None for what was counted before that was kept."""
    certified: bool
    """False: recorded, without a certificate of ours."""
    note: str | None
    """In Indonesian: why it has none, or no PDF, or why it stands for nothing; None where there is nothing to say."""
    certificate: CertificateView | None
    external_certificate: ExternalCertificateView | None


class YearView(BaseModel):
    year: int
    jp: Jp
    duty_jp: Jp
    """JP owed this year. PP 11/2017 art. 203(4)."""
    still_owed_jp: Jp


class RecordView(BaseModel):
    employee_id: str
    name: str
    years: list[YearView]
    completions: list[CompletionView]
    """Latest first."""


def record_view(
    employee: Employee, completions: list[Completion], looked: Looked, terms: CompletionTerms
) -> RecordView:
    """Of those that stand or stood: what nobody may say of the employee is shown to officers, not as the employee's."""
    shown = [completion for completion in completions if completion.effective]
    years = []
    for year, total in sorted(jp_by_year(shown).items(), reverse=True):
        owed = duty(employee.profile.employment_type, year, terms.duties).floor
        years.append(YearView(year=year, jp=total, duty_jp=owed, still_owed_jp=max(Decimal(0), owed - total)))
    views = sorted(
        (completion_view(completion, looked, terms) for completion in shown),
        key=lambda one: (one.completed_on, one.completion_id),
        reverse=True,
    )
    return RecordView(employee_id=employee.id, name=employee.profile.name, years=years, completions=views)


def jp_by_year(completions: Iterable[Completion]) -> dict[int, Decimal]:
    """Of those of which a content stands; by the year of the completion."""
    totals: dict[int, Decimal] = {}
    for completion in completions:
        year = effective_training(completion).completed_on.year
        totals[year] = totals.get(year, Decimal(0)) + completion.jp
    return totals


def completion_view(completion: Completion, looked: Looked, terms: CompletionTerms) -> CompletionView:
    facts, note = effective_training(completion), note_of(completion, looked)
    return CompletionView(
        completion_id=completion.id,
        title=facts.title,
        organizer=facts.organizer_name,
        form=facts.form,
        form_label=Form(facts.form).label.id,
        batch=facts.batch,
        completed_on=facts.completed_on,
        jp=completion.jp,
        jp_rule=completion.jp_rule,
        jp_reason=completion.jp_reason,
        jp_reason_en=completion.jp_reason_en,
        certified=completion.certified,
        note=None if note is None else note.people,
        certificate=certificate_view(completion, terms),
        external_certificate=None
        if (external := facts.external_certificate) is None
        else ExternalCertificateView(
            issuer=external.issuer, number=external.number, issued_on=external.issued_on
        ),
    )


def certificate_view(completion: Completion, terms: CompletionTerms) -> CertificateView | None:
    certificate = completion.certificate
    if certificate is None:
        return None
    return CertificateView(
        certificate_id=certificate.id,
        number=certificate.number,
        status="revoked" if certificate.revoked else "valid",
        revision=certificate.revision,
        verification_url=terms.links.verification(certificate.code),
        pdf_ready=certificate.sha256 is not None,
        revocation_ids=[revocation.id for revocation in revocations_standing(completion)],
    )
