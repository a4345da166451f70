"""Who may say what is judged as of arrival: whatever is decided first, all ends as if decided in the order of the log.

Registers, transfers, releases, merges, snapshots, links, completions, revocations, contests and dead letters that are
mended stand in several topics; they are decided in any interleaving, split into any batches, interrupted, repeated,
replayed, and once more on a database restored from a backup.
"""

import json
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.enrollment.certificates.restore import PriorIssues
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.recalculation import effective_training
from services.enrollment.persons.documents import EMPLOYEE_NUMBERS, EMPLOYEES
from shared.contracts.agency import EmployeeReleased, EmployeeSnapshot
from shared.contracts.bodies import AddBody, BeginBodies, BodySeed, ChangeBody
from shared.contracts.cloudevents import STRUCTURED, id_in
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRevoked,
    ContestCompletion,
    DecideContest,
)
from shared.contracts.payload import Payload
from shared.contracts.people import (
    ConfirmHome,
    MergeEmployees,
    RefoldCompletions,
    Refolded,
    RefoldPeople,
    SeparateEmployees,
)
from shared.contracts.pipeline import ReplayDeadLetter
from shared.contracts.register import BeginRegister, DistrustAgency, ReplaceAgency, TrustAgency
from shared.contracts.topics import ENROLLMENT_COMMANDS, ENROLLMENT_EVENTS, agency_topic
from shared.pipeline.pipeline_collections import DEAD_LETTERS, WAITING
from tests.examples import QUIET, examples
from tests.factories import as_record, changed, completed, registered, revoke
from tests.property.harness import (
    AGENCIES,
    CALM,
    ENROLLMENT,
    MORNING,
    OFFICER,
    ROUGH,
    TERMS,
    Backup,
    City,
    Sending,
)
from tests.property.observed import published

BUDI, EARLIER, LATER = "198501012010011001", "199001012018212001", "199001012023212001"
IDS = TERMS.ids
PEOPLE = {number: IDS.employee(number) for number in (BUDI, EARLIER, LATER)}
BODIES = ("PUSDIK", "LAN RI", "BARU", "Baru Lagi")
"""The last two are not in the register from the first; the last one may become an alias of the third."""

AHEAD = "199001012025212001"
"""Nobody has registered it yet."""
SEEN = "SEEN"
BATCH = completed(BUDI).training.batch
WRONG = ["letter-0", "letter-1"]

# What each has said before anything is judged: everybody is registered, once.
BEFORE: list[tuple[Payload, str]] = [
    (BeginRegister(codes=AGENCIES), OFFICER),
    (registered(BUDI, name="Budi"), AGENCIES[0]),
    (registered(EARLIER, name="Sri"), AGENCIES[1]),
    (registered(LATER, name="Sri W."), AGENCIES[0]),
    (completed(BUDI, organizer="PUSDIK", code="OLD"), AGENCIES[1]),
    (
        BeginBodies(
            bodies=(
                BodySeed(code="PUSDIK", used_by=(AGENCIES[1],)),
                BodySeed(code="LAN RI", outside=True),
            )
        ),
        OFFICER,
    ),
    (completed(BUDI, organizer="PUSDIK", code=SEEN), AGENCIES[1]),
]
LETTERS = [sum(who == agency for _, who in BEFORE) for agency in AGENCIES]
"""Offsets of what comes after that and can't be accepted."""


