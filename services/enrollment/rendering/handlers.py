"""A PDF that was made becomes part of its certificate."""

from zlib import crc32

import msgspec

from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.persons.documents import person_lock
from shared.contracts.enrollment import (
    CertificateRendered,
    StoreRendering,
)
from shared.contracts.payload import Payload
from shared.pipeline.documents import LOAD, Doc, Needs, State
from shared.pipeline.epochs import VERSIONS
from shared.pipeline.errors import Rejected
from shared.pipeline.handlers import Handler, Recalculated, handler
from shared.pipeline.outcome import Outcome, OutgoingEvent, Put, Verdict
from shared.pipeline.records import Received


def rendering_needs(event: Received[StoreRendering], state: State, terms: CompletionTerms) -> Needs:
    yield Doc(COMPLETIONS, event.data.completion_id)
    yield LOAD
    completion = state.get(COMPLETIONS, event.data.completion_id)
    if completion is not None:
        yield person_lock(completion.employee_id)


def store_rendering(event: Received[StoreRendering], state: State, terms: CompletionTerms) -> Outcome:
    data = event.data
    completion = state.get(COMPLETIONS, data.completion_id)
    certificate = None if completion is None else completion.certificate
    if terms.epoch and certificate is None:
        reason = "the database before the restore had issued it: this one has not, or not yet, and makes its own PDF"
        return Outcome(Verdict.NOTHING, reason, data.completion_id)
    if completion is None or certificate is None:
        raise Rejected(
            "there is no certificate of this id: the command was not written by a worker of this database"
        )
    if data.revision != certificate.revision:
        return Outcome(
            Verdict.SUPERSEDED, f"revision {certificate.revision} is the current one", completion.id
        )
    if certificate.sha256 == data.sha256:
        return Outcome(Verdict.DUPLICATE, "stored before", completion.id)
    rendered = msgspec.structs.replace(certificate, sha256=data.sha256)
    fact = CertificateRendered(
        certificate_id=certificate.id, revision=data.revision, sha256=data.sha256, size_bytes=data.size_bytes
    )
    return Outcome(
        Verdict.ACCEPTED,
        subject=completion.id,
        changes=[Put(COMPLETIONS, msgspec.structs.replace(completion, certificate=rendered))],
        # By the digest too: after a restore or a loss the PDF may be made anew, by another template than it was.
        facts=[
            OutgoingEvent(
                fact,
                certificate.id,
                data.revision * VERSIONS + crc32(data.sha256.encode()),
                completion.employee_id,
            )
        ],
    )


HANDLERS: dict[type[Payload], Handler[CompletionTerms]] = {
    StoreRendering: handler(rendering_needs, store_rendering, recalculated=Recalculated.LOOKED_AT),
}
