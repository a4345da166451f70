"""The HTTP side of the mail catcher: part of Mailpit's API, a page for people, and /faults for tests."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader

from devstack import mail_view
from devstack.mail_smtp import Fault, Faults
from devstack.mail_store import MailStore, Received

PAGE_LENGTH = 50
# A mail's own markup runs no script, loads nothing from elsewhere and knows no cookie.
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data: http:"


def make_app(store: MailStore, faults: Faults) -> FastAPI:
    app = FastAPI(title="Mail catcher", description=__doc__)
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)

    def found(mail_id: str) -> Received:
        mail = store.get(mail_id)
        if mail is None:
            raise HTTPException(404, f"no mail {mail_id!r}")
        return mail

    def summaries(start: int, limit: int) -> list[dict[str, Any]]:
        mails = store.newest_first(start, limit)
        return [mail_view.summary(mail, store.raw(mail, mail_view.HEADER_LIMIT_BYTES)) for mail in mails]

    @app.get("/readyz", response_class=PlainTextResponse)
    @app.get("/livez", response_class=PlainTextResponse)
    async def ready() -> str:
        return "ok"

    @app.get("/api/v1/messages")
    def messages(
        start: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=0)] = PAGE_LENGTH
    ) -> dict[str, Any]:
        page = summaries(start, limit)
        return {"total": len(store), "messages_count": len(store), "start": start, "messages": page}

    @app.delete("/api/v1/messages", response_class=PlainTextResponse)
    async def clear() -> str:
        store.clear()
        return "ok"

    @app.get("/api/v1/message/{mail_id}")
    def message(mail_id: str) -> dict[str, Any]:
        mail = found(mail_id)
        return mail_view.whole(mail, store.raw(mail))

    @app.get("/api/v1/message/{mail_id}/raw")
    def raw(mail_id: str) -> Response:
        return Response(store.raw(found(mail_id)), media_type="text/plain")

    @app.get("/api/v1/message/{mail_id}/part/{part_id}")
    def part(mail_id: str, part_id: int) -> Response:
        parts = mail_view.parts(store.raw(found(mail_id)))
        if not 1 <= part_id <= len(parts):
            raise HTTPException(404, f"mail {mail_id} has parts 1 to {len(parts)}, not {part_id}")
        chosen = parts[part_id - 1]
        return Response(
            chosen.content, media_type=chosen.content_type, headers={"Content-Security-Policy": "sandbox"}
        )

    @app.get("/html/{mail_id}", response_class=HTMLResponse)
    def markup(mail_id: str) -> Response:
        """A mail's own markup, for the page's frame."""
        mail = mail_view.whole(found(mail_id), store.raw(found(mail_id)))
        html = mail["HTML"]
        for file in mail["Inline"]:
            html = html.replace(
                f"cid:{file['ContentID']}", f"/api/v1/message/{mail['ID']}/part/{file['PartID']}"
            )
        return HTMLResponse(html, headers={"Content-Security-Policy": SANDBOX})

    @app.get("/", response_class=HTMLResponse)
    def page(request: Request, mail: str | None = None, start: Annotated[int, Query(ge=0)] = 0) -> str:
        shown = found(mail) if mail else None
        return templates.get_template("mail_page.html").render(
            mails=summaries(start, PAGE_LENGTH),
            total=len(store),
            start=start,
            length=PAGE_LENGTH,
            shown=shown and mail_view.whole(shown, store.raw(shown)),
            source=shown and store.raw(shown).decode(errors="replace"),
            fault=faults.ordered,
        )

    @app.put("/faults")
    async def order(fault: Fault) -> dict[str, Any]:
        """For tests: see mail_smtp.py for what each mode does."""
        faults.order(fault)
        return await ordered()

    @app.get("/faults")
    async def ordered() -> dict[str, Any]:
        """`given`: how often the fault has been met since it was ordered."""
        return {**faults.ordered.model_dump(), "given": faults.given}

    return app
