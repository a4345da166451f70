"""What has piled up, for Prometheus: dead letters, records that wait, work that is not done. Counts, no ids."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from prometheus_client import Gauge

from shared.pipeline.documents import Collection, Document
from shared.pipeline.pipeline_collections import DEAD_LETTERS, OPEN, WAITING
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.work import Counting, Counts
from shared.workers.periodic import Periodic

EVERY_S: Final = 5.0
_DEAD: Final = Gauge("kompeten_dead_letters", "Records that could not be accepted, open", ["service"])
_WAITING: Final = Gauge("kompeten_waiting_records", "Records that wait for what they lack", ["service"])
_WORK: Final = Gauge("kompeten_open_work", "Work that is not done yet", ["service", "kind", "state"])


class BacklogMetrics(Periodic):
    """Counts every few seconds rather than on a scrape, which must not touch the database.

    `work`: collections of work (shared/pipeline/work.py) and what is counted of each that is not done; `counted`: work
    that is in none.
    """

    name = "backlog"

    def __init__(
        self,
        service: str,
        store: MongoStore,
        work: Mapping[Collection[Document], Counts],
        counted: Mapping[str, Counting] = MappingProxyType({}),
    ) -> None:
        super().__init__(EVERY_S)
        self._service, self._store, self._work, self._counted = service, store, work, counted

    async def step(self) -> None:
        _DEAD.labels(self._service).set(await self._store.count(DEAD_LETTERS, {"state": OPEN}))
        _WAITING.labels(self._service).set(await self._store.size(WAITING))
        for collection, counts in self._work.items():
            for state, filter in counts.items():
                # By the index (state, due): few, however many are done.
                count = await self._store.count(collection, filter)
                _WORK.labels(self._service, collection.name, state).set(count)
        for kind, counting in self._counted.items():
            for state, count in (await counting()).items():
                _WORK.labels(self._service, kind, state).set(count)
