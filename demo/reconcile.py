"""What is lost and what is there twice: expectations against what databases and mail catcher hold. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeVar

from demo.city import Expected, Occasion
from demo.expectations import Expectations
from shared.contracts.employee_number import mask

ISSUED: Final = "certificate_issued"
REVOKED: Final = "certificate_revoked"
T = TypeVar("T")


class Certified(NamedTuple):
    """A completion that stands in enrollment's database, and its certificate."""

    completion_id: str
    numbers: tuple[str, ...]
    """All that the employee has or had."""
    occasion: Occasion
    """With the oldest of these numbers."""
    title: str
    score: Decimal | None
    year: int
    certificate_id: str | None
    number: str | None
    revision: int
    revoked: bool
    jp: Decimal
    jp_rule: str
    """Empty: not credited."""
    has_pdf: bool
    certified: bool = True
    """False: UNCERTIFIED, and nobody is told of it."""


class Points(NamedTuple):
    """A completion in incentive's database."""

    completion_id: str
    month: str
    points: int
    settlements: int
    ledger: int
    """Sum of its entries."""


class Account(NamedTuple):
    employee_id: str
    balance: int
    ledger: int


class Letter(NamedTuple):
    """A letter in notification's database; `message_id` once its mail was sent."""

    id: str
    completion_id: str
    template: str
    revision: int
    message_id: str


class Caught(NamedTuple):
    """A mail that arrived."""

    message_id: str
    recipient: str
    subject: str
    link: str
    """Of the verification page: names certificate and revision."""


@dataclass(frozen=True)
class Comparison:
    """All that was found."""

    certified: Sequence[Certified] = ()
    points: Sequence[Points] = ()
    accounts: Sequence[Account] = ()
    letters: Sequence[Letter] = ()
    caught: Sequence[Caught] = ()
    dead_letters: Sequence[str] = ()
    """Their reasons."""
    point_entries: int = 0
    """Lines of the ledger."""
    waiting: int = 0
    decided: int = 0
    """Records of the agencies' topics that have a verdict."""


class Finding(NamedTuple):
    kind: Literal["lost", "doubled"]
    subject: str
    """Counted once, however much of it is wrong."""
    what: str


def reconcile(expected: Expectations, comparison: Comparison) -> list[Finding]:
    """Empty when everything came out exactly once."""
    return [
        *_completions(expected, comparison),
        *_certificates(comparison),
        *_mails(comparison),
        *_ledgers(comparison),
        *_totals(expected, comparison),
        *_events(expected, comparison),
    ]


def count(findings: Iterable[Finding], kind: Literal["lost", "doubled"]) -> int:
    return len({finding.subject for finding in findings if finding.kind == kind})


def _completions(expected: Expectations, comparison: Comparison) -> Iterator[Finding]:
    found = _grouped(comparison.certified, lambda one: one.occasion)
    points = {point.completion_id: point for point in comparison.points}
    letters = _grouped(comparison.letters, lambda one: one.completion_id)
    caught = Counter(mail.message_id for mail in comparison.caught)
    for completion in expected.completions:
        rows = found.pop(completion.occasion, [])
        subject = described(completion.occasion)
        if not rows:
            yield Finding("lost", subject, "no completion")
        if len(rows) > 1:
            yield Finding("doubled", subject, f"{len(rows)} completions")
        for row in rows:
            missing = [*_missing(completion, row, points.get(row.completion_id))]
            mailed = [mail for mail in letters.get(row.completion_id, []) if caught[mail.message_id]]
            missing += _missing_mail(completion, row, mailed)
            yield from (Finding("lost", subject, what) for what in missing)
            if mailed and not completion.mailed:
                yield Finding("doubled", subject, "a mail to somebody without an address")
    for occasion, rows in found.items():
        for row in rows:
            yield Finding("doubled", described(occasion), f"nobody reported it: {row.completion_id}")


def _missing(one: Expected, row: Certified, points: Points | None) -> Iterator[str]:
    if row.certified and row.number is None:
        yield "no certificate"
    elif row.certified and not row.has_pdf and not one.revoked:
        yield "no PDF"
    if not row.jp_rule:
        yield "no JP credit"
    if points is None or not points.settlements:
        yield "no settlement of points"
    if row.revoked != one.revoked:
        yield "not revoked" if one.revoked else "revoked, though nobody did"
    if row.title != one.completed.training.title or row.score != one.completed.result.score:
        yield "its correction does not stand"


def _missing_mail(one: Expected, row: Certified, mailed: Sequence[Letter]) -> Iterator[str]:
    """The last word must have been mailed; an earlier revision may have been overtaken."""
    if not one.mailed or not row.certified:
        return
    if one.revoked:
        if not any(mail.template == REVOKED for mail in mailed):
            yield "no mail about the revocation"
    elif not any((mail.template, mail.revision) == (ISSUED, row.revision) for mail in mailed):
        yield "no mail"


