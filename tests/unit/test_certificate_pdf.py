"""The certificate as a reader, a phone and a screen reader get it."""

import io
import os
import pickle
import re
import shutil
import subprocess
import unicodedata
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pypdf
import pypdfium2
import pytest
import typst
import zxingcpp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from services.enrollment.certificates import pdf as certificate_pdf
from services.enrollment.certificates.face import period
from services.enrollment.certificates.pdf import (
    EPOCH,
    CertificateFace,
    CertificateNotRendered,
    Engine,
    NotDrawable,
    Signatory,
    literal,
    render,
)
from tests.examples import examples

AWKWARD_TITLE = r"C# & .NET: 5_000*$2 @OPD <b>[x] \ ~ CA•SP"
MINIMAL: dict[str, Any] = {
    "number": "800.1.11.2/0412/BKPSDM/2026",
    "holder_name": "Suharti",
    "employee_number": "190001012015011001",
    "employment_type": "pns",
    "opd": "Dinas Contoh",
    "training_title": "Pelatihan Penulisan Naskah Dinas",
    "form": "Pelatihan teknis",
    "organizer": "Badan Kepegawaian Kota Contoh",
    "start_date": date(2026, 4, 6),
    "end_date": date(2026, 4, 11),
    "completed_on": date(2026, 4, 11),
    "issued_on": date(2026, 4, 13),
    "jp": Decimal("40.0"),
    "verification_url": "https://kompeten.example/verifikasi/7Q2M-K9XD-4TRB",
}
COMPLETE: dict[str, Any] = {
    "golongan": "III/d",
    "pangkat": "Penata Tingkat I",
    "jabatan": "Analis Kebijakan Ahli Muda",
    "batch": "Angkatan III",
    "place": "Kota Contoh",
    "score": Decimal("92.50"),
    "predicate": "Sangat Memuaskan",
    "signatory": Signatory(
        name="Dra. Hj. Siti Contoh, M.Si.", nip="190001011995032001", jabatan="Kepala Badan"
    ),
    "revision": 2,
}


def face(**changes: Any) -> CertificateFace:
    return CertificateFace(**{**MINIMAL, **changes})


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return document[0].get_textpage().get_text_range().replace("\r\n", "\n")


def texts_of(pdf: bytes) -> dict[str, str]:
    """What each reader makes of it; Poppler's is asked where it is installed."""
    texts = {"pdfium": text_of(pdf), "pypdf": pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text()}
    if poppler := shutil.which("pdftotext"):
        run = subprocess.run([poppler, "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
        texts["poppler"] = run.stdout.decode()
    return texts


def unwrapped(pdf: bytes) -> str:
    """The text without line breaks, where long values wrap."""
    return re.sub(r"\s+", " ", text_of(pdf))


def pages_of(pdf: bytes) -> int:
    return len(pypdfium2.PdfDocument(pdf))


# A certificate is checked by its QR code.


@pytest.mark.parametrize(
    "address",
    [
        MINIMAL["verification_url"],
        "https://kompeten.example/verifikasi/" + "A1b2-" * 20 + "?asal=qr&bahasa=id#atas",
    ],
)
def test_the_code_leads_to_the_printed_address(address: str) -> None:
    pdf = render(face(**{**COMPLETE, "verification_url": address}))
    image = pypdfium2.PdfDocument(pdf)[0].render(scale=4).to_pil()
    assert [code.text for code in zxingcpp.read_barcodes(image)] == [address]
    assert address in text_of(pdf).replace("\n", "")


def test_the_code_has_four_modules_of_quiet_zone() -> None:
    svg = certificate_pdf.qr_svg(MINIMAL["verification_url"])
    width = int(re.findall(r'<svg width="(\d+)"', svg)[0])
    corners = [tuple(map(int, corner)) for corner in re.findall(r"M(\d+) (\d+)h7v1", svg)]
    assert min(corners) == (4, 4)
    assert max(x for x, _ in corners) + 7 == width - 4


# What is written is what was given.


@pytest.mark.parametrize("title", [AWKWARD_TITLE, '"Kutip" \\" #panic() $x$ `kode` //x /*y*/ \\u{41} {{z}}'])
def test_a_title_is_verbatim(title: str) -> None:
    for reader, text in texts_of(render(face(training_title=title))).items():
        assert title in text, reader


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "Suharti",
        "Dr. H. Ma'ruf, S.Kom.",
        "Ma’ruf",
        "Affifah Fitri",
        "Thufail Thariq Fikri Ffion",
        "Zoë Ångström-Muñoz ß ø ł ğ ş č ž đ Đ ı İ",
        "Nguyễn Thị Hồng Hạnh",
        "Đặng Quỳnh Anh Vũ Đỗ Ước",
        "Ђорђе Иванов Щербаков",
        "Ωμέγα Παπαδόπουλος",
        "山田太郎",
        "王小明 李雷",
        "김철수",
        "O'Neil–d’Arc",
        "Siti" + "Nurhaliza" * 4,
    ],
)
def test_a_name_is_letter_for_letter(name: str) -> None:
    for reader, text in texts_of(render(face(holder_name=name))).items():
        assert name in text, reader
        assert MINIMAL["number"] in text, reader


