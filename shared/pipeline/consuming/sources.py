"""Which topics of others a service reads just now: what its register says, without those that can't be read.

The service's own topics are declared, and without one of them nothing is decided. A topic of somebody else is looked
at before it is subscribed to, since a single bad one would stop the client for all: it is left out and named, and
looked at again until it is mended.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Final, Protocol

from shared.kafka.access import NoAccess
from shared.kafka.connection import KafkaConnection
from shared.kafka.topic_rights import Wanted, faults_by_topic
from shared.pipeline.consuming import metrics
from shared.pipeline.errors import Unavailable

log = logging.getLogger(__name__)
FOLLOW_EVERY_S: Final = 0.5
LOOK_EVERY_S: Final = 10.0
"""At topics that were well; as soon as one was not, at all of them every `LOOK_AGAIN_S`."""
LOOK_AGAIN_S: Final = 2.0
ANSWERED_WITHIN_S: Final = 10.0
PARTITIONS: Final = 1
"""Of each topic of somebody else: it keeps the order in which that one sent."""
WANTED: Final = Wanted(("read", "write"), PARTITIONS)
"""Written too: what somebody sends over HTTP is put there."""


class SourceRegister(Protocol):
    """Says which topics of others there are; it may change at any time."""

    async def sources(self) -> Mapping[str, bool]:
        """Topics with their prefix, and whether each is to be read; raises Unavailable."""


class Sources:
    """One for each consumer. `topics` is what it is to be subscribed to, besides the service's own."""

    def __init__(self, service: str, kafka: KafkaConnection, own: dict[str, int]) -> None:
        """`own`: the declared topics that the service reads in any case, each with its partitions."""
        self.own = own
        self.register: SourceRegister | None = None
        self.topics: tuple[str, ...] = ()
        self.faults: dict[str, str] = {}
        """By topic: why it is not read although the register says so."""
        self._service, self._kafka = service, kafka
        self._registered: Mapping[str, bool] = {}
        self._well: set[str] = set()
        self._looked_at = float("-inf")

    def partitions(self) -> dict[str, int]:
        """Of all topics that are read now."""
        return {**self.own, **dict.fromkeys(self.topics, PARTITIONS)}

    def known(self) -> set[str]:
        """Topics whose records are decided, now or once they can be read again."""
        return {*self.own, *self._registered}

    def can_be_asked(self, topic: str) -> bool:
        """Whether Kafka has it as it should be; one that is not to be read at present counts too."""
        return topic in self.own or topic in self._well

    def fault_of(self, topic: str) -> str:
        return self.faults.get(topic, "")

    def remarks(self) -> list[str]:
        return [f"{topic} is not read, the others are: {why}" for topic, why in sorted(self.faults.items())]

    async def follow(self) -> None:
        """Goes on until it is cancelled. While nobody answers, what was found last holds."""
        if self.register is None:
            return
        while True:
            with contextlib.suppress(Unavailable):
                await self.look()
            await asyncio.sleep(FOLLOW_EVERY_S)

    async def look(self) -> None:
        """Raises Unavailable when the register or Kafka can't be asked."""
        if self.register is None:
            return
        registered = await self.register.sources()
        every_s = LOOK_AGAIN_S if self.faults else LOOK_EVERY_S
        if registered == self._registered and time.monotonic() - self._looked_at < every_s:
            return
        faults = await self._faults(registered)
        self._looked_at, self._registered = time.monotonic(), registered
        self._well = registered.keys() - faults.keys()
        self._set({topic: why for topic, why in faults.items() if registered[topic]})

    def refused(self, topic: str, why: str) -> bool:
        """A fetch was: it is left out until a look finds it well. False when it is one of the service's own."""
        if topic not in self.topics:
            return False
        self._well.discard(topic)
        self._looked_at = time.monotonic()
        self._set(self.faults | {topic: why})
        return True

    def _set(self, faults: dict[str, str]) -> None:
        for topic, why in faults.items():
            if self.faults.get(topic) != why:
                log.error("%s is not read, the others are: %s", topic, why)
        for topic in self.faults.keys() - faults.keys():
            log.warning("%s is well again, or not to be read any more", topic)
        self.faults = faults
        self.topics = tuple(sorted(t for t, read in self._registered.items() if read and t in self._well))
        metrics.unread(self._service, faults)

    async def _faults(self, topics: Mapping[str, bool]) -> dict[str, str]:
        if not topics:
            return {}
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                found = await faults_by_topic(
                    self._kafka, dict.fromkeys(topics, WANTED), f"kompeten-{self._service}"
                )
        except NoAccess as error:
            raise Unavailable(str(error)) from error
        except TimeoutError as error:
            raise Unavailable(f"Kafka did not answer within {ANSWERED_WITHIN_S:.0f} s") from error
        return {topic: "; ".join(faults) for topic, faults in found.items() if faults}
