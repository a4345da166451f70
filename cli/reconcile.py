"""`kompeten reconcile`: does each completion have all that belongs to it, in every service, and each of that a
completion? And at an operator's word: have what is missing made up for."""

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from cli.answers import Looked, Noted
from cli.client import Service
from cli.command import Desk, Yes, checked_reason, each
from cli.comparison import ENROLLMENT, Comparison, Finding, findings, merged
from cli.errors import DONE, NO, NOT_ASKED, CannotAsk, Refused
from cli.screen import Screen, local, short
from shared.contracts.lists import UNCERTIFIED

PAUSE_S: Final = 2.0
"""Between two looks: what is on its way arrives meanwhile."""
CAUGHT_UP_WITHIN_S: Final = 60.0
MAX_LOOKS: Final = 5
MAX_SHOWN: Final = 20

Heal = Annotated[
    bool, typer.Option("--heal", help="Have enrollment say again what others lack, under versions of its own")
]
Reason = Annotated[
    str | None,
    typer.Option("--reason", help="Why; with --heal. Is kept with the decision, so name no person"),
]


def reconcile(desk: Desk, heal: Heal = False, reason: Reason = None, yes: Yes = False) -> int:
    """Hold the services' books against each other: missing points, letters, certificates, PDFs, and orphans."""
    if heal:
        if reason is None:
            raise CannotAsk("--heal changes something: say why with --reason")
        reason = checked_reason(reason)
    services = {service.name: service for service in desk.services()}
    run = Run(services)
    run.compare()
    run.look_again()
    restated: dict[str, str] = {}
    if heal and (ids := list(dict.fromkeys(finding.completion_id for finding in run.wrong if finding.heals))):
        assert reason is not None
        desk.confirm(f"Restate {len(ids)} completions?", yes=yes or len(ids) == 1)
        restated = _restate(desk, services[ENROLLMENT], ids, reason)
        run.suspicious = {finding.completion_id: None for finding in run.wrong}
        run.look_again()
    noted = {name: list(service.discrepancies()) for name, service in services.items()}
    document = {
        "completions": run.completions,
        "uncertified": run.uncertified,
        "not_standing": run.not_standing,
        "wrong": [asdict(finding) for finding in run.wrong],
        "waiting": [asdict(finding) for finding in run.waiting],
        "in_doubt": [asdict(finding) for finding in run.in_doubt],
        "restated": restated,
        "noted": [
            {"service": name, **discrepancy.model_dump(mode="json")}
            for name, discrepancies in noted.items()
            for discrepancy in discrepancies
        ],
    }
    if not desk.answer(document):
        _show(desk.out, run, restated, noted)
    if run.wrong:
        return NO
    return NOT_ASKED if run.in_doubt else DONE


class Run:
    """One comparison. Nothing is called wrong that two looks in succession did not find the same, the second of
    them while no service had anything left to read."""

    def __init__(self, services: dict[str, Service]) -> None:
        self.services = services
        self.completions = 0
        self.uncertified = 0
        """Of them."""
        self.not_standing = 0
        """The same: revoked, contested, or reported by nobody who may say so."""
        self.suspicious: dict[str, object] = {}
        """Completion -> what the last look saw; None before it."""
        self.wrong: list[Finding] = []
        self.in_doubt: list[Finding] = []
        self.waiting: list[Finding] = []

    def compare(self) -> None:
        for id, comparison in merged({name: service.ledger() for name, service in self.services.items()}):
            self.completions += ENROLLMENT in comparison
            if (ours := comparison.get(ENROLLMENT)) is not None:
                self.uncertified += ours.standing and not ours.certified
                self.not_standing += not ours.standing
            if found := findings(id, comparison):
                self.suspicious[id] = _seen(comparison, found)

    def look_again(self) -> None:
        self.wrong, self.in_doubt, self.waiting = [], [], []
        for look in range(MAX_LOOKS):
            if not self.suspicious:
                return
            caught_up = self._caught_up()
            time.sleep(PAUSE_S)
            seen, self.suspicious = self.suspicious, {}
            self.in_doubt = []
            looked = self._looked(list(seen))
            reasons = {name: one.reasons for name, one in looked.items()}
            by_id: dict[str, dict[str, Any]] = {id: {} for id in seen}
            for name, one in looked.items():
                for held in one.entries:
                    by_id[held.completion_id][name] = held
            for id, comparison in by_id.items():
                if not (found := findings(id, comparison, reasons)):
                    continue
                now = _seen(comparison, found)
                if now == seen[id] and caught_up:
                    self.wrong += [finding for finding in found if not finding.waits]
                    self.waiting += [finding for finding in found if finding.waits]
                else:
                    self.suspicious[id] = now
                    self.in_doubt += found
            if not caught_up and look:
                return  # it lags for minutes: better tell so than wait for ever

    def _looked(self, ids: Sequence[str]) -> dict[str, Looked]:
        # Enrollment first: what a reader has heard of it by then is no less than what it says.
        return {name: service.look_at(ids) for name, service in self.services.items()}

    def _caught_up(self) -> bool:
        deadline = time.monotonic() + CAUGHT_UP_WITHIN_S
        while True:
            stands, silent = each(list(self.services.values()), lambda one: one.status())
            for error in silent.values():
                raise error
            if all(part.lag == 0 for status in stands.values() for part in status.partitions):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_S / 2)


