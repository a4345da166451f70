"""Makes the PDFs, outside the event loop and outside the pipeline's transaction.

A PDF is stored once and never made again; what follows from it goes through the log like all else.
"""

import asyncio
import contextlib
import hashlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import msgspec
from prometheus_client import Counter

from services.enrollment.certificates.documents import HELD, RENDERINGS, STORED_PDFS, Rendering, StoredPdf
from services.enrollment.certificates.pdf import CertificateNotRendered, NotDrawable, drawing, render
from shared.backoff import Backoff
from shared.contracts.cloudevents import event_id
from shared.contracts.enrollment import StoreRendering
from shared.failpoints import failpoint
from shared.http.commands import Commands
from shared.observability.telemetry import child_traceparent, record_span
from shared.pipeline.errors import Unavailable
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.work import Note, WorkQueue, deferral

log = logging.getLogger(__name__)
RENDERED = Counter("kompeten_certificates_rendered_total", "PDFs made", ["outcome"])

LEASE_S = 60.0
PER_WORKER = 16
IDLE_S = 0.1
AFTER_FAILURES = Backoff(0.2, 5.0)
# The template is at fault then, never one face: a new version mends it, so it is tried again for ever.
AGAIN_S = 300.0
MAX_KEPT = 1_000


class Renderer:
    """Leases renderings, makes them in `workers` processes, stores the PDFs, tells the pipeline."""

    name = "renderer"

    def __init__(
        self,
        store: MongoStore,
        commands: Commands,
        workers: int,
        make: Callable[[dict[str, Any]], bytes] = render,
    ) -> None:
        """`make`: from a certificate's face to its PDF; runs in the worker processes."""
        self._store, self._commands, self._workers, self._make = store, commands, workers, make
        self._batch_size = PER_WORKER * workers
        self._queue = WorkQueue(store, RENDERINGS, LEASE_S)
        self._stopping = asyncio.Event()
        self._trouble = ""
        self._failed: dict[str, tuple[str, float]] = {}
        """Renderings that could not be made: why, and when this process tried last."""

    def stop(self) -> None:
        self._stopping.set()

    def faults(self) -> list[str]:
        return [self._trouble] if self._trouble else []

    def remarks(self) -> list[str]:
        """No fault of the service: all others are made."""
        lately = time.monotonic() - 2 * AGAIN_S  # tried again meanwhile, here or by another process
        failed = [(id, why) for id, (why, at) in self._failed.items() if at > lately]
        if not failed:
            return []
        (id, why), count = failed[-1], len(failed)
        return [
            f"{count} certificate{'' if count == 1 else 's'} can't be drawn ({id}: {why}): valid all the same, and tried "
            f"again every {AGAIN_S / 60:.0f} min. Have the agency write it otherwise, or see the log for each"
        ]

    async def run(self) -> None:
        failures = 0
        pool = self._pool()
        try:
            while not self._stopping.is_set():
                try:
                    worked = await self._batch(pool)
                    failures = 0
                except Unavailable as error:
                    self._trouble, worked = str(error), False
                    failures += 1
                except BrokenProcessPool:
                    self._trouble, worked = "a rendering process died: started anew", True
                    pool = self._pool()
                if not worked:
                    pause_s = AFTER_FAILURES.pause_s(failures) if failures else IDLE_S
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), pause_s)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self) -> ProcessPoolExecutor:
        # Typst's threads don't survive a fork.
        return ProcessPoolExecutor(
            self._workers, multiprocessing.get_context("spawn"), initializer=_end_with_service
        )

    async def _batch(self, pool: ProcessPoolExecutor) -> bool:
        """Whether there was anything to do."""
        items = await self._queue.lease(self._batch_size)
        if not items:
            return False
        started_ns = time.time_ns()
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(pool, self._make, msgspec.to_builtins(item.face)) for item in items]
        made = await asyncio.gather(*jobs, return_exceptions=True)
        if any(isinstance(result, BrokenProcessPool) for result in made):
            await self._set_aside(items)
            raise BrokenProcessPool
        self._batch_size = min(self._batch_size * 2, PER_WORKER * self._workers)
        notes: list[Note] = []
        stored: list[tuple[Rendering, StoredPdf]] = []
        for item, pdf in zip(items, made, strict=True):
            self._failed.pop(item.id, None)
            if isinstance(pdf, bytes):
                stored.append((item, _stored(item, pdf)))
            elif isinstance(pdf, NotDrawable):  # HeldRenderings says so, and gives it back to a later version
                RENDERED.labels("held").inc()
                log.warning("rendering %s is held: %s", item.id, pdf)
                held = {"undrawn": list(pdf.characters), "drawing": drawing()}
                notes.append(Note(item.id, item.lease, HELD, held, {"attempts": 1}))
            else:  # one item's fault must not keep the others from being made
                why = str(pdf) if isinstance(pdf, CertificateNotRendered) else type(pdf).__name__
                self._failed[item.id] = why, time.monotonic()
                RENDERED.labels("failed").inc()
                log.error("rendering %s failed: %s", item.id, why)
                notes.append(deferral(item.id, item.lease, why, AGAIN_S))
        while len(self._failed) > MAX_KEPT:
            del self._failed[next(iter(self._failed))]
        self._trouble = ""
        failpoint("rendered-not-stored")
        standing = await self._store.keep([pdf for _, pdf in stored], STORED_PDFS)
        failpoint("rendering-stored")
        try:
            await asyncio.gather(*(self._tell(item, standing[item.id]) for item, _ in stored))
        except Unavailable:  # not held until the leases end: the broker may be back before that
            await self._queue.release([item for item, _ in stored])
            raise
        notes += [Note(item.id, item.lease, "done") for item, _ in stored]
        await self._queue.finish_many(notes)
        RENDERED.labels("made").inc(len(stored))
        for item, _ in stored:
            _trace(item, started_ns)
        return True

    async def _set_aside(self, items: list[Rendering]) -> None:
        """A process that dies takes all it has in hand along: which item is at fault shows where it is alone."""
        if len(items) > 1:
            self._batch_size = 1
            await self._queue.release(items)
            return
        (item,) = items
        RENDERED.labels("failed").inc()
        log.error("rendering %s ended its process", item.id)
        await self._queue.defer(item.id, item.lease, "its process died", AGAIN_S)

    async def _tell(self, item: Rendering, pdf: StoredPdf) -> None:
        command = StoreRendering(
            certificate_id=item.certificate_id,
            completion_id=item.completion_id,
            revision=item.revision,
            sha256=pdf.sha256,
            size_bytes=len(pdf.content),
        )
        id = event_id(0, item.id, 1, command.TYPE)
        await self._commands.submit(command, id=id, key=item.employee_id, traceparent=item.traceparent)


def _end_with_service() -> None:
    """In a rendering process. With the service and only with it: told to stop as a group (Ctrl-C, systemd), the
    service still finishes its batch; killed, it would leave this process waiting for ever."""
    os.environ["RUST_BACKTRACE"] = "0"  # a panic is one line in the log
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    service = multiprocessing.parent_process()
    assert service is not None

    def watch() -> None:
        service.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _trace(item: Rendering, started_ns: int) -> None:
    if item.traceparent is not None:
        own = child_traceparent(item.traceparent, item.id)
        record_span("render certificate", own, item.traceparent, started_ns, time.time_ns())


def _stored(item: Rendering, pdf: bytes) -> StoredPdf:
    return StoredPdf(
        id=item.id,
        certificate_id=item.certificate_id,
        employee_id=item.employee_id,
        sha256=hashlib.sha256(pdf).hexdigest(),
        content=pdf,
    )
