"""What a test sends in: a seeded city's events with all that really happens to them, and what must come of it."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from shared.contracts.cloudevents import STRUCTURED
from shared.contracts.enrollment import RevokeCertificate
from shared.contracts.payload import CompletionId, EmployeeId, Payload
from shared.contracts.pipeline import GiveUpWaiting, ReplayDeadLetter
from shared.contracts.topics import COMMANDS, agency_topic
from shared.identity.identifiers import Ids
from shared.pipeline.partitioner import partition_of
from shared.pipeline.records import Headers
from tests import factories
from tests.factories import Mode

AGENCIES: Final = ("dinas-a", "dinas-b")
HOSTILE: Final = "dinas-x"
"""An agency like the others, with nothing but its own topic; whatever it sends is well-formed."""
DOUBTED: Final = "dinas-c"
"""An agency whose word is taken back now and then; it sends what stories say alone."""
CONNECTED: Final = (*AGENCIES, HOSTILE, DOUBTED)
ISSUERS: Final = {"BKPSDM": "", "DISKOMINFO": "dinas-b", "DINKES": "dinas-a", "DINAS-X": HOSTILE}
"""By code the agency that issues for it; empty where nobody is confirmed, so that both give out its numbers."""
CROWD: Final = 60
FORMS: Final = ("seminar", "webinar", "workshop", "e_learning")


class Message(NamedTuple):
    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


@dataclass(frozen=True)
class Reported:
    """A completion as it must stand in the end."""

    completion_id: CompletionId
    employee_id: EmployeeId
    score: Decimal
    year: int
    revoked: bool = False
    stands: bool = True
    """False: it is kept, and nobody who may say so has reported it."""
    certified: bool = True
    """False: recorded without a certificate."""
    backed: bool = True
    """The person's agency stands behind it."""
    twin: bool = False
    """The same training counts as it was reported under another number."""
    told: bool = False
    """By a story: facts about its person come from several partitions."""

    @property
    def counts(self) -> bool:
        return self.stands and not (self.revoked or self.twin)


@dataclass(frozen=True)
class Known:
    """A person as a story leaves it."""

    employee_id: EmployeeId
    email: str
    numbers: tuple[str, ...]
    merged_into: str = ""
    warned: tuple[str, ...] = ()
    """Addresses that heard of the next one, each by one mail."""


class Said(NamedTuple):
    """What is sent, and the id of its event."""

    id: str
    message: Message


@dataclass
class Employee:
    number: str
    agency: str
    registered: bool = False
    told: bool = False
    """A story's: nothing else is sent about it."""
    completions: list[CompletionId] = field(default_factory=list)


