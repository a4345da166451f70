"""A certificate as PDF: one A4 page, PDF/A-2a and PDF/UA-1, the same bytes for the same face.

Rendering is CPU work: call `render` in a process pool that spawns. Each thread of each
process keeps one compiler, because Typst refuses one that is in use.
"""

import hashlib
import json
import os
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import typst
import zxingcpp

from services.enrollment.certificates.face import CertificateFace, Signatory, printed, start_of_day

__all__ = [
    "CertificateFace",
    "CertificateNotRendered",
    "NotDrawable",
    "Signatory",
    "drawing",
    "not_drawn",
    "render",
]

TEMPLATES = Path(__file__).with_name("templates")
# Beside what Typst carries itself (Latin, Greek, Cyrillic, Vietnamese): display capitals,
# Arabic, and Chinese, Japanese, Korean. All under the SIL Open Font License.
FONT_PACKAGES = ("fontpkg_marcellus", "fontpkg_amiri", "noto_cjk_sans_jp_regular")
# Scripts of Indonesia and emoji, which are in no package: templates/fonts/README.md tells whence.
OWN_FONTS = TEMPLATES / "fonts"
UNFIT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]+")
BYTE_ORDER_MARK = "\ufeff"
# What is not Latin-1 nor among the signs that the template and titles use.
FANCY = re.compile("[^\\x20-\\x7e\\xa0-\\xff‘’“”–—•]")
# 10,000: all the letters of all names a process has been asked for, and no attack on its memory.
REMEMBERED = 10_000
MAX_NAMED = 8
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CertificateNotRendered(RuntimeError):
    """The template, its fonts or its layout are at fault, never one face: retrying does not help."""


class CannotCompile(RuntimeError):
    """Typst refused, or panicked; in its words."""


class NotDrawable(RuntimeError):
    """No font has some characters of this face. Another in their place would make it another certificate, so it waits
    for a version that draws them."""

    def __init__(self, characters: tuple[str, ...]) -> None:
        super().__init__(characters)  # what pickle makes it of again
        self.characters = characters

    def __str__(self) -> str:
        return not_drawn(self.characters)


def not_drawn(characters: Sequence[str]) -> str:
    """Each by its number and its name, which begins with its script; a screen may have no font either."""
    named = [f"U+{ord(char):04X} ({unicodedata.name(char, 'no name')})" for char in characters[:MAX_NAMED]]
    more = len(characters) - len(named)
    return f"no font draws {', '.join(named)}" + (f" and {more} more" if more else "")


def render(face: CertificateFace | Mapping[str, Any]) -> bytes:
    """The PDF of a face, or of its plain form (`msgspec.to_builtins`), for process pools.

    Raises NotDrawable or CertificateNotRendered.
    """
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
        self._templates = templates
        self.compiler = self._compiler()
        self.missing: set[str] = set()
        self.present: set[str] = set()

    def _compiler(self) -> typst.Compiler:
        return typst.Compiler(root=self._templates, font_paths=fonts(), ignore_system_fonts=True)

    def render(self, values: dict[str, Any], qr: str, issued: datetime) -> bytes:
        """PDF/A and PDF/UA refuse a character that no font has. That is seldom, so only
        after a refusal is each one asked for, and the usual certificate pays nothing.
        """
        try:
            return self.compile(source({**values, "qr": qr}), issued)
        except CannotCompile as error:
            refusal = error
        if characters := self.not_drawable(values) or self.not_drawable_together(values, qr, issued):
            raise NotDrawable(tuple(sorted(characters))) from refusal
        raise CertificateNotRendered(f"{refusal}: correct the template") from refusal

    def not_drawable(self, values: Mapping[str, Any]) -> set[str]:
        # The template prints the organizer in capitals.
        texts = [*_texts(values), str(values.get("organizer", "")).upper()]
        found: set[str] = set()
        for letter in {letter for text in texts for letter in letters(text)}:
            if self.is_missing(letter):
                # A font may have the letter and one its marks, but none has them together.
                found.update(set(filter(self.is_missing, letter)) or letter[1:])
        return found

    def not_drawable_together(self, values: dict[str, Any], qr: str, issued: datetime) -> set[str]:
        """What stands side by side may be refused where each part is not; if without all of it the face can be drawn, the
        template is not at fault."""
        plain = _each_text(values, lambda text: FANCY.sub("?", text))
        try:
            self.compile(source({**plain, "qr": qr}), issued)
        except CannotCompile:
            return set()
        return {char for text in _texts(values) for char in FANCY.findall(text)}

    def compile(self, main: bytes, issued: datetime) -> bytes:
        try:
            pdf, warnings = self.compiler.compile_with_warnings(
                input=main, format="pdf", pdf_standards=["a-2a", "ua-1"], timestamp=issued
            )
        except typst.TypstError as error:
            raise CannotCompile(error.message) from error
        except BaseException as error:
            # Typst's shaper panics at some sequences of letters (Bengali conjuncts without end); that is no Exception,
            # cannot be sent from process to process, and leaves the compiler with locks that nobody opens.
            if type(error).__name__ != "PanicException":
                raise
            self.compiler = self._compiler()
            raise CannotCompile("Typst ended in a panic") from None
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
            except CannotCompile:
                self.missing.add(char)
            else:
                self.present.add(char)
        return char in self.missing


def letters(text: str) -> list[str]:
    """Each character with the marks and joiners after it."""
    found: list[str] = []
    for char in text:
        if found and unicodedata.category(char) in {"Mn", "Mc", "Me", "Cf"}:
            found[-1] += char
        else:
            found.append(char)
    return found


@cache
def fonts() -> typst.Fonts:
    """Typst's own fonts and those of `folders`; never what the machine happens to have."""
    return typst.Fonts(include_system_fonts=False, font_paths=folders())


@cache
def drawing() -> str:
    """Another one when a version draws otherwise: by its Typst, its fonts or its template."""
    files = {path for folder in (TEMPLATES, *folders()) for path in folder.rglob("*") if path.is_file()}
    sizes = sorted(f"{path.name} {path.stat().st_size}" for path in files if path.suffix != ".pyc")
    return hashlib.sha256("\n".join([version("typst"), *sizes]).encode()).hexdigest()[:16]


def folders() -> list[Path]:
    found = [OWN_FONTS]
    for package in FONT_PACKAGES:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise CertificateNotRendered(f"font package {package!r} is missing: install requirements/run.txt")
        found.extend(Path(location) for location in spec.submodule_search_locations)
    return found


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
    # A line separator or half a surrogate pair has no place on one line of text; a byte order mark has no shape.
    return _each_text(values, lambda text: UNFIT.sub(" ", text.replace(BYTE_ORDER_MARK, "")))


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
