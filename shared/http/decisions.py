"""`GET /decisions`: what became of an event or a command."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from shared.contracts.cloudevents import MAX_ID_CHARS
from shared.contracts.topics import AGENCY, COMMANDS, agency_topic
from shared.http.access import ALL_AGENCIES, Caller, Principal, Role, allow
from shared.http.askers import Askers
from shared.http.problems import Problem
from shared.pipeline.pipeline_collections import DECISIONS, Decision
from shared.pipeline.storage.mongo import MongoStore

MAX_DECISIONS: Final = 100
_BY_THEMSELVES: Final = frozenset({Role.officer, Role.operator, Role.auditor})
"""Who does not speak as an agency's system."""
READERS: Final = allow(Role.agency, Role.officer, Role.operator, Role.auditor)
Source = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        description="Only of events with this `source`: an id is unique per source alone",
    ),
]


class DecisionView(BaseModel):
    event_id: str
    source: str | None
    """The event's `source`, its first 200 characters; none where it was not readable or not kept yet."""
    verdict: str
    """accepted, correction, superseded, duplicate, waiting, refused, bug or nothing."""
    reason: str | None
    subject: str | None
    decided_at: datetime
    record: str
    """topic/partition/offset/turn"""
    answer: dict[str, str | int | bool | None]


async def _as_claimed(caller: Principal) -> str:
    return caller.opd or ""


def decisions_router(
    store: MongoStore,
    topic_prefix: str,
    askers: Askers,
    agency_of: Callable[[Principal], Awaitable[str]] = _as_claimed,
) -> APIRouter:
    """Operators and auditors see all; agencies what came by their own topic; officers that of their agency, and
    what became of their own commands. `agency_of`: which agency its system speaks for; raises Problem if for none."""
    router = APIRouter(tags=["decisions"])

    async def about(event_id: str, source: str | None, caller: Principal) -> list[DecisionView]:
        if not caller.roles & _BY_THEMSELVES:
            caller = replace(caller, opd=await agency_of(caller))
        filter = {"e": event_id, **_visible_to(caller, topic_prefix, askers)}
        found = await _latest(store, filter if source is None else {**filter, "o": source})
        if not found:
            raise Problem(
                "not-found",
                "Nothing is decided under this id yet: look again in a few seconds. What POST /events refused never is.",
            )
        return [decision_view(decision) for decision in found]

    @router.get(
        "/decisions",
        summary="What was decided about an event or command, latest last; for ids of any characters",
        **READERS,
    )
    async def by_query(
        id: Annotated[
            str, Query(min_length=1, max_length=MAX_ID_CHARS, description="Of the event or command")
        ],
        caller: Caller,
        source: Source = None,
    ) -> list[DecisionView]:
        return await about(id, source, caller)

    @router.get(
        "/decisions/{event_id:path}",
        summary="The same, for ids that stand in an address as they are",
        **READERS,
    )
    async def by_path(
        event_id: Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS)],
        caller: Caller,
        source: Source = None,
    ) -> list[DecisionView]:
        return await about(event_id, source, caller)

    return router


def _visible_to(caller: Principal, topic_prefix: str, askers: Askers) -> dict[str, Any]:
    """As a filter, so that what others have under the same id takes no place from one's own."""
    if caller.roles & {Role.operator, Role.auditor}:
        return {}
    if caller.opd == ALL_AGENCIES:
        own = _beginning(topic_prefix + AGENCY.partition("{")[0])
    else:
        own = of_topic(agency_topic(caller.opd or "", topic_prefix))
    # Of the own commands alone: an agency writes what it likes into its events' source.
    commands = of_topic(topic_prefix + COMMANDS.format(service=askers.service))
    return {"$or": [own, {"o": askers.source(caller), **commands}]}


def of_topic(topic: str) -> dict[str, Any]:
    """As a filter: decisions about its records."""
    return _beginning(topic + "/")


def _beginning(text: str) -> dict[str, Any]:
    """Ids that begin with it, as a range: everything below what follows it in order."""
    return {"_id": {"$gte": text, "$lt": text[:-1] + chr(ord(text[-1]) + 1)}}


async def _latest(store: MongoStore, filter: Mapping[str, Any]) -> list[Decision]:
    """At most so many, latest last: no more is read, however many there are. Records that arrived in the same
    millisecond are told apart by their offsets, as numbers: as text, the tenth would come before the ninth."""
    found = await store.select(DECISIONS, filter, sort=[("t", -1)], limit=MAX_DECISIONS)
    if len(found) == MAX_DECISIONS:
        # Of the first one's millisecond there may be more than were read, and later ones by their offsets.
        first = found[-1].decided_at
        found = [decision for decision in found if decision.decided_at > first]
        found += await _last_of(store, filter, first, MAX_DECISIONS - len(found))
    return sorted(found, key=in_order)


async def _last_of(
    store: MongoStore, filter: Mapping[str, Any], moment: datetime, most: int
) -> list[Decision]:
    part = {name: {"$arrayElemAt": [{"$split": ["$_id", "/"]}, n]} for n, name in enumerate(_PLACE)}
    numbers = {name: {"$toLong": part[name]} for name in _PLACE[1:]}
    found = await store.aggregate(
        DECISIONS,
        [
            {"$match": {**filter, "t": moment}},
            {"$set": {"place": {"topic": part["topic"], **numbers}}},
            {"$sort": {f"place.{name}": -1 for name in _ORDER}},
            {"$limit": most},
            {"$unset": "place"},
        ],
    )
    return [msgspec.convert(document, Decision) for document in found]


_PLACE: Final[Sequence[str]] = ("topic", "partition", "offset", "turn")
_ORDER: Final[Sequence[str]] = ("turn", "topic", "partition", "offset")


def in_order(decision: Decision) -> tuple[datetime, int, str, int, int]:
    """A key: by time, and within one moment as the log has the records. What was taken up again after waiting comes
    last: another record of that moment brought what it lacked."""
    topic, partition, offset, turn = decision.id.split("/")
    return decision.decided_at, int(turn), topic, int(partition), int(offset)


def decision_view(decision: Decision) -> DecisionView:
    return DecisionView(
        event_id=decision.event_id,
        source=decision.source or None,
        verdict=decision.verdict,
        reason=decision.reason or None,
        subject=decision.subject or None,
        decided_at=decision.decided_at,
        record=decision.id,
        answer=decision.answer,
    )
