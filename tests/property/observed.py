"""What a city ends with: the facts that no order may change, and the promises that hold after any order."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from services.enrollment.certificates.documents import SEQUENCES
from services.enrollment.certificates.issuing_bodies import sequence_id
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.completions.recalculation import effective_training, learning_in_year
from services.enrollment.learning_hours.jp import credit_learnings
from services.enrollment.persons.documents import EMPLOYEES
from services.incentive.points.documents import ACCOUNTS, EARNED_COMPLETIONS, POINT_ENTRIES, EarnedCompletion
from services.incentive.rules.awards import award_month
from services.notification.letters.contacts import hinted, letter_id
from services.notification.letters.documents import (
    ADDRESS_CHANGED,
    ISSUED,
    LETTERS,
    MAIL_CANCELLATIONS,
    MAILS,
    RECORDED,
    RELEASED,
    REVOKED,
    Letter,
)
from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.cloudevents import decode, peek
from shared.contracts.enrollment import CertificateIssued, CertificateRevoked, EmployeeRecorded, JpCredited
from shared.contracts.payload import Payload
from shared.contracts.topics import ENROLLMENT_EVENTS
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, REDELIVERIES_A_REPLAY, WAITING
from shared.pipeline.waiting import waiting_id
from tests.property.harness import INCENTIVE, NOTIFICATION, TERMS, City

BY_TYPE = {payload.TYPE: payload for payload in EVENT_TYPES}


class Ending(NamedTuple):
    """Equal for all orders, splits, repetitions and resends of the same sendings."""

    employees: dict[str, object]
    completions: dict[str, object]
    year_totals: dict[str, Decimal]
    points: dict[str, int]
    balances: dict[str, int]
    waiting: set[str]
    dead: set[tuple[str, str]]


async def observe(city: City) -> Ending:
    completions = {}
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for one in await city.documents("enrollment", COMPLETIONS):
        if not one.effective:
            continue
        facts = effective_training(one)
        revoked = None if one.certificate is None else one.certificate.revoked
        completions[one.id] = (facts, one.jp, one.jp_rule, one.jp_reason, revoked)
        totals[f"{one.employee_id}/{facts.completed_on.year}"] += one.jp
    employees = {
        one.id: (sorted(one.numbers), one.profile) for one in await city.documents("enrollment", EMPLOYEES)
    }
    points = {one.id: one.points for one in await city.documents("incentive", EARNED_COMPLETIONS)}
    # No account yet is the same as nothing in it.
    balances = {one.id: one.balance for one in await city.documents("incentive", ACCOUNTS) if one.balance}
    waiting, dead = set(), set()
    for name in city.members:
        waiting |= {f"{name}/{one.event_id}" for one in await city.documents(name, WAITING)}
        dead |= {(name, one.kind, one.reason) for one in await city.documents(name, DEAD_LETTERS)}
    return Ending(employees, completions, dict(totals), points, balances, waiting, dead)


async def promises(city: City) -> None:
    """Raises AssertionError where one is broken."""
    await numbers_have_no_gap(city)
    await hours_and_points_follow_from_what_stands(city)
    await points_explain_themselves(city)
    await every_record_was_decided_once(city)
    await letters_tell_what_stands(city)
    await the_address_before_is_told_of_changes_alone(city)
    await what_was_published_ends_in_what_stands(city)
    for name in city.members:
        assert [one for one in await city.documents(name, DEAD_LETTERS) if one.kind == "bug"] == []


async def numbers_have_no_gap(city: City) -> None:
    given: dict[str, list[int]] = defaultdict(list)
    for one in await city.documents("enrollment", COMPLETIONS):
        if one.certificate is not None:
            parts = one.certificate.number.split("/")
            sequence = next(int(part) for part in parts if part.isdigit())
            given[sequence_id(one.contents[0].facts.organizer_code, int(parts[-1]))].append(sequence)
    last = {one.id: one.last for one in await city.documents("enrollment", SEQUENCES)}
    assert {id: sorted(numbers) for id, numbers in given.items()} == {
        id: list(range(1, count + 1)) for id, count in last.items()
    }


async def hours_and_points_follow_from_what_stands(city: City) -> None:
    """As the rules give them for all that stands, at once: no history of arrivals is left in them."""
    people: dict[str, list[Completion]] = defaultdict(list)
    for one in await city.documents("enrollment", COMPLETIONS):
        if one.learning_year:
            people[one.employee_id].append(one)
        else:
            assert one.jp == 0
    for those in people.values():
        credits = credit_learnings(
            [learning_in_year(one, effective_training(one)) for one in those], TERMS.rates
        )
        assert {one.id: one.jp for one in those} == {id: credit.jp for id, credit in credits.items()}
    months: dict[str, list[EarnedCompletion]] = defaultdict(list)
    for earned in await city.documents("incentive", EARNED_COMPLETIONS):
        months[earned.month].append(earned)
    for month, achieved in months.items():
        awards = award_month([one.achievement() for one in achieved], INCENTIVE.terms.rules) if month else {}
        given = {one.id: one.points for one in achieved}
        assert given == ({id: award.points for id, award in awards.items()} or dict.fromkeys(given, 0))


async def points_explain_themselves(city: City) -> None:
    """The ledger sums to the balance and, for each completion, to the points that it has: all of them in the account of
    whose it is; no gap in its lines."""
    by_account: Counter[str] = Counter()
    by_completion: Counter[tuple[str, str]] = Counter()
    by_month: Counter[tuple[str, str]] = Counter()
    lines: dict[str, list[int]] = defaultdict(list)
    for entry in await city.documents("incentive", POINT_ENTRIES):
        assert entry.points != 0
        by_account[entry.employee_id] += entry.points
        by_completion[entry.employee_id, entry.completion_id] += entry.points
        by_month[entry.employee_id, entry.month] += entry.points
        lines[entry.employee_id].append(entry.sequence)
    for account in await city.documents("incentive", ACCOUNTS):
        assert account.balance == by_account[account.id]
        assert lines[account.id] == list(range(1, account.last_sequence + 1))
    for earned in await city.documents("incentive", EARNED_COMPLETIONS):
        assert earned.points == by_completion.pop((earned.employee_id, earned.id), 0)
        assert earned.month or earned.points == 0
        by_month[earned.employee_id, f"{earned.completed_on:%Y-%m}"] -= earned.points
        assert earned.account == ""
    assert not any(by_month.values()), "a month's entries sum up to what counts in it"
    assert not any(by_completion.values()), "what moved away left nothing behind"
    counting = {
        one.id: (one.employee_id, effective_training(one).completed_on)
        for one in await city.documents("enrollment", COMPLETIONS)
        if one.learning_year
    }
    assert counting == {
        one.id: (one.employee_id, one.completed_on)
        for one in await city.documents("incentive", EARNED_COMPLETIONS)
        if one.month
    }


async def every_record_was_decided_once(city: City, replayed: str = "") -> None:
    """One decision a record and turn; a replayed service has a second one of each."""
    for name, member in city.members.items():
        decisions = {one.id: one for one in await city.documents(name, DECISIONS)}
        waiting = {one.id: one.redelivery for one in await city.documents(name, WAITING)}
        assert len(decisions) == sum(len(decided.decisions) for decided in member.decided)
        ours = 0
        for tp, records in city.log.items():
            if tp[0] not in member.service.topics:
                continue
            for record in records:
                item = member.decoder.read(record)
                if item.event is None and item.fault is None:
                    continue
                for first in (0, REDELIVERIES_A_REPLAY) if name == replayed else (0,):
                    turn = first
                    while decisions[f"{record.at}/{turn}"].verdict == "waiting":
                        if f"{record.at}/{turn + 1}" not in decisions:
                            break
                        turn += 1
                    ours += turn - first + 1
                if decisions[f"{record.at}/{turn}"].verdict == "waiting":
                    assert waiting.pop(waiting_id(record.at)) == turn
        assert waiting == {}
        assert ours == len(decisions)


async def letters_tell_what_stands(city: City) -> None:
    letters: dict[str, list[Letter]] = defaultdict(list)
    for letter in await city.documents("notification", LETTERS):
        letters[letter.completion_id].append(letter)
    mails = {
        one.id: one
        for one in await city.documents("notification", MAILS)
        if one.letter.template != ADDRESS_CHANGED
    }
    cancelled = {one.id for one in await city.documents("notification", MAIL_CANCELLATIONS)}
    issued = published(city, CertificateIssued)
    revoked = published(city, CertificateRevoked)
    recorded = {one.completion_id for one in letters_of(letters, RECORDED)}
    assert len(mails) <= len(issued) + len(revoked) + len(recorded)
    for one in await city.documents("enrollment", COMPLETIONS):
        certificate = one.certificate
        if certificate is None:
            told = [letter.template for letter in letters[one.id]]
            assert told == [RECORDED] if one.learning_year else told in ([], [RECORDED])
            continue
        those = letters[one.id]
        assert {letter.employee_id for letter in those} == {one.employee_id}
        newest = max(those, key=lambda letter: letter.completion_version)
        assert newest.template == (REVOKED if certificate.revoked else ISSUED)
        assert newest.state == RELEASED
        assert newest.id in mails
        assert newest.id not in cancelled
        if not certificate.revoked:
            assert newest.revision == certificate.revision
            assert newest.verification_url.endswith(certificate.code)
        for letter in those:  # one about an issue anew never goes before it was quiet for long enough
            if letter.not_before is not None and letter.id in mails:
                assert mails[letter.id].due >= letter.not_before
        # All that were released before are not to go out any more, if they have not.
        assert {letter.id for letter in those if letter.id in mails} - {newest.id} <= cancelled
        revisions = [letter.revision for letter in those if letter.template == ISSUED and letter.id in mails]
        assert len(revisions) == len(set(revisions))


def letters_of(letters: Mapping[str, Sequence[Letter]], template: str) -> list[Letter]:
    return [one for those in letters.values() for one in those if one.template == template]


async def the_address_before_is_told_of_changes_alone(city: City) -> None:
    """Of each at most once, since its mail's id says which one it is."""
    changes = {}
    for fact in published(city, EmployeeRecorded).values():
        assert isinstance(fact, EmployeeRecorded)
        if fact.addressed_at is not None and fact.email is not None:
            id = letter_id(fact.employee_id, fact.addressed_at, NOTIFICATION.terms)
            assert changes.setdefault(id, fact.email) == fact.email
    for one in await city.documents("notification", MAILS):
        if one.letter.template == ADDRESS_CHANGED:
            assert one.letter.new_address == hinted(changes[one.id])
            assert one.letter.recipient != changes[one.id]