@st.composite
def statements(draw: st.DrawFn) -> tuple[Payload, str]:
    agency, number = draw(st.sampled_from(AGENCIES)), draw(st.sampled_from(sorted(PEOPLE)))
    employee_id, reason = PEOPLE[number], draw(st.sampled_from(["why", "why not"]))
    kind = draw(
        st.sampled_from(
            [
                *["completed"] * 5,
                "snapshot",
                "snapshot",
                "released",
                "home",
                "body",
                "merge",
                "revoke",
                "trust",
                "mended",
                "contest",
                "link",
            ]
        )
    )
    if kind == "completed":
        return (
            completed(
                number,
                code=draw(st.sampled_from(["A", "B", "OLD"])),
                organizer=draw(st.sampled_from([*BODIES, *BODIES[:2]])),
                title=draw(st.sampled_from(["One", "Two", "Three"])),
                completed_on=draw(st.sampled_from(["2026-01-06", "2026-01-31"])),
                start_date="2026-01-05",
                end_date="2026-01-05",
                score=None,
                revision=draw(st.sampled_from([None, None, 1, 2])),
            ),
            agency,
        )
    if kind == "mended":
        return draw(mended()), OFFICER
    if kind == "contest":
        if draw(st.integers(0, 2)) == 0:
            title = draw(st.sampled_from(["One", "Two"]))
            return completed(BUDI, organizer="PUSDIK", code=SEEN, title=title), agency
        return draw(contests()), OFFICER
    if kind == "link":
        if draw(st.integers(0, 2)) == 0:
            return completed(AHEAD, code="A", organizer=draw(st.sampled_from(BODIES[:2]))), agency
        previous, number = draw(st.permutations([EARLIER, LATER, AHEAD]))[:2]
        if draw(st.booleans()):
            return registered(AHEAD, name=draw(st.sampled_from(["X", "Y"]))), agency
        return changed(
            number, previous_employee_number=previous, name=draw(st.sampled_from(["X", "Y"]))
        ), agency
    if kind == "snapshot":
        return registered(number, name=draw(st.sampled_from(["X", "Y", "Z"]))), agency
    if kind == "released":
        why = draw(st.sampled_from(["mistake", "moved", "retired"]))
        return EmployeeReleased(employee_number=number, reason=why), agency
    if kind == "home":
        return ConfirmHome(
            employee_id=employee_id, agency=agency, officer="o", opd=None, reason=reason
        ), OFFICER
    if kind == "merge":
        if draw(st.booleans()):
            return SeparateEmployees(employee_id=PEOPLE[LATER], officer="o", opd=None, reason=reason), OFFICER
        home = draw(st.sampled_from([None, *AGENCIES]))
        return (
            MergeEmployees(
                employee_id=PEOPLE[LATER],
                into=PEOPLE[EARLIER],
                home=home,
                officer="o",
                opd=None,
                reason=reason,
            ),
            OFFICER,
        )
    if kind == "trust":
        since = MORNING + timedelta(seconds=draw(st.integers(8, 20)))
        until = since + timedelta(seconds=draw(st.integers(1, 12)))
        other = draw(st.sampled_from(AGENCIES))
        return draw(
            st.sampled_from(
                [
                    DistrustAgency(code=agency, since=since, until=until, operator="op", reason=reason),
                    DistrustAgency(code=agency, since=since, until=None, operator="op", reason=reason),
                    TrustAgency(
                        code=agency, distrust=f"sent-{draw(st.integers(0, 15))}", operator="op", reason=reason
                    ),
                    ReplaceAgency(code=agency, heir=other, operator="op", reason=reason),
                ]
            )
        ), OFFICER
    if kind == "revoke":
        code, organizer = draw(st.sampled_from(["A", "B", "OLD"])), draw(st.sampled_from(BODIES[:2]))
        id = IDS.completion(employee_id, organizer, code, BATCH)
        return revoke(completion_id=id, employee_id=employee_id, opd=None), OFFICER
    issuing, operator = draw(st.sampled_from(AGENCIES)), "op"
    return draw(
        st.sampled_from(
            [
                ChangeBody(code="PUSDIK", issuing=issuing, operator=operator, reason=reason),
                ChangeBody(code="PUSDIK", outside=True, operator=operator, reason=reason),
                AddBody(code="BARU", name="Baru", issuing=issuing, operator=operator),
                AddBody(code="BARU", name="Baru", issuing=issuing, aliases=("Baru Lagi",), operator=operator),
            ]
        )
    ), OFFICER


def misdated(n: int) -> bytes:
    """A completion whose date comes before its training's: refused, until an operator mends it."""
    value = as_record(
        completed(BUDI, code="A", organizer="PUSDIK", start_date="2026-01-05"), id=WRONG[n]
    ).value
    assert value is not None
    event = json.loads(value)
    event["data"]["completed_on"] = "2019-01-01"
    return json.dumps(event).encode()


@st.composite
def mended(draw: st.DrawFn) -> ReplayDeadLetter:
    n = draw(st.sampled_from([0, 1]))
    event = json.loads(misdated(n))
    event["data"]["completed_on"] = draw(st.sampled_from(["2026-01-05", "2026-01-31", "2019-01-01"]))
    return ReplayDeadLetter(
        dead_letter=f"{agency_topic(AGENCIES[n])}/0/{LETTERS[n]}/0", operator="op", reason="why",
        event=draw(st.sampled_from([json.dumps(event), json.dumps(event), None])),
    )  # fmt: skip


@st.composite
def contests(draw: st.DrawFn) -> Payload:
    about = {
        "employee_id": PEOPLE[BUDI],
        "completion_id": IDS.completion(PEOPLE[BUDI], "PUSDIK", SEEN, BATCH),
    }
    about |= {"reason": "why", "officer": "o"}
    if draw(st.booleans()):
        return ContestCompletion(**about, opd=draw(st.sampled_from([None, *AGENCIES])))
    contest = f"sent-{draw(st.integers(0, 15))}"
    return DecideContest(**about, contest_id=contest, upheld=draw(st.booleans()), opd=None)


