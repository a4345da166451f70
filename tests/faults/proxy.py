"""TCP proxies before the brokers and databases: a network that can be cut for one service and not for the others.

Whose a connection is, its first bytes say: Kafka's first request carries the client's id, MongoDB's first message
the application's name, and both are `kompeten-<service>`.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Coroutine
from typing import Any, Final, Literal, TypeVar

from devstack.ports import HOST

How = Literal["silent", "refused"]
OWNER: Final = re.compile(rb"kompeten-([a-z]+)")
BLOCK_BYTES: Final = 256 * 1024
T = TypeVar("T")


class Network:
    """Runs in a thread of its own; its methods may be called from anywhere."""

    def __init__(self) -> None:
        self._cuts: dict[tuple[str, str], How] = {}
        """(service, kind of server)"""
        self._connections: dict[tuple[str, str], set[asyncio.Transport]] = {}
        self._servers: list[asyncio.Server] = []
        self._healed: dict[tuple[str, str], asyncio.Event] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def listen(self, port: int, kind: str, to_port: int) -> None:
        self._run(self._listen(port, kind, to_port))

    def cut(self, service: str, kind: str, how: How) -> None:
        """`silent`: packets are dropped, both sides wait; `refused`: connections are reset, and new ones too."""
        self._run(self._cut((service, kind), how))

    def heal(self, service: str, kind: str) -> None:
        """What was held back is lost with its connection: a cut network's connections do not come back to life."""
        self._run(self._heal((service, kind)))

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self, port: int, kind: str, to_port: int) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.CancelledError):  # by `close`, and asyncio would log each
                await self._serve(reader, writer, kind, to_port)

        self._servers.append(await asyncio.start_server(serve, HOST, port, limit=BLOCK_BYTES))

    async def _cut(self, at: tuple[str, str], how: How) -> None:
        self._cuts[at] = how
        self._healed[at] = asyncio.Event()
        if how == "refused":
            self._abort(at)

    async def _heal(self, at: tuple[str, str]) -> None:
        if self._cuts.pop(at, None):
            self._healed.pop(at).set()
            self._abort(at)

    def _abort(self, at: tuple[str, str]) -> None:
        for transport in list(self._connections.get(at, ())):
            transport.abort()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for at in list(self._connections):
            self._abort(at)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str, to_port: int
    ) -> None:
        try:
            first = await reader.read(BLOCK_BYTES)
        except OSError:
            first = b""
        owner = OWNER.search(first)
        at = (owner[1].decode() if owner else "", kind)
        if not first or self._cuts.get(at) == "refused":
            writer.transport.abort()
            return
        held = self._connections.setdefault(at, set())
        held.add(writer.transport)  # type: ignore[arg-type]  # a stream's transport is one
        try:
            onward_reader, onward = await asyncio.open_connection(HOST, to_port, limit=BLOCK_BYTES)
        except OSError:
            held.discard(writer.transport)  # type: ignore[arg-type]
            writer.transport.abort()
            return
        held.add(onward.transport)  # type: ignore[arg-type]
        try:
            await self._passed(at)
            onward.write(first)
            await asyncio.gather(self._pump(at, reader, onward), self._pump(at, onward_reader, writer))
        except OSError:
            pass
        finally:
            for end in (writer, onward):
                held.discard(end.transport)  # type: ignore[arg-type]
                end.transport.abort()

    async def _pump(
        self, at: tuple[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while block := await reader.read(BLOCK_BYTES):
            await self._passed(at)
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _passed(self, at: tuple[str, str]) -> None:
        if (healed := self._healed.get(at)) is not None:
            await healed.wait()
