"""What notification decides, rule by rule."""

from collections.abc import Callable

import msgspec
import pytest

from services.notification.delivery.documents import MAIL_ORDERS
from services.notification.delivery.turns import body_of
from services.notification.letters.documents import CONTACTS, LETTERS, MAIL_CANCELLATIONS, MAIL_NOTES, MAILS
from services.notification.letters.handlers import MAX_WAIT
from shared.contracts.enrollment import CertificateIssued, CertificateRevoked, CompletionUncertified
from shared.contracts.incentive import PointsSettled
from shared.contracts.notification import NoteMail, ResendMail
from shared.contracts.payload import EmployeeId
from shared.pipeline.epochs import next_version
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.outcome import Verdict
from tests.factories import (
    OTHER_NIP,
    certificate_issued,
    certificate_revoked,
    completion_uncertified,
    employee_recorded,
    genuine,
    points_settled,
    release_letter,
)
from tests.property.harness import NOTIFICATION
from tests.unit.given import Given

CONTACT = employee_recorded(version=1)
TERMS = NOTIFICATION.terms
WAIT_S = MAX_WAIT.total_seconds()


QUIET_S = TERMS.reissue_quiet.total_seconds()
COMPLETION = certificate_issued().completion_id


def issued(revision: int = 1, version: int = 1, **changes: object) -> CertificateIssued:
    about = {**genuine(TERMS.ids, COMPLETION, revision), **changes}
    return certificate_issued(completion_version=version, **about)


def revoked(version: int = 2, **changes: object) -> CertificateRevoked:
    about = {**genuine(TERMS.ids, COMPLETION, 1), **changes}
    return certificate_revoked(completion_version=version, **about)


def uncertified(version: int = 1, **changes: object) -> CompletionUncertified:
    return completion_uncertified(TERMS.ids, completion_id=COMPLETION, completion_version=version, **changes)


def points(version: int = 1, completion_version: int = 1, given: int = 5) -> PointsSettled:
    return points_settled(version=version, completion_version=completion_version, points=given, reason=None)


def letters(city: Given[object]) -> dict[tuple[str, int], str]:
    return {(one.template.removeprefix("certificate_"), one.revision): one.state for one in city.all(LETTERS)}


def test_a_letter_waits_for_its_points_and_then_goes_with_them() -> None:
    city = Given(NOTIFICATION, CONTACT, issued())
    assert (letters(city), city.all(MAILS)) == ({("issued", 1): "collecting"}, [])
    city.when(points(given=5))
    assert letters(city) == {("issued", 1): "released"}
    assert city.one(MAILS).letter.points == 5


def test_points_that_are_there_already_release_the_letter_at_once() -> None:
    city = Given(NOTIFICATION, CONTACT, points(given=7), issued())
    assert city.one(MAILS).letter.points == 7


def test_points_of_an_older_version_do_not_release_a_letter() -> None:
    city = Given(NOTIFICATION, CONTACT, points(), issued(revision=2, version=3))
    assert letters(city) == {("issued", 2): "collecting"}
    city.when(points(version=2, completion_version=3, given=9), after_s=QUIET_S)
    assert city.one(MAILS).letter.points == 9


def test_a_letter_that_comes_between_two_settlements_is_whose_the_points_are() -> None:
    other = EmployeeId("emp_" + "2" * 32)
    city = Given(
        NOTIFICATION, CONTACT, employee_recorded(employee_id=other, version=1, employee_numbers=(OTHER_NIP,))
    )
    city.when(points_settled(employee_id=other, version=1, completion_version=1))
    city.when(issued(revision=2, version=3))
    assert city.one(LETTERS).employee_id != other
    city.when(points_settled(employee_id=other, version=2, completion_version=4))
    assert city.one(LETTERS).employee_id == other


def test_a_letter_goes_without_points_after_a_minute_and_not_before() -> None:
    city = Given(NOTIFICATION, CONTACT, issued())
    release = release_letter(letter_id=city.one(LETTERS).id)
    assert city.when(release, after_s=WAIT_S - 1).verdict is Verdict.NOTHING
    assert city.when(release, after_s=1).verdict is Verdict.ACCEPTED
    assert city.one(MAILS).letter.points is None
    assert city.when(release).verdict is Verdict.NOTHING


def test_points_that_come_after_the_letter_send_none() -> None:
    city = Given(NOTIFICATION, CONTACT, issued())
    city.when(release_letter(letter_id=city.one(LETTERS).id), after_s=WAIT_S)
    city.when(points())
    assert len(city.all(MAILS)) == 1


