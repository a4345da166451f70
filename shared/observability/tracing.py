"""One trace from an agency's event to the mail: W3C Trace Context whose ids come from the data.

A republished record must be the same bytes, so the span of an event is derived from the event's id, and
spans are built from the ids they must have instead of being given new ones by a tracer.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from shared.observability.redaction import redact

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

Kind = Literal["internal", "server", "client", "producer", "consumer"]
AttributeValue = str | bool | int | float

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED: Final = 0x01

_processor: "SpanProcessor | None" = None
_resource: "Resource | None" = None


def parse_traceparent(header: str | None) -> tuple[str, str] | None:
    """(trace id, span id), or None for anything that W3C Trace Context says to ignore."""
    fields = _fields(header)
    return None if fields is None else fields[:2]


def root_traceparent(event_id: str) -> str:
    """Of an event that came without one: a trace of its own, the same at each reading."""
    return child_traceparent(None, event_id)


def child_traceparent(parent: str | None, event_id: str) -> str:
    """The same text for the same arguments. Without a valid parent the trace id comes from the event too.

    The sender's decision not to sample is kept.
    """
    fields = _fields(parent)
    trace_id, flags = (
        (_derived("trace", event_id, 32), _SAMPLED) if fields is None else (fields[0], fields[2])
    )
    return f"00-{trace_id}-{_derived('span', event_id, 16)}-{flags:02x}"


def request_traceparent(parent: str | None) -> str:
    """A random span in the caller's trace, or in a new trace."""
    fields = _fields(parent)
    trace_id, flags = (secrets.token_hex(16), _SAMPLED) if fields is None else (fields[0], fields[2])
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags:02x}"


def configure_tracing(service: str, endpoint: str | None) -> None:
    """Spans go to `endpoint` by OTLP over HTTP (`/v1/traces` is added to an address without path).

    None keeps everything off: no SDK is imported and `record_span` returns at once.
    """
    shutdown_tracing()
    if endpoint is None:
        return
    # Imported here: 0.3 s and 20 MB that a service without tracing need not pay.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _processor, _resource
    if urlsplit(endpoint).path in ("", "/"):
        endpoint = endpoint.rstrip("/") + "/v1/traces"
    _resource = Resource.create({"service.name": service, "service.namespace": "kompeten"})
    _processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5))


def shutdown_tracing() -> None:
    """Sends what is waiting. Blocks for at most the exporter's time-out: call it after the event loop."""
    global _processor, _resource
    if _processor is not None:
        _processor.shutdown()
    _processor = _resource = None


def is_tracing() -> bool:
    """Whether spans go anywhere: spares callers the work of naming them."""
    return _processor is not None


def record_span(
    name: str,
    traceparent: str,
    parent: str | None,
    start_ns: int,
    end_ns: int,
    *,
    attributes: Mapping[str, AttributeValue] | None = None,
    kind: Kind = "internal",
    error: bool = False,
) -> None:
    """Exports a span that has exactly the ids in `traceparent`; nothing without tracing or if unsampled.

    Attributes are ids of ours, counts and kinds, never a person's data; they are redacted all the same.
    """
    if _processor is None:
        return
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    own, above = _fields(traceparent), _fields(parent)
    if own is None or not own[2]:
        return

    def context(fields: tuple[str, str, int], *, is_remote: bool) -> SpanContext:
        return SpanContext(int(fields[0], 16), int(fields[1], 16), is_remote, TraceFlags(fields[2]))

    # A parent in another trace would be drawn as an orphan: then the span is the root of its own.
    same_trace = above is not None and above[0] == own[0]
    _processor.on_end(
        ReadableSpan(
            name=redact(name),
            context=context(own, is_remote=False),
            parent=context(above, is_remote=True) if above is not None and same_trace else None,
            resource=_resource,
            attributes={
                key: redact(value) if isinstance(value, str) else value
                for key, value in (attributes or {}).items()
            },
            kind=SpanKind[kind.upper()],
            status=Status(StatusCode.ERROR if error else StatusCode.UNSET),
            start_time=start_ns,
            end_time=end_ns,
        )
    )


@lru_cache(maxsize=4096)
def _fields(header: str | None) -> tuple[str, str, int] | None:
    match = _TRACEPARENT.fullmatch(header) if header is not None and len(header) <= 256 else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return trace_id, span_id, int(flags, 16) & _SAMPLED


def _derived(purpose: str, event_id: str, digits: int) -> str:
    # The purpose keeps the span's id from being the start of its trace's.
    derived = hashlib.sha256(f"{purpose}:{event_id}".encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    return derived if derived.strip("0") else "1".zfill(digits)
