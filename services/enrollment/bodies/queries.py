"""What the register of bodies has, what waits for bodies that it lacks, and what an order would do."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.enrollment.agencies.trust import trust_of
from services.enrollment.bodies.documents import BODIES, LACKED, Body, body_id, lacks_body
from services.enrollment.bodies.handlers import spellings
from services.enrollment.bodies.timeline import called_now
from services.enrollment.bodies.views import PreviewView, UnknownBodiesView, UnknownBodyView
from shared.contracts.agency import TrainingCompleted
from shared.contracts.bodies import AddBody, ChangeBody
from shared.pipeline.outcome import Verdict
from shared.pipeline.pipeline_collections import WAITING, WaitingRecord
from shared.pipeline.processing.dry_run import DryRun, run_command_dry
from shared.pipeline.processing.messages import Decoder, sender_of
from shared.service import Components

MAX_UNKNOWN: Final = 200


class Effects(NamedTuple):
    """What becomes of completions by an order about their body."""

    recorded: int = 0
    """Of those that wait, how many come to stand."""
    certified: int = 0
    """Of those, how many get a certificate."""
    uncertified: Mapping[str, int] = {}
    """By code of the agency that reported them, how many of those get none."""
    issued: int = 0
    """Of those recorded before, how many get a certificate."""
    revoked: int = 0
    """And how many lose theirs."""


Judge = Callable[[DryRun, str], Awaitable[Effects]]
"""Of what was rehearsed about a body, by its id: whoever knows completions says it."""


async def all_bodies(components: Components[Any]) -> list[Body]:
    """Without aliases, by code; their agencies as they are called now."""
    trust = trust_of(await components.store.read(REGISTERS, REGISTER))
    found = await components.store.select(BODIES, {}, sort=[("_id", 1)])
    called = [called_now(body, trust.heir) for body in found if not body.alias_of]
    return [body for body in called if body is not None]


async def unknown_bodies(components: Components[Any]) -> UnknownBodiesView:
    """One line a body that completions wait for. It reads what waits for bodies, by an index, and nothing else."""
    found = await components.store.aggregate(WAITING, [
        {"$match": {"event_type": TrainingCompleted.TYPE, "kind": LACKED}},
        {"$group": {
            "_id": "$lacks", "waiting": {"$sum": 1}, "topics": {"$addToSet": "$topic"}, "since": {"$min": "$since"},
            "first": {"$min": "$_id"},
        }},
        {"$sort": {"waiting": -1, "_id": 1}},
        {"$limit": MAX_UNKNOWN + 1},
    ])  # fmt: skip
    shown = found[:MAX_UNKNOWN]
    firsts = await components.store.select(WAITING, {"_id": {"$in": [group["first"] for group in shown]}})
    decoder: Decoder[Any] = Decoder(components.service)
    codes = {first.id: _code(first, decoder) for first in firsts}
    prefix = components.service.topic_prefix
    return UnknownBodiesView(
        bodies=[
            UnknownBodyView(
                code=codes.get(group["first"]) or group["_id"].removeprefix(lacks_body("")),
                waiting=group["waiting"],
                agencies=sorted(sender_of(topic, prefix) for topic in group["topics"]),
                since=group["since"],
            )
            for group in shown
        ],
        more=len(found) > len(shown),
    )


def _code(waiting: WaitingRecord, decoder: Decoder[Any]) -> str:
    """As it is reported; empty where that can't be read any more."""
    event = decoder.read(waiting.record(), waiting).event
    return event.data.training.organizer.code if event and isinstance(event.data, TrainingCompleted) else ""


async def preview(
    components: Components[Any], command: AddBody | ChangeBody, now: datetime, judge: Judge | None = None
) -> PreviewView:
    """Decides the order, and what waits for it, on what stands now; writes nothing."""
    rehearsal = await run_command_dry(components.service, components.store, command, REGISTER, now)
    (_, own), *others = rehearsal.outcomes
    lacked = [lacks_body(spelling) for spelling in spellings(command.code, command.aliases)]
    verdicts = Counter(outcome.verdict for _, outcome in others)
    told = judge is not None and own.verdict is Verdict.ACCEPTED
    effects = await judge(rehearsal, body_id(command.code)) if judge is not None and told else Effects()
    return PreviewView(
        verdict=own.verdict.value,
        reason=own.reason or None,
        waiting=await components.store.count(WAITING, {"lacks": {"$in": lacked}}),
        decided={
            verdict.value: count for verdict, count in verdicts.items() if verdict is not Verdict.WAITING
        },
        recorded=effects.recorded,
        certified=effects.certified,
        uncertified=dict(effects.uncertified),
        certificates_issued=effects.issued,
        certificates_revoked=effects.revoked,
    )
