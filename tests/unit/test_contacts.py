"""Whose address changed is told at the one before, once; and nothing goes out while two agencies claim a person."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.notification.letters.documents import (
    ADDRESS_CHANGED,
    CONTACTS,
    LETTERS,
    MAIL_NOTES,
    MAILS,
    Contact,
)
from shared.contracts.enrollment import EmployeeRecorded
from shared.contracts.notification import NoteMail
from shared.observability.redaction import hinted
from shared.pipeline.epochs import next_version
from shared.pipeline.outcome import Verdict
from tests.factories import employee_recorded
from tests.property.harness import NOTIFICATION
from tests.unit.given import NINE, Given

A, B, C = "rina@a.example", "rina@b.example", "rina@c.example"


def at(second: int) -> datetime:
    return NINE + timedelta(seconds=second)


def said(version: int, email: str | None, since: int | None = None, **more: Any) -> EmployeeRecorded:
    """`since`: the second of the address, of its version where nothing else is said; the first has none."""
    second = since if since is not None else version if version > 1 else None
    addressed_at = None if second is None else at(second)
    return employee_recorded(version=version, email=email, addressed_at=addressed_at, **more)


def told(city: Given[Any]) -> Sequence[tuple[str | None, str | None]]:
    """Whom of what, in order."""
    mails = [one for one in city.all(MAILS) if one.letter.template == ADDRESS_CHANGED]
    return [(one.letter.recipient, one.letter.new_address) for one in sorted(mails, key=lambda one: one.due)]


def test_the_address_before_is_told_of_the_new_one() -> None:
    city = Given(NOTIFICATION, said(1, A), said(2, B))
    assert told(city) == [(A, "r***@b.example")]
    assert B not in str(city.one(MAILS))
    assert city.one(CONTACTS).email == B
    assert city.all(LETTERS) == [], "those are about certificates"


def test_each_change_is_told_there_and_back_again() -> None:
    city = Given(NOTIFICATION, said(1, A), said(2, B), said(3, A), said(4, B))
    hints = {one: hinted(one) for one in (A, B)}
    assert told(city) == [(A, hints[B]), (B, hints[A]), (A, hints[B])]


def test_a_change_that_comes_again_or_late_is_told_once() -> None:
    city = Given(NOTIFICATION, said(1, A), said(2, B), said(2, B), said(1, A))
    assert len(told(city)) == 1
    late = Given(NOTIFICATION, said(1, A), said(3, C), said(2, B))
    assert told(late) == [(A, hinted(C))]


@pytest.mark.parametrize(
    "second",
    [
        said(2, A, since=1, name="Rina Wijaya"),
        said(2, A.upper()),
        said(2, None),
        employee_recorded(version=2, email=B, addressed_at=None),
    ],
    ids=["name", "case", "none", "before changes were dated"],
)
def test_what_is_no_change_of_address_is_not_told(second: EmployeeRecorded) -> None:
    city = Given(NOTIFICATION, said(1, A), second)
    assert told(city) == []
    assert city.one(CONTACTS).email == second.email


def test_who_gets_an_address_at_last_is_told_nothing() -> None:
    assert told(Given(NOTIFICATION, said(1, None), said(2, A))) == []


def test_taking_an_address_away_first_does_not_keep_its_owner_from_being_told() -> None:
    assert told(Given(NOTIFICATION, said(1, A), said(2, None), said(3, B))) == [(A, hinted(B))]


def test_a_change_before_contacts_were_told_apart_counts_as_the_address_that_stands() -> None:
    city = Given(NOTIFICATION, said(1, A))
    before = city.one(CONTACTS)
    old = Contact(before.id, 1, before.employee_numbers, before.name, A, before.language)
    city.stored[CONTACTS, old.id] = old
    city.when(said(2, B))
    assert told(city) == [(A, hinted(B))]


def test_after_a_restore_of_enrollment_nothing_is_told_again() -> None:
    """It decides what came after the backup anew, and says it under versions of its new epoch."""
    city = Given(NOTIFICATION, said(1, A), said(2, B), said(3, C))
    for place, (email, since) in enumerate([(A, None), (B, 2), (C, 3)], 1):
        addressed_at = None if since is None else at(since)
        version = next_version(0, 1) + place
        city.when(employee_recorded(version=version, email=email, addressed_at=addressed_at))
    assert len(told(city)) == 2
    city.when(said(next_version(0, 1) + 4, A, since=9))
    assert told(city)[-1] == (C, hinted(A))


def test_after_a_restore_of_notification_what_went_is_not_sent_again() -> None:
    city = Given(NOTIFICATION, said(1, A), said(2, B))
    id = city.one(MAILS).id
    restored = Given(NOTIFICATION, said(1, A), NoteMail(letter_id=id, state="sent", epoch=0), said(2, B))
    assert [(one.id, one.state) for one in restored.all(MAILS)] == [(id, "sent")]
    assert restored.one(MAIL_NOTES).id == id


def test_a_letter_whose_mail_is_there_is_not_written_again() -> None:
    """Not even where the contact was lost: its state is the mailers' alone."""
    city = Given(NOTIFICATION, said(1, A), said(2, B))
    contact = city.one(CONTACTS)
    city.stored[CONTACTS, contact.id] = Contact(contact.id, 1, [], contact.name, A, "id")
    assert city.when(said(2, B)).verdict is Verdict.ACCEPTED
    assert len(city.all(MAILS)) == 1


