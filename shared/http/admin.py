"""`/admin`: what an operator sees and mends; the same routes in every service. `kompeten` is their client.

Reads look at the service's own database. What changes something is a command on the log, as everywhere.
"""

import base64
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic_core import from_json

from shared.contracts.cloudevents import id_in, without_mark
from shared.contracts.payload import Payload, milliseconds
from shared.contracts.pipeline import DiscardDeadLetter, GiveUpWaiting, ReleaseWaiting, ReplayDeadLetter
from shared.http.access import Caller, Role, allow
from shared.http.admin_views import (
    DiscardBody,
    DocumentView,
    DryRunBody,
    EventView,
    GroupView,
    LetterDetails,
    LetterView,
    PartitionView,
    RehearsalView,
    ReplayBody,
    ResolutionView,
    StartBody,
    StartedView,
    StatusView,
    WaitingBody,
    WaitingView,
)
from shared.http.commands import Asking, commanding
from shared.http.decisions import decision_view, of_topic
from shared.http.problems import Problem
from shared.pipeline.operations.dead_letter_commands import edited, fault_of_edit
from shared.pipeline.partitioner import position_id
from shared.pipeline.pipeline_collections import (
    DEAD_LETTERS,
    DECISIONS,
    DISCARDED,
    OPEN,
    POSITIONS,
    REPLAYED,
    WAITING,
    DeadLetter,
)
from shared.pipeline.processing.dry_run import run_dry
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.records import Record
from shared.service import Components
from shared.workers.bugs import record_of

log = logging.getLogger(__name__)
READERS = allow(Role.operator, Role.auditor)
OPERATOR = allow(Role.operator)
Limit = Annotated[int, Query(ge=1, le=500)]
MAX_TYPES: Final = 5
"""Of a group's event types that are named."""
MAX_LOOKED_AT: Final = 100
"""The latest of a group, in which they are looked for: one type may be most of it."""


