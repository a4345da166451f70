"""Every error is a problem document (RFC 9457) whose type is documented here and that repeats no input.

FastAPI's own error bodies quote what was sent, and pydantic's messages can contain it too.
"""

import http
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from shared.contracts.faults import FIELD_NAME, sentence
from shared.pipeline.errors import Unavailable

MEDIA_TYPE: Final = "application/problem+json"

_logger = logging.getLogger("kompeten.http")


@dataclass(frozen=True)
class ProblemType:
    status: int
    title: str
    advice: str


# One row per type: the reference page is generated from it, and `Problem` refuses what is not in it.
PROBLEMS: Final[Mapping[str, ProblemType]] = {
    "bad-request": ProblemType(
        400, "The request cannot be read", "Send a complete request as the API reference describes it."
    ),
    "unauthenticated": ProblemType(
        401,
        "Sign in first",
        "Send an access token of the configured issuer: 'Authorization: Bearer <token>'.",
    ),
    "invalid-token": ProblemType(
        401, "The access token is not accepted", "Get a new access token from the issuer and try again."
    ),
    "forbidden": ProblemType(
        403, "Your role does not allow this", "Ask your agency's administrator for the role that this needs."
    ),
    "not-your-agency": ProblemType(
        403, "This belongs to another agency", "Use an account of the agency that the record belongs to."
    ),
    "agency-suspended": ProblemType(
        403, "This agency is suspended", "Ask the operator why, and send it again once the agency is resumed."
    ),
    "not-found": ProblemType(404, "Nothing is here", "Check the address against the API reference."),
    "method-not-allowed": ProblemType(
        405, "This address does not know that method", "Use one of the methods in the Allow header."
    ),
    "too-slow": ProblemType(
        408,
        "The request did not arrive in time",
        "Nothing was done: send it again at once as a whole, in smaller parts where the line is slow.",
    ),
    "refused": ProblemType(
        409, "This can't be done as things stand", "Look at the record's current state, then decide again."
    ),
    "unknown-agency": ProblemType(
        409,
        "The register has no agency of this code",
        "Name one that is connected; the operator's list of agencies shows them.",
    ),
    "pdf-held": ProblemType(
        409,
        "The PDF cannot be made yet",
        "The certificate is valid, but a letter in it cannot be printed: if it is wrong, have the agency correct the "
        "text and send the completion again with a higher revision.",
    ),
    "link-expired": ProblemType(
        410, "This link has expired", "Sign in to download the certificate, or ask the training officer."
    ),
    "certificate-revoked": ProblemType(
        410, "This certificate was revoked", "Ask the training officer of the body that issued it."
    ),
    "too-large": ProblemType(413, "The request is too large", "Split it into smaller requests."),
    "unsupported-media-type": ProblemType(
        415, "This content type is not read here", "Send JSON with 'Content-Type: application/json'."
    ),
    "invalid-input": ProblemType(
        422, "Some fields are not valid", "Correct the fields listed under 'errors' and send it again."
    ),
    "edit-refused": ProblemType(
        422, "The mended event can't stand for the record", "Mend what the detail names, then send it again."
    ),
    "idempotency-key-reused": ProblemType(
        422,
        "This Idempotency-Key was used for another request",
        "Send the first request unchanged, or use a new key for a new request.",
    ),
    "too-many-requests": ProblemType(
        429,
        "Too many in a short time",
        "Nothing was done: send it again after as many seconds as the header Retry-After says.",
    ),
    "internal-error": ProblemType(
        500, "Something went wrong on our side", "Tell the operator the error_id: it is in the log."
    ),
    "not-ready": ProblemType(
        503, "The service is not ready", "Nothing was done: send it again in a few seconds."
    ),
    "busy": ProblemType(
        503,
        "Too much is being asked at once",
        "Nothing was done: send it again after as many seconds as the header Retry-After says.",
    ),
    "being-prepared": ProblemType(
        503, "The PDF is being prepared", "Try again in a few seconds: it is made right after the completion."
    ),
    "issuer-unreachable": ProblemType(
        503,
        "Access tokens cannot be checked now",
        "Try again in a minute; the operator sees why by `kompeten status`, and mends KOMPETEN_OIDC_ISSUER or the way to "
        "it.",
    ),
}
# For errors raised by the framework, which know a status only.
_SLUG_BY_STATUS: Final = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid-input",
    429: "too-many-requests",
    500: "internal-error",
    503: "not-ready",
}


@dataclass(frozen=True)
class FieldError:
    """`pointer` is a JSON pointer into the part of the request named by `where`."""

    where: str
    pointer: str
    detail: str

    def document(self) -> dict[str, str]:
        return {"in": self.where, "pointer": self.pointer, "detail": self.detail}


class UndocumentedProblem(LookupError):
    def __init__(self, slug: str) -> None:
        super().__init__(f"problem type '{slug}' is not documented: add a row to PROBLEMS")


