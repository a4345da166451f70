"""What incentive has of each completion, in order of id: for `kompeten reconcile`."""

from typing import Any

from services.incentive.points.documents import EARNED_COMPLETIONS, POINT_ENTRIES
from services.incentive.reconciliation.completeness import amiss
from shared.pipeline.storage.mongo import MongoStore
from shared.reconciliation.routes import Entry, Some


async def snapshot(store: MongoStore, some: Some) -> list[Entry]:
    found: list[dict[str, Any]] = await store.aggregate(EARNED_COMPLETIONS, [
        {"$match": some.of("_id")},
        {"$sort": {"_id": 1}},
        {"$limit": some.limit},
        {"$project": {"version": 1, "month": 1, "settled": 1, "points": 1}},
    ])  # fmt: skip
    sums: list[dict[str, Any]] = await store.aggregate(POINT_ENTRIES, [
        {"$match": {"completion_id": {"$in": [document["_id"] for document in found]}}},
        {"$group": {"_id": "$completion_id", "points": {"$sum": "$points"}}},
    ])  # fmt: skip
    given = {total["_id"]: total["points"] for total in sums}
    return [entry_of(document, given.get(document["_id"], 0)) for document in found]


def entry_of(one: dict[str, Any], given: int) -> Entry:
    """Of a completion as it is stored, and the sum of its entries."""
    return Entry(
        completion_id=one["_id"],
        version=one["version"],
        standing=bool(one["month"]),
        lacks=amiss(one.get("settled", 0), one.get("points", 0), given),
    )
