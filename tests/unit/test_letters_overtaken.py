"""A letter takes back those before it that have not gone out, each once."""

from datetime import UTC, datetime

from services.notification.letters.documents import (
    CONTACTS,
    LETTERS,
    MAIL_CANCELLATIONS,
    MAIL_NOTES,
    SETTLED_POINTS,
    Contact,
    SettledPoints,
)
from services.notification.letters.handlers import letter_id, write_issued_letter
from services.notification.terms import load_terms
from shared.contracts.enrollment import CertificateIssued
from shared.pipeline.documents import Doc, Docs, State
from shared.pipeline.outcome import Put
from shared.pipeline.records import Received, RecordMetadata
from tests import factories

TERMS = load_terms("0123456789abcdef" * 4, "https://kompeten.example", reissue_quiet_s=0)
MOMENT = datetime(2026, 3, 5, tzinfo=UTC)


def issued(revision: int) -> Received[CertificateIssued]:
    of_enrollment = factories.genuine(TERMS.ids, factories.certificate_issued().completion_id, revision)
    data = factories.certificate_issued(completion_version=revision, **of_enrollment)
    assert isinstance(data, CertificateIssued)
    at = RecordMetadata("enrollment.events.v1", 0, revision)
    return Received(data, f"event-{revision}", data.TYPE, MOMENT, "enrollment", MOMENT, None, at, MOMENT)


def test_a_third_letter_does_not_cancel_the_first_again() -> None:
    """Inserting that cancellation a second time was refused by the database, and the letter was lost."""
    event = issued(1).data
    contact = Contact(event.employee_id, 1, [factories.NIP], "Rina", "rina@example.org", "id")
    points = SettledPoints(event.completion_id, event.employee_id, 9, 9, 10, 10, None, 10, "")
    state = State()
    state.loaded(
        [
            Doc(CONTACTS, contact.id),
            Doc(SETTLED_POINTS, points.id),
            Docs(LETTERS, "completion_id", event.completion_id),
            *(
                Doc(collection, letter_id(issued(revision).data, TERMS))
                for revision in (1, 2, 3)
                for collection in (LETTERS, MAIL_NOTES)
            ),
        ],
        [(CONTACTS, contact), (SETTLED_POINTS, points)],
    )
    cancelled: list[str] = []
    begun: list[str] = []
    for revision in (1, 2, 3):
        outcome = write_issued_letter(issued(revision), state, TERMS)
        begun.append(outcome.subject)
        for change in outcome.changes:
            assert isinstance(change, Put)
            state.apply(change.collection, change.document.id, change.document)
            if change.collection is MAIL_CANCELLATIONS:
                cancelled.append(change.document.id)
    assert cancelled == begun[:2]
