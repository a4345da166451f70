"""What is written to whom, and when: (event, loaded state, terms) -> outcome. Pure: no I/O, clock, randomness or logging.

A letter is collected until its points are there, at most `MAX_WAIT`, and goes out once. One about
a certificate that was issued anew waits for a quiet time, so that corrections within minutes are one letter.
"""

from datetime import datetime, timedelta

import msgspec

from services.notification.letters.contacts import contact_needs, lacks_contact, record_contact
from services.notification.letters.documents import (
    COLLECTING,
    CONTACTS,
    DROPPED,
    ISSUED,
    LETTERS,
    MAIL_CANCELLATIONS,
    MAIL_NOTES,
    MAILS,
    OVERTAKEN,
    RECORDED,
    RELEASED,
    REVOKED,
    SETTLED_POINTS,
    Letter,
    MailCancellation,
    SettledPoints,
    person_lock,
)
from services.notification.letters.genuine import check_certificate_id, check_genuine
from services.notification.letters.mails import gone_before, queued
from services.notification.terms import Terms
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRevoked,
    CompletionUncertified,
    EmployeeRecorded,
)
from shared.contracts.incentive import PointsSettled
from shared.contracts.notification import ReleaseLetter
from shared.contracts.payload import CertificateId, CompletionId, EmployeeId, Payload
from shared.pipeline.documents import LOAD, Doc, Docs, Needs, State
from shared.pipeline.errors import Rejected, Waiting
from shared.pipeline.handlers import Handler, handler
from shared.pipeline.outcome import Outcome, Put, Verdict
from shared.pipeline.records import Received
from shared.pipeline.waiting import waits_for

MAX_WAIT = timedelta(seconds=60)
Told = Received[CertificateIssued] | Received[CertificateRevoked] | Received[CompletionUncertified]


def certificate_needs(event: Told, state: State, terms: Terms) -> Needs:
    data = event.data
    yield Doc(CONTACTS, data.employee_id)
    yield Doc(SETTLED_POINTS, data.completion_id)
    yield Doc(LETTERS, letter_id(data, terms))
    yield Doc(MAIL_NOTES, letter_id(data, terms))
    yield from _letters_needs(data.employee_id, data.completion_id, state)
    if state.get(CONTACTS, data.employee_id) is None:
        yield waits_for(lacks_contact(data.employee_id))


def _letters_needs(employee_id: EmployeeId, completion_id: CompletionId, state: State) -> Needs:
    """Letters of a completion, under the locks of whose it is, and of whose it was when the live ones were begun."""
    yield person_lock(employee_id)
    yield Docs(LETTERS, "completion_id", completion_id)
    yield LOAD
    live = state.among(LETTERS, "completion_id", completion_id, "state", (COLLECTING, RELEASED))
    for other in sorted({letter.employee_id for letter in live} - {employee_id}):
        yield person_lock(other)


def letter_id(data: CertificateIssued | CertificateRevoked | CompletionUncertified, terms: Terms) -> str:
    """One letter for each revision that is issued, and one for each that is revoked: a reinstatement makes the next. One
    for a completion without a certificate.

    Not by version: after a restore enrollment tells the same again under a higher one.
    """
    if isinstance(data, CompletionUncertified):
        return terms.ids.letter(data.certificate_id, RECORDED, "")
    if isinstance(data, CertificateIssued):
        return terms.ids.letter(data.certificate_id, ISSUED, str(data.revision))
    return terms.ids.letter(data.certificate_id, REVOKED, str(data.revision))


def write_issued_letter(event: Received[CertificateIssued], state: State, terms: Terms) -> Outcome:
    """Begins a letter; it is released at once when its points are known already."""
    data = event.data
    check_genuine(data, terms)
    not_before = event.now + terms.reissue_quiet if data.revision > 1 else None
    letter = Letter(
        id=letter_id(data, terms),
        certificate_id=data.certificate_id,
        completion_id=data.completion_id,
        employee_id=data.employee_id,
        template=ISSUED,
        revision=data.revision,
        state=COLLECTING,
        reason="",
        due=max(event.now + MAX_WAIT, not_before or event.now),
        completion_version=data.completion_version,
        certificate_number=data.certificate_number,
        title=data.title,
        verification_url=data.verification_url,
        organizer_name=data.organizer_name,
        completed_on=data.completed_on.isoformat(),
        jp=data.jp,
        jp_by_rate=data.jp_by_rate,
        jp_reason=data.jp_reason,
        jp_reason_en=data.jp_reason_en,
        traceparent=event.traceparent,
        not_before=not_before,
        series=data.series,
        reinstated=data.reinstated,
        reinstated_reason=data.reinstated_reason,
    )
    return _begin(letter, event, state)


