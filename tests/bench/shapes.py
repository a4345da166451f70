"""Shapes of records that cost much: n of them that all look at one person, one completion, one number, one letter.

For each handler of each service at least one. Measured by `tests/bench/hostile_shapes.py`, counted by
`tests/property/test_work_is_bounded.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from shared.contracts.agency import EmployeeReleased, TrainingCompleted
from shared.contracts.bodies import AddBody, BeginBodies, BodySeed, ChangeBody
from shared.contracts.enrollment import (
    CertificateIssued,
    CompletionRecorded,
    CompletionRestated,
    CompletionsListed,
    CompletionUncertified,
    ContestCompletion,
    DecideContest,
    ListCompletions,
    PartitionList,
    RestateCompletion,
)
from shared.contracts.lists import Claim, grouped
from shared.contracts.notification import NoteMail, ReleaseLetter, ResendMail
from shared.contracts.payload import CertificateId, CompletionId, Payload
from shared.contracts.people import (
    AdoptHomes,
    ConfirmHome,
    EarliestHome,
    EndSweep,
    MergeEmployees,
    RefoldCompletions,
    Refolded,
    RefoldPeople,
    SeparateEmployees,
)
from shared.contracts.pipeline import (
    DiscardDeadLetter,
    GiveUpWaiting,
    ReleaseWaiting,
    ReplayDeadLetter,
    ReviewDiscrepancies,
)
from shared.contracts.register import (
    AddAgency,
    BeginRegister,
    ChangeAgency,
    DistrustAgency,
    ReplaceAgency,
    ResumeAgency,
    SuspendAgency,
    TrustAgency,
)
from shared.contracts.topics import (
    ENROLLMENT_COMMANDS,
    ENROLLMENT_EVENTS,
    INCENTIVE_COMMANDS,
    INCENTIVE_EVENTS,
    NOTIFICATION_COMMANDS,
    agency_topic,
)
from shared.pipeline.handlers import Service
from shared.pipeline.limits import LIMITS, Limits
from shared.pipeline.partitioner import TopicPartition, position_id
from shared.pipeline.processing.messages import Decoder
from shared.pipeline.processing.unit_of_work import Decided, UnitOfWork
from shared.pipeline.records import Record, RecordMetadata
from shared.pipeline.storage.mongo import MongoStore
from shared.pipeline.store import Session, in_transaction
from tests.bench.workload import employee_number
from tests.factories import (
    as_record,
    certificate_issued,
    certificate_revoked,
    changed,
    completed,
    completion_recorded,
    completion_uncertified,
    employee_recorded,
    points_settled,
    registered,
    reinstate,
    rendering,
    revoke,
)
from tests.memory_store import MemoryStore
from tests.property.harness import ENROLLMENT, INCENTIVE, MORNING, NOTIFICATION, TERMS

AGENCY: Final = agency_topic("dinas-a")
ARRIVED: Final = datetime(2026, 6, 1, 1, tzinfo=UTC)
BEGAN: Final = datetime(2026, 5, 1, 1, tzinfo=UTC)
NIP: Final = employee_number(0)
IDS: Final = TERMS.ids
PERSON: Final = IDS.employee(NIP)
Store = MemoryStore | MongoStore
Sent = tuple[str, Payload]
"""Topic and event."""


class Shape(NamedTuple):
    name: str
    service: Service[Any]
    handler: str
    """Type of the event whose handler it is about."""
    before: Callable[[int], Sequence[Sent]]
    """What was decided before, for a batch of n."""
    batch: Callable[[int], Sequence[Sent]]


class Bench:
    """A service's consumer without Kafka: one partition a topic, decided as the real one decides."""

    def __init__(self, service: Service[Any], store: Store, limits: Limits = LIMITS) -> None:
        self.service, self.store, self.reader, self.limits = service, store, Decoder[Any](service), limits
        self.next: dict[str, int] = {}
        self.sent = 0
        self.decided: list[Decided] = []

    async def decide(self, sent: Sequence[Sent]) -> list[Decided]:
        """As one batch; in as many transactions as it takes."""
        left = self._records(sent)
        done: list[Decided] = []
        while any(left.values()):
            left = {tp: records for tp, records in left.items() if records}
            items = {tp: [self.reader.read(record) for record in records] for tp, records in left.items()}
            expected = {tp: records[0].at.offset for tp, records in left.items()}
            for tp in left:
                await self.store.position(position_id(self.service.name, tp), 0)

            async def unit_of_work(session: Session) -> Decided:
                made: UnitOfWork[Any] = UnitOfWork(self.reader, self.store, session, limits=self.limits)
                return await made.run(items, self.service.name, expected)  # noqa: B023

            done.append(await in_transaction(self.store, unit_of_work))
            left = {tp: records[done[-1].taken.get(tp, 0) :] for tp, records in left.items()}
        self.decided += done
        return done

    def _records(self, sent: Sequence[Sent]) -> dict[TopicPartition, list[Record]]:
        """All of one batch arrive within the same second, one millisecond after the other."""
        records: dict[TopicPartition, list[Record]] = {}
        for n, (topic, payload) in enumerate(sent):
            at, self.next[topic] = self.next.get(topic, 0), self.next.get(topic, 0) + 1
            self.sent += 1
            one = as_record(
                payload, id=f"{topic}-{at}", time=BEGAN + timedelta(seconds=self.sent), topic=topic
            )
            moment = ARRIVED + timedelta(seconds=self.sent, milliseconds=n)
            records.setdefault((topic, 0), []).append(
                Record(
                    RecordMetadata(topic, 0, at), int(moment.timestamp() * 1000), None, one.value, one.headers
                )
            )
        return records


