"""What went in against what came out: each finding is something lost, doubled, different or out of order."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from services.enrollment.certificates.documents import NumberSequence as Numbers
from services.enrollment.completions.documents import Completion
from services.enrollment.completions.recalculation import effective_training, learning_in_year
from services.enrollment.completions.recalculation_needs import sequence_of
from services.enrollment.learning_hours.jp import credit_learnings
from services.enrollment.learning_hours.jp_rates import load_rates
from services.enrollment.persons.documents import Employee
from services.incentive.points.documents import Account, EarnedCompletion, PointEntry
from services.incentive.rules.awards import award_month
from services.incentive.rules.point_rules import load_point_rules
from services.notification.letters.documents import ADDRESS_CHANGED, Letter, Mail
from shared.contracts.enrollment import (
    CertificateIssued,
    CertificateRendered,
    CertificateRevoked,
    CompletionRecorded,
    EmployeeRecorded,
    JpCredited,
)
from shared.contracts.incentive import PointsSettled
from shared.pipeline.epochs import VERSIONS, epoch_of
from tests.chaos.traffic import Known, Reported, Traffic, of_one_partition

ISSUED: Final = "certificate_issued"
RECORDED: Final = "completion_recorded"
REVOKED: Final = "certificate_revoked"
UNFINISHED: Final = frozenset({"queued", "deferred", "leased", "handing_over", "unknown"})
VERSION: Final = {
    EmployeeRecorded.TYPE: "version",
    CompletionRecorded.TYPE: "version",
    CertificateIssued.TYPE: "completion_version",
    CertificateRevoked.TYPE: "completion_version",
    JpCredited.TYPE: "version",
    PointsSettled.TYPE: "version",
}
SEQUENCE: Final = re.compile(r"(?:^|/)0*([1-9][0-9]*)/")


Kind = Literal["lost", "doubled", "different", "out of order", "mail doubled", "mail wrong"]


class Finding(NamedTuple):
    kind: Kind
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


class Published(NamedTuple):
    topic: str
    partition: int
    offset: int
    value: bytes


class Decided(NamedTuple):
    id: str
    """topic/partition/offset/turn"""
    verdict: str
    subject: str
    content: bytes


@dataclass(frozen=True)
class Found:
    """All that the three databases, the mail catcher and the topics hold."""

    completions: Sequence[Completion]
    employees: Sequence[Employee]
    numbers: Sequence[Numbers]
    pdfs: dict[str, str]
    """sha256 by certificate and revision"""
    decisions: dict[str, Sequence[Decided]]
    """by service"""
    waiting: int
    dead_letters: Sequence[str]
    earned: Sequence[EarnedCompletion]
    entries: Sequence[PointEntry]
    accounts: Sequence[Account]
    letters: Sequence[Letter]
    mails: Sequence[Mail]
    caught: Counter[str]
    """How often a mail with this letter's id came in."""
    published: Sequence[Published]
    """The services' own events, in order within each partition."""
    records: dict[str, dict[tuple[str, int], int]]
    """by service: how many records each partition of an agency topic has that it must have decided"""


def faults(sent: Traffic, found: Found, *, dead_letters: int = 0) -> list[str]:
    """Empty when everything came out exactly once and in order."""
    return [str(one) for one in findings(sent, found, dead_letters=dead_letters)]


def findings(sent: Traffic, found: Found, *, dead_letters: int | None = 0) -> list[Finding]:
    """`dead_letters`: how many there must be; None: not looked at."""
    reported, people = list(sent.reported.values()), list(sent.people.values())
    return [
        *_decisions(reported, people, found, dead_letters),
        *_people(people, found),
        *_completions(reported, found),
        *_numbers(found),
        *_hours(found),
        *_points(found),
        *_mails(found),
        *_warnings(people, found),
        *_events(reported, found),
    ]


def _decisions(
    reported: Sequence[Reported], people: Sequence[Known], found: Found, dead_letters: int | None
) -> Iterator[Finding]:
    if found.waiting:
        yield Finding("lost", f"{found.waiting} records still wait")
    if dead_letters is not None and len(found.dead_letters) != dead_letters:
        yield Finding(
            "different",
            f"{len(found.dead_letters)} dead letters, {dead_letters} expected: {found.dead_letters[:3]}",
        )
    for service, partitions in found.records.items():
        ids = Counter(one.id for one in found.decisions[service])
        yield from (Finding("doubled", f"{service} decided {id} {n} times") for id, n in ids.items() if n > 1)
        places = {id.rpartition("/")[0] for id in ids}
        for (topic, partition), count in partitions.items():
            missing = [n for n in range(count) if f"{topic}/{partition}/{n}" not in places]
            if missing:
                yield Finding(
                    "lost",
                    f"{service} never decided {len(missing)} of {topic}/{partition}, first {missing[0]}",
                )
    agencies = {tp[0] for tp in found.records["enrollment"]}
    # Of these several agencies speak by turns, each accepted with what it says.
    told = {one.completion_id for one in reported if one.told} | {one.employee_id for one in people}
    accepted = Counter(
        (one.subject, one.content if one.subject in told else b"")
        for one in found.decisions["enrollment"]
        if one.verdict == "accepted" and one.id.split("/")[0] in agencies
    )
    yield from (
        Finding("doubled", f"{subject} was accepted {n} times")
        for (subject, _), n in accepted.items()
        if n > 1
    )


