"""What enrollment decides, rule by rule."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.enrollment.certificates.documents import RENDERINGS, SEQUENCES
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.persons.documents import EMPLOYEES
from shared.contracts.agency import Organizer, TrainingCompleted
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRevoked,
    JpCredited,
    ReinstateCertificate,
    RevokeCertificate,
)
from shared.contracts.people import MergeEmployees, SeparateEmployees
from shared.contracts.vocabulary import EmploymentType
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.outcome import Verdict
from tests.factories import NIP, OTHER_NIP, changed, completed, registered, reinstate, rendering, revoke
from tests.property.harness import ENROLLMENT, TERMS
from tests.unit.given import NINE, Given

BUDI = registered(NIP)
SEMINAR = completed(NIP, organizer="PUSDIK", score=None, revision=None)


JSON = msgspec.json.Encoder(order="deterministic")


def about(completion: TrainingCompleted) -> dict[str, Any]:
    training = completion.training
    employee_id = TERMS.ids.employee(completion.employee_number)
    id = TERMS.ids.completion(employee_id, training.organizer.code, training.code, training.batch)
    return {"completion_id": id, "employee_id": employee_id}


def revoked(opd: str | None = None, reason: str = "Salah unggah") -> RevokeCertificate:
    return revoke(**about(SEMINAR), opd=opd, reason=reason)


def reinstated(revocation_id: str, opd: str | None = None) -> ReinstateCertificate:
    return reinstate(**about(SEMINAR), revocation_id=revocation_id, opd=opd)


def scored(score: int, revision: int | None = None) -> TrainingCompleted:
    return completed(NIP, organizer="PUSDIK", score=Decimal(score), revision=revision)


def score(completion: Completion) -> Decimal | None:
    return effective_training(completion).score


# Completions.


def test_a_completion_becomes_a_certificate_hours_and_a_pdf_to_be_made() -> None:
    city = Given(ENROLLMENT, BUDI)
    outcome = city.when(SEMINAR)
    assert outcome.verdict is Verdict.ACCEPTED
    assert city.kinds() == ["CompletionRecorded", "CertificateIssued", "JpCredited"]
    _, issued, credited = city.facts
    assert isinstance(issued, CertificateIssued)
    assert isinstance(credited, JpCredited)
    assert (issued.certificate_number, issued.revision, issued.jp) == ("00001/PUSDIK/2026", 1, 8)
    assert (credited.jp, credited.year_total_jp, credited.rule) == (8, 8, "seminar/2020-01-01")
    assert city.one(RENDERINGS).face.holder_name == BUDI.name


def test_a_completion_of_an_unknown_employee_waits_for_the_registration() -> None:
    city = Given(ENROLLMENT)
    with pytest.raises(Waiting) as waiting:
        city.when(SEMINAR)
    outcome = city.when(BUDI)
    assert list(outcome.unblocks) == [waiting.value.lacks]
    assert NIP not in waiting.value.lacks + str(waiting.value)


def test_a_completion_without_a_rate_is_refused_even_before_its_employee_is_known() -> None:
    with pytest.raises(Rejected, match="no rate for 'seminar' on 2019-03-04; first is 2020-01-01"):
        Given(ENROLLMENT).when(completed(NIP, start_date="2019-03-04", completed_on="2019-03-04"))


@pytest.mark.parametrize(
    ("day", "refused"), [("2026-03-05", False), ("2026-03-06", True), ("2062-03-04", True)]
)
def test_nobody_completes_on_a_day_that_has_not_begun(day: str, refused: bool) -> None:
    """Arrives on 5 March, at 09:00 in Bandung and at 16:00 where days begin first."""
    city = Given(ENROLLMENT)
    with pytest.raises(Rejected if refused else Waiting, match="lies ahead" if refused else "not known"):
        city.when(completed(NIP, start_date="2026-03-04", completed_on=day))


def test_a_day_that_has_begun_in_the_east_is_none_that_lies_ahead() -> None:
    city = Given(ENROLLMENT, BUDI)
    at_17_in_bandung = 8 * 3600
    tomorrow = completed(NIP, start_date="2026-03-04", completed_on="2026-03-06")
    outcome = city.when(tomorrow, after_s=at_17_in_bandung)
    assert outcome.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    "code", ["pkp\u201401", "\uff30\uff2b\uff30-01", "PKP\u201101", "\ufeffPKP-01\u200b"]
)
def test_a_code_that_a_spreadsheet_wrote_otherwise_is_the_same_training(code: str) -> None:
    city = Given(ENROLLMENT, BUDI, completed(NIP, code="PKP-01"))
    city.when(completed(NIP, code=code))
    assert len(city.all(COMPLETIONS)) == 1


SPELLINGS = (
    "QUR'AN-1",
    "QUR\u2019AN-1",
    "qur\u02bcan\u20111",
    "\uff31UR`AN\u20131",
    "QUR\u00b4AN-1 ",
    "QUR\u200d'AN-1",
)


@pytest.mark.parametrize("code", SPELLINGS)
@pytest.mark.parametrize("field", ["code", "batch", "organizer"])
def test_a_code_that_differs_by_case_blanks_or_signs_alone_is_a_duplicate(field: str, code: str) -> None:
    def spelled(code: str) -> TrainingCompleted:
        of = Organizer(code=code, name="Lembaga") if field == "organizer" else code
        return completed(NIP, **{field: of})

    city = Given(ENROLLMENT, BUDI, spelled(SPELLINGS[0]))
    outcome = city.when(spelled(code))
    assert (outcome.verdict, city.facts, len(city.all(COMPLETIONS))) == (Verdict.DUPLICATE, [], 1)


def test_whichever_spelling_comes_first_the_one_that_was_sent_first_stands() -> None:
    for order in ((0, 1), (1, 0)):
        city = Given(ENROLLMENT, BUDI)
        for n in order:
            city.when(completed(NIP, code=SPELLINGS[n]), time=NINE + timedelta(seconds=n))
        assert effective_training(city.one(COMPLETIONS)).code == SPELLINGS[0]


def named_before(city: Given[Any]) -> Completion:
    """As a version from before stored it: its id and digest made of the codes as they were spelled."""
    known = city.one(COMPLETIONS)
    (content,) = known.contents
    facts = content.facts
    id = TERMS.ids.completion_before(known.employee_id, facts.organizer_code, facts.code, facts.batch)
    digest = TERMS.ids.content(JSON.encode(facts))
    old = replace(known, id=id or known.id, effective=digest, contents=[replace(content, digest=digest)])
    del city.stored[COMPLETIONS, known.id]
    city.stored[COMPLETIONS, old.id] = old
    return old


@pytest.mark.parametrize("stored", ["QUR\u2019AN-1", "qur'an-1", "Pkp-01"])
def test_a_completion_that_was_named_by_its_spelling_is_found_by_any(stored: str) -> None:
    city = Given(ENROLLMENT, BUDI, completed(NIP, code=stored))
    old = named_before(city)
    spellings = [stored, stored.upper(), *(SPELLINGS if "AN" in stored.upper() else ())]
    for code in spellings:
        assert city.when(completed(NIP, code=code)).verdict is Verdict.DUPLICATE
    assert city.one(COMPLETIONS).id == old.id


def test_two_that_were_made_of_one_training_before_keep_what_is_sent_of_each() -> None:
    city = Given(ENROLLMENT, BUDI, completed(NIP, code="QUR\u2019AN-1"))
    named_before(city)
    ascii_one = completed(NIP, code="QUR'AN-1")
    other = Given(ENROLLMENT, BUDI, ascii_one).one(COMPLETIONS)
    city.stored[COMPLETIONS, other.id] = other
    for code in ("QUR\u2019AN-1", "QUR'AN-1"):
        assert city.when(completed(NIP, code=code)).verdict is Verdict.DUPLICATE
    assert len(city.all(COMPLETIONS)) == 2


def test_a_resent_completion_changes_nothing_whatever_its_id() -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    outcome = city.when(SEMINAR, id="another")
    assert (outcome.verdict, list(outcome.changes), city.kinds()) == (Verdict.DUPLICATE, [], [])


def test_writing_a_number_or_blanks_otherwise_is_no_correction() -> None:
    city = Given(ENROLLMENT, BUDI, scored(90))
    again = completed(
        NIP, organizer="PUSDIK", score=Decimal("90.00"), title=f" {SEMINAR.training.title} ", revision=None
    )
    assert city.when(again).verdict is Verdict.DUPLICATE


def test_a_correction_issues_the_certificate_anew_under_its_number() -> None:
    city = Given(ENROLLMENT, BUDI, scored(80))
    before = city.one(COMPLETIONS).certificate
    outcome = city.when(scored(90))
    after = city.one(COMPLETIONS).certificate
    assert outcome.verdict is Verdict.CORRECTION
    assert before is not None
    assert after is not None
    assert (after.number, after.revision) == (before.number, 2)
    assert after.code != before.code
    assert after.earlier_codes == [before.code]
    assert city.one(SEQUENCES).last == 1


def test_an_older_content_that_comes_late_is_superseded() -> None:
    city = Given(ENROLLMENT, BUDI, scored(90))
    outcome = city.when(scored(80), time=NINE - timedelta(days=1))
    assert outcome.verdict is Verdict.SUPERSEDED
    assert score(city.one(COMPLETIONS)) == 90


def test_going_back_to_an_earlier_content_needs_a_higher_revision() -> None:
    city = Given(ENROLLMENT, BUDI, scored(80), scored(90))
    assert city.when(scored(80)).verdict is Verdict.DUPLICATE
    assert score(city.one(COMPLETIONS)) == 90
    assert city.when(scored(80, revision=1)).verdict is Verdict.CORRECTION
    assert score(city.one(COMPLETIONS)) == 80


def test_who_sends_an_earlier_content_again_is_told_how_to_return_to_it() -> None:
    """Corrected by mistake, then sent as it was: it looked done, and the mistake stood."""
    city = Given(ENROLLMENT, BUDI, scored(80), scored(90))
    again = city.when(scored(80))
    assert (again.verdict, again.reason) == (
        Verdict.DUPLICATE,
        "this content was reported before; you sent another content too, which stands; to return to this one, send it "
        "with a higher revision",
    )
    assert city.when(scored(90)).reason == "this content was reported before"
    assert city.when(scored(80, revision=1)).verdict is Verdict.CORRECTION


def test_the_higher_revision_stands_whenever_it_was_sent() -> None:
    city = Given(ENROLLMENT, BUDI, scored(90, revision=2))
    assert city.when(scored(80, revision=1)).verdict is Verdict.SUPERSEDED
    assert score(city.one(COMPLETIONS)) == 90


def test_only_the_agency_that_reported_first_corrects() -> None:
    city = Given(ENROLLMENT, BUDI)
    city.when(scored(80), sender="dinas-a")
    outcome = city.when(scored(90, revision=9), sender="dinas-b")
    assert outcome.verdict is Verdict.SUPERSEDED
    assert outcome.reason == "dinas-a reported this completion first, so only dinas-a corrects it"
    assert city.when(scored(70), sender="dinas-a").verdict is Verdict.CORRECTION


def test_the_agency_that_reported_first_by_its_clock_takes_over_when_it_comes_late() -> None:
    city = Given(ENROLLMENT, BUDI)
    city.when(scored(90), sender="dinas-b")
    outcome = city.when(scored(80), sender="dinas-a", time=NINE - timedelta(days=1))
    assert outcome.verdict is Verdict.CORRECTION
    assert score(city.one(COMPLETIONS)) == 80


def test_a_correction_to_an_earlier_day_takes_the_cap_from_another_completion() -> None:
    days = {"start_date": "2026-03-01", "end_date": "2026-03-01", "form": "e_learning", "programme_jp": 3}
    city = Given(ENROLLMENT, BUDI)
    city.when(completed(NIP, code="FIRST", completed_on="2026-03-02", **days))
    city.when(completed(NIP, code="SECOND", completed_on="2026-03-04", **days))
    city.when(completed(NIP, code="SECOND", completed_on="2026-03-01", **days))
    jp = {effective_training(one).code: (one.jp, one.jp_reason) for one in city.all(COMPLETIONS)}
    assert jp["SECOND"] == (3, None)
    assert jp["FIRST"] == (
        0,
        "3 JP menurut tarif, 0 JP diakui: batas 3 JP sehari untuk bentuk ini, pada 1 Maret 2026 (1 hari, 3 JP); 3 JP di "
        "antaranya sudah dipakai pembelajaran lain",
    )
    assert city.kinds().count("JpCredited") == 2


def test_hours_that_were_cut_before_reasons_said_more_keep_their_words_and_are_not_announced_again() -> None:
    long = {
        "start_date": "2026-03-01",
        "end_date": "2026-03-02",
        "form": "e_learning",
        "completed_on": "2026-03-02",
    }
    city = Given(ENROLLMENT, BUDI, completed(NIP, code="CUT", programme_jp=20, **long))
    cut = city.one(COMPLETIONS)
    of_before = replace(
        cut,
        jp_reason="20 JP menurut tarif, 6 JP diakui: batas sehari untuk bentuk ini tercapai",
        jp_reason_en=None,
    )
    city.stored[COMPLETIONS, cut.id] = of_before
    city.when(completed(NIP, code="LATER", completed_on="2026-03-04"))  # which recounts the year
    assert city.stored[COMPLETIONS, cut.id] == of_before
    assert city.kinds().count("JpCredited") == 1
    again = completed(NIP, code="CUT", programme_jp=20, revision=5, **long)
    assert city.when(again).verdict is not Verdict.REFUSED
    assert "JpCredited" not in city.kinds()
    city.when(completed(NIP, code="CUT", programme_jp=21, **long, revision=6))
    after = next(one for one in city.all(COMPLETIONS) if one.id == cut.id)
    assert after.jp_reason is not None
    assert after.jp_reason.startswith(
        "21 JP menurut tarif, 6 JP diakui: batas 3 JP sehari untuk bentuk ini, dari "
    )
    assert after.jp_reason_en is not None


# Revocations.


OLD_YEAR = completed(
    NIP, code="LAMA", form="e_learning", start_date="2025-12-30", end_date="2025-12-31", programme_jp=6
)
OVER_IT = completed(
    NIP, code="BARU", form="e_learning", start_date="2025-12-30", end_date="2026-01-01", programme_jp=9
)


def hours(city: Given[Any]) -> dict[str, Decimal]:
    return {effective_training(one).code: one.jp for one in city.all(COMPLETIONS)}


@pytest.mark.parametrize("order", [(OLD_YEAR, OVER_IT), (OVER_IT, OLD_YEAR)])
def test_a_day_that_two_years_completions_share_is_credited_once(
    order: tuple[TrainingCompleted, ...],
) -> None:
    city = Given(ENROLLMENT, BUDI, *order)
    assert hours(city) == {"LAMA": 6, "BARU": 3}
    assert {fact.year: fact.year_total_jp for fact in city.facts if isinstance(fact, JpCredited)}.items() <= {
        2025: 6,
        2026: 3,
    }.items()


def test_days_before_the_first_year_that_counts_are_shared_by_all_that_took_them() -> None:
    """Which years are tied is reckoned by first and last ones, the early ones as one: nothing counts in them itself."""
    days: dict[str, Any] = {
        "form": "e_learning",
        "start_date": "2014-05-01",
        "end_date": "2014-05-02",
        "programme_jp": 6,
    }
    city = Given(ENROLLMENT, BUDI, completed(NIP, code="LAMA", completed_on="2020-02-01", **days))
    city.when(completed(NIP, code="BARU", completed_on="2026-02-01", **days))
    assert hours(city) == {"LAMA": 6, "BARU": 0}
    city.when(revoke(**about(completed(NIP, code="LAMA", **days)), opd=None))
    assert hours(city) == {"LAMA": 0, "BARU": 6}


def test_a_completion_whose_corrections_lie_years_apart_ties_all_years_between() -> None:
    def reported(code: str, year: int, revision: int) -> TrainingCompleted:
        over = {"start_date": f"{year - 1}-12-30", "end_date": f"{year}-01-01"}
        return completed(NIP, code=code, form="e_learning", programme_jp=9, revision=revision, **over)

    city = Given(ENROLLMENT, BUDI, reported("A", 2021, 1), reported("B", 2023, 1), reported("C", 2026, 1))
    city.when(reported("A", 2026, 2))
    assert (hours(city)["B"], hours(city)["A"] + hours(city)["C"]) == (9, 9)
    city.when(reported("A", 2023, 3))
    assert (hours(city)["C"], hours(city)["A"] + hours(city)["B"]) == (9, 9)


def test_what_last_year_gives_back_next_year_has() -> None:
    city = Given(ENROLLMENT, BUDI, OLD_YEAR, OVER_IT)
    city.when(revoke(**about(OLD_YEAR), opd=None))
    assert hours(city) == {"LAMA": 0, "BARU": 9}
    assert {(fact.year, fact.year_total_jp) for fact in city.facts if isinstance(fact, JpCredited)} == {
        (2025, 0),
        (2026, 9),
    }


def test_two_records_of_one_person_share_the_days_over_the_new_year_and_part_with_them() -> None:
    other = type(OVER_IT).model_validate(OVER_IT.model_dump() | {"employee_number": OTHER_NIP})
    city = Given(ENROLLMENT, BUDI, registered(OTHER_NIP), OLD_YEAR, other)
    assert hours(city) == {"LAMA": 6, "BARU": 9}
    mine, theirs = TERMS.ids.employee(NIP), TERMS.ids.employee(OTHER_NIP)
    said: dict[str, Any] = {"employee_id": theirs, "officer": "o", "opd": None, "reason": "SK 1"}
    city.when(MergeEmployees(into=mine, home=None, **said))
    assert hours(city) == {"LAMA": 6, "BARU": 3}
    assert {one.reaches for one in city.all(COMPLETIONS)} == {"", mine}
    city.when(SeparateEmployees(**said))
    assert hours(city) == {"LAMA": 6, "BARU": 9}


def test_a_correction_that_leaves_last_year_gives_its_days_back() -> None:
    corrected = completed(
        NIP, code="BARU", form="e_learning", start_date="2026-01-01", programme_jp=9, revision=1
    )
    city = Given(ENROLLMENT, registered(NIP), OVER_IT, OLD_YEAR, corrected)
    assert hours(city) == {"LAMA": 6, "BARU": 3}
    assert {one.reaches for one in city.all(COMPLETIONS)} == {""}


def test_a_correction_to_another_year_is_told_though_the_hours_are_as_many() -> None:
    city = Given(ENROLLMENT, BUDI, completed(NIP, start_date="2025-12-30"))
    city.when(completed(NIP, start_date="2026-01-02"))
    assert [(fact.year, fact.year_total_jp) for fact in city.facts if isinstance(fact, JpCredited)] == [
        (2026, 4)
    ]


def test_a_completion_from_before_it_was_kept_what_it_reaches_is_found_once_its_year_is_recounted() -> None:
    city = Given(ENROLLMENT, BUDI, OVER_IT)
    old = city.one(COMPLETIONS)
    city.stored[COMPLETIONS, old.id] = replace(old, reaches="")
    city.when(completed(NIP, code="LAIN", start_date="2026-01-20"))
    city.when(OLD_YEAR)
    assert hours(city) == {"LAMA": 6, "BARU": 3, "LAIN": 4}


def test_a_revocation_takes_the_hours_back_and_the_certificate_keeps_its_number() -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    outcome = city.when(revoked())
    assert city.kinds() == ["CompletionRecorded", "CertificateRevoked", "JpCredited"]
    assert outcome.answer == {
        "certificate_number": "00001/PUSDIK/2026", "status": "revoked", "revocations_standing": 1
    }  # fmt: skip
    assert (city.one(COMPLETIONS).jp, city.one(COMPLETIONS).learning_year) == (0, "")


def test_a_second_revocation_is_noted_and_tells_nobody() -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR, revoked())
    outcome = city.when(revoked(reason="Lain"))
    assert (outcome.verdict, city.kinds(), outcome.answer["revocations_standing"]) == (
        Verdict.ACCEPTED,
        [],
        2,
    )


def test_a_certificate_stands_again_when_all_its_revocations_are_lifted() -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    city.when(revoked(), id="r1")
    city.when(revoked(reason="Lain"), id="r2")
    assert city.when(reinstated("r1")).answer["status"] == "revoked"
    assert city.when(reinstated("r2")).answer["status"] == "valid"
    assert city.kinds() == ["CompletionRecorded", "CertificateIssued", "JpCredited"]
    certificate = city.one(COMPLETIONS).certificate
    assert certificate is not None
    assert (certificate.number, certificate.revision) == ("00001/PUSDIK/2026", 2)


RENAMED = changed(
    NIP, previous_employee_number=None, name="Budi Santoso, M.T.", opd="Dinas Baru", jabatan="Kepala Bidang",
    employment_type=EmploymentType.PNS,
)  # fmt: skip


def as_issued(city: Given[Any], revision: int) -> Any:
    item = next(one for one in city.all(RENDERINGS) if one.revision == revision)
    return replace(item.face, number="", verification_url="", revision=1, issued_on=item.face.completed_on)


@pytest.mark.parametrize("kept", [True, False], ids=["", "issued before what is printed was kept"])
def test_a_reinstated_certificate_comes_back_as_it_was_whatever_its_holder_is_called_by_now(
    kept: bool,
) -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    if not kept:
        known = city.one(COMPLETIONS)
        old = replace(known, certificate=replace(known.certificate, printed=None))
        city.stored[COMPLETIONS, known.id] = old
    for payload in (RENAMED, revoked(), reinstated("4")):
        city.when(payload)
    certificate = city.one(COMPLETIONS).certificate
    assert certificate is not None
    assert (certificate.revision, certificate.revoked, certificate.holder_name) == (2, False, BUDI.name)
    assert as_issued(city, 2) == as_issued(city, 1)


@pytest.mark.parametrize("kept", [True, False], ids=["", "issued before what is printed was kept"])
def test_corrected_while_it_was_revoked_it_is_issued_with_the_data_of_today(kept: bool) -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    if not kept:
        known = city.one(COMPLETIONS)
        old = replace(known, certificate=replace(known.certificate, printed=None))
        city.stored[COMPLETIONS, known.id] = old
    for payload in (RENAMED, revoked(), scored(90), reinstated("4")):
        city.when(payload)
    assert as_issued(city, 2).holder_name == "Budi Santoso, M.T."


def test_sent_with_a_higher_revision_while_it_was_revoked_it_has_the_name_of_today() -> None:
    again = SEMINAR.model_copy(update={"revision": 2})
    city = Given(ENROLLMENT, BUDI, SEMINAR, RENAMED, revoked(), again, reinstated("4"))
    assert as_issued(city, 2).holder_name == "Budi Santoso, M.T."


def test_a_higher_revision_from_before_the_change_of_name_is_no_reason_to_print_another_name() -> None:
    again = SEMINAR.model_copy(update={"revision": 2})
    city = Given(ENROLLMENT, BUDI, SEMINAR, again, RENAMED, revoked(), reinstated("5"))
    assert as_issued(city, 2) == as_issued(city, 1)


def test_revoked_before_it_was_ever_issued_it_is_issued_with_the_data_of_today() -> None:
    city = Given(ENROLLMENT, BUDI, revoked(), SEMINAR, RENAMED, reinstated("2"))
    assert city.one(RENDERINGS).face.holder_name == "Budi Santoso, M.T."


@pytest.mark.parametrize("opd", [None, "pusdik", " PUSDIK "])
def test_an_officer_of_the_issuing_body_or_of_any_may_revoke(opd: str | None) -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    assert city.when(revoked(opd)).answer["status"] == "revoked"


def test_another_bodys_officer_is_refused_and_told_whom_to_ask() -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    city.when(revoked("PUSDIK"), id="r1")
    for command in (revoked("LAN"), reinstated("r1", "LAN")):
        outcome = city.when(command)
        assert (outcome.verdict, list(outcome.changes)) == (Verdict.REFUSED, [])
        assert outcome.answer == {"problem": "not-your-agency"}
        assert outcome.reason == "the certificate was issued by PUSDIK: ask an officer of that body"


def test_a_revocation_in_advance_is_told_alike_whether_the_number_is_known_or_not() -> None:
    """Else an officer would learn by guessing who is registered."""
    known, unknown = Given(ENROLLMENT, BUDI), Given(ENROLLMENT)
    told = [city.when(revoked()) for city in (known, unknown)]
    assert {(one.verdict, one.reason, str(one.answer), len(one.changes)) for one in told} == {
        (Verdict.ACCEPTED, "noted for a completion that has not come yet", str(told[0].answer), 1)
    }


@pytest.mark.parametrize("command", [revoke, reinstate])
def test_a_command_about_a_completion_of_another_employee_is_refused(command: Any) -> None:
    """It was a bug: only the employee that the command names is looked up."""
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    other = {**about(SEMINAR), "employee_id": TERMS.ids.employee(OTHER_NIP)}
    with pytest.raises(Rejected, match="another employee"):
        city.when(command(**other))
    assert city.one(COMPLETIONS).revocations == []


def test_a_repeated_command_has_the_first_ones_answer() -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    first = city.when(revoked(), id="r1")
    again = city.when(revoked(), id="r1")
    assert (again.verdict, again.answer, list(again.changes)) == (Verdict.DUPLICATE, first.answer, [])


def test_a_key_that_was_used_for_another_request_is_refused() -> None:
    city = Given(ENROLLMENT, BUDI, SEMINAR)
    city.when(revoked(), id="r1")
    outcome = city.when(revoked(reason="Lain"), id="r1")
    assert (outcome.verdict, outcome.answer) == (Verdict.REFUSED, {"problem": "idempotency-key-reused"})


def test_a_completion_that_comes_after_its_revocation_is_numbered_and_revoked() -> None:
    city = Given(ENROLLMENT, BUDI, revoked())
    city.when(SEMINAR)
    assert city.kinds() == ["CompletionRecorded", "CertificateRevoked", "JpCredited"]
    told = city.facts[1]
    assert isinstance(told, CertificateRevoked)
    assert (told.certificate_number, told.reason) == ("00001/PUSDIK/2026", "Salah unggah")
    assert city.all(RENDERINGS) == []


# Employees.


def test_the_newest_snapshot_by_event_time_stands() -> None:
    city = Given(ENROLLMENT)
    city.when(registered(NIP, name="Budi Baru"), time=NINE)
    outcome = city.when(registered(NIP, name="Budi Lama"), time=NINE - timedelta(days=1))
    assert outcome.verdict is Verdict.SUPERSEDED
    assert (city.one(EMPLOYEES).profile.name, city.one(EMPLOYEES).version) == ("Budi Baru", 1)


@pytest.mark.parametrize(
    ("sent", "language", "noted"),
    [
        *((tag, "id", False) for tag in ("id", "in", "ID", "id-ID", "in_ID", "id_ID.UTF-8", " ind ", None)),
        *((tag, "id", False) for tag in ("Indonesia", "INDONESIAN", "Bahasa  Indonesia", "bahasa")),
        *((tag, "en", False) for tag in ("en", "EN", "en-GB", "en_US", "eng", "en-Latn-ID")),
        *((tag, "en", False) for tag in ("English", "Inggris", "Bahasa Inggris")),
        *(
            (tag, "id", True)
            for tag in ("su", "jv", "Bahasa Sunda", "", "x" * 5000, "\0", 5, True, ["id"], {"id": 1})
        ),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_language_is_read_by_its_first_subtag_and_no_other_refuses_the_employee(
    sent: object, language: str, noted: bool
) -> None:
    city = Given(ENROLLMENT)
    outcome = city.when(type(BUDI).model_validate(BUDI.model_dump() | {"language": sent}))
    assert outcome.verdict is Verdict.ACCEPTED
    assert city.one(EMPLOYEES).profile.language == language
    assert ("letters go out in Indonesian: send id or en" in outcome.reason) is noted


def test_when_an_address_changed_is_noted_by_the_logs_time() -> None:
    city = Given(ENROLLMENT, registered(email="a@example.org"))
    city.when(registered(email="a@example.org", golongan="IV/a"))
    assert city.one(EMPLOYEES).addressed_at is None
    city.when(registered(email="b@example.org"))
    changed_at = city.now
    assert city.one(EMPLOYEES).addressed_at == changed_at
    city.when(registered(email="a@example.org"), time=NINE)  # older by its own time: it does not stand
    city.when(registered(email="b@example.org", golongan="IV/b"))
    assert city.one(EMPLOYEES).addressed_at == changed_at


@pytest.mark.parametrize("number_first", [True, False])
def test_a_new_number_leads_to_the_same_employee(number_first: bool) -> None:
    new_number = changed(OTHER_NIP, previous_employee_number=NIP, employment_type=EmploymentType.PPPK)
    city = Given(ENROLLMENT, *((new_number, BUDI) if number_first else (BUDI, new_number)))
    assert city.one(EMPLOYEES).numbers == [NIP, OTHER_NIP]
    city.when(completed(OTHER_NIP))
    assert city.when(completed(NIP)).verdict is Verdict.DUPLICATE


def test_a_previous_number_that_is_the_same_is_no_history() -> None:
    city = Given(ENROLLMENT, registered(NIP, previous_employee_number=NIP))
    assert city.one(EMPLOYEES).numbers == [NIP]


def test_two_employees_never_become_one_by_a_number() -> None:
    city = Given(ENROLLMENT, BUDI, registered(OTHER_NIP))
    with pytest.raises(Rejected, match="two different employees"):
        city.when(changed(OTHER_NIP, previous_employee_number=NIP))


# Renderings.


def test_the_digest_of_a_pdf_belongs_to_its_revision_alone() -> None:
    city = Given(ENROLLMENT, BUDI, scored(80), scored(90))
    completion = city.one(COMPLETIONS)
    assert completion.certificate is not None

    def rendered(revision: int) -> Verdict:
        command = rendering(
            certificate_id=completion.certificate.id, completion_id=completion.id, revision=revision
        )
        return city.when(command).verdict

    assert [rendered(1), rendered(2), rendered(2)] == [
        Verdict.SUPERSEDED,
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
    ]