# Enrollment.


def from_agency(*events: Payload) -> list[Sent]:
    return [(AGENCY, event) for event in events]


def told_enrollment(*commands: Payload) -> list[Sent]:
    return [(ENROLLMENT_COMMANDS, command) for command in commands]


def one_person(n: int) -> list[Sent]:
    return from_agency(registered(NIP))


def completion_id(data: TrainingCompleted) -> CompletionId:
    training = data.training
    return IDS.completion(
        IDS.employee(data.employee_number), training.organizer.code, training.code, training.batch
    )


def of_the_year(n: int, **training: object) -> Iterator[TrainingCompleted]:
    """Completions of one person in one year, the latest first: under a cap each takes from all before it."""
    for at in range(n):
        day = date(2026, 3, 31) - timedelta(days=at % 80)
        yield completed(NIP, code=f"K-{at}", start_date=day.isoformat(), organizer="PUSDIK", **training)


def over_new_years(n: int) -> Iterator[TrainingCompleted]:
    """Each year from the first one that counts on shares the days of a cap with the one before it."""
    for at in range(n):
        year = 2020 + at % 7
        yield completed(
            NIP, code=f"K-{at}", form="e_learning", programme_jp=1,
            start_date=f"{year - 1}-12-01", end_date=f"{year}-01-31",
        )  # fmt: skip


def contents(n: int) -> Iterator[TrainingCompleted]:
    for at in range(n):
        yield completed(NIP, code="A", place=f"Ruang {at}")


ONE: Final = completed(NIP, code="A")
ONE_ID: Final = completion_id(ONE)
ONE_CERTIFICATE: Final = IDS.certificate(ONE_ID)


def one_completion(n: int) -> list[Sent]:
    return from_agency(registered(NIP), ONE)


def merge_or_part(at: int) -> Payload:
    other = IDS.employee(employee_number(1))
    if at % 2:
        return SeparateEmployees(employee_id=other, officer="o", opd=None, reason=f"bench {at}")
    return MergeEmployees(
        employee_id=other, into=PERSON, home=None, officer="o", opd=None, reason=f"bench {at}"
    )