def _people(people: Sequence[Known], found: Found) -> Iterator[Finding]:
    there = {one.id: one for one in found.employees}
    for one in people:
        employee = there.get(one.employee_id)
        if employee is None:
            yield Finding("lost", f"employee {one.employee_id} is not there")
            continue
        stands = (employee.profile.email, tuple(employee.numbers), employee.merged_into)
        if stands != (one.email, one.numbers, one.merged_into):
            yield Finding("different", f"employee {one.employee_id} is {stands}, {one} expected")


def _completions(reported: Sequence[Reported], found: Found) -> Iterator[Finding]:
    there = {one.id: one for one in found.completions}
    yield from (
        Finding("different", f"{id} was never reported")
        for id in there.keys() - {one.completion_id for one in reported}
    )
    for one in reported:
        completion = there.get(one.completion_id)
        if completion is None:
            yield Finding("lost", f"{one.completion_id} is not there")
            continue
        yield from _counting(one, completion)
        certificate = completion.certificate
        if certificate is None or not completion.effective:
            if one.certified and one.stands:
                yield Finding("lost", f"{one.completion_id} has no certificate")
            continue
        if not one.certified:
            yield Finding("different", f"{one.completion_id} has a certificate")
            continue
        if certificate.revoked != one.revoked:
            yield Finding(
                "different", f"{one.completion_id}: revoked is {certificate.revoked}, {one.revoked} expected"
            )
        pdf = found.pdfs.get(f"{certificate.id}/{certificate.revision}")
        # A certificate that was revoked before it was issued is never made.
        if (pdf or certificate.sha256 or not one.revoked) and pdf != certificate.sha256:
            yield Finding(
                "different",
                f"{certificate.id}/{certificate.revision}: the stored PDF is not the one that is noted",
            )
        if pdf is None and not one.revoked:
            yield Finding("lost", f"{certificate.id}/{certificate.revision} has no PDF")


def _counting(one: Reported, completion: Completion) -> Iterator[Finding]:
    """Whose it is, what stands, whether it counts, and as what."""
    year = f"{one.employee_id}/{one.year}" if one.counts else ""
    if bool(completion.effective) != one.stands:
        yield Finding("different", f"{one.completion_id}: whether it stands is not {one.stands}")
    elif one.stands and effective_training(completion).score != one.score:
        yield Finding(
            "different",
            f"{one.completion_id}: {effective_training(completion).score} stands, {one.score} was sent last",
        )
    is_so = (completion.employee_id, completion.learning_year, bool(completion.twin_of))
    if is_so != (one.employee_id, year, one.twin):
        yield Finding("different", f"{one.completion_id} is {is_so}, {one} expected")
    if one.counts and completion.backed != one.backed:
        yield Finding("different", f"{one.completion_id}: whether it is backed is not {one.backed}")


def _numbers(found: Found) -> Iterator[Finding]:
    """Gapless from 1 and unique, in each body and year."""
    certified = [one for one in found.completions if one.certificate is not None]
    ids = Counter(one.certificate.id for one in certified if one.certificate is not None)
    yield from (
        Finding("doubled", f"certificate {id} is of {n} completions") for id, n in ids.items() if n > 1
    )
    given: dict[str, list[int]] = defaultdict(list)
    for one in certified:
        assert one.certificate is not None
        match = SEQUENCE.search(one.certificate.number.removeprefix("800.2.4/").removeprefix("800.2/"))
        assert match is not None, one.certificate.number
        given[sequence_of(effective_training(one))].append(int(match[1]))
    last = {one.id: one.last for one in found.numbers}
    for sequence in given.keys() | last.keys():
        if sorted(given[sequence]) != list(range(1, last.get(sequence, 0) + 1)):
            yield Finding(
                "different", f"numbers of {sequence} up to {last.get(sequence)}: {_odd(given[sequence])}"
            )


def _odd(numbers: Sequence[int]) -> str:
    repeated = [n for n, times in Counter(numbers).items() if times > 1]
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    return f"repeated {repeated[:5]}, missing {missing[:5]}, {len(numbers)} given"