@st.composite
def histories(draw: st.DrawFn) -> list[Sending]:
    said = draw(st.lists(statements(), min_size=4, max_size=16))
    return [
        Sending(payload, f"sent-{n}", MORNING - timedelta(hours=draw(st.integers(0, 3))), sender)
        for n, (payload, sender) in enumerate(said)
    ]


async def began(city: City) -> None:
    """Alike in all weathers: what is compared is what follows."""
    weather, city.weather = city.weather, CALM
    for n, (payload, who) in enumerate(BEFORE):
        city.send(Sending(payload, f"before-{n}", MORNING, who))
    for n, agency in enumerate(AGENCIES):
        letter = city.append(
            agency_topic(agency), 0, None, misdated(n), (("content-type", STRUCTURED.encode()),)
        )
        assert letter.at.offset == LETTERS[n]
    await as_logged(city)
    city.weather = weather


async def as_logged(city: City) -> None:
    """All that stands in the log at once, so that it is decided in the order of arrival."""
    member = city.members["enrollment"]
    while lag := city.lag(member):
        await city.batch(member, lag)


async def swept(city: City) -> None:
    """As the worker does after the register has changed."""
    (register,) = await city.documents("enrollment", REGISTERS)
    assert register.id == REGISTER
    people = RefoldPeople(
        generation=register.generation,
        found=tuple(one.id for one in await city.documents("enrollment", EMPLOYEES)),
    )
    city.command(ENROLLMENT_COMMANDS, people, f"people-{register.generation}-{city.now_ms}", "sweep")
    await city.recalculate()
    while True:
        old = [
            one for one in await city.documents("enrollment", COMPLETIONS)
            if one.judged < register.generation and one.body
        ]  # fmt: skip
        if not old:
            return
        command = RefoldCompletions(
            generation=register.generation,
            found=tuple(Refolded(completion_id=one.id, employee_id=one.employee_id) for one in old),
        )
        city.command(ENROLLMENT_COMMANDS, command, f"refold-{register.generation}-{city.now_ms}", "sweep")
        await city.recalculate()


async def ended(city: City) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in await city.documents("enrollment", EMPLOYEES):
        # Nobody looks at the profile of a record that belongs to another person.
        profile = None if one.merged_into else one.profile
        found[one.id] = (
            one.numbers, one.own_numbers, profile, one.claims, one.withdrawals, one.confirmations, one.snapshots,
            one.merges, one.merged_into, one.files, one.pending_links, one.split_from,
        )  # fmt: skip
    for alias in await city.documents("enrollment", EMPLOYEE_NUMBERS):
        found[alias.id] = alias
    for one in await city.documents("enrollment", COMPLETIONS):
        certificate = one.certificate
        stands = (
            None
            if not one.grounds
            else (
                effective_training(one), one.grounds, one.certified, one.learning_year, one.twin_of,
                one.jp, one.jp_rule, one.jp_reason, certificate is not None and not certificate.revoked,
            )
        )  # fmt: skip
        assert stands is not None or (one.jp == Decimal(0) and not one.learning_year)
        assert stands is not None or certificate is None or certificate.revoked
        found[one.id] = (
            one.employee_id, one.file, one.contents, one.contests, one.contest_decisions, stands,
        )  # fmt: skip
    found["waiting"] = sorted(one.event_id for one in await city.documents("enrollment", WAITING))
    # A replay of the log makes them once more.
    found["dead"] = {
        (one.kind, one.reason)
        for one in await city.documents("enrollment", DEAD_LETTERS)
        if "no certificate" not in one.reason
    }
    return found


def is_link(payload: Payload) -> bool:
    """Which record a number belongs to is decided with what stands when it is said: not by arrival alone."""
    return isinstance(payload, EmployeeSnapshot) and (
        payload.previous_employee_number is not None or payload.employee_number == AHEAD
    )


async def decided(city: City) -> None:
    while await city.work():
        pass


