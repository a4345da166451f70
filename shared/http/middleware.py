"""What happens to every request before and after its route: admission, trace, headers, log, last resort.

HEAD is answered wherever GET is, by the same route: without its content (RFC 9110, 9.3.2).

One plain ASGI middleware: Starlette's BaseHTTPMiddleware would run the route in another task, where context
variables and disconnects get lost.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.access import ACCESS_SCOPE_KEY, Access
from shared.http.admission import Admission, Disconnected
from shared.http.problems import Problem, internal_error, problem_response
from shared.http.routes import UNMATCHED, RouteTable
from shared.observability.telemetry import log_context, parse_traceparent, record_span, request_traceparent

_access_log = logging.getLogger("kompeten.access")
_SECONDS: Final = Histogram(
    "kompeten_http_request_seconds",
    "Duration of HTTP requests by route template",
    ["service", "method", "route", "status"],
)
# A client may invent methods; a label must not grow with them.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# For what a route did not decide for itself. Nearly all answers are about a person, so none is stored.
_UNLESS_SET: Final = {"Cache-Control": "no-store"}
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


class Middleware:
    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        access: Access,
        admission: Admission,
        routes: Callable[[], RouteTable],
    ) -> None:
        self._app, self._service, self._access = app, service, access
        self._admission, self._routes = admission, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.getlist("traceparent")
        parent = given[0] if len(given) == 1 else None
        traceparent = request_traceparent(parent)
        ids = parse_traceparent(traceparent)
        assert ids is not None
        # Mounts change the scope on their way in, so what the log needs is taken here.
        method, path = scope["method"], _path(scope)
        scope[ACCESS_SCOPE_KEY] = self._access
        scope.setdefault("state", {})["traceparent"] = traceparent
        start_ns, status = time.time_ns(), 0
        address = self._routes().find(method, path)
        if method == "HEAD" and (address is None or not address.answers(method)):
            address = self._routes().find("GET", path)
            if address is not None and address.answers("GET"):
                scope = {**scope, "method": "GET"}

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message)
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        with log_context(trace_id=ids[0]):
            began = time.perf_counter()
            try:
                await self._admission.pass_on(self._app, address, scope, receive, send_with_headers)
            except Disconnected:
                pass
            except Exception as error:  # noqa: BLE001  the last resort: logged under an id, answered by 500
                response = problem_response(error) if isinstance(error, Problem) else internal_error(error)
                if status:
                    # The client has a part already: let the server cut the connection, so that it is not
                    # taken for the whole. The cause is logged; its text goes no further.
                    raise BrokenResponse from None
                await response(scope, receive, send_with_headers)
            finally:
                duration_s = time.perf_counter() - began
                route = UNMATCHED if address is None else address.template
                shown = method if method in _METHODS else "other"
                _SECONDS.labels(self._service, shown, route, status).observe(duration_s)
                # Probes come every few seconds: those that find all well would bury the rest.
                quiet = route.startswith(("/health/", "/metrics")) and status < 400
                _access_log.log(
                    logging.DEBUG if quiet else logging.INFO,
                    "request",
                    extra={
                        "method": shown,
                        "route": route,
                        "status": status,
                        "duration_ms": round(duration_s * 1000, 2),
                    },
                )
                record_span(
                    f"{shown} {route}",
                    traceparent,
                    parent,
                    start_ns,
                    start_ns + int(duration_s * 1e9),
                    attributes={
                        "http.request.method": shown,
                        "http.route": route,
                        "http.response.status_code": status,
                    },
                    kind="server",
                    error=status >= 500 or not status,
                )


class BrokenResponse(Exception):
    """A route failed after it had begun to answer."""


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    if "GET" in (allowed := [method.strip() for method in headers.get("allow", "").split(",")]):
        headers["Allow"] = ", ".join(sorted({*allowed, "HEAD"}))
    for name, value in _ALWAYS.items():
        headers[name] = value
    is_page = headers.get("content-type", "").startswith("text/html")
    defaults = {**_UNLESS_SET, "Content-Security-Policy": _PAGE_POLICY if is_page else _DATA_POLICY}
    for name, value in defaults.items():
        headers.setdefault(name, value)


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root + "/") else path