def _certificates(comparison: Comparison) -> Iterator[Finding]:
    numbers = Counter(
        completion.number for completion in comparison.certified if completion.number is not None
    )
    for number, times in _repeated(numbers):
        yield Finding("doubled", f"certificate number {number}", f"given {times} times")
    ids = Counter(
        completion.certificate_id
        for completion in comparison.certified
        if completion.certificate_id is not None
    )
    for id, times in _repeated(ids):
        yield Finding("doubled", f"certificate {id}", f"of {times} completions")


def _mails(comparison: Comparison) -> Iterator[Finding]:
    for id, times in _repeated(Counter(mail.message_id for mail in comparison.caught)):
        yield Finding("doubled", f"mail {id}", f"arrived {times} times")
    occasions = _grouped(comparison.caught, lambda one: (one.recipient, one.subject, one.link))
    for (_, subject, _), mails in occasions.items():
        if len({mail.message_id for mail in mails}) > 1:
            yield Finding("doubled", f"mail {mails[0].message_id}", f"{len(mails)} mails say: {subject}")
    letters = Counter(
        (letter.completion_id, letter.template, letter.revision) for letter in comparison.letters
    )
    for (completion_id, template, revision), times in _repeated(letters):
        what = f"{times} letters {template} of revision {revision}"
        yield Finding("doubled", f"letters of {completion_id}", what)
    known = {letter.message_id for letter in comparison.letters if letter.message_id}
    for stranger in sorted({mail.message_id for mail in comparison.caught} - known):
        yield Finding("doubled", f"mail {stranger}", "arrived, but no letter says that it was sent")


def _ledgers(comparison: Comparison) -> Iterator[Finding]:
    rows = [(f"points of {point.completion_id}", point.points, point.ledger) for point in comparison.points]
    rows += [
        (f"balance of {account.employee_id}", account.balance, account.ledger)
        for account in comparison.accounts
    ]
    for subject, stated, ledger in rows:
        if stated != ledger:
            yield _difference(subject, ledger, stated, "points in the ledger")


def _totals(expected: Expectations, comparison: Comparison) -> Iterator[Finding]:
    first = {
        completion.completion_id: completion.occasion.employee_number for completion in comparison.certified
    }
    jp: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for completion in comparison.certified:
        jp[completion.occasion.employee_number, completion.year] += completion.jp
    for key in expected.jp.keys() | jp.keys():
        given, wanted = jp.get(key, Decimal(0)), expected.jp.get(key, Decimal(0))
        if given != wanted:
            yield _difference(f"JP of {mask(key[0])} in {key[1]}", given, wanted, "JP")
    points: dict[tuple[str, str], int] = defaultdict(int)
    for settled in comparison.points:
        if settled.month:
            points[first.get(settled.completion_id, ""), settled.month] += settled.ledger
    for month in expected.points.keys() | points.keys():
        had, due = points.get(month, 0), expected.points.get(month, 0)
        if had != due:
            yield _difference(f"points of {mask(month[0])} in {month[1]}", had, due, "points")


def _events(expected: Expectations, comparison: Comparison) -> Iterator[Finding]:
    left = list(comparison.dead_letters)
    for part, wanted in expected.dead_letters.items():
        matching = [reason for reason in left if part in reason]
        left = [reason for reason in left if part not in reason]
        for place in range(len(matching), wanted):
            yield Finding("lost", f"malformed event {place}: {part}", "no dead letter")
        for place in range(wanted, len(matching)):
            yield Finding("doubled", f"malformed event {place}: {part}", "a dead letter too many")
    for place, reason in enumerate(left):
        yield Finding("lost", f"dead letter {place}", f"a good event was refused: {reason}")
    for place in range(abs(comparison.waiting - expected.waiting)):
        what = f"{comparison.waiting} wait, {expected.waiting} should"
        yield Finding("lost", f"waiting event {place}", what)
    for place in range(comparison.decided, expected.records):
        what = f"{comparison.decided} of {expected.records} records have a verdict"
        yield Finding("lost", f"record {place}", what)
    for place in range(expected.records, comparison.decided):
        what = f"{comparison.decided} verdicts on {expected.records} records"
        yield Finding("doubled", f"record {place}", what)


def _difference(subject: str, found: Decimal | int, wanted: Decimal | int, unit: str) -> Finding:
    return Finding("doubled" if found > wanted else "lost", subject, f"{found} {unit}, {wanted} expected")


def described(occasion: Occasion) -> str:
    number = mask(occasion.employee_number)
    return f"{occasion.organizer} {occasion.code}/{occasion.batch} of {number}"


K = TypeVar("K", bound=Hashable)


def _grouped(rows: Iterable[T], by: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = defaultdict(list)
    for row in rows:
        groups[by(row)].append(row)
    return dict(groups)


def _repeated(counted: Counter[K]) -> Iterator[tuple[K, int]]:
    return ((one, times) for one, times in counted.items() if times > 1)
