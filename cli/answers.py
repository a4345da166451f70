"""What the admin interface answers. Fields that a newer service adds are kept and shown with --json."""

import base64
from datetime import date, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Said(BaseModel):
    """Part of an answer. What may be lacking has a default: half an answer is better than none at night."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Partition(Said):
    topic: str
    partition: int
    next: int | None = None
    """Offset of the first record that is not decided."""
    end: int | None = None
    lag: int | None = None
    stopped: str | None = None
    """Why it is stopped."""


class LetterCounts(Said):
    open: int = 0
    replayed: int = 0
    discarded: int = 0


class Status(Said):
    service: str
    ready: bool
    faults: list[str] = []
    remarks: list[str] = []
    """What somebody must mend, though it is ready."""
    rules: str | None = None
    partitions: list[Partition] = []
    waiting: int = 0
    dead_letters: LetterCounts = LetterCounts()
    work: dict[str, dict[str, int]] = {}
    """Kind of work -> state -> how many."""


class Check(Said):
    """Of `GET /health/ready`."""

    name: str = ""
    ok: bool = True
    sentence: str = ""
    warning: bool = False
    """It is to be mended, though the service does its work."""


class Readiness(Said):
    checks: list[Check] = []

    @property
    def warnings(self) -> list[str]:
        return [f"{check.name}: {check.sentence}" for check in self.checks if check.warning]

    @property
    def faults(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]


class Group(Said):
    """Open dead letters that failed for the same reason."""

    fingerprint: str
    kind: str
    event_type: str | None = None
    event_types: list[str] = []
    count: int
    reason: str | None = None
    sample: str
    """Id of one of them."""
    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None
    rules: str | None = None


class Letter(Said):
    id: str
    """topic/partition/offset/turn"""
    kind: str = ""
    event_type: str | None = None
    event_id: str | None = None
    reason: str | None = None
    fingerprint: str | None = None
    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None
    attempts: int | None = None
    state: str = ""


class Decided(Said):
    """One decision about an event or a command."""

    event_id: str = ""
    verdict: str
    reason: str | None = None
    subject: str | None = None
    decided_at: datetime | None = None
    record: str | None = None
    answer: dict[str, Any] | None = None


class Resolution(Said):
    command: str
    operator: str | None = None
    reason: str | None = None
    at: datetime | None = None
    edited: dict[str, Any] | None = None


class WholeLetter(Letter):
    event: Any = None
    """JSON of whatever kind; None when the record is none."""
    raw_base64: str | None = None
    """Its bytes, where they are no JSON."""
    headers: dict[str, str | None] = {}
    rules: str | None = None
    resolution: Resolution | None = None
    decisions: list[Decided] = []
    history: list[Decided] = []

    @property
    def text(self) -> str | None:
        """What is no JSON as the text that it is; None when it is not UTF-8."""
        try:
            return base64.b64decode(self.raw_base64 or "").decode()
        except ValueError:
            return None


class Change(Said):
    collection: str
    id: str
    change: str
    document: dict[str, Any] | None = None


class Fact(Said):
    type: str
    subject: str | None = None
    data: Any = None


class DryRun(Said):
    verdict: str
    reason: str | None = None
    subject: str | None = None
    documents: list[Change] = []
    events: list[Fact] = []


class MailGroup(Said):
    """Mails that ended without going out, and alike."""

    state: str
    reason: str = ""
    count: int
    sample: str
    latest: datetime | None = None
    do: str | None = None


class EndedMail(Said):
    id: str
    template: str = ""
    state: str = ""
    reason: str = ""
    ended_at: datetime | None = None
    cancelled: str | None = None
    """Why it would not go out all the same."""


class Ordered(Said):
    """What became of a replay, a discard, a look or a giving up."""

    command_id: str
    status: str
    """decided, or pending: it is in the log and not decided yet."""
    verdict: str | None = None
    """accepted, or duplicate when the same was ordered before."""
    reason: str | None = None
    dead_letter: str | None = None
    state: str | None = None
    """Of the dead letter, now."""
    outcome: str | None = None
    """Verdict on the replayed record; discarded."""
    outcome_reason: str | None = None


class Wait(Said):
    lacks: str
    reason: str | None = None
    event_type: str | None = None
    count: int
    oldest: datetime | None = None
    newest: datetime | None = None


class Step(Said):
    at: AwareDatetime | None = None
    """None where nobody noted it."""
    service: str
    what: str
    state: str = "ok"
    detail: str | None = None
    completion_id: str | None = None


class Lack(Said):
    service: str
    what: str
    do: str
    completion_id: str | None = None


class Trace(Said):
    steps: list[Step] = []
    missing: list[Lack] = []
    completion_ids: list[str] = []
    employee_ids: list[str] = []
    uncertified_ids: list[str] = []
    untold_ids: list[str] = []
    """Of which only enrollment knows."""
    unlooked: int = 0
    """Records that wait or are dead letters, and may be about the same."""


class EventVerdict(Said):
    index: int
    id: str | None = None
    status: str
    """accepted, refused, or not_taken: send it again."""
    detail: str | None = None


class TokenBinding(Said):
    issuer: str
    client_ids: list[str] = []


class Quota(Said):
    bytes_per_s: int
    request_percent: int


class Statement(Said):
    """What was said about an agency or a body, and by whom where that is told."""

    at: AwareDatetime | None = None
    kind: str = ""
    operator: str | None = None
    reason: str | None = None
    decision: str | None = None
    """Id of the command that said it."""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    distrust: str | None = None
    """The decision that it took back."""
    heir: str | None = None


class Agency(Said):
    """As it stands in the register, and how its topic is doing."""

    code: str
    state: str
    name: str | None = None
    name_en: str | None = None
    contact: str | None = None
    bound: bool = False
    token_bindings: list[TokenBinding] = []
    kafka_users: list[str] = []
    quota: Quota | None = None
    headcount: int | None = None
    claimed: int | None = None
    """How many people it claims; None: the service is older than this."""
    master: bool = False
    moves_per_hour: int | None = None
    topic: str = ""
    fault: str | None = None
    last_event_at: datetime | None = None
    undecided: int | None = None
    statements: list[Statement] = []

    @property
    def active(self) -> bool:
        return self.state == "active"

    @property
    def suspension(self) -> Statement:
        """The one that holds; empty where the service does not tell."""
        return next(
            (statement for statement in reversed(self.statements) if statement.kind == "suspended"),
            Statement(),
        )

    @property
    def distrusts(self) -> list[Statement]:
        """Those that hold."""
        lifted = {statement.distrust for statement in self.statements if statement.kind == "trusted"}
        return [
            statement
            for statement in self.statements
            if statement.kind == "distrusted" and statement.decision not in lifted
        ]

    @property
    def heir(self) -> str | None:
        """The agency that took its place."""
        return next((statement.heir for statement in self.statements if statement.kind == "succeeded"), None)


class Reach(Said):
    """What an order about an agency's word would reach."""

    verdict: str
    reason: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    completions: int = 0
    completions_alone: int = 0
    """That nobody else reported."""
    certificates_lost: int = 0
    hours_kept: int = 0
    """Of those that lose their certificate."""
    certificates_issued: int = 0
    people: int = 0
    people_moved: int = 0
    """Who get another home, or none."""
    more: bool = False
    """There are more than were looked at."""
    bodies: list[str] = []
    warnings: list[str] = []
    follows: str | None = None


