"""`kompeten trace`: what became of one event, certificate, completion or employee, across all services."""

from typing import Annotated, Final

import typer

from cli.answers import Held, Lack, Step, Trace
from cli.client import Service
from cli.command import Desk, each, unanswered
from cli.comparison import ENROLLMENT, Finding, findings
from cli.errors import DONE, NO, NOT_ASKED, CannotAsk, Missing
from cli.number import employee_number
from cli.screen import Screen, plain

_DETAIL = 31
"""Columns before what is said about a step: below its service."""
BY_HAND_HOW: Final = "docs/how-to/reconcile.md"
_STYLES = {"problem": "red", "waiting": "yellow"}


def trace(
    desk: Desk,
    stray: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    *,
    event: Annotated[
        str | None, typer.Option("--event", metavar="ID", help="Id of an agency's event")
    ] = None,
    certificate: Annotated[
        str | None, typer.Option("--certificate", metavar="NUMBER", help="As it is printed")
    ] = None,
    completion: Annotated[str | None, typer.Option("--completion", metavar="ID")] = None,
    employee: Annotated[
        bool, typer.Option("--employee", help="Asks for the employee number, or reads it from standard input")
    ] = False,
) -> int:
    """What happened, in all services in one line of time, and what is missing."""
    if stray:  # most likely the number: click's own message would repeat it
        raise CannotAsk(
            "trace takes no argument of its own; an employee number would stay in the shell's history and in"
            " the list of processes: say --employee alone, then type it"
        )
    named = {"event_id": event, "certificate_number": certificate, "completion_id": completion}
    asked = {name: text for name, text in named.items() if text is not None}
    if len(asked) + employee != 1:
        raise CannotAsk("say one of --event, --certificate, --completion, --employee")
    if employee:
        asked = {"employee_number": employee_number()}
    enrollment, *others = desk.services()
    found = enrollment.trace(asked)
    traces, silent = [found], dict[str, CannotAsk]()
    told = [id for id in found.completion_ids if id not in found.untold_ids]
    if told or (found.employee_ids and not found.completion_ids):
        ids = {
            "completion_ids": told,
            "employee_ids": found.employee_ids,
            "uncertified_ids": found.uncertified_ids,
        }

        def further(service: Service) -> Trace:
            return service.trace(ids)

        try:
            answers, silent = each(others, further)
            traces += answers.values()
        except CannotAsk as error:
            silent = {"incentive and notification": error}
    whole = _joined(traces)
    if told:
        differing, unlooked = _differing([enrollment, *others], told, whole.missing)
        whole = whole.model_copy(update={"missing": [*whole.missing, *differing]})
        silent = {**unlooked, **silent}
    if not desk.answer(
        {**whole.model_dump(mode="json"), "unanswered": {name: str(why) for name, why in silent.items()}}
    ):
        _show(desk.out, whole)
        unanswered(desk, silent)
    if silent:
        return NOT_ASKED
    if not whole.steps and not whole.missing:
        raise Missing("nothing is known of it: see whether it was published, and under which id")
    return (
        NO
        if whole.missing or whole.unlooked or any(step.state == "problem" for step in whole.steps)
        else DONE
    )


def _differing(
    services: list[Service], ids: list[str], known: list[Lack]
) -> tuple[list[Lack], dict[str, CannotAsk]]:
    """What `kompeten reconcile` misses of these completions, by the same comparison, so that the two never disagree;
    and who could not be asked. `known`: what the services miss themselves, and say more of."""
    try:
        looked, silent = each(services, lambda one: one.look_at(ids))
    except CannotAsk as error:
        return [], {"the services' books": error}
    if ENROLLMENT not in looked:
        return [], silent
    reasons = {name: one.reasons for name, one in looked.items()}
    comparison: dict[str, dict[str, Held]] = {id: {} for id in ids}
    for name, one in looked.items():
        for held in one.entries:
            comparison[held.completion_id][name] = held
    said = {(lack.service, lack.completion_id) for lack in known}
    return [
        Lack(
            service=finding.service, what=", ".join(finding.lacks), do=_what_to_do(finding), completion_id=id
        )
        for id, by_service in comparison.items()
        for finding in findings(id, by_service, reasons)
        if finding.service not in silent and (finding.service, id) not in said
    ], silent


def _what_to_do(one: Finding) -> str:
    if one.reason is not None:
        return one.reason
    heal = "kompeten reconcile --heal mends it" if one.heals else f"it is mended by hand: {BY_HAND_HOW}"
    return f"its books do not agree with enrollment's: if it changed just now, ask again; else {heal}"


def _joined(traces: list[Trace]) -> Trace:
    steps = [step for part in traces for step in part.steps]
    return Trace(
        steps=sorted(steps, key=_order),
        missing=[lack for part in traces for lack in part.missing],
        completion_ids=list(dict.fromkeys(id for part in traces for id in part.completion_ids)),
        employee_ids=list(dict.fromkeys(id for part in traces for id in part.employee_ids)),
        uncertified_ids=list(dict.fromkeys(id for part in traces for id in part.uncertified_ids)),
        untold_ids=list(dict.fromkeys(id for part in traces for id in part.untold_ids)),
        unlooked=sum(part.unlooked for part in traces),
    )


def _order(step: Step) -> tuple[bool, float]:
    return step.at is None, step.at.timestamp() if step.at is not None else 0.0


def _show(out: Screen, whole: Trace) -> None:
    several = len({step.completion_id for step in whole.steps if step.completion_id}) > 1
    for step in whole.steps:
        at = "-" if step.at is None else step.at.astimezone().isoformat(" ", "milliseconds")
        state = "" if step.state == "ok" else f" ({step.state})"
        out.line(f"{at:29}  {step.service:12}  {plain(step.what)}{state}", _STYLES.get(step.state, ""))
        if several and step.completion_id:
            out.line(f"completion {step.completion_id}", "dim", indent=_DETAIL)
        if step.detail:
            out.line(step.detail, indent=_DETAIL)
    if whole.steps:
        out.line(
            "times are those at which records came into the log; they may have been decided later", "dim"
        )
    if whole.missing:
        out.heading("Missing")
        for lack in whole.missing:
            of = f" of completion {lack.completion_id}" if several and lack.completion_id else ""
            out.line(f"{lack.service}: {plain(lack.what)}{of}", "red")
            out.line(lack.do, indent=4)
    elif whole.steps:
        out.line()
        if not whole.unlooked:
            out.line("nothing is missing", "green")
    if whole.unlooked:
        out.line(
            f"{whole.unlooked} records that wait or failed could not be looked into, and may be about the same: "
            "see `kompeten waiting` and `kompeten dead-letters`",
            "yellow",
        )
