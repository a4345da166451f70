"""The register of bodies begins once, with those of `KOMPETEN_BODIES`, of the rules, and that completions name so far."""

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from services.enrollment.agencies.documents import AGENCIES, REGISTER, REGISTERS
from services.enrollment.bodies.documents import BODIES, body_id
from services.enrollment.bodies.timeline import EffectiveBody, effective_body
from shared.contracts.bodies import MAX_BODIES_AT_THE_BEGINNING, BeginBodies, BodySeed
from shared.contracts.cloudevents import event_id
from shared.contracts.topics import MAX_RECORD_BYTES
from shared.http.commands import Commands
from shared.observability.telemetry import root_traceparent
from shared.pipeline.storage.mongo import MongoStore
from shared.settings.types import OUTSIDE
from shared.workers.periodic import Periodic

log = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 30.0
BEGINNING_S: Final = 2.0
MAX_BYTES: Final = MAX_RECORD_BYTES // 2
"""Of all seeds together; the rest of a record is room enough for what frames them."""

Reports = Iterable[tuple[str, Iterable[str]]]
"""Codes as completions have them, most frequent first, each with the agencies that reported it."""


class BodiesBeginning(Periodic):
    """Any replica may: of two commands the second changes nothing."""

    name = "bodiesbeginning"

    def __init__(
        self,
        store: MongoStore,
        commands: Commands,
        *,
        setting: Mapping[str, str],
        ruled: Mapping[str, str | None],
        reported: Callable[[], Awaitable[Reports]],
        behind_s: Callable[[], Awaitable[float]],
    ) -> None:
        """`setting`: see Issuers. `ruled`: by code, the agency that the rules name. `behind_s`: infinite while bodies
        may be named by what stood in the log before this version came, and is not read yet."""
        super().__init__(LOOK_EVERY_S)
        self._store, self._commands, self._behind_s = store, commands, behind_s
        self._setting, self._ruled, self._reported = setting, ruled, reported
        self._command: BeginBodies | None = None
        self._generation = -1
        self._remarks: list[str] = []

    def remarks(self) -> list[str]:
        return self._remarks

    async def step(self) -> float | None:
        register = await self._store.read(REGISTERS, REGISTER)
        if register is None or not register.begun:
            return BEGINNING_S  # with agencies
        if register.judges_from is None:
            if math.isinf(await self._behind_s()):
                return BEGINNING_S
            return await self._begin()
        if register.generation != self._generation:
            await self._compare()
            self._generation = register.generation
        return None

    async def _begin(self) -> float | None:
        first = self._command is None
        # Read once: the command is given again as it was, if no decision about it comes.
        self._command = self._command or BeginBodies(bodies=await self._seeds())
        id = event_id(0, "bodies", 0, BeginBodies.TYPE)
        await self._commands.submit(self._command, id=id, key=REGISTER, traceparent=root_traceparent(id))
        return BEGINNING_S if first else None

    async def _seeds(self) -> tuple[BodySeed, ...]:
        connected = {agency.id for agency in await self._store.select(AGENCIES, {})}
        return seeds(self._setting, self._ruled, await self._reported(), connected)

    async def _compare(self) -> None:
        """Of the setting and the agencies with the register; all of it is read only when the register has changed."""
        bodies = await self._store.select(BODIES, {})
        effective = [current for body in bodies if (current := effective_body(body)) is not None]
        agencies = {agency.id for agency in await self._store.select(AGENCIES, {})}
        found = remarks(self._setting, {body.id for body in bodies}, effective, agencies)
        if found != self._remarks:
            self._remarks = found
            for remark in found:
                log.warning("%s", remark)


def remarks(
    setting: Mapping[str, str], known: set[str], effective: Sequence[EffectiveBody], agencies: set[str]
) -> list[str]:
    """What an operator must mend. `known`: ids of bodies and aliases; `agencies`: codes of those in the register."""
    found = [
        f"KOMPETEN_BODIES names {code}, which the register does not have: enter it with `kompeten body add`, or take it "
        "out of the setting"
        for code in setting
        if body_id(code) not in known
    ]
    if unconfirmed := sum(not body.confirmed for body in effective):
        found.append(f"{_bodies(unconfirmed)} not confirmed: `kompeten body list`")
    if orphaned := sum(bool(body.issuing) and body.issuing not in agencies for body in effective):
        found.append(
            f"{_bodies(orphaned)} issued for by an agency that is not connected: `kompeten body list` shows which; "
            "connect it with `kompeten agency add`, or name another with `kompeten body change`"
        )
    return found


def _bodies(count: int) -> str:
    return "1 body is" if count == 1 else f"{count} bodies are"


def seeds(
    setting: Mapping[str, str], ruled: Mapping[str, str | None], reported: Reports, connected: set[str]
) -> tuple[BodySeed, ...]:
    """One a body. The setting goes before the rules; what completions have so far is confirmed by the setting alone, as
    the rules may say otherwise than who has issued. What the rules say of an agency that is not among the connected is of
    another installation."""
    spelled: dict[str, str] = {}
    users: dict[str, set[str]] = {}
    for code, agencies in reported:
        spelled.setdefault(body_id(code), code)
        users.setdefault(body_id(code), set()).update(agencies)
    found: dict[str, BodySeed] = {}
    for code, issuer in setting.items():
        found[body_id(code)] = _seed(code, issuer, users)
    for code, agency in ruled.items():
        if body_id(code) in users:
            found.setdefault(body_id(code), _seed(code, "", users))
        elif agency is None or agency in connected:
            found.setdefault(body_id(code), _seed(code, agency or "", users))
    for id, code in spelled.items():
        found.setdefault(id, _seed(code, "", users))
    return _that_fit(list(found.values()))


def _seed(code: str, issuer: str, users: Mapping[str, set[str]]) -> BodySeed:
    if issuer == OUTSIDE:
        return BodySeed(code=code, outside=True)
    if issuer:
        return BodySeed(code=code, issuing=issuer)
    return BodySeed(code=code, used_by=tuple(sorted(users.get(body_id(code), ()))))


def _that_fit(bodies: Sequence[BodySeed]) -> tuple[BodySeed, ...]:
    """As many as one record takes, those that are used least left out: what is reported of them waits until somebody
    enters them."""
    size_bytes, found = 0, list[BodySeed]()
    for body in bodies[:MAX_BODIES_AT_THE_BEGINNING]:
        size_bytes += len(body.model_dump_json())
        if size_bytes > MAX_BYTES:
            break
        found.append(body)
    if left := len(bodies) - len(found):
        log.warning(
            "%d bodies do not fit into the register's first record: enter them as they are reported", left
        )
    return tuple(found)
