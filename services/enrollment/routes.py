"""Enrollment's routes. Each declares who may call it; each change goes through the log."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field

from services.enrollment.agencies.door import Door
from services.enrollment.agencies.register import CurrentAgencies
from services.enrollment.agencies.routes import agencies_router
from services.enrollment.bodies.routes import bodies_router
from services.enrollment.certificates.documents import STORED_PDFS, StoredPdf, rendering_id
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.contests.routes import contests_router
from services.enrollment.employees.own import own_home_router
from services.enrollment.employees.routes import people_router
from services.enrollment.intake.event_rate import EventRate
from services.enrollment.intake.routes import MAX_EVENTS, intake_router
from services.enrollment.persons.documents import EMPLOYEES, Employee
from services.enrollment.persons.queries import people_claimed
from services.enrollment.persons.rights import officers_of_active
from services.enrollment.reach.outcomes import effects_on_body
from services.enrollment.reach.routes import reach_router
from services.enrollment.reconciliation.snapshot import restatements_router, snapshot
from services.enrollment.records.lookups import completion_meant, person_of_number
from services.enrollment.records.notes import looked_up
from services.enrollment.records.trace import trace_router
from services.enrollment.records.views import CompletionView, RecordView, completion_view, record_view
from services.enrollment.rendering.held_renderings import held_of
from services.enrollment.verification.routes import (
    BeingPrepared,
    Held,
    LinkExpired,
    LinkUnknown,
    OpenedPdf,
    Revoked,
    download_router,
    pdf_response,
    verification_router,
)
from shared.contracts.enrollment import ReinstateCertificate, RevokeCertificate
from shared.contracts.payload import NO_CONTROLS, Code, EmployeeNumber, Reason
from shared.http.access import Caller, Principal, Role, allow
from shared.http.admin import admin_router
from shared.http.commands import Asking, commanding
from shared.http.decisions import decisions_router
from shared.http.problems import Problem
from shared.identity.links import Expired, NotOurs
from shared.reconciliation.routes import reconciliation_router
from shared.service import Components

MAX_FOUND = 20
CertificateIdPath = Annotated[str, Path(pattern=r"^crt_[0-9a-f]{32}$")]


class ReasonBody(BaseModel):
    reason: Reason = Field(description="Told to the employee and kept with the certificate.")


class ReinstatementBody(ReasonBody):
    revocation_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=NO_CONTROLS,
        description="The revocation that is lifted, by its id.",
    )


class CompletionRevocationBody(ReasonBody):
    """Names a completion by its business key, so that it can be revoked before it has come."""

    employee_number: EmployeeNumber
    organizer_code: Code
    training_code: Code
    batch: Code


class NumberBody(BaseModel):
    certificate_number: str = Field(min_length=1, max_length=300)


def routers(
    components: Components[CompletionTerms], register: CurrentAgencies, events_per_second: int
) -> list[APIRouter]:
    reads, prefix = Reads(components), components.service.topic_prefix
    door = Door(register, prefix, components.sources.fault_of)
    rate = EventRate(events_per_second, saved=MAX_EVENTS)
    return [
        intake_router(components.publisher, door, prefix, rate),
        agencies_router(components, lambda: people_claimed(components.store)),
        reach_router(components),
        bodies_router(components, lambda rehearsal, body: effects_on_body(components.store, rehearsal, body)),
        own_home_router(components, register),
        people_router(components, register),
        contests_router(components, register),
        _own_record(reads),
        _officer(components, reads, register),
        decisions_router(components.store, prefix, components.askers, door.named),
        admin_router(components),
        trace_router(components),
        reconciliation_router(components.store, snapshot),
        restatements_router(components),
        verification_router(reads.by_code, reads.is_held),
        download_router(reads.by_link),
    ]


class Reads:
    """Reads go to MongoDB directly (majority); they change nothing."""

    def __init__(self, components: Components[CompletionTerms]) -> None:
        self.store, self.terms = components.store, components.service.terms

    async def employee(self, caller: Principal) -> Employee:
        if caller.employee_number is None:
            raise Problem("forbidden", "Your token names no employee number: sign in as an employee.")
        employee = await person_of_number(self.store, caller.employee_number)
        if employee is None:
            raise Problem("not-found", "You are not registered yet: ask your agency's personnel office.")
        return employee

    async def by_certificate(self, certificate_id: str) -> Completion | None:
        found = await self.store.select(COMPLETIONS, {"certificate.id": certificate_id}, limit=1)
        return found[0] if found else None

    async def by_code(self, code: str) -> Completion | None:
        for field in ("certificate.code", "certificate.earlier_codes"):
            if found := await self.store.select(COMPLETIONS, {field: code}, limit=1):
                return found[0]
        return None

    async def by_link(self, token: str) -> OpenedPdf:
        try:
            link = self.terms.links.opened(token, datetime.now(UTC))
        except Expired:
            raise LinkExpired from None
        except NotOurs:
            raise LinkUnknown from None
        completion = await self.by_certificate(link.certificate_id)
        employee = None if completion is None else await self.store.read(EMPLOYEES, completion.employee_id)
        if completion is None or completion.certificate is None or employee is None:
            raise LinkUnknown
        if not self.terms.links.goes_to(link, employee.profile.email, employee.addressed_at):
            raise LinkExpired
        if (
            link.revision > completion.certificate.revision
        ):  # on a restored database, which has not come so far
            raise BeingPrepared
        return await self.pdf(completion)

    async def is_held(self, completion: Completion) -> bool:
        return bool(await held_of(self.store, [completion]))

    async def pdf(self, completion: Completion) -> OpenedPdf:
        """The PDF of the current revision; raises Revoked, Held or BeingPrepared."""
        certificate = completion.certificate
        if certificate is None or certificate.revoked:
            raise Revoked
        stored: StoredPdf | None = await self.store.read(
            STORED_PDFS, rendering_id(certificate.id, certificate.revision)
        )
        if stored is None:
            raise Held if await self.is_held(completion) else BeingPrepared
        return OpenedPdf(stored.content, stored.sha256, certificate.number)


def _own_record(reads: Reads) -> APIRouter:
    router = APIRouter(tags=["own record"])

    @router.get("/me/record", summary="My completions, certificates and JP", **allow(Role.employee))
    async def my_record(caller: Caller) -> RecordView:
        employee = await reads.employee(caller)
        completions = await reads.store.select(COMPLETIONS, {"employee_id": employee.id})
        return record_view(employee, completions, await looked_up(reads.store, completions), reads.terms)

    @router.get(
        "/certificates/{certificate_id}/pdf",
        summary="A certificate's PDF, for its holder or an officer of its issuing body",
        response_class=Response,
        **allow(Role.employee, Role.officer),
    )
    async def pdf(certificate_id: CertificateIdPath, caller: Caller) -> Response:
        completion = await reads.by_certificate(certificate_id)
        if completion is None or not await _may_read(completion, caller, reads):
            raise Problem("not-found", "There is no such certificate among those that you may open.")
        return pdf_response(await reads.pdf(completion))

    return router


async def _may_read(completion: Completion, caller: Principal, reads: Reads) -> bool:
    if Role.officer in caller.roles and _may_act_on(completion, caller):
        return True
    if Role.employee not in caller.roles or caller.employee_number is None:
        return False
    person = await person_of_number(reads.store, caller.employee_number)
    return person is not None and person.id == completion.employee_id


def _may_act_on(completion: Completion, officer: Principal) -> bool:
    return officer.acts_for(effective_training(completion).organizer_code)


def _officer(components: Components[CompletionTerms], reads: Reads, register: CurrentAgencies) -> APIRouter:
    router = APIRouter(tags=["officer"], dependencies=officers_of_active(register))

    @router.post("/certificates/search", summary="Find a certificate by its number", **allow(Role.officer))
    async def search(body: NumberBody, caller: Caller) -> list[CompletionView]:
        # All that have it, to leave out others before it is cut: as many as bodies number alike, which are few.
        found = await reads.store.select(COMPLETIONS, {"certificate.number": body.certificate_number.strip()})
        own = [completion for completion in found if _may_act_on(completion, caller)][:MAX_FOUND]
        looked = await looked_up(reads.store, own)
        return [completion_view(completion, looked, reads.terms) for completion in own]

    @router.post(
        "/certificates/{certificate_id}/revocations", summary="Revoke", **commanding(allow(Role.officer))
    )
    async def revoke(
        certificate_id: CertificateIdPath,
        body: ReasonBody,
        asked: Asking,
    ) -> Response:
        completion = await _named(certificate_id, reads)
        command = RevokeCertificate(
            completion_id=completion.id,
            employee_id=completion.employee_id,
            reason=body.reason,
            officer=asked.caller.subject,
            opd=asked.caller.opd_of_commands,
        )
        return await components.commands.answer(
            command, asked, route=f"revoke/{completion.id}", key=completion.employee_id
        )

    @router.post(
        "/certificates/{certificate_id}/reinstatements",
        summary="Lift a revocation",
        **commanding(allow(Role.officer)),
    )
    async def reinstate(
        certificate_id: CertificateIdPath,
        body: ReinstatementBody,
        asked: Asking,
    ) -> Response:
        completion = await _named(certificate_id, reads)
        command = ReinstateCertificate(
            completion_id=completion.id,
            employee_id=completion.employee_id,
            revocation_id=body.revocation_id,
            reason=body.reason,
            officer=asked.caller.subject,
            opd=asked.caller.opd_of_commands,
        )
        return await components.commands.answer(
            command, asked, route=f"reinstate/{completion.id}", key=completion.employee_id
        )

    @router.post(
        "/completions/revocations",
        summary="Revoke by training and employee, also in advance",
        **commanding(allow(Role.officer)),
    )
    async def revoke_completion(
        body: CompletionRevocationBody,
        asked: Asking,
    ) -> Response:
        if not asked.caller.acts_for(body.organizer_code):
            raise Problem("not-your-agency", "Another body issues this certificate: ask an officer of it.")
        completion_id, employee_id = await completion_meant(
            reads.store,
            reads.terms,
            body.employee_number,
            organizer=body.organizer_code,
            training=body.training_code,
            batch=body.batch,
        )
        command = RevokeCertificate(
            completion_id=completion_id,
            employee_id=employee_id,
            reason=body.reason,
            officer=asked.caller.subject,
            opd=asked.caller.opd_of_commands,
        )
        return await components.commands.answer(
            command, asked, route=f"revoke/{completion_id}", key=employee_id
        )

    return router


async def _named(certificate_id: str, reads: Reads) -> Completion:
    completion = await reads.by_certificate(certificate_id)
    if completion is None:
        raise Problem("not-found", "There is no certificate of this id: look it up by its number first.")
    return completion
