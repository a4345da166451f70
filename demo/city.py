"""A realistic day of the city, the same for the same seed, and what must come of it.

What must come out is counted while the day is made up, never by reading its events.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from demo.people import AGENCIES, employee_number, employees_of
from demo.trainings import DAY, GRADES, OFFERS, Offer
from demo.wire import FAULTS, Message, binary, spoiled, structured
from shared.contracts.agency import (
    EmployeeChanged,
    EmployeeRegistered,
    Result,
    Training,
    TrainingCompleted,
)
from shared.contracts.payload import Payload
from shared.contracts.vocabulary import EmploymentType, Form
from shared.wording import WIB

MORNING: Final = datetime(DAY.year, DAY.month, DAY.day, 7, tzinfo=WIB)
SHARES: Final = {"diskominfo": 0.2, "bkpsdm": 0.15, "dinkes": 0.25, "disdik": 0.25, "setda": 0.15}
BY_HTTP: Final = "setda"
"""The agency without Kafka."""
BINARY: Final = "disdik"
"""The agency whose system writes binary CloudEvents."""
BY_KAFKA: Final = tuple(agency.opd for agency in AGENCIES if agency.opd != BY_HTTP)


class Occasion(NamedTuple):
    """Business key of a completion: the employee's first number, organizer, code and batch."""

    employee_number: str
    organizer: str
    code: str
    batch: str


@dataclass(frozen=True)
class Expected:
    """A completion that must come out exactly once, as it finally stands."""

    occasion: Occasion
    completed: TrainingCompleted
    mailed: bool
    """The employee has an address."""
    revoked: bool = False


class Revocation(NamedTuple):
    occasion: Occasion
    opd: str
    reason: str


@dataclass
class City:
    agencies: tuple[str, ...]
    employees: dict[str, EmployeeRegistered] = field(default_factory=dict)
    """By number; those that are registered."""
    messages: list[Message] = field(default_factory=list)
    """In the order in which they are published."""
    expected: dict[Occasion, Expected] = field(default_factory=dict)
    waiting: int = 0
    refused_by_http: int = 0
    in_advance: list[Revocation] = field(default_factory=list)
    afterwards: list[Revocation] = field(default_factory=list)

    @property
    def dead_letters(self) -> Counter[str]:
        """How many, by what their reasons contain."""
        return Counter(
            message.dead_because for message in self.messages if message.dead_because and not is_http(message)
        )

    @property
    def records(self) -> Counter[str]:
        """How many reach the log, by agency."""
        return Counter(
            message.opd for message in self.messages if not (is_http(message) and message.dead_because)
        )


def is_http(message: Message) -> bool:
    return message.opd == BY_HTTP


def build_city(employees: int = 350, seed: int = 2026) -> City:
    """`employees` from 40 to 990."""
    if not 40 <= employees <= 990:
        raise ValueError(f"a city of {employees} employees: 40 to 990 are allowed")
    return _Day(employees, Random(seed)).city  # noqa: S311 - a story, no secret


