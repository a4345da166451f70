"""What the mails say, as a mail program reads them: parsed from their bytes."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from services.notification.letters.composing import (
    LANGUAGES,
    LETTERS,
    TEMPLATES,
    compose,
    message_id,
    written,
)
from services.notification.letters.documents import ADDRESS_CHANGED, RECORDED, Contact, Letter
from services.notification.letters.mime import address
from services.notification.terms import load_terms
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId

NOW = datetime(2026, 4, 12, 2, 30, tzinfo=UTC)
SENDER = "Kompeten Kota Bandung <kompeten@bandung.go.id>"
NUMBER = "198503122010011001"
TERMS = load_terms("0123456789abcdef" * 4, "https://kompeten.example")
EVERY_KIND = [(template, language) for template in LETTERS for language in LANGUAGES]
ABOUT_CERTIFICATES = [template for template in LETTERS if template not in (ADDRESS_CHANGED, RECORDED)]
EVERY_CERTIFICATE = [kind for kind in EVERY_KIND if kind[0] in ABOUT_CERTIFICATES]


def letter(template: str = "certificate_issued", **changes: Any) -> Letter:
    usual = Letter(
        id="let_0123456789abcdef",
        certificate_id=CertificateId("crt_1"),
        completion_id=CompletionId("cmp_1"),
        employee_id=EmployeeId("emp_1"),
        template=template,
        revision=1,
        state="released",
        reason="",
        due=NOW,
        completion_version=1,
        certificate_number="800.2/0142/BKPSDM/2026",
        title="Keamanan Informasi untuk Aparatur",
        verification_url="https://kompeten.example/v/abcdefghijklmnopqrstuvwxyz",
    )
    if template == "certificate_issued":
        usual = msgspec.structs.replace(
            usual,
            organizer_name="BKPSDM Kota Bandung",
            completed_on="2026-04-11",
            jp=Decimal("12.5"),
            points=45,
            balance=1250,
            level="mahir",
        )
    elif template == RECORDED:
        usual = msgspec.structs.replace(
            usual,
            certificate_id=CertificateId(""),
            certificate_number="",
            verification_url="",
            revision=0,
            organizer_name="Lembaga Administrasi Negara",
            completed_on="2026-04-11",
            jp=Decimal("12.5"),
            jp_by_rate=Decimal("12.5"),
            points=45,
            balance=1250,
            level="mahir",
            why="outside",
            organizer_code="LAN",
        )
    elif template == ADDRESS_CHANGED:
        usual = msgspec.structs.replace(
            usual,
            certificate_id=CertificateId(""),
            completion_id=CompletionId(""),
            certificate_number="",
            title="",
            recipient="rina@example.org",
            new_address="r***@baru.example",
        )
    else:
        usual = msgspec.structs.replace(usual, revocation_reason="Nilai ujian milik peserta lain.")
    return msgspec.structs.replace(usual, **changes)


def contact(
    name: str = "Rina Ma'ruf", email: str | None = "rina@example.org", language: str = "id"
) -> Contact:
    return Contact(
        id=EmployeeId("emp_1"),
        version=1,
        employee_numbers=[NUMBER],
        name=name,
        email=email,
        language=language,
    )


class Page(HTMLParser):
    """What a reader sees, and what the page would load or lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self._hidden = 0
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self._hidden += tag in ("style", "title")
        if tag == "a":
            self.links.append(named["href"] or "")
        self.loads += [tag for name in ("src", "background", "srcset") if name in named]
        self.loads += [tag] if tag in ("img", "script", "link", "iframe", "object") else []

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


class Read:
    """A mail as it comes out of the wire."""

    def __init__(self, sent: EmailMessage) -> None:
        self.raw = sent.as_bytes()
        self.message = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(self.message, EmailMessage)
        self.subject = str(self.message["Subject"])
        self.text = self._part("plain").replace("\r\n", "\n")
        self.html = self._part("html")
        self.page = Page(self.html)
        self.to = self.message["To"].addresses
        # By the older parser: Python 3.11's newer one keeps the blanks between encoded words (RFC 2047, 6.2).
        written_to = str(message_from_bytes(self.raw, policy=policy.compat32)["To"])
        ((name, _),) = getaddresses([re.sub(r"\r\n(?=\s)", "", written_to)])
        self.to_name = str(make_header(decode_header(name)))

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content())


