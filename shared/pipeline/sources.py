"""Which topics of others a service reads just now: what its register says, without those that can't be read.

The service's own topics are declared, and without one of them nothing is decided. A topic of somebody else is looked
at before it is subscribed to, since a single bad one would stop the client for all: it is left out and named, and
looked at again until it is mended.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from shared.pipeline import metrics
from shared.pipeline.errors import Unavailable
from shared.pipeline.publisher import close

log = logging.getLogger(__name__)
FOLLOW_EVERY_S: Final = 0.5
LOOK_EVERY_S: Final = 10.0
"""At topics that were well; at those that were not, every `LOOK_AGAIN_S`."""
LOOK_AGAIN_S: Final = 2.0
ANSWERED_WITHIN_S: Final = 10.0
PROBED_WITHIN_MS: Final = 1_000
PARTITIONS: Final = 1
"""Of each topic of somebody else: it keeps the order in which that one sent."""
REFUSED: Final = "Kafka refuses to let this service read it: give its user the right to"


class SourceRegister(Protocol):
    """Says which topics of others there are; it may change at any time."""

    async def sources(self) -> Mapping[str, bool]:
        """Topics with their prefix, and whether each is to be read; raises Unavailable."""


class Sources:
    """One for each consumer. `topics` is what it is to be subscribed to, besides the service's own."""

    def __init__(self, service: str, bootstrap: str, own: dict[str, int]) -> None:
        """`own`: the declared topics that the service reads in any case, each with its partitions."""
        self.own = own
        self.register: SourceRegister | None = None
        self.topics: tuple[str, ...] = ()
        self.faults: dict[str, str] = {}
        """By topic: why it is not read although the register says so."""
        self._service, self._bootstrap = service, bootstrap
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
        """Whether Kafka has it as it should be; what is not read at present counts too."""
        return topic in self.own or topic in self._well

    def fault_of(self, topic: str) -> str:
        return self.faults.get(topic, "")

    def remarks(self) -> list[str]:
        return [f"{topic} is not read: {why}" for topic, why in sorted(self.faults.items())]

    async def follow(self) -> None:
        """Goes on until it is cancelled. While nobody answers, what was found last holds."""
        if self.register is None:
            return
        while True:
            with contextlib.suppress(Unavailable, KafkaError):
                await self.look()
            await asyncio.sleep(FOLLOW_EVERY_S)

    async def look(self) -> None:
        """Raises Unavailable or KafkaError when the register or Kafka can't be asked."""
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

    def refused(self, topic: str) -> bool:
        """A fetch was: it is left out until a probe may read it. False when it is a topic of the service's own."""
        if topic not in self.topics:
            return False
        self._well.discard(topic)
        self._set(self.faults | {topic: REFUSED})
        return True

    def _set(self, faults: dict[str, str]) -> None:
        for topic, why in faults.items():
            if self.faults.get(topic) != why:
                log.error("%s is not read, the others are: %s", topic, why)
        for topic in self.faults.keys() - faults.keys():
            log.warning("%s is well again, or nobody's any more", topic)
        self.faults = faults
        self.topics = tuple(sorted(t for t, read in self._registered.items() if read and t in self._well))
        metrics.unread(self._service, faults)

    async def _faults(self, topics: Iterable[str]) -> dict[str, str]:
        faults = await self._as_declared(topics)
        for topic in topics:
            if topic not in faults and self.faults.get(topic) == REFUSED and not await self._may_read(topic):
                faults[topic] = REFUSED
        return faults

    async def _as_declared(self, topics: Iterable[str]) -> dict[str, str]:
        wanted = list(topics)
        if not wanted:
            return {}
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await admin.start()
                described = {one["topic"]: one for one in await admin.describe_topics(wanted)}
        except TimeoutError as error:
            raise Unavailable(f"Kafka did not answer within {ANSWERED_WITHIN_S:.0f} s") from error
        finally:
            await admin.close()
        return {topic: why for topic in wanted if (why := _fault(described.get(topic)))}

    async def _may_read(self, topic: str) -> bool:
        """The right to read shows in a fetch alone."""
        client = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            client_id=f"kompeten-{self._service}-probe",
            enable_auto_commit=False,
            auto_offset_reset="none",
        )
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await client.start()
                client.assign([TopicPartition(topic, 0)])
                client.seek(TopicPartition(topic, 0), 0)
                await client.getmany(timeout_ms=PROBED_WITHIN_MS, max_records=1)
        except TopicAuthorizationFailedError:
            return False
        except TimeoutError as error:
            raise Unavailable(f"Kafka did not answer within {ANSWERED_WITHIN_S:.0f} s") from error
        except OffsetOutOfRangeError:  # older records are gone: who may not read is not told so
            return True
        finally:
            await close(client)
        return True


def _fault(described: Mapping[str, Any] | None) -> str:
    """Of a topic as Kafka's metadata describe it; empty when it is as it must be."""
    error = UnknownTopicOrPartitionError if described is None else for_code(described["error_code"])
    if error is UnknownTopicOrPartitionError:
        return "it does not exist: make it with `kompeten agency add`, or `python -m shared.topics`"
    if error is TopicAuthorizationFailedError:
        return REFUSED
    assert described is not None
    partitions = described["partitions"]
    if not error.errno and len(partitions) != PARTITIONS:  # other errors pass: a leader is being elected
        return f"it has {len(partitions)} partitions, {PARTITIONS} is declared: make it anew, or connect the agency anew"
    return ""
