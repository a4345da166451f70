"""What enrollment has of each completion, in order of id, and an operator's word to say it once more."""

from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from services.enrollment.certificates.documents import HELD, RENDERINGS, STORED_PDFS, rendering_id
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import DONE
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.reconciliation.documents import issued_version, stated_version
from services.enrollment.reconciliation.reconciling import PDF, PDF_HELD, lacks
from shared.contracts.cloudevents import event_id
from shared.contracts.enrollment import RestateCompletion
from shared.contracts.payload import Reason
from shared.http.access import Role, allow
from shared.http.commands import Asking, commanding
from shared.http.problems import Problem
from shared.pipeline.storage.mongo import MongoStore
from shared.reconciliation.routes import CompletionId, Entry, Some
from shared.service import Components


class RestatementBody(BaseModel):
    completion_id: CompletionId
    reason: Reason


async def snapshot(store: MongoStore, some: Some) -> list[Entry]:
    raws: list[dict[str, Any]] = await store.aggregate(COMPLETIONS, [
        {"$match": some.of("_id")},
        {"$sort": {"_id": 1}},
        {"$limit": some.limit},
        {"$project": {"contents": 0, "revocations": 0, "reinstatements": 0}},
    ])  # fmt: skip
    found = msgspec.convert(raws, list[Completion], strict=False)
    items = {
        completion.id: rendering_id(completion.certificate.id, completion.certificate.revision)
        for completion in found
        if completion.certificate is not None and completion.learning_year
    }
    wanted = {"$match": {"_id": {"$in": list(items.values())}}}
    # Of the ids alone: read from the index, without a single PDF.
    stored = {
        document["_id"] for document in await store.aggregate(STORED_PDFS, [wanted, {"$project": {"_id": 1}}])
    }
    missing = {"$match": {"_id": {"$in": [id for id in items.values() if id not in stored]}}}
    states = {
        document["_id"]: document["state"]
        for document in await store.aggregate(RENDERINGS, [missing, {"$project": {"state": 1}}])
    }
    return [entry_of(completion, items.get(completion.id, ""), stored, states) for completion in found]


def entry_of(one: Completion, item: str, stored: set[str], states: dict[str, str]) -> Entry:
    """`item`: id of the PDF that it has; `states`: of renderings, where no PDF is stored."""
    being_rendered = states.get(item, DONE) != DONE
    missing = lacks(one, being_rendered)
    if item and item not in stored and not being_rendered and PDF not in missing:
        missing.append(PDF)  # its digest is known, and the file is gone
    if states.get(item) == HELD:
        missing.append(PDF_HELD)
    return Entry(
        completion_id=one.id,
        version=stated_version(one),
        standing=bool(one.learning_year),
        certified=one.certified,
        issued=issued_version(one),
        lacks=missing,
        changed_at=one.stated_at,
    )


def restatements_router(components: Components[CompletionTerms]) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["operators"])

    @router.post(
        "/reconciliation/restatements",
        summary="Publish a completion's facts again, for services that lost them; mends a missing PDF too",
        **commanding(allow(Role.operator)),
    )
    async def restate(body: RestatementBody, asked: Asking) -> Response:
        completion = await components.store.read(COMPLETIONS, body.completion_id)
        if completion is None:
            raise Problem("not-found", "There is no completion of this id.")
        command = RestateCompletion(
            completion_id=completion.id,
            employee_id=completion.employee_id,
            version=completion.version,
            operator=asked.caller.subject,
            reason=body.reason,
        )
        # The same whoever asks: nothing is done twice for one version.
        id = event_id(0, completion.id, completion.version, command.TYPE)
        return await components.commands.answer(
            command, asked, route=f"restate/{completion.id}", key=completion.employee_id, id=id
        )

    return router
