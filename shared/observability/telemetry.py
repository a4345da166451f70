"""Structured logs on stdout, and the names that a service needs to take part in a trace."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from shared.observability.log_repetitions import CountingHandler
from shared.observability.redaction import redact, redact_value
from shared.observability.tracing import (
    child_traceparent,
    configure_tracing,
    is_tracing,
    parse_traceparent,
    record_span,
    request_traceparent,
    root_traceparent,
    shutdown_tracing,
)

__all__ = [
    "child_traceparent",
    "configure_logging",
    "configure_tracing",
    "is_tracing",
    "log_context",
    "parse_traceparent",
    "record_span",
    "redact",
    "request_traceparent",
    "root_traceparent",
    "shutdown_tracing",
]

_trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
_event_id: ContextVar[str | None] = ContextVar("event_id", default=None)

# Below these levels they print documents, raw paths or addresses, whatever level the operator asked for.
_FLOORS: Final = {
    "aiokafka": logging.INFO,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "motor": logging.INFO,
    "multipart": logging.WARNING,
    "python_multipart": logging.WARNING,
    "pymongo": logging.INFO,
    "uvicorn": logging.INFO,
    "asyncio": logging.INFO,
}


def configure_logging(service: str, level: str) -> None:
    """One JSON object a line for every logger of the process, uvicorn's and the drivers' included.

    Start uvicorn with `log_config=None`, or it puts its own handlers back.
    """
    handler = CountingHandler(sys.stdout, lambda: (_trace_id.get(), _event_id.get()))
    handler.setFormatter(RedactingFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, floor in _FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, root.level))
    # It prints paths and queries as they came; our own access log has the route's template.
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


@contextmanager
def log_context(*, trace_id: str | None = None, event_id: str | None = None) -> Iterator[None]:
    """Puts the ids on every log line of this task (and of what it calls in threads) while it lasts."""
    tokens = [(_trace_id, _trace_id.set(trace_id or _trace_id.get()))]
    tokens.append((_event_id, _event_id.set(event_id or _event_id.get())))
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


class RedactingFormatter(JsonFormatter):
    """Redacts the finished line's fields, so that no way into a record can be forgotten."""

    def __init__(self, service: str) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            timestamp=True,
            rename_fields={
                "levelname": "level",
                "name": "logger",
                "exc_info": "exception",
                "stack_info": "stack",
            },
        )
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        try:
            record.getMessage()
        except Exception as error:  # noqa: BLE001  logging would print the arguments unredacted on stderr
            record.msg, record.args = (
                f"log message not formatted ({type(error).__name__}): {record.msg}",
                None,
            )
        return super().format(record)

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        # Last, as a caller's extra field of the same name would have replaced them.
        log_data |= {"level": record.levelname, "logger": record.name}

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        timestamp = log_data.pop("timestamp").isoformat()
        fields = {key: redact_value(value) for key, value in log_data.items() if key != "color_message"}
        line: dict[str, Any] = {
            "timestamp": timestamp,
            "level": fields.pop("level"),
            "service": self._service,
        }
        line["logger"], line["message"] = fields.pop("logger"), fields.pop("message")
        # A trace id is 32 hexadecimal digits that were checked when parsed: as such it cannot be redacted.
        line["trace_id"] = _trace_id.get()
        line["event_id"] = redact_value(_event_id.get())
        return line | {key: value for key, value in fields.items() if key not in line}


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("kompeten").critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
