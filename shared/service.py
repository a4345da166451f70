"""Runs a service: HTTP, consumer and workers in one event loop, from a clean start to a clean stop."""

import asyncio
import contextlib
import gc
import logging
import math
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

import uvicorn
from fastapi import APIRouter, FastAPI

from shared.contracts.rights import rights_of_service
from shared.contracts.topics import PARTITIONS, topic_specs
from shared.http.app import create_app, create_internal_app
from shared.http.askers import Askers
from shared.http.commands import Commands, DecisionWaiter
from shared.http.connections import server_config
from shared.http.health import Check
from shared.http.listening import listening_faults
from shared.http.oidc import ClaimNames, OidcAccess
from shared.identity.database_key import IDENTITY, Evidence, WrongKey, hold, no_evidence
from shared.identity.identifiers import Ids
from shared.kafka.topic_rights import TopicCheck, Wanted
from shared.observability.telemetry import configure_logging, configure_tracing, shutdown_tracing
from shared.pipeline.consuming.consumer import Consumer
from shared.pipeline.consuming.coverage import Coverage
from shared.pipeline.consuming.sources import Sources
from shared.pipeline.documents import Collection
from shared.pipeline.errors import Unavailable
from shared.pipeline.handlers import Service
from shared.pipeline.kafka.publisher import Publisher
from shared.pipeline.pipeline_collections import Decision
from shared.pipeline.restore.restoring import Restoration
from shared.pipeline.storage.mongo import MongoStore, connect
from shared.pipeline.work import Counting, Counts
from shared.reconciliation.missing import Reconciliation
from shared.settings.common import Settings
from shared.settings.reading import EXIT_STATUS
from shared.version import deciding_version
from shared.workers.backlog import BacklogMetrics
from shared.workers.bugs import BugReplayer
from shared.workers.reach import ReachCheck
from shared.workers.waits import Budgets, WaitingSweeper

T = TypeVar("T")
log = logging.getLogger(__name__)
AGAIN_S = 1.0
DATABASE_ANSWERS_WITHIN_S = 2.0
DISK_NEARLY_FULL = 0.95


class Worker(Protocol):
    """Work outside the pipeline: `run` goes on until `stop`, then ends what it has in hand."""

    name: str
    """As readiness calls it, whatever its class is called."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...

    def faults(self) -> list[str]: ...


async def _not_running() -> list[Check]:
    return []


async def _no_ends(places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    return {}


Behind = Callable[[int | None], Awaitable[float]]


async def _no_coverage(number: int | None) -> float:
    return math.inf


@dataclass
class Components(Generic[T]):
    """What routes and workers of a service are built from."""

    service: Service[T]
    store: MongoStore
    publisher: Publisher
    decision_waiter: DecisionWaiter
    commands: Commands
    askers: Askers
    sources: Sources
    """What is read besides the service's own topics."""
    workers: list[Worker] = field(default_factory=list)
    work: Mapping[Collection[Any], Counts] = field(default_factory=dict)
    """Collections of work outside the pipeline, and what is counted of each that is not done."""
    counted: dict[str, Counting] = field(default_factory=dict)
    """By kind: work that no such collection tells of."""
    readiness: Callable[[], Awaitable[list[Check]]] = _not_running
    log_ends: Callable[[Sequence[tuple[str, int]]], Awaitable[dict[tuple[str, int], int]]] = _no_ends
    evidence: Evidence = no_evidence
    """Whether the database's ids come from the identity key, where it has no fingerprint of it yet."""
    behind_s: Behind = _no_coverage
    """How old what the group has not decided yet may be: Coverage's."""
    woken: list[Callable[[], None]] = field(default_factory=list)
    """Called after each batch: what it decided may be work for somebody."""
    told: list[Callable[[Sequence[Decision]], None]] = field(default_factory=list)
    """Called after each batch with what it decided."""
    remarks: dict[str, Callable[[], list[str]]] = field(default_factory=dict)
    """By name: what somebody must mend, though the service does its work; one sentence each."""
    quoting: set[str] = field(default_factory=set)
    """Names of remarks that quote what agencies wrote (titles, codes). Readiness is public, and says how many."""


def make_components(
    service: Service[T],
    settings: Settings,
    work: Mapping[Collection[Any], Counts],
    waits: Mapping[str, timedelta] | None = None,
) -> Components[T]:
    """With the workers that every service has. `work`: see `Components.work`. `waits`: how long records wait for a
    kind of thing, whatever their type."""
    service = replace(service, rules=deciding_version(service.name, service.rules))
    store = MongoStore(
        connect(settings.mongo.get_secret_value(), f"kompeten-{service.name}"),
        f"{settings.database_prefix}_{service.name}",
    )
    publisher = Publisher(settings.kafka_connection(), client_id=f"kompeten-{service.name}")
    decision_waiter = DecisionWaiter(store, service.commands_topic)
    askers = Askers(service.name, settings.secret.get_secret_value())
    commands = Commands(service.name, service.commands_topic, publisher, decision_waiter, askers)
    own = {
        spec.name: spec.partitions
        for spec in topic_specs((), settings.topic_prefix)
        if spec.name in service.topics
    }
    sources = Sources(service.name, settings.kafka_connection(), own)
    components = Components(service, store, publisher, decision_waiter, commands, askers, sources, work=work)
    components.told.append(decision_waiter.decided)
    components.remarks["sources"] = sources.remarks
    budgets = Budgets.of_hours(settings.waiting_budget_h, settings.waiting_budgets_h, waits)
    components.workers += [
        BacklogMetrics(service.name, store, components.work, components.counted),
        WaitingSweeper(service, store, commands, budgets, lambda: components.behind_s(None)),
        BugReplayer(service, store, commands, lambda: components.behind_s(None)),
        Reconciliation(service, store, commands),
    ]
    return components