@settings(max_examples=examples(100), deadline=None, suppress_health_check=QUIET)
@given(histories(), st.integers(0, 2**16), st.integers(0, 16), st.integers(0, 6))
async def test_what_is_decided_first_changes_nothing(
    history: list[Sending], seed: int, until: int, batches: int
) -> None:
    """`until`, `batches`: a backup is made once so many are sent, and so many batches of them decided."""
    calm, rough = City(services=[ENROLLMENT]), City(services=[ENROLLMENT], weather=ROUGH, random=Random(seed))
    for city in (calm, rough):
        await began(city)
    kept: Backup | None = None
    for n, sending in enumerate(history):
        if n == min(until, len(history) - 1):
            for _ in range(batches):
                await rough.work()
            kept = rough.backup("enrollment")
        looked_at = is_link(sending.payload)
        if looked_at:
            await decided(rough)
        arrived_at = calm.now_ms
        calm.send(sending)
        rough.now_ms = arrived_at  # a second after
        rough.send(sending)
        if looked_at:
            await decided(rough)
    assert kept is not None
    await as_logged(calm)
    await rough.recalculate()
    for city in (calm, rough):
        await city.recalculate()
        await swept(city)
    before = await ended(rough)
    same(before, await ended(calm))
    await rough.restored("enrollment", kept, PriorIssues(TERMS))
    await rough.recalculate()
    await swept(rough)
    same(await ended(rough), before)
    await rough.start_again("enrollment")
    await rough.recalculate()
    await swept(rough)
    same(await ended(rough), before)
    told_one_thing_each(rough)


def told_one_thing_each(city: City) -> None:
    """No event id is published with two contents, and no certificate with two numbers."""
    said: dict[str, bytes | None] = {}
    for (topic, _), records in city.log.items():
        for record in records if topic == ENROLLMENT_EVENTS else ():
            assert said.setdefault(id_in(record.value, record.headers), record.value) == record.value
    numbers: dict[str, str] = {}
    for fact in [*published(city, CertificateIssued).values(), *published(city, CertificateRevoked).values()]:
        assert isinstance(fact, CertificateIssued | CertificateRevoked)
        assert numbers.setdefault(fact.certificate_id, fact.certificate_number) == fact.certificate_number


async def test_who_moves_a_person_settles_what_the_same_batch_left_of_it_first() -> None:
    """The completion came with the batch, so the first look at the person's had not seen it: it was settled twice, as
    new each time, and its first version was told with two contents."""
    city = City(services=[ENROLLMENT])
    await began(city)
    city.send(Sending(ConfirmHome(employee_id=PEOPLE[BUDI], agency="dinas-a", officer="o", opd=None, reason="x"), "h",
                      sender=OFFICER))  # fmt: skip
    await as_logged(city)
    city.send(Sending(EmployeeReleased(employee_number=BUDI, reason="moved"), "left"))
    await as_logged(city)
    city.send(Sending(completed(BUDI, code="A", organizer="PUSDIK"), "completed", sender=AGENCIES[1]))
    city.send(Sending(registered(BUDI, name="Budi"), "again", sender=AGENCIES[1]))
    city.send(Sending(completed(BUDI, code="B", organizer="PUSDIK"), "another", sender=AGENCIES[1]))
    await as_logged(city)
    told_one_thing_each(city)


async def test_what_came_under_a_number_before_it_left_a_record_is_found_again_by_a_replay() -> None:
    """It was taken for its new owner's: a second completion, with a certificate of its own."""
    city = City(services=[ENROLLMENT])
    await began(city)
    first, second = AGENCIES[:2]
    for payload, who in (
        (registered(AHEAD, previous_employee_number=LATER, name="Linked"), first),
        (completed(AHEAD, code="A", organizer="PUSDIK"), second),
        (registered(AHEAD, name="Another's"), second),
        (completed(AHEAD, code="B", organizer="PUSDIK"), second),
    ):
        city.send(Sending(payload, f"{len(city.log)}-{city.now_ms}", MORNING, who))
        await as_logged(city)
    before = await ended(city)
    files = {one.id: one.employee_id for one in await city.documents("enrollment", EMPLOYEE_NUMBERS)}
    assert files[AHEAD] != files[LATER], "it left"
    those = [
        one for one in await city.documents("enrollment", COMPLETIONS) if one.employee_id == files[AHEAD]
    ]
    assert sorted(effective_training(one).code for one in those) == ["A", "B"], "and the first one went along"
    await city.start_again("enrollment")
    await city.recalculate()
    same(await ended(city), before)


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Says what is other than it should be, where it fails."""
    unlike = [
        f"{id}: {one} instead of {other}"
        for id in sorted(found.keys() | wanted.keys())
        if found.get(id) != wanted.get(id)
        for one, other in _unlike(found.get(id), wanted.get(id))
    ]
    if unlike:
        pytest.fail("\n".join(unlike))


def _unlike(one: Any, other: Any) -> list[tuple[Any, Any]]:
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return [pair for a, b in zip(one, other, strict=True) if a != b for pair in _unlike(a, b)]
    return [(one, other)]
