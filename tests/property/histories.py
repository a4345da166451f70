"""Histories of a few employees, small enough to collide in every way: caps, months, years, bodies, senders."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from shared.contracts.agency import TrainingCompleted
from shared.contracts.payload import Payload
from shared.contracts.vocabulary import EmploymentType
from tests.factories import changed, completed, registered, reinstate, revoke
from tests.property.harness import AGENCIES, MORNING, OFFICER, TERMS, Sending

BUDI, SRI_EARLIER, SRI, NOBODY = (
    "198501012010011001",
    "199001012018212001",
    "199001012023212001",
    "197801012005012003",
)
SENT_FROM = MORNING - timedelta(days=100)
IDS = TERMS.ids
EMPLOYEE = {
    BUDI: IDS.employee(BUDI),
    SRI: IDS.employee(SRI_EARLIER),
    SRI_EARLIER: IDS.employee(SRI_EARLIER),
    NOBODY: IDS.employee(NOBODY),
}

TRAININGS: tuple[dict[str, object], ...] = (
    {"code": "A", "form": "seminar", "start_date": "2025-12-19", "organizer": "PUSDIK"},
    {"code": "B", "form": "e_learning", "start_date": "2025-12-20", "programme_jp": 5, "organizer": "PUSDIK"},
    {"code": "C", "form": "e_learning", "start_date": "2025-12-20", "programme_jp": 4, "organizer": "LAN"},
    {"code": "L", "form": "e_learning", "start_date": "2025-12-30", "programme_jp": 9, "organizer": "PUSDIK"},
    {"code": "M", "form": "coaching", "start_date": "2025-12-05", "sessions": 3, "organizer": "LAN"},
    {"code": "D", "form": "coaching", "start_date": "2026-01-05", "sessions": 2, "organizer": "LAN"},
    {"code": "E", "form": "coaching", "start_date": "2026-01-06", "sessions": 2, "organizer": "PUSDIK"},
    {"code": "F", "form": "course", "start_date": "2026-01-05", "programme_jp": 20, "level": "international",
     "organizer": "PUSDIK"},
    {"code": "G", "form": "structural_leadership", "start_date": "2026-01-05", "programme_jp": 40,
     "organizer": "LAN"},
    {"code": "H", "form": "formal_education", "start_date": "2026-01-05", "organizer": "LAN"},
    {"code": "J", "form": "formal_education", "start_date": "2026-01-05", "organizer": "LAN"},
    {"code": "K", "form": "formal_education", "start_date": "2026-01-05", "organizer": "PUSDIK"},
    {"code": "I", "form": "e_learning", "start_date": "2019-01-05", "programme_jp": 4, "organizer": "LAN"},
)  # fmt: skip
COMPLETED_ON = (
    date(2025, 12, 20),
    date(2025, 12, 31),
    date(2026, 1, 10),
    date(2026, 1, 31),
    date(2026, 2, 1),
)


def completion_id(data: TrainingCompleted) -> str:
    training = data.training
    return IDS.completion(
        EMPLOYEE[data.employee_number], training.organizer.code, training.code, training.batch
    )


@st.composite
def completions(draw: st.DrawFn) -> TrainingCompleted:
    training = dict(draw(st.sampled_from([*TRAININGS[1:7] * 4, *TRAININGS])))  # those under a cap more often
    days = [day for day in COMPLETED_ON if day.isoformat() >= str(training["start_date"])]
    day = draw(st.sampled_from(days))
    if training["code"] == "I":
        day = date(2019, 2, 1)
    training["end_date"] = draw(st.sampled_from([training["start_date"], training["start_date"], day]))
    return completed(
        draw(st.sampled_from([BUDI] * 6 + [SRI, SRI_EARLIER, NOBODY])),
        completed_on=day,
        score=draw(st.sampled_from([None, Decimal("80"), Decimal("90.5")])),
        predicate=draw(st.sampled_from([None, "Memuaskan"])),
        revision=draw(st.sampled_from([None, None, None, 1, 2])),
        **training,
    )


@st.composite
def histories(draw: st.DrawFn, most: int = 12) -> list[Sending]:
    """Ids are the sendings' own; times lie before the arrival, in any order, and sometimes agree."""
    said: list[tuple[Payload, str]] = [
        (registered(BUDI, name="Budi Ma'ruf, S.Kom."), AGENCIES[0]),
        (changed(SRI, previous_employee_number=SRI_EARLIER, name="Sri Wahyuni",
                 employment_type=EmploymentType.PPPK), AGENCIES[1]),
    ]  # fmt: skip
    if draw(st.booleans()):
        said.append((registered(SRI_EARLIER, name="Sri W."), AGENCIES[1]))
    if draw(st.booleans()):
        said.append((changed(BUDI, previous_employee_number=None, name="Budi M."), AGENCIES[0]))
    reported: list[TrainingCompleted] = []
    revocations: list[tuple[str, TrainingCompleted]] = []
    for _ in range(draw(st.integers(min(4, most), most))):
        kinds = ["completed"]
        if reported:
            kinds += ["completed", "again", "corrected", "corrected", "revoked"]
        if revocations:
            kinds += ["reinstated"]
        kind = draw(st.sampled_from(kinds))
        if kind == "completed":
            one = draw(completions())
        elif kind == "again":
            one = draw(st.sampled_from(reported))
        elif kind == "corrected":
            known = draw(st.sampled_from(reported))
            other = draw(completions())
            one = known.model_copy(
                update={
                    "result": other.result,
                    "revision": other.revision,
                    "completed_on": other.completed_on
                    if other.completed_on >= known.training.start_date
                    else known.completed_on,
                }
            )
        if kind in ("completed", "again", "corrected"):
            reported.append(one)
            said.append((one, draw(st.sampled_from(AGENCIES))))
            continue
        opd = draw(st.sampled_from([None, None, "pusdik", "LAN"]))
        if kind == "revoked":
            of = draw(st.sampled_from(reported))
            revocations.append((f"sent-{len(said)}", of))
            said.append(
                (
                    revoke(
                        completion_id=completion_id(of), employee_id=EMPLOYEE[of.employee_number], opd=opd
                    ),
                    OFFICER,
                )
            )
        else:
            revocation, of = draw(st.sampled_from(revocations))
            said.append(
                (
                    reinstate(
                        completion_id=completion_id(of), employee_id=EMPLOYEE[of.employee_number],
                        revocation_id=revocation, opd=opd,
                    ),
                    OFFICER,
                )
            )  # fmt: skip
    return [
        Sending(payload, f"sent-{number}", SENT_FROM + timedelta(hours=draw(st.integers(0, 5))), sender)
        for number, (payload, sender) in enumerate(said)
    ]


@st.composite
def deliveries(draw: st.DrawFn, history: list[Sending]) -> list[Sending]:
    """All of them at least once, in any order, some again: what is lost and resent just comes later."""
    again = draw(st.lists(st.sampled_from(history), max_size=6))
    return draw(st.permutations([*history, *again]))