def _hours(found: Found) -> Iterator[Finding]:
    """JP of each person, worked out anew from what stands."""
    rates = load_rates()
    people: dict[str, list[Completion]] = defaultdict(list)
    for one in found.completions:
        if one.learning_year:
            people[one.employee_id].append(one)
        elif one.jp:
            yield Finding("different", f"{one.id} doesn't stand and has {one.jp} JP")
    for those in people.values():
        credits = credit_learnings([learning_in_year(one, effective_training(one)) for one in those], rates)
        for one in those:
            if credits[one.id].jp != one.jp:
                yield Finding("different", f"{one.id} has {one.jp} JP, {credits[one.id].jp} are due")


def _points(found: Found) -> Iterator[Finding]:
    """Ledgers without a gap, their sums, and each month's points worked out anew from what stands."""
    there = {one.id for one in found.earned}
    for completion in found.completions:
        if completion.effective and completion.id not in there:
            yield Finding("lost", f"{completion.id} never reached incentive")
    by_employee: dict[str, list[PointEntry]] = defaultdict(list)
    by_completion: dict[tuple[str, str], int] = defaultdict(int)
    for entry in found.entries:
        by_employee[entry.employee_id].append(entry)
        by_completion[entry.employee_id, entry.completion_id] += entry.points
    balances = {one.id: one.balance for one in found.accounts}
    for employee, entries in by_employee.items():
        if sorted(one.sequence for one in entries) != list(range(1, len(entries) + 1)):
            yield Finding("doubled", f"ledger of {employee} has a gap or a repetition")
        if sum(one.points for one in entries) != balances.get(employee):
            yield Finding("different", f"ledger of {employee} does not add up to its balance")
    rules = load_point_rules()
    months: dict[str, list[EarnedCompletion]] = defaultdict(list)
    owners = {one.id: one.employee_id for one in found.completions}
    for one in found.earned:
        entered = by_completion.pop((one.employee_id, one.id), 0)
        if entered != one.points:
            yield Finding("different", f"{one.id} has {one.points} points, its entries say {entered}")
        if one.employee_id != owners.get(one.id):
            yield Finding("different", f"{one.id} is {one.employee_id}'s for incentive")
        if one.month:
            months[one.month].append(one)
        elif one.points:
            yield Finding("different", f"{one.id} doesn't stand and has {one.points} points")
    yield from (
        Finding("doubled", f"{employee} has {points} points for {id}, which is another's")
        for (employee, id), points in by_completion.items()
        if points
    )
    for those in months.values():
        awards = award_month([one.achievement() for one in those], rules)
        for one in those:
            if awards[one.id].points != one.points:
                yield Finding(
                    "different", f"{one.id} has {one.points} points, {awards[one.id].points} are due"
                )
    standing = {one.id for one in found.completions if one.learning_year}
    if (earning := {one.id for one in found.earned if one.month}) != standing:
        yield Finding(
            "different", f"{len(standing ^ earning)} completions stand for enrollment or for incentive only"
        )


def _mails(found: Found) -> Iterator[Finding]:
    letters: dict[str, list[Letter]] = defaultdict(list)
    for letter in found.letters:
        letters[letter.completion_id].append(letter)
    states = {mail.id: mail.state for mail in found.mails}
    for completion in found.completions:
        certificate = completion.certificate
        if certificate is None:
            told = {one.template for one in letters[completion.id]}
            if completion.learning_year and RECORDED not in told:
                yield Finding("lost", f"{completion.id} counts without a certificate, and no letter says so")
            continue
        last = max(letters[completion.id], key=lambda one: one.completion_version, default=None)
        wanted = (REVOKED if certificate.revoked else ISSUED, certificate.revision)
        if last is None or (last.template, last.revision) != wanted:
            yield Finding("lost", f"{completion.id} has no letter {wanted}")
        elif states.get(last.id) != "sent":
            yield Finding(
                "lost", f"letter {last.id} {wanted} is {last.state}, its mail {states.get(last.id)}"
            )
    for mail in found.mails:
        came, repeated = found.caught[mail.id], mail.repeated
        if mail.state in UNFINISHED:
            yield Finding("lost", f"mail {mail.id} is still {mail.state}: {mail.reason}")
        elif mail.state == "sent" and not came:
            yield Finding("lost", f"mail {mail.id} was sent and never came")
        elif came > repeated + (mail.state == "sent"):
            yield Finding(
                "mail doubled",
                f"mail {mail.id} is {mail.state}, came {came} times, {repeated} repetitions are counted",
            )
    yield from (
        Finding("mail wrong", f"mail {id} came, of no letter")
        for id in found.caught.keys() - {one.id for one in found.mails}
    )


