"""`kompeten status`: on one screen, is anything wrong."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from cli.agency_view import span_of
from cli.answers import Agency, Group, Readiness, Statement, Status, Wait
from cli.client import Service
from cli.command import Desk, OneService, each, unanswered
from cli.errors import DONE, NO, NOT_ASKED, CannotAsk, Missing, NotReady
from cli.screen import Screen, local, short

MAX_ROWS = 8
"""Of each table, so that all stay on one screen."""
FOR_OFFICERS = {
    "employees": "{n} {state}: `kompeten people {state}`",
    "contested": "{n} contested completions: `kompeten contests`",
}
"""Kinds of work that officers do: a dispute is nothing that is wrong with the system, and waits for their word."""
JUDGED_ANEW = "judged_anew"
"""Kind of work: after the register changed, what is still judged by the one before."""
BUG = "bug"
TO_DO = {
    "database": "see whether its MongoDB runs and can be reached",
    "topics": "see whether Kafka runs, and what the runbook (docs/how-to/runbook.md) says; what arrives waits there",
    "consumer": "see whether Kafka runs, then its log; what arrives waits in Kafka until then",
    "mailer": "see whether the mail server runs and takes the password; mails wait and go out by themselves",
}
"""By what readiness calls it: what to do where something does not answer."""


class Stand(NamedTuple):
    """How one service stands."""

    status: Status
    groups: list[Group]
    waiting: list[Wait]
    agencies: list[Agency]
    """Of enrollment alone."""
    is_whole: bool = True
    """Otherwise it answered no more than why it is not ready."""

    @property
    def suspended(self) -> list[Agency]:
        """Whose topics are not read by an operator's word."""
        return [agency for agency in self.agencies if not agency.active]

    @property
    def distrusted(self) -> list[tuple[Agency, Statement]]:
        """Whose word counts for nothing for some time, once for each distrust that holds."""
        return [(agency, said) for agency in self.agencies for said in agency.distrusts]

    def wrong(self) -> list[str]:
        """What somebody must look after; a rejected event is its sender's business, a bug is ours."""
        found = [_with_what_to_do(fault) for fault in self.status.faults]
        if not self.status.ready and not found:
            found = ["is not ready and does not say why: see its log"]
        found += self.status.remarks
        for partition in self.status.partitions:
            place = f"{partition.topic}/{partition.partition}"
            if partition.stopped and not any(
                place in fault for fault in found
            ):  # readiness names most of them
                found.append(f"{place} is stopped at {partition.next}: {partition.stopped}")
        bugs = sum(group.count for group in self.groups if group.kind == BUG)
        if bugs:
            found.append(f"{bugs} dead letters of kind bug: kompeten dead-letters list")
        return found


def status(desk: Desk, service: OneService = None) -> int:
    """Services with readiness and faults, lag, stopped partitions, suspended and distrusted agencies, what is judged
    anew, what waits, dead letters, mails, people of whom officers are to decide something."""
    stands, silent = each(desk.services(service), _stand)
    wrong = [(name, fault) for name, stand in stands.items() for fault in stand.wrong()]
    if not desk.answer(_document(stands, silent)):
        _show(desk.out, stands, silent, wrong)
        unanswered(desk, silent)
    if silent:
        return NOT_ASKED
    return NO if wrong else DONE


def _stand(service: Service) -> Stand:
    """By its readiness first, which needs neither token nor database: where the database is away it is all there is, and
    to wait for the rest would be in vain."""
    readiness = service.readiness()
    if readiness is not None and any(fault.name == "database" for fault in readiness.faults):
        return _not_ready(service, readiness)
    try:
        return Stand(service.status(), service.groups(), service.waiting(), _agencies(service))
    except CannotAsk as error:
        # A wrong issuer is a warning, and nobody may ask for more.
        warned = readiness is not None and readiness.warnings and isinstance(error, NotReady)
        if readiness is not None and (readiness.faults or warned):
            return _not_ready(service, readiness)
        if isinstance(error, NotReady):
            raise CannotAsk(
                f"{service.name} does not tell how it stands ({error.detail}): ask again in a minute, then see its log"
            ) from error
        raise


def _not_ready(service: Service, readiness: Readiness) -> Stand:
    faults = [f"{fault.name}: {fault.sentence}" for fault in readiness.faults]
    known = Status(
        service=service.name, ready=not readiness.faults, faults=faults, remarks=readiness.warnings
    )
    return Stand(known, [], [], [], is_whole=False)


def _with_what_to_do(fault: str) -> str:
    """`fault`: what readiness calls it, a colon, its sentence; others, as of a stopped partition, say themselves what to
    do."""
    do = TO_DO.get(fault.partition(":")[0])
    return f"{fault.rstrip('.')}; {do}" if do and "does not answer" in fault else fault


def _agencies(service: Service) -> list[Agency]:
    if service.name != "enrollment":
        return []
    try:
        return service.agencies()
    except Missing:  # it is older than the register
        return []


def _document(stands: dict[str, Stand], silent: dict[str, CannotAsk]) -> dict[str, object]:
    return {
        "services": {
            name: {
                **stand.status.model_dump(mode="json"),
                "wrong": stand.wrong(),
                "is_whole": stand.is_whole,
                "dead_letter_groups": [group.model_dump(mode="json") for group in stand.groups],
                "suspended": [agency.model_dump(mode="json") for agency in stand.suspended],
                "distrusted": [
                    {"code": agency.code, **said.model_dump(mode="json")} for agency, said in stand.distrusted
                ],
                "waiting_for": [wait.model_dump(mode="json") for wait in stand.waiting],
            }
            for name, stand in stands.items()
        },
        "unanswered": {name: str(error) for name, error in silent.items()},
    }


