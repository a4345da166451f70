"""Why a completion has no certificate of ours, stands for nothing, or has fewer hours: each reason for people and for
operators. Pure.

People are told names and dates as in a letter, operators codes and moments as in their commands.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from services.enrollment.agencies.documents import Distrust
from services.enrollment.agencies.trust import Trust
from services.enrollment.bodies.documents import Body
from services.enrollment.bodies.timeline import effective_body
from services.enrollment.completions.documents import Content
from services.enrollment.learning_hours.jp import Capped
from shared.contracts.enrollment import Withheld
from shared.contracts.lists import UNCERTIFIED
from shared.contracts.vocabulary import Bilingual
from shared.wording import WIB, month_named, written_day, written_moment, written_number

NOT_KNOWN_YET: Final = (
    "the employee is not known yet: have the agency's system publish the employee's registration; where it has, that "
    "waits itself while the agency claims more people than its headcount allows, until the operator raises it"
)
_TERCATAT: Final = "Tercatat, tanpa sertifikat dari kami"
Names = Mapping[str, str]
"""Of agencies, by code."""


class Groundless(NamedTuple):
    """Why a content counts for nothing."""

    sender: str
    code: str
    """Of the body."""
    distrust: Distrust | None
    """By which what its sender says does not count; None: it had no say in the first place."""

    @property
    def operators(self) -> str:
        """And what would give it a ground."""
        sender, distrust = self.sender, self.distrust
        if distrust is None:
            return (
                f"{sender} is not this person's agency and does not issue for {self.code}; it stands once the person "
                "is transferred to it, or the register has it as the issuing agency"
            )
        since, until = distrust.since, distrust.until
        if until is None:
            return (
                f"{sender} is distrusted from {_moment(since)} on, and what arrives from then on counts for nothing "
                "until that is taken back"
            )
        return (
            f"{sender} is distrusted from {_moment(since)} to {_moment(until)}, and what arrived then counts for "
            "nothing; it stands once it is sent again after that, or that is taken back"
        )

    def note(self, names: Names) -> str:
        """In Indonesian, for the record: whoever may read that, whosever it is."""
        name = names.get(self.sender, self.sender)
        if self.distrust is None:
            return (
                f"{name} bukan instansi pegawai ini dan tidak menerbitkan untuk {self.code}; berlaku setelah "
                f"pegawainya dipindahkan ke {name}, atau {name} tercatat sebagai penerbit untuk {self.code}"
            )
        arrived = _span(self.distrust).id
        if self.distrust.until is None:
            return (
                f"laporan {name} yang diterima {arrived} tidak dipakai sampai keputusan tentang itu dicabut"
            )
        return (
            f"laporan {name} yang diterima {arrived} tidak dipakai; berlaku bila dikirim lagi sesudahnya, atau "
            "keputusan tentang itu dicabut"
        )

    def told(self, names: Names) -> Bilingual:
        """To the person, of a certificate that it took the ground from, and what brings that back."""
        name = names.get(self.sender, self.sender)
        if self.distrust is None:
            return Bilingual(
                f"{name} tidak tercatat sebagai instansi Anda, dan tidak menerbitkan sertifikat untuk {self.code}. "
                f"Sertifikat ini berlaku lagi bila penerbit untuk {self.code} melaporkan pelatihan ini.",
                f"{name} is not on record as your agency, and does not issue certificates for {self.code}. This "
                f"certificate is valid again once the agency that issues for {self.code} reports this training.",
            )
        arrived, until = _span(self.distrust), self.distrust.until
        again = Bilingual("", "") if until is None else Bilingual(
            f"bila {name} mengirim laporannya lagi, atau ", f"once {name} sends its report again, or "
        )  # fmt: skip
        return Bilingual(
            f"Pengelola Kompeten memutuskan bahwa laporan {name} yang diterima {arrived.id} tidak dipakai. Keputusan itu "
            f"bukan tentang Anda. Sertifikat ini berlaku lagi {again.id}bila keputusan itu dicabut.",
            f"The operator of Kompeten decided that reports of {name} that were received {arrived.en} are not used. That "
            f"decision is not about you. This certificate is valid again {again.en}once that decision is taken back.",
        )


class Uncertified(NamedTuple):
    """Why what counts has no certificate of ours."""

    why: Withheld
    code: str
    """Of the body."""
    issuing: str
    """Code of the agency that issues for it; empty: none, or nobody has said which."""
    lost: Groundless | None = None
    """Why what that agency reported does not count, where it did."""

    @property
    def operators(self) -> str:
        said = _UNCERTIFIED[self.why].en.format(code=self.code, issuing=self.issuing)
        return f"{UNCERTIFIED}: {said}"

    def note(self, names: Names) -> str:
        """In Indonesian, for the record."""
        issuing = names.get(self.issuing, self.issuing)
        said = _UNCERTIFIED[self.why].id.format(code=self.code, issuing=issuing)
        return f"{_TERCATAT}: {said}."

    def told(self, names: Names) -> Bilingual:
        """To the person, of a certificate that there was."""
        if self.lost is not None:
            return self.lost.told(names)
        issuing = names.get(self.issuing, self.issuing)
        id, en = _WITHDRAWN[self.why]
        return Bilingual(
            id.format(code=self.code, issuing=issuing), en.format(code=self.code, issuing=issuing)
        )


_UNCERTIFIED: Final[dict[Withheld, Bilingual]] = {
    "claimed": Bilingual(
        "belum dipastikan bahwa pelapornya instansi pegawai ini",
        "its reporter claims the person, and nobody has confirmed that it is the person's agency",
    ),
    "outside": Bilingual("{code} bukan lembaga kota", "{code} is no body of the city"),
    "another_issues": Bilingual(
        "hanya {issuing} yang menerbitkan untuk {code}", "only {issuing} issues for {code}"
    ),
    "unconfirmed": Bilingual(
        "belum dipastikan siapa yang menerbitkan untuk {code}", "nobody has confirmed who issues for {code}"
    ),
}
_WITHDRAWN: Final[dict[Withheld, Bilingual]] = {
    "claimed": Bilingual(
        "Belum dipastikan bahwa yang melaporkan pelatihan ini instansi Anda.",
        "Nobody has confirmed that who reported this training is your agency.",
    ),
    "outside": Bilingual(
        "Kami tidak menerbitkan sertifikat untuk {code}, karena bukan lembaga kota.",
        "We issue no certificate for {code}, which is no body of the city.",
    ),
    "another_issues": Bilingual(
        "Yang menerbitkan sertifikat untuk {code} hanya {issuing}, dan tidak ada laporan {issuing} tentang pelatihan "
        "ini yang berlaku.",
        "Only {issuing} issues certificates for {code}, and there is no report of {issuing} about this training that "
        "counts.",
    ),
    "unconfirmed": Bilingual(
        "Belum dipastikan siapa yang menerbitkan sertifikat untuk {code}.",
        "Nobody has confirmed who issues certificates for {code}.",
    ),
}


def uncertified(organizer: str, body: Body | None, *, claimed: bool) -> Uncertified:
    """`organizer`: code of the body; `claimed`: who reported it merely claims the person."""
    current = effective_body(body)
    if claimed:
        return Uncertified("claimed", organizer, "")
    if current is not None and current.outside:
        return Uncertified("outside", current.code, "")
    if current is not None and current.issuing:
        return Uncertified("another_issues", current.code, current.issuing)
    return Uncertified("unconfirmed", organizer, "")


def without_ground(content: Content, trust: Trust) -> Groundless:
    """Why a content has no ground at all."""
    return Groundless(
        content.sender, content.facts.organizer_code, trust.distrust_of(content.sender, content.arrival)
    )


def cut(capped: Capped) -> Bilingual:
    """Why its hours are fewer than its rate gives: which limit, of which days, and what others had of it.

    It says no more than hours and rule settle: what stands in both stays as it was said.
    """
    asked, given = _amount(capped.asked), _amount(capped.given)
    limit, room, used = (
        _amount(amount) for amount in (capped.limit, capped.limit * capped.slots, capped.used)
    )
    if capped.unit == "jp_per_day":
        a_time = Bilingual(f"{limit.id} JP sehari", f"daily limit of {limit.en} JP")
        span = _between(written_day(capped.first), written_day(capped.last), Bilingual("pada", "on"))
        slots, unit = Bilingual("hari", _plural(capped.slots, "day")), Bilingual("JP", "JP")
        unit_used = unit
    else:
        a_time = Bilingual(
            f"{limit.id} sesi sebulan", f"monthly limit of {limit.en} {_plural(capped.limit, 'session')}"
        )
        span = _between(month_named(capped.first), month_named(capped.last), Bilingual("dalam", "in"))
        slots = Bilingual("bulan", _plural(capped.slots, "month"))
        unit = Bilingual("sesi", _plural(capped.limit * capped.slots, "session"))
        unit_used = Bilingual("sesi", _plural(capped.used, "session"))
    taken = Bilingual("", "")
    if capped.used:
        taken = Bilingual(
            f"; {used.id} {unit_used.id} di antaranya sudah dipakai pembelajaran lain",
            f", of which other learning used {used.en} {unit_used.en}",
        )
    return Bilingual(
        f"{asked.id} JP menurut tarif, {given.id} JP diakui: batas {a_time.id} untuk bentuk ini, {span.id} "
        f"({capped.slots} {slots.id}, {room.id} {unit.id}){taken.id}",
        f"{asked.en} JP by rate, {given.en} JP count: the {a_time.en} for this form, {span.en} "
        f"({capped.slots} {slots.en}, {room.en} {unit.en}){taken.en}",
    )


def _amount(number: Decimal) -> Bilingual:
    plain = number.normalize()
    return Bilingual(written_number(plain).id, f"{plain:f}")


def _plural(number: Decimal | int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def _between(first: Bilingual, last: Bilingual, alone: Bilingual) -> Bilingual:
    if first == last:
        return Bilingual(f"{alone.id} {first.id}", f"{alone.en} {first.en}")
    return Bilingual(f"dari {first.id} sampai {last.id}", f"from {first.en} to {last.en}")


def _moment(at: datetime) -> str:
    return f"{at.astimezone(WIB):%Y-%m-%d %H:%M} WIB"


def _span(distrust: Distrust) -> Bilingual:
    since = written_moment(distrust.since)
    if distrust.until is None:
        return Bilingual(f"sejak {since.id}", f"since {since.en}")
    until = written_moment(distrust.until)
    return Bilingual(f"dari {since.id} sampai {until.id}", f"from {since.en} to {until.en}")
