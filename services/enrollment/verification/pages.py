"""Pages for people without an account: what a certificate's code or a mail's link leads to. Data in, HTML out.

To add one: a row in NOTICES. Each page carries its style and its emblem, loads nothing and runs no script.
"""

import base64
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field

from services.enrollment.certificates.face import EMBLEM
from services.enrollment.completions.documents import Completion
from services.enrollment.completions.recalculation import effective_training
from shared.contracts.employee_number import mask
from shared.contracts.payload import Jp
from shared.contracts.vocabulary import Bilingual
from shared.identity.links import DOWNLOAD_DAYS
from shared.tall_text import tall
from shared.wording import written_number

TEMPLATES: Final = Path(__file__).with_name("templates")
REFRESH_S: Final = 5
"""When a page whose PDF is being made asks again."""

_STYLE: Final = (TEMPLATES / "pages" / "style.css").read_text(encoding="utf-8")
POLICY: Final = (
    "default-src 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy that these pages need."""


class Status(StrEnum):
    VALID = "valid"
    REPLACED = "replaced"
    REVOKED = "revoked"


class Verification(BaseModel):
    """All that anybody with the code may know."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    number: str
    """Certificate number."""
    holder_number: str = Field(examples=["1985******1001"])
    """NIP or NI PPPK, masked."""
    holder_name: str | None
    """As printed; null when it is withheld, as after an erasure."""
    title: str
    """The training."""
    organizer: str
    """The body that held it and issued the certificate: who asks about it asks there."""
    jp: Jp
    """Learning hours as printed; 1 JP = 45 min."""
    status: Status
    """`replaced`: the code is of an earlier revision; number, name, training, JP and sha256 are the current one's."""
    sha256: str | None
    """Of the PDF, in hexadecimal; null until it is made."""


def verification_of(completion: Completion, code: str) -> Verification | None:
    """What a code says of its completion; None when the code is none of its certificate's."""
    certificate = completion.certificate
    if certificate is None or code not in (certificate.code, *certificate.earlier_codes):
        return None
    facts = effective_training(completion)
    status = Status.VALID if code == certificate.code else Status.REPLACED
    return Verification(
        number=certificate.number,
        holder_number=mask(certificate.holder_number),
        holder_name=certificate.holder_name.strip() or None,
        title=facts.title,
        organizer=facts.organizer_name,
        jp=certificate.jp,
        status=Status.REVOKED if certificate.revoked else status,
        sha256=certificate.sha256,
    )


class Subject(StrEnum):
    """What a notice is about."""

    UNKNOWN_CODE = "unknown-code"
    LINK_EXPIRED = "link-expired"
    LINK_UNKNOWN = "link-unknown"
    BEING_PREPARED = "being-prepared"
    HELD = "held"
    REVOKED = "revoked"


class Banner(NamedTuple):
    tone: Literal["genuine", "replaced", "revoked", "unknown", "waiting"]
    """Colour and icon; the heading says the same in words."""
    heading: Bilingual
    explanation: Bilingual


class Notice(NamedTuple):
    banner: Banner
    steps: tuple[Bilingual, ...] = ()


@cache
def form_page() -> str:
    """At /v: a field for the code, so that it need not stand in a link."""
    return _render("form", title="Periksa sertifikat", form_action="v")


def verification_page(shown: Verification, *, is_held: bool = False) -> str:
    """`is_held`: no PDF of it can be made by now."""
    banner = BANNERS[shown.status]
    return _render(
        "verification",
        title=banner.heading.id,
        banner=banner,
        shown=shown,
        jp=written_number(shown.jp).id,
        is_current=shown.status is Status.VALID,
        is_revoked=shown.status is Status.REVOKED,
        is_held=is_held,
    )


@lru_cache(maxsize=64)  # an address may have any depth
def notice_page(subject: Subject, form_action: str | None = None) -> str:
    """`form_action`: the address of /v, relative to the page, to show its form below."""
    notice = NOTICES[subject]
    return _render(
        "notice",
        title=notice.banner.heading.id,
        banner=notice.banner,
        steps=notice.steps,
        form_action=form_action,
        refresh_s=REFRESH_S if subject is Subject.BEING_PREPARED else None,
    )


def _render(page: str, **values: object) -> str:
    return _environment().get_template(f"{page}.html.j2").render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tall"] = lambda text: tall(text, Markup('class="tall"'))
    emblem = base64.b64encode(EMBLEM.read_bytes()).decode()
    environment.globals["emblem"] = f"data:image/svg+xml;base64,{emblem}"
    environment.globals["style"] = Markup(_STYLE)  # noqa: S704  our own file; its hash is in POLICY
    return environment


BANNERS: Final[Mapping[Status, Banner]] = {
    Status.VALID: Banner(
        "genuine",
        Bilingual("Sertifikat ini asli dan berlaku", "This certificate is genuine and valid"),
        Bilingual(
            "Cocokkan data di bawah ini dengan sertifikat yang Anda pegang.",
            "Compare the data below with the certificate that you hold.",
        ),
    ),
    Status.REPLACED: Banner(
        "replaced",
        Bilingual(
            "Sertifikat ini asli, tetapi sudah diganti",
            "This certificate is genuine, but it has been replaced",
        ),
        Bilingual(
            "Kode ini milik revisi lama. Sertifikat ini kemudian diterbitkan ulang, dan yang berlaku adalah revisi "
            "terbaru; datanya ada di bawah ini. Mintalah revisi terbaru dari pemegangnya.",
            "This code is of an earlier revision. The certificate was issued anew since, and the latest revision is "
            "the valid one; its data are below. Ask the holder for it.",
        ),
    ),
    Status.REVOKED: Banner(
        "revoked",
        Bilingual("Sertifikat ini telah dicabut", "This certificate has been revoked"),
        Bilingual(
            "Sertifikat ini pernah terbit, tetapi tidak berlaku lagi. Jangan menerimanya sebagai bukti; "
            "keterangan dapat diminta kepada lembaga penerbitnya, yang tertera di bawah ini.",
            "It was issued, but it is no longer valid. Do not accept it as proof; the body that issued it, named "
            "below, can tell more.",
        ),
    ),
}

NOTICES: Final[Mapping[Subject, Notice]] = {
    Subject.UNKNOWN_CODE: Notice(
        Banner(
            "unknown",
            Bilingual("Kode ini tidak dikenal", "This code is not known"),
            Bilingual(
                "Tidak ada sertifikat dengan kode ini. Itu belum berarti sertifikatnya palsu: periksa dahulu "
                "hal-hal berikut.",
                "No certificate has this code. That alone does not make the certificate false: check the "
                "following first.",
            ),
        ),
        (
            Bilingual(
                "Kode terdiri atas 26 karakter: huruf a–z dan angka 2–7. Huruf besar dan kecil sama saja.",
                "A code has 26 characters: letters a–z and digits 2–7. Capitals make no difference.",
            ),
            Bilingual(
                "Tidak ada angka 0, 1, 8, atau 9. Yang mirip itu huruf, misalnya O, I, L, B, atau G.",
                "There is no 0, 1, 8 or 9. What looks like one is a letter, such as O, I, L, B or G.",
            ),
            Bilingual(
                "Paling mudah: pindai lagi kode QR pada sertifikat.",
                "The easiest way: scan the QR code on the certificate again.",
            ),
            Bilingual(
                "Jika kodenya sudah benar, jangan terima sertifikat itu sebelum bertanya kepada lembaga "
                "penerbitnya.",
                "If the code is right, ask the body that is named as issuer before you accept the "
                "certificate.",
            ),
        ),
    ),
    Subject.LINK_EXPIRED: Notice(
        Banner(
            "waiting",
            Bilingual("Tautan ini sudah tidak berlaku", "This link has expired"),
            Bilingual(
                f"Tautan unduhan dalam surel berlaku {DOWNLOAD_DAYS} hari, dan hanya selama alamat surel Anda tetap "
                "sama. Sertifikatnya sendiri tetap ada.",
                f"A download link in a mail works for {DOWNLOAD_DAYS} days, and only as long as your mail address stays "
                "the same. The certificate is still there.",
            ),
        ),
        (
            Bilingual(
                "Unduhlah sertifikat dari catatan pelatihan Anda, di portal instansi Anda.",
                "Download the certificate from your training record, in your agency's portal.",
            ),
            Bilingual(
                "Atau mintalah berkasnya kepada pengelola pelatihan di instansi Anda.",
                "Or ask your agency's training officer for the file.",
            ),
        ),
    ),
    Subject.LINK_UNKNOWN: Notice(
        Banner(
            "unknown",
            Bilingual("Tautan ini tidak dikenal", "This link is not known"),
            Bilingual(
                "Mungkin tautannya terpotong ketika disalin, atau bukan dari kami.",
                "It may have been cut when it was copied, or it is not ours.",
            ),
        ),
        (
            Bilingual(
                "Buka tautan langsung dari surel, atau salin seluruhnya sampai karakter terakhir.",
                "Open the link from the mail itself, or copy all of it, to the last character.",
            ),
            Bilingual(
                "Jika tetap tidak terbuka, lihat catatan pelatihan Anda di portal instansi Anda, atau hubungi "
                "pengelola pelatihan di instansi Anda.",
                "If it still does not open, look into your training record in your agency's portal, or ask your "
                "agency's training officer.",
            ),
        ),
    ),
    Subject.BEING_PREPARED: Notice(
        Banner(
            "waiting",
            Bilingual("Sertifikat sedang disiapkan", "The certificate is being prepared"),
            Bilingual(
                f"Biasanya selesai dalam beberapa detik. Halaman ini memuat ulang sendiri tiap {REFRESH_S} "
                "detik; Anda tidak perlu berbuat apa-apa.",
                f"This takes a few seconds as a rule. The page reloads itself every {REFRESH_S} seconds; you "
                "need not do anything.",
            ),
        ),
        (
            Bilingual(
                "Jika dalam satu jam belum selesai, hubungi pengelola pelatihan di instansi Anda.",
                "If it is not ready within an hour, tell your agency's training officer.",
            ),
        ),
    ),
    Subject.HELD: Notice(
        Banner(
            "waiting",
            Bilingual(
                "PDF sertifikat ini belum dapat dibuat", "The PDF of this certificate cannot be made yet"
            ),
            Bilingual(
                "Sertifikatnya berlaku, tetapi di dalamnya ada huruf yang belum dapat dicetak. Memuat ulang halaman ini "
                "tidak membantu.",
                "The certificate is valid, but it has a letter that cannot be printed yet. Loading this page again does "
                "not help.",
            ),
        ),
        (
            Bilingual(
                "Jika ada huruf yang keliru, misalnya dalam nama atau judul, mintalah instansi memperbaiki teksnya dan "
                "mengirim ulang data pelatihan ini.",
                "If a letter is wrong, in the name or the title for example, ask the agency to correct the text and to "
                "send this training's data again.",
            ),
            Bilingual(
                "Jika semuanya benar, hubungi pengelola pelatihan di instansi Anda. Begitu huruf itu dapat dicetak, PDF "
                "dibuat tanpa diminta, dan tautan ini membukanya selama masih berlaku.",
                "If all is right, tell your agency's training officer. Once that letter can be printed, the PDF is made "
                "without being asked for, and this link opens it as long as it works.",
            ),
            Bilingual(
                "Keaslian sertifikat dapat diperiksa sekarang juga, dengan alamat verifikasi dalam surel.",
                "That the certificate is genuine can be checked already, at the verification address in the mail.",
            ),
        ),
    ),
    Subject.REVOKED: Notice(
        Banner(
            "revoked",
            Bilingual("Sertifikat ini telah dicabut", "This certificate has been revoked"),
            Bilingual(
                "Karena itu berkasnya tidak dapat diunduh lagi.",
                "So its file can no longer be downloaded.",
            ),
        ),
        (
            Bilingual(
                "Alasannya tertulis dalam surel tentang pencabutan.",
                "The reason is in the mail about the revocation.",
            ),
            Bilingual(
                "Jika menurut Anda ini keliru, hubungi pengelola pelatihan di lembaga penerbitnya: pencabutan "
                "hanya dapat dibatalkan oleh lembaga itu.",
                "If you think that this is a mistake, ask the training officer of the body that issued it: only "
                "that body can lift the revocation.",
            ),
        ),
    ),
}