def _show(
    out: Screen, stands: dict[str, Stand], silent: dict[str, CannotAsk], wrong: list[tuple[str, str]]
) -> None:
    rows = [_service_row(name, stand) for name, stand in stands.items()]
    styles = ["" if stand.status.ready else "red" for stand in stands.values()]
    rows += [(name, "NO ANSWER", *["-"] * 6) for name in silent]
    columns = ("service", "state", "lag", "waiting", "dead", "replayed", "discarded", "rules")
    out.table(columns, rows, [*styles, *["red"] * len(silent)])
    if wrong:
        out.heading("Wrong")
        for name, fault in wrong:
            out.line(f"{name}: {fault}", "red")
    if suspended := [code for stand in stands.values() for code in stand.suspended]:
        out.heading("Suspended: kompeten agency")
        for agency in suspended[:MAX_ROWS]:
            out.line(_suspension(agency), "yellow")
        _more(out, len(suspended))
    if distrusted := [code for stand in stands.values() for code in stand.distrusted]:
        out.heading("Distrusted: kompeten agency")
        for agency, said in distrusted[:MAX_ROWS]:
            out.line(
                f"{agency.code}: what it sent {span_of(said)} counts for nothing: decision {said.decision}",
                "yellow",
            )
        _more(out, len(distrusted))
    for stand in stands.values():
        if going := _judged_anew(stand):
            out.heading("Judged anew")
            out.line(going, "yellow")
    if behind := list(_behind(stands)):
        out.heading("Behind")
        out.table(("service", "topic", "lag", "partitions"), behind[:MAX_ROWS])
        _more(out, len(behind))
    groups = [(name, group) for name, stand in stands.items() for group in stand.groups]
    groups.sort(key=lambda row: row[1].kind != BUG)  # what is ours to mend first
    if groups:
        out.heading("Dead letters: kompeten dead-letters")
        for name, group in groups[:MAX_ROWS]:
            out.line(f"{name}: {group.count} {group.kind}: {short(group.reason)}: {group.sample}")
        _more(out, len(groups))
    waits = [(name, wait) for name, stand in stands.items() for wait in stand.waiting]
    if waits:
        out.heading("Waiting: kompeten waiting")
        for name, wait in waits[:MAX_ROWS]:
            out.line(f"{name}: {wait.count} since {local(wait.oldest)}: {short(wait.reason)}: {wait.lacks}")
        _more(out, len(waits))
    work = [
        (name, kind, states)
        for name, stand in stands.items()
        for kind, states in stand.status.work.items()
        if kind not in FOR_OFFICERS and kind != JUDGED_ANEW
    ]
    if open := list(_for_officers(stands)):
        out.heading("To be decided by officers")
        for line in open:
            out.line(line, "yellow")
    if work:
        out.heading("Work")
        for name, kind, states in work:
            out.line(
                f"{name}: {kind}: " + (", ".join(f"{n} {state}" for state, n in states.items()) or "none")
            )
    out.line()
    if not wrong and not silent:
        out.line("nothing is wrong", "green")


def _service_row(name: str, stand: Stand) -> tuple[object, ...]:
    told = stand.status
    state = "ready" if told.ready else "NOT READY"
    if not stand.is_whole:
        return (name, state, *["-"] * 6)
    lag = sum(partition.lag or 0 for partition in told.partitions)
    letters = told.dead_letters
    return (name, state, lag, told.waiting, letters.open, letters.replayed, letters.discarded, told.rules)


def _for_officers(stands: dict[str, Stand]) -> Iterator[str]:
    for stand in stands.values():
        for kind, line in FOR_OFFICERS.items():
            states = stand.status.work.get(kind, {})
            yield from (line.format(n=n, state=state) for state, n in states.items() if n)


def _judged_anew(stand: Stand) -> str:
    """How far it is with what follows from a change of the register; empty: it is done."""
    left = stand.status.work.get(JUDGED_ANEW, {})
    people, completions = left.get("people", 0), left.get("completions", 0)
    if people or completions:
        return f"after a change of the register, still left: {people} people, {completions} completions"
    if left.get("going", 0):
        return "after a change of the register all is judged; it looks once more, for about a minute"
    return ""


def _suspension(agency: Agency) -> str:
    said = agency.suspension
    by = f" by {said.operator}" if said.operator else ""
    since = f" since {local(said.at)}" if said.at else ""
    why = f" ({short(said.reason)})" if said.reason else ""
    records = "what is" if agency.undecided is None else f"{agency.undecided} records"
    return (
        f"{agency.code} is suspended{since}{by}{why}: {records} in {agency.topic} "
        f"wait{'s' if agency.undecided is None else ''} for `kompeten agency resume {agency.code}`"
    )


def _behind(stands: dict[str, Stand]) -> Iterator[tuple[object, ...]]:
    """Topics with records that are not decided, most first."""
    found = []
    for name, stand in stands.items():
        by_topic = sorted(stand.status.partitions, key=lambda partition: partition.topic)
        for topic, partitions in groupby(by_topic, key=lambda one: one.topic):
            lags = {partition.partition: partition.lag for partition in partitions if partition.lag}
            if lags:
                places = ", ".join(str(number) for number in sorted(lags))
                found.append((name, topic, sum(lags.values()), places))
    yield from sorted(found, key=lambda row: -row[2])


def _more(out: Screen, rows: int) -> None:
    if rows > MAX_ROWS:
        out.line(f"and {rows - MAX_ROWS} more")
