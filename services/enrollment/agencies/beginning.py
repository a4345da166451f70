"""The register begins with the agencies of `KOMPETEN_AGENCIES`, once; after that the setting only is compared."""

import logging
from collections.abc import Sequence
from typing import Final

from services.enrollment.agencies.documents import AGENCIES, REGISTER, REGISTERS
from shared.contracts.cloudevents import event_id
from shared.contracts.register import BeginRegister
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.storage.mongo import MongoStore
from shared.workers.periodic import Periodic

log = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 30.0
BEGINNING_S: Final = 2.0


class Beginning(Periodic):
    """Any replica may: of two commands the second changes nothing."""

    name = "beginning"

    def __init__(self, store: MongoStore, commands: Commands, setting: Sequence[str]) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store, self._commands, self._setting = store, commands, tuple(setting)
        self._missing: list[str] = []
        self._asked = False

    def remarks(self) -> list[str]:
        """Agencies of the setting that are not in the register: whoever added them there expects them to be read."""
        return [
            f"KOMPETEN_AGENCIES names {code}, which the register does not have: connect it with `kompeten agency add "
            f"{code}`, or take it out of the setting"
            for code in self._missing
        ]

    async def step(self) -> float | None:
        register = await self._store.read(REGISTERS, REGISTER)
        if register is None or not register.begun:
            command = BeginRegister(codes=self._setting)
            id = event_id(0, "agencies/" + ",".join(sorted(self._setting)), 0, command.TYPE)
            await self._commands.submit(command, id=id, key=REGISTER, traceparent=root_traceparent(id))
            first, self._asked = not self._asked, True
            return BEGINNING_S if first else None
        known = {
            agency.id for agency in await self._store.select(AGENCIES, {"_id": {"$in": list(self._setting)}})
        }
        missing = [code for code in self._setting if code not in known]
        if missing != self._missing:
            self._missing = missing
            for remark in self.remarks():
                log.warning("%s", remark)
        return None
