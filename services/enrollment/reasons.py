"""Why a completion has no certificate of ours, or stands for nothing: each reason for people and for operators. Pure."""

from datetime import datetime
from typing import Final, NamedTuple

from services.enrollment.agencies.trust import Trust
from services.enrollment.bodies.documents import Body
from services.enrollment.bodies.timeline import standing_body
from services.enrollment.certificate_face import WIB
from services.enrollment.documents import Content
from shared.contracts.enrollment import Withheld
from shared.contracts.lists import UNCERTIFIED
from shared.contracts.vocabulary import Bilingual

NOT_KNOWN_YET: Final = (
    "the employee is not known yet: have the agency's system publish the employee's registration; where it has, that "
    "waits itself while the agency claims more people than its headcount allows, until the operator raises it"
)
_TERCATAT: Final = "Tercatat, tanpa sertifikat dari kami"


class Uncertified(NamedTuple):
    """Why what counts has no certificate of ours."""

    why: Withheld
    code: str
    """Of the body."""
    issuing: str
    """Code of the agency that issues for it; empty: none, or nobody has said which."""

    @property
    def note(self) -> Bilingual:
        id, en = _UNCERTIFIED[self.why]
        said = {"code": self.code, "issuing": self.issuing}
        return Bilingual(f"{_TERCATAT}: {id.format(**said)}.", f"{UNCERTIFIED}: {en.format(**said)}")


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


def uncertified(organizer: str, body: Body | None, *, claimed: bool) -> Uncertified:
    """`organizer`: code of the body; `claimed`: who reported it merely claims the person."""
    stands = standing_body(body)
    if claimed:
        return Uncertified("claimed", organizer, "")
    if stands is not None and stands.outside:
        return Uncertified("outside", stands.code, "")
    if stands is not None and stands.issuing:
        return Uncertified("another_issues", stands.code, stands.issuing)
    return Uncertified("unconfirmed", organizer, "")


def without_ground(content: Content, trust: Trust) -> Bilingual:
    """Why a content has no ground at all, and what would give it one."""
    sender, code = content.sender, content.facts.organizer_code
    distrust = trust.distrust_of(sender, content.arrival)
    if distrust is None:
        return Bilingual(
            f"{sender} bukan instansi pegawai ini dan tidak menerbitkan untuk {code}; berlaku setelah pegawainya "
            f"dipindahkan ke {sender}, atau {sender} tercatat sebagai penerbit untuk {code}",
            f"{sender} is not this person's agency and does not issue for {code}; it stands once the person is "
            "transferred to it, or the register has it as the issuing agency",
        )
    since, until = _moment(distrust.since), None if distrust.until is None else _moment(distrust.until)
    if until is None:
        return Bilingual(
            f"{sender} tidak dipercaya sejak {since}, dan kiriman sejak itu tidak dihitung sampai keputusan itu dicabut",
            f"{sender} is distrusted from {since} on, and what arrives from then on counts for nothing until that is "
            "taken back",
        )
    return Bilingual(
        f"{sender} tidak dipercaya dari {since} sampai {until}, dan kiriman pada waktu itu tidak dihitung; berlaku bila "
        "dikirim lagi sesudahnya, atau keputusan itu dicabut",
        f"{sender} is distrusted from {since} to {until}, and what arrived then counts for nothing; it stands once it "
        "is sent again after that, or that is taken back",
    )


def _moment(at: datetime) -> str:
    return f"{at.astimezone(WIB):%Y-%m-%d %H:%M} WIB"