def test_an_arabic_name_has_all_its_letters() -> None:
    # Readers give right-to-left text in either order, and joined forms as their letters.
    letters = unicodedata.normalize("NFKC", text_of(render(face(holder_name="شريف عبد الرحمن"))))
    assert {letter for letter in letters if "\u0600" <= letter <= "\u06ff"} == set("شريفعبدالرحمن")


TITLES = {
    "Sundanese": "ᮕᮨᮜᮒᮤᮠᮔ᮪ ᮘᮞ ᮞᮥᮔ᮪ᮓ ᮊᮨᮕᮙᮤᮙ᮪ᮕᮤᮔᮔ᮪ ᮕᮢᮎ ᮊᮧᮒ ᮘᮔ᮪ᮓᮥᮀ",
    "Javanese": "ꦥꦼꦭꦠꦶꦲꦤ꧀ꦧꦱꦗꦮ ꦲꦏ꧀ꦱꦫ ꦏꦽꦠꦤꦒꦫ ꦥꦿꦗꦗꦸꦫꦶꦠ꧀ ꦔꦪꦺꦴꦒꦾꦏꦂꦠ",
    "Balinese": "ᬧᭂᬮᬢᬶᬳᬦ᭄ᬩᬲᬩᬮᬶ ᬅᬓ᭄ᬱᬭ ᬧ᭄ᬭᬚ ᬓᬺᬢᬶ ᬓᭀᬧᬶ",
    "Batak": "ᯇᯞᯖᯪᯂᯉ᯲ ᯅᯖᯂ᯲",
    "Buginese": "ᨒᨚᨈᨑ ᨅᨔ ᨕᨘᨁᨗ",
    "Rejang": "ꤷꥍꤺꥋ ꥆꤰ",
    "Latin and Sundanese": "Pelatihan ᮘᮞ ᮞᮥᮔ᮪ᮓ (Basa Sunda)",
    "emoji": "Pelatihan 🎉 Kader ❤️ 👍🏽 👩\u200d💻 🇮🇩",
}


@pytest.mark.slow
@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES)
def test_a_title_in_a_script_of_the_region_is_printed_and_read_again_letter_for_letter(title: str) -> None:
    pdf = render(face(training_title=title))
    assert pages_of(pdf) == 1
    texts = texts_of(pdf)
    del texts["pypdf"]  # it reads glyph by glyph, and knows nothing of a syllable's text
    for reader, text in texts.items():
        # Readers guess blanks by distances, which they do badly beside marks.
        assert without_blanks(title) in without_blanks(text), reader
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert reader.metadata is not None
    assert reader.metadata.subject == title


def without_blanks(text: str) -> str:
    return re.sub(r"[\s\u200d\ufe0f]", "", text)


def test_everything_given_is_printed() -> None:
    text = unwrapped(render(face(**COMPLETE)))
    for value in (
        "SERTIFIKAT",
        "Nomor: 800.1.11.2/0412/BKPSDM/2026 · Revisi 2",
        "NIP 190001012015011001 · PNS · Penata Tingkat I, III/d",
        "Analis Kebijakan Ahli Muda · Dinas Contoh",
        "BADAN KEPEGAWAIAN KOTA CONTOH",
        "Pelatihan teknis · Angkatan III · Kota Contoh",
        "6–11 April 2026",
        "40 JP",
        "Sangat Memuaskan (92,5)",
        "Kepala Badan",
        "Dra. Hj. Siti Contoh, M.Si.",
        "NIP 190001011995032001",
        "tanpa tanda tangan digital",
    ):
        assert value in text