def _warnings(people: Sequence[Known], found: Found) -> Iterator[Finding]:
    """Mails to an address that another one took the place of: to each of them one."""
    came = Counter(
        (mail.employee_id, mail.letter.recipient)
        for mail in found.mails
        if mail.letter.template == ADDRESS_CHANGED and mail.state == "sent"
    )
    wanted = Counter((one.employee_id, address) for one in people for address in one.warned)
    for employee, address in came.keys() | wanted.keys():
        if came[employee, address] < wanted[employee, address]:
            yield Finding("lost", f"{address} of {employee} did not hear of the next address")
        elif came[employee, address] > wanted[employee, address]:
            times = came[employee, address]
            yield Finding("mail wrong", f"{address} of {employee} heard {times} times of the next address")


def _events(reported: Sequence[Reported], found: Found) -> Iterator[Finding]:
    bodies: dict[str, bytes] = {}
    first: list[tuple[Published, dict[str, Any]]] = []
    for record in found.published:
        event = json.loads(record.value)
        if (known := bodies.setdefault(event["id"], record.value)) is not record.value:
            if known != record.value:
                yield Finding(
                    "different",
                    f"event {event['id']}, {event['type']} of {event['subject']}, was published with two contents: "
                    f"{known!r} and {record.value!r}",
                )
            continue
        first.append((record, event))
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    places: dict[str, set[int]] = defaultdict(set)
    rendered: set[tuple[str, int, str]] = set()
    last: dict[tuple[str, str], dict[str, Any]] = {}
    employee_of: dict[str, str] = {}
    for record, event in first:
        places[event["partitionkey"]].add(record.partition)
        employee_of[event["subject"]] = event["data"].get("employee_id", "")
        if event["type"] == CertificateRendered.TYPE:
            data = event["data"]
            rendered.add((data["certificate_id"], data["revision"], data["sha256"]))
        if (field := VERSION.get(event["type"])) is not None:
            key = (event["type"], event["subject"])
            versions[key].append(event["data"][field])
            if event["data"][field] == max(versions[key]):
                last[key] = event["data"]
    yield from (
        Finding("out of order", f"events of {key} are in {len(those)} partitions")
        for key, those in places.items()
        if len(those) > 1
    )
    ordered = of_one_partition(reported)
    told = {one.completion_id for one in reported if one.told}
    for (type, subject), seen in versions.items():
        if len(set(seen)) < len(seen):
            yield Finding("doubled", f"{type} of {subject} was published under two ids: {seen}")
        elif seen != sorted(seen) and (
            employee_of[subject] in ordered or (type == PointsSettled.TYPE and subject not in told)
        ):
            yield Finding("out of order", f"{type} of {subject} was published out of order: {seen}")
    yield from _complete(versions, last, found)
    for one in found.completions:
        certificate = one.certificate
        if certificate is None or not certificate.sha256:
            continue
        if (certificate.id, certificate.revision, certificate.sha256) not in rendered:
            yield Finding("lost", f"{certificate.id}/{certificate.revision}: nobody was told of its PDF")


def _complete(
    versions: dict[tuple[str, str], list[int]], last: dict[tuple[str, str], dict[str, Any]], found: Found
) -> Iterator[Finding]:
    """Every version that a document ever had was published: in each epoch from 1 on, without a gap."""
    for employee in found.employees:
        published = versions[EmployeeRecorded.TYPE, employee.id]
        if not _gapless(published, employee.version):
            yield Finding(
                "lost", f"employee {employee.id}: version {employee.version} stands, published {published}"
            )
    for one in found.completions:
        if not one.effective:
            continue
        told = {*versions[CompletionRecorded.TYPE, one.id], *versions[JpCredited.TYPE, one.id]}
        if not _gapless(told, one.version):
            yield Finding("lost", f"{one.id}: version {one.version} stands, published {sorted(told)}")
        credited = last.get((JpCredited.TYPE, one.id))
        if credited is None or Decimal(str(credited["jp"])) != one.jp:
            yield Finding(
                "different", f"{one.id} has {one.jp} JP, last published {credited and credited['jp']}"
            )
    for earned in found.earned:
        if not _gapless(versions[PointsSettled.TYPE, earned.id], earned.settled):
            yield Finding(
                "lost",
                f"{earned.id}: {earned.settled} settlements, published {versions[PointsSettled.TYPE, earned.id]}",
            )
        settled = last.get((PointsSettled.TYPE, earned.id))
        if settled is not None and settled["points"] != earned.points:
            yield Finding(
                "different", f"{earned.id} has {earned.points} points, last published {settled['points']}"
            )


def _gapless(published: Iterable[int], stands: int) -> bool:
    """In an epoch that was lost the last ones may be missing: decided, and never published."""
    by_epoch: dict[int, set[int]] = defaultdict(set)
    for version in published:
        by_epoch[epoch_of(version)].add(version % VERSIONS)
    if (
        not by_epoch
        or max(by_epoch) != epoch_of(stands)
        or max(by_epoch[epoch_of(stands)]) != stands % VERSIONS
    ):
        return False
    return all(those == set(range(1, len(those) + 1)) for those in by_epoch.values())
