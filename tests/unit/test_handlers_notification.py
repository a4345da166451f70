"""What notification decides, rule by rule."""

import msgspec
import pytest

from services.notification.documents import CONTACTS, LETTERS, MAIL_CANCELLATIONS, MAIL_NOTES, MAILS
from services.notification.handlers import LONGEST_WAIT
from shared.contracts.enrollment import CertificateIssued, CertificateRevoked
from shared.contracts.incentive import PointsSettled
from shared.contracts.notification import NoteMail
from shared.pipeline.epochs import next_version
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.outcome import Verdict
from tests.factories import (
    certificate_issued,
    certificate_revoked,
    employee_recorded,
    points_settled,
    release_letter,
)
from tests.property.harness import NOTIFICATION
from tests.unit.given import Given

CONTACT = employee_recorded(version=1)
WAIT_S = LONGEST_WAIT.total_seconds()


def issued(revision: int = 1, version: int = 1) -> CertificateIssued:
    return certificate_issued(revision=revision, completion_version=version)


def revoked(version: int = 2) -> CertificateRevoked:
    return certificate_revoked(revision=1, completion_version=version)


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
    city.when(points(version=2, completion_version=3, given=9))
    assert city.one(MAILS).letter.points == 9


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


def test_a_letter_that_is_overtaken_before_its_points_came_is_dropped() -> None:
    city = Given(NOTIFICATION, CONTACT, issued(), issued(revision=2, version=2))
    assert letters(city) == {("issued", 1): "dropped", ("issued", 2): "collecting"}
    city.when(points(completion_version=2))
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
    assert list(city.when(CONTACT).appeared) == [waiting.value.lacks]


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
    with pytest.raises(Rejected, match="another completion"):
        city.when(other)
    assert len(city.all(LETTERS)) == 1


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


def test_a_letter_that_an_earlier_version_named_otherwise_is_not_written_again() -> None:
    """A replay after an upgrade told a second time that a certificate was revoked."""
    city = Given(NOTIFICATION, CONTACT, issued(), revoked())
    (letter,) = (one for one in city.all(LETTERS) if one.template == "certificate_revoked")
    del city.stored[LETTERS, letter.id]
    city.stored[LETTERS, "let_named_by_version"] = msgspec.structs.replace(letter, id="let_named_by_version")
    assert city.when(revoked()).verdict == Verdict.DUPLICATE
    assert len(city.all(LETTERS)) == 2