async def what_was_published_ends_in_what_stands(city: City) -> None:
    """The newest version of each event says what the database says: a reader of events alone knows it all."""
    credited: dict[str, JpCredited] = {}
    for fact in published(city, JpCredited).values():
        assert isinstance(fact, JpCredited)
        if fact.completion_id not in credited or credited[fact.completion_id].version < fact.version:
            credited[fact.completion_id] = fact
    for one in await city.documents("enrollment", COMPLETIONS):
        if one.effective:
            assert one.jp == (credited[one.id].jp if one.id in credited else 0)
            assert one.id not in credited or credited[one.id].employee_id == one.employee_id
    earned = {one.id: one for one in await city.documents("incentive", EARNED_COMPLETIONS)}
    for one in await city.documents("enrollment", COMPLETIONS):
        if one.effective:
            place = learning_in_year(one, effective_training(one))
            arrived = None if place.arrived is None else place.arrived.at
            assert (earned[one.id].backed, earned[one.id].arrived) == (place.backed, arrived)


def published(city: City, payload: type[Payload]) -> dict[str, Payload]:
    """By event id; a repeated id has the same bytes."""
    found: dict[str, Payload] = {}
    values: dict[str, bytes] = {}
    for (topic, _), records in city.log.items():
        if topic != ENROLLMENT_EVENTS:
            continue
        for record in records:
            type, structured = peek(record.value, record.headers)
            if type != payload.TYPE:
                continue
            assert record.value is not None
            event = decode(record.value, record.headers, structured, payload)
            assert values.setdefault(event.attributes.id, record.value) == record.value
            found[event.attributes.id] = event.data
    return found
