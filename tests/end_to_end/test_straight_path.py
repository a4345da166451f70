"""A training is completed: certificate, PDF, JP, points and one mail follow, and all of them agree."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

import httpx
import pypdfium2
import pytest
import zxingcpp

from shared.identity.identifiers import Ids
from shared.identity.link_keys import LinkKeys
from shared.identity.links import Links
from tests.end_to_end.product import Person, Product, somebody
from tests.factories import completed

pytestmark = pytest.mark.xdist_group("end_to_end")

TITLE = 'R&D <Dasar> "100%"'
PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass(frozen=True)
class Story:
    person: Person
    completion: dict[str, Any]
    """From /me/record."""
    mail: dict[str, Any]
    links: list[str]
    pdf: bytes

    @property
    def certificate(self) -> dict[str, Any]:
        found: dict[str, Any] = self.completion["certificate"]
        return found

    @property
    def download_link(self) -> str:
        return next(link for link in self.links if "/d/" in link)

    @property
    def pdf_path(self) -> str:
        return f"/certificates/{self.certificate['certificate_id']}/pdf"


@pytest.fixture(scope="module")
def story(product: Product) -> Story:
    person = somebody("Dr. H. Siti Ma'ruf, M.Si.")
    product.publish(
        person.registration(),
        completed(person.number, title=TITLE, code="RND", batch="2026-1", organizer="LEMBAGA-LURUS"),
    )
    product.settled()
    (completion,) = product.record(person)["completions"]
    (mail,) = product.mails_for(person.email)
    links = re.findall(r"https?://\S+", mail["Text"])
    pdf = httpx.get(next(link for link in links if "/d/" in link), timeout=60)
    assert pdf.status_code == 200
    return Story(person, completion, mail, links, pdf.content)


def test_the_certificate_has_the_bodys_next_number(story: Story) -> None:
    assert story.certificate["number"] == "00001/LEMBAGA-LURUS/2026"
    assert story.certificate["status"] == "valid"
    assert story.certificate["pdf_ready"]


@pytest.mark.parametrize(
    ("organizer", "number"),
    [("BKPSDM", r"800\.2/\d{4,}/BKPSDM/III/2026"), ("Diskominfo", r"800\.2\.4/\d{4,}/DISKOMINFO/2026")],
)
def test_a_body_with_a_format_of_its_own_numbers_by_it(product: Product, organizer: str, number: str) -> None:
    person = somebody()
    product.publish(person.registration(), completed(person.number, organizer=organizer))
    product.settled()
    (completion,) = product.record(person)["completions"]
    assert re.fullmatch(number, completion["certificate"]["number"])


def test_the_record_shows_jp_and_what_is_still_owed(product: Product, story: Story) -> None:
    record = product.record(story.person)
    assert record["name"] == story.person.name
    assert record["years"] == [{"year": 2026, "jp": 8.0, "duty_jp": 20.0, "still_owed_jp": 12.0}]
    assert (story.completion["title"], story.completion["jp"]) == (TITLE, 8.0)


def test_the_points_say_which_rules_gave_them(product: Product, story: Story) -> None:
    points = product.points(story.person)
    (entry,) = points["entries"]
    assert points["balance"] == entry["points"] == sum(line["points"] for line in entry["lines"]) == 15
    assert (entry["month"], entry["title"]) == ("2026-03", TITLE)


def test_one_mail_says_it_all_in_text_and_html(product: Product, story: Story) -> None:
    assert parseaddr(story.mail["From"]["Address"])[1] == "kompeten@bandung.example"
    assert story.mail["Subject"] == f"Sertifikat Anda telah terbit: {TITLE}"
    for said in (
        story.person.name,
        f"Pelatihan: {TITLE}",
        f"Nomor sertifikat: {story.certificate['number']}",
        "Jam pelajaran: 8 JP",
        "Poin: 15",
        story.certificate["verification_url"],
        story.download_link,
    ):
        assert said in story.mail["Text"]
    html = story.mail["HTML"]
    assert "R&amp;D &lt;Dasar&gt; &#34;100%&#34;" in html
    assert "<Dasar>" not in html
    for said in (story.certificate["number"], "8 JP", *(f'href="{link}"' for link in story.links)):
        assert said in html
    (told,) = product.mail_states(story.person)
    assert (told["state"], told["certificate_number"]) == ("sent", story.certificate["number"])


def test_the_pdf_is_opened_by_the_link_and_by_its_holder(product: Product, story: Story) -> None:
    own = product.employee(story.person).get(story.pdf_path)
    assert (own.status_code, own.headers["content-type"]) == (200, "application/pdf")
    assert own.content == story.pdf
    assert own.headers["etag"] == f'"{hashlib.sha256(story.pdf).hexdigest()}"'
    assert story.person.number not in own.headers["content-disposition"]


def test_the_pdf_is_opened_by_an_officer_of_its_body_and_by_no_one_else(
    product: Product, story: Story
) -> None:
    stranger = somebody()
    product.publish(stranger.registration())
    product.settled()
    callers = {
        "its officer": product.client("officer", opd="lembaga-lurus"),
        "central officer": product.client("officer", opd="*"),
        "officer of no body": product.client("officer"),
        "other officer": product.client("officer", opd="bkpsdm"),
        "other employee": product.employee(stranger),
        "agency": product.client("agency", opd="dinas-contoh"),
        "nobody": product.client(None),
    }
    assert {who: caller.get(story.pdf_path).status_code for who, caller in callers.items()} == {
        "its officer": 200,
        "central officer": 200,
        "officer of no body": 403,
        "other officer": 404,
        "other employee": 404,
        "agency": 403,
        "nobody": 401,
    }


def test_the_qr_code_leads_to_the_page_that_verifies_the_pdf(product: Product, story: Story) -> None:
    page = pypdfium2.PdfDocument(story.pdf)[0]
    (code,) = zxingcpp.read_barcodes(page.render(scale=4).to_pil())
    assert code.text == story.certificate["verification_url"]
    assert code.text.startswith(product.kompeten.urls["enrollment"])
    shown = httpx.get(code.text, headers={"accept": "application/json"}, timeout=60).json()
    assert shown == {
        "number": story.certificate["number"],
        "holder_number": f"{story.person.number[:4]}******{story.person.number[-4:]}",
        "holder_name": story.person.name,
        "title": TITLE,
        "organizer": "Lembaga LEMBAGA-LURUS",
        "jp": 8.0,
        "status": "valid",
        "sha256": hashlib.sha256(story.pdf).hexdigest(),
    }
    html = httpx.get(code.text, headers=PAGE, timeout=60)
    assert html.headers["content-type"].startswith("text/html")
    assert "Sertifikat ini asli dan berlaku" in html.text
    assert story.certificate["number"] in html.text


def test_nothing_public_shows_the_number_or_the_address(story: Story) -> None:
    text = pypdfium2.PdfDocument(story.pdf)[0].get_textpage().get_text_range()
    assert story.person.number in re.sub(r"\s", "", text)  # its holder's own
    for accept in ("application/json", PAGE["accept"]):
        answer = httpx.get(story.certificate["verification_url"], headers={"accept": accept}, timeout=60)
        whole = answer.text + str(answer.headers)
        assert story.person.number not in whole
        assert story.person.email not in whole


def test_gateways_that_fetch_every_link_change_nothing(product: Product, story: Story) -> None:
    assert len(story.links) == 2
    product.settled()
    before = product.contents()
    for link in [*story.links, *re.findall(r'href="(http[^"]+)"', story.mail["HTML"])]:
        for method in ("HEAD", "GET") * 3:
            answer = httpx.request(method, link, headers=PAGE, timeout=60)
            assert answer.status_code == 200, (method, link)
            assert "set-cookie" not in answer.headers
    product.settled()
    assert product.contents() == before
    assert len(product.mails_for(story.person.email)) == 1


def test_an_expired_link_says_how_to_get_the_pdf(product: Product, story: Story) -> None:
    env = product.kompeten.env["enrollment"]
    ids = Ids(env["KOMPETEN_SECRET"])
    links = Links(env["KOMPETEN_PUBLIC_URL"], ids, LinkKeys(ids))
    before = datetime.now(UTC) - timedelta(days=30, minutes=1)
    expired, _ = links.download(story.certificate["certificate_id"], 1, story.person.email, before)
    page = httpx.get(expired, headers=PAGE, timeout=60)
    assert page.status_code == 410
    assert "portal instansi Anda" in page.text
    problem = httpx.get(expired, headers={"accept": "application/json"}, timeout=60)
    assert (problem.status_code, problem.json()["type"]) == (410, "/problems/link-expired")
    assert "Sign in" in problem.json()["detail"]


def test_a_link_that_was_tampered_with_is_none_of_ours(story: Story) -> None:
    at = urlsplit(story.download_link)
    later = re.sub(r"\.(\d{10})\.", lambda found: f".{int(found[1]) + 86400}.", at.path)
    assert later != at.path
    assert httpx.get(at._replace(path=later).geturl(), timeout=60).status_code == 404
