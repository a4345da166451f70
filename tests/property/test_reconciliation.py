"""What one service lost of what another said is seen by a list, healed by a restatement, and never there twice."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from operator import attrgetter
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.answers import Held
from cli.comparison import Finding, findings, merged
from services.enrollment.certificates.documents import RENDERINGS
from services.enrollment.certificates.restore import PriorIssues
from services.enrollment.completions.documents import COMPLETIONS, Completion
from services.enrollment.reconciliation.documents import MANIFEST_CURSORS, issued_version, stated_version
from services.enrollment.reconciliation.reconciling import PDF
from services.enrollment.reconciliation.snapshot import entry_of as enrollment_entry
from services.incentive.points.documents import ACCOUNTS, EARNED_COMPLETIONS, POINT_ENTRIES
from services.incentive.reconciliation.snapshot import entry_of as incentive_entry
from services.notification.letters.documents import ISSUED, LETTERS, MAILS, REVOKED, SETTLED_POINTS
from services.notification.reconciliation.snapshot import MAILS_OR_NOTES
from services.notification.reconciliation.snapshot import entry_of as notification_entry
from shared.contracts.cloudevents import peek
from shared.contracts.enrollment import (
    CompletionsListed,
    ListCompletions,
    PartitionList,
    RestateCompletion,
)
from shared.contracts.lists import Claim, grouped
from shared.contracts.notification import NoteMail
from shared.contracts.payload import CompletionId, Payload
from shared.contracts.pipeline import ReviewDiscrepancies
from shared.contracts.topics import (
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    INCENTIVE_COMMANDS,
    NOTIFICATION_COMMANDS,
)
from shared.pipeline.documents import Collection, Document
from shared.pipeline.partitioner import partition_of
from shared.pipeline.pipeline_collections import DEAD_LETTERS, DECISIONS, DISCREPANCIES
from tests.examples import QUIET, examples
from tests.factories import as_record, completed, registered, revoke
from tests.memory_store import MemoryStore
from tests.property.harness import MORNING, OFFICER, ROUGH, TERMS, City, Sending
from tests.property.histories import BUDI, EMPLOYEE, completion_id, histories
from tests.property.observed import observe, promises

TRAINING: dict[str, object] = {"code": "R", "form": "seminar", "start_date": "2026-01-05"}
READERS = {"incentive": INCENTIVE_COMMANDS, "notification": NOTIFICATION_COMMANDS}
REVOCATION = revoke(completion_id=completion_id(completed(BUDI, **TRAINING)), employee_id=EMPLOYEE[BUDI])


async def one_completion(*further: Payload) -> City:
    city = City()
    told = [registered(BUDI), completed(BUDI, **TRAINING), *further]
    senders = [OFFICER if one.TYPE.startswith("id.go.bandung.certificate") else "dinas-a" for one in told]
    for n, (payload, sender) in enumerate(zip(told, senders, strict=True)):
        await city.deliver([Sending(payload, f"sent-{n}", MORNING, sender)])
    return city


async def command(city: City, topic: str, payload: Payload, id: str = "command") -> str:
    """The verdict on it."""
    record = as_record(payload, id=id, topic=topic, source="urn:kompeten:operator", time=city.now)
    sent = city.append(topic, 0, None, record.value, record.headers)
    await city.recalculate()
    service = topic.split(".")[0]
    (decision,) = [one for one in await city.documents(service, DECISIONS) if one.id == f"{sent.at}/0"]
    return decision.verdict


async def listed(city: City) -> None:
    """All that stands is listed, as the worker does it."""
    assert await command(city, ENROLLMENT_COMMANDS, await list_of(city)) == "accepted"


async def list_of(city: City) -> ListCompletions:
    by_partition: dict[int, list[Claim]] = {}
    known = [one for one in await city.documents("enrollment", COMPLETIONS) if stated_version(one)]
    for one in known:
        claim = Claim(
            one.id, stated_version(one), bool(one.learning_year), one.certified, issued_version(one)
        )
        by_partition.setdefault(partition_of(one.employee_id), []).append(claim)
    listings = await city.documents("enrollment", MANIFEST_CURSORS)
    return ListCompletions(
        since=listings[0].until if listings else MORNING,
        until=city.now,
        lists=tuple(
            PartitionList(partition=partition, completions=grouped(claims))
            for partition, claims in by_partition.items()
        ),
        incomplete=tuple(one.id for one in known if one.certificate is None or not one.certificate.sha256),
    )


async def lacking(city: City, service: str) -> dict[str, list[str]]:
    return {one.id: one.lacks for one in await city.documents(service, DISCREPANCIES)}


async def reviewed(city: City) -> None:
    for service, topic in {"enrollment": ENROLLMENT_COMMANDS, **READERS}.items():
        ids = tuple(CompletionId(id) for id in await lacking(city, service))
        if ids:
            await command(city, topic, ReviewDiscrepancies(completion_ids=ids))


async def restated(city: City, ids: Iterable[str]) -> list[str]:
    verdicts = []
    for one in await city.documents("enrollment", COMPLETIONS):
        if one.id in ids:
            verdicts.append(await command(city, ENROLLMENT_COMMANDS, restatement(one), f"restate-{one.id}"))
    return verdicts


def restatement(one: Completion) -> RestateCompletion:
    return RestateCompletion(
        completion_id=one.id,
        employee_id=one.employee_id,
        version=one.version,
        operator="operator-1",
        reason="lost",
    )


def lose(city: City, service: str, collection: Collection[Document], ids: Iterable[str]) -> None:
    store = city.members[service].store
    assert isinstance(store, MemoryStore)
    lost = set(ids)
    there = store.collections.get(collection.name, {})
    store.collections[collection.name] = {id: one for id, one in there.items() if id not in lost}


async def entries_of(city: City, ids: Iterable[str]) -> list[str]:
    return [one.id for one in await city.documents("incentive", POINT_ENTRIES) if one.completion_id in ids]


async def found_by_reconcile(city: City) -> list[Finding]:
    """As `kompeten reconcile` compares the ledgers, but for PDFs, which no worker makes here."""
    completions = await city.documents("enrollment", COMPLETIONS)
    points = Counter[str]()
    for entry in await city.documents("incentive", POINT_ENTRIES):
        points[entry.completion_id] += entry.points
    gone = {
        one.id for collection in MAILS_OR_NOTES for one in await city.documents("notification", collection)
    }
    letters: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for letter in await city.documents("notification", LETTERS):
        if letter.completion_id:
            letters[letter.completion_id].append(msgspec.to_builtins(letter))
    earned = await city.documents("incentive", EARNED_COMPLETIONS)
    ledgers = {
        "enrollment": [enrollment_entry(one, "", set(), {}) for one in completions],
        "incentive": [incentive_entry(msgspec.to_builtins(one), points[one.id]) for one in earned],
        "notification": [notification_entry(id, those, gone) for id, those in letters.items()],
    }
    held = {
        name: sorted(
            (Held.model_validate(one.model_dump()) for one in those), key=attrgetter("completion_id")
        )
        for name, those in ledgers.items()
    }
    return [one for id, check in merged(held) for one in findings(id, check) if one.lacks != (PDF,)]


async def by_service(city: City) -> dict[str, set[str]]:
    found = await found_by_reconcile(city)
    return {
        service: {one.completion_id for one in found if one.service == service}
        for service in ("incentive", "notification")
    }


async def no_event_id_says_two_things(city: City) -> None:
    said: dict[str, bytes | None] = {}
    for (topic, _), records in city.log.items():
        if ".events." in topic:
            for record in records:
                id = json.loads(record.value or b"")["id"]
                assert said.setdefault(id, record.value) == record.value


async def books_add_up(city: City) -> None:
    """As `promises`, but for gaps that a lost entry leaves in the sequence."""
    sums, by_completion = Counter[str](), Counter[str]()
    for entry in await city.documents("incentive", POINT_ENTRIES):
        sums[entry.employee_id] += entry.points
        by_completion[entry.completion_id] += entry.points
    for account in await city.documents("incentive", ACCOUNTS):
        assert account.balance == sums[account.id]
    for earned in await city.documents("incentive", EARNED_COMPLETIONS):
        assert earned.points == by_completion[earned.id]
    for service in city.members:
        assert [one for one in await city.documents(service, DEAD_LETTERS) if one.kind == "bug"] == []


@settings(max_examples=examples(60), deadline=None, suppress_health_check=QUIET)
@given(histories(), st.integers(0, 2**16))
async def test_where_nothing_was_lost_a_list_finds_nothing(history: list[Sending], seed: int) -> None:
    """Not even one that is made in the middle of it, with facts on their way before and after it."""
    city = City(weather=ROUGH, random=Random(seed))
    for sending in history:
        city.send(sending)
        while city.random.random() < 0.5:
            await city.work()
        if city.random.random() < 0.3:
            record = as_record(await list_of(city), id="list", topic=ENROLLMENT_COMMANDS, time=city.now)
            city.append(ENROLLMENT_COMMANDS, 0, None, record.value, record.headers)
    await city.recalculate()
    await reviewed(city)
    assert [await lacking(city, service) for service in city.members] == [{}, {}, {}]
    await listed(city)
    await reviewed(city)
    assert [await lacking(city, service) for service in city.members] == [{}, {}, {}]


@settings(max_examples=examples(60), deadline=None, suppress_health_check=QUIET)
@given(histories(), st.integers(0, 2**16), st.data())
async def test_whatever_is_lost_is_seen_and_healed_once(
    history: list[Sending], seed: int, data: st.DataObject
) -> None:
    city = City(weather=ROUGH, random=Random(seed))
    await city.deliver(history)
    before = await observe(city)
    known = [one.id for one in await city.documents("enrollment", COMPLETIONS) if one.effective]
    some = st.sets(st.sampled_from(known)) if known else st.just(set[CompletionId]())
    without_completion, without_entries, without_letter = data.draw(some), data.draw(some), data.draw(some)
    entries = await entries_of(city, without_entries)
    letters = await city.documents("notification", LETTERS)
    lost = [one.id for one in letters if one.completion_id in without_letter]
    kept = {one.id for one in await city.documents("notification", MAILS)} - set(lost)
    in_vain = {
        id for id in without_entries
        if id not in without_completion and await _sum(city, id) == 0
    }  # fmt: skip
    lose(city, "incentive", EARNED_COMPLETIONS, without_completion)
    lose(city, "incentive", POINT_ENTRIES, entries)
    lose(city, "notification", LETTERS, lost)
    lose(city, "notification", MAILS, lost)

    await listed(city)
    assert (await lacking(city, "incentive")).keys() == without_completion | (without_entries - in_vain)
    assert (await lacking(city, "notification")).keys() == without_letter
    assert await by_service(city) == {
        service: set(await lacking(city, service)) for service in ("incentive", "notification")
    }

    seen = (await lacking(city, "incentive")).keys() | (await lacking(city, "notification")).keys()
    assert set(await restated(city, seen)) <= {"accepted"}
    await reviewed(city)
    assert [await lacking(city, service) for service in city.members] == [{}, {}, {}]
    await listed(city)
    assert [await lacking(city, service) for service in city.members] == [{}, {}, {}]
    assert await found_by_reconcile(city) == []
    assert await observe(city) == before
    await books_add_up(city)
    await no_event_id_says_two_things(city)
    mails = {one.id: one.letter for one in await city.documents("notification", MAILS)}
    assert kept <= mails.keys()
    # None but for what was lost: the newest letter of each, which says how it stands.
    assert {mails[id].completion_id for id in mails.keys() - kept} == without_letter
    assert len(mails.keys() - kept) == len(without_letter)


async def _sum(city: City, id: str) -> int:
    return sum(
        one.points for one in await city.documents("incentive", POINT_ENTRIES) if one.completion_id == id
    )


@settings(max_examples=examples(60), deadline=None, suppress_health_check=QUIET)
@given(
    histories(),
    st.sets(st.sampled_from(["enrollment", "incentive", "notification"]), min_size=1),
    st.integers(0, 2**16),
    st.data(),
)
async def test_after_a_restore_nothing_is_missing(
    history: list[Sending], services: set[str], seed: int, data: st.DataObject
) -> None:
    """Enrollment tells again what it had told, under versions of its new epoch: letters that were there were called
    missing for good."""
    city = City(random=Random(seed))
    before = data.draw(st.integers(0, len(history)))
    await city.deliver(history[:before])
    kept = {service: city.backup(service) for service in sorted(services)}
    await city.deliver(history[before:])
    for service, backup in kept.items():
        restore = PriorIssues(TERMS) if service == "enrollment" else None
        await city.restored(service, backup, restore)
        if data.draw(st.booleans()):
            await city.recalculate()
    await city.recalculate()
    assert await found_by_reconcile(city) == []
    await listed(city)
    await reviewed(city)
    assert [await lacking(city, service) for service in city.members] == [{}, {}, {}]


async def test_two_operators_restate_once() -> None:
    city = await one_completion()
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    published = sum(len(records) for (topic, _), records in city.log.items() if topic == ENROLLMENT_EVENTS)
    one = restatement(completion)
    assert await command(city, ENROLLMENT_COMMANDS, one) == "accepted"
    assert (
        await command(city, ENROLLMENT_COMMANDS, one.model_copy(update={"operator": "other"})) == "duplicate"
    )
    events = [
        record for (topic, _), those in city.log.items() if topic == ENROLLMENT_EVENTS for record in those
    ]
    assert [peek(one.value, one.headers)[0].split(".")[3:5] for one in events[published:]] == [
        ["completion", "restated"],
        ["certificate", "issued"],
        ["jp", "credited"],
    ]
    await promises(city)
    assert len(await city.documents("notification", MAILS)) == 1


async def test_a_revocation_that_was_told_is_not_told_again() -> None:
    city = await one_completion(REVOCATION)
    before = {one.id: one for one in await city.documents("notification", MAILS)}
    assert sorted(one.letter.template for one in before.values()) == [ISSUED, REVOKED]
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    assert await restated(city, [completion.id]) == ["accepted"]
    assert {one.id: one for one in await city.documents("notification", MAILS)} == before
    await promises(city)


async def test_a_lost_letter_of_a_revocation_is_written_again_under_its_name() -> None:
    city = await one_completion(REVOCATION)
    (letter,) = [one for one in await city.documents("notification", LETTERS) if one.template == REVOKED]
    lose(city, "notification", LETTERS, [letter.id])
    lose(city, "notification", MAILS, [letter.id])
    await listed(city)
    assert await lacking(city, "notification") == {letter.completion_id: ["letter"]}
    await restated(city, [letter.completion_id])
    assert letter.id in {one.id for one in await city.documents("notification", MAILS)}


async def test_a_mail_that_is_gone_is_reported_and_not_sent_again() -> None:
    """Nobody knows whether it was sent."""
    city = await one_completion()
    (mail,) = await city.documents("notification", MAILS)
    lose(city, "notification", MAILS, [mail.id])
    await listed(city)
    assert await lacking(city, "notification") == {mail.letter.completion_id: ["mail"]}
    await restated(city, [mail.letter.completion_id])
    assert await city.documents("notification", MAILS) == []


async def test_a_letter_that_is_lost_after_its_mail_went_is_written_and_not_sent() -> None:
    city = await one_completion()
    (mail,) = await city.documents("notification", MAILS)
    await command(city, NOTIFICATION_COMMANDS, NoteMail(letter_id=mail.id, state="sent", epoch=0))
    lose(city, "notification", MAILS, [mail.id])
    await listed(city)
    assert await lacking(city, "notification") == {}, "it is known that it went"
    lose(city, "notification", LETTERS, [mail.id])
    await listed(city)
    assert await lacking(city, "notification") == {mail.letter.completion_id: ["letter"]}
    await restated(city, [mail.letter.completion_id])
    (again,) = await city.documents("notification", MAILS)
    assert (again.id, again.state) == (mail.id, "sent")
    await promises(city)


async def test_points_are_not_doubled_where_only_the_note_of_a_completion_was_lost() -> None:
    city = await one_completion()
    (earned,) = await city.documents("incentive", EARNED_COMPLETIONS)
    lose(city, "incentive", EARNED_COMPLETIONS, [earned.id])
    lose(city, "incentive", ACCOUNTS, [earned.employee_id])
    await restated(city, [earned.id])
    (entry,) = await city.documents("incentive", POINT_ENTRIES)
    (account,) = await city.documents("incentive", ACCOUNTS)
    assert (account.balance, account.last_sequence) == (entry.points, 1)


async def test_a_letter_that_is_healed_with_its_points_says_them() -> None:
    """Settlements begin anew above all that went out: told under an old number they would be passed over."""
    city = await one_completion()
    (earned,) = await city.documents("incentive", EARNED_COMPLETIONS)
    letters = [one.id for one in await city.documents("notification", LETTERS)]
    lose(city, "incentive", EARNED_COMPLETIONS, [earned.id])
    lose(city, "incentive", POINT_ENTRIES, await entries_of(city, [earned.id]))
    lose(city, "notification", LETTERS, letters)
    lose(city, "notification", MAILS, letters)
    (known,) = await city.documents("notification", SETTLED_POINTS)
    await restated(city, [earned.id])
    (points,) = await city.documents("notification", SETTLED_POINTS)
    (mail,) = await city.documents("notification", MAILS)
    assert points.version > known.version
    assert mail.letter.points == earned.points


async def test_a_rendering_that_is_gone_is_queued_again_with_what_was_printed() -> None:
    city = await one_completion()
    (before,) = await city.documents("enrollment", RENDERINGS)
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    lose(city, "enrollment", RENDERINGS, [before.id])
    await restated(city, [completion.id])
    (after,) = await city.documents("enrollment", RENDERINGS)
    assert after.face == before.face


async def test_a_rendering_that_waits_for_its_worker_is_left_alone() -> None:
    city = await one_completion()
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    before = await city.documents("enrollment", RENDERINGS)
    await restated(city, [completion.id])
    assert await city.documents("enrollment", RENDERINGS) == before


async def test_a_list_goes_where_the_facts_went() -> None:
    city = await one_completion()
    await listed(city)
    places = [
        tp
        for tp, records in city.log.items()
        for record in records
        if peek(record.value, record.headers)[0] == CompletionsListed.TYPE
    ]
    assert places == [(ENROLLMENT_EVENTS, partition_of(EMPLOYEE[BUDI]))]


async def test_a_list_of_a_stretch_that_was_listed_is_void() -> None:
    city = await one_completion()
    await listed(city)
    late = ListCompletions(since=MORNING, until=city.now, lists=())
    assert await command(city, ENROLLMENT_COMMANDS, late) == "nothing"


async def test_a_list_that_ends_in_the_future_is_refused() -> None:
    """Nothing would be listed up to then."""
    city = await one_completion()
    ahead = ListCompletions(since=MORNING, until=city.now + timedelta(days=1), lists=())
    assert await command(city, ENROLLMENT_COMMANDS, ahead) == "refused"


@pytest.mark.parametrize("service", ["enrollment", "incentive", "notification"])
async def test_a_replay_from_the_first_record_lists_and_restates_nothing_again(service: str) -> None:
    city = await one_completion()
    await listed(city)
    (completion,) = await city.documents("enrollment", COMPLETIONS)
    assert await restated(city, [completion.id]) == ["accepted"]
    before = await observe(city)
    published = sum(len(records) for records in city.log.values())
    await city.start_again(service)
    await city.recalculate()
    assert sum(len(records) for records in city.log.values()) == published
    assert await observe(city) == before
    assert [await lacking(city, name) for name in city.members] == [{}, {}, {}]