class _Day:
    """Writes the day down, each message with the minute at which its system publishes it."""

    def __init__(self, employees: int, random: Random) -> None:
        self.random = random
        self.city = City(tuple(agency.opd for agency in AGENCIES))
        self.opd_of: dict[str, str] = {}
        self._timed: list[tuple[float, Message]] = []
        self._ids: Counter[str] = Counter()
        self._plain: list[tuple[float, str, TrainingCompleted]] = []
        """Completions with nothing special about them yet: minute, sender, content."""
        self._hire(employees)
        self._teach()
        self._name_first(self._changed_contracts())
        self._resend()
        self._correct()
        self._strangers()
        self._malform()
        self._revoke()
        self._timed.sort(key=lambda one: one[0])
        self.city.messages = [message for _, message in self._timed]

    def _publish(
        self, minute: float, opd: str, kind: str, payload: Payload, happened: float | None = None
    ) -> Message:
        """`happened`: minute of the event's own time, where it isn't the minute of publishing."""
        self._ids[opd] += 1
        time = MORNING + timedelta(minutes=minute if happened is None else happened)
        write = binary if opd == BINARY else structured
        message = write(opd, kind, payload, f"{opd}-{self._ids[opd]:06d}", time)
        self._timed.append((minute, message))
        return message

    def _hire(self, employees: int) -> None:
        for agency in AGENCIES:
            count = max(5, round(employees * SHARES[agency.opd]))
            for employee in employees_of(agency, count, self.random):
                self.city.employees[employee.employee_number] = employee
                self.opd_of[employee.employee_number] = agency.opd
        for number, one in self.city.employees.items():
            minute = self.random.uniform(0, 30)
            # Some are registered in the evening only: their completions of the day wait until then.
            published = self.random.uniform(600, 620) if self.random.random() < 0.05 else minute
            self._publish(published, self.opd_of[number], "registration", one, minute)

    def _teach(self) -> None:
        everybody = list(self.city.employees)
        diligent = self.random.sample(everybody, max(3, len(everybody) // 50))
        for offer in OFFERS:
            staff = [
                employee for employee in everybody if not offer.own or self.opd_of[employee] == offer.opd
            ]
            some = self.random.sample(staff, max(2, round(len(staff) * offer.share)))
            participants = dict.fromkeys(some if offer.own else [*some, *diligent])
            for number in participants:
                completed = self._completion(number, offer)
                minute = self.random.uniform(40, 480)
                self._publish(minute, offer.opd, "completion", completed)
                self._plain.append((minute, offer.opd, completed))
                self._expect(number, completed)
        self.random.shuffle(self._plain)

    def _completion(self, number: str, offer: Offer) -> TrainingCompleted:
        result = Result()
        if offer.graded:
            score, predicate = self.random.choice(GRADES)
            result = Result(score=Decimal(score), predicate=predicate)
        completed_on = min(offer.training.end_date, DAY)
        return TrainingCompleted(
            employee_number=number, training=offer.training, completed_on=completed_on, result=result
        )

    def _expect(self, number: str, completed: TrainingCompleted) -> None:
        occasion = occasion_of(number, completed.training)
        mailed = self.city.employees[number].email is not None
        self.city.expected[occasion] = Expected(occasion, completed, mailed)

    def _take(self, count: int) -> Iterator[tuple[float, str, TrainingCompleted]]:
        """Completions for a special part, each used once."""
        taken, self._plain = self._plain[:count], self._plain[count:]
        yield from taken

    def _some(self, share: float) -> int:
        return max(2, round(len(self.city.expected) * share))

    def _changed_contracts(self) -> list[tuple[str, str, float]]:
        """PPPK whose new contract brings a new number: old one, new one, minute of the change."""
        contracted = [
            number
            for number, one in self.city.employees.items()
            if one.employment_type is EmploymentType.PPPK and one.email is not None
        ]
        changes = []
        for old in contracted[:4]:
            new = old[:8] + "2025" + "22" + old[14:]
            snapshot = self.city.employees[old].model_dump()
            changed = EmployeeChanged(**{**snapshot, "employee_number": new, "previous_employee_number": old})
            minute = self.random.uniform(630, 640)
            self._publish(minute, self.opd_of[old], "new contract", changed)
            changes.append((old, new, minute))
        return changes

    def _name_first(self, changes: Sequence[tuple[str, str, float]]) -> None:
        """What these completed is sent again under the new number, before anybody knows that number."""
        numbers = {old: new for old, new, _ in changes}
        for minute, opd, completed in list(self._plain):
            if completed.employee_number in numbers:
                again = completed.model_copy(update={"employee_number": numbers[completed.employee_number]})
                self._publish(minute + self.random.uniform(1, 100), opd, "copy, new number", again)
        self._plain = [sent for sent in self._plain if sent[2].employee_number not in numbers]

    def _resend(self) -> None:
        for minute, opd, completed in self._take(self._some(0.03)):
            self._publish(minute + 0.01, opd, "copy, same batch", completed)
        for minute, opd, completed in self._take(self._some(0.03)):
            self._publish(minute + self.random.uniform(30, 200), opd, "copy, later", completed)
        others = 0
        for minute, opd, completed in list(self._plain):
            own = self.opd_of[completed.employee_number]
            if own != opd and others < self._some(0.02):
                others += 1
                self._publish(minute + self.random.uniform(1, 90), own, "copy, second agency", completed)

    def _correct(self) -> None:
        for number, (minute, opd, completed) in enumerate(self._take(self._some(0.02))):
            training = completed.training
            if completed.result.score is None:
                title = training.title.replace("Aplikasi", "Sistem").replace("bagi ASN", "untuk ASN")
                title = title if title != training.title else f"{title} (revisi)"
                update = {"training": training.model_copy(update={"title": title})}
                corrected = completed.model_copy(update=update)
            else:
                result = Result(score=completed.result.score + Decimal("1.5"), predicate="Sangat Memuaskan")
                corrected = completed.model_copy(update={"result": result})
            if number % 3 == 1:
                # Comes before what it corrects; its own time tells.
                self._publish(minute - 5, opd, "correction, early", corrected, minute + 20)
            elif number % 3 == 2:
                # A clock that stands still: the revision tells.
                corrected = corrected.model_copy(update={"revision": 2})
                self._publish(minute + 20, opd, "correction, by revision", corrected, minute - 30)
            else:
                self._publish(minute + self.random.uniform(20, 200), opd, "correction", corrected)
            self._expect(completed.employee_number, corrected)

    def _strangers(self) -> None:
        """Employees whom no agency ever registers: what they completed waits."""
        webinar = next(offer for offer in OFFERS if offer.training.form is Form.WEBINAR)
        ethics = next(offer for offer in OFFERS if offer.training.form is Form.E_LEARNING)
        for place in range(4):
            number = employee_number(EmploymentType.PNS, 995 + place, self.random)
            offers = (webinar, ethics) if place % 2 else (webinar,)
            for offer in offers:
                minute = self.random.uniform(100, 400)
                self._publish(minute, offer.opd, "never registered", self._completion(number, offer))
                self.city.waiting += 1

    def _malform(self) -> None:
        ethics = next(offer for offer in OFFERS if offer.training.code == "EL-ETIKA")
        numbers = list(self.city.employees)
        for place, fault in enumerate((*FAULTS, *FAULTS[:2])):
            opd = ("diskominfo", "bkpsdm", "dinkes")[place % 3]
            message = self._aside(opd, self._completion(self.random.choice(numbers), ethics))
            self._timed.append((self.random.uniform(60, 500), spoiled(message, fault)))
        # Readable, and refused by the rules: a course is credited by programme.
        course = OFFERS[0].training.model_copy(update={"programme_jp": None, "batch": "5"})
        completed = self._completion(numbers[0], OFFERS[0]._replace(training=course))
        message = self._aside("diskominfo", completed)
        self._timed.append((300, message._replace(kind="refused by rule", dead_because="JP are missing")))
        # Over HTTP the sender hears at once; nothing reaches the log.
        message = self._aside(BY_HTTP, self._completion(numbers[0], ethics))
        self._timed.append((200, spoiled(message, FAULTS[1])._replace(kind="refused by HTTP")))
        self.city.refused_by_http = 1

    def _aside(self, opd: str, payload: Payload) -> Message:
        self._ids[opd] += 1
        return structured(opd, "malformed", payload, f"{opd}-{self._ids[opd]:06d}", MORNING)

    def _revoke(self) -> None:
        mailed = [sent for sent in self._plain if self.city.employees[sent[2].employee_number].email]
        (_, opd, early), (_, other, late) = (
            next(sent for sent in mailed if sent[2].training.form is form)
            for form in (Form.WEBINAR, Form.COURSE)
        )
        for target, sender, completed, reason in (
            (self.city.in_advance, opd, early, "Peserta tidak mengikuti webinar sampai selesai"),
            (self.city.afterwards, other, late, "Nilai ujian akhir dibatalkan oleh penyelenggara"),
        ):
            occasion = occasion_of(completed.employee_number, completed.training)
            target.append(Revocation(occasion, sender, reason))
            self.city.expected[occasion] = replace(self.city.expected[occasion], revoked=True)


def occasion_of(number: str, training: Training) -> Occasion:
    return Occasion(number, training.organizer.code, training.code, training.batch)
