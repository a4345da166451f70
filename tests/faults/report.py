"""The ledger: what was injected, how soon all was well again, and what came out against the model."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

KINDS: Final = {
    "lost": "lost",
    "doubled": "doubled facts",
    "different": "facts that differ from the model",
    "out of order": "first publishes out of order within a partition",
    "mail doubled": "mails doubled beyond what is counted",
    "mail wrong": "mails wrongly sent",
}
RECOVERY_GOAL_S: Final = 15.0


@dataclass(frozen=True)
class Injected:
    fault: str
    lasted_s: float
    recovered_s: float | None
    """From its end until a completion published then has its points and its mail. None: not within two minutes."""


@dataclass(frozen=True)
class Ledger:
    when: str
    command: str
    commit: str
    seed: int
    outage_s: float
    """How long what was away stayed away."""
    events: int
    completions: int
    lasted_s: float
    injected: Sequence[Injected]
    not_run: dict[str, str]
    """Why, by fault."""
    findings: dict[str, int]
    """By kind."""
    sentences: Sequence[str]
    mails_sent: int
    mails_arrived_again: int
    mails_in_hand: int
    """At kills and dropped connections: each of these may arrive twice."""
    dead_letters_expected: int
    dead_letters_found: int

    @property
    def holds(self) -> bool:
        return (
            not any(self.findings.values())
            and self.dead_letters_found == self.dead_letters_expected
            and self.mails_arrived_again <= self.mails_in_hand
            and all(one.recovered_s is not None for one in self.injected)
        )


def count(kinds: Sequence[str]) -> dict[str, int]:
    found = Counter(kinds)
    return {kind: found[kind] for kind in KINDS}


def percentile(values: Sequence[float], percent: int) -> float:
    """Of the nearest rank: a value that was measured."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def lines(ledger: Ledger) -> Iterator[str]:
    """Markdown."""
    by_fault: dict[str, list[Injected]] = {}
    for one in ledger.injected:
        by_fault.setdefault(one.fault, []).append(one)
    yield "| fault | injected | lasted, s | recovered after, s: p50 | p99 |"
    yield "|---|---|---|---|---|"
    for name, those in by_fault.items():
        lasted = statistics.median(one.lasted_s for one in those)
        yield f"| {name} | {len(those)} | {lasted:.1f} | {_recovery(those)} |"
    yield f"| **all** | {len(ledger.injected)} | | {_recovery(ledger.injected)} |"
    yield ""
    yield "| in all | |"
    yield "|---|---|"
    yield f"| events sent | {ledger.events:,} for {ledger.completions:,} completions, in {ledger.lasted_s:.0f} s |"
    for kind, name in KINDS.items():
        yield f"| {name} | {ledger.findings[kind]} |"
    yield f"| mails that arrived again | {ledger.mails_arrived_again} of {ledger.mails_sent:,} sent |"
    yield f"| ... of at most | {ledger.mails_in_hand}: in hand when a mailer was killed or the connection dropped |"
    yield f"| dead letters expected / found | {ledger.dead_letters_expected} / {ledger.dead_letters_found} |"
    if ledger.not_run:
        yield ""
        yield "| not run | why |"
        yield "|---|---|"
        yield from (f"| {fault} | {why} |" for fault, why in ledger.not_run.items())


def _recovery(those: Sequence[Injected]) -> str:
    values = [one.recovered_s for one in those if one.recovered_s is not None]
    never = len(those) - len(values)
    figures = f"{percentile(values, 50):.1f} | {percentile(values, 99):.1f}" if values else "never | never"
    return f"{figures} ({never} not within two minutes)" if values and never else figures


def write(ledger: Ledger, page: Path) -> None:
    page.with_suffix(".json").write_text(json.dumps(asdict(ledger), indent=1, ensure_ascii=False) + "\n")
    page.write_text("\n".join([*_head(ledger), *lines(ledger), ""]))


def _head(ledger: Ledger) -> Iterator[str]:
    yield "# Fault ledger"
    yield ""
    yield (
        f"`{ledger.command}` wrote this page and [the figures](fault-ledger.json) beside it, on {ledger.when[:10]} at "
        f"commit {ledger.commit}, seed {ledger.seed}. It runs the real services on three brokers and a replica set of "
        "three databases, with steady traffic of new completions, copies, corrections, revocations, late "
        "registrations and events that can never succeed, in any order, and with stories told step by step: people who "
        "are transferred, released and registered by the next agency, merged and separated, bodies that are entered "
        "late, an agency that is distrusted and trusted again; injects one fault after the other; and "
        "compares all that the databases, topics and mailboxes hold in the end with a model of what must be there."
    )
    yield ""
    yield (
        f"What is away stays away for {ledger.outage_s:g} s (`make chaos-full`: a minute). *Recovered* counts from the "
        "end of the fault - the process started again, the network healed - until a completion that is published at "
        "that moment is recorded, has its points and its mail is sent, and every service says that it is ready. With "
        "one or two samples a fault, p99 is the longer one. Deferred mails are made due at the end, so that nobody "
        "waits for their pauses. A primary that is gone is replaced after 5 s here, where MongoDB's own setting is 10."
    )
    yield ""