def admin_router(components: Components[Any]) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["operators"])
    store, service = components.store, components.service
    decoder: Decoder[Any] = Decoder(service)

    @router.get(
        "/status", summary="How the service stands: partitions, lag, what waits, what failed", **READERS
    )
    async def status() -> StatusView:
        checks = await components.readiness()
        positions = [
            position
            for position in await store.select(POSITIONS, {})
            if position.id.startswith(service.name + "/")
        ]
        places = {_place(position.id): position for position in positions}
        ends = await components.log_ends(list(places))
        partitions = []
        for (topic, partition), one in sorted(places.items()):
            end = ends.get((topic, partition))
            lag = None if end is None else max(0, end - one.next)
            partitions.append(
                PartitionView(
                    topic=topic,
                    partition=partition,
                    next=one.next,
                    end=end,
                    lag=lag,
                    stopped=one.stopped or None,
                )
            )
        return StatusView(
            service=service.name,
            ready=all(check.ok for check in checks),
            faults=[f"{check.name}: {check.sentence}" for check in checks if not check.ok],
            remarks=[f"{name}: {remark}" for name, told in components.remarks.items() for remark in told()],
            rules=service.rules,
            partitions=partitions,
            waiting=await store.size(WAITING),
            dead_letters={
                state: await store.count(DEAD_LETTERS, {"state": state})
                for state in (OPEN, REPLAYED, DISCARDED)
            },
            work={
                collection.name: {
                    name: await store.count(collection, filter) for name, filter in counts.items()
                }
                for collection, counts in components.work.items()
            }
            | {kind: dict(await counting()) for kind, counting in components.counted.items()},
        )

    @router.get("/dead-letters", summary="Open dead letters by what failed alike, latest first", **READERS)
    async def groups(limit: Limit = 50) -> list[GroupView]:
        found = await store.aggregate(DEAD_LETTERS, [
            {"$match": {"state": OPEN}},
            {"$sort": {"state": 1, "last_failed_at": -1}},
            {"$group": {
                "_id": "$fingerprint", "count": {"$sum": 1}, "sample": {"$first": "$_id"}, "kind": {"$first": "$kind"},
                "event_type": {"$first": "$event_type"}, "reason": {"$first": "$reason"}, "rules": {"$first": "$rules"},
                "event_types": {"$firstN": {"n": MAX_LOOKED_AT, "input": "$event_type"}},
                "first_failed_at": {"$min": "$first_failed_at"}, "last_failed_at": {"$max": "$last_failed_at"},
            }},
            {"$sort": {"last_failed_at": -1}},
            {"$limit": limit},
        ])  # fmt: skip
        for group in found:
            group["event_types"] = list(dict.fromkeys(group["event_types"]))[:MAX_TYPES]
        return [GroupView(fingerprint=group.pop("_id"), **group) for group in found]

    @router.get("/dead-letters/letters", summary="Dead letters, one by one", **READERS)
    async def letters(
        fingerprint: Annotated[str | None, Query(max_length=64)] = None,
        since: datetime | None = None,
        state: Annotated[str, Query(pattern=f"^({OPEN}|{REPLAYED}|{DISCARDED})$")] = OPEN,
        after: Annotated[str | None, Query(max_length=400)] = None,
        limit: Limit = 100,
    ) -> list[LetterView]:
        filter: dict[str, object] = {"state": state}
        if fingerprint is not None:
            filter["fingerprint"] = fingerprint
        if since is not None:
            filter["last_failed_at"] = {"$gte": since if since.tzinfo else since.replace(tzinfo=UTC)}
        if after is not None:
            filter["_id"] = {"$gt": after}
        found = await store.select(DEAD_LETTERS, filter, sort=[("_id", 1)], limit=limit)
        return [LetterView(**_letter(letter)) for letter in found]

    @router.get("/dead-letters/letter", summary="A dead letter with its event and history", **READERS)
    async def letter(id: Annotated[str, Query(min_length=1, max_length=400)]) -> LetterDetails:
        found = await _found(id)
        record = await record_of(store, found)
        event, raw = _shown(record.value)
        event_id = id_in(record.value, record.headers)
        # Of its own topic: others may use the same id, as often as they like.
        same = {"e": event_id, **of_topic(found.topic)}
        decisions = await store.select(DECISIONS, same, sort=[("t", 1)], limit=100) if event_id else []
        one = found.resolution
        subjects = {decision.subject for decision in decisions} | {await _subject(record)}
        history = await store.select(
            DECISIONS,
            {"s": {"$in": sorted(subjects - {""})}, "e": {"$ne": event_id}},
            sort=[("t", -1)],
            limit=20,
        )
        return LetterDetails(
            **_letter(found),
            event=event,
            raw_base64=raw,
            headers={name: None if text is None else text.decode("utf-8", "replace") for name, text in record.headers},
            rules=found.rules,
            resolution=None if one is None else ResolutionView(
                command=one.command, operator=one.operator, reason=one.reason, at=one.at,
                edited=None if one.edited is None else json.loads(one.edited),
            ),
            decisions=[decision_view(decision) for decision in decisions],
            history=[decision_view(decision) for decision in reversed(history)],
        )  # fmt: skip

    @router.post(
        "/dead-letters/dry-runs", summary="What a replay would do today; nothing is written", **OPERATOR
    )
    async def dry_run(body: DryRunBody) -> RehearsalView:
        found = await _found(body.id)
        record = await record_of(store, found)
        if body.event is not None:
            text = _text(body.event)
            if (fault := fault_of_edit(record, text)) is not None:
                raise Problem("edit-refused", fault)
            record = edited(record, text)
        run = await run_dry(decoder, store, [(record, None)], milliseconds(datetime.now(UTC)))
        outcome = run.outcomes[0][1] if run.outcomes else None
        return RehearsalView(
            verdict="nothing" if outcome is None else outcome.verdict.value,
            reason=outcome.reason or None
            if outcome is not None
            else "the service does not react to this type",
            subject=outcome.subject or None if outcome is not None else None,
            documents=[
                DocumentView(
                    collection=collection.name,
                    id=id,
                    change="removed" if document is None else "changed" if stood else "new",
                    document=None if document is None else msgspec.to_builtins(document),
                )
                for collection, id, document, stood in run.changes
                if document is not None or stood
            ],
            events=[
                EventView(type=document["type"], subject=document["subject"], data=document["data"])
                for document in (json.loads(event.value) for event in run.events)
            ],
        )

    @router.post(
        "/dead-letters/replays", summary="Decide a dead letter's record again", **commanding(OPERATOR)
    )
    async def replay(body: ReplayBody, asked: Asking) -> Response:
        event = None if body.event is None else _text(body.event)
        if event is not None:
            found = await _found(body.id)
            if (fault := fault_of_edit(await record_of(store, found), event)) is not None:
                raise Problem("edit-refused", fault)
        command = ReplayDeadLetter(
            dead_letter=body.id, operator=asked.caller.subject, reason=body.reason, event=event
        )
        return await _answer(command, asked, f"replay/{body.id}", body.id)

    @router.post(
        "/dead-letters/discards", summary="Close a dead letter without a replay", **commanding(OPERATOR)
    )
    async def discard(body: DiscardBody, asked: Asking) -> Response:
        command = DiscardDeadLetter(dead_letter=body.id, operator=asked.caller.subject, reason=body.reason)
        return await _answer(command, asked, f"discard/{body.id}", body.id)

    @router.get("/waiting", summary="Records that wait, by what they lack, longest first", **READERS)
    async def waiting(limit: Limit = 50) -> list[WaitingView]:
        found = await store.aggregate(WAITING, [
            {"$group": {
                "_id": "$lacks", "count": {"$sum": 1}, "reason": {"$first": "$reason"},
                "event_type": {"$first": "$event_type"}, "oldest": {"$min": "$since"}, "newest": {"$max": "$since"},
            }},
            {"$sort": {"oldest": 1}},
            {"$limit": limit},
        ])  # fmt: skip
        return [WaitingView(lacks=group.pop("_id"), **group) for group in found]

    @router.post("/waiting/looks", summary="Decide again what waits for this", **commanding(OPERATOR))
    async def look(body: WaitingBody, asked: Asking) -> Response:
        command = ReleaseWaiting(lacks=body.lacks, page=0, operator=asked.caller.subject, reason=body.reason)
        return await _answer(command, asked, f"look/{body.lacks}", body.lacks)

    @router.post(
        "/waiting/give-ups", summary="What still lacks this becomes dead letters", **commanding(OPERATOR)
    )
    async def give_up(body: WaitingBody, asked: Asking) -> Response:
        command = GiveUpWaiting(
            lacks=body.lacks, before=datetime.now(UTC), operator=asked.caller.subject, reason=body.reason
        )
        return await _answer(command, asked, f"give-up/{body.lacks}", body.lacks)

    @router.post(
        "/partitions/starts",
        summary="Have a stopped partition go on, or one go on from another record",
        **OPERATOR,
    )
    async def start(body: StartBody, caller: Caller) -> StartedView:
        # No command: the partition that stands still may be the commands' own.
        place = body.topic, body.partition
        id = position_id(service.name, place)
        position = await store.read(POSITIONS, id)
        if position is None:
            raise Problem("not-found", "This service does not read this partition: look at its status.")
        if body.next is not None and body.next > position.next:
            check_forward(position.next, body, (await components.log_ends([place])).get(place))
        note = f"by {caller.subject} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {body.reason}"
        if body.next is None:
            await store.start(id, note, accepted_rules=service.rules)
        else:
            await store.set_back(id, body.next, note)
        log.warning("partition %s/%s started by an operator: %s", body.topic, body.partition, body.reason)
        return StartedView(topic=body.topic, partition=body.partition, next=body.next, note=note)

    async def _answer(command: Payload, asked: Asking, route: str, key: str) -> Response:
        return await components.commands.answer(command, asked, route=route, key=key)

    async def _subject(record: Record) -> str:
        """What it is about, if a handler can tell; nothing is written."""
        run = await run_dry(decoder, store, [(record, None)], milliseconds(datetime.now(UTC)))
        return run.outcomes[0][1].subject if run.outcomes else ""

    async def _found(id: str) -> DeadLetter:
        found = await store.read(DEAD_LETTERS, id)
        if found is None:
            raise Problem("not-found", "There is no dead letter of this id: list them first.")
        return found

    return router


