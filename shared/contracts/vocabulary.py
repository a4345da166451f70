"""Words that all services share, with their labels in Indonesian and English.

A word's facts stand in one table row below it; a word without a row fails `tests/unit/test_vocabulary.py`.
"""

from enum import StrEnum
from typing import NamedTuple


class Bilingual(NamedTuple):
    id: str
    en: str


class Pathway(StrEnum):
    """How competence is developed (jalur). PP 11/2017 art. 210-212: education, or training of two kinds."""

    CLASSICAL = "classical"
    NON_CLASSICAL = "non_classical"
    EDUCATION = "education"
    """Formal education (tugas belajar), a class of its own beside training."""

    @property
    def label(self) -> Bilingual:
        return _PATHWAYS[self]


class Form(StrEnum):
    """Form of competence development (bentuk)."""

    COURSE = "course"
    STRUCTURAL_LEADERSHIP = "structural_leadership"
    SEMINAR = "seminar"
    WEBINAR = "webinar"
    WORKSHOP = "workshop"
    INTERNSHIP = "internship"
    EXCHANGE = "exchange"
    SECONDMENT = "secondment"
    WORKPLACE_GUIDANCE = "workplace_guidance"
    E_LEARNING = "e_learning"
    LEARNING_COMMUNITY = "learning_community"
    DISTANCE_LEARNING = "distance_learning"
    OUTBOUND = "outbound"
    BENCHMARKING = "benchmarking"
    SELF_LEARNING = "self_learning"
    COACHING = "coaching"
    MENTORING = "mentoring"
    FORMAL_EDUCATION = "formal_education"

    @property
    def label(self) -> Bilingual:
        return _FORMS[self].label

    @property
    def siasn_id(self) -> int | None:
        """SIASN `jenisDiklatId`; None: SIASN keeps it as education, not as a course."""
        return _FORMS[self].siasn_id

    @property
    def pathway(self) -> Pathway:
        """The pathway when the sender names none."""
        return _FORMS[self].pathway


class Level(StrEnum):
    NATIONAL = "national"
    INTERNATIONAL = "international"

    @property
    def label(self) -> Bilingual:
        return _LEVELS[self]


class EmploymentType(StrEnum):
    """Status kepegawaian."""

    PNS = "pns"
    CPNS = "cpns"
    PPPK = "pppk"

    @property
    def label(self) -> Bilingual:
        return _EMPLOYMENT_TYPES[self]


class _FormRow(NamedTuple):
    label: Bilingual
    siasn_id: int | None
    pathway: Pathway


_C, _N, _E = Pathway.CLASSICAL, Pathway.NON_CLASSICAL, Pathway.EDUCATION

_FORMS = {
    Form.COURSE: _FormRow(Bilingual("Pelatihan / kursus", "Training course"), 11, _C),
    Form.STRUCTURAL_LEADERSHIP: _FormRow(
        Bilingual("Pelatihan struktural kepemimpinan", "Structural leadership training"), 1, _C
    ),
    Form.SEMINAR: _FormRow(Bilingual("Seminar", "Seminar"), 9, _C),
    # SIASN has no webinar; it is credited as a seminar, so it is exported as one.
    Form.WEBINAR: _FormRow(Bilingual("Webinar", "Webinar"), 9, _C),
    Form.WORKSHOP: _FormRow(Bilingual("Lokakarya", "Workshop"), 4, _C),
    Form.INTERNSHIP: _FormRow(Bilingual("Magang", "Internship"), 10, _N),
    Form.EXCHANGE: _FormRow(Bilingual("Pertukaran pegawai", "Staff exchange"), 21, _N),
    Form.SECONDMENT: _FormRow(Bilingual("Detasering", "Secondment"), 18, _N),
    Form.WORKPLACE_GUIDANCE: _FormRow(Bilingual("Bimbingan di tempat kerja", "Workplace guidance"), 24, _N),
    Form.E_LEARNING: _FormRow(Bilingual("E-learning", "E-learning"), 16, _N),
    Form.LEARNING_COMMUNITY: _FormRow(Bilingual("Komunitas belajar", "Learning community"), 23, _N),
    Form.DISTANCE_LEARNING: _FormRow(Bilingual("Pelatihan jarak jauh", "Distance learning"), 17, _N),
    Form.OUTBOUND: _FormRow(Bilingual("Outbound", "Outbound training"), 19, _N),
    Form.BENCHMARKING: _FormRow(Bilingual("Patok banding", "Benchmarking"), 20, _N),
    Form.SELF_LEARNING: _FormRow(Bilingual("Belajar mandiri", "Self-learning"), 22, _N),
    Form.COACHING: _FormRow(Bilingual("Coaching", "Coaching"), 14, _N),
    Form.MENTORING: _FormRow(Bilingual("Mentoring", "Mentoring"), 15, _N),
    Form.FORMAL_EDUCATION: _FormRow(
        Bilingual("Pendidikan formal (tugas belajar)", "Formal education"), None, _E
    ),
}

_PATHWAYS = {
    Pathway.CLASSICAL: Bilingual("Klasikal", "Classical"),
    Pathway.NON_CLASSICAL: Bilingual("Nonklasikal", "Non-classical"),
    Pathway.EDUCATION: Bilingual("Pendidikan", "Education"),
}

_LEVELS = {
    Level.NATIONAL: Bilingual("Nasional", "National"),
    Level.INTERNATIONAL: Bilingual("Internasional", "International"),
}

_EMPLOYMENT_TYPES = {
    EmploymentType.PNS: Bilingual("PNS", "Civil servant (PNS)"),
    EmploymentType.CPNS: Bilingual("CPNS", "Candidate civil servant (CPNS)"),
    EmploymentType.PPPK: Bilingual("PPPK", "Contract employee (PPPK)"),
}