def test_two_changes_in_neighbouring_moments_are_two_letters() -> None:
    one = timedelta(milliseconds=1)
    moments = [at(5) + one * n for n in range(1, 40)]
    history = [
        employee_recorded(version=n, email=f"r{n}@a.example", addressed_at=moment)
        for n, moment in enumerate(moments, 1)
    ]
    assert len(told(Given(NOTIFICATION, *history))) == len(history) - 1


class TestHeld:
    def test_a_contact_is_held_until_a_version_says_otherwise(self) -> None:
        city = Given(NOTIFICATION, said(1, A), said(2, A, held=True))
        assert city.one(CONTACTS).held
        city.when(said(3, A))
        assert not city.one(CONTACTS).held

    def test_what_changes_meanwhile_is_told_when_it_is_decided(self) -> None:
        city = Given(NOTIFICATION, said(1, A), said(2, B, held=True), said(3, C, held=True))
        assert told(city) == []
        city.when(said(4, C, since=3))
        assert told(city) == [(A, hinted(C))]

    def test_what_was_there_and_back_again_when_it_is_decided_is_not_told(self) -> None:
        city = Given(NOTIFICATION, said(1, A), said(2, B, held=True), said(3, A))
        assert told(city) == []

    def test_who_was_disputed_from_the_first_has_no_address_before(self) -> None:
        assert told(Given(NOTIFICATION, said(2, A, held=True), said(3, B))) == []


JOINING, MAIN = "emp_00000000000000000000000000000001", "emp_00000000000000000000000000000002"


def of(
    record: str, version: int, email: str | None, since: int | None = None, **more: Any
) -> EmployeeRecorded:
    return said(version, email, since, employee_id=record, **more)


def joined(version: int, email: str | None, since: int | None = None) -> EmployeeRecorded:
    return of(JOINING, version, email, since, employee_numbers=())


class TestMerged:
    """JOINING with address A joins MAIN with address B, and leaves it again."""

    BEFORE = (of(JOINING, 1, A), of(MAIN, 1, B))

    def test_the_address_of_the_one_that_joins_is_told_where_its_mails_go(self) -> None:
        city = Given(NOTIFICATION, *self.BEFORE, of(MAIN, 2, B, since=1, merged=(JOINING,)), joined(2, B))
        assert told(city) == [(A, hinted(B))]

    def test_that_of_the_person_is_told_where_the_other_one_stands(self) -> None:
        city = Given(NOTIFICATION, *self.BEFORE, of(MAIN, 2, A, merged=(JOINING,)), joined(2, A, since=1))
        assert told(city) == [(B, hinted(A))]

    def test_one_address_is_told_nothing(self) -> None:
        city = Given(
            NOTIFICATION, *self.BEFORE, joined(2, A, since=1), of(MAIN, 2, B, since=1, merged=(JOINING,))
        )
        assert told(city) == []

    @pytest.mark.parametrize("stood", [A, B])
    def test_separated_nobody_is_told_of_the_other_s_address(self, stood: str) -> None:
        city = Given(
            NOTIFICATION, *self.BEFORE, of(MAIN, 2, stood, merged=(JOINING,)), joined(2, stood),
            of(JOINING, 3, A), of(MAIN, 3, B),
        )  # fmt: skip
        assert len(told(city)) == 1, "the merge's"
        emails = {one.id: (one.email, one.settled_email) for one in city.all(CONTACTS)}
        assert emails == {JOINING: (A, A), MAIN: (B, B)}

    def test_a_later_change_of_each_is_told_at_its_own_address(self) -> None:
        city = Given(
            NOTIFICATION, *self.BEFORE, of(MAIN, 2, A, merged=(JOINING,)), joined(2, A, since=1),
            of(JOINING, 3, A), of(MAIN, 3, B), of(JOINING, 4, C), of(MAIN, 5, "rina@d.example"),
        )  # fmt: skip
        assert told(city)[1:] == [(A, hinted(C)), (B, hinted("rina@d.example"))]

    def test_what_its_agency_changed_meanwhile_is_told_once_it_is_its_own_again(self) -> None:
        city = Given(NOTIFICATION, *self.BEFORE, of(MAIN, 2, B, since=1, merged=(JOINING,)), joined(2, B))
        city.when(of(JOINING, 3, C))
        assert told(city) == [(A, hinted(B)), (A, hinted(C))]

    def test_a_person_separated_into_a_dispute_does_not_tell_the_other_when_it_is_decided(self) -> None:
        city = Given(
            NOTIFICATION, *self.BEFORE, of(MAIN, 2, A, merged=(JOINING,)), of(MAIN, 3, B, held=True),
            of(MAIN, 4, C),
        )  # fmt: skip
        assert told(city) == [(B, hinted(A))]

    def test_without_an_address_of_its_own_the_person_s_is_no_address_before(self) -> None:
        city = Given(
            NOTIFICATION, of(JOINING, 1, None), joined(2, B), of(JOINING, 3, None), of(JOINING, 4, A)
        )
        assert told(city) == []

    def test_first_heard_of_while_it_is_joined_it_has_none_either(self) -> None:
        assert told(Given(NOTIFICATION, joined(2, B), of(JOINING, 3, A))) == []


@pytest.mark.parametrize(
    ("email", "hint"),
    [
        ("rina.wijaya@example.org", "r***@example.org"),
        ("r@example.org", "r***@example.org"),
        ('"a@b"@example.org', '"***@example.org'),
    ],
)
def test_a_hint_shows_one_letter_and_the_domain(email: str, hint: str) -> None:
    assert hinted(email) == hint