def read(of: Letter | None = None, to: Contact | None = None) -> Read:
    return Read(compose(of or letter(), to or contact(), SENDER, NOW, TERMS))


def links_of(of: Letter, email: str = "rina@example.org") -> tuple[str, str]:
    """Of its page and of its PDF."""
    code = TERMS.ids.verification_code(of.certificate_id, of.revision)
    download, _ = TERMS.links.download(of.certificate_id, of.revision, email, NOW)
    return TERMS.links.verification(code), download


@pytest.mark.parametrize("template", ABOUT_CERTIFICATES)
def test_no_address_of_a_letter_gets_into_its_mail(template: str) -> None:
    """One out of a forged event was mailed: a stranger's, and a script."""
    for url in ("https://stranger.example/v/" + "a" * 26, "javascript:alert(1)"):
        mail = read(letter(template, verification_url=url))
        assert "stranger" not in mail.text + mail.html
        assert "javascript" not in mail.text + mail.html
        assert {links_of(letter(template))[0]} <= set(mail.page.links) <= set(links_of(letter(template)))


# As the mail programs that people use find links in plain text.
LINKED = re.compile(
    r"(?i)\w+:[/\\]|(?:mailto|tel|callto|javascript):[\w+]|\bwww\.\w|\\\\\w|\w@\w|\b\d+\.\d+\.\d+\.\d+[:/]\w"
    r"|\b\w+[.。](?:[a-z]{2,}|xn--\w+)[.]?(?:[/／?#\\]\S|:\d)"
)
ENTICING = [
    "Segera perbarui akun di https://penyerang.example/login sebelum 1 Mei",
    "Masuk lewat WWW.penyerang.example",
    "Lihat penyerang.example/masuk",
    "Buka t.example/x?y=1",
    "Tulis ke admin@penyerang.example atau mailto:admin",
    "Hubungi tel:+6281234567",
    "Buka penyerang.example/#login atau /~u",
    "Buka penyerang.example/~u/login",
    "Buka penyerang.example/%6cogin",
    "Buka penyerang.example/-/login",
    "Buka penyerang.example:8080/login",
    "Buka penyerang.xn--p1ai/login",
    "Buka 203.0.113.7/login",
    "Buka 203.0.113.7:8080",
    "Buka penyerang.example./login",
    "Buka penyerang。example/login",
    "Buka penyerang.example／login",
    r"Buka \\penyerang.example\berkas",
    r"Buka file:\\penyerang.example\x",
    "Hubungi callto:+6281234567",
    "javascript:alert(1)",
]


@pytest.mark.slow
@pytest.mark.parametrize("said", ENTICING)
@pytest.mark.parametrize(("template", "language"), EVERY_KIND)
def test_no_text_of_an_event_becomes_a_link(template: str, language: str, said: str) -> None:
    """Whoever may name a training wrote an address into its title, and our letter carried it."""
    fields = ["title", "organizer_name", "certificate_number"]
    fields += {
        "certificate_revoked": ["revocation_reason"],
        RECORDED: ["external_issuer", "external_certificate", "organizer_code"],
    }.get(template, ["new_address"])
    mail = read(letter(template, **dict.fromkeys(fields, said)), contact(name=said, language=language))
    ours = {*links_of(letter(template)), "kompeten@bandung.go.id"}
    for text in (mail.text, mail.page.text):
        assert said in text.replace("\u200c", ""), "to the eye it is the same"
        for one in ours:
            text = text.replace(one, "")
        assert LINKED.findall(text) == []