def test_a_letter_is_begun_once_however_often_its_certificate_is_told() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(), points())
    assert city.when(issued(), id="another").verdict is Verdict.DUPLICATE
    assert len(city.all(MAILS)) == 1


def test_a_letter_that_is_told_again_after_a_restore_tells_of_the_newer_version_too() -> None:
    """Enrollment counts its versions in an epoch of its own then; the letter was called missing for good."""
    city = Given(NOTIFICATION, CONTACT, issued(), points())
    again = next_version(0, 1)
    assert city.when(issued(version=again), id="another").verdict is Verdict.DUPLICATE
    letter = city.one(LETTERS)
    assert (letter.completion_version, letter.newest_version) == (1, again)
    city.when(revoked(version=again - 1))
    assert letters(city)["revoked", 1] == "dropped", "it is older than what the letter tells"


def test_a_letter_that_is_overtaken_before_its_points_came_is_dropped() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(), issued(revision=2, version=2))
    assert letters(city) == {("issued", 1): "dropped", ("issued", 2): "collecting"}
    city.when(points(completion_version=2), after_s=QUIET_S)
    assert [one.letter.revision for one in city.all(MAILS)] == [2]


def test_a_letter_that_comes_after_a_newer_one_is_dropped() -> None:
    city = Given(NOTIFICATION, CONTACT, revoked(version=2))
    assert city.when(issued(version=1)).verdict is Verdict.SUPERSEDED
    assert letters(city) == {("issued", 1): "dropped", ("revoked", 1): "released"}


def test_a_released_letter_that_is_overtaken_is_cancelled_in_case_it_has_not_gone() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(), points(), revoked())
    assert letters(city) == {("issued", 1): "overtaken", ("revoked", 1): "released"}
    cancelled = city.one(MAIL_CANCELLATIONS)
    assert cancelled.reason == "overtaken before it was sent"
    city.when(issued(revision=2, version=3))
    assert len(city.all(MAIL_CANCELLATIONS)) == 2


def test_a_revocation_is_told_at_once_with_its_reason() -> None:
    city = Given(NOTIFICATION, CONTACT, revoked())
    assert city.one(MAILS).letter.revocation_reason == certificate_revoked().reason


@pytest.mark.parametrize("certificate", [issued(), revoked()])
def test_a_letter_waits_for_the_contact_that_it_goes_to(
    certificate: CertificateIssued | CertificateRevoked,
) -> None:
    city = Given(NOTIFICATION)
    with pytest.raises(Waiting) as waiting:
        city.when(certificate)
    assert list(city.when(CONTACT).unblocks) == [waiting.value.lacks]


def test_a_letter_keeps_whose_training_it_is_about_so_that_bodies_can_take_turns() -> None:
    for told in (issued(series="bkpsdm/2026"), revoked(series="bkpsdm/2026")):
        (letter,) = Given(NOTIFICATION, CONTACT, told).all(LETTERS)
        assert body_of(letter.organizer_code, letter.series) == "bkpsdm"
    (letter,) = Given(NOTIFICATION, CONTACT, uncertified(organizer_code="BKPSDM")).all(LETTERS)
    assert body_of(letter.organizer_code, letter.series) == "bkpsdm"


def test_the_newest_version_of_a_contact_stands() -> None:
    city = Given(NOTIFICATION, employee_recorded(version=2, email="b@example.com"))
    assert city.when(employee_recorded(version=1, email="a@example.com")).verdict is Verdict.SUPERSEDED
    assert city.one(CONTACTS).email == "b@example.com"


def test_a_timer_for_a_letter_of_nobody_is_refused() -> None:
    with pytest.raises(Rejected, match="there is no such letter"):
        Given(NOTIFICATION).when(release_letter(letter_id="let_none"))


@pytest.mark.parametrize("first", [issued(), revoked()])
def test_a_certificate_that_is_told_of_another_completion_is_refused(
    first: CertificateIssued | CertificateRevoked,
) -> None:
    """It was a bug: the letter's id comes from the certificate, and was looked for with the completion only."""
    city = Given(NOTIFICATION, CONTACT, first)
    other = first.model_copy(update={"completion_id": "cmp_other"})
    with pytest.raises(Rejected, match="certificate_id is not that of completion_id's certificate"):
        city.when(other)
    assert len(city.all(LETTERS)) == 1