def listed(n: int) -> Iterator[ListCompletions]:
    """Each goes on where the one before ended."""
    lists = (PartitionList(partition=0, completions=grouped([Claim(ONE_ID, 1, True)])),)
    for at in range(n):
        since, until = (ARRIVED - timedelta(days=2) + timedelta(seconds=more) for more in (at, at + 1))
        yield ListCompletions(since=since, until=until, lists=lists, incomplete=(ONE_ID,))


def triage(n: int, letter: str, lacks: str) -> dict[str, list[Payload]]:
    reason = "bench"
    return {
        "replays of one dead letter": [
            ReplayDeadLetter(dead_letter=letter, operator="o", reason=reason) for _ in range(n)
        ],
        "discards of one dead letter": [
            DiscardDeadLetter(dead_letter=letter, operator="o", reason=reason) for _ in range(n)
        ],
        "releases of one wait": [ReleaseWaiting(lacks=lacks, page=at) for at in range(n)],
        "ends of one wait": [
            GiveUpWaiting(lacks=lacks, before=ARRIVED, reason=f"{reason} {at}") for at in range(n)
        ],
    }


UNKNOWN: Final = employee_number(1)
LACKS: Final = IDS.lacks_employee(UNKNOWN)


def hopeless(n: int) -> list[Sent]:
    """A dead letter at offset 0, and a record that waits."""
    return from_agency(completed(NIP, start_date="2026-12-01"), registered(NIP), completed(UNKNOWN, code="W"))