def check_forward(stands_at: int, body: StartBody, end: int | None) -> None:
    """What lies between would never be decided, and nobody would notice."""
    assert body.next is not None
    if end is None:
        raise Problem("not-ready", "Kafka does not say where this partition ends: give the order again.")
    if body.next > end:
        raise Problem(
            "refused",
            f"The log ends at record {end}: from beyond it the next ones would be passed over. Name at most {end}.",
        )
    if not body.pass_over:
        raise Problem(
            "refused",
            f"Records {stands_at} to {body.next - 1} would never be decided: if they are gone, or may be passed over "
            "for good, say so with pass_over (kompeten: --pass-over).",
        )


def _place(position: str) -> tuple[str, int]:
    _, topic, partition = position.split("/")
    return topic, int(partition)


def _letter(one: DeadLetter) -> dict[str, Any]:
    return {
        "id": one.id, "kind": one.kind, "event_type": one.event_type, "event_id": id_in(one.value, one.headers) or None,
        "reason": one.reason, "fingerprint": one.fingerprint, "topic": one.topic, "partition": one.partition,
        "offset": one.offset, "first_failed_at": one.first_failed_at, "last_failed_at": one.last_failed_at,
        "attempts": one.attempts, "state": one.state,
    }  # fmt: skip


def _shown(value: bytes | None) -> tuple[Any, str | None]:
    """The value as JSON, or else its bytes in base64."""
    try:
        return from_json(without_mark(value or b""), allow_inf_nan=False), None
    except ValueError:
        return None, base64.b64encode(value or b"").decode()


def _text(event: Mapping[str, Any]) -> str:
    return json.dumps(
        event, separators=(",", ":")
    )  # escapes and all: half a character is refused later, by name
