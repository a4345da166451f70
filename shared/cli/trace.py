"""`kompeten trace`: what became of one event, certificate, completion or employee, across all services."""

import sys
from typing import Annotated

import typer

from shared.cli.answers import Trace
from shared.cli.client import Service
from shared.cli.command import Desk, each, unanswered
from shared.cli.errors import DONE, NO, NOT_ASKED, CannotAsk, Missing
from shared.contracts.employee_number import check_employee_number

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
        asked = {"employee_number": _employee_number()}
    enrollment, *others = desk.services()
    found = enrollment.trace(asked)
    traces, silent = [found], dict[str, CannotAsk]()
    if found.completion_ids or found.employee_ids:
        ids = {"completion_ids": found.completion_ids, "employee_ids": found.employee_ids}

        def further(service: Service) -> Trace:
            return service.trace(ids)

        try:
            answers, silent = each(others, further)
            traces += answers.values()
        except CannotAsk as error:
            silent = {"incentive and notification": error}
    whole = _joined(traces)
    if not desk.answer(
        {**whole.model_dump(mode="json"), "unanswered": {name: str(why) for name, why in silent.items()}}
    ):
        _show(desk, whole)
        unanswered(desk, silent)
    if silent:
        return NOT_ASKED
    if not whole.steps and not whole.missing:
        raise Missing("nothing is known of it: see whether it was published, and under which id")
    return NO if whole.missing or any(step.state == "problem" for step in whole.steps) else DONE


def _employee_number() -> str:
    """Never from the command line; the text of no error repeats it."""
    if sys.stdin.isatty():
        number = str(typer.prompt("Employee number (not shown)", hide_input=True, err=True))
    else:
        number = sys.stdin.readline()
    number = number.strip()
    if (fault := check_employee_number(number)) is not None:
        raise CannotAsk(fault)
    return number


def _joined(traces: list[Trace]) -> Trace:
    steps = [step for one in traces for step in one.steps]
    return Trace(
        steps=sorted(steps, key=lambda step: step.at),
        missing=[lack for one in traces for lack in one.missing],
        completion_ids=list(dict.fromkeys(id for one in traces for id in one.completion_ids)),
        employee_ids=list(dict.fromkeys(id for one in traces for id in one.employee_ids)),
    )


def _show(desk: Desk, whole: Trace) -> None:
    several = len({step.completion_id for step in whole.steps if step.completion_id}) > 1
    columns = ("at", "service", "what", "state", "detail") + (("completion",) if several else ())
    if whole.steps:
        desk.out.table(
            columns,
            [
                (step.at.astimezone().isoformat(" ", "milliseconds"), step.service, step.what, step.state,
                 step.detail or "") + ((step.completion_id or "",) if several else ())
                for step in whole.steps
            ],
            [_STYLES.get(step.state, "") for step in whole.steps],
        )  # fmt: skip
    if whole.missing:
        desk.out.heading("Missing")
        desk.out.table(
            ("service", "what", "do"), [(lack.service, lack.what, lack.do) for lack in whole.missing]
        )
    elif whole.steps:
        desk.out.line()
        desk.out.line("nothing is missing", "green")