@pytest.mark.parametrize(
    "verification_url",
    [
        "javascript:alert(1)",
        "https://stranger.example/",
        issued(revision=2).verification_url,
        "https://kompeten.example/v/" + "a" * 26,
        "",
    ],
)
@pytest.mark.parametrize("told", [issued, revoked])
def test_an_event_that_enrollment_cannot_have_written_sends_no_letter(
    told: Callable[..., CertificateIssued | CertificateRevoked], verification_url: str
) -> None:
    """A forged one was mailed, with a stranger's link and a script."""
    city = Given(NOTIFICATION, CONTACT)
    forged = told(verification_url=verification_url)
    with pytest.raises(Rejected, match="enrollment did not publish this event: discard it"):
        city.when(forged)
    assert city.all(LETTERS) == []


def test_no_link_out_of_an_event_is_kept() -> None:
    """Events of before links were made with the mail have one, and are read as long as the log has them."""
    city = Given(NOTIFICATION, CONTACT, points(), issued(download_url="https://stranger.example/d/1"))
    assert b"stranger" not in msgspec.json.encode(city.one(MAILS))


def reissued(city: Given[object], *revisions: int, every_s: float) -> None:
    for revision in revisions:
        city.when(issued(revision, version=revision), after_s=every_s)
        city.when(points(version=revision, completion_version=revision, given=revision), after_s=1)


def release(city: Given[object], revision: int, after_s: float) -> Verdict:
    (letter,) = (one for one in city.all(LETTERS) if one.revision == revision)
    return city.when(release_letter(letter_id=letter.id), after_s=after_s).verdict


def test_corrections_within_minutes_are_one_letter_that_says_the_last() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(), points())
    reissued(city, 2, 3, 4, every_s=60)
    assert [one.letter.revision for one in city.all(MAILS)] == [1]
    assert release(city, 2, after_s=QUIET_S - 10) is Verdict.NOTHING
    assert release(city, 4, after_s=0) is Verdict.NOTHING
    assert release(city, 4, after_s=10) is Verdict.ACCEPTED
    assert sorted((one.letter.revision, one.letter.points) for one in city.all(MAILS)) == [(1, 5), (4, 4)]


def test_the_first_letter_does_not_wait_for_corrections() -> None:
    assert len(Given(NOTIFICATION, CONTACT, issued(), points()).all(MAILS)) == 1


def test_an_issue_anew_whose_points_come_late_goes_with_them_at_once() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(revision=2))
    city.when(points(), after_s=QUIET_S)
    assert city.one(MAILS).letter.points == 5


def test_an_issue_anew_goes_when_it_is_quiet_however_long_points_may_take() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(revision=2))
    city.when(points(), after_s=1)
    assert city.one(LETTERS).due == city.one(LETTERS).not_before
    assert release(city, 2, after_s=QUIET_S - 1) is Verdict.ACCEPTED


def test_a_revocation_does_not_wait_and_takes_the_place_of_an_issue_anew() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(revision=2), revoked(version=3))
    assert letters(city) == {("issued", 2): "dropped", ("revoked", 1): "released"}


def test_a_new_snapshot_keeps_what_its_owner_confirmed() -> None:
    city = Given(NOTIFICATION, CONTACT)
    confirmed = msgspec.structs.replace(city.one(CONTACTS), confirmed_email=CONTACT.email)
    city.stored[CONTACTS, confirmed.id] = confirmed
    city.when(employee_recorded(version=2, email="other@example.com"))
    assert (city.one(CONTACTS).email, city.one(CONTACTS).confirmed_email) == (
        "other@example.com",
        CONTACT.email,
    )


def test_a_revocation_told_again_after_a_restore_sends_no_second_letter() -> None:
    """Enrollment tells the same under a version of its new epoch."""
    city = Given(NOTIFICATION, CONTACT, issued(), points(), revoked(version=2))
    assert city.when(revoked(version=next_version(0, 1))).verdict is Verdict.DUPLICATE
    assert len(city.all(MAILS)) == 2


def test_what_became_of_a_mail_is_noted_once_an_epoch() -> None:
    city = Given(NOTIFICATION)
    note = NoteMail(letter_id="let_1", state="sent", epoch=0)
    assert city.when(note).verdict is Verdict.ACCEPTED
    assert city.when(note).verdict is Verdict.DUPLICATE
    assert [(one.id, one.state, one.epoch) for one in city.all(MAIL_NOTES)] == [("let_1", "sent", 0)]