class Problem(HTTPException):
    """Raise it anywhere in a request. `detail` says what to do and holds no personal data."""

    def __init__(
        self,
        type_slug: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        try:
            row = PROBLEMS[type_slug]
        except KeyError:
            raise UndocumentedProblem(type_slug) from None
        super().__init__(row.status, detail or row.advice, dict(headers or {}))
        self.type_slug, self.title, self.errors = type_slug, row.title, tuple(errors)
        if row.status == 401:
            challenge = 'Bearer realm="kompeten"'
            challenge += ', error="invalid_token"' if type_slug == "invalid-token" else ""
            self.headers = {"WWW-Authenticate": challenge, **(self.headers or {})}


def problem_response(problem: Problem, *, error_id: str | None = None) -> Response:
    """`instance` is a new random id, so that it says nothing about whom or what was asked for."""
    occurrence = error_id or str(uuid.uuid4())
    document: dict[str, Any] = {
        "type": f"/problems/{problem.type_slug}",
        "title": problem.title,
        "status": problem.status_code,
        "detail": problem.detail,
        "instance": f"urn:uuid:{occurrence}",
    }
    if problem.errors:
        document["errors"] = [error.document() for error in problem.errors]
    if error_id is not None:
        document["error_id"] = error_id
    return JSONResponse(document, problem.status_code, problem.headers, MEDIA_TYPE)


def internal_error(error: BaseException) -> Response:
    """Logs the exception under the id that the caller is told."""
    error_id = str(uuid.uuid4())
    # FastAPI's text for a bad response quotes the response.
    shown = None if isinstance(error, ResponseValidationError) else error
    _logger.error("request failed: %s", type(error).__name__, exc_info=shown, extra={"error_id": error_id})
    return problem_response(Problem("internal-error"), error_id=error_id)


def install_problems(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(ResponseValidationError, _on_invalid_response)
    app.add_exception_handler(Unavailable, _on_unavailable)


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return problem_response(error)
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    slug = _SLUG_BY_STATUS.get(error.status_code)
    # A library's detail may quote the input, so it is dropped for our advice.
    if slug is not None:
        return problem_response(Problem(slug, headers=error.headers))
    title = http.HTTPStatus(error.status_code).phrase
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": error.status_code},
        error.status_code,
        error.headers,
        MEDIA_TYPE,
    )


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # FastAPI hands over a body that it did not decode, because of its content type, as bytes.
    if isinstance(error.body, bytes):
        return problem_response(Problem("unsupported-media-type"))
    return problem_response(Problem("invalid-input", errors=field_errors(error.errors())))


async def _on_unavailable(_request: Request, _error: Exception) -> Response:
    """The database or the log is away: nobody's fault here, and it passes."""
    return problem_response(Problem("not-ready", headers={"Retry-After": "5"}))


async def _on_invalid_response(_request: Request, error: Exception) -> Response:
    return internal_error(error)


def field_errors(errors: Sequence[Any], where: str | None = None) -> list[FieldError]:
    """Pydantic's or FastAPI's error list without anything of the input.

    `where` is for errors of pydantic alone, whose locations do not start with the part of the request.
    """
    rendered = []
    for error in errors:
        location = list(error["loc"])
        part = where or str(location.pop(0)) if location or where else "body"
        if error["type"] == "json_invalid":
            # From FastAPI the rest of the location is the position in the text, no field.
            rendered.append(
                FieldError(
                    part,
                    "",
                    f"is not JSON (at character {location[-1] if location else 0}): have a JSON library write it",
                )
            )
        else:
            rendered.append(FieldError(part, _pointer(location), sentence(error, own_words=False)))
    return rendered


def _pointer(location: Sequence[int | str]) -> str:
    parts = (str(part) if isinstance(part, int) or FIELD_NAME.fullmatch(part) else "*" for part in location)
    return "".join("/" + part for part in parts)


def describe_problems(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document that promises problem documents instead of FastAPI's own error bodies."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _SCHEMA
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                responses["422"] = {"description": PROBLEMS["invalid-input"].title, "content": content}
            responses["default"] = {"description": "An error", "content": content}
    return document


def reference_table() -> str:
    """The Markdown table of all problem types."""
    rows = [
        f"| `/problems/{slug}` | {row.status} | {row.title} | {row.advice} |"
        for slug, row in sorted(PROBLEMS.items())
    ]
    return "\n".join(["| type | status | title | what to do |", "|---|---|---|---|", *rows, ""])


_SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "RFC 9457 problem details",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "enum": ["about:blank", *(f"/problems/{slug}" for slug in PROBLEMS)],
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do"},
        "instance": {"type": "string", "format": "uri"},
        "error_id": {"type": "string", "description": "With status 500: the id in the log"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "pointer", "detail"],
                "properties": {
                    "in": {"type": "string"},
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
