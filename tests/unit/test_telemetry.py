"""Logs that hold nothing about a person, and traces that run through Kafka by derived ids."""

import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shared.http.access import Principal, Role
from shared.observability.redaction import redact
from shared.observability.telemetry import (
    RedactingFormatter,
    child_traceparent,
    configure_tracing,
    log_context,
    parse_traceparent,
    record_span,
    request_traceparent,
    shutdown_tracing,
)

NIP = "198503122010011001"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


# Redaction


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"no employee {NIP}", "no employee 1985******1001"),
        (f"nip={NIP}, jp=4", "nip=1985******1001, jp=4"),
        (f"NIP{NIP}x", "NIP1985******1001x"),
        ("NIP. 19850312 201001 1 001 golongan III/a", "NIP. 1985******1001 golongan III/a"),
        ("19850312-201001-1-001", "1985******1001"),
        (NIP[:-1], "******"),
        (NIP + "7", "******"),
        ("3578011203850001", "******"),
        (NIP + NIP, "******"),
        ("offset 1234567890123", "offset 1234567890123"),
        ("to ani@kominfo.go.id failed", "to [address] failed"),
        ("to <ani.s+x@kominfo.go.id>", "to <[address]>"),
        ("budi.santoso@@kominfo is no address", "[address] is no address"),
        ("budi@kominfo", "[address]"),
        ("?to=ani%40kominfo.go.id", "?to=[address]"),
        ("mongodb://app:hunter2@db-1:27017/x", "mongodb://[credentials]@db-1:27017/x"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [token]"),
        ("authorization: bearer abc", "authorization: bearer [token]"),
        ("{'authorization': 'Basic dTpw'}", "{'authorization': 'Basic [token]'}"),
        ("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln here", "got [token] here"),
        (
            "[type=int_parsing, input_value='Budi', input_type=str]",
            "[type=int_parsing, input_value=[hidden], input_type=str]",
        ),
        ("partition 3 of agency.dinkes.v1 stopped", "partition 3 of agency.dinkes.v1 stopped"),
        ("@app.get at 12:30", "@app.get at 12:30"),
    ],
)
def test_text_is_redacted(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


MB = 1024 * 1024


@pytest.mark.parametrize(
    "part",
    [
        "t",
        "a@",
        "@",
        "%40",
        "eyJ-",
        "eyJ.",
        "input_value=",
        "bearer ",
        " ",
        "://a",
        "1.1",
        "9",
        "12345678 ",
        "\0",
        "é",
    ],
)
def test_no_text_takes_long_to_redact(part: str) -> None:
    """A type of a megabyte in one record blocked a service for minutes, until the group had given it up."""
    began = time.process_time()
    shown = redact(part * (2 * MB // len(part)))
    assert time.process_time() - began < 1.0
    assert len(shown) < 20_000


@pytest.mark.parametrize("length", [5_950, 5_990, 5_995, 6_000, 8_000])
@pytest.mark.parametrize("filling", ["x", " "])
@pytest.mark.parametrize("secret", ["198503122010011001", "19850312 201001 1 001", "budi@example.com"])
def test_what_is_cut_out_of_a_long_text_leaves_nothing_personal(
    secret: str, filling: str, length: int
) -> None:
    for text in (
        "a " + filling * length + f" {secret} " + "b " * 10_000,
        "b " * 10_000 + f" {secret} " + filling * length,
    ):
        shown = redact(text)
        assert "0312" not in shown
        assert "budi" not in shown


@pytest.fixture
def logger() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("incentive"))
    made = logging.getLogger("kompeten.test")
    made.addHandler(handler)
    made.setLevel(logging.DEBUG)
    made.propagate = False
    yield made, stream
    made.removeHandler(handler)
    made.propagate = True


def line_of(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


class Person:
    def __str__(self) -> str:
        return f"person {NIP}"


@pytest.mark.parametrize(
    "value",
    [
        NIP,
        int(NIP),
        float(NIP),
        NIP.encode(),
        [NIP],
        {NIP: 1},
        {"a": [{"b": (NIP,)}]},
        {NIP},
        Person(),
        Principal(NIP, frozenset({Role.employee}), NIP, None, "https://sso.example"),
        ValueError(NIP),
    ],
)
def test_no_field_of_any_type_shows_an_employee_number(
    logger: tuple[logging.Logger, io.StringIO], value: object
) -> None:
    log, stream = logger
    log.info("seen", extra={"value": value})
    log.info("seen %s", value)
    log.info({"message": "seen", "value": value})
    assert "seen" in stream.getvalue()
    for digits in (NIP, "198503122", "1.985031"):
        assert digits not in stream.getvalue()


def test_exception_is_a_redacted_field(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = logger
    try:
        try:
            raise KeyError(NIP)
        except KeyError as error:
            raise RuntimeError("to ani@kominfo.go.id") from error
    except RuntimeError:
        log.exception("failed")
    line = line_of(stream)
    assert "RuntimeError: to [address]" in line["exception"]
    assert "KeyError: '1985******1001'" in line["exception"]


def test_line_has_the_ids_of_its_context(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = logger
    with log_context(trace_id=TRACE_ID), log_context(event_id=f"completed-{NIP}"):
        log.warning("late", extra={"partition": 3})
    line = line_of(stream)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "service": "incentive",
        "logger": "kompeten.test",
        "message": "late",
        "trace_id": TRACE_ID,
        "event_id": "completed-1985******1001",
        "partition": 3,
    }


def test_field_of_the_caller_cannot_replace_ours(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = logger
    log.info("x", extra={"service": "another", "level": "none", "trace_id": "t", "timestamp": "never"})
    line = line_of(stream)
    assert (line["service"], line["level"], line["trace_id"]) == ("incentive", "INFO", None)
    assert line["timestamp"] != "never"


def test_message_that_does_not_fit_its_arguments_is_still_one_redacted_line(
    logger: tuple[logging.Logger, io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    log, stream = logger
    log.info("number %d", NIP)
    assert "not formatted" in line_of(stream)["message"]
    assert NIP not in stream.getvalue() + capsys.readouterr().err


def test_every_logger_of_a_process_is_redacted_and_uvicorns_access_log_is_off() -> None:
    program = f"""
import logging, threading, uvicorn, warnings
from shared.observability.telemetry import configure_logging
uvicorn.Config(lambda: None).configure_logging()
configure_logging("enrollment", "debug")
for name in ("uvicorn.error", "aiokafka.consumer", "pymongo.command", "httpx"):
    logging.getLogger(name).warning("about {NIP} of ani@kominfo.go.id")
    logging.getLogger(name).debug("a document")
logging.getLogger("uvicorn.access").info("GET /employees/budi")
warnings.warn("old {NIP}")
thread = threading.Thread(target=lambda: int("{NIP}x"))
thread.start()
thread.join()
raise SystemError("{NIP}")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["logger"] for line in lines] == [
        "uvicorn.error",
        "aiokafka.consumer",
        "pymongo.command",
        "httpx",
        "py.warnings",
        "kompeten",
        "kompeten",
    ]
    assert ran.stderr == ""
    assert NIP not in ran.stdout
    assert "kominfo" not in ran.stdout
    assert ran.returncode == 1


# Trace context


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (TRACEPARENT, (TRACE_ID, SPAN_ID)),
        (f"00-{TRACE_ID}-{SPAN_ID}-00", (TRACE_ID, SPAN_ID)),
        (f"00-{TRACE_ID}-{SPAN_ID}-ff", (TRACE_ID, SPAN_ID)),
        (f"cc-{TRACE_ID}-{SPAN_ID}-01", (TRACE_ID, SPAN_ID)),
        (f"cc-{TRACE_ID}-{SPAN_ID}-01-what-comes", (TRACE_ID, SPAN_ID)),
        (None, None),
        ("", None),
        (f"00-{TRACE_ID}-{SPAN_ID}", None),
        (f"00-{TRACE_ID}-{SPAN_ID}-01-more", None),
        (f"cc-{TRACE_ID}-{SPAN_ID}-01.more", None),
        (f"ff-{TRACE_ID}-{SPAN_ID}-01", None),
        (f"00-{TRACE_ID.upper()}-{SPAN_ID}-01", None),
        (f"00-{'0' * 32}-{SPAN_ID}-01", None),
        (f"00-{TRACE_ID}-{'0' * 16}-01", None),
        (f"00-{TRACE_ID[:-1]}-{SPAN_ID}-01", None),
        (f"00-{TRACE_ID}-{SPAN_ID}-1", None),
        (f" {TRACEPARENT}", None),
        (f"{TRACEPARENT}\n", None),
        (f"00_{TRACE_ID}_{SPAN_ID}_01", None),
        (f"0x-{TRACE_ID}-{SPAN_ID}-01", None),
    ],
)
def test_traceparent_is_read_as_the_standard_says(
    header: str | None, expected: tuple[str, str] | None
) -> None:
    assert parse_traceparent(header) == expected


def test_span_of_an_event_is_the_same_at_every_republication() -> None:
    child = child_traceparent(TRACEPARENT, "event-1")
    assert child == child_traceparent(TRACEPARENT, "event-1")
    assert parse_traceparent(child) == (TRACE_ID, child[36:52])
    assert child[36:52] not in (SPAN_ID, child_traceparent(TRACEPARENT, "event-2")[36:52])


@pytest.mark.parametrize("parent", [None, "", "rubbish"])
def test_event_without_a_valid_parent_starts_its_own_trace(parent: str | None) -> None:
    child = child_traceparent(parent, "event-1")
    assert child == child_traceparent(None, "event-1")
    assert parse_traceparent(child) is not None
    assert child[3:35] != child_traceparent(parent, "event-2")[3:35]


def test_derived_ids_never_change_between_versions() -> None:
    # Pinned: a record that is published again after an upgrade must still be the same bytes.
    assert child_traceparent(None, "event-1") == "00-fc76ffc48da34634f7582c353cc735f9-046afca2ca045511-01"


def test_decision_not_to_sample_is_kept() -> None:
    unsampled = f"00-{TRACE_ID}-{SPAN_ID}-00"
    assert child_traceparent(unsampled, "event-1").endswith("-00")
    assert request_traceparent(unsampled).endswith("-00")


# Spans


class Collector:
    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.paths: list[str] = []


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    """An OTLP/HTTP collector that keeps what it gets."""
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.paths.append(self.path)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                attributes = resource.resource.attributes
                kept.resources.append({item.key: item.value.string_value for item in attributes})
                for scope in resource.scope_spans:
                    kept.spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield kept, f"http://127.0.0.1:{server.server_port}"
    shutdown_tracing()
    server.shutdown()
    server.server_close()
    thread.join()


def test_trace_runs_from_the_agencys_event_to_the_mail_with_exactly_these_ids(
    collector: tuple[Collector, str],
) -> None:
    kept, address = collector
    configure_tracing("notification", address)
    points = child_traceparent(TRACEPARENT, "points-1")
    mail = child_traceparent(points, "mail-1")
    record_span("award points", points, TRACEPARENT, 1_000, 2_000, attributes={"jp": 4}, kind="consumer")
    record_span(
        "send mail",
        mail,
        points,
        2_000,
        3_000,
        attributes={"to": "ani@kominfo.go.id", "nip": NIP},
        error=True,
    )
    record_span("unsampled", f"00-{TRACE_ID}-{SPAN_ID}-00", None, 0, 1)
    record_span("no ids", "rubbish", None, 0, 1)
    shutdown_tracing()

    first, second = kept.spans
    assert kept.paths == ["/v1/traces"]
    assert kept.resources[0]["service.name"] == "notification"
    assert {first.trace_id.hex(), second.trace_id.hex()} == {TRACE_ID}
    assert (first.span_id.hex(), first.parent_span_id.hex()) == (points[36:52], SPAN_ID)
    assert (second.span_id.hex(), second.parent_span_id.hex()) == (mail[36:52], points[36:52])
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (1_000, 2_000)
    shown = {item.key: item.value.string_value for item in second.attributes}
    assert shown == {"to": "[address]", "nip": "1985******1001"}


def test_parent_in_another_trace_makes_no_orphan(collector: tuple[Collector, str]) -> None:
    kept, address = collector
    configure_tracing("notification", f"{address}/otlp/v1/traces")
    record_span("x", child_traceparent(None, "event-1"), TRACEPARENT, 0, 1)
    shutdown_tracing()
    assert kept.paths == ["/otlp/v1/traces"]
    assert kept.spans[0].parent_span_id == b""


def test_without_an_endpoint_nothing_of_the_sdk_is_loaded() -> None:
    program = """
import sys
from shared.observability.telemetry import configure_tracing, record_span
configure_tracing("x", None)
record_span("x", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None, 0, 1)
raise SystemExit("opentelemetry" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
