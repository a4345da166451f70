"""HTTP commands go through the log: produce the record, wait for its decision, answer from it (DESIGN rule 6)."""

import asyncio
import contextlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from shared.contracts.cloudevents import NAMESPACE, STRUCTURED, encode
from shared.contracts.payload import Payload
from shared.http.access import Caller, Principal, RouteAccess
from shared.http.askers import Askers
from shared.http.problems import Problem, problem_response
from shared.observability.telemetry import child_traceparent, record_span
from shared.pipeline.errors import Unavailable
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.outcome import Verdict
from shared.pipeline.partitioner import partition_of
from shared.pipeline.pipeline_collections import DECISIONS, Decision
from shared.pipeline.storage.mongo import MongoStore

ANSWER_WITHIN_S = 2.0
POLL_EVERY_S = 0.05
REMEMBERED = 10_000

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes a repetition of the request harmless: any text of your own, new for each new request.",
    ),
]


class CommandRequest(NamedTuple):
    """Who asks for something to be done, under which key of their own, in which trace."""

    caller: Principal
    idempotency_key: str | None
    traceparent: str


def _asked(caller: Caller, request: Request, idempotency_key: IdempotencyKey = None) -> CommandRequest:
    return CommandRequest(caller, idempotency_key, request.state.traceparent)


Asking = Annotated[CommandRequest, Depends(_asked)]


class DecisionWaiter:
    """Where waiting requests hear of decisions: from the own consumer, or from the database when another
    replica's consumer decided. One poller asks for all waiting ids at once, not one a request.
    """

    def __init__(self, store: MongoStore, topic: str) -> None:
        """`topic`: of the commands; decisions about other records interest nobody here."""
        self._store, self._prefix = store, topic + "/"
        self._waiting: dict[str, tuple[str, asyncio.Future[Decision]]] = {}
        """Place in the log -> id of the command, who waits."""
        self._recent: OrderedDict[str, Decision] = OrderedDict()
        self._poller: asyncio.Task[None] | None = None

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Called by the consumer after each batch."""
        for decision in decisions:
            if decision.id.startswith(self._prefix):
                place = decision.id.rpartition("/")[0]  # without the turn, which a replay raises
                # A batch may be decided before its producer heard that Kafka has it.
                self._recent[place] = decision
                if place in self._waiting and not (future := self._waiting[place][1]).done():
                    future.set_result(decision)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)

    async def wait(self, place: "SubmittedCommand", within_s: float) -> Decision | None:
        at = f"{place.topic}/{place.partition}/{place.offset}"
        if (known := self._recent.get(at)) is not None:
            return known
        future: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._waiting[at] = (place.id, future)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(future, within_s)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(at, None)

    async def first(self, repeated: Decision) -> Decision:
        """What was decided when the same request came for the first time."""
        same = {"e": repeated.event_id, "c": repeated.content, "v": {"$ne": Verdict.DUPLICATE}}
        found = await self._store.select(DECISIONS, same, sort=[("t", 1)], limit=1)
        return found[0] if found else repeated

    async def _poll(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_EVERY_S)
            with contextlib.suppress(Unavailable):
                ids = [id for id, _ in self._waiting.values()]
                self.decided(await self._store.select(DECISIONS, {"e": {"$in": ids}}))


class SubmittedCommand(NamedTuple):
    id: str
    """Of the command; its decision is found under it."""
    topic: str
    partition: int
    offset: int


class Commands:
    """Submits a service's own commands. `route` of an answer names the resource too: a key is of one request."""

    def __init__(
        self, service: str, topic: str, publisher: Publisher, decision_waiter: DecisionWaiter, askers: Askers
    ) -> None:
        self._service, self._topic, self._publisher, self._decision_waiter = (
            service,
            topic,
            publisher,
            decision_waiter,
        )
        self._askers = askers

    async def submit(
        self,
        payload: Payload,
        *,
        id: str,
        key: str,
        traceparent: str | None = None,
        on_accepted: Callable[[], None] | None = None,
        caller: Principal | None = None,
    ) -> SubmittedCommand:
        """Writes the command to the log. Raises Unavailable, also when only the acknowledgement is missing;
        `on_accepted` tells the two apart. `caller`: who gives it; none when the service itself does."""
        now, own = datetime.now(UTC), child_traceparent(traceparent, id)
        value = encode(
            payload,
            id=id,
            source=f"urn:kompeten:{self._service}" if caller is None else self._askers.source(caller),
            time=now,
            subject=key,
            partitionkey=key,
            traceparent=own,
        )
        start_ns = time.time_ns()
        partition, offset = await self._publisher.send(
            self._topic,
            value,
            key=key.encode(),
            partition=partition_of(key),
            headers=[("content-type", STRUCTURED.encode())],
            on_accepted=on_accepted,
        )
        record_span(f"publish {payload.TYPE}", own, traceparent, start_ns, time.time_ns(), kind="producer")
        return SubmittedCommand(id, self._topic, partition, offset)

    async def decision(self, place: SubmittedCommand, within_s: float) -> Decision | None:
        """What was decided about a command; None: not within that time."""
        return await self._decision_waiter.wait(place, within_s)

    async def answer(
        self, payload: Payload, asked: CommandRequest, *, route: str, key: str, id: str | None = None
    ) -> Response:
        """The decision that stands, or 202 with the address at which it will be. `id`: of a command that is the
        same whoever gives it."""
        id = id or command_id(asked.caller, route, asked.idempotency_key)
        accepted = False

        def on_accepted() -> None:
            nonlocal accepted
            accepted = True

        try:
            place = await asyncio.wait_for(
                self.submit(
                    payload,
                    id=id,
                    key=key,
                    traceparent=asked.traceparent,
                    on_accepted=on_accepted,
                    caller=asked.caller,
                ),
                ANSWER_WITHIN_S,
            )
        except (Unavailable, TimeoutError):
            if accepted:  # it may be in the log all the same: told 503, 20 of 20 commands were
                return pending(id)
            return problem_response(Problem("not-ready"))
        decision = await self._decision_waiter.wait(place, ANSWER_WITHIN_S)
        if decision is None:
            return pending(id)
        if decision.verdict == Verdict.DUPLICATE and asked.idempotency_key is not None:
            decision = await self._decision_waiter.first(decision)
        return answered(decision)


