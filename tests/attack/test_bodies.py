"""Bodies that are unfinished, slow, huge, packed, nested or none at all: they cost little and stop nobody."""

import gzip
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from tests.attack.attacker import ANSWERED_WITHIN_S, Attacker, cloud_event, connection, raw, status_of
from tests.attack.reference import SERVICES, Operation, event_types, operations
from tests.end_to_end.product import Product, until

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

MIB: Final = 1024 * 1024
MAX_GROWTH_BYTES: Final = 150 * MIB
"""Of all that is thrown at a service here, some hundred megabytes."""
OTHERS_WITHIN_S: Final = 20.0
SLOW: Final = 240
"""Connections to each service."""
TAKES_A_BODY: Final = [one for one in operations() if one.method in ("POST", "PATCH")]
GUARDED: Final = [one for one in TAKES_A_BODY if one.roles]
TYPES: Final = "application/cloudevents-batch+json"


@contextmanager
def bounded(product: Product, service: str) -> Iterator[None]:
    """The service's memory grows by so much at most, and it goes on answering others."""
    process = psutil.Process(product.kompeten.children[service].pid)
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the peak begins anew
    before = process.memory_info().rss
    yield
    status = Path(f"/proc/{process.pid}/status").read_text()
    (peak_kb,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak_kb * 1024 - before < MAX_GROWTH_BYTES, service


def others_are_answered(product: Product, service: str) -> None:
    began = time.monotonic()
    with product.client("auditor", service, sub="others", fresh=True) as other:
        assert other.get("/health/ready").status_code == 200
        assert other.get("/admin/status").status_code == 200
    assert time.monotonic() - began < OTHERS_WITHIN_S


def post_head(operation: Operation, *lines: str, media_type: str = "application/json") -> list[str]:
    path = operation.path.replace("{certificate_id}", "crt_" + "0" * 32).replace("{code}", "dinas")
    path = path.replace("{employee_id}", "emp_" + "0" * 32)
    return [f"POST {path} HTTP/1.1", f"Content-Type: {media_type}", *lines]


def test_a_stranger_is_told_to_sign_in_whatever_he_sends(product: Product) -> None:
    """401 before a body is looked at: nonsense, a body of another kind, one that is too large, a packed one."""
    bodies: list[tuple[bytes, Sequence[str]]] = [
        (b'{"half', ()),
        (b"\xff\xfe\x00", ()),
        (b"[" * 200_000, ()),
        (gzip.compress(b"0" * 10 * MIB), ("Content-Encoding: gzip",)),
    ]
    for operation in (one for one in GUARDED if one.method == "POST"):
        url = product.kompeten.urls[operation.service]
        for body, lines in bodies:
            status, answer = raw(url, post_head(operation, *lines, f"Content-Length: {len(body)}"), body)
            assert status == 401, (operation, answer[:200])
        assert raw(url, post_head(operation, "Content-Length: 99999999999"))[0] == 401
        assert raw(url, post_head(operation, "Transfer-Encoding: chunked"))[0] == 401


def rested(attacker: Attacker) -> None:
    """Until what was sent before is no longer too much: a body spends the agency's rate by what it costs to read."""
    until(lambda: attacker.agency.post("/events", content=b"{}").status_code != 429, "it may send again")


def test_what_is_no_body_of_the_kind_is_refused_whole(product: Product, attacker: Attacker) -> None:
    events, agency = "/events", attacker.agency
    bodies: list[tuple[int, bytes, dict[str, str]]] = [
        (400, b'{"half', {}),
        (400, b"\xff\xfe\x00", {}),
        (400, b"[" * 100_000, {}),
        (422, b"[" + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"]", {}),
        (413, b" " * (MIB + 1), {}),
        (415, b"[]", {"content-type": "text/xml"}),
        (415, gzip.compress(b" " * 50 * MIB), {"content-encoding": "gzip"}),
        (415, b"x", {"content-encoding": "br, zstd"}),
    ]
    with bounded(product, "enrollment"):
        for status, body, headers in bodies:
            rested(attacker)
            answer = agency.post(events, content=body, headers={"content-type": TYPES, **headers})
            assert answer.status_code == status, (body[:20], answer.text)
    others_are_answered(product, "enrollment")


def test_events_at_the_edge_of_all_bounds_are_refused_one_by_one(
    product: Product, attacker: Attacker
) -> None:
    """Depth, length, numbers: in one batch with a good one, which is taken."""
    good = next(one for one in event_types() if one.type.endswith("employee.registered.v1"))
    fine = {**good.example, "employee_number": attacker.person.number}
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    odd = [
        cloud_event(good.type, {**fine, "name": "x" * 500_000}),
        cloud_event(good.type, {**fine, "extra": deep}),
        cloud_event(good.type, {**fine, "name": "\x00"}),
        cloud_event(good.type, []),
        cloud_event(good.type, {**fine, "employee_number": 10**17}),
        {**cloud_event(good.type, fine), "id": "x" * 10_000},
        {**cloud_event(good.type, fine), "time": "99999-01-01T00:00:00Z"},
    ]
    events = [*odd, cloud_event(good.type, fine)]
    rested(attacker)
    answer = attacker.agency.post("/events", content=json.dumps(events), headers={"content-type": TYPES})
    assert answer.status_code == 207, answer.text[:500]
    assert [one["status"] for one in answer.json()] == ["refused"] * len(odd) + ["accepted"]
    product.settled()


def test_lengths_that_contradict_each_other_are_no_request(product: Product, attacker: Attacker) -> None:
    """Two services that read such a request differently would let one in behind another (CWE-444)."""
    rested(attacker)
    url = product.kompeten.urls["enrollment"]
    token = product.kompeten.token("agency", opd="dinas")
    head = ["POST /events HTTP/1.1", f"Authorization: Bearer {token}", f"Content-Type: {TYPES}"]
    smuggled = b"0\r\n\r\nGET /admin/status HTTP/1.1\r\nHost: x\r\n\r\n"
    for lines in (
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        ["Content-Length: 4", "Content-Length: 5"],
        ["Content-Length: -1"],
        ["Content-Length: 0x10"],
        ["Content-Length: 4 4"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
    ):
        status, answer = raw(url, [*head, *lines], smuggled)
        assert status in {0, 400, 411, 413, 501}, (lines, answer[:200])
        assert answer.count(b"HTTP/1.1 ") <= 1, lines


def test_heads_without_end_are_ended(product: Product) -> None:
    url = product.kompeten.urls["notification"]
    for lines in (
        ["X: " + "x" * 200_000],
        [f"X-{n}: x" for n in range(20_000)],
        ["GET / HTTP/1.1", " folded"],
    ):
        status, _ = raw(url, ["GET /health/live HTTP/1.1", *lines])
        assert status in {0, 400, 431}
    for nonsense in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 5_000,
    ):
        with connection(url) as sent:
            sent.sendall(nonsense)
            assert status_of(sent)[0] in {0, 400, 404, 408}
    others_are_answered(product, "notification")


def test_slow_bodies_and_heads_are_ended_and_stop_nobody(product: Product) -> None:
    """To all services at once: bodies whose rest never comes, or comes byte by byte, and heads without an end."""
    with ExitStack() as opened:
        sockets = []
        for service in SERVICES:
            opened.enter_context(bounded(product, service))
            requests = unfinished(product.kompeten.token("operator", sub="slow"))
            for n in range(SLOW):
                sent = opened.enter_context(connection(product.kompeten.urls[service]))
                sent.setblocking(False)
                with suppress(OSError):
                    sent.send(requests[n % len(requests)])
                sockets.append(sent)
        for service in SERVICES:
            others_are_answered(product, service)
        until(lambda: ended(sockets) > len(sockets) * 0.9, "they are ended", ANSWERED_WITHIN_S)


def unfinished(token: str) -> list[bytes]:
    """Of a stranger, and of somebody who may send what he says."""
    line = "POST /admin/dead-letters/dry-runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    heads = [line, f"{line}Authorization: Bearer {token}\r\n"]
    ends = ['Content-Length: 1000000\r\n\r\n{"id": "' + "x" * 20_000]
    ends += ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "X-Slow: "]
    return [(head + end).encode() for head in heads for end in ends]


def ended(sockets: Sequence[Any]) -> int:
    """How many the service has closed, keeping them busy with a byte now and then."""
    count = 0
    for sent in sockets:
        try:
            sent.send(b"x")
            count += sent.recv(65536) == b""
        except BlockingIOError:
            continue
        except OSError:
            count += 1
    return count


def test_many_at_once_of_one_caller_leave_room_for_others(product: Product) -> None:
    url = product.kompeten.urls["incentive"]
    token = product.kompeten.token("operator", sub="greedy")
    body = b'{"id": "' + b"x" * 900_000
    head = [
        "POST /admin/dead-letters/dry-runs HTTP/1.1", "Host: x", f"Authorization: Bearer {token}",
        "Content-Type: application/json", "Content-Length: 1000000", "", "",
    ]  # fmt: skip
    with bounded(product, "incentive"), ExitStack() as opened:
        for _ in range(60):
            sent = opened.enter_context(connection(url))
            sent.setblocking(False)
            try:
                sent.send("\r\n".join(head).encode() + body)
            except OSError:
                continue
        others_are_answered(product, "incentive")
        answer = httpx.get(f"{url}/health/live", timeout=ANSWERED_WITHIN_S)
        assert answer.status_code == 200
