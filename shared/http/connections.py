"""Connections that don't get on are ended, so that nobody holds what others need (CWE-400, "slow loris").

uvicorn ends idle connections only: it waits for ever for the rest of a head, for the rest of a body that nobody
reads any more, and for a client that does not take its answer. For a body that is read see admission.py.
"""

from asyncio import BaseTransport, TimerHandle
from enum import StrEnum
from http import HTTPStatus
from typing import Any, ClassVar, Final

import h11
from fastapi import FastAPI
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.http.problems import Problem, problem_response

MAX_CONNECTIONS: Final = 512


class Waits(StrEnum):
    """What a connection waits for."""

    head = "head"
    idle = "idle"
    service = "service"
    rest = "rest"
    """of a body whose answer is sent: taken and thrown away for a moment, since closing at once would reset the
    connection, and a client that is still sending would not see the answer (RFC 9112, 9.6)"""
    sending = "sending"


class Connection(H11Protocol):
    """One client's connection, with a deadline for each thing that it may be waiting for."""

    within_s: ClassVar[dict[Waits, float]] = {
        Waits.head: 10,
        Waits.idle: 10,
        Waits.rest: 2,
        Waits.sending: 60,
    }
    """None for our own work: the edge and the routes bound it."""
    max_connections: ClassVar[int] = MAX_CONNECTIONS

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.since = 0.0
        """When it was made, or last answered."""
        self._waits: Waits | None = None
        self._timer: TimerHandle | None = None

    @property
    def waits(self) -> Waits:
        if self.transport.is_closing():
            return Waits.sending
        if self.cycle is not None and not self.cycle.response_complete:
            return Waits.sending if self.flow.write_paused else Waits.service
        if self.cycle is not None and self.conn.their_state is h11.SEND_BODY:
            return Waits.rest
        is_idle = self.cycle is not None and not self.conn.trailing_data[0]
        return Waits.idle if is_idle else Waits.head

    @property
    def is_served(self) -> bool:
        """A whole request is in our hands."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # of a TCP server
        self.since = self.loop.time()
        if len(self.connections) > self.max_connections:
            self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP never reaches the edge, so it is answered here."""
        self._refuse(Problem("bad-request"))
        self._watch()

    def _make_room(self) -> None:
        """For this one, by ending the one that has been without a whole request for longest."""
        others = [
            connection
            for connection in self.connections
            if isinstance(connection, Connection) and connection is not self
        ]
        ended = min(
            (other for other in others if not other.is_served), key=lambda one: one.since, default=self
        )
        ended.transport.abort()

    def _watch(self) -> None:
        """Sets the deadline of what it waits for now; more of the same does not prolong it."""
        if (waits := self.waits) is self._waits:
            return
        if self._timer is not None:
            self._timer.cancel()
        within_s = self.within_s.get(waits)
        self._waits = waits
        self._timer = None if within_s is None else self.loop.call_later(within_s, self._end)

    def _end(self) -> None:
        if self._waits is Waits.sending:
            self.transport.abort()
            return
        if self._waits is Waits.head and self.conn.trailing_data[0]:
            self._refuse(Problem("too-slow"))
        self.transport.close()
        self._watch()

    def _refuse(self, problem: Problem) -> None:
        """Says why, unless an answer has begun, and ends the connection."""
        cycle = self.cycle
        in_work = cycle is not None and not cycle.response_complete
        if not (in_work and cycle.response_started):
            self.transport.write(_written(problem))
        self.transport.close()
        if in_work:
            cycle.disconnected = True
            cycle.message_event.set()


def _written(problem: Problem) -> bytes:
    """A whole answer in HTTP/1.1 (RFC 9112)."""
    response = problem_response(problem)
    status = HTTPStatus(response.status_code)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), b"connection: close"]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*head, b"", bytes(response.body)])


def server_config(app: FastAPI, host: str, port: int, *, stop_timeout_s: float) -> Config:
    """How all of a service's HTTP is served."""
    return Config(
        app,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(stop_timeout_s),
        # Longer than clients keep theirs by default (5 s in httpx), or a request meets the end of its connection.
        timeout_keep_alive=int(Connection.within_s[Waits.idle]),
        lifespan="on",
    )
