"""Orders about one or many, dead letters or people: chosen first, then given one by one."""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from cli.answers import Ordered, WholeLetter
from cli.client import Service
from cli.command import Desk, each
from cli.errors import DONE, NO, NOT_ASKED, CannotAsk, Missing, Refused

# So many in a row were not asked: the service is away, and asking on would take a timeout for each.
MAX_SILENT: Final = 3
MAX_SHOWN: Final = 20
NOT_WELL: Final = frozenset({"refused", "rejected", "bug", "not found"})
LETTERS: Final = "dead_letters"
_AGO: Final = re.compile(r"(\d{1,6})([mhd])")
Rate = Annotated[
    float | None, typer.Option("--rate", min=0.01, metavar="PER_SECOND", help="At most so many a second")
]
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Chosen:
    service: Service
    id: str


@dataclass(frozen=True)
class Outcome:
    """What became of the order about one dead letter, or one person."""

    service: str
    id: str
    outcome: str
    """Verdict on the replayed record; discarded, or replayed where it had been before; refused, pending or not asked."""
    reason: str | None = None
    still_open: bool = False
    """The service refused the order itself: nothing was decided."""
    line: int | None = None
    """Of the file that names whom it is about, where nothing else does."""

    @property
    def exit_status(self) -> int:
        if self.outcome == "not asked":
            return NOT_ASKED
        return NO if self.outcome in NOT_WELL | {"pending"} else DONE


Give = Callable[[Chosen], Ordered]


def find(desk: Desk, id: str, only: str | None) -> tuple[Service, WholeLetter]:
    """The dead letter, and whose it is: two services that read one topic may both have it."""

    def ask(service: Service) -> WholeLetter | None:
        try:
            return service.letter(id)
        except Missing:
            return None

    services = desk.services(only)
    answers, silent = each(services, ask)
    found = [(asked, letter) for asked in services if (letter := answers.get(asked.name)) is not None]
    if not found and silent:
        raise next(iter(silent.values()))
    if not found:
        raise Missing(f"no service has a dead letter {id}: see `kompeten dead-letters list`")
    if len(found) > 1:
        names = " and ".join(service.name for service, _ in found)
        raise CannotAsk(f"{names} have a dead letter {id}: say which with --service")
    return found[0]


def choose(
    desk: Desk, ids: Sequence[str], group: str | None, since: str | None, only: str | None
) -> list[Chosen]:
    """Those that are meant; raises when nothing is named or nothing is there."""
    if bool(ids) == bool(group or since):
        raise CannotAsk("name dead letters by their ids, or by --group or --since")
    if ids:
        return [Chosen(find(desk, id, only)[0], id) for id in dict.fromkeys(ids)]
    begin = None if since is None else moment(since, datetime.now(UTC))
    services = desk.services(only)
    # All before the first order, since each order changes what the list holds.
    answers, silent = each(services, lambda one: list(one.letters(fingerprint=group, since=begin)))
    for error in silent.values():
        raise CannotAsk(f"{error}; nothing was done: to go on with another service, say --service")
    chosen = [Chosen(service, letter.id) for service in services for letter in answers[service.name]]
    if not chosen:
        raise Missing("no open dead letter is like that: see `kompeten dead-letters list`")
    return chosen


def moment(text: str, now: datetime, option: str = "--since") -> datetime:
    """`2026-03-05T02:00:00+07:00`, or how long ago: 90m, 2h, 1d."""
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found
    except (ValueError, OverflowError):  # also before there were dates
        pass
    raise CannotAsk(f"{option} takes a moment with its offset, 2026-03-05T02:00:00+07:00, or 90m, 2h, 1d")


def key_of(action: str, id: str, reason: str, event: dict[str, Any] | None) -> str:
    """The Idempotency-Key: the same order again has the same, so that nothing is done twice."""
    said = json.dumps([action, id, reason, event], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def new_key(action: str, id: str, reason: str, said: dict[str, Any] | None = None) -> str:
    """A key of its own each time: to suspend again tomorrow, for the same reason, is another order."""
    return key_of(f"{action}/{time.time_ns()}", id, reason, said)


def carry_out(
    desk: Desk,
    what: str,
    chosen: Sequence[Chosen],
    give: Give,
    rate: float | None,
    *,
    done: Sequence[Outcome] = (),
    named: str = LETTERS,
) -> int:
    """Gives every order, whatever became of the others; shows progress and a summary. `done`: what is known without an
    order; `named`: what --json calls those that it tells of."""
    outcomes: list[Outcome] = []
    try:
        with desk.err.progress(what, shown=not desk.as_json and len(chosen) > 1) as bar:
            task = bar.add_task(what, total=len(chosen))
            for outcome in _outcomes(chosen, give, rate):
                outcomes.append(outcome)
                bar.advance(task)
    except KeyboardInterrupt:
        desk.err.line("kompeten: interrupted: the same command again goes on", "red")
    for choice in chosen[len(outcomes) :]:
        outcomes.append(
            Outcome(choice.service.name, choice.id, "not asked", "the run ended before its answer")
        )
    outcomes = [*done, *outcomes]
    summary(desk, what, outcomes, named)
    return max(outcome.exit_status for outcome in outcomes)


def _outcomes(chosen: Sequence[Chosen], give: Give, rate: float | None) -> Iterator[Outcome]:
    silent, start = 0, time.monotonic()
    for number, one in enumerate(chosen):
        if rate is not None:
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
        outcome = ordered(one, give)
        yield outcome
        silent = silent + 1 if outcome.outcome == "not asked" else 0
        if silent == MAX_SILENT:
            return


def ordered(one: Chosen, give: Give) -> Outcome:
    try:
        answer = give(one)
    except Refused as error:
        return Outcome(one.service.name, one.id, "refused", str(error), still_open=True)
    except CannotAsk as error:
        return Outcome(one.service.name, one.id, "not asked", str(error))
    if answer.status != "decided":
        why = "it is in the log and not decided yet: the same command again tells what became of it"
        return Outcome(one.service.name, one.id, "pending", why)
    # Of a letter that was settled before, and of a discard by an older service: what it is now. The verdict is on
    # the command, and "accepted" of what was discarded misleads.
    outcome = answer.outcome or answer.state or answer.verdict or "accepted"
    return Outcome(one.service.name, one.id, outcome, answer.outcome_reason or answer.reason)


def summary(desk: Desk, what: str, outcomes: Sequence[Outcome], named: str = LETTERS) -> None:
    counts = Counter(outcome.outcome for outcome in outcomes)
    if desk.answer({"outcomes": counts, named: [_shown(outcome) for outcome in outcomes]}):
        return
    if len(outcomes) > 1:
        desk.out.table((what, "count"), counts.most_common())
        outcomes = [outcome for outcome in outcomes if outcome.exit_status != DONE]
    for outcome in outcomes[:MAX_SHOWN]:
        why = f": {outcome.reason}" if outcome.reason else ""
        desk.out.line(
            f"{outcome.service} {outcome.id}: {outcome.outcome}{why}",
            "red" if outcome.exit_status else "green",
        )
    if len(outcomes) > MAX_SHOWN:
        desk.out.line(f"and {len(outcomes) - MAX_SHOWN} more: --json lists all")


def _shown(outcome: Outcome) -> dict[str, object]:
    document = asdict(outcome)
    document.pop("still_open")
    if outcome.line is None:
        document.pop("line")
    return document
