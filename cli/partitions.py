"""`kompeten partitions`: those that stand still, or are to be read again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Final

import typer

from cli.answers import Partition
from cli.client import Service
from cli.command import Desk, ServiceName, Why, Yes, checked_reason, command
from cli.errors import DONE, NO, NOT_ASKED, CannotAsk, Missing, Refused

app: Final = typer.Typer(help="Partitions that stand still, or are to be read again.", no_args_is_help=True)

Topic = Annotated[str, typer.Argument(help="As `kompeten status` shows it")]
Number = Annotated[int | None, typer.Argument(min=0, help="Of the partition; without it, all of the topic")]
Named = Annotated[ServiceName, typer.Option("--service", help="Whose reading: each service has its own")]
Next = Annotated[
    int | None,
    typer.Option(
        "--next",
        min=0,
        help="Go on from this record (of all partitions: 0 only); without it, from where it stands",
    ),
]


PassOver = Annotated[
    bool, typer.Option("--pass-over", help="--next may lie ahead: what is between is never decided")
]


@dataclass(frozen=True)
class Done:
    """What became of one partition."""

    partition: int
    outcome: str
    """started, not stopped, refused or not asked"""
    reason: str | None = None


STATUS: Final = {"started": DONE, "not stopped": DONE, "refused": NO, "not asked": NOT_ASKED}


@command(app, "start")
def start(
    desk: Desk,
    topic: Topic,
    partition: Number = None,
    *,
    service: Named,
    reason: Why,
    next: Next = None,
    pass_over: PassOver = False,
    yes: Yes = False,
) -> int:
    """Have a stopped partition go on, or one decide again from an earlier record: copies change nothing. Without
    PARTITION all of the topic: those that are stopped, or with --next 0 every one."""
    reason = checked_reason(reason)
    (one,) = desk.services(service)
    if partition is None:
        return _start_all(desk, one, topic, next, reason=reason, yes=yes)
    one.start_partition(topic, partition, next, reason, pass_over=pass_over)
    if not desk.answer({"service": one.name, "topic": topic, "partition": partition, "next": next}):
        desk.out.line(
            f"{one.name}: {topic}/{partition} {_goes_on(next)} within seconds: see `kompeten status`"
        )
    return DONE


def _start_all(desk: Desk, service: Service, topic: str, next: int | None, *, reason: str, yes: bool) -> int:
    if next:
        # The same number in each would pass over records of those that have not come so far.
        raise CannotAsk(
            "--next is a record of one partition: name the partition, or say --next 0 for all of them"
        )
    there = sorted(
        (partition for partition in service.status().partitions if partition.topic == topic),
        key=lambda partition: partition.partition,
    )
    if not there:
        raise Missing(f"{service.name} reads no topic {topic}: see `kompeten status --json`")
    meant = [partition.partition for partition in there if next is not None or partition.stopped]
    if meant:
        desk.confirm(_question(service.name, topic, meant, there, next), yes=yes or len(meant) == 1)
    done = _started(service, topic, there, meant, next=next, reason=reason)
    document = {
        "service": service.name,
        "topic": topic,
        "next": next,
        "partitions": [asdict(outcome) for outcome in done],
    }
    if not desk.answer(document):
        for outcome in done:
            said = {
                "started": f"{_goes_on(next)} within seconds",
                "not stopped": "is not stopped: left alone",
            }.get(outcome.outcome, f"{outcome.outcome}: {outcome.reason}")
            desk.out.line(
                f"{service.name}: {topic}/{outcome.partition} {said}",
                "red" if STATUS[outcome.outcome] else "",
            )
        desk.out.line("see `kompeten status`")
    return max(STATUS[outcome.outcome] for outcome in done)


def _started(
    service: Service,
    topic: str,
    there: Sequence[Partition],
    meant: Sequence[int],
    *,
    next: int | None,
    reason: str,
) -> list[Done]:
    """In order, whatever became of the others; once nobody answers the rest is not asked."""
    done, silent = list[Done](), ""
    for number in (partition.partition for partition in there):
        if number not in meant:
            done.append(Done(number, "not stopped"))
        elif silent:
            done.append(Done(number, "not asked", silent))
        else:
            try:
                service.start_partition(topic, number, next, reason)
                done.append(Done(number, "started"))
            except Refused as error:
                done.append(Done(number, "refused", str(error)))
            except CannotAsk as error:
                silent = str(error)
                done.append(Done(number, "not asked", silent))
    return done


def _question(
    service: str, topic: str, meant: Sequence[int], there: Sequence[Partition], next: int | None
) -> str:
    if next is not None:
        return f"Have {service} decide all {len(there)} partitions of {topic} again, from record {next}?"
    return f"Start {len(meant)} stopped of {len(there)} partitions of {topic} in {service}, each where it stands?"


def _goes_on(next: int | None) -> str:
    return "goes on from where it stands" if next is None else f"goes on from record {next}"
