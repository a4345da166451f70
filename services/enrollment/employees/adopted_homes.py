"""Whose the people were who were recorded before homes were noted: worked out once, from who reported them first."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from services.enrollment.persons.documents import EMPLOYEES
from shared.contracts.cloudevents import event_id
from shared.contracts.payload import EmployeeId
from shared.contracts.people import AdoptHomes, EarliestHome
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.outcome import Verdict
from shared.pipeline.pipeline_collections import DECISIONS
from shared.pipeline.processing.messages import sender_of
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

log = logging.getLogger(__name__)
PAGE: Final = 200
AGAIN_S: Final = 0.2
LOOK_EVERY_S: Final = 3600.0
DECIDED_WITHIN_S: Final = 30.0
UNKNOWN: Final = {"home_known": {"$ne": True}}


class HomeAdoption(Periodic):
    """Any replica may: of two commands about the same person the second changes nothing."""

    name = "homeadoption"

    def __init__(self, store: MongoStore, commands: Commands, topic_prefix: str) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store, self._commands, self._prefix = store, commands, topic_prefix
        self.done = False
        """Everybody's home is known, or known to be nobody's."""

    async def step(self) -> float | None:
        if self.done:
            return None
        people = await self._store.select(EMPLOYEES, UNKNOWN, sort=[("_id", 1)], limit=PAGE)
        if not people:
            self.done = True
            return None
        ids = [person.id for person in people]
        found = await self._first_reports(ids)
        command = AdoptHomes(homes=tuple(found.values()), unknown=tuple(id for id in ids if id not in found))
        id = event_id(0, f"homes/{ids[0]}/{ids[-1]}", len(ids), command.TYPE)
        place = await self._commands.submit(command, id=id, key=ids[0], traceparent=root_traceparent(id))
        await self._commands.decision(place, DECIDED_WITHIN_S)
        return AGAIN_S

    async def _first_reports(self, ids: Sequence[EmployeeId]) -> dict[EmployeeId, EarliestHome]:
        rows: list[dict[str, Any]] = await self._store.aggregate(DECISIONS, [
            {"$match": {"s": {"$in": list(ids)}, "v": Verdict.ACCEPTED.value}},
            {"$sort": {"t": 1, "_id": 1}},
            {"$group": {"_id": "$s", "at": {"$first": "$_id"}, "t": {"$first": "$t"}}},
        ])  # fmt: skip
        found = [self._report(EmployeeId(row["_id"]), row["at"], row["t"]) for row in rows]
        return {home.employee_id: home for home in found if home is not None}

    def _report(self, id: EmployeeId, at: str, decided_at: datetime) -> EarliestHome | None:
        topic, partition, offset, _ = at.rsplit("/", 3)
        if not topic.startswith(self._prefix + "agency."):
            return None
        agency = sender_of(topic, self._prefix)
        return EarliestHome(
            employee_id=id, agency=agency, arrived=decided_at, topic=topic, partition=int(partition), offset=int(offset)
        )  # fmt: skip