class Answered(BaseModel):
    """The decision that stands. Further fields tell what the command is about as it stands then."""

    model_config = ConfigDict(extra="allow")

    command_id: str
    status: str
    """decided; or, of a command about a certificate, what became of that: valid, revoked or unknown."""
    verdict: str
    """accepted, or duplicate when it had been done before."""
    reason: str | None


class Pending(BaseModel):
    """In the log, not decided yet: see the header Location."""

    command_id: str
    status: Literal["pending"]
    detail: str


def commanding(access: RouteAccess) -> RouteAccess:
    """For a route that answers by `Commands.answer`: documents its answers."""
    answers: dict[int | str, dict[str, Any]] = {
        200: {"model": Answered, "description": "The decision that stands"},
        202: {"model": Pending, "description": "Will be decided: look at Location"},
        409: {"description": "Refused as things stand"},
        503: {"description": "Kafka did not take it: send it again with the same Idempotency-Key"},
    }
    # Anew: what `allow` gave may be shared by routes that answer otherwise.
    return {**access, "responses": access["responses"] | answers}


def command_id(caller: Principal, route: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(NAMESPACE, f"{caller.issuer}\x1f{caller.subject}\x1f{route}\x1f{idempotency_key}"))


def pending(id: str) -> Response:
    return JSONResponse(
        {
            "command_id": id,
            "status": "pending",
            "detail": "It is in the log and will be decided: look at Location.",
        },
        202,
        {"Location": f"/decisions/{id}", "Retry-After": "2"},
    )


def answered(decision: Decision) -> Response:
    """200 with the decision, or a problem when it was refused."""
    if decision.verdict in (Verdict.REFUSED, Verdict.BUG):
        slug = str(decision.answer.get("problem") or "refused")
        return problem_response(Problem(slug, decision.reason))
    return JSONResponse(
        {
            "command_id": decision.event_id,
            "status": "decided",
            "verdict": decision.verdict,
            "reason": decision.reason or None,
            **decision.answer,
        }
    )
