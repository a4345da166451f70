"""The network of the fault ledger: cut for one service, it lets the others through."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from devstack.ports import HOST, free_ports
from tests.faults.proxy import Network

SOON_S = 5.0


@pytest.fixture
async def network() -> AsyncIterator[tuple[Network, int]]:
    """With one server behind it, which repeats what it hears."""

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1000):
            writer.write(block)
        writer.close()

    port, behind = free_ports(2)
    server = await asyncio.start_server(repeat, HOST, behind)
    network = Network()
    network.listen(port, "broker", behind)
    yield network, port
    server.close()
    await asyncio.to_thread(network.close)


class Client:
    def __init__(self, service: str, port: int) -> None:
        self.service, self.port = service, port

    async def connected(self) -> "Client":
        self.reader, self.writer = await asyncio.open_connection(HOST, self.port)
        await self.asks(f"kompeten-{self.service}")
        return self

    async def asks(self, what: str) -> str:
        """ConnectionError when it is reset."""
        self.writer.write(what.encode())
        async with asyncio.timeout(SOON_S):
            answer = await self.reader.read(1000)
        if not answer:
            raise ConnectionResetError
        return answer.decode()

    async def hears_nothing(self, what: str) -> bool:
        self.writer.write(what.encode())
        try:
            async with asyncio.timeout(0.3):
                return not await self.reader.read(1000)
        except TimeoutError:
            return True


async def test_a_silent_cut_holds_one_service_and_not_the_others(network: tuple[Network, int]) -> None:
    net, port = network
    cut, other = await Client("incentive", port).connected(), await Client("enrollment", port).connected()
    await asyncio.to_thread(net.cut, "incentive", "broker", "silent")
    assert await cut.hears_nothing("are you there?")
    assert await other.asks("and you?") == "and you?"


async def test_a_healed_network_takes_new_connections_and_resets_the_old(
    network: tuple[Network, int],
) -> None:
    net, port = network
    client = await Client("incentive", port).connected()
    await asyncio.to_thread(net.cut, "incentive", "broker", "silent")
    assert await client.hears_nothing("are you there?")
    await asyncio.to_thread(net.heal, "incentive", "broker")
    with pytest.raises(ConnectionError):
        await client.asks("and now?")
    assert await (await Client("incentive", port).connected()).asks("again") == "again"


async def test_a_refused_network_resets_old_and_new_connections(network: tuple[Network, int]) -> None:
    net, port = network
    client = await Client("incentive", port).connected()
    await asyncio.to_thread(net.cut, "incentive", "broker", "refused")
    with pytest.raises(ConnectionError):
        await client.asks("are you there?")
    with pytest.raises(ConnectionError):
        await Client("incentive", port).connected()
    await Client("notification", port).connected()