def test_the_latest_order_by_which_a_mail_went_out_is_noted() -> None:
    """In whatever order the notes come."""
    notes = [
        NoteMail(letter_id="let_1", state="bounced", epoch=0),
        NoteMail(letter_id="let_1", state="sent", epoch=0, order=1),
        NoteMail(letter_id="let_1", state="bounced", epoch=1),
    ]
    for order in (notes, notes[::-1]):
        city = Given(NOTIFICATION)
        for note in order:
            city.when(note)
        (noted,) = city.all(MAIL_NOTES)
        assert (noted.state, noted.order) == ("sent", 1)


def test_an_order_to_send_a_mail_again_is_kept_once_with_who_gave_it_and_why() -> None:
    city = Given(NOTIFICATION, CONTACT, uncertified(), points())
    mail = city.one(MAILS)
    order = ResendMail(letter_id=mail.id, operator="jaga", reason="the relay refused all")
    given = city.when(order, id="c-1")
    assert (given.verdict, given.subject, given.answer["operator"]) == (Verdict.ACCEPTED, mail.id, "jaga")
    assert city.when(order, id="c-1").verdict is Verdict.DUPLICATE
    another = ResendMail(letter_id=mail.id, operator="jaga", reason="another")
    reused = city.when(another, id="c-1")
    assert (reused.verdict, reused.answer["problem"]) == (Verdict.REFUSED, "idempotency-key-reused")
    assert city.when(order, id="c-2").verdict is Verdict.ACCEPTED
    assert [(one.id, one.number) for one in city.all(MAIL_ORDERS)] == [("c-1", 1), ("c-2", 2)]
    assert city.one(MAILS) == mail, "its state is the mailers' alone"


def test_an_order_about_no_mail_is_refused() -> None:
    city = Given(NOTIFICATION)
    refused = city.when(ResendMail(letter_id="let_1", operator="jaga", reason="x"))
    assert (refused.verdict, refused.answer["problem"]) == (Verdict.REFUSED, "not-found")


def test_a_letter_that_an_earlier_version_named_otherwise_is_not_written_again() -> None:
    """A replay after an upgrade told a second time that a certificate was revoked."""
    city = Given(NOTIFICATION, CONTACT, issued(), revoked())
    (letter,) = (one for one in city.all(LETTERS) if one.template == "certificate_revoked")
    del city.stored[LETTERS, letter.id]
    city.stored[LETTERS, "let_named_by_version"] = msgspec.structs.replace(letter, id="let_named_by_version")
    assert city.when(revoked()).verdict == Verdict.DUPLICATE
    assert len(city.all(LETTERS)) == 2


# Recorded without a certificate of ours.


def test_who_has_no_certificate_of_ours_is_told_once_with_the_points() -> None:
    city = Given(NOTIFICATION, CONTACT, uncertified())
    assert (letters(city), city.all(MAILS)) == ({("completion_recorded", 0): "collecting"}, [])
    city.when(points(given=5))
    mail = city.one(MAILS)
    assert (mail.letter.points, mail.letter.why, mail.letter.certificate_id) == (5, "outside", "")
    for again in (uncertified(), uncertified(version=3, title="Corrected")):
        assert city.when(again).verdict is Verdict.DUPLICATE
    assert city.all(MAILS) == [mail]


def test_a_certificate_that_comes_takes_the_place_of_a_letter_that_has_not_gone() -> None:
    city = Given(NOTIFICATION, CONTACT, uncertified(), issued(version=2))
    assert letters(city) == {("completion_recorded", 0): "dropped", ("issued", 1): "collecting"}
    late = Given(NOTIFICATION, CONTACT, issued(version=2))
    assert late.when(uncertified()).verdict is Verdict.SUPERSEDED
    assert letters(late) == {("completion_recorded", 0): "dropped", ("issued", 1): "collecting"}


def test_a_certificate_comes_after_a_letter_that_has_gone() -> None:
    city = Given(NOTIFICATION, CONTACT, uncertified(), points(), issued(version=2), points(2, 2))
    assert letters(city) == {("completion_recorded", 0): "overtaken", ("issued", 1): "released"}


def test_a_forged_word_of_a_completion_without_certificate_is_refused() -> None:
    forged = uncertified().model_copy(update={"certificate_id": "crt_" + "0" * 32})
    with pytest.raises(Rejected, match="enrollment did not publish this event"):
        Given(NOTIFICATION, CONTACT).when(forged)
