"""What was taught that month: forms for which every cap on JP and points occurs."""

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from demo.people import AGENCIES, Agency
from shared.contracts.agency import Organizer, Training
from shared.contracts.vocabulary import Form, Level

DAY: Final = date(2025, 11, 27)
"""The day that the demo plays."""
BY_OPD: Final = {agency.opd: agency for agency in AGENCIES}
GRADES: Final = ((92, "Sangat Memuaskan"), (86, "Memuaskan"), (78, "Baik"), (72, "Cukup"))
"""Score and predicate; the points' rules know some of the predicates."""


class Offer(NamedTuple):
    """A training with its share of participants."""

    training: Training
    opd: str
    """Agency that runs it and reports its completions."""
    share: float
    """Of all employees; of their agency only if `own`."""
    own: bool = False
    graded: bool = False


def _training(
    opd: str,
    code: str,
    batch: str,
    title: str,
    form: Form,
    *,
    start: date,
    end: date,
    jp: int | None = None,
    sessions: int | None = None,
    place: str | None = None,
    level: Level = Level.NATIONAL,
) -> Training:
    agency: Agency = BY_OPD[opd]
    return Training(
        code=code,
        batch=batch,
        title=title,
        form=form,
        pathway=form.pathway,
        level=level,
        organizer=Organizer(code=agency.code, name=agency.name),
        start_date=start,
        end_date=end,
        programme_jp=None if jp is None else Decimal(jp),
        sessions=sessions,
        place=place,
    )


def _it_batches() -> list[Offer]:
    """Diskominfo's regular training with speakers from outside: a batch a week."""
    title = "Pelatihan Keamanan Siber bersama Narasumber Praktisi"
    weeks = [(date(2025, 11, day), date(2025, 11, day + 2)) for day in (3, 10, 17, 25)]
    return [
        Offer(
            _training("diskominfo", "TIK-KEAMANAN", str(batch), title, Form.COURSE, start=start, end=end, jp=24,
                      place="Bandung Command Center"),
            "diskominfo", 0.06, graded=True,
        )
        for batch, (start, end) in enumerate(weeks, 1)
    ]  # fmt: skip


OFFERS: Final = (
    *_it_batches(),
    Offer(
        _training("bkpsdm", "PKA", "XII", "Pelatihan Kepemimpinan Administrator", Form.STRUCTURAL_LEADERSHIP,
                  start=date(2025, 8, 4), end=date(2025, 11, 26), jp=905, place="Kampus BKPSDM"),
        "bkpsdm", 0.03, graded=True,
    ),
    Offer(
        _training("bkpsdm", "PKP", "IX", "Pelatihan Kepemimpinan Pengawas", Form.STRUCTURAL_LEADERSHIP,
                  start=date(2025, 8, 11), end=date(2025, 11, 27), jp=905, place="Kampus BKPSDM"),
        "bkpsdm", 0.05, graded=True,
    ),
    Offer(
        _training("diskominfo", "WEB-SPBE", "1",
                  "Webinar Sistem Pemerintahan Berbasis Elektronik: dari Aplikasi ke Layanan", Form.WEBINAR,
                  start=DAY, end=DAY),
        "diskominfo", 0.8,
    ),
    # 10 JP of programme on two days: at most 3 a day are credited, and both modules share the days.
    Offer(
        _training("bkpsdm", "EL-ETIKA", "2025-11", "Etika Publik dan Antikorupsi (e-learning)", Form.E_LEARNING,
                  start=date(2025, 11, 26), end=DAY, jp=10),
        "bkpsdm", 0.2, graded=True,
    ),
    Offer(
        _training("bkpsdm", "EL-DATA", "2025-11", "Literasi Data bagi ASN (e-learning)", Form.E_LEARNING,
                  start=date(2025, 11, 26), end=DAY, jp=8),
        "bkpsdm", 0.15,
    ),
    # Four sessions in one month, of which two are credited.
    Offer(
        _training("disdik", "COACH-GURU", "1", "Coaching Guru Penggerak", Form.COACHING,
                  start=date(2025, 11, 3), end=date(2025, 11, 24), sessions=4),
        "disdik", 0.3, own=True,
    ),
    Offer(
        _training("setda", "MENTOR", "2025", "Mentoring Pegawai Baru oleh Pejabat Senior", Form.MENTORING,
                  start=date(2025, 10, 20), end=DAY, sessions=6),
        "setda", 0.3, own=True,
    ),
    Offer(
        _training("dinkes", "IW-EPI", "1", "International Workshop on Urban Epidemiology and Early Warning",
                  Form.WORKSHOP, start=date(2025, 11, 26), end=DAY, place="Bandung", level=Level.INTERNATIONAL),
        "dinkes", 0.08, graded=True,
    ),
)  # fmt: skip