def own_topics(service: str, prefix: str) -> dict[str, Wanted]:
    """All that a service reads or writes but agencies' topics, which come and go: one of those stops nobody."""
    operations: dict[str, list[str]] = {}
    for right in rights_of_service(service, prefix):
        if right.resource == "topic" and not right.prefixed:
            operations.setdefault(right.name, []).append(right.operation)
    return {topic: Wanted(which, PARTITIONS) for topic, which in operations.items()}


def access_of(settings: Settings) -> OidcAccess:
    return OidcAccess(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        jwks_url=settings.oidc_jwks_url,
        claims=ClaimNames(
            settings.oidc_roles_claim, settings.oidc_employee_number_claim, settings.oidc_opd_claim
        ),
    )


class Runner(Generic[T]):
    """One process of a service."""

    def __init__(self, settings: Settings, components: Components[T], routers: Sequence[APIRouter]) -> None:
        self.settings, self.components = settings, components
        self.prepared, self._refused = False, False
        kafka = settings.kafka_connection()
        name = components.service.name
        self.topics = TopicCheck(kafka, own_topics(name, settings.topic_prefix), f"kompeten-{name}")
        self.restoration = Restoration(
            components.service, components.store, kafka, components.sources.partitions
        )
        self.consumer = Consumer(
            components.service,
            components.store,
            components.publisher,
            kafka,
            components.sources.own,
            on_decided=self._decided,
            restoration=self.restoration,
            sources=components.sources,
        )
        components.log_ends = self.consumer.ends
        coverage = Coverage(
            components.sources.partitions, ends=self.consumer.ends, progress=self.consumer.progress
        )
        components.behind_s = coverage.behind_s
        self._disk_used = 0.0
        components.remarks["disk of MongoDB"] = self._disk
        components.remarks["offsets"] = self.consumer.offsets.remarks
        components.readiness = self.readiness
        name, access = components.service.name, access_of(settings)
        self.app: FastAPI = create_app(name, routers=routers, readiness=self.readiness, access=access)
        self.internal_app: FastAPI = create_internal_app(name, self.app, access)
        issuer = ReachCheck(
            "issuer",
            access.trouble,
            "nobody can sign in; check KOMPETEN_OIDC_ISSUER (KOMPETEN_OIDC_JWKS_URL), or mend it there",
        )
        components.workers.append(issuer)
        components.remarks["issuer"] = issuer.remarks
        self._stop, self._ending = asyncio.Event(), asyncio.Event()

    def _decided(self, decisions: Sequence[Decision]) -> None:
        for tell in self.components.told:
            tell(decisions)
        for wake in self.components.woken:
            wake()

    async def readiness(self) -> list[Check]:
        """Progress against lag, not only a connection."""
        database, topics = await asyncio.gather(self._database(), self.topics.faults())
        checks = [database]
        faults = self.consumer.faults()
        checks.append(
            Check("topics", not topics, "; ".join(topics) or "Are there, and open to this service.")
        )
        checks.append(Check("consumer", not faults, "; ".join(faults) or "Decides what comes in."))
        if not self.restoration.passed:
            doing = self.restoration.fault() or "has not looked at the database yet"
            checks.append(Check("restoration", False, f"{doing}; workers wait for it."))
            return checks
        for worker in self.components.workers:
            if isinstance(worker, ReachCheck):  # its remarks are below
                continue
            faults = worker.faults()
            checks.append(Check(worker.name, not faults, "; ".join(faults) or "Works off what is due."))
        for name, remarks in self.components.remarks.items():
            told = remarks()
            said = "; ".join(told)
            if told and name in self.components.quoting:
                said = f"{len(told)} to look at: `kompeten status` tells what."
            checks.append(Check(name, True, said or "Nothing to mend.", warning=bool(told)))
        return checks

    async def _database(self) -> Check:
        try:
            # Sooner than the driver, which looks for a server as long as the checks may take altogether.
            await asyncio.wait_for(self.components.store.ping(), DATABASE_ANSWERS_WITHIN_S)
            self._disk_used = (
                await asyncio.wait_for(self.components.store.disk_used(), 1.0) or self._disk_used
            )
        except (Unavailable, TimeoutError) as error:
            why = f"{str(error) or self.components.store.why_away()}{''.join(f'; {remark}' for remark in self._disk())}"
            return Check("database", False, f"{why}. Nothing is lost, work goes on when it is back.")
        return Check("database", self.prepared, "Answers." if self.prepared else "Is being prepared.")

    def _disk(self) -> list[str]:
        """A full disk ends MongoDB, which then says nothing any more."""
        if self._disk_used < DISK_NEARLY_FULL:
            return []
        return [
            f"its disk was {self._disk_used:.0%} full when it answered last: free some of it, or enlarge the volume"
        ]

    async def run(self) -> int:
        """Exit status: 0 after a clean stop, 1 when a part ended by itself, 2 when the database is of another key."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        servers = self._servers()
        components = {asyncio.create_task(server.serve(), name=name) for name, server in servers.items()}
        if not await self._prepare(components):
            return await self._end(servers.values(), components)
        components.add(asyncio.create_task(self.consumer.run(), name="consumer"))
        for worker in self.components.workers:
            components.add(asyncio.create_task(self._work(worker), name=worker.name))
        log.info("started")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({stopping, *components}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return await self._end(servers.values(), components)

    def _servers(self) -> dict[str, "_Server"]:
        settings = self.settings
        listens = {
            "http": (self.app, settings.http_host, settings.http_port),
            "internal http": (self.internal_app, settings.internal_host, settings.internal_port),
        }
        return {
            name: _Server(server_config(*where, stop_timeout_s=settings.stop_timeout_s))
            for name, where in listens.items()
        }

    async def _work(self, worker: Worker) -> None:
        """Not before the database is known to be up to date: on an older one a mailer would send again what it sent."""
        waits = [asyncio.create_task(event.wait()) for event in (self.restoration.opened, self._ending)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not self._ending.is_set():
            await worker.run()

    async def _prepare(self, components: set["asyncio.Task[None]"]) -> bool:
        """Collections, indexes and the identity key, as soon as MongoDB answers; meanwhile the process is live but not
        ready. False: it is to end."""
        while not self._stop.is_set() and not any(task.done() for task in components):
            try:
                await self.components.store.prepare([*self.components.service.collections, IDENTITY])
                await hold(
                    self.components.store,
                    Ids(self.settings.secret.get_secret_value()),
                    self.components.evidence,
                )
            except WrongKey as error:
                log.critical("%s", error)
                self._refused = True
                return False
            except Unavailable as error:
                log.warning("waiting for the database: %s", error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), AGAIN_S)
            else:
                self.prepared = True
                return True
        return False

    async def _end(self, servers: Iterable["_Server"], components: set["asyncio.Task[None]"]) -> int:
        """The batch and the items in hand are finished, within the time that the settings allow."""
        failed = [
            task for task in components if task.done() and (task.cancelled() or task.exception() is not None)
        ]
        for task in failed:
            why = None if task.cancelled() else task.exception()
            log.critical("%s ended by itself", task.get_name(), exc_info=why)
        by_itself = not self._stop.is_set()
        self._ending.set()
        self.consumer.stop()
        for worker in self.components.workers:
            worker.stop()
        for server in servers:
            server.should_exit = True
        _, late = await asyncio.wait(components, timeout=self.settings.stop_timeout_s)
        for task in late:
            log.error("%s did not end within %s s", task.get_name(), self.settings.stop_timeout_s)
            task.cancel()
        await self.components.publisher.stop()
        self.components.store.client.close()
        log.info("stopped")
        if self._refused:
            return EXIT_STATUS
        return 1 if by_itself or late else 0


# Enough to build a service without any network: its routes are documented and checked that way.
ON_PAPER: Final[Mapping[str, Any]] = {
    "development": True,
    "kafka_security": "plaintext",
    "mongo": "mongodb://127.0.0.1/?replicaSet=rs0",
    "agencies": "dinas-contoh",
    "public_url": "http://127.0.0.1:8001",
    "secret": bytes(range(32)).hex(),
    "oidc_issuer": "http://127.0.0.1:8080",
}


def openapi_of(runner: Runner[T]) -> dict[str, Any]:
    """The OpenAPI document of a service that was built and never runs."""
    try:
        return runner.app.openapi()
    finally:
        runner.components.store.client.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the runner's, who ends the consumer first


def tune_gc() -> None:
    """A batch of 1,000 records holds some 100,000 objects for a moment: with Python's defaults the collector
    walks the whole heap several times a batch."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def main(settings: Settings, build: Callable[[], Runner[T]]) -> None:
    """Runs until told to stop, then exits."""
    faults = listening_faults(
        {
            "http": (settings.http_host, settings.http_port),
            "internal": (settings.internal_host, settings.internal_port),
        }
    )
    if faults:
        sys.stderr.write("".join(f"{fault}\n" for fault in faults))
        sys.exit(EXIT_STATUS)
    configure_logging(settings.service, settings.log_level)
    configure_tracing(settings.service, settings.otlp_endpoint)

    async def go() -> int:
        runner = build()
        tune_gc()
        return await runner.run()

    loop_factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        status = runner.run(go())
    shutdown_tracing()
    sys.exit(status)