def write_recorded_letter(event: Received[CompletionUncertified], state: State, terms: Terms) -> Outcome:
    """Says what a completion counts, and why there is no certificate of ours: one letter, however often it changes."""
    data = event.data
    check_certificate_id(data, terms)
    letter = Letter(
        id=letter_id(data, terms),
        certificate_id=CertificateId(""),
        completion_id=data.completion_id,
        employee_id=data.employee_id,
        template=RECORDED,
        revision=0,
        state=COLLECTING,
        reason="",
        due=event.now + MAX_WAIT,
        completion_version=data.completion_version,
        certificate_number="",
        title=data.title,
        verification_url="",
        organizer_name=data.organizer_name,
        completed_on=data.completed_on.isoformat(),
        jp=data.jp,
        jp_by_rate=data.jp_by_rate,
        jp_reason=data.jp_reason,
        jp_reason_en=data.jp_reason_en,
        traceparent=event.traceparent,
        why=data.why,
        organizer_code=data.organizer_code,
        issuing=data.issuing,
        issuing_name=data.issuing_name,
        issuing_unused=data.issuing_unused,
        reporter=data.reporter,
        reporter_name=data.reporter_name,
        external_issuer=data.external_issuer,
        external_certificate=data.external_certificate,
    )
    return _begin(letter, event, state)


def write_revoked_letter(event: Received[CertificateRevoked], state: State, terms: Terms) -> Outcome:
    """Says that a certificate was taken back; an earlier letter that has not gone out yet never does."""
    data = event.data
    check_genuine(data, terms)
    letter = Letter(
        id=letter_id(data, terms),
        certificate_id=data.certificate_id,
        completion_id=data.completion_id,
        employee_id=data.employee_id,
        template=REVOKED,
        revision=data.revision,
        state=COLLECTING,
        reason="",
        due=event.now,
        completion_version=data.completion_version,
        certificate_number=data.certificate_number,
        title=data.title,
        verification_url=data.verification_url,
        revocation_reason=data.reason,
        revocation_reason_en=data.reason_en,
        hours=data.hours,
        organizer_name=data.organizer_name,
        traceparent=event.traceparent,
        series=data.series,
    )
    return _begin(letter, event, state)


def _begin(letter: Letter, event: Told, state: State) -> Outcome:
    if state.get(CONTACTS, letter.employee_id) is None:
        raise Waiting(
            lacks_contact(letter.employee_id),
            "the employee's contact has not come yet: enrollment publishes it before the certificate",
        )

    def others(field: str, *values: object) -> list[Letter]:
        return state.among(LETTERS, "completion_id", letter.completion_id, field, values)

    points = state.get(SETTLED_POINTS, letter.completion_id)
    if points is not None and _answer(points, letter):
        letter = msgspec.structs.replace(letter, employee_id=points.employee_id)
    known = state.get(LETTERS, letter.id)
    said = (letter.template, letter.revision, letter.completion_version)
    # By what it says too: before epochs, letters about a revocation were named by version.
    if known is not None or any(
        (other.template, other.revision, other.completion_version) == said
        for other in others("completion_version", letter.completion_version)
    ):
        return Outcome(
            Verdict.DUPLICATE,
            "this letter was begun before",
            letter.id,
            changes=[] if known is None else _told_again(known, letter.completion_version),
        )
    # The newest is one of those: only a newer one, or one as new, ends a letter.
    live = others("state", COLLECTING, RELEASED)
    newest = max((other.newest_version for other in live), default=0)
    if newest > letter.completion_version:
        dropped = msgspec.structs.replace(
            letter, state=DROPPED, reason="a newer letter tells what stands now"
        )
        return Outcome(Verdict.SUPERSEDED, dropped.reason, letter.id, changes=[Put(LETTERS, dropped)])
    changes: list[Put] = []
    for other in live:
        if other.state == COLLECTING:
            reason = "overtaken before it was sent"
            changes.append(Put(LETTERS, msgspec.structs.replace(other, state=DROPPED, reason=reason)))
        else:  # it may still be in the queue; a mailer looks before it hands over
            reason = "overtaken before it was sent"
            changes.append(Put(LETTERS, msgspec.structs.replace(other, state=OVERTAKEN)))
            changes.append(Put(MAIL_CANCELLATIONS, MailCancellation(id=other.id, reason=reason)))
    if (note := state.get(MAIL_NOTES, letter.id)) is not None:
        released = msgspec.structs.replace(letter, state=RELEASED)
        changes += [Put(LETTERS, released), Put(MAILS, gone_before(released, note, event.now))]
    elif letter.template == REVOKED:
        changes += _released(letter, None, event.now)
    elif points is not None and _answer(points, letter):
        changes += _complete(letter, points, event.now)
    else:
        changes.append(Put(LETTERS, letter))
    return Outcome(Verdict.ACCEPTED, subject=letter.id, changes=changes)