def test_nothing_is_printed_for_what_is_absent() -> None:
    text = unwrapped(render(face(employment_type="pppk")))
    assert "NI PPPK 190001012015011001 · PPPK Dinas Contoh telah" in text
    assert not re.search(r"None|none|null|Revisi|Predikat|Nilai|NIP", text)


def test_completion_and_issue_keep_their_own_dates() -> None:
    text = unwrapped(
        render(
            face(
                start_date=date(2025, 12, 15),
                end_date=date(2025, 12, 20),
                completed_on=date(2025, 12, 20),
                issued_on=date(2026, 1, 10),
            )
        )
    )
    assert re.search(r"Diselesaikan · Completed .*?20 Desember 2025", text)
    assert "Diterbitkan pada 10 Januari 2026" in text
    assert "15–20 Desember 2025" in text


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (date(2026, 4, 11), date(2026, 4, 11), "11 April 2026"),
        (date(2026, 4, 6), date(2026, 4, 11), "6–11 April 2026"),
        (date(2026, 7, 30), date(2026, 8, 1), "30 Juli – 1 Agustus 2026"),
        (date(2025, 12, 29), date(2026, 1, 3), "29 Desember 2025 – 3 Januari 2026"),
    ],
)
def test_a_period_says_once_what_its_dates_share(start: date, end: date, words: str) -> None:
    assert period(start, end) == words


# One page, whatever is written on it.


@pytest.mark.parametrize(
    "changes",
    [
        {"training_title": "Pelatihan Kepemimpinan " * 13},
        {"training_title": "X" * 300},
        {"holder_name": "Raden Mas Haryo " * 12},
        {"holder_name": "W" * 200},
        {"holder_name": "山" * 200},
        {"organizer": "Badan " * 33, "jabatan": "J" * 200, "opd": "O" * 200, "batch": "B" * 200},
        {"predicate": "P" * 200, "signatory": Signatory(name="N" * 200, nip="1" * 18, jabatan="J" * 300)},
        {"number": "9" * 200, "form": "F" * 200, "place": "L" * 200},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_long_values_shrink_onto_one_page_inside_the_frame(changes: dict[str, Any]) -> None:
    pdf = render(face(**{**COMPLETE, **changes}))
    assert pages_of(pdf) == 1
    for value in changes.values():
        if isinstance(value, str):
            assert re.sub(r"\s", "", value).upper() in re.sub(r"\s", "", text_of(pdf)).upper()
    page = pypdfium2.PdfDocument(pdf)[0]
    text = page.get_textpage()
    boxes = [text.get_charbox(index) for index in range(text.count_chars())]
    edge = 17.9 * 72 / 25.4  # the innermost line of the frame
    assert min(left for left, *_ in boxes if left) > edge
    assert max(right for _, _, right, _ in boxes) < page.get_width() - edge


@pytest.mark.parametrize("title", ["Pelatihan Kepemimpinan " * 13, "X" * 300])
def test_a_long_title_leaves_its_neighbours_room(title: str) -> None:
    page = pypdfium2.PdfDocument(render(face(training_title=title)))[0].get_textpage()
    text = page.get_text_range()
    first, last = text.index(title[:20]), text.index("Pelatihan teknis") - 3
    above = page.get_charbox(text.index("telah menyelesaikan"))[1]
    below = page.get_charbox(text.index("Pelatihan teknis"))[3]
    boxes = [page.get_charbox(index) for index in range(first, last) if not text[index].isspace()]
    assert below < min(bottom for _, bottom, _, _ in boxes)
    assert max(top for *_, top in boxes) < above


STACKED = {
    "Javanese and Latin": "ꦱꦸꦫꦗꦶꦪꦤ꧀ꦠꦺꦴ, S.Kom.",
    "Javanese": "ꦏꦁꦗꦼꦁ ꦫꦢꦺꦤ꧀ ꦠꦺꦴ ꦤꦶꦁꦫꦠ꧀",
    "Javanese wrapped": "ꦏꦁꦗꦼꦁ ꦫꦢꦺꦤ꧀ ꦠꦺꦴ ꦤꦶꦁꦫꦠ꧀ " * 5,
    "Balinese": "ᬦᬶ ᬮᬸᬄ",
    "Rejang wrapped": "ꤷꥍꤺꥋ ꥆꤰ " * 20,
    "Arabic with vowels": "شَرِيفٌ عَبْدُ",
}


@pytest.mark.slow
@pytest.mark.parametrize("field", ["organizer", "holder_name", "training_title", "signatory"])
@pytest.mark.parametrize("value", STACKED.values(), ids=STACKED)
def test_letters_and_marks_one_above_the_other_touch_no_neighbour(field: str, value: str) -> None:
    """A Javanese name was struck through by the line below it, on one line too."""
    without, whole = picture(field, " "), picture(field, value)
    left, top, right, bottom = ImageChops.difference(without, whole).getbbox() or (0, 0, 0, 0)
    assert right > left
    air = round(0.5 / 25.4 * 72 * SCALE)  # half a millimetre
    behind = without.crop((left, top - air, right, bottom + air))
    assert behind.getextrema()[0] > 200  # nothing but the paper and its pale ornament


SCALE = 3


def picture(field: str, value: str) -> Image.Image:
    signed = {"signatory": Signatory(name=value, nip="1" * 18, jabatan="Kepala Badan")}
    changes = signed if field == "signatory" else {field: value}
    page = pypdfium2.PdfDocument(render(face(**{**COMPLETE, **changes})))[0]
    return page.render(scale=SCALE).to_pil().convert("L")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("#let certificate(face) = { [x]; pagebreak(); [x] }", "more than one page"),
        ('#let certificate(face) = text(font: "Nonesuch")[x]', "unknown font family"),
        ("#let certificate(face) = face.nonesuch", "correct the template"),
    ],
)
def test_a_faulty_template_is_refused(template: str, reason: str, tmp_path: Path) -> None:
    dated = "= { set document(title: [x], date: datetime(year: 2026, month: 1, day: 1)); "
    (tmp_path / "certificate.typ").write_text(template.replace("= ", dated, 1) + "}")
    with pytest.raises(CertificateNotRendered, match=reason):
        Engine(tmp_path).render({"holder_name": "Suharti"}, "", EPOCH)


