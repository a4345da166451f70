"""What anybody sees of a certificate: by its code, and by the link of the mail."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from email.message import Message
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from markupsafe import escape

from services.enrollment.certificates.documents import Certificate
from services.enrollment.completions.documents import Completion, Content, Revocation
from services.enrollment.training import CompletedTraining
from services.enrollment.verification.pages import NOTICES, TEMPLATES, Subject, notice_page
from services.enrollment.verification.routes import (
    BeingPrepared,
    Held,
    LinkExpired,
    LinkUnknown,
    OpenedPdf,
    Revoked,
    code_in,
    download_router,
    verification_router,
)
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId
from shared.http.access import Principal
from shared.http.app import create_app
from shared.http.health import Check
from shared.http.negotiation import prefers_json
from shared.http.problems import Problem

CODE, EARLIER, NOBODYS = "abcdefghijklmnopqrstuvwx27", "earlierearlierearlierearli", "z" * 26
NEAR = CODE[:-1] + "6"
NIP, MASKED = "198503122010011001", "1985******1001"
SHA = hashlib.sha256(b"pdf").hexdigest()
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"}
DATA = {"Accept": "application/json"}
MAIL = "siti@dinas.example"


def completed(
    *,
    holder_name: str = "Siti Rahmawati, S.Kom.",
    title: str = "Keamanan Siber Dasar",
    number: str = "800.2/0001/BKPSDM/2026",
    revoked: bool = False,
    sha256: str | None = SHA,
    earlier_codes: Sequence[str] = (EARLIER,),
) -> Completion:
    facts = CompletedTraining(
        code="SEC-1", batch="batch-17", title=title, form="workshop", pathway="classical", level="national",
        organizer_code="bkpsdm", organizer_name="BKPSDM Kota Contoh", start_date=date(2026, 4, 6),
        end_date=date(2026, 4, 7), completed_on=date(2026, 4, 7), place="Balai Kota", score=Decimal("87.5"),
        predicate="Sangat Baik",
    )  # fmt: skip
    at = datetime(2026, 4, 7, tzinfo=UTC)
    return Completion(
        id=CompletionId("cmp_" + "c" * 32),
        employee_id=EmployeeId("emp_" + "e" * 32),
        learning_year="",
        contents=[Content(digest=b"d", sender="dinas", first_time=at, revision=2, facts=facts)],
        revocations=[Revocation(id="rev-1", reason=f"salah orang, {MAIL}", officer="officer-9", opd=None, at=at)],
        effective=b"d",
        certificate=Certificate(
            id=CertificateId("crt_" + "f" * 32), number=number, revision=2, code=CODE,
            earlier_codes=list(earlier_codes), issued_at=at, completion_version=2, holder_name=holder_name,
            holder_number=NIP, jp=Decimal("12.5"), revoked=revoked, sha256=sha256,
        ),
    )  # fmt: skip


class Register:
    """Gives out one completion under its codes, and notes what it was asked for."""

    def __init__(self) -> None:
        self.completion = completed()
        self.asked: list[str] = []
        self.held = False

    async def find(self, code: str) -> Completion | None:
        self.asked.append(code)
        certificate = self.completion.certificate
        assert certificate is not None
        return self.completion if code in (certificate.code, *certificate.earlier_codes) else None

    async def is_held(self, completion: Completion) -> bool:
        return self.held


class Links:
    def __init__(self) -> None:
        self.outcome: OpenedPdf | Exception = OpenedPdf(b"%PDF-1.7 ...", SHA, "800.2/0001/BKPSDM/2026")

    async def open(self, token: str) -> OpenedPdf:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class NoAccess:
    async def principal(self, token: str) -> Principal:
        raise Problem("invalid-token")

    async def aclose(self) -> None:
        pass


async def ready() -> list[Check]:
    return []


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture
def app(register: Register, links: Links) -> FastAPI:
    return create_app(
        "enrollment",
        routers=[verification_router(register.find, register.is_held), download_router(links.open)],
        readiness=ready,
        access=NoAccess(),
    )


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kompeten.example") as made:
        yield made


# --- by code: what is said ---


async def test_a_program_gets_the_eight_fields_and_nothing_more(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v/{CODE}", headers=DATA)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "number": "800.2/0001/BKPSDM/2026",
        "holder_number": MASKED,
        "holder_name": "Siti Rahmawati, S.Kom.",
        "title": "Keamanan Siber Dasar",
        "organizer": "BKPSDM Kota Contoh",
        "jp": 12.5,
        "status": "valid",
        "sha256": SHA,
    }


STATES = [
    (CODE, False, "valid", "Sertifikat ini asli dan berlaku", "This certificate is genuine and valid"),
    (EARLIER, False, "replaced", "asli, tetapi sudah diganti", "it has been replaced"),
    (CODE, True, "revoked", "Sertifikat ini telah dicabut", "This certificate has been revoked"),
    (EARLIER, True, "revoked", "Sertifikat ini telah dicabut", "This certificate has been revoked"),
]


@pytest.mark.parametrize(("code", "revoked", "status", "indonesian", "english"), STATES)
async def test_status_is_told_to_programs_and_in_words_to_people(
    client: httpx.AsyncClient,
    register: Register,
    code: str,
    revoked: bool,
    status: str,
    indonesian: str,
    english: str,
) -> None:
    register.completion = completed(revoked=revoked)
    assert (await client.get(f"/v/{code}", headers=DATA)).json()["status"] == status
    page = seen(await client.get(f"/v/{code}", headers=BROWSER))
    assert indonesian in page.heading
    assert english in page.heading
    for fact in (
        "800.2/0001/BKPSDM/2026",
        MASKED,
        "Siti Rahmawati, S.Kom.",
        "Keamanan Siber Dasar",
        "12,5 JP",
    ):
        assert fact in page.text
    assert (SHA in page.text) == (not revoked)


@pytest.mark.parametrize(("code", "revoked"), [row[:2] for row in STATES])
async def test_nothing_else_of_a_person_is_told(
    client: httpx.AsyncClient, register: Register, code: str, revoked: bool
) -> None:
    register.completion = completed(revoked=revoked)
    for headers in (BROWSER, DATA):
        body = (await client.get(f"/v/{code}", headers=headers)).text
        for secret in (
            NIP, NIP[:8], "emp_", "cmp_", "crt_", "87,5", "87.5", "Sangat Baik", "batch-17", "Balai Kota", MAIL,
            "salah orang", "officer-9", "rev-1", CODE, EARLIER,
        ):  # fmt: skip
            assert secret not in body


async def test_whom_to_ask_is_named(client: httpx.AsyncClient, register: Register) -> None:
    """The page sent to "the body that issued it", and named none."""
    register.completion = completed(revoked=True)
    page = seen(await client.get(f"/v/{CODE}", headers=BROWSER))
    assert "lembaga penerbitnya, yang tertera di bawah ini" in page.text
    assert "BKPSDM Kota Contoh" in page.text


async def test_an_earlier_code_claims_no_correction_that_nobody_knows_of(
    client: httpx.AsyncClient, register: Register
) -> None:
    """What was revoked and reinstated passed for corrected."""
    page = seen(await client.get(f"/v/{EARLIER}", headers=BROWSER))
    assert "diterbitkan ulang" in page.text
    assert "perbaikan" not in page.text
    assert "correct" not in page.text


async def test_markup_in_data_is_text(client: httpx.AsyncClient, register: Register) -> None:
    title, name = 'R&D <Dasar> "100%"', "<script>alert('Ma’ruf')</script>"
    register.completion = completed(title=title, holder_name=name, number='<b>&"1"')
    answer = await client.get(f"/v/{CODE}", headers=BROWSER)
    assert "<Dasar>" not in answer.text
    assert "<script" not in answer.text
    assert "<b>" not in answer.text
    for text in (title, name, '<b>&"1"'):
        assert text in seen(answer).text


async def test_lines_of_letters_with_marks_above_and_below_have_room(
    client: httpx.AsyncClient, register: Register
) -> None:
    title = "ꦥꦼꦭꦠꦶꦲꦤ꧀ <b>"
    register.completion = completed(title=title)
    answer = await client.get(f"/v/{CODE}", headers=BROWSER)
    assert answer.text.count('class="tall"') == 1
    assert title in seen(answer).text


async def test_an_erased_name_is_withheld(client: httpx.AsyncClient, register: Register) -> None:
    register.completion = completed(holder_name="")
    page = seen(await client.get(f"/v/{CODE}", headers=BROWSER))
    assert "(nama ditahan / name withheld)" in page.text
    assert (await client.get(f"/v/{CODE}", headers=DATA)).json()["holder_name"] is None


async def test_the_fingerprint_is_missing_until_the_pdf_is_made(
    client: httpx.AsyncClient, register: Register
) -> None:
    register.completion = completed(sha256=None)
    page = seen(await client.get(f"/v/{CODE}", headers=BROWSER))
    assert "sedang disiapkan" in page.text
    assert "sha256sum" not in page.text
    assert (await client.get(f"/v/{CODE}", headers=DATA)).json()["sha256"] is None


async def test_a_pdf_that_cannot_be_made_is_not_called_being_prepared(
    client: httpx.AsyncClient, register: Register
) -> None:
    """It was said to come in seconds, for as long as no font had one of its letters."""
    register.completion, register.held = completed(sha256=None), True
    page = seen(await client.get(f"/v/{CODE}", headers=BROWSER))
    assert "Sertifikat ini asli dan berlaku" in page.heading
    assert "PDF-nya belum dapat dibuat karena ada huruf yang belum dapat dicetak" in page.text
    assert "sedang disiapkan" not in page.text


# --- by code: what is typed ---

TYPED = [
    (CODE, CODE),
    (CODE.upper(), CODE),
    (f"  {CODE[:13]} {CODE[13:]}\n", CODE),
    (f"{CODE[:13]}-{CODE[13:]}", CODE),
    (f"https://kompeten.example/v/{CODE}", CODE),
    (f"https://kompeten.example/v/{CODE}/", CODE),
    ("", None),
    ("kode", None),
    (CODE[:-1], None),
    (CODE + "a", None),
    (CODE[:-1] + "1", None),
    (CODE[:-1] + "é", None),
    (CODE[:-1] + "\x00", None),
    ("{'$ne': ''}", None),
    (CODE[:-1] + "\u0301" + CODE[-1], None),  # an accent is seen
    ("\N{KELVIN SIGN}" + CODE[1:], None),  # a letter of another alphabet is another letter
    ("\N{CYRILLIC SMALL LETTER A}" + CODE[1:], None),
    (CODE + "²", None),
    (f"{CODE}.{CODE}", CODE),
    (f"{CODE}.{NOBODYS}", None),  # which one?
    (f"http://kompeten.example/v/{CODE}x http://kompeten.example/v/{NOBODYS}x", None),
    (f"{CODE[:13]}/{CODE[13:]}", None),
    (f"https://kompeten.example/v/?code={CODE}", CODE),
    (f"Kode: {CODE}", CODE),
    (f"Kode: {CODE[:13]}-{CODE[13:]}, terima kasih", CODE),
    (f"{CODE} (dari sertifikat)", CODE),
    (f"http://kompeten.example/v/{CODE}, terima kasih", CODE),
    (f"http://kompeten.example/v/{CODE} http://kompeten.example/v/{CODE}", CODE),
    (f"{CODE}\nDiterbitkan secara elektronik", CODE),
    (f"http://kompeten.example/v/{CODE}Diterbitkan secara elektronik", CODE),
    (f"Kode: {CODE}a", None),
    (f"Kode: {CODE}\u0301", None),
    (f"Kode: {CODE[:-1]} a", None),
    (CODE + " " * 2000, None),
]
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202a\ufe0f"
# Whatever is put around or into a code on its way through mails, chats and documents.
TYPED += [(typed, CODE) for typed in (
    *(CODE[:7] + char + CODE[7:] + char for char in ZERO_WIDTH + "\u00a0\u3000\u2009\t"),
    *(CODE[:13] + dash + CODE[13:] for dash in "\u2010\u2011\u2013\u2014\u2212\uff0d\ufe63"),
    *(CODE + sign for sign in "./),;:!?>\"'”’»]}…。*_|"),
    *(f"{left}{CODE}{right}" for left, right in ("()", "<>", "[]", "“”", "‘’", "«»", "''", "„“", "``")),
    *(f"https://kompeten.example/v/{CODE}{more}" for more in (
        "?utm_source=mail&utm_medium=x/y", "?fbclid=IwAR0-" + "x" * 200, "#atas", "/?gclid=1", "&fbclid=1", ").", "/).",
        ";jsessionid=1", ",", "%3Futm_source%3Dmail", "%20", "%0A",
    )),
    f"<https://kompeten.example/v/{CODE}>", f"({CODE[:13]} {CODE[13:]}).",
    f"[sertifikat](https://kompeten.example/v/{CODE})", f"%E2%80%8B{CODE}%C2%AD",
    "".join(chr(ord(char) + 0xFEE0) for char in CODE), "".join(chr(ord(char) + 0xFEE0) for char in CODE.upper()),
)]  # fmt: skip


@pytest.mark.parametrize(("typed", "code"), TYPED)
async def test_a_typed_code_is_read_with_forbearance(
    client: httpx.AsyncClient, typed: str, code: str | None
) -> None:
    assert code_in(typed) == code
    answer = await client.post("/v", data={"code": typed}, headers=BROWSER)
    if code is None:
        assert answer.status_code == 404
        assert "Kode ini tidak dikenal" in seen(answer).heading
    else:
        assert answer.status_code == 303
        assert str(answer.url.join(answer.headers["location"])) == f"http://kompeten.example/v/{code}"


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "code"), [row for row in TYPED if "/" not in row[0].rstrip("./")])
@pytest.mark.parametrize("headers", [BROWSER, DATA], ids=["page", "data"])
async def test_an_address_with_something_put_around_its_code_shows_the_certificate(
    client: httpx.AsyncClient, typed: str, code: str | None, headers: dict[str, str]
) -> None:
    answer = await client.get(f"/v/{quote(typed, safe='/')}", headers=headers, follow_redirects=True)
    assert answer.status_code == (404 if code is None else 200)
    assert (SHA in answer.text) == (code is not None)


@pytest.mark.parametrize("more", [".", ")", ",", "%20", "%E2%80%8B", "%C2%AD"])
async def test_a_link_of_a_mail_with_something_put_around_it_opens(
    client: httpx.AsyncClient, more: str
) -> None:
    assert (await client.get(f"/d/token{more}")).content == (await client.get("/d/token")).content


@pytest.mark.parametrize(
    "more", ["?utm_source=mail", "?fbclid=IwAR0", ".", ")", "/", "/.", "%20", "%E2%80%8B", "/?x=1"]
)
async def test_an_address_that_was_passed_on_shows_the_certificate(
    client: httpx.AsyncClient, more: str
) -> None:
    answer = await client.get(f"/v/{CODE}{more}", headers=BROWSER, follow_redirects=True)
    assert answer.status_code == 200
    assert str(answer.url).startswith(f"http://kompeten.example/v/{CODE}")
    # From there the page's own links hold.
    assert answer.url.join("../v").path == "/v"


@pytest.mark.parametrize("path", [f"x/{CODE}", f"{CODE}/x", f"{CODE}/x/y", f"{CODE}/{CODE}/"])
async def test_a_code_among_other_steps_of_an_address_is_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/v/{path}", headers=BROWSER, follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, f"/v/{CODE}")


@pytest.mark.parametrize("path", ["x/y", f"{NOBODYS}/{CODE}/x", f"{CODE[:-1]}/x/y/"])
async def test_a_deep_address_without_a_code_is_answered_by_a_page_with_the_form(
    client: httpx.AsyncClient, path: str
) -> None:
    """It was a problem document in English."""
    answer = await client.get(f"/v/{path}", headers=BROWSER)
    assert (answer.status_code, seen(answer).heading[:22]) == (404, "Kode ini tidak dikenal")
    action = re.search(r'action="([^"]+)"', answer.text)
    assert action is not None
    assert answer.url.join(action[1]).path == "/v"
    assert (await client.get(f"/v/{path}", headers=DATA)).json()["type"] == "/problems/not-found"


async def test_only_what_has_the_shape_of_a_code_is_looked_up(
    client: httpx.AsyncClient, register: Register
) -> None:
    for typed in (CODE.upper(), f"{CODE[:5]}%20{CODE[5:]}", "kode", "%24ne", CODE + "a", "{}", "%00"):
        await client.get(f"/v/{typed}")
    assert register.asked == [CODE, CODE]


async def test_unknown_near_and_malformed_codes_look_the_same(client: httpx.AsyncClient) -> None:
    pages, documents = set(), set()
    for typed in (NOBODYS, NEAR, "kode", CODE[:-1], "%3Cb%3E"):
        page = await client.get(f"/v/{typed}", headers=BROWSER)
        pages.add((page.status_code, page.content, str(page.headers.multi_items())))
        problem = (await client.get(f"/v/{typed}", headers=DATA)).json()
        del problem["instance"]
        documents.add(str(problem))
    assert len(pages) == len(documents) == 1
    assert "404" in documents.pop()
    assert "26 karakter" in page.text


async def test_a_completion_that_does_not_own_the_code_is_not_shown(
    client: httpx.AsyncClient, register: Register
) -> None:
    async def any_completion(code: str) -> Completion | None:
        return register.completion

    app = create_app(
        "enrollment",
        routers=[verification_router(any_completion, register.is_held)],
        readiness=ready,
        access=NoAccess(),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://k.example") as other:
        assert (await other.get(f"/v/{NOBODYS}")).status_code == 404
        register.completion = msgspec.structs.replace(register.completion, certificate=None)
        assert (await other.get(f"/v/{CODE}")).status_code == 404


async def test_the_form_posts_to_where_codes_are_read(client: httpx.AsyncClient) -> None:
    for path in ("/v", f"/v/{NOBODYS}"):
        answer = await client.get(path, headers=BROWSER)
        method, action, field = re.search(
            r'<form method="(\w+)" action="([^"]+)">.*?<input[^>]* name="(\w+)"', answer.text, re.DOTALL
        ).groups()  # type: ignore[union-attr]  # a page without the form fails here
        assert (method, field) == ("post", "code")
        assert answer.url.join(action).path == "/v"


# --- by link ---

REFUSALS = [
    (LinkExpired(), 410, "link-expired", "Tautan ini sudah tidak berlaku"),
    (LinkUnknown(), 404, "not-found", "Tautan ini tidak dikenal"),
    (BeingPrepared(), 503, "being-prepared", "Sertifikat sedang disiapkan"),
    (Held(), 409, "pdf-held", "PDF sertifikat ini belum dapat dibuat"),
    (Revoked(), 410, "certificate-revoked", "Sertifikat ini telah dicabut"),
]


async def test_the_link_opens_the_pdf(client: httpx.AsyncClient) -> None:
    answer = await client.get("/d/token", headers=BROWSER)
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.7 ...")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["etag"] == f'"{SHA}"'
    assert answer.headers["cache-control"] == "no-store, private"


@pytest.mark.parametrize(
    ("number", "plain", "exact"),
    [
        ("800.2/0001/BKPSDM/2026", "sertifikat-800.2-0001-BKPSDM-2026.pdf", None),
        ("../../etc/passwd", "sertifikat-etc-passwd.pdf", None),
        ('a"; filename=evil.exe\r\nX: y', "sertifikat-a-filename-evil.exe-X-y.pdf", None),
        ("Nº 7/Économie", "sertifikat-No-7-Economie.pdf", "sertifikat-Nº-7-Économie.pdf"),
        ("证书", "sertifikat-tanpa-nomor.pdf", "sertifikat-证书.pdf"),
        ("///", "sertifikat-tanpa-nomor.pdf", None),
    ],
)
async def test_the_file_is_named_after_the_certificate_number(
    client: httpx.AsyncClient, links: Links, number: str, plain: str, exact: str | None
) -> None:
    links.outcome = OpenedPdf(b"pdf", SHA, number)
    disposition = (await client.get("/d/token")).headers["content-disposition"]
    assert disposition.startswith(f"inline; filename=\"{plain}\"; filename*=UTF-8''")
    header = Message()
    header["Content-Disposition"] = disposition.replace(f'filename="{plain}"; ', "")
    assert header.get_filename() == (exact or plain)


@pytest.mark.parametrize(("refusal", "status", "slug", "heading"), REFUSALS)
async def test_a_refused_link_says_what_to_do(
    client: httpx.AsyncClient, links: Links, refusal: Exception, status: int, slug: str, heading: str
) -> None:
    links.outcome = refusal
    for _ in range(2):
        answer = await client.get("/d/token", headers=BROWSER)
        assert answer.status_code == status
        page = seen(answer)
        assert heading in page.heading
        assert "pengelola pelatihan" in page.text
    document = await client.get("/d/token", headers=DATA)
    assert document.status_code == status
    assert document.headers["content-type"] == "application/problem+json"
    assert document.json()["type"] == f"/problems/{slug}"
    for one in (answer, document):
        assert one.headers.get("retry-after") == ("5" if status == 503 else None)
        assert one.headers["cache-control"] == "no-store, private"
    assert ('http-equiv="refresh" content="5"' in answer.text) == (status == 503)


# --- headers, methods, form of the pages ---

PAGES = ["/v", f"/v/{CODE}", f"/v/{EARLIER}", f"/v/{NOBODYS}", "/d/token"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("accept", [BROWSER, DATA, {"Accept": "*/*"}])
async def test_no_answer_is_stored_indexed_framed_or_told_to_others(
    client: httpx.AsyncClient, links: Links, path: str, accept: dict[str, str]
) -> None:
    links.outcome = LinkExpired()
    headers = (await client.get(path, headers=accept)).headers
    assert "no-store" in headers["cache-control"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["vary"] == "Accept"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_carries_all_it_needs(client: httpx.AsyncClient, links: Links, path: str) -> None:
    links.outcome = BeingPrepared()
    answer = await client.get(path, headers=BROWSER)
    page = seen(answer)
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "base"}
    assert not page.attributes & {"style", "onclick", "onload", "onsubmit"}
    assert all(address.startswith(("data:", "../v")) for address in page.addresses)
    assert {"noindex, nofollow, noarchive", "no-referrer"} <= page.metas


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_indonesian_and_marks_its_english(
    client: httpx.AsyncClient, links: Links, path: str
) -> None:
    links.outcome = Revoked()
    page = seen(await client.get(path, headers=BROWSER))
    assert page.languages[0] == ("html", "id")
    assert ("span", "en") in page.languages
    assert page.count("h1") == page.count("main") == page.count("title") == 1


@pytest.mark.parametrize("subject", Subject)
def test_every_notice_has_steps_in_both_languages(subject: Subject) -> None:
    notice = NOTICES[subject]
    assert notice.steps
    page = notice_page(subject)
    for text in (notice.banner.heading, notice.banner.explanation, *notice.steps):
        assert escape(text.id) in page
        assert escape(text.en) in page


ON_PAPER = ["ink", "muted", "link"]
TONES = ["genuine", "replaced", "revoked", "unknown"]
PAIRS = [
    *((fore, back) for fore in ON_PAPER for back in ("paper", "card")),
    *((fore, f"{tone}-back") for tone in TONES for fore in (tone, "ink", "muted")),
    *(("sign", tone) for tone in TONES),
    ("on-button", "button"),
    ("ink", "code"),
]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("fore", "back"), PAIRS)
def test_text_stands_out_from_its_ground(scheme: int, fore: str, back: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    style = (TEMPLATES / "pages" / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", style.split(":root {")[scheme + 1]))
    lighter, darker = sorted((luminance(colours[fore]), luminance(colours[back])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("path", ["/v", f"/v/{CODE}", f"/v/{NOBODYS}", "/d/token"])
async def test_asking_again_changes_nothing(client: httpx.AsyncClient, path: str) -> None:
    gets = [await client.get(path, headers=BROWSER) for _ in range(3)]
    heads = [await client.head(path, headers=BROWSER) for _ in range(3)]
    assert len({(one.status_code, one.content) for one in gets}) == 1
    assert {one.content for one in heads} == {b""}
    assert len({(one.status_code, str(one.headers.multi_items())) for one in gets + heads}) == 1


@pytest.mark.parametrize(
    ("accept", "is_data"),
    [
        ("", False),
        ("*/*", False),
        (BROWSER["Accept"], False),
        ("application/json", True),
        ("application/problem+json", True),
        ("APPLICATION/JSON; charset=utf-8", True),
        ("application/json, text/plain, */*", True),
        ("application/*", True),
        ("text/html, application/json", False),
        ("text/html;q=0.5, application/json;q=0.9", True),
        ("application/json;q=0", False),
        ("application/json;q=junk", False),
        (",;,", False),
    ],
)
def test_data_is_for_those_who_rather_have_it(accept: str, is_data: bool) -> None:
    assert prefers_json(accept) is is_data


def test_the_reference_describes_both_forms(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert set(paths["/v/{code}"]["get"]["responses"]["200"]["content"]) == {"application/json", "text/html"}
    assert "application/pdf" in paths["/d/{token}"]["get"]["responses"]["200"]["content"]
    assert paths["/v/{code}"]["get"]["x-roles"] == []


class Seen(HTMLParser):
    """A page as a browser takes it in."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.metas: set[str] = set()
        self.languages: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self._starts: list[str] = []
        self._open: list[str] = []
        self.feed(markup)
        self.text = " ".join("".join(self.words).split())
        self.heading = " ".join("".join(self.headings).split())

    def count(self, tag: str) -> int:
        return self._starts.count(tag)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self._starts.append(tag)
        if tag not in {"meta", "img", "br", "input"}:
            self._open.append(tag)
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in {"src", "href"}:
                self.addresses.append(value)
            if name == "lang":
                self.languages.append((tag, value))
            if tag == "meta" and name == "content":
                self.metas.add(value)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)
        if "h1" in self._open:
            self.headings.append(data)


def seen(answer: httpx.Response) -> Seen:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Seen(answer.text)