@pytest.mark.parametrize("said", ENTICING)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_name_or_reason_of_others_becomes_a_link(language: str, said: str) -> None:
    to = contact(language=language)
    for one in (
        letter(revision=2, reinstated=True, reinstated_reason=said),
        letter("certificate_revoked", revocation_reason=said, revocation_reason_en=said),
        letter(RECORDED, why="claimed", reporter_name=said),
        letter(RECORDED, why="another_issues", issuing_name=said),
    ):
        mail = read(one, to)
        for text in (mail.text, mail.page.text):
            assert said in text.replace("\u200c", "")
            for ours in {*links_of(one), "kompeten@bandung.go.id"}:
                text = text.replace(ours, "")
            assert LINKED.findall(text) == []


def test_names_degrees_and_numbers_are_written_as_they_are() -> None:
    for usual in (
        "Dra. Hj. Rina, S.Sos., M.Si.",
        "Drs. A. Md. Contoh",
        "800.2/0142/BKPSDM/2026",
        "800.1.11.1/1234/2026",
        "Modul 1: Dasar, rasio 1:2",
        "Pukul 08:00-10.30",
        "Pelatihan ASP.NET, Node.js & SIPD.Kota",
        "C# & .NET: 5_000*$2 @OPD <b>[x] \\ ~ CA•SP",
    ):
        assert usual in read(letter(title=usual)).text


def test_a_letter_about_another_revision_or_to_another_address_has_another_link() -> None:
    mails = [read(), read(letter(revision=2)), read(to=contact(email="other@example.org"))]
    links = [{one for one in mail.page.links if "/d/" in one} for mail in mails]
    assert [len(one) for one in links] == [1, 1, 1]
    assert len(set.union(*links)) == 3


def test_every_folder_has_a_row_and_every_row_a_folder() -> None:
    folders = {path.name for path in TEMPLATES.iterdir() if path.is_dir()}
    assert folders == set(LETTERS)


@pytest.mark.parametrize("template", LETTERS)
def test_every_folder_has_three_parts_in_both_languages(template: str) -> None:
    files = {path.name for path in (TEMPLATES / template).iterdir()}
    parts = ("subject", "text", "html")
    assert files == {f"{part}.{language}.j2" for part in parts for language in LANGUAGES}


@pytest.mark.parametrize(("template", "language"), EVERY_CERTIFICATE)
def test_a_name_and_a_title_are_verbatim_in_subject_and_both_parts(template: str, language: str) -> None:
    title, name = 'R&D <Dasar> "100%"', "Dr. H. Ma'ruf, S.Kom., M.Kom."
    mail = read(letter(template, title=title), contact(name, language=language))
    assert mail.subject.endswith(f": {title}")
    assert f" {name}," in mail.text
    assert f": {title}\n" in mail.text
    assert title in mail.page.text
    assert name in mail.page.text
    assert "&amp;" not in mail.subject + mail.text
    assert "&#39;" not in mail.subject + mail.text
    assert "<Dasar>" not in mail.html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("why", "more", "says"),
    [
        ("outside", {}, ("Kirimkan salinan sertifikat", "Please send a copy of the organiser's certificate")),
        (
            "outside",
            {"external_issuer": "LAN", "external_certificate": "00123/LAN"},
            ("LAN nomor 00123/LAN telah dicatat", "LAN, number 00123/LAN, is on record"),
        ),
        (
            "another_issues",
            {"issuing": "bkpsdm"},
            ("Mintalah pengelola pelatihan di bkpsdm", "ask the training officer of bkpsdm"),
        ),
        (
            "another_issues",
            {"issuing": "bkpsdm", "issuing_name": "BKPSDM Kota Bandung"},
            (
                "Mintalah pengelola pelatihan di BKPSDM Kota Bandung",
                "ask the training officer of BKPSDM Kota Bandung",
            ),
        ),
        (
            "another_issues",
            {"issuing": "bkpsdm", "issuing_unused": True},
            (
                "begitu ada laporan bkpsdm tentangnya yang dipakai",
                "once there is a report of bkpsdm about it",
            ),
        ),
        ("claimed", {}, ("beri tahu bagian kepegawaian", "tell your agency's personnel office")),
        ("unconfirmed", {}, ("Anda tidak perlu berbuat apa-apa", "You need not do anything")),
    ],
)
def test_what_is_recorded_without_a_certificate_says_why_and_what_to_do(
    why: str, more: dict[str, Any], says: tuple[str, str], language: str
) -> None:
    mail = read(letter(RECORDED, why=why, **more), contact(language=language))
    said = says[LANGUAGES.index(language)]
    jp = "12,5 JP" if language == "id" else "12.5 JP"
    for text in (" ".join(mail.text.split()), mail.page.text):
        assert said in text
        for fact in (jp, "45", "Lembaga Administrasi Negara", "11 April 2026"):
            assert fact in text
    assert mail.page.links == []