# What no font draws is never printed as something else: the PDF waits.


UNDRAWN = [
    ("training_title", "Aksara ᜊᜌ᜔ᜊᜌᜒᜈ᜔", "U+170A (TAGALOG LETTER BA)"),
    ("holder_name", "Budi \U000f0000 Santoso", "U+F0000 (no name)"),
    ("holder_name", "ꟲahyo", "U+A7F2 (MODIFIER LETTER CAPITAL C)"),  # not as Cahyo, which is another name
    ("organizer", "Balai 𑄇", "U+11107 (CHAKMA LETTER KAA)"),
    ("place", "Aula 𞤀", "U+1E900 (ADLAM CAPITAL LETTER ALIF)"),
]


@pytest.mark.parametrize(("field", "text", "named"), UNDRAWN)
def test_a_character_in_no_font_is_named_and_nothing_is_printed_in_its_place(
    field: str, text: str, named: str
) -> None:
    with pytest.raises(NotDrawable) as refused:
        render(face(**{field: text}))
    assert named in str(refused.value)
    assert not re.search(r"Budi|Santoso|ahyo", str(refused.value))
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # from a rendering process


def test_letters_at_which_the_shaper_panics_hold_their_certificate_alone() -> None:
    """A panic is no Exception and ended what was in hand; the next certificate is drawn by the same process."""
    for field in ("training_title", "holder_name"):
        with pytest.raises(NotDrawable, match="BENGALI"):
            render(face(**{field: ("ক্ষ্" * 75)[:300]}))
        assert pages_of(render(face())) == 1


def test_many_characters_are_named_in_part() -> None:
    with pytest.raises(NotDrawable, match=r"and 4 more$"):
        render(face(training_title="".join(chr(0x1700 + n) for n in range(12))))


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u200d", "\u2060", "\u00ad", "\u200e", "\ufe0f"])
def test_what_has_no_shape_needs_no_font(mark: str) -> None:
    assert pages_of(render(face(training_title=f"Pela{mark}tihan"))) == 1