def enrollment_shapes() -> list[Shape]:
    def shape(name: str, handler: type[Payload], before: Any, batch: Any) -> Shape:
        return Shape(name, ENROLLMENT, handler.TYPE, before, batch)

    letter = f"{AGENCY}/0/0/0"
    return [
        shape("completions of as many people (no attack: what an event costs)", TrainingCompleted,
              lambda n: from_agency(*(registered(employee_number(at)) for at in range(n))),
              lambda n: from_agency(*(completed(employee_number(at)) for at in range(n)))),
        shape("snapshots of one person", type(registered()), one_person,
              lambda n: from_agency(*(registered(NIP, name=f"Pegawai {at}") for at in range(n)))),
        shape("numbers of one person", type(changed()), one_person,
              lambda n: from_agency(*(
                  changed(employee_number(at + 1), previous_employee_number=employee_number(at))
                  for at in range(n)))),
        shape("contents of one completion", TrainingCompleted, one_person,
              lambda n: from_agency(*contents(n))),
        shape("contents of one completion, each with a revision", TrainingCompleted, one_person,
              lambda n: from_agency(*(
                  completed(NIP, code="A", place=f"Ruang {at}", revision=at + 1) for at in range(n)))),
        shape("copies of one content", TrainingCompleted, one_person, lambda n: from_agency(*[ONE] * n)),
        shape("completions of one person and year", TrainingCompleted, one_person,
              lambda n: from_agency(*of_the_year(n))),
        shape("completions of one person and year, under a cap", TrainingCompleted, one_person,
              lambda n: from_agency(*of_the_year(n, form="e_learning", programme_jp=3))),
        shape("completions of one person that tie a chain of years", TrainingCompleted, one_person,
              lambda n: from_agency(*over_new_years(n))),
        shape("completions of one person and year that begin in as many years", TrainingCompleted, one_person,
              lambda n: from_agency(*(
                  completed(NIP, code=f"K-{at}", form="e_learning", programme_jp=3, start_date=f"{1700 + at}-12-01",
                            completed_on="2026-01-31") for at in range(n)))),
        shape("completions of one person between snapshots of it", TrainingCompleted, one_person,
              lambda n: from_agency(*(
                  event for at, one in enumerate(of_the_year(n // 2, form="e_learning", programme_jp=3))
                  for event in (one, registered(NIP, name=f"Pegawai {at}"))))),
        shape("completions of one person between renderings of another of it", type(rendering()), one_completion,
              lambda n: [
                  one for at, event in enumerate(of_the_year(n // 2, form="e_learning", programme_jp=3))
                  for one in (*from_agency(event), *told_enrollment(
                      rendering(certificate_id=ONE_CERTIFICATE, completion_id=ONE_ID, revision=1, sha256=f"{at:064x}")))
              ]),
        shape("completions that begin to wait for one number", TrainingCompleted, one_person,
              lambda n: from_agency(*(completed(UNKNOWN, code=f"W-{at}") for at in range(n)))),
        shape("completions that waited for one number, and it", type(registered()),
              lambda n: from_agency(*(completed(UNKNOWN, code=f"W-{at}") for at in range(n))),
              lambda n: from_agency(registered(UNKNOWN))),
        shape("registrations, each after the completion that lacks it", type(registered()), one_person,
              lambda n: from_agency(*(
                  event for at in range(1, n // 2 + 1)
                  for event in (completed(employee_number(at)), registered(employee_number(at)))))),
        shape("revocations of one completion", type(revoke()), one_completion,
              lambda n: told_enrollment(*(
                  revoke(completion_id=ONE_ID, employee_id=PERSON, opd=None, reason=f"{at}")
                  for at in range(n)))),
        shape("reinstatements of one completion", type(reinstate()), one_completion,
              lambda n: told_enrollment(*(
                  reinstate(completion_id=ONE_ID, employee_id=PERSON, opd=None, revocation_id=f"r{at}")
                  for at in range(n)))),
        shape("contests of one completion", ContestCompletion, one_completion, lambda n: told_enrollment(*(
            ContestCompletion(completion_id=ONE_ID, employee_id=PERSON, reason=f"{at}", officer="o", opd=None)
            for at in range(n)))),
        shape("decisions about contests of one completion", DecideContest, one_completion, lambda n: told_enrollment(*(
            DecideContest(completion_id=ONE_ID, employee_id=PERSON, contest_id=f"{at}", upheld=True, reason="bench",
                          officer="o", opd=None) for at in range(n)))),
        shape("renderings of one certificate", type(rendering()), one_completion,
              lambda n: told_enrollment(*(
                  rendering(certificate_id=ONE_CERTIFICATE, completion_id=ONE_ID, revision=1, sha256=f"{at:064x}")
                  for at in range(n)))),
        shape("releases of one person between its registrations", EmployeeReleased, one_completion,
              lambda n: from_agency(*(
                  event for at in range(n // 2)
                  for event in (registered(NIP, name=f"Pegawai {at}"),
                                EmployeeReleased(employee_number=NIP, reason="moved"))))),
        shape("transfers of one person", ConfirmHome, one_completion,
              lambda n: told_enrollment(*(
                  ConfirmHome(employee_id=PERSON, agency=f"dinas-{at}", officer="o", opd=None, reason="bench")
                  for at in range(n)))),
        shape("merges and separations of two records", MergeEmployees,
              lambda n: from_agency(registered(NIP), registered(employee_number(1)), *contents(2)),
              lambda n: told_enrollment(*(merge_or_part(at) for at in range(n)))),
        shape("separations of one record", SeparateEmployees, one_completion,
              lambda n: told_enrollment(*(merge_or_part(1) for _ in range(n)))),
        shape("homes of as many people from before", AdoptHomes, one_completion,
              lambda n: told_enrollment(AdoptHomes(homes=tuple(
                  EarliestHome(employee_id=IDS.employee(employee_number(at)), agency="dinas-x", arrived=ARRIVED,
                               topic=AGENCY, partition=0, offset=at) for at in range(n))))),
        shape("completions that are judged anew", RefoldCompletions,
              lambda n: from_agency(*(registered(employee_number(at)) for at in range(n)),
                                    *(completed(employee_number(at)) for at in range(n))),
              lambda n: told_enrollment(RefoldCompletions(generation=1, found=tuple(
                  Refolded(completion_id=completion_id(completed(employee_number(at))),
                           employee_id=IDS.employee(employee_number(at)))
                  for at in range(n))))),
        shape("people that are judged anew", RefoldPeople,
              lambda n: from_agency(*(registered(employee_number(at)) for at in range(n)),
                                    *(completed(employee_number(at)) for at in range(n))),
              lambda n: told_enrollment(RefoldPeople(generation=1, found=tuple(
                  IDS.employee(employee_number(at)) for at in range(n))))),
        shape("ends of sweeps", EndSweep, one_completion,
              lambda n: told_enrollment(*(EndSweep(generation=at) for at in range(n)))),
        shape("lists", ListCompletions, one_completion, lambda n: told_enrollment(*listed(n))),
        shape("restatements of one completion", RestateCompletion, one_completion,
              lambda n: told_enrollment(*(
                  RestateCompletion(completion_id=ONE_ID, employee_id=PERSON, version=at + 1, operator="o",
                                    reason="bench") for at in range(n)))),
        shape("reviews of one completion", ReviewDiscrepancies, one_completion,
              lambda n: told_enrollment(*[ReviewDiscrepancies(completion_ids=(ONE_ID,))] * n)),
        *(
            shape(name, type(triage(1, letter, LACKS)[name][0]), hopeless,
                  lambda n, name=name: told_enrollment(*triage(n, letter, LACKS)[name]))
            for name in triage(1, letter, LACKS)
        ),
        *register_shapes(),
        *body_shapes(),
    ]  # fmt: skip


def register_shapes() -> list[Shape]:
    """Operators' commands, whose number nobody bounds: each folds what was said of its agency before, which is a
    handful. A thousand changes of one and the same would cost a million steps; only operators can send them."""

    def added(n: int) -> list[Sent]:
        return told_enrollment(*(AddAgency(code=code(at), name="Dinas", operator="o") for at in range(n)))

    def code(at: int) -> str:
        return f"dinas-{at}"

    def about(command: type[ChangeAgency | SuspendAgency | ResumeAgency]) -> Callable[[int], list[Sent]]:
        return lambda n: told_enrollment(*(
            command(code=code(at), operator="o", reason="bench") for at in range(n)))  # fmt: skip

    def shape(name: str, handler: type[Payload], before: Any, batch: Any) -> Shape:
        return Shape(name, ENROLLMENT, handler.TYPE, before, batch)

    return [
        shape("additions of agencies", AddAgency, nothing_before, added),
        shape("changes of as many agencies", ChangeAgency, added, about(ChangeAgency)),
        shape("suspensions of as many agencies", SuspendAgency, added, about(SuspendAgency)),
        shape("resumptions of as many agencies", ResumeAgency, added, about(ResumeAgency)),
        shape("distrusts of as many agencies", DistrustAgency, added,
              lambda n: told_enrollment(*(
                  DistrustAgency(code=code(at), since=ARRIVED - timedelta(days=1), until=None, operator="o",
                                 reason="bench")
                  for at in range(n)))),
        shape("ends of distrusts", TrustAgency, added, lambda n: told_enrollment(*(
            TrustAgency(code=code(at), distrust="x", operator="o", reason="bench") for at in range(n)))),
        shape("successions of as many agencies", ReplaceAgency, added, lambda n: told_enrollment(*(
            ReplaceAgency(code=code(at), heir=code(0), operator="o", reason="bench") for at in range(1, n)))),
        shape("beginnings of the register", BeginRegister, nothing_before,
              lambda n: told_enrollment(*(BeginRegister(codes=(code(at),)) for at in range(n)))),
    ]  # fmt: skip


def body_shapes() -> list[Shape]:
    """As with agencies; a body has at most 20 spellings."""

    def code(at: int) -> str:
        return f"BADAN {at}"

    def added(n: int) -> list[Sent]:
        return told_enrollment(*(
            AddBody(code=code(at), name="Badan", outside=True, aliases=(f"B/{at}",), operator="o")
            for at in range(n)))  # fmt: skip

    def shape(name: str, handler: type[Payload], before: Any, batch: Any) -> Shape:
        return Shape(name, ENROLLMENT, handler.TYPE, before, batch)

    return [
        shape("additions of bodies", AddBody, nothing_before, added),
        shape("changes of as many bodies", ChangeBody, added,
              lambda n: told_enrollment(*(
                  ChangeBody(code=code(at), aliases=(f"C/{at}",), operator="o", reason="bench")
                  for at in range(n)))),
        shape("beginnings of the register of bodies", BeginBodies, nothing_before,
              lambda n: told_enrollment(*(BeginBodies(bodies=(BodySeed(code=code(at)),)) for at in range(n)))),
        shape("a beginning with as many bodies", BeginBodies, nothing_before,
              lambda n: told_enrollment(BeginBodies(bodies=tuple(BodySeed(code=code(at)) for at in range(n))))),
    ]  # fmt: skip


# Incentive.


def from_enrollment(*events: Payload) -> list[Sent]:
    return [(ENROLLMENT_EVENTS, event) for event in events]


def recorded(at: int, cls: type[CompletionRecorded] = CompletionRecorded, **changes: object) -> Payload:
    """The `at`-th of one person's completions in one month."""
    said = completion_recorded(
        completion_id=numbered_completion(at), employee_id=PERSON, version=1,
        completed_on=date(2026, 3, 31 - at % 28), **changes,
    )  # fmt: skip
    return cls(**dict(said))


def numbered_completion(at: int) -> CompletionId:
    return CompletionId(f"cmp_{at:032x}")


def claims(at: int) -> CompletionsListed:
    return CompletionsListed(completions=grouped([Claim(numbered_completion(0), at + 1, True)]))


def nothing_before(n: int) -> list[Sent]:
    return []


def incentive_shapes() -> list[Shape]:
    def shape(name: str, handler: type[Payload], before: Any, batch: Any) -> Shape:
        return Shape(name, INCENTIVE, handler.TYPE, before, batch)

    def after_one(n: int) -> list[Sent]:
        return from_enrollment(recorded(0))

    return [
        shape("versions of one person", type(employee_recorded()), nothing_before,
              lambda n: from_enrollment(*(
                  employee_recorded(employee_id=PERSON, version=at + 1) for at in range(n)))),
        shape("completions of one month", CompletionRecorded, nothing_before,
              lambda n: from_enrollment(*(recorded(at) for at in range(n)))),
        shape("versions of one completion", CompletionRecorded, nothing_before,
              lambda n: from_enrollment(*(
                  completion_recorded(completion_id=numbered_completion(0), employee_id=PERSON, version=at + 1,
                                      standing=bool(at % 2)) for at in range(n)))),
        shape("one completion that goes to and fro between two people", CompletionRecorded, nothing_before,
              lambda n: from_enrollment(*(
                  completion_recorded(completion_id=numbered_completion(0), version=at + 1,
                                      employee_id=IDS.employee(employee_number(at % 2))) for at in range(n)))),
        shape("restatements of one completion", CompletionRestated, after_one,
              lambda n: from_enrollment(*(
                  CompletionRestated(**dict(recorded(0)) | {"version": at + 2}) for at in range(n)))),
        shape("lists of one completion", CompletionsListed, after_one,
              lambda n: from_enrollment(*(claims(at) for at in range(n)))),
        shape("reviews of one completion", ReviewDiscrepancies, after_one,
              lambda n: [(INCENTIVE_COMMANDS, ReviewDiscrepancies(completion_ids=(numbered_completion(0),)))] * n),
    ]  # fmt: skip


# Notification.

CONTACT: Final = employee_recorded(employee_id=PERSON, version=1)
COMPLETION: Final = numbered_completion(0)


def issued(revision: int) -> CertificateIssued:
    return certificate_issued(
        certificate_id=IDS.certificate(COMPLETION), completion_id=COMPLETION, employee_id=PERSON,
        completion_version=revision, revision=revision,
    )  # fmt: skip


def notification_shapes() -> list[Shape]:
    def shape(name: str, handler: type[Payload], before: Any, batch: Any) -> Shape:
        return Shape(name, NOTIFICATION, handler.TYPE, before, batch)

    def with_contact(n: int) -> list[Sent]:
        return from_enrollment(CONTACT)

    def with_letter(n: int) -> list[Sent]:
        return from_enrollment(CONTACT, issued(1))

    letter = IDS.letter(IDS.certificate(COMPLETION), "certificate_issued", "1")

    def told(*commands: Payload) -> list[Sent]:
        return [(NOTIFICATION_COMMANDS, command) for command in commands]

    return [
        shape("versions of one contact", type(employee_recorded()), nothing_before,
              lambda n: from_enrollment(*(
                  employee_recorded(employee_id=PERSON, version=at + 1) for at in range(n)))),
        shape("addresses of one contact", type(employee_recorded()), nothing_before,
              lambda n: from_enrollment(*(
                  employee_recorded(employee_id=PERSON, version=at + 1, email=f"p{at}@example.org",
                                    addressed_at=MORNING + timedelta(seconds=at)) for at in range(n)))),
        shape("letters of one completion", CertificateIssued, with_contact,
              lambda n: from_enrollment(*(issued(at + 1) for at in range(n)))),
        shape("words of one completion without a certificate", CompletionUncertified, with_contact,
              lambda n: from_enrollment(*(
                  completion_uncertified(IDS, completion_id=COMPLETION, employee_id=PERSON,
                                         completion_version=at + 1) for at in range(n)))),
        shape("revocations of one completion", type(certificate_revoked()), with_contact,
              lambda n: from_enrollment(*(
                  certificate_revoked(certificate_id=IDS.certificate(COMPLETION), completion_id=COMPLETION,
                                      employee_id=PERSON, completion_version=at + 1, revision=at + 1)
                  for at in range(n)))),
        shape("certificates that waited for one contact, and it", type(employee_recorded()),
              lambda n: from_enrollment(*(
                  certificate_issued(certificate_id=CertificateId(f"crt_{at:032x}"), employee_id=PERSON,
                                     completion_id=numbered_completion(at), completion_version=1, revision=1)
                  for at in range(n))),
              lambda n: from_enrollment(CONTACT)),
        shape("points of one completion", type(points_settled()), with_letter,
              lambda n: [(INCENTIVE_EVENTS, points_settled(completion_id=COMPLETION, employee_id=PERSON,
                                                           version=at + 1, completion_version=0))
                         for at in range(n)]),
        shape("releases of one letter", ReleaseLetter, with_letter,
              lambda n: told(*[ReleaseLetter(letter_id=letter)] * n)),
        shape("notes of one mail", NoteMail, with_letter,
              lambda n: told(*(NoteMail(letter_id=letter, state="sent", epoch=at) for at in range(n)))),
        shape("orders to send one mail again", ResendMail, with_letter,
              lambda n: told(*[ResendMail(letter_id=letter, operator="o", reason="r")] * n)),
        shape("lists of one completion", CompletionsListed, with_letter,
              lambda n: from_enrollment(*(claims(at) for at in range(n)))),
        shape("reviews of one completion", ReviewDiscrepancies, with_letter,
              lambda n: told(*[ReviewDiscrepancies(completion_ids=(COMPLETION,))] * n)),
    ]  # fmt: skip


SHAPES: Final = (*enrollment_shapes(), *incentive_shapes(), *notification_shapes())