@pytest.mark.parametrize(("template", "language"), EVERY_CERTIFICATE)
def test_both_parts_give_the_same_facts(template: str, language: str) -> None:
    one = letter(template)
    mail = read(one, contact(language=language))
    page, download = links_of(one)
    facts = [one.certificate_number, page]
    if template == "certificate_issued":
        date = "11 April 2026"
        until = "12 Mei 2026 pukul 09.30 WIB" if language == "id" else "12 May 2026 at 09:30 WIB"
        jp, balance = ("12,5 JP", "1.250") if language == "id" else ("12.5 JP", "1,250")
        facts += ["BKPSDM Kota Bandung", date, jp, "45", balance, "Mahir", until]
        assert f"\n{download}\n" in mail.text
        assert download in mail.page.links
    else:
        facts += ["Nilai ujian milik peserta lain."]
    for fact in facts:
        assert fact in mail.text
        assert fact in mail.page.text


@pytest.mark.parametrize(("template", "language"), EVERY_KIND)
def test_a_mail_loads_nothing_and_names_no_employee_number(template: str, language: str) -> None:
    mail = read(letter(template), contact(language=language))
    assert mail.page.loads == []
    assert "url(" not in mail.html
    assert NUMBER not in mail.raw.decode() + mail.text + mail.html
    assert all(link.startswith("https://kompeten.example/") for link in mail.page.links)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_address_before_is_told_of_the_new_one_without_a_link_or_the_address(language: str) -> None:
    """Whoever reads it may be a stranger by now."""
    one = letter(ADDRESS_CHANGED)
    mail = read(one, contact(email="rina.baru@baru.example", language=language))
    assert [to.addr_spec for to in mail.to] == ["rina@example.org"]
    for part in (mail.text, mail.page.text):
        assert "r***@baru.example" in part.replace("\u200c", "")
        assert "rina.baru" not in part
        assert ("pengelola pelatihan" if language == "id" else "training officer") in part
    assert mail.page.links == []
    assert LINKED.findall(mail.text.replace("kompeten@bandung.go.id", "")) == []


def test_indonesian_is_the_default_and_english_the_choice() -> None:
    assert read(to=contact(language="id")).text.startswith("Yth. ")
    assert read(to=contact(language="en")).text.startswith("Dear ")
    assert read(to=contact(language="nl")).text.startswith("Yth. ")
    assert read(to=contact(language="en")).message["Content-Language"] == "en"
    assert '<html lang="en"' in read(to=contact(language="en")).html


