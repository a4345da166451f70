"""What a stranger, a slow client or too many at once can cost a service: real sockets, few bytes, short deadlines."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.requests import Request

from shared.http.access import Caller, Principal, Role, allow, public
from shared.http.admission import MAX_BODIES_BYTES_EACH, MAX_PUBLIC_BODY_BYTES, Admission, share_of
from shared.http.app import MAX_BODY_BYTES, create_app
from shared.http.connections import Connection, Waits, server_config
from shared.http.health import Check
from shared.http.problems import Problem
from shared.http.shares import Shares

pytestmark = pytest.mark.slow

WITHIN_S = 20
PDF = b"%PDF-1.7" * 40_000


class TokenIsTheSubject:
    async def principal(self, token: str) -> Principal:
        if token == "bad":
            raise Problem("invalid-token")
        role = Role.employee if token == "employee" else Role.operator
        return Principal(token, frozenset({role}), None, None, "https://sso.example")

    async def aclose(self) -> None:
        pass


class Body(BaseModel):
    text: str = ""


class Work:
    """A route that is done when told so."""

    def __init__(self) -> None:
        self.begun, self.done = 0, asyncio.Event()


def router(work: Work) -> APIRouter:
    made = APIRouter()

    @made.post("/things", **allow(Role.operator))
    async def things(body: Body, caller: Caller) -> dict[str, Any]:
        return {"size": len(body.text), "by": caller.subject}

    @made.post("/searches", **allow(Role.employee))
    async def searches(body: Body) -> dict[str, Any]:
        return {"size": len(body.text)}

    @made.post("/forms", **public())
    async def forms(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @made.get("/pdf", **public())
    async def pdf() -> Response:
        return Response(PDF, media_type="application/pdf")

    @made.get("/mine", **allow(Role.operator))
    async def mine() -> dict[str, str]:
        return {"of": "mine"}

    @made.get("/slow", **public())
    async def slow() -> None:
        work.begun += 1
        await work.done.wait()

    return made


async def ready() -> list[Check]:
    return []


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def admission() -> Admission:
    return Admission(MAX_BODY_BYTES, body_within_s=0.5)


@pytest.fixture
def app(work: Work, admission: Admission) -> FastAPI:
    return create_app(
        "test", routers=[router(work)], readiness=ready, access=TokenIsTheSubject(), admission=admission
    )


class Quick(Connection):
    within_s: ClassVar[dict[Waits, float]] = {
        Waits.head: 0.4,
        Waits.idle: 0.6,
        Waits.rest: 0.3,
        Waits.sending: 0.5,
    }
    max_connections: ClassVar[int] = 20


class Few(Connection):
    """Not quick: a busy machine must not end those that wait for their turn."""

    max_connections: ClassVar[int] = 20


@asynccontextmanager
async def serving(app: FastAPI, protocol: type[Connection] = Connection) -> AsyncIterator["Server"]:
    config = uvicorn.Config(
        app, port=0, log_config=None, http=protocol, ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield Server(server)
    finally:
        server.should_exit = True
        await task


class Server:
    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self.port = server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._server.server_state.connections)

    async def open(self, text: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        await writer.drain()
        return reader, writer

    async def answer(self, text: bytes) -> bytes:
        """All that comes until the server ends the connection."""
        reader, writer = await self.open(text)
        try:
            return await asyncio.wait_for(reader.read(), WITHIN_S)
        finally:
            writer.close()


async def until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not probe():
            await asyncio.sleep(0.01)


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def client(app: FastAPI, token: str | None = "operator") -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers)


# Token and role come first


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), b"401"),
        (("Authorization: Bearer bad",), b"401"),
        (("Authorization: Bearer employee",), b"403"),
        (("Expect: 100-continue",), b"401"),
        (("Content-Encoding: gzip",), b"401"),
        (("Content-Type: application/json",), b"401"),
    ],
)
async def test_a_stranger_is_refused_before_a_byte_of_the_body_has_come(
    app: FastAPI, lines: tuple[str, ...], status: bytes
) -> None:
    async with serving(app) as server:
        reader, writer = await server.open(head("/things", "Content-Length: 1000000", *lines))
        line = await asyncio.wait_for(reader.readline(), WITHIN_S)
        writer.close()
    assert line.split()[1] == status


async def test_nonsense_without_a_token_is_answered_as_without_a_token(app: FastAPI) -> None:
    async with client(app, None) as http:
        answer = await http.post("/things", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")


async def test_a_body_goes_on_to_its_route_whole(app: FastAPI) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        text = json.dumps({"text": "x" * 900_000}).encode()
        for start in range(0, len(text), 10_000):
            yield text[start : start + 10_000]

    async with serving(app) as server, httpx.AsyncClient() as http:
        headers = {"Authorization": "Bearer operator", "Content-Type": "application/json"}
        answer = await http.post(f"{server.url}/things", content=chunks(), headers=headers)
    assert answer.json() == {"size": 900_000, "by": "operator"}


async def test_anybody_may_send_a_form_and_no_more(app: FastAPI) -> None:
    async with client(app, None) as http:
        assert (await http.post("/forms", content=b"x" * MAX_PUBLIC_BODY_BYTES)).status_code == 200
        answer = await http.post("/forms", content=b"x" * (MAX_PUBLIC_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


# Coding


@pytest.mark.parametrize(
    ("coding", "named"),
    [("gzip", "gzip"), ("deflate, BR", "deflate and br"), ("zstd", "zstd"), ("rahasia", "a coding")],
)
async def test_a_packed_body_is_refused_by_the_name_of_its_coding(
    app: FastAPI, coding: str, named: str
) -> None:
    async with client(app) as http:
        answer = await http.post("/things", content=b"\x1f\x8b", headers={"Content-Encoding": coding})
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")
    assert f"packed by {named}," in answer.json()["detail"]
    assert answer.headers["accept-encoding"] == "identity"


async def test_a_body_that_is_said_to_be_plain_is_read(app: FastAPI) -> None:
    async with client(app) as http:
        answer = await http.post("/things", json={"text": "a"}, headers={"Content-Encoding": "identity"})
    assert answer.status_code == 200


# Time


async def test_a_body_that_stops_halfway_is_ended(app: FastAPI, admission: Admission) -> None:
    text = head("/things", "Authorization: Bearer operator", "Content-Length: 1000000") + b"{" + b" " * 1000
    async with serving(app) as server:
        answer = await server.answer(text)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"/problems/too-slow" in answer
    assert admission.bodies.taken == 0


async def test_a_body_in_drops_is_ended(app: FastAPI) -> None:
    async with serving(app) as server:
        reader, writer = await server.open(
            head("/things", "Authorization: Bearer operator", "Content-Length: 1000000")
        )

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        line = await asyncio.wait_for(reader.readline(), WITHIN_S)
        dripping.cancel()
        writer.close()
    assert b"408" in line


@pytest.mark.parametrize(
    "begun", [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "a part"]
)
async def test_a_head_that_does_not_come_is_ended(app: FastAPI, begun: bytes) -> None:
    async with serving(app, Quick) as server:
        answer = await server.answer(begun)
    assert answer.startswith(b"HTTP/1.1 408" if begun else b"")
    assert bool(answer) == bool(begun)


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000,
        head("/things", "Authorization: Bearer operator", "Transfer-Encoding: chunked") + b"no length\r\n",
    ],
    ids=["no HTTP", "no host", "a long head", "no chunk"],
)
async def test_what_is_no_http_is_a_problem_too(app: FastAPI, admission: Admission, text: bytes) -> None:
    async with serving(app) as server:
        answer = await server.answer(text)
        await until(lambda: server.connections == 0)
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.split()[1] in (b"400", b"431")
    assert b"content-type: application/problem+json" in top
    assert json.loads(body)["type"] == "/problems/bad-request"
    assert admission.bodies.taken == 0


async def test_a_head_in_drops_is_ended(app: FastAPI) -> None:
    async with serving(app, Quick) as server:
        reader, writer = await server.open(b"GET /health/live HTTP/1.1\r\n")

        async def drip() -> None:
            while True:
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        line = await asyncio.wait_for(reader.readline(), WITHIN_S)
        dripping.cancel()
        writer.close()
    assert b"408" in line


async def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for(app: FastAPI) -> None:
    async with serving(app, Quick) as server:
        answer = await server.answer(head("/things", "Content-Length: 1000000") + b"{")
        await until(lambda: server.connections == 0)
    assert answer.startswith(b"HTTP/1.1 401")


async def test_a_client_that_takes_no_answer_is_ended(app: FastAPI) -> None:
    async with serving(app, Quick) as server:
        # Many answers of 320 KB, none of which is read: the socket's buffers are full soon.
        _, writer = await server.open(head("/pdf", method="GET") * 40)
        await until(lambda: server.connections == 1)
        await until(lambda: server.connections == 0)
        writer.close()


async def test_a_connection_is_used_again_and_ended_when_idle(app: FastAPI) -> None:
    async with serving(app, Quick) as server:
        reader, writer = await server.open(b"")
        for _ in range(5):
            writer.write(head("/health/live", method="GET"))
            assert b"200" in await asyncio.wait_for(reader.readline(), WITHIN_S)
            await asyncio.wait_for(reader.readuntil(b'"live"}'), WITHIN_S)
            await asyncio.sleep(0.15)  # beyond a head's deadline altogether
        assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
        writer.close()


def test_clients_end_what_they_do_not_use_before_it_is_ended_under_their_next_request(app: FastAPI) -> None:
    ours = server_config(app, "127.0.0.1", 0, stop_timeout_s=1).timeout_keep_alive
    assert ours > (httpx.Limits().keepalive_expiry or 0)


# Too many at once


async def test_a_new_connection_takes_the_place_of_the_longest_silent_one(app: FastAPI) -> None:
    async with serving(app, Few) as server:
        silent = [await server.open(b"GET / HTTP/1.1\r\n") for _ in range(Few.max_connections)]
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{server.url}/health/live")).status_code == 200
        assert await asyncio.wait_for(silent[0][0].read(), WITHIN_S) == b""
        for _, writer in silent:
            writer.close()


async def test_beyond_the_limit_requests_are_told_to_come_back_and_health_is_answered(work: Work) -> None:
    few = Admission(MAX_BODY_BYTES, max_requests=3)
    app = create_app(
        "test", routers=[router(work)], readiness=ready, access=TokenIsTheSubject(), admission=few
    )
    async with client(app, None) as http:
        held = [asyncio.create_task(http.get("/slow")) for _ in range(3)]
        await until(lambda: work.begun == 3)
        answer = await http.get("/pdf")
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert "Retry-After" in answer.json()["detail"]
        for path in ("/health/live", "/health/ready"):
            assert (await http.get(path)).status_code == 200
        work.done.set()
        assert {(await one).status_code for one in held} == {200}
        assert (await http.get("/pdf")).status_code == 200


async def test_unfinished_bodies_of_one_caller_leave_room_for_others(
    app: FastAPI, admission: Admission
) -> None:
    unfinished = json.dumps({"text": "x" * 1_000_000}).encode()[:-1]
    async with serving(app) as server:
        lines = ("Authorization: Bearer greedy", f"Content-Length: {len(unfinished) + 1}")
        opened = [await server.open(head("/things", *lines) + unfinished) for _ in range(12)]
        async with httpx.AsyncClient(headers={"Authorization": "Bearer another"}) as http:
            assert (await http.post(f"{server.url}/things", json={"text": "a"})).status_code == 200
        lines = [asyncio.create_task(reader.readline()) for reader, _ in opened]
        await until(lambda: any(one.done() for one in lines))
        assert {(await one).split()[1] for one in lines if one.done()} == {b"503"}
        assert MAX_BODIES_BYTES_EACH / 2 < admission.bodies.taken <= MAX_BODIES_BYTES_EACH
        for _, writer in opened:
            writer.close()
        await until(lambda: admission.bodies.taken == 0)


def principal(subject: str, *roles: Role, opd: str | None = None) -> Principal:
    return Principal(subject, frozenset(roles), None, opd, "https://issuer.example")


def test_all_who_act_for_a_body_are_one_caller() -> None:
    """Five tokens of one body, each with its own share, held all that there is for everybody's bodies."""
    of_dinkes = {share_of(principal(f"o{n}", Role.officer, opd="dinkes")) for n in range(5)}
    assert len(of_dinkes) == 1
    others = {
        share_of(principal("o1", Role.officer, opd="dinas")),
        share_of(principal("s1", Role.agency, opd="dinkes")),
        share_of(principal("o1", Role.officer, opd="*")),
        share_of(principal("o2", Role.officer, opd="*")),
        share_of(principal("e1", Role.employee, opd="dinkes")),
        share_of(principal("e2", Role.employee, opd="dinkes")),
    }
    assert len(others | of_dinkes) == 7


