"""What incentive knows of completions: the points and the rules that gave them."""

from services.incentive.points.documents import EARNED_COMPLETIONS, POINT_ENTRIES
from shared.http.traces import Missing, Step, Trace, WantedIds, trace_of
from shared.pipeline.storage.mongo import MongoStore

SERVICE = "incentive"


async def trace(store: MongoStore, wanted: WantedIds) -> Trace:
    ids = wanted.completion_ids
    earned = {
        completion.id: completion
        for completion in await store.select(EARNED_COMPLETIONS, {"_id": {"$in": ids}})
    }
    entries = await store.select(POINT_ENTRIES, {"completion_id": {"$in": ids}}, sort=[("recorded_at", 1)])
    steps = [
        Step(
            at=entry.recorded_at,
            service=SERVICE,
            what=f"{entry.points:+d} points",
            detail="; ".join(
                [*(f"{line.rule}: {line.points}" for line in entry.lines), entry.reason or ""]
            ).rstrip("; ")
            or None,
            completion_id=entry.completion_id,
        )
        for entry in entries
    ]
    steps += [
        Step(
            at=None,
            service=SERVICE,
            what="settled with 0 points",
            detail=completion.reason,
            completion_id=completion.id,
        )
        for completion in earned.values()
        if completion.id not in {entry.completion_id for entry in entries}
    ]
    return trace_of(
        steps, {completion.id: completion.employee_id for completion in earned.values()}, wanted, _unheard
    )


def _unheard(completion_id: str) -> Missing:
    do = "incentive has not heard of it: look at its lag and dead letters with kompeten status"
    return Missing(service=SERVICE, what="points", do=do, completion_id=completion_id)