def test_a_certificate_issued_anew_says_so() -> None:
    first, again = read(letter(revision=1)), read(letter(revision=2))
    assert "diterbitkan ulang" not in first.subject + first.text + first.html
    for words in (again.subject, again.text, again.page.text):
        assert "diterbitkan ulang" in words
    assert "revisi 2" in again.text, "as the certificate has it"
    assert "issued anew" in read(letter(revision=3), contact(language="en")).subject


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_certificate_that_is_valid_again_is_no_correction(language: str) -> None:
    one = letter(revision=2, reinstated=True, reinstated_reason="Nilainya benar")
    mail = read(one, contact(language=language))
    says = ("berlaku lagi", "perbaikan") if language == "id" else ("valid again", "correction")
    for words in (mail.subject, mail.text, mail.page.text):
        assert says[0] in words
        assert says[1] not in words
    for words in (mail.text, mail.page.text):
        assert ": Nilainya benar. " in words
    unsaid = read(letter(revision=2, reinstated=True), contact(language=language))
    assert "Nilainya" not in unsaid.text
    assert ("Alasannya" if language == "id" else "reason given") not in unsaid.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_revocation_says_what_becomes_of_hours_and_points(language: str) -> None:
    """All were told that they are taken back."""
    says = {
        "kept": ("tetap ada di catatan Anda", "stay in your record"),
        "none": ("sebelumnya pun tidak dihitung", "did not count before either"),
        "taken_back": ("ditarik kembali dari catatan Anda", "were taken back from your record"),
        None: ("ditarik kembali dari catatan Anda", "were taken back from your record"),
    }
    for hours, words in says.items():
        mail = read(letter("certificate_revoked", hours=hours), contact(language=language))
        for part in (mail.text, mail.page.text):
            told = {one[LANGUAGES.index(language)] for one in says.values()}
            assert {one for one in told if one in part} == {words[LANGUAGES.index(language)]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_revocation_names_who_can_lift_it(language: str) -> None:
    mail = read(letter("certificate_revoked", organizer_name="Dinas Contoh"), contact(language=language))
    said = ("pengelola pelatihan di Dinas Contoh", "the training officer of Dinas Contoh")
    alone = ("hanya dapat dibatalkan oleh lembaga", "only the body that issued a certificate can lift")
    for part in (mail.text, mail.page.text):
        assert said[LANGUAGES.index(language)] in part
        assert alone[LANGUAGES.index(language)] in part
    of_before = read(letter("certificate_revoked"), contact(language=language))
    assert ("lembaga penerbitnya" if language == "id" else "the body that issued it") in of_before.text


def test_what_is_lost_without_an_officer_is_told_in_the_reader_s_language() -> None:
    one = letter("certificate_revoked", revocation_reason="Tidak dipakai.", revocation_reason_en="Not used.")
    mails = {language: read(one, contact(language=language)).text for language in LANGUAGES}
    assert "Alasan: Tidak dipakai.\n" in mails["id"]
    assert "Reason: Not used.\n" in mails["en"]
    assert "Tidak dipakai" not in mails["en"]


def test_who_only_claims_the_person_is_named_in_words_that_stay_true() -> None:
    one = letter(RECORDED, why="claimed", reporter="dinas-x", reporter_name="Dinas X")
    assert "dilaporkan oleh Dinas X. Ketika pelatihan ini dicatat, belum dipastikan" in read(one).text
    english = read(one, contact(language="en")).text
    assert "reported by Dinas X. When it was recorded, it had not been confirmed" in english


def test_an_english_mail_gives_the_reason_that_there_is_and_never_guesses() -> None:
    """A contested training was told that a daily limit was reached; so was one without points."""
    about = {"jp": Decimal(0), "jp_by_rate": Decimal(8), "points": 0, "points_by_rule": 0}
    said = letter(jp_reason="a", jp_reason_en="your agency says so", points_reason="b", **about)
    said = msgspec.structs.replace(said, points_reason_en="it does not count")
    mail = read(said, contact(language="en"))
    unsaid = read(letter(jp_reason="a", points_reason="b", **about), contact(language="en"))
    for part in (mail.text, mail.page.text):
        assert "your agency says so" in part
        assert "it does not count" in part
    for part in (unsaid.text, unsaid.page.text):
        assert part.lower().count("your record in your agency's portal says why") == 2
        assert "limit" not in part
    assert "JP\n  Note: your agency says so\nPoints: 0\n  Note: it does not count\n" in mail.text


def test_a_level_is_called_what_the_rules_call_it_in_the_reader_s_language() -> None:
    one = letter(level_en="Advanced")
    assert "(tingkat Mahir)" in read(one).text
    assert "(level Advanced)" in read(one, contact(language="en")).text


@pytest.mark.parametrize(("template", "language"), EVERY_KIND)
def test_no_mail_sends_anybody_to_an_account_that_there_is_not(template: str, language: str) -> None:
    for changes in ({}, {"points": None}):
        mail = read(letter(template, **changes), contact(language=language))
        for part in (mail.text, mail.page.text):
            for nowhere in (
                "akun Kompeten",
                "masuklah ke Kompeten",
                "Kompeten account",
                "sign in to Kompeten",
            ):
                assert nowhere not in part


def test_fewer_jp_and_points_come_with_the_reason() -> None:
    mail = read(letter(jp_reason="20 JP menurut tarif: batas harian", points_reason="batas bulanan"))
    for part in (mail.text, mail.page.text):
        assert "20 JP menurut tarif: batas harian" in part
        assert "batas bulanan" in part
    assert "Catatan" not in read().text


def test_points_that_are_not_settled_are_promised_not_invented() -> None:
    mail = read(letter(points=None, balance=None, level=None))
    for part in (mail.text, mail.page.text):
        assert "masih dihitung" in part
        assert "Saldo" not in part


def test_no_points_are_shown_as_nought() -> None:
    assert "Poin: 0\n" in read(letter(points=0, points_reason="tidak ada tarif")).text


NAMES = [
    "Siti Nur'aini binti Ma'ruf",
    "Dr. H. Ma'ruf, S.Kom., M.Kom.",
    "Prof. Dr. Ir. Hj. Raden Ayu Kusumaningtyas Wijayakusuma, S.T., M.T., Ph.D., IPU., ASEAN Eng.",
    'Budi "Kancil" Santoso, S.E.',
    "Back\\slash, S.H.",
    "Léo Müller-Ångström, M.Sc.",
    "Nguyễn Thị Ánh Tuyết, M.Kom.",
    "عبد الرحمن بن عوف, Lc.",
    "陳美玲, S.Kom.",
    "I Gusti Ngurah Agung Ĝoĉo, S.Pd., M.Pd., M.Pd., M.Pd., M.Pd., M.Pd., M.Pd., M.Pd., M.Pd., M.Pd., M.Pd.",
    "Q =?utf-8?q?=40?= Encoded",
    "D",
    "Éé" * 90,
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_comes_out_as_it_went_in(name: str) -> None:
    mail = read(to=contact(name))
    assert len(mail.to) == 1
    assert mail.to[0].addr_spec == "rina@example.org"
    assert mail.to_name == name
    assert name in mail.text
    assert name in mail.page.text
    assert all(len(line) <= 78 for line in mail.raw.split(b"\r\n")), "RFC 5322, 2.1.1"


TITLES = [
    "Pelatihan " + "Kepemimpinan Pengawas dan Administrator " * 7,
    "Pelatihan " + "é" * 280,
    "A" * 300,
    "Spasi  ganda   di tengah dan é   juga",
    "教育訓練 " * 50,
    "Kode =?utf-8?q?=41?= tetap",
    '100% "R&D" <b>tebal</b> {{ 7 * 7 }} ${x} $NOW',
]


@pytest.mark.parametrize("title", [title.strip() for title in TITLES])
def test_every_title_comes_out_as_it_went_in(title: str) -> None:
    mail = read(letter(title=title))
    assert mail.subject == f"Sertifikat Anda telah terbit: {title}"
    assert f"Pelatihan: {title}\n" in mail.text
    assert " ".join(title.split()) in mail.page.text
    assert all(len(line) <= 78 for line in mail.raw.split(b"\r\n")), "RFC 5322, 2.1.1"


BREAKS = ["\r\n", "\n", "\r", "\x85", "\u2028", "\x0b", "\x00", "\ud800"]


@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
def test_nothing_in_a_name_or_title_becomes_a_header(line_break: str) -> None:
    attack = f"Rina{line_break}Bcc: thief@example.net{line_break}{line_break}Body"
    mail = read(letter(title=attack, certificate_number=attack), contact(attack))
    names = [name.lower() for name in mail.message]
    assert "bcc" not in names
    assert len(names) == len(set(names))
    assert len(mail.to) == 1
    assert b"\nBcc" not in mail.raw


@pytest.mark.parametrize("email", [
    "rina@example.org\r\nBcc: thief@example.net", "rina@example.org, thief@example.net",
    "rina@example.org>\n<thief@example.net", "no address", "@example.org", "rina@", "", None,
])  # fmt: skip
def test_what_is_no_address_is_refused(email: str | None) -> None:
    with pytest.raises(ValueError, match="address"):
        compose(letter(), contact(email=email), SENDER, NOW, TERMS)


def test_a_domain_with_letters_beyond_ascii_goes_out_in_ascii() -> None:
    assert read(to=contact(email="rina@bücher.example")).to[0].addr_spec == "rina@xn--bcher-kva.example"


@pytest.mark.parametrize(("domain", "goes_to"), [
    ("straße.example", "xn--strae-oqa.example"),  # strasse.example is another one's
    ("faß.bücher.example", "xn--fa-hia.xn--bcher-kva.example"),
    ("βόλος.example", "xn--nxasmm1c.example"),
    ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ("xn--strae-oqa.example", "xn--strae-oqa.example"),
    ("STRASSE.example", "STRASSE.example"),
    ("a_b.example", "a_b.example"),
])  # fmt: skip
def test_a_domain_goes_out_as_it_is_registered_and_ascii_as_it_came(domain: str, goes_to: str) -> None:
    assert address("Rina", f"rina@{domain}").domain == goes_to
    assert message_id(letter(), f"Kompeten <kompeten@{domain}>").endswith(f"@{goes_to}>")


def test_no_link_or_allowance_of_one_domain_is_anothers() -> None:
    assert TERMS.ids.address("rina@straße.example") != TERMS.ids.address("rina@strasse.example")
    assert TERMS.ids.address("Rina@Straße.example") == TERMS.ids.address("rina@straße.example")


def test_the_headers_tell_programs_what_they_must_know() -> None:
    mail = read().message
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Date"].datetime == NOW
    assert str(mail["From"]) == SENDER
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_a_letter_sent_again_has_the_same_message_id_and_another_letter_another() -> None:
    first = compose(letter(), contact(), SENDER, NOW, TERMS)
    moved = compose(
        letter(), contact(email="new@example.org"), SENDER, datetime(2026, 5, 1, tzinfo=UTC), TERMS
    )
    other = compose(letter(id="let_other"), contact(), SENDER, NOW, TERMS)
    assert first["Message-ID"] == moved["Message-ID"] == "<let_0123456789abcdef@bandung.go.id>"
    assert other["Message-ID"] != first["Message-ID"]


@pytest.mark.parametrize(("value", "id", "en"), [
    (Decimal("12.50"), "12,5", "12.5"), (Decimal("20"), "20", "20"), (Decimal("20.0"), "20", "20"),
    (Decimal("0"), "0", "0"), (Decimal("1000.5"), "1.000,5", "1,000.5"), (1250000, "1.250.000", "1,250,000"),
    (datetime(2026, 12, 31, 17, 5, tzinfo=UTC), "1 Januari 2027 pukul 00.05 WIB",
     "1 January 2027 at 00:05 WIB"),
])  # fmt: skip
def test_numbers_and_moments_are_written_as_people_do(value: object, id: str, en: str) -> None:
    assert (written(value, "id"), written(value, "en")) == (id, en)


def test_no_line_of_text_runs_into_another() -> None:
    for template in LETTERS:
        for line in read(letter(template)).text.split("\n"):
            assert len(re.findall(r"^\s*[A-Z][\w ]+: ", line)) <= 1
        assert "\n\n\n" not in read(letter(template)).text


@pytest.mark.parametrize(("template", "language"), EVERY_KIND)
def test_on_a_phone_a_number_has_the_whole_width(template: str, language: str) -> None:
    """Beside its label it broke inside the number."""
    html = read(letter(template), contact(language=language)).html
    phone = html.partition("@media (max-width: 480px)")[2].partition("@media")[0]
    assert ".label, .value { display: block !important;" in phone
    assert html.count("line label") == html.count("line value") > 0


@pytest.mark.parametrize(("title", "is_tall"), [("ꦥꦼꦭꦠꦶꦲꦤ꧀ <b>", True), ("ᨕᨘᨁᨗ", True), ("Pelatihan R&D", False)])
def test_lines_of_letters_with_marks_above_and_below_have_room(title: str, is_tall: bool) -> None:
    """Their strokes ran into the next line."""
    mail = read(letter(title=title))
    assert ("line-height:1.9" in mail.html) == is_tall
    assert title in mail.page.words
    assert "<span" not in mail.text + mail.subject