def _told_again(letter: Letter, version: int) -> list[Put]:
    """It says what stands, under another version now. Not noted, it was called missing for good after a restore, and
    nothing healed that. The version that its points answer stays: no others may come."""
    if version <= letter.newest_version:
        return []
    return [Put(LETTERS, msgspec.structs.replace(letter, told_again=version))]


def _owner(letter: Letter) -> EmployeeId:
    return letter.employee_id


def _answer(points: SettledPoints, letter: Letter) -> bool:
    return points.completion_version >= letter.completion_version


def _complete(letter: Letter, points: SettledPoints, now: datetime) -> list[Put]:
    """Released, unless a newer issue may still take its place: then it goes when that time is over."""
    if letter.not_before is not None and now < letter.not_before:
        return [Put(LETTERS, msgspec.structs.replace(letter, due=letter.not_before))]
    return _released(letter, points, now)


def _released(letter: Letter, points: SettledPoints | None, now: datetime) -> list[Put]:
    if points is not None:
        letter = msgspec.structs.replace(
            letter,
            points=points.points,
            points_by_rule=points.points_by_rule,
            points_reason=points.reason,
            points_reason_en=points.reason_en,
            balance=points.balance,
            level=points.level,
            level_en=points.level_en,
        )
    letter = msgspec.structs.replace(letter, state=RELEASED)
    return [Put(LETTERS, letter), Put(MAILS, queued(letter, now))]


def points_needs(event: Received[PointsSettled], state: State, terms: Terms) -> Needs:
    data = event.data
    yield Doc(SETTLED_POINTS, data.completion_id)
    yield from _letters_needs(data.employee_id, data.completion_id, state)


def note_points(event: Received[PointsSettled], state: State, terms: Terms) -> Outcome:
    """Releases the letter that waits for these points; points that come after a letter send none. Whose the points are,
    the letters are too: the completion may have become another person's since they were begun."""
    data = event.data
    known = state.get(SETTLED_POINTS, data.completion_id)
    if known is not None and known.version >= data.version:
        return Outcome(Verdict.SUPERSEDED, f"version {known.version} stands", data.completion_id)
    points = SettledPoints(
        id=data.completion_id,
        employee_id=data.employee_id,
        version=data.version,
        completion_version=data.completion_version,
        points=data.points,
        points_by_rule=data.points_by_rule,
        reason=data.reason,
        balance=data.balance,
        level=data.level,
        level_en=data.level_en,
        reason_en=data.reason_en,
    )
    changes: list[Put] = [Put(SETTLED_POINTS, points)]
    collecting = {
        collected.id: collected
        for collected in state.among(LETTERS, "completion_id", data.completion_id, "state", (COLLECTING,))
    }
    # Not by whose the points were before: a letter may have come between, which those did not answer.
    owners = state.told_apart(LETTERS, "completion_id", data.completion_id, _owner)
    others = [owner for owner in owners if owner != data.employee_id]
    for letter in state.among(LETTERS, "completion_id", data.completion_id, "employee_id", others):
        if _answer(points, letter):
            moved = msgspec.structs.replace(letter, employee_id=data.employee_id)
            if letter.id in collecting:
                collecting[letter.id] = moved
            changes.append(Put(LETTERS, moved))
    for letter in collecting.values():
        if _answer(points, letter):
            changes += _complete(letter, points, event.now)
    return Outcome(Verdict.ACCEPTED, subject=data.completion_id, changes=changes)


def release_needs(event: Received[ReleaseLetter], state: State, terms: Terms) -> Needs:
    yield Doc(LETTERS, event.data.letter_id)
    yield LOAD
    letter = state.get(LETTERS, event.data.letter_id)
    if letter is not None:
        yield person_lock(letter.employee_id)
        yield Doc(SETTLED_POINTS, letter.completion_id)


def release_letter(event: Received[ReleaseLetter], state: State, terms: Terms) -> Outcome:
    """The timer's command: send, with the points if they are there, if the letter still waits and is due."""
    letter = state.get(LETTERS, event.data.letter_id)
    if letter is None:
        raise Rejected("there is no such letter: the command was not written by this service")
    if letter.state != COLLECTING or event.now < letter.due:
        return Outcome(Verdict.NOTHING, f"the letter is {letter.state}", letter.id)
    points = state.get(SETTLED_POINTS, letter.completion_id)
    if points is not None and not _answer(points, letter):
        points = None
    return Outcome(Verdict.ACCEPTED, subject=letter.id, changes=_released(letter, points, event.now))


HANDLERS: dict[type[Payload], Handler[Terms]] = {
    EmployeeRecorded: handler(contact_needs, record_contact),
    CertificateIssued: handler(certificate_needs, write_issued_letter),
    CertificateRevoked: handler(certificate_needs, write_revoked_letter),
    CompletionUncertified: handler(certificate_needs, write_recorded_letter),
    PointsSettled: handler(points_needs, note_points),
    ReleaseLetter: handler(release_needs, release_letter),
}