async def test_a_person_sends_a_form_and_no_more(app: FastAPI) -> None:
    async with client(app, "employee") as http:
        for size, status in ((60_000, 200), (70_000, 413)):
            answer = await http.post("/searches", json={"text": "x" * size})
            assert answer.status_code == status


def test_a_share_is_given_back_however_it_ends() -> None:
    shares = Shares(10, 6)

    def ask_for_more_than_there_is() -> None:
        with shares.share("a") as share:
            share.take(6)
            share.take(6)

    with pytest.raises(Problem):
        ask_for_more_than_there_is()
    assert shares.taken == 0


def test_nobody_takes_more_than_a_part_and_all_together_not_more_than_there_is() -> None:
    shares = Shares(10, 6)
    with shares.share("a") as first, shares.share("b") as second:
        first.take(6)
        with pytest.raises(Problem):
            first.take(1)
        second.take(4)
        with pytest.raises(Problem):
            second.take(1)
    assert shares.taken == 0


# HEAD


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/pdf", "/mine"])
async def test_head_is_answered_wherever_get_is(app: FastAPI, path: str) -> None:
    async with client(app) as http:
        get, asked = await http.get(path), await http.head(path)
    assert (asked.status_code, asked.content) == (get.status_code, b"")
    assert asked.headers == get.headers


async def test_head_over_a_socket_keeps_the_connection_in_step(app: FastAPI) -> None:
    async with serving(app) as server:
        text = head("/pdf", method="HEAD") + head("/health/live", "Connection: close", method="GET")
        first, _, second = (await server.answer(text)).partition(b"\r\n\r\n")
    assert f"content-length: {len(PDF)}".encode() in first
    assert second.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("path", "status"), [("/mine", 401), ("/nowhere", 404), ("/things", 405)], ids=["guarded", "none", "post"]
)
async def test_head_is_held_to_what_get_is(app: FastAPI, path: str, status: int) -> None:
    async with client(app, None) as http:
        asked = await http.head(path)
    assert (asked.status_code, asked.content) == (status, b"")


async def test_methods_that_are_told_have_head_beside_get(app: FastAPI) -> None:
    async with client(app) as http:
        assert (await http.delete("/pdf")).headers["allow"] == "GET, HEAD"
        assert (await http.delete("/things")).headers["allow"] == "POST"


def test_head_has_no_description_of_its_own(app: FastAPI) -> None:
    operations = [one for path in app.openapi()["paths"].values() for one in path]
    assert "head" not in operations
