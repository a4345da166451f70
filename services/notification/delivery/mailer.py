"""Hands mails to the mail server: each once, and where that can't be known, counted.

    queued, deferred -> leased        safe to take over
                     -> handing_over  written before DATA; left behind, nobody knows: `unknown`, by policy
                     -> sent | deferred | bounced | skipped | unknown (held)

What is not the mail's fault (the server is away, or refuses everybody) charges it nothing and pauses all of them.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parseaddr
from operator import attrgetter
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Final, Literal

from services.notification.delivery.circuit_breaker import CircuitBreaker
from services.notification.delivery.metrics import LEASES_LOST, REPEATED
from services.notification.delivery.metrics import MAILS as COUNTED
from services.notification.delivery.policy import UNKNOWN, Patience, Seen, outcome, unsure
from services.notification.delivery.preparation import Preparation, Ready
from services.notification.delivery.refusals import Refusals, domain_of
from services.notification.delivery.reporter import DeliveryReporter
from services.notification.delivery.smtp import (
    IDLE_S,
    Accepted,
    Barred,
    Connection,
    Connections,
    Delivery,
    Refused,
    ServerAway,
    SmtpServer,
    TryLater,
    Unsure,
)
from services.notification.delivery.turns import Turns, in_turns
from services.notification.delivery.witnesses import Witnesses
from services.notification.letters.composing import message_id
from services.notification.letters.documents import MAILS, Mail
from services.notification.letters.mime import address
from services.notification.terms import Terms
from shared.failpoints import failpoint
from shared.observability.telemetry import child_traceparent, record_span
from shared.pipeline.errors import Unavailable
from shared.pipeline.work import DEFERRED, LEASED, QUEUED, Note, WorkQueue

if TYPE_CHECKING:
    from shared.pipeline.storage.mongo import MongoStore

HANDING_OVER: Final = "handing_over"
BATCH: Final = 64
ON_TRIAL: Final = 3
"""Mails that are tried at a time while the server refuses them: of different bodies and to different domains, where
there are."""
POLL_S: Final = 0.5
"""How long a mail waits at most before a mailer finds it that nobody woke."""
BUG_RETRY_S: Final = 3600.0
NOTE_EVERY_S: Final = 0.02
"""A majority write each cost a third of the speed; this long a crash leaves a sent mail unknown."""
COMPOSE_EVERY_S: Final = 0.001
DATABASE_PAUSE_S: Final = 1.0
log = logging.getLogger(__name__)


class Mailer:
    """One a replica; any number of replicas share the queue."""

    name = "mailer"

    def __init__(
        self,
        store: "MongoStore",
        server: SmtpServer,
        sender: str,
        terms: Terms,
        *,
        letters_a_day: int | None = None,
        connections: int = 4,
        unknown: Literal["resend", "hold"] = "resend",
        lease_s: float = 60.0,
        retry_s: float = 30.0,
        pause_s: float = 1.0,
        epoch: int = 0,
        reporter: DeliveryReporter | None = None,
    ) -> None:
        """First delay of a mail that was put off (`retry_s`), of all while the server is away (`pause_s`).
        `letters_a_day`: to an unconfirmed address; None: no limit."""
        self._preparation = Preparation(store, sender, terms, letters_a_day, epoch)
        self._reporter = reporter
        self.circuit = CircuitBreaker(pause_s)
        self._store, self._sender, self._patience = store, sender, Patience(unknown, retry_s)
        self._envelope_from = address(*parseaddr(sender)).addr_spec
        self._queue = WorkQueue(store, MAILS, lease_s)
        # A mail is begun in the first half of its lease and has less than the other half: never past it.
        self._begin_within_s = lease_s / 2
        self._connections = Connections(server, connections, deadline_s=lease_s * 0.4)
        self._stopping, self._woken, self._to_note = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._leasing, self._sending, self._noting = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self._notes: list[Note] = []
        self._refusals, self._witnesses, self._turns = Refusals(), Witnesses(), Turns(store)
        self._knows_witnesses = False
        self._running = self._database_away = False

    async def run(self) -> None:
        """Until `stop`; what is on its way by then is finished and noted."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                noting = [tasks.create_task(self._note_for_ever())]
                if self._reporter is not None:
                    noting.append(tasks.create_task(self._reporter.run()))
                abandoned = tasks.create_task(self._again(self._resolve_abandoned))
                # One lane prepares its batch while the other's is sent.
                lanes = [tasks.create_task(self._again(self._lane)) for _ in range(2)]
                await asyncio.gather(*lanes)
                await abandoned
                for task in noting:
                    task.cancel()
        finally:
            self._running = False
            if self._reporter is not None:
                await self._reporter.end()
            await self._connections.close()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """There is something to send: spares it the wait for the next poll."""
        self._woken.set()

    def faults(self) -> list[str]:
        """Sentences for readiness; empty when mails go out."""
        faults = []
        if not self._running and not self._stopping.is_set():
            faults.append("the mailer does not run: restart the service")
        if self.circuit.open:
            faults.append(f"mail server: {self.circuit.reason}; mails wait and go out once it works")
        if self._database_away:
            faults.append("the mailer can't reach its database; it tries again by itself")
        return faults

    async def _again(self, step: Callable[[], Awaitable[None]]) -> None:
        """A step over and over; while the database is away, with pauses."""
        while not self._stopping.is_set():
            try:
                await step()
                self._database_away = False
            except Unavailable as error:
                self._database_away = True
                log.warning("mails wait: %s", error)
                await self._pause(DATABASE_PAUSE_S)

    async def _lane(self) -> None:
        if self.circuit.stopped and not await self._server_works():
            return
        async with self._leasing:
            if not self._knows_witnesses:
                for sent in await self._preparation.lately_sent():
                    self._witnesses.took(sent.recipient, sent.body)
                self._knows_witnesses = True
            # On trial bodies take turns: the many mails of one may be what the server refuses.
            for_trial = self.circuit.trying
            among = await self._turns.due(BATCH) if for_trial else []
            mails = await self._queue.lease(BATCH, among)
            if not mails:
                if self.circuit.trying:
                    await self._nothing_left()
                await self._connections.close(IDLE_S)
                await self._pause(POLL_S, self._woken)
                self._woken.clear()
                return
        failpoint("mail-leased")
        await self._send(mails, for_trial=for_trial)

    async def _server_works(self) -> bool:
        """Tries it without any mail, when it is time to."""
        await self._pause(self.circuit.pause_s)
        if self._stopping.is_set():
            return False
        async with self._connections.one() as connection:
            try:
                await connection.probe()
            except ServerAway as away:
                self._failed(str(away), refuses=away.answers)
                return False
        if self.circuit.pause_s:  # the other lane found it away, or was refused, meanwhile
            return False
        self.circuit.answered()
        log.info("the mail server answers")
        return True

    async def _nothing_left(self) -> None:
        """A circuit that is open for mails which are gone, or went out by another replica, would stay so for days."""
        on_their_way = {"state": {"$in": [QUEUED, LEASED, HANDING_OVER]}}
        refused = {"state": DEFERRED, "_id": {"$in": self._refusals.mails}}
        if not await self._store.count(MAILS, {"$or": [on_their_way, refused]}):
            self.circuit.worked()

    async def _send(self, mails: Sequence[Mail], *, for_trial: bool) -> None:
        """`for_trial`: they were leased for one, of bodies in turns."""
        ready, notes = await self._preparation.prepare(mails)
        await self._noted(notes)
        async with self._sending:
            ready, notes = await self._preparation.not_cancelled(ready)
            await self._noted(notes)
            on_trial = self.circuit.trying
            if on_trial:
                if not for_trial:  # leased before the server began to refuse: they may all be one body's
                    await self._noted([_given_back(prepared) for prepared in ready])
                    return
                ready = await self._chosen(ready)
            batch = _Batch(monotonic(), on_trial)
            held = {
                mail.id
                for mail in await self._queue.hold([prepared.mail for prepared in ready], HANDING_OVER)
            }
            LEASES_LOST.inc(len(ready) - len(held))
            failpoint("mail-handing-over")
            waiting = deque(prepared for prepared in ready if prepared.mail.id in held)
            async with asyncio.TaskGroup() as workers:
                for _ in range(1 if on_trial else self._connections.count):
                    workers.create_task(self._work(waiting, batch))
            if batch.refused and not batch.taken:
                await self._none_taken(batch)
            # Only now: what was taken after them says whether they are to be believed.
            await self._noted([self._outcome(one, delivery, on_trial) for one, delivery in batch.doubtful])
            # Not begun: the server is away, it was too slow, or we stop.
            await self._noted([_given_back(prepared) for prepared in waiting])

    async def _chosen(self, ready: Sequence[Ready]) -> list[Ready]:
        """A few, of bodies in turns, each body's to different domains. The others are given back; those to domains that
        were refused just now go behind, for they tell little, and would keep the others from being tried."""
        different: dict[tuple[str, str], Ready] = {}
        for prepared in ready:
            different.setdefault((prepared.body, domain_of(prepared.recipient)), prepared)
        best = sorted(different.values(), key=lambda one: self._refusals.is_suspect(one.recipient))
        chosen = in_turns(best, attrgetter("body"))[:ON_TRIAL]
        ids = {prepared.mail.id for prepared in chosen}
        back = list[Note]()
        for prepared in ready:
            if prepared.mail.id in ids:
                continue
            if self._refusals.is_suspect(prepared.recipient):
                fields = {**prepared.slot, "reason": self.circuit.reason}
                back.append(
                    Note(
                        prepared.mail.id,
                        prepared.mail.lease,
                        DEFERRED,
                        fields,
                        delay_s=self._patience.retry_s,
                    )
                )
            else:
                back.append(_given_back(prepared))
        await self._noted(back)
        return chosen

    async def _work(self, waiting: deque[Ready], batch: "_Batch") -> None:
        """One connection's share of a batch."""
        async with self._connections.one() as connection:
            while waiting and (batch.on_trial or not self.circuit.open) and not self._stopping.is_set():
                began = monotonic()
                if began - batch.began > self._begin_within_s:
                    return
                one = waiting.popleft()
                start_ns = time_ns()
                try:
                    delivery = await connection.deliver(self._envelope_from, one.recipient, one.message)
                except ServerAway as away:
                    waiting.appendleft(one)
                    self._failed(str(away), refuses=away.answers)
                    return
                if one.mail.repeated and isinstance(delivery, Accepted | Unsure):
                    REPEATED.inc()
                if isinstance(delivery, Accepted):
                    failpoint("mail-accepted")
                    self._taken(one, batch, began)
                elif isinstance(delivery, Refused | Barred | TryLater):
                    await self._refused(one, delivery, batch, connection)
                if isinstance(delivery, Refused) and not self._is_believed(one, delivery, batch.on_trial):
                    batch.doubtful.append((one, delivery))
                else:
                    self._notes.append(self._outcome(one, delivery, batch.on_trial))
                    self._to_note.set()
                _trace(one.mail, delivery, start_ns)

    def _taken(self, one: Ready, batch: "_Batch", began: float) -> None:
        self._refusals.taken(one.mail.id, one.recipient, began)
        self._witnesses.took(one.recipient, one.body)
        batch.taken = True
        if batch.on_trial or not self.circuit.open:  # else it was on its way when the server began to refuse
            self.circuit.worked()

    async def _refused(
        self, one: Ready, delivery: Refused | Barred | TryLater, batch: "_Batch", connection: Connection
    ) -> None:
        if isinstance(delivery, Refused) and delivery.certain:
            return
        why = self._refusals.refused(one.mail.id, one.recipient, delivery, monotonic(), one.body)
        if batch.on_trial:
            batch.refused.append(delivery)
        elif why is not None and not self.circuit.open and await self._takes_others(connection):
            why = self._refusals.why(delivery)
        if why is not None and not batch.on_trial:
            self._failed(why, refuses=True)

    async def _none_taken(self, batch: "_Batch") -> None:
        """On trial: it still refuses everybody, or the few that were tried."""
        if all(refusal.at_rcpt for refusal in batch.refused):
            async with self._connections.one() as connection:
                if await self._takes_others(connection):
                    self.circuit.worked()
                    return
        last = batch.refused[-1]
        why = self._refusals.why(last) or f"it still takes no mail ({last.reason})"
        self._failed(why, refuses=True)

    async def _takes_others(self, connection: Connection) -> bool:
        """Whether the server would take a mail to somebody to whom it took one lately: then who was refused as it heard
        who it is for stops nobody else."""
        for witness in self._witnesses.to_ask(self._refusals.people, self._refusals.bodies):
            try:
                taken = await connection.would_take(self._envelope_from, witness)
            except ServerAway:
                return False
            if taken:
                self._refusals.would_be_taken(witness)
                return True
            self._witnesses.refused(witness)
        return False

    def _is_believed(self, one: Ready, delivery: Delivery, on_trial: bool) -> bool:
        """Not on trial: the server that refused it just now may be mended for the next one."""
        certain = isinstance(delivery, Refused) and delivery.certain
        return certain or (not on_trial and self._refusals.is_believed(one.mail.id))

    def _outcome(self, ready: Ready, delivery: Delivery, on_trial: bool) -> Note:
        seen = Seen(self._is_believed(ready, delivery, on_trial), on_trial)
        id = message_id(ready.mail.letter, self._sender)
        jitter = random.random()  # noqa: S311
        note = outcome(ready.mail, delivery, id, self._patience, jitter=jitter, seen=seen)
        if note.state != DEFERRED:
            self._refusals.settled(ready.mail.id)
        return note._replace(set={**note.set, **ready.slot})

    async def _resolve_abandoned(self) -> None:
        """What a mailer was handing over when it went may have arrived."""
        reason = "a mailer was gone while handing it over"
        mails = await self._queue.lease_abandoned(BATCH, (HANDING_OVER, UNKNOWN), UNKNOWN)
        jitter = random.random()  # noqa: S311
        await self._noted([unsure(mail, reason, self._patience, jitter) for mail in mails])
        if len(mails) < BATCH:
            await self._pause(self._queue.lease_s / 4)

    async def _noted(self, notes: Sequence[Note]) -> None:
        self._notes += notes
        await self._flush()

    async def _note_for_ever(self) -> None:
        """Within NOTE_EVERY_S, and all that came meanwhile in one write."""
        while True:
            await self._to_note.wait()
            await asyncio.sleep(NOTE_EVERY_S)
            self._to_note.clear()
            await self._flush()

    async def _flush(self) -> None:
        async with self._noting:
            while self._notes:
                notes, self._notes = self._notes, []
                await self._write(notes)

    async def _write(self, notes: Sequence[Note]) -> None:
        while True:
            try:
                lost = len(notes) - await self._queue.finish_many(notes)
                break
            except Unavailable as error:
                # Kept until it works: a note that is lost leaves a sent mail unknown.
                self._database_away = True
                log.warning("%d outcomes of mails wait: %s", len(notes), error)
                await asyncio.sleep(DATABASE_PAUSE_S)
        self._database_away = False
        if self._reporter is not None:
            self._reporter.add(notes)
        for note in notes:
            COUNTED.labels(note.state).inc()
        if lost:
            LEASES_LOST.inc(lost)
            log.warning("%d outcomes of mails were refused: their leases were over", lost)
        failpoint("mail-noted")

    async def _pause(self, seconds: float, until: asyncio.Event | None = None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (until or self._stopping).wait()

    def _failed(self, why: str, *, refuses: bool) -> None:
        if self.circuit.failed(why, refuses=refuses):
            log.warning("mail server: %s; all mails wait", why)


@dataclass
class _Batch:
    began: float
    on_trial: bool
    """To see whether the server takes any mail."""
    taken: bool = False
    refused: list[Refused | Barred | TryLater] = field(default_factory=list)
    """On trial."""
    doubtful: list[tuple[Ready, Delivery]] = field(default_factory=list)
    """Refused, and it is to be seen whether the server takes others."""


def _given_back(one: Ready) -> Note:
    return Note(one.mail.id, one.mail.lease, QUEUED, one.slot)


def _trace(mail: Mail, delivery: Delivery, start_ns: int) -> None:
    parent = mail.letter.traceparent
    if parent is not None:
        own = child_traceparent(parent, f"{mail.id}/{mail.attempts}")
        outcome = {"mail.outcome": type(delivery).__name__, "mail.template": mail.letter.template}
        record_span(
            "hand over mail",
            own,
            parent,
            start_ns,
            time_ns(),
            attributes=outcome,
            kind="client",
            error=not isinstance(delivery, Accepted),
        )