class Traffic:
    """Makes batches; `reported` and `messages` say what was sent so far."""

    def __init__(self, secret: str, topic_prefix: str, seed: int, *, revoking: bool = True) -> None:
        self.ids, self.prefix, self.revoking = Ids(secret), topic_prefix, revoking
        self.random = random.Random(seed)
        self.reported: dict[CompletionId, Reported] = {}
        self.people: dict[EmployeeId, Known] = {}
        """Those of stories."""
        self.stories = 0
        """That were begun."""
        self.messages: list[Message] = []
        self.poisoned: set[bytes] = set()
        """Values of which each must become a dead letter."""
        self._employees: list[Employee] = []
        self._sent: dict[CompletionId, tuple[Employee, dict[str, object], int]] = {}
        self._changeable: list[CompletionId] = []
        self._count = 0

    def batch(self, completions: int) -> list[Message]:
        """As many new completions, and with them late registrations, resends, corrections and revocations."""
        made: list[Message] = []
        for _ in range(completions):
            employee = self._employee()
            if not employee.registered and self.random.random() < 0.7:
                made.append(self._registration(employee))
            made.append(self._completion(employee))
            if not employee.registered:  # its completion waits for it
                made.append(self._registration(employee))
            dice = self.random.random()
            if dice < 0.12:
                made.append(self._resent())
            elif dice < 0.2:
                made.append(self._corrected())
            elif dice < 0.24 and self.revoking:
                made.append(self._revoked())
        self.messages += made
        return made

    def probe(self) -> tuple[CompletionId, list[Message]]:
        """A completion of somebody new, to see how long it takes."""
        employee = self._newcomer()
        made = [self._registration(employee), self._completion(employee)]
        self.messages += made
        self._changeable.pop()  # a correction or revocation would take its letter's place
        return employee.completions[0], made

    def poison(self) -> Message:
        """What can never succeed, each time in another way; it becomes a dead letter."""
        employee = self.random.choice(self._employees) if self._employees else self._newcomer()
        number = f"X{self._count}"
        good = self._message(
            factories.completed(employee.number, code=number, batch="1"), employee.agency, "structured"
        )
        ways = (
            lambda: garbled(good, employee_number=employee.number[:17]),
            lambda: garbled(good, completed_on="2025-02-30"),
            lambda: garbled(good, training={"code": number}),
            lambda: good._replace(value=good.value[:-3]),
            lambda: good._replace(value=number.encode() + b"\xff\xfe"),
            lambda: good._replace(value=good.value.replace(b".completed.v1", b".completed.v9")),
        )
        made = ways[self._count % len(ways)]()
        self.messages.append(made)
        self.poisoned.add(made.value)
        return made

    def hostile(self) -> list[Message]:
        """By turns: what it has no business to say, kept as dead letters; and more contents of one completion of its
        own than are kept, of which the last one must stand."""
        made = self._pretended() if self._count % 2 else self._crowded()
        self.messages += made
        return made

    def flood(self, count: int) -> list[Message]:
        """Copies of one content of the hostile agency: each is decided, and nothing follows."""
        id = next((one for one in self._changeable if self._sent[one][0].agency == HOSTILE), None)
        made = self._crowded() if id is None else []
        id = id or self._changeable[-1]
        made += [self._told(id) for _ in range(count)]
        self.messages += made
        return made

    # What stories say (stories.py).

    def newcomer(self, agency: str) -> Employee:
        made = self._newcomer(agency)
        made.told = True
        return made

    def said(self, payload: Payload, agency: str) -> Said:
        return self._kept(self._message(payload, agency))

    def ordered(self, command: Payload, key: str) -> Said:
        return self._kept(self._command(command, key))

    def _kept(self, message: Message) -> Said:
        self.messages.append(message)
        return Said(f"event-{self._count}", message)

    def _pretended(self) -> list[Message]:
        """Commands and facts about somebody else's certificate, as its services write them."""
        if not self._changeable:
            return []
        victim = self.reported[self.random.choice(self._changeable)]
        about = {"completion_id": victim.completion_id, "employee_id": victim.employee_id}
        certificate = {**about, "certificate_id": self.ids.certificate(victim.completion_id)}
        letter = f"{agency_topic(AGENCIES[0], self.prefix)}/0/0/0"
        pretended = (
            factories.revoke(**about, opd=None),
            factories.reinstate(**about, opd=None),
            factories.rendering(
                certificate_id=certificate["certificate_id"], completion_id=victim.completion_id
            ),
            factories.certificate_issued(**certificate, verification_url="https://elsewhere.example/v/x"),
            factories.certificate_revoked(**certificate),
            factories.employee_recorded(
                employee_id=victim.employee_id, version=2**52, email="x@elsewhere.example"
            ),
            factories.completion_recorded(**about, version=2**52, standing=False),
            factories.points_settled(**about, version=2**52),
            ReplayDeadLetter(dead_letter=letter, operator="nobody", reason="none"),
            GiveUpWaiting(lacks="employee/0", before=datetime.now(UTC), reason="none"),
        )
        made = [self._message(payload, HOSTILE, "structured") for payload in pretended]
        self.poisoned.update(one.value for one in made)
        return made

    def _crowded(self) -> list[Message]:
        employee = self._newcomer(HOSTILE)
        made = [self._registration(employee), self._completion(employee)]
        id = employee.completions[0]
        for _ in range(CROWD):
            made.append(self._correction(id))
        return made

    def _employee(self) -> Employee:
        theirs = [one for one in self._employees if one.agency != HOSTILE and not one.told]
        if theirs and self.random.random() < 0.6:
            return self.random.choice(theirs)
        return self._newcomer()

    def _newcomer(self, agency: str | None = None) -> Employee:
        place = len(self._employees)
        number = (
            f"{1970 + place // 4000}0{1 + place % 9}15200{place % 10}03{1 + place % 2}{place // 9 % 1000:03}"
        )
        made = Employee(number, agency or AGENCIES[place % len(AGENCIES)])
        self._employees.append(made)
        return made

    def _registration(self, employee: Employee) -> Message:
        employee.registered = True
        place = self._employees.index(employee)
        payload = factories.registered(
            employee.number,
            name=f"Pegawai Nomor {place}, S.Kom.",
            email=f"pegawai{place}@example.org",
            language="id" if place % 3 else "en",
        )
        return self._message(payload, employee.agency)

    def _completion(self, employee: Employee) -> Message:
        form = self.random.choice(FORMS)
        own = [body for body, agency in ISSUERS.items() if agency in ("", employee.agency)]
        code, body = f"K{len(self._sent)}", self.random.choice(own)
        completed_on = date(2025, 1, 10) + timedelta(days=self.random.randrange(300))
        training: dict[str, object] = {
            "code": code,
            "batch": "1",
            "form": form,
            "organizer": body,
            "start_date": completed_on,
            "programme_jp": Decimal(4) if form == "e_learning" else None,
        }
        employee_id = self.ids.employee(employee.number)
        id = self.ids.completion(employee_id, body, code, "1")
        self._sent[id] = (employee, training, 1)
        self._changeable.append(id)
        self.reported[id] = Reported(id, employee_id, Decimal("70.00"), completed_on.year)
        employee.completions.append(id)
        return self._told(id)

    def _told(self, id: CompletionId) -> Message:
        employee, training, revision = self._sent[id]
        payload = factories.completed(
            employee.number, score=self.reported[id].score, revision=revision, **training
        )
        return self._message(payload, employee.agency)

    def _resent(self) -> Message:
        return self._told(self.random.choice(self._changeable))

    def _corrected(self) -> Message:
        return self._correction(self.random.choice(self._changeable))

    def _correction(self, id: CompletionId) -> Message:
        employee, training, revision = self._sent[id]
        self._sent[id] = (employee, training, revision + 1)
        score = Decimal(70 + revision % 30).quantize(Decimal("0.01"))
        self.reported[id] = replace(self.reported[id], score=score)
        return self._told(id)

    def _revoked(self) -> Message:
        id = self.random.choice(self._changeable)
        self.reported[id] = replace(self.reported[id], revoked=True)
        command = RevokeCertificate(
            completion_id=id,
            employee_id=self.reported[id].employee_id,
            reason="The attendance list was mixed up.",
            officer="officer-1",
            opd=None,
        )
        return self._command(command, self.reported[id].employee_id)

    def _command(self, command: Payload, key: str) -> Message:
        value, headers = self._wire(command)
        topic = self.prefix + COMMANDS.format(service="enrollment")
        return Message(topic, partition_of(key), key.encode(), value, headers)

    def _message(self, payload: Payload, agency: str, mode: Mode | None = None) -> Message:
        return Message(agency_topic(agency, self.prefix), 0, None, *self._wire(payload, mode))

    def _wire(self, payload: Payload, mode: Mode | None = None) -> tuple[bytes, Headers]:
        """Every third in binary mode, unless one is given."""
        self._count += 1
        # Distinct and rising, so that "later" is what the sender meant by it.
        time = datetime.now(UTC) - timedelta(hours=2) + timedelta(milliseconds=self._count)
        record = factories.as_record(
            payload,
            id=f"event-{self._count}",
            time=time,
            mode=mode or ("structured" if self._count % 3 else "binary"),
        )
        assert record.value is not None
        return record.value, record.headers


def of_one_partition(reported: Iterable[Reported]) -> set[str]:
    """Employees whose facts all come from one partition, so that their order is promised."""
    reported = list(reported)
    several = {one.employee_id for one in reported if one.revoked or one.told}
    return {one.employee_id for one in reported} - several


def split(messages: Sequence[Message], size: int) -> list[Sequence[Message]]:
    return [messages[at : at + size] for at in range(0, len(messages), size)]


def garbled(message: Message, **fields: object) -> Message:
    """The same structured event with other fields in its data."""
    event = json.loads(message.value)
    event["data"].update(fields)
    return message._replace(
        value=json.dumps(event).encode(), headers=(("content-type", STRUCTURED.encode()),)
    )
