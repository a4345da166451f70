"""Strangers and slow clients against running services: what they cost, and that others do not notice."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.end_to_end.product import Product, until

pytestmark = pytest.mark.xdist_group("end_to_end")

CONNECTIONS: Final = 450
BODY: Final = json.dumps({"id": "x" * 1_000_000}).encode()
MAX_GROWTH_BYTES: Final = 120 * 1024 * 1024
"""450 MB were sent; 8 MiB of one caller are held at most, and what the sockets' readers have in hand."""
ANSWERED_WITHIN_S: Final = 20


@contextmanager
def unfinished(url: str, lines: Sequence[str]) -> Iterator[list[socket.socket]]:
    """Connections that have sent all of their body but a byte, as far as anybody takes it."""
    host = urlsplit(url)
    head = ["POST /admin/dead-letters/dry-runs HTTP/1.1", "Host: x", f"Content-Length: {len(BODY)}", *lines]
    text = "\r\n".join([*head, "Content-Type: application/json", "", ""]).encode() + BODY[:-1]
    with ExitStack() as opened:
        sockets = []
        for _ in range(CONNECTIONS):
            one = opened.enter_context(socket.create_connection((host.hostname, host.port), timeout=30))
            one.setblocking(False)
            sockets.append(one)
        unsent = {one: memoryview(text) for one in sockets}
        deadline = time.monotonic() + 5
        while unsent and time.monotonic() < deadline:
            for one, rest in list(unsent.items()):
                if not (rest := _sent(one, rest)):
                    del unsent[one]
                else:
                    unsent[one] = rest
            time.sleep(0.01)
        yield sockets


def _sent(one: socket.socket, rest: memoryview) -> memoryview | None:
    """What is left, or None when nothing more is taken."""
    try:
        return rest[one.send(rest) :] or None
    except BlockingIOError:
        return rest
    except OSError:  # ended by the service
        return None


@contextmanager
def measured(process: psutil.Process) -> Iterator[list[int]]:
    """How many bytes its memory has grown at most, at the end."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the peak begins anew
    before, grown = process.memory_info().rss, list[int]()
    yield grown
    status = Path(f"/proc/{process.pid}/status").read_text()
    (peak_kb,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    grown.append(peak_kb * 1024 - before)


@pytest.mark.parametrize("role", [None, "employee", "operator"], ids=["stranger", "wrong role", "right role"])
def test_unfinished_bodies_cost_little_memory_and_nobody_elses_answer(
    product: Product, role: str | None
) -> None:
    url = product.kompeten.urls["incentive"]
    process = psutil.Process(product.kompeten.children["incentive"].pid)
    lines = [] if role is None else [f"Authorization: Bearer {product.kompeten.token(role, sub='flood')}"]
    with measured(process) as grown, unfinished(url, lines):
        began = time.monotonic()
        assert httpx.get(f"{url}/health/live", timeout=ANSWERED_WITHIN_S).status_code == 200
        other = product.client("operator", "incentive", sub="another", fresh=True)
        assert other.post("/admin/dead-letters/dry-runs", json={"id": "none"}).status_code == 404
        assert time.monotonic() - began < ANSWERED_WITHIN_S
    assert grown[0] < MAX_GROWTH_BYTES
    until(lambda: not _connected(process, url), "the connections are ended")


def _connected(process: psutil.Process, url: str) -> bool:
    port = urlsplit(url).port
    return (
        sum(one.laddr.port == port for one in process.net_connections("tcp") if one.raddr) > CONNECTIONS / 10
    )