def _seen(comparison: Comparison, found: Sequence[Finding]) -> object:
    ours = comparison.get(ENROLLMENT)
    return (
        None if ours is None else ours.version,
        tuple((finding.service, finding.lacks) for finding in found),
    )


def _restate(desk: Desk, enrollment: Service, ids: Sequence[str], reason: str) -> dict[str, str]:
    """Completion -> what became of the order."""
    outcomes: dict[str, str] = {}
    with desk.err.progress("restated", shown=not desk.as_json and len(ids) > 1) as bar:
        task = bar.add_task("restated", total=len(ids))
        for id in ids:
            key = hashlib.sha256(f"restate/{id}/{reason}".encode()).hexdigest()
            try:
                ordered = enrollment.restate(id, reason, key=key)
                outcomes[id] = ordered.verdict or ordered.status
            except Refused as error:
                outcomes[id] = f"refused: {error}"
            bar.advance(task)
    return outcomes


def _show(out: Screen, run: Run, restated: dict[str, str], noted: dict[str, list[Noted]]) -> None:
    of_them = f", {run.uncertified} of them {UNCERTIFIED}" if run.uncertified else ""
    if run.not_standing:
        of_them += f", {run.not_standing} stand for nothing (`kompeten trace --completion ID` says why)"
    out.line(f"{run.completions} completions compared{of_them}")
    if restated:
        counts = Counter(outcome.partition(":")[0] for outcome in restated.values())
        out.line("restated: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    _list(out, "Wrong", run.wrong, "red")
    _list(out, "Waiting, and it says for what: kompeten waiting", run.waiting, "yellow")
    _list(out, "In doubt: a service has not read all yet, ask again later", run.in_doubt, "yellow")
    rows = [(name, discrepancy) for name, discrepancies in noted.items() for discrepancy in discrepancies]
    if rows:
        out.heading("Noted as lists came in")
        for name, one in rows[:MAX_SHOWN]:
            why = f": {short(one.reason)}" if one.reason else ""
            out.line(f"{name} {one.completion_id}: {', '.join(one.lacks)} since {local(one.since)}{why}")
        _more(out, len(rows))
    if not run.wrong and not run.in_doubt:
        out.line()
        out.line("nothing is missing", "green")


def _list(out: Screen, title: str, found: Sequence[Finding], style: str) -> None:
    if not found:
        return
    out.heading(title)
    counts = Counter((finding.service, lacks) for finding in found for lacks in finding.lacks)
    out.table(("service", "lacks", "completions"), [(*what, count) for what, count in counts.most_common()])
    out.line()
    for finding in found[:MAX_SHOWN]:
        why = f": {short(finding.reason)}" if finding.reason else ""
        hand = "" if finding.heals or finding.waits else " (by hand)"
        recorded = "" if finding.standing else " (stands for nothing)"
        if finding.standing and not finding.certified:
            recorded = f" ({UNCERTIFIED})"
        out.line(
            f"{finding.service} {finding.completion_id}: {', '.join(finding.lacks)}{hand}{recorded}{why}",
            style,
        )
    _more(out, len(found))


def _more(out: Screen, rows: int) -> None:
    if rows > MAX_SHOWN:
        out.line(f"and {rows - MAX_SHOWN} more: --json lists all")
