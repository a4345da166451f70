"""What faults are injected into: the services on their cluster, under steady traffic."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pymongo.errors import PyMongoError

from devstack.kompeten import SERVICES
from services.notification.letters.documents import LETTERS, MAILS
from shared.contracts.payload import CompletionId
from shared.pipeline.kafka.publisher import Publisher
from tests.chaos.stories import Stories
from tests.chaos.system import System, unacknowledged
from tests.chaos.traffic import Message
from tests.faults.cluster import Cluster
from tests.faults.proxy import Network

TICK_S: Final = 0.5
POISON: Final = 0.02
HOSTILE: Final = 0.1
"""Of a tick: that an agency tries what is not its to do."""
LOST_SIGHT_S: Final = 120.0


@dataclass
class Field:
    system: System
    cluster: Cluster
    network: Network
    dice: random.Random
    outage_s: float
    """How long what is away stays away."""
    completions_a_tick: int
    stories: Stories
    current: bool = False
    """All services are of this version from now on: an earlier one believes the hostile agency, and does not know what
    stories say."""
    in_hand: int = 0
    """Mails that a mailer was handing over when it was killed: each may arrive twice."""

    # Services

    def launch(self, service: str, failpoint: str = "", **env: str) -> None:
        self.system.launch(service, failpoint, **env)

    async def killed(self, service: str) -> None:
        self.system.child(service).kill()
        await self.gone(service)

    async def gone(self, service: str) -> None:
        """It was killed: what it had in hand is counted, and its leases end, as they would by time."""
        await self.system.nothing_left_of(service)
        if service == "notification":
            mails = self.system.database(service)[MAILS.name]
            self.in_hand += await patiently(lambda: mails.count_documents({"state": "handing_over"}))
        await patiently(lambda: self.system.expire_leases(service))

    async def restarted(self, service: str, **env: str) -> None:
        await self.system.stopped(service)
        self.launch(service, **env)

    # Traffic

    def burst(self, completions: int) -> list[Message]:
        made = self.system.traffic.batch(completions)
        while self.dice.random() < POISON * len(made):
            made.append(self.system.traffic.poison())
            break
        if self.current and self.dice.random() < HOSTILE:
            made += self.system.traffic.hostile()
        self.dice.shuffle(made)  # what belongs together comes in any order too
        return made

    async def flow(self, until_done: Callable[[], bool]) -> None:
        """Sends until `until_done`; a broker that is away delays it, and nothing is given up."""
        publisher = Publisher(self.system.stack.kafka, "senders")
        unsent: list[Message] = []
        try:
            while not until_done() or unsent:
                began = time.monotonic()
                if not until_done():
                    unsent += self.burst(self.completions_a_tick)
                unsent = await unacknowledged(publisher, unsent)
                await asyncio.sleep(max(0.0, TICK_S - (time.monotonic() - began)))
        finally:
            await publisher.stop()

    async def recovered(self) -> tuple[float | None, str]:
        """Seconds until a completion that is published now is recorded, has its points and its mail is sent, and
        every service is ready. None: not within two minutes, and what was still missing then."""
        began = time.monotonic()
        id, messages = self.system.traffic.probe()
        sending = asyncio.create_task(self._all_sent(messages))
        missing = ""
        try:
            while time.monotonic() - began < LOST_SIGHT_S:
                missing = await asyncio.to_thread(self._missing, id)
                if not missing:
                    return time.monotonic() - began, ""
                await asyncio.sleep(0.1)
            return None, missing
        finally:
            await sending

    async def _all_sent(self, messages: list[Message]) -> None:
        publisher = Publisher(self.system.stack.kafka, "senders")
        while messages:
            messages = await unacknowledged(publisher, messages)
        await publisher.stop()

    def _missing(self, id: CompletionId) -> str:
        notification = self.system.database("notification")
        try:
            letter = notification[LETTERS.name].find_one({"completion_id": id})
            if letter is None or letter["points"] is None:
                return f"the probe's letter: {letter and letter['state']}"
            mail = notification[MAILS.name].find_one({"_id": letter["_id"]})
        except PyMongoError as error:
            return type(error).__name__
        if mail is None or mail["state"] != "sent":
            return f"the probe's mail: {mail and mail['state']}"
        faults = {service: self.system.faults_of(service) for service in SERVICES}
        return "; ".join(f"{service} {fault}" for service, fault in faults.items() if fault != [])


async def patiently(ask: Callable[[], int | None], within_s: float = 90) -> int:
    """A question to a database that may be without a primary for a while."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return await asyncio.to_thread(ask) or 0
        except PyMongoError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


class Fault(NamedTuple):
    name: str
    inject: Callable[[Field], Awaitable[None]]
    """Returns when the fault is over: the process was started again, the network healed."""
    impossible: Callable[[Field], str] = lambda field: ""
    """Why it can't be injected here; empty if it can."""
    brief: bool = False
    """In the short run too."""
    first: bool = False
    """Before all others: later a disk would need more room, and an earlier version would not know an epoch."""
