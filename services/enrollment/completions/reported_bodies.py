"""Which bodies the completions name that stand in the database, and who reported them."""

from collections.abc import Sequence
from typing import NamedTuple

from services.enrollment.completions.documents import COMPLETIONS
from shared.pipeline.storage.mongo import MongoStore


class Reported(NamedTuple):
    code: str
    """As it was reported."""
    agencies: Sequence[str]
    """Codes of those that reported it."""


async def reported_bodies(store: MongoStore) -> list[Reported]:
    """Most reported first. It reads all completions."""
    found = await store.aggregate(COMPLETIONS, [
        {"$project": {"contents.sender": 1, "contents.facts.organizer_code": 1}},
        {"$unwind": "$contents"},
        {"$group": {
            "_id": "$contents.facts.organizer_code", "agencies": {"$addToSet": "$contents.sender"}, "count": {"$sum": 1},
        }},
        {"$sort": {"count": -1, "_id": 1}},
    ])  # fmt: skip
    return [Reported(document["_id"], document["agencies"]) for document in found]
