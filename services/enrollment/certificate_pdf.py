"""A certificate as PDF: one A4 page, PDF/A-2a and PDF/UA-1, the same bytes for the same face.

Rendering is CPU work: call `render` in a process pool that spawns. Each thread of each
process keeps one compiler, because Typst refuses one that is in use.
"""

import json
import os
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import typst
import zxingcpp

from services.enrollment.certificate_face import CertificateFace, Signatory, printed, start_of_day

__all__ = [
    "CertificateFace",
    "CertificateNotRendered",
    "Rendered",
    "Signatory",
    "render",
    "render_with_notes",
]

TEMPLATES = Path(__file__).with_name("templates")
# Beside what Typst carries itself (Latin, Greek, Cyrillic, Vietnamese): display capitals,
# Arabic, and Chinese, Japanese, Korean. All under the SIL Open Font License.
FONT_PACKAGES = ("fontpkg_marcellus", "fontpkg_amiri", "noto_cjk_sans_jp_regular")
UNPRINTABLE = "�"
UNFIT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]+")
# What is not Latin-1 nor among the signs that the template and titles use.
FANCY = re.compile("[^\\x20-\\x7e\\xa0-\\xff‘’“”–—•]")
# 10,000: all the letters of all names a process has been asked for, and no attack on its memory.
REMEMBERED = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CertificateNotRendered(RuntimeError):
    """The template, its fonts or its layout are at fault, never one face: retrying does not help."""


class Rendered(msgspec.Struct, frozen=True):
    """`replaced` lists the characters no font has: each is printed as another, or as �."""

    pdf: bytes
    replaced: tuple[str, ...] = ()


def render(face: CertificateFace | Mapping[str, Any]) -> bytes:
    """The PDF of a face, or of its plain form (`msgspec.to_builtins`), for process pools."""
    return render_with_notes(face).pdf


def render_with_notes(face: CertificateFace | Mapping[str, Any]) -> Rendered:
    """As `render`, and which characters had to be replaced. Raises CertificateNotRendered."""
    if not isinstance(face, CertificateFace):
        face = msgspec.convert(face, CertificateFace)
    values = _tidy(printed(face))
    qr = qr_svg(face.verification_url)
    # Dated by the day of issue, so that the bytes never depend on the clock.
    return _engine().render(values, qr, start_of_day(face.issued_on))


def qr_svg(address: str) -> str:
    """The address as a QR code with the 4 modules of quiet zone that readers need."""
    code = zxingcpp.create_barcode(address, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    return str(code.to_svg(add_quiet_zones=True))


class Engine:
    """One Typst compiler with its fonts; for one thread at a time."""

    def __init__(self, templates: Path = TEMPLATES) -> None:
        self.compiler = typst.Compiler(root=templates, font_paths=fonts(), ignore_system_fonts=True)
        self.missing: set[str] = set()
        self.present: set[str] = set()

    def render(self, values: dict[str, Any], qr: str, issued: datetime) -> Rendered:
        """PDF/A and PDF/UA refuse a character that no font has. That is seldom, so only
        after a refusal is each one asked for, and the usual certificate pays nothing.
        """
        try:
            return Rendered(self.compile(source({**values, "qr": qr}), issued))
        except typst.TypstError as error:
            refusal = error
        # Last, should what stands side by side be refused where each part is not: Latin-1 alone.
        for replace in (self.printable, plain_only):
            replaced: set[str] = set()
            printable = _each_text(values, partial(replace, replaced=replaced))
            try:
                return Rendered(
                    self.compile(source({**printable, "qr": qr}), issued), tuple(sorted(replaced))
                )
            except typst.TypstError as error:
                refusal = error
        raise CertificateNotRendered(f"{refusal.message}: correct the template") from refusal

    def printable(self, text: str, replaced: set[str]) -> str:
        parts = []
        for letter in letters(text):
            part = letter
            if self.is_missing(letter):
                missing = set(filter(self.is_missing, letter))
                part = "".join(self.substitute(char) if char in missing else char for char in letter)
                if self.is_missing(part):
                    # A font has the letter and one has its marks, but none has them together.
                    missing.update(letter[1:])
                    part = part[0]
                replaced |= missing
            parts.append(part)
        return "".join(parts)

    def compile(self, main: bytes, issued: datetime) -> bytes:
        pdf, warnings = self.compiler.compile_with_warnings(
            input=main, format="pdf", pdf_standards=["a-2a", "ua-1"], timestamp=issued
        )
        if warnings:
            raise CertificateNotRendered(f"{warnings[0].message}: correct the template or its fonts")
        assert isinstance(pdf, bytes)
        if b"<xmpTPg:NPages>1</xmpTPg:NPages>" not in pdf:
            raise CertificateNotRendered("more than one page: give the parts of the template fixed heights")
        return pdf

    def is_missing(self, char: str) -> bool:
        """Whether this character, or letter with its marks, cannot be printed; the answer is kept."""
        if char in self.present or char.isascii():
            return False
        if len(self.missing) + len(self.present) > REMEMBERED:
            self.missing.clear()
            self.present.clear()
        if char not in self.missing:
            try:
                self.compile(b'#import "certificate.typ": probe\n#probe(' + literal(char) + b")", EPOCH)
            except typst.TypstError:
                self.missing.add(char)
            else:
                self.present.add(char)
        return char in self.missing

    def substitute(self, char: str) -> str:
        """Its plain form when it has one, as B for a mathematical B."""
        plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not self.is_missing(c))
        return plain or UNPRINTABLE


def letters(text: str) -> list[str]:
    """Each character with the marks and joiners after it."""
    found: list[str] = []
    for char in text:
        if found and unicodedata.category(char) in {"Mn", "Mc", "Me", "Cf"}:
            found[-1] += char
        else:
            found.append(char)
    return found


def plain_only(text: str, replaced: set[str]) -> str:
    replaced.update(FANCY.findall(text))
    return FANCY.sub(UNPRINTABLE, text)


@cache
def fonts() -> typst.Fonts:
    """Typst's own fonts and those of FONT_PACKAGES; never what the machine happens to have."""
    folders: list[Path] = []
    for package in FONT_PACKAGES:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise CertificateNotRendered(f"font package {package!r} is missing: install requirements/run.txt")
        folders.extend(Path(location) for location in spec.submodule_search_locations)
    return typst.Fonts(include_system_fonts=False, font_paths=folders)


_here = threading.local()
_process: list[int] = []


def _engine() -> Engine:
    if not hasattr(_here, "engine"):
        _process.append(os.getpid())
        _here.engine = Engine()
    if os.getpid() != _process[0]:
        # Typst's own threads do not survive a fork: compiling would wait for them forever.
        raise CertificateNotRendered("forked after a first rendering: start the pool by spawn or forkserver")
    engine: Engine = _here.engine
    return engine


def source(values: dict[str, Any]) -> bytes:
    """The main file: the values as one literal.

    `sys.inputs` would do, but a change there makes Typst forget all that it has laid out:
    48 ms a certificate against 19, when measured.
    """
    return (
        b'#import "certificate.typ": certificate\n#certificate(json(bytes('
        + literal(json.dumps(values))
        + b")))"
    )


def literal(text: str) -> bytes:
    """Text as a Typst string, of which every character stands for itself."""
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def _tidy(values: dict[str, Any]) -> Any:
    # A line separator or half a surrogate pair has no place on one line of text.
    return _each_text(values, lambda text: UNFIT.sub(" ", text))


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(part, change) for part in value]
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