class Body(Said):
    """As it stands in the register."""

    code: str
    name: str | None = None
    issuing: str | None = None
    outside: bool = False
    confirmed: bool = False
    """Somebody said who issues for it."""
    used_by: list[str] = []
    aliases: list[str] = []
    statements: list[Statement] = []


class UnknownBody(Said):
    """One that the register lacks, and that completions wait for."""

    code: str
    waiting: int
    agencies: list[str] = []
    since: AwareDatetime | None = None


class UnknownBodies(Said):
    bodies: list[UnknownBody] = []
    more: bool = False


class BodyPreview(Said):
    """What an order about a body would do."""

    verdict: str
    reason: str | None = None
    waiting: int = 0
    decided: dict[str, int] = {}
    """Verdict -> of how many that wait."""
    recorded: int | None = None
    """Of those; None: the service is older than this."""
    certified: int = 0
    uncertified: dict[str, int] = {}
    """By agency that reported them."""
    certificates_issued: int = 0
    """Of those recorded before."""
    certificates_revoked: int = 0


class Claimant(Said):
    agency: str
    since: AwareDatetime | None = None


class WaitingLink(Said):
    """A source said that one person had both numbers."""

    employee_id: str
    """The record that would join."""
    employee_number: str
    name: str
    home: str | None = None
    previous_employee_number: str
    into: str | None = None
    """None: nobody has that number, or nobody whom this token may look up."""
    into_name: str | None = None
    said_by: str = ""
    since: AwareDatetime | None = None
    waits_for: str = ""


