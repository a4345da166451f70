"""What waits for an operator, who would not look for it: bodies that nobody entered, people beyond a headcount."""

from typing import Final

from services.enrollment.agencies.documents import NO_ROOM, TOO_FAST
from services.enrollment.bodies.documents import LACKED
from shared.pipeline.pipeline_collections import WAITING
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

LOOK_EVERY_S: Final = 30.0
MAX_NAMED: Final = 5


class WaitingWatch(Periodic):
    name = "waitingwatch"

    def __init__(self, store: MongoStore) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store = store
        self._remarks: list[str] = []

    def remarks(self) -> list[str]:
        return self._remarks

    async def step(self) -> float | None:
        agencies, bodies = await self._lacked(NO_ROOM), await self._lacked(LACKED)
        masters = await self._lacked(TOO_FAST)
        self._remarks = [
            f"{agency} claims more people than its headcount allows, and they wait: `kompeten waiting`, then `kompeten "
            f"agency change {agency} --headcount N` or `kompeten agency suspend {agency}`"
            for agency in agencies
        ]
        self._remarks += [
            f"{source} moves more people within an hour than it may, and the rest waits: `kompeten waiting`, then "
            f"`kompeten agency change {source} --moves-per-hour N` or `kompeten agency suspend {source}`"
            for source in masters
        ]
        if bodies:
            more = " and others" if len(bodies) == MAX_NAMED else ""
            self._remarks.append(
                f"completions wait for bodies that nobody entered ({', '.join(bodies)}{more}): `kompeten body unknown`"
            )
        return None

    async def _lacked(self, kind: str) -> list[str]:
        found = await self._store.aggregate(
            WAITING,
            [
                {"$match": {"lacks": {"$gte": f"{kind}/", "$lt": f"{kind}0"}}},  # by the index over it
                {"$group": {"_id": "$lacks"}},
                {"$limit": MAX_NAMED},
            ],
        )
        return sorted(document["_id"].removeprefix(kind + "/") for document in found)
