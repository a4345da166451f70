"""What anybody may open: a certificate's verification by code, and its PDF by the link of the mail.

Nothing here changes anything, however often it is called; nothing is stored by a browser or found by a
search engine. A code or link that is not ours gets the same answer, however near it is to one of ours.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import quote, unquote

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from services.enrollment.completions.documents import Completion
from services.enrollment.verification.pages import (
    POLICY,
    REFRESH_S,
    Subject,
    Verification,
    form_page,
    notice_page,
    verification_of,
    verification_page,
)
from shared.http.access import RouteAccess, public
from shared.http.negotiation import prefers_json
from shared.http.problems import Problem, problem_response

__all__ = [
    "BeingPrepared",
    "Held",
    "LinkExpired",
    "LinkUnknown",
    "NotDownloadable",
    "OpenedPdf",
    "Revoked",
    "Verification",
    "code_in",
    "download_router",
    "pdf_response",
    "verification_router",
]

NO_SUCH_CODE: Final = (
    "No certificate has this code: compare all its 26 characters (a-z, 2-7) with the certificate."
)
_CODE: Final = re.compile(r"[a-z2-7]{26}")
_CODE_IN_ADDRESS: Final = re.compile(r"/v/([A-Za-z2-7]{26})")
# More than any address with a code in it, whatever those who pass it on append.
_MAX_TYPED_CHARS: Final = 2_000
# What stands behind the path of an address.
_BEHIND_PATH: Final = re.compile(r"[?#&;]")
_LINK_ENDS: Final = re.compile(r"^[^A-Za-z0-9]+|[^A-Za-z0-9_-]+$")
_FULL_WIDTH: Final = {0xFF01 + n: 0x21 + n for n in range(94)}
_PRIVATE: Final = {
    "Cache-Control": "no-store, private",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Vary": "Accept",
}
_PAGE: Final = {**_PRIVATE, "Content-Security-Policy": POLICY, "Content-Language": "id, en"}
# No default-src: browsers show a PDF inside a page of their own, and would apply it to that page.
_PDF: Final = {**_PRIVATE, "Content-Security-Policy": "frame-ancestors 'none'"}


class NotDownloadable(Problem):
    """Why a PDF isn't given: for data a problem document, for people a page."""

    subject: Subject


class LinkExpired(NotDownloadable):
    subject = Subject.LINK_EXPIRED

    def __init__(self) -> None:
        super().__init__("link-expired")


class LinkUnknown(NotDownloadable):
    subject = Subject.LINK_UNKNOWN

    def __init__(self) -> None:
        super().__init__(
            "not-found", "This link is not one of ours: copy all of it from the mail, to the last character."
        )


class BeingPrepared(NotDownloadable):
    subject = Subject.BEING_PREPARED

    def __init__(self) -> None:
        super().__init__("being-prepared", headers={"Retry-After": str(REFRESH_S)})


class Held(NotDownloadable):
    subject = Subject.HELD

    def __init__(self) -> None:
        super().__init__("pdf-held")  # no Retry-After: asking again in seconds is of no use


class Revoked(NotDownloadable):
    subject = Subject.REVOKED

    def __init__(self) -> None:
        super().__init__("certificate-revoked")


class OpenedPdf(NamedTuple):
    content: bytes
    sha256: str
    number: str
    """Of the certificate; it names the file."""


def verification_router(
    find: Callable[[str], Awaitable[Completion | None]], is_held: Callable[[Completion], Awaitable[bool]]
) -> APIRouter:
    """`find` gets a code of the right shape in lower case, current or earlier; None: nobody's. `is_held`: whether no PDF
    of its certificate can be made by now."""
    router = APIRouter(tags=["public"])

    @router.get(
        "/v",
        summary="A form for a certificate's code",
        response_class=Response,
        **_public({200: _as("text/html")}),
    )
    async def ask() -> Response:
        return HTMLResponse(form_page(), headers=_PAGE)

    @router.post(
        "/v",
        status_code=303,
        summary="Leads to the verification of the code typed in",
        **_public({404: {"description": "This is no code"}}),
    )
    async def type_in(request: Request, code: Annotated[str, Form()] = "") -> Response:
        typed = code_in(code)
        if typed is None:
            return _unknown(request, form_action="v")
        # Relative, so that it holds behind a proxy that adds a prefix.
        return RedirectResponse(f"v/{typed}", 303, headers=_PRIVATE)

    @router.get(
        "/v/{code}",
        summary="Whether a certificate is genuine and valid, as a page or as JSON",
        response_class=Response,
        **_public(
            {
                200: {"model": Verification, **_as("text/html")},
                404: {"description": "No certificate has this code"},
            }
        ),
    )
    async def verify(request: Request, code: str) -> Response:
        asked = code_in(code)
        completion = None if asked is None else await find(asked)
        shown = None if completion is None or asked is None else verification_of(completion, asked)
        if shown is None or completion is None:
            return _unknown(request, form_action="../v")
        if _wants_data(request):
            return JSONResponse(shown.model_dump(mode="json"), headers=_PRIVATE)
        return HTMLResponse(verification_page(shown, is_held=await is_held(completion)), headers=_PAGE)

    # Such an address is what somebody made of the code's own, which holds for the page's links. All else that was added
    # to a code is answered where it stands: nothing is stored, and a system that asks need not follow.
    @router.get("/v/{code}/{rest:path}", include_in_schema=False, **_public({}))
    async def lead(request: Request, code: str, rest: str) -> Response:
        levels = request.scope["raw_path"].partition(b"/v/")[2].count(b"/")
        asked = code_in(f"{code}/{rest}")
        if asked is None:
            return _unknown(request, form_action="../" * levels + "../v")
        return RedirectResponse("../" * levels + asked, 303, headers=_PRIVATE)

    return router