@given(name=st.text(st.characters(exclude_categories=["Cc"]), min_size=1, max_size=200))
# Marks and joiners that no font has side by side, though it has each.
@example(name="؉̍ؓ̾ؗڞڶ̽̉ؓͯڄ̫ۈ͎̹ۡزڻق͚")
@settings(max_examples=examples(60), deadline=None)
def test_each_name_is_drawn_or_says_why_not(name: str) -> None:
    refused: tuple[str, ...] = ()
    try:
        assert pages_of(render(face(holder_name=name))) == 1
    except NotDrawable as error:
        refused = error.characters or ("none",)
    assert set(refused) <= set(name)


@given(value=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=examples(200), deadline=None)
def test_a_literal_is_never_evaluated(value: str) -> None:
    compiler = typst.Compiler(input=b"", ignore_system_fonts=True)
    escaped = compiler.eval(literal(value).decode())
    assert msgspec.json.decode(escaped) == value


# A document for decades, and for a screen reader.


def test_it_claims_pdf_a_2a_and_pdf_ua_1_and_is_tagged() -> None:
    reader = pypdf.PdfReader(io.BytesIO(render(face(**COMPLETE))))
    catalog = reader.trailer["/Root"]
    xmp = catalog["/Metadata"].get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in xmp
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
    assert catalog["/MarkInfo"]["/Marked"] == pypdf.generic.BooleanObject(True)
    assert catalog["/Lang"] == "id-ID"
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None
    assert reader.metadata.title == "Sertifikat 800.1.11.2/0412/BKPSDM/2026 – Suharti"
    assert reader.metadata.author == "Badan Kepegawaian Kota Contoh"


def test_pictures_have_words() -> None:
    reader = pypdf.PdfReader(io.BytesIO(render(face())))
    words = [str(item["/Alt"]) for item in resolved(reader) if "/Alt" in item]
    assert f"Kode QR berisi alamat verifikasi {MINIMAL['verification_url']}" in words
    assert "Lambang Badan Kepegawaian Kota Contoh" in words


def test_every_font_is_embedded() -> None:
    reader = pypdf.PdfReader(io.BytesIO(render(face(holder_name="Dra. Ωμέγα 山田 شريف"))))
    descriptors = [item for item in resolved(reader) if item.get("/Type") == "/FontDescriptor"]
    assert len(descriptors) >= 5
    assert all({"/FontFile", "/FontFile2", "/FontFile3"} & set(item) for item in descriptors)
    fonts = [item for item in resolved(reader) if item.get("/Subtype") in ("/Type1", "/TrueType", "/Type3")]
    assert fonts == []


def resolved(reader: pypdf.PdfReader) -> list[pypdf.generic.DictionaryObject]:
    objects = (reader.get_object(number) for number in range(1, int(str(reader.trailer["/Size"]))))
    return [item for item in objects if isinstance(item, pypdf.generic.DictionaryObject)]


def test_it_is_dated_by_the_first_instant_of_the_wib_day_of_issue() -> None:
    reader = pypdf.PdfReader(io.BytesIO(render(face(issued_on=date(2026, 1, 1)))))
    assert reader.metadata is not None
    assert reader.metadata["/CreationDate"] == "D:20251231170000Z"


# The same bytes, wherever they are made.


def test_same_face_same_bytes_in_this_and_another_process() -> None:
    one = face(**COMPLETE)
    first = render(one)
    with pytest.raises(NotDrawable):
        render(face(holder_name="Seseorang Lain ᜀ"))
    assert render(one) == first
    assert render(msgspec.to_builtins(one)) == first
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(render, pickle.loads(pickle.dumps(one))).result(timeout=60) == first


@pytest.mark.slow
def test_threads_do_not_share_a_compiler() -> None:
    faces = [face(number=str(index)) for index in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(render, faces)) == [render(one) for one in faces]


def test_different_faces_differ() -> None:
    assert render(face()) != render(face(holder_name="Suharto"))


def test_a_forked_process_refuses_instead_of_hanging() -> None:
    render(face())
    child = get_context("fork").Process(target=exit_by_refusal)
    child.start()
    child.join(timeout=60)
    child.kill()
    assert child.exitcode == REFUSED


REFUSED = 7


def exit_by_refusal() -> None:
    try:
        render(face())
    except CertificateNotRendered:
        os._exit(REFUSED)
