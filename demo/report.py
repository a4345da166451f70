"""The table at the end, the progress before it, and the one line for programs."""

import json
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.city import City
from demo.reconcile import REVOKED, Comparison, Finding, count
from demo.settling import Progress as Stage
from demo.settling import goal
from shared.contracts.lists import UNCERTIFIED

KEYS: Final = (
    "completions", "certificates", "jp_credits", "point_entries", "mails", "dead_letters", "waiting", "lost", "doubled",
)  # fmt: skip
MAX_FINDINGS: Final = 20


class Times(NamedTuple):
    """Seconds."""

    publishing: float
    to_last_mail: float
    delays: Sequence[float]
    """Of each completion, from the log to its mail."""


def summary(comparison: Comparison, findings: Sequence[Finding]) -> dict[str, int]:
    """Counted from databases and mail catcher alone."""
    counted = (
        len(comparison.certified),
        sum(completion.number is not None for completion in comparison.certified),
        sum(bool(completion.jp_rule) for completion in comparison.certified),
        comparison.point_entries,
        len(comparison.caught),
        len(comparison.dead_letters),
        comparison.waiting,
        count(findings, "lost"),
        count(findings, "doubled"),
    )
    return dict(zip(KEYS, counted, strict=True))


def last_line(result: dict[str, int]) -> str:
    return json.dumps(result)


def went_in(city: City) -> list[tuple[str, str]]:
    kinds = Counter(message.kind for message in city.messages)
    rows = [(kind, str(times)) for kind, times in kinds.most_common()]
    revoked = len(city.in_advance) + len(city.afterwards)
    return [
        *rows,
        ("revocation by an officer", str(revoked)),
        ("together", str(len(city.messages) + revoked)),
    ]


def came_out(
    comparison: Comparison, result: dict[str, int], pdfs: int, refused: int
) -> list[tuple[str, str]]:
    revoked = sum(completion.revoked for completion in comparison.certified)
    uncertified = sum(not completion.certified for completion in comparison.certified)
    reissues = sum(max(0, completion.revision - 1) for completion in comparison.certified)
    told_revoked = sum(
        letter.template == REVOKED and bool(letter.message_id) for letter in comparison.letters
    )
    jp = sum((completion.jp for completion in comparison.certified), Decimal(0))
    points = sum(account.ledger for account in comparison.accounts)
    reasons = Counter(_short(reason) for reason in comparison.dead_letters)
    return [
        ("completions", str(result["completions"])),
        ("certificates", f"{result['certificates']} ({revoked} of them revoked)"),
        *([(UNCERTIFIED, str(uncertified))] if uncertified else []),
        ("PDFs", f"{pdfs} ({reissues} certificates were issued anew after a correction)"),
        ("JP credits", f"{result['jp_credits']} (together {jp:,.1f} JP)"),
        ("point entries", f"{result['point_entries']} (together {points:,} points)"),
        ("mails", f"{result['mails']} ({told_revoked} tell of a revocation; some employees have no address)"),
        ("dead letters", str(result["dead_letters"])),
        *((f"  {times} x", reason) for reason, times in reasons.most_common()),
        ("refused over HTTP", str(refused)),
        ("waiting", f"{result['waiting']} (for the registration of their employees)"),
        ("lost", str(result["lost"])),
        ("doubled", str(result["doubled"])),
    ]


def took(times: Times) -> list[tuple[str, str]]:
    rows = [
        ("publishing", f"{times.publishing:.1f} s"),
        ("first publish to last mail", f"{times.to_last_mail:.1f} s"),
    ]
    if len(times.delays) > 1:
        cuts = statistics.quantiles(times.delays, n=100)
        rows.append(("a completion to its mail", f"p50 {cuts[49]:.1f} s, p99 {cuts[98]:.1f} s"))
    return rows


def print_tables(*tables: tuple[str, Sequence[tuple[str, str]]]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 110)
    for title, rows in tables:
        table = Table(title=title, title_justify="left", show_header=False, title_style="bold")
        table.add_column()
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, value)
        console.print(table, highlight=False, markup=False)


def print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings[:MAX_FINDINGS]:
        say(f"{finding.kind}: {finding.subject}: {finding.what}")
    if len(findings) > MAX_FINDINGS:
        say(f"... and {len(findings) - MAX_FINDINGS} more")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Shown:
    """Bars on a terminal; elsewhere a line whenever a twentieth more is decided or mailed."""

    def __init__(self, city: City, bars: Progress | None) -> None:
        wanted = goal(city)
        self._bars = bars
        self._last = (-1, -1)
        self._goal = wanted
        self._tasks = {
            name: None if bars is None else bars.add_task(label, total=getattr(wanted, name))
            for name, label in (
                ("decided", "events decided"),
                ("completions", "completions"),
                ("pdfs", "PDFs"),
                ("mails", "mails"),
            )
        }

    def __call__(self, stage: Stage) -> None:
        if self._bars is not None:
            for name, task in self._tasks.items():
                if task is not None:
                    done, total = getattr(stage, name), getattr(self._goal, name)
                    self._bars.update(task, completed=done, total=max(done, total))
            return
        twentieths = (20 * stage.decided // self._goal.decided, 20 * stage.mails // self._goal.mails)
        if twentieths != self._last:
            self._last = twentieths
            say(
                f"  decided {stage.decided}/{self._goal.decided}, completions {stage.completions},"
                f" PDFs {stage.pdfs}, mails {stage.mails}"
            )


@contextmanager
def shown(city: City) -> Iterator[Shown]:
    if not sys.stdout.isatty():
        yield Shown(city, None)
        return
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bars:
        yield Shown(city, bars)


def _short(reason: str) -> str:
    """One line a kind: positions and counts differ between events of the same fault."""
    return re.sub(r"(at|column|line) \d+", r"\1 …", reason.split(": send")[0])
