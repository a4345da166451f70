"""`POST /admin/traces`: one time line of what became of something, and what is missing with what to do.

Enrollment finds out what is meant; the others are asked with the ids that it found. A body and no address, since
an employee number may be among it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from shared.contracts.payload import EmployeeNumber
from shared.http.access import Role, allow

Id = Annotated[str, Field(min_length=1, max_length=200)]


class Step(BaseModel):
    at: datetime | None
    service: str
    what: str
    state: Literal["ok", "waiting", "problem"] = "ok"
    detail: str | None = None
    completion_id: str | None = None


class Missing(BaseModel):
    service: str
    what: str
    """certificate, completion, decision, pdf, points, mail; or what its record waits for: employee, body, headcount"""
    do: str
    completion_id: str | None = None


class Trace(BaseModel):
    steps: list[Step]
    missing: list[Missing]
    completion_ids: list[str]
    employee_ids: list[str]
    uncertified_ids: list[str] = []
    """Enrollment: of the completions those that are recorded without a certificate of ours."""
    untold_ids: list[str] = []
    """Enrollment: those of which nothing ever stood, so that the others have heard of none."""
    unlooked: int = 0
    """Enrollment: records that wait or are dead letters and were not looked into; they may be about the same."""


class Wanted(BaseModel):
    """Exactly one of them."""

    event_id: Id | None = None
    certificate_number: Id | None = None
    completion_id: Id | None = None
    employee_number: EmployeeNumber | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError(
                "send exactly one of event_id, certificate_number, completion_id, employee_number"
            )
        return self


class WantedIds(BaseModel):
    """Completions, as enrollment's trace named them."""

    completion_ids: Annotated[list[Id], Field(max_length=200)]
    uncertified_ids: Annotated[list[Id], Field(max_length=200)] = []


def trace_of(
    steps: list[Step], about: Mapping[str, str], wanted: WantedIds, unheard: Callable[[str], Missing | None]
) -> Trace:
    """`about`: the completions that the service knows, and whose they are; `unheard` says what another one lacks, if
    anything."""
    lacks = [unheard(id) for id in wanted.completion_ids if id not in about]
    return Trace(
        steps=steps,
        missing=[lack for lack in lacks if lack is not None],
        completion_ids=wanted.completion_ids,
        employee_ids=sorted(set(about.values())),
    )


def traces_router(trace: Callable[[WantedIds], Awaitable[Trace]]) -> APIRouter:
    """For a service that is asked with ids."""
    router = APIRouter(prefix="/admin", tags=["operators"])

    @router.post(
        "/traces",
        summary="What became of these completions here, and what is missing",
        **allow(Role.operator, Role.auditor),
    )
    async def traces(body: WantedIds) -> Trace:
        return await trace(body)

    return router