class PersonDecision(Said):
    at: AwareDatetime | None = None
    kind: str = ""
    employee_id: str = ""
    agency: str | None = None
    into: str | None = None
    by: str | None = None
    acting_for: str | None = None
    """None: all agencies."""
    reason: str = ""
    command_id: str = ""


class MergedRecord(Said):
    employee_id: str
    employee_numbers: list[str] = []
    since: AwareDatetime | None = None


class OpenPerson(Said):
    """Of whom somebody is to decide whose it is."""

    employee_id: str
    employee_numbers: list[str] = []
    name: str = ""
    home: str | None = None
    state: str = ""
    """provisional, confirmed, disputed or nobody"""
    claimants: list[Claimant] = []


class Contest(Said):
    """Somebody's word that a completion is not the person's."""

    contest_id: str
    at: AwareDatetime | None = None
    acting_for: str | None = None
    """None: all agencies."""
    by: str | None = None
    reason: str = ""
    state: str = ""
    """undecided, upheld or dismissed"""


class Doubtful(Said):
    """A completion, as the person's agency looks at it."""

    completion_id: str
    title: str = ""
    organizer: str = ""
    reported_by: str = ""
    completed_on: date | None = None
    jp: float = 0
    counts: bool = True
    why: str | None = None
    note: str | None = None
    """Why it has no certificate, or stands for nothing."""
    contestable: bool = False
    contests: list[Contest] = []
    employee_id: str = ""
    """Here and below: empty in the answer about a person."""
    home: str | None = None


class ContestPreview(Said):
    """What an order about a contest would do."""

    verdict: str
    reason: str | None = None
    before: Doubtful | None = None
    after: Doubtful | None = None


class ContestedPage(Said):
    completions: list[Doubtful] = []
    next: str | None = None


class Person(OpenPerson):
    held: bool = False
    """Its mails wait."""
    links: list[WaitingLink] = []
    decisions: list[PersonDecision] = []
    merged: list[MergedRecord] = []
    completions: list[Doubtful] = []


class OpenPeople(Said):
    people: list[OpenPerson] = []
    next: str | None = None
    """Of the page after this one."""


class OpenLinks(Said):
    links: list[WaitingLink] = []
    next: str | None = None


class PersonStand(Said):
    """As it stands, or would."""

    employee_numbers: list[str] = []
    name: str = ""
    email: str | None = None
    home: str | None = None
    state: str = ""
    held: bool = False
    links: int = 0
    jp: dict[int, float] = {}
    """By year."""


class PersonChange(Said):
    employee_id: str
    before: PersonStand | None = None
    """None, here and below: it is part of another person."""
    after: PersonStand | None = None


class PreviewedCompletion(Said):
    completion_id: str
    title: str = ""
    completed_on: date | None = None
    employee_id: str = ""


class PreviewedCompletions(Said):
    count: int = 0
    first: list[PreviewedCompletion] = []


class PeoplePreview(Said):
    """What an order about people would do."""

    verdict: str
    reason: str | None = None
    people: list[PersonChange] = []
    moved: PreviewedCompletions = PreviewedCompletions()
    counted_once: PreviewedCompletions = PreviewedCompletions()
    counted_again: PreviewedCompletions = PreviewedCompletions()
    certificates_issued: int = 0
    certificates_revoked: int = 0


class Held(Said):
    """What a service has of one completion."""

    completion_id: str
    version: int
    standing: bool
    certified: bool = True
    """Enrollment: false where it is recorded without a certificate of ours."""
    issued: int | None = None
    """Enrollment: the version that its letter tells of, where that is another one."""
    lacks: list[str] = []
    """What its own books lack of it."""
    changed_at: AwareDatetime | None = None


class Looked(Said):
    entries: list[Held] = []
    reasons: dict[str, str] = {}
    """Completion -> why a record about it was not accepted, where one was not."""


class Noted(Said):
    """What a list of enrollment's showed to be missing in a service."""

    completion_id: str
    lacks: list[str] = []
    since: AwareDatetime | None = None
    reason: str | None = None
