"""Every error of a real application is a problem document that repeats nothing of what was sent."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any, Literal

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import HTMLResponse, StreamingResponse
from prometheus_client import generate_latest
from pydantic import BaseModel, EmailStr, Field, field_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from shared.http.access import Principal, Role, allow, public
from shared.http.admission import Admission
from shared.http.app import create_app, create_internal_app
from shared.http.connections import server_config
from shared.http.health import Check
from shared.http.problems import PROBLEMS, Problem, UndocumentedProblem, reference_table
from shared.observability.telemetry import RedactingFormatter
from shared.pipeline.errors import Unavailable

NIP_17 = "19850312201001100"
BAD_MAIL = "budi.santoso@@kominfo"
SIGNED_IN = {"Authorization": "Bearer good"}
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class NoAccess:
    async def principal(self, token: str) -> Principal:
        if token != "good":
            raise Problem("invalid-token")
        return Principal("u-1", frozenset({Role.operator}), None, None, "https://sso.example")

    async def aclose(self) -> None:
        pass


class Registration(BaseModel):
    nip: Annotated[str, Field(pattern=r"^\d{18}$")]
    mail: EmailStr
    born: date = date(2000, 1, 1)
    form: Literal["seminar", "workshop"] = "seminar"
    jp: int = Field(1, ge=1)
    notes: dict[str, int] = {}
    note: str = ""

    @field_validator("note")
    @classmethod
    def refuse(cls, value: str) -> str:
        if value == "custom":
            raise PydanticCustomError("note_not_wanted", "is not wanted here: leave it out")
        if value:
            raise ValueError(f"bad note {value}")
        return value


def router() -> APIRouter:
    made = APIRouter()

    @made.post("/registrations", **allow(Role.operator))
    async def register(registration: Registration, limit: int = 1) -> dict[str, str]:
        return {"nip": registration.nip}

    @made.get("/employees/{number}", **public())
    async def employee(number: int, x_when: Annotated[date, Header()] = date(2026, 1, 1)) -> dict[str, int]:
        return {"n": number}

    @made.get("/fails", **public())
    async def fails() -> None:
        raise RuntimeError(f"no such person {NIP_17} {BAD_MAIL}")

    @made.get("/away", **public())
    async def away() -> None:
        raise Unavailable("MongoDB: ServerSelectionTimeoutError")

    @made.get("/bad-response", response_model=Registration, **public())
    async def bad_response() -> dict[str, str]:
        return {"nip": NIP_17, "mail": BAD_MAIL}

    @made.get("/breaks", **public())
    async def breaks() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"a part"
            raise RuntimeError(NIP_17)

        return StreamingResponse(chunks())

    @made.get("/raises/{status}", **public())
    async def raises(status: int) -> None:
        raise HTTPException(status, detail=f"quotes {BAD_MAIL}", headers={"Retry-After": "3"})

    @made.get("/other-agency", **public())
    async def other_agency() -> None:
        raise Problem("not-your-agency")

    @made.get("/page", response_class=HTMLResponse, **public())
    async def page() -> str:
        return "<p>hello"

    @made.get("/mine", **allow(Role.employee))
    async def mine() -> None: ...

    return made


async def ready() -> list[Check]:
    return [Check("kafka", True, "Connected.")]


def app(readiness: Any = ready, **options: Any) -> Any:
    return create_app("test", routers=[router()], readiness=readiness, access=NoAccess(), **options)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SIGNED_IN) as client:
        yield client


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the service would write on stdout, from every logger of the process."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("test"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # The tests' own client, which prints its addresses; configure_logging does the same.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    yield stream
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    root.removeHandler(handler)
    root.setLevel(level)


def lines(log: io.StringIO, logger: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in found if line["logger"] == logger]


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/registrations", 405, "method-not-allowed"),
        ("GET", "/mine", 403, "forbidden"),
        ("GET", "/other-agency", 403, "not-your-agency"),
        ("GET", "/employees/ani", 422, "invalid-input"),
        ("GET", "/fails", 500, "internal-error"),
        ("GET", "/bad-response", 500, "internal-error"),
        ("GET", "/raises/403", 403, "forbidden"),
        ("GET", "/raises/503", 503, "not-ready"),
    ],
)
async def test_every_error_is_a_problem_document(
    http: httpx.AsyncClient, method: str, path: str, status: int, slug: str
) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    document = answer.json()
    assert (document["type"], document["status"]) == (f"/problems/{slug}", status)
    assert document["title"]
    assert document["detail"].endswith((".", ">'."))
    assert document["instance"].startswith("urn:uuid:")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_method_not_allowed_names_the_methods(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/registrations")).headers["allow"] == "POST"


async def test_status_without_a_type_of_its_own_is_about_blank(http: httpx.AsyncClient) -> None:
    answer = await http.get("/raises/409")
    assert answer.json() == {"type": "about:blank", "title": "Conflict", "status": 409}
    assert answer.headers["retry-after"] == "3"


async def test_text_of_a_library_error_is_not_passed_on(http: httpx.AsyncClient) -> None:
    assert BAD_MAIL not in (await http.get("/raises/400")).text


async def test_invalid_fields_are_pointed_to_without_their_values(
    http: httpx.AsyncClient, log: io.StringIO
) -> None:
    body = {"nip": NIP_17, "mail": BAD_MAIL, "born": "31-12-1985", "form": "kuliah", "jp": 0}
    body |= {"notes": {NIP_17: "x"}, "note": "rahasia"}
    answer = await http.post("/registrations?limit=banyak", json=body)
    assert answer.status_code == 422
    where = [(error["in"], error["pointer"]) for error in answer.json()["errors"]]
    assert where == [
        ("query", "/limit"),
        ("body", "/nip"),
        ("body", "/mail"),
        ("body", "/born"),
        ("body", "/form"),
        ("body", "/jp"),
        ("body", "/notes/*"),
        ("body", "/note"),
    ]
    for text in (answer.text, log.getvalue()):
        for given in (NIP_17, BAD_MAIL, "santoso", "31-12-1985", "kuliah", "rahasia", "banyak"):
            assert given not in text


@pytest.mark.parametrize(
    ("note", "detail"),
    [
        ("custom", "is not wanted here: leave it out"),
        ("other", "is not valid: see the schema of this field"),
    ],
)
async def test_only_texts_written_for_callers_are_shown(
    http: httpx.AsyncClient, note: str, detail: str
) -> None:
    body = {"nip": "198503122010011001", "mail": "ani@kominfo.go.id", "note": note}
    errors = (await http.post("/registrations", json=body)).json()["errors"]
    assert errors == [{"in": "body", "pointer": "/note", "detail": detail}]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "slug"),
    [
        (b"{", "application/json", 422, "invalid-input"),
        (b'{"nip": "Rina \\ud83d"}', "application/json", 422, "invalid-input"),
        (b'{"\\ud83d": 1}', "application/json", 422, "invalid-input"),
        (b'{"nip": ' + b"9" * 5000 + b"}", "application/json", 400, "bad-request"),
        (b"[" * 100_000, "application/json", 400, "bad-request"),
        (b"\xc3\x28", "application/json", 400, "bad-request"),
        (b'{"nip": NaN}', "application/json", 422, "invalid-input"),
        (b"", "application/json", 422, "invalid-input"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"{}", None, 415, "unsupported-media-type"),
        (b"nip=1", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
    ],
)
async def test_body_that_cannot_be_read_is_the_callers_error(
    http: httpx.AsyncClient, content: bytes, content_type: str | None, status: int, slug: str
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await http.post("/registrations", content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}")


@pytest.mark.parametrize("path", ["/fails", "/bad-response"])
async def test_internal_error_is_logged_under_the_id_the_caller_is_told(
    http: httpx.AsyncClient, log: io.StringIO, path: str
) -> None:
    document = (await http.get(path)).json()
    (line,) = lines(log, "kompeten.http")
    assert line["error_id"] == document["error_id"]
    assert document["instance"] == f"urn:uuid:{document['error_id']}"
    for given in (NIP_17, BAD_MAIL, "santoso"):
        assert given not in log.getvalue()
        assert given not in json.dumps(document)


async def test_a_database_that_is_away_is_told_to_wait_for(http: httpx.AsyncClient) -> None:
    answer = await http.get("/away")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-ready")
    assert answer.headers["retry-after"] == "5"


async def test_answer_that_breaks_off_is_not_taken_for_the_whole(log: io.StringIO) -> None:
    async with serving(app()) as address, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{address}/breaks")
    assert NIP_17 not in log.getvalue()
    assert [line["message"] for line in lines(log, "kompeten.http")] == ["request failed: RuntimeError"]


def test_undocumented_type_is_an_error() -> None:
    with pytest.raises(UndocumentedProblem, match="add a row to PROBLEMS"):
        Problem("made-up")


def test_reference_has_a_row_for_every_type() -> None:
    table = reference_table()
    assert [slug for slug in PROBLEMS if f"`/problems/{slug}`" not in table] == []


def test_schema_promises_problem_documents_only() -> None:
    document = app().openapi()
    assert "HTTPValidationError" not in json.dumps(document)
    responses = document["paths"]["/registrations"]["post"]["responses"]
    assert list(responses["422"]["content"]) == ["application/problem+json"]


# Size


@asynccontextmanager
async def serving(application: Any) -> AsyncIterator[str]:
    server = uvicorn.Server(server_config(application, "127.0.0.1", 0, stop_timeout_s=1))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.mark.slow
async def test_declared_size_over_the_limit_is_refused_before_the_body_is_read() -> None:
    async with serving(app(admission=Admission(1000))) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = [
            "POST /registrations HTTP/1.1",
            "Host: x",
            "Authorization: Bearer good",
            "Content-Length: 9999",
            "",
            "",
        ]
        writer.write("\r\n".join(head).encode())
        try:
            answer = await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"/problems/too-large" in answer


@pytest.mark.slow
async def test_chunked_body_is_cut_off_at_the_limit() -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 10_000
            yield b"x" * 10_000

    async with serving(app(admission=Admission(20_000))) as address, httpx.AsyncClient() as client:
        try:
            answer = await client.post(
                f"{address}/registrations",
                content=chunks(),
                headers={"Content-Type": "application/json", **SIGNED_IN},
            )
        except (httpx.WriteError, httpx.ReadError):
            assert sent < 100_000_000  # The server hung up on us, as it may.
        else:
            assert answer.status_code == 413
            assert answer.json()["type"] == "/problems/too-large"


async def test_chunked_body_within_the_limit_is_read(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"nip": "198503122010011001",'
        yield b'"mail": "ani@kominfo.go.id"}'

    answer = await http.post("/registrations", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


# Headers, trace, access log


async def test_answers_carry_security_headers(http: httpx.AsyncClient) -> None:
    data, page = await http.get("/other-agency"), await http.get("/page")
    for answer in (data, page):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert "style-src 'self'" in page.headers["content-security-policy"]
    assert data.headers["content-security-policy"].startswith("default-src 'none'")


async def test_access_log_has_the_template_and_never_the_path_or_query(
    http: httpx.AsyncClient, log: io.StringIO
) -> None:
    await http.get(
        "/employees/198503122010011001?name=Budi",
        headers={"traceparent": TRACEPARENT, "X-When": "yesterday"},
    )
    (line,) = lines(log, "kompeten.access")
    assert line["duration_ms"] >= 0
    del line["timestamp"], line["duration_ms"]
    assert line == {
        "level": "INFO",
        "service": "test",
        "logger": "kompeten.access",
        "message": "request",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "event_id": None,
        "method": "GET",
        "route": "/employees/{number}",
        "status": 422,
    }
    assert "Budi" not in log.getvalue()


async def test_unknown_address_and_method_are_not_repeated_in_log_or_metrics(
    http: httpx.AsyncClient, log: io.StringIO
) -> None:
    await http.request("BUDI", "/budi.santoso")
    (line,) = lines(log, "kompeten.access")
    assert (line["method"], line["route"], line["status"]) == ("other", "(no route)", 404)
    assert "budi" not in generate_latest().decode().lower()


@pytest.mark.parametrize("given", [None, "00-0-0-00", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
async def test_request_without_a_valid_traceparent_starts_a_trace(given: str | None) -> None:
    seen = []

    async def read(request: Request) -> None:
        seen.append(request.state.traceparent)

    made = APIRouter()
    made.add_api_route("/trace", read, **public())
    application = create_app("test", routers=[made], readiness=ready, access=NoAccess())
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/trace", headers={} if given is None else {"traceparent": given})
        await client.get("/trace", headers={"traceparent": TRACEPARENT})
    new, continued = seen
    assert len(new) == 55
    assert "0" * 32 not in new
    assert continued[:36] == TRACEPARENT[:36]
    assert continued[36:52] != TRACEPARENT[36:52]


# Health


@pytest.mark.parametrize(("ok", "status"), [(True, 200), (False, 503)])
async def test_readiness_lists_its_checks_without_addresses(ok: bool, status: int) -> None:
    async def checks() -> list[Check]:
        return [
            Check("kafka", True, "Connected."),
            Check("mongo", ok, "No answer from db-1:27017 (mongodb://u:p@10.0.0.7/x) since 09:00."),
        ]

    transport = httpx.ASGITransport(app(checks))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == status
    assert answer.json()[0] == {"name": "kafka", "ok": True, "sentence": "Connected."}
    for inside in ("27017", "10.0.0.7", "db-1", "mongodb://"):
        assert inside not in answer.text


async def test_readiness_that_fails_is_503_and_logged(log: io.StringIO) -> None:
    async def checks() -> list[Check]:
        raise OSError("10.0.0.7 refused")

    transport = httpx.ASGITransport(app(checks))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/health/ready")
        assert (await client.get("/health/live")).json() == {"status": "live"}
    assert answer.status_code == 503
    assert "10.0.0.7" not in answer.text
    assert "10.0.0.7 refused" in lines(log, "kompeten.http.health")[0]["exception"]


# What is for operators


@pytest.fixture
async def internal() -> AsyncIterator[httpx.AsyncClient]:
    inner = create_internal_app("test", app(), NoAccess())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(inner), base_url="http://test") as client:
        yield client


async def test_metrics_are_in_prometheus_format(http: httpx.AsyncClient, internal: httpx.AsyncClient) -> None:
    await http.get("/health/live")
    answer = await internal.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'route="/health/live"' in answer.text


async def test_the_api_is_described_on_the_internal_port(internal: httpx.AsyncClient) -> None:
    assert (await internal.get("/openapi.json")).json() == app().openapi()


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
async def test_the_public_port_says_nothing_of_what_is_for_operators(
    http: httpx.AsyncClient, path: str
) -> None:
    assert (await http.get(path)).status_code == 404