def download_router(open_link: Callable[[str], Awaitable[OpenedPdf]]) -> APIRouter:
    """`open_link` gets the token as it came, and raises LinkUnknown, LinkExpired, Revoked, Held or BeingPrepared."""
    router = APIRouter(tags=["public"])

    @router.get(
        "/d/{token}",
        summary="A certificate's PDF, by the link of the mail",
        response_class=Response,
        **_public(
            {
                200: _as("application/pdf"),
                404: {"description": "This link is not one of ours"},
                409: {"description": "The PDF cannot be made yet: a letter in it cannot be printed"},
                410: {"description": "The link has expired, or the certificate was revoked"},
                503: {"description": "The PDF is being prepared: ask again after Retry-After seconds"},
            }
        ),
    )
    async def download(request: Request, token: str) -> Response:
        try:
            return pdf_response(await open_link(token_in(token)))
        except NotDownloadable as refusal:
            if _wants_data(request):
                response, headers = problem_response(refusal), _PRIVATE
            else:
                page = notice_page(refusal.subject)
                response, headers = HTMLResponse(page, refusal.status_code, refusal.headers), _PAGE
            response.headers.update(headers)
            return response

    return router


def pdf_response(pdf: OpenedPdf) -> Response:
    """Shown in the browser, and saved under the certificate's number."""
    headers = {
        **_PDF,
        "ETag": f'"{pdf.sha256}"',
        "Content-Disposition": _disposition(pdf.number),
    }
    return Response(pdf.content, media_type="application/pdf", headers=headers)


def code_in(typed: str) -> str | None:
    """The code in what a person typed or pasted: with capitals, blanks, dashes, what cannot be seen, the whole address,
    what was appended to it, the signs and words around it. None where that is no code or has more than one; no letter
    is guessed."""
    if len(typed) > _MAX_TYPED_CHARS:
        return None
    words = ["".join(_as_ascii(char) for char in word) for word in unquote(typed).split()]
    address = _without_signs(_BEHIND_PATH.split(_without_signs("".join(words)), maxsplit=1)[0])
    if code := _code(address.rpartition("/")[2].replace("-", "")):
        return code
    text = " ".join(words)
    for found in (
        filter(None, map(_code, _parts(text))),
        filter(None, map(_code, _parts(text.replace("-", "")))),
        # Copied from a certificate, an address runs on in the words of the next line.
        (match[1].lower() for match in _CODE_IN_ADDRESS.finditer(text)),
    ):
        if codes := set(found):
            return codes.pop() if len(codes) == 1 else None
    return None


def _code(text: str) -> str | None:
    return text.lower() if text.isascii() and _CODE.fullmatch(text.lower()) else None


def _parts(text: str) -> list[str]:
    """Runs of letters and digits; an accent belongs to its letter."""
    return "".join(
        char if char.isalnum() or unicodedata.category(char)[0] == "M" else " " for char in text
    ).split()


def token_in(given: str) -> str:
    """A link's token without what a mail program or a person put around it, which is never a control character."""
    if any(unicodedata.category(char) == "Cc" and not char.isspace() for char in given):
        return given
    return _LINK_ENDS.sub("", "".join(_as_ascii(char) for char in given))


def _as_ascii(char: str) -> str:
    """Nothing for what cannot be seen (blanks, soft hyphens, direction marks), a hyphen for each dash, full-width letters
    as usual ones; all else as it is."""
    kind = unicodedata.category(char)
    if char.isspace() or kind == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    if kind == "Pd" or char == "\N{MINUS SIGN}":
        return "-"
    return char.translate(_FULL_WIDTH)


def _without_signs(text: str) -> str:
    """Without quotes, brackets, full stops, slashes at either end."""
    signs = {char for char in text if unicodedata.category(char)[0] in "PS"}
    return text.strip("".join(signs))


def _unknown(request: Request, form_action: str) -> Response:
    if _wants_data(request):
        return problem_response(Problem("not-found", NO_SUCH_CODE, headers=_PRIVATE))
    return HTMLResponse(notice_page(Subject.UNKNOWN_CODE, form_action), 404, _PAGE)


def _wants_data(request: Request) -> bool:
    return prefers_json(",".join(request.headers.getlist("accept")))


def _public(responses: dict[int | str, dict[str, Any]]) -> RouteAccess:
    declared = public()
    declared["responses"] = responses
    return declared


def _as(media_type: str) -> dict[str, Any]:
    return {"description": "Successful Response", "content": {media_type: {"schema": {"type": "string"}}}}


def _disposition(number: str) -> str:
    """RFC 6266: a plain name for all, and the exact one for those who read `filename*`."""
    exact = re.sub(r"[^\w.()&+,-]+", "-", number).strip("-.")[:100] or "tanpa-nomor"
    plain = unicodedata.normalize("NFKD", exact).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "tanpa-nomor"
    return (
        f'inline; filename="sertifikat-{plain}.pdf"; '
        f"filename*=UTF-8''{quote(f'sertifikat-{exact}.pdf', safe='')}"
    )
