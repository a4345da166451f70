"""`kompeten partitions`: those that stand still, or are to be read again."""

from typing import Annotated, Final

import typer

from shared.cli.command import Desk, ServiceName, Why, checked_reason, command
from shared.cli.errors import DONE

app: Final = typer.Typer(help="Partitions that stand still, or are to be read again.", no_args_is_help=True)

Topic = Annotated[str, typer.Argument(help="As `kompeten status` shows it")]
Number = Annotated[int, typer.Argument(min=0, help="Of the partition")]
Named = Annotated[ServiceName, typer.Option("--service", help="Whose reading: each service has its own")]
Next = Annotated[
    int | None, typer.Option("--next", min=0, help="Go on from this record; without it, from where it stands")
]


@command(app, "start")
def start(desk: Desk, topic: Topic, partition: Number, service: Named, reason: Why, next: Next = None) -> int:
    """Have a stopped partition go on, or one decide again from an earlier record: copies change nothing."""
    reason = checked_reason(reason)
    (one,) = desk.services(service)
    one.start_partition(topic, partition, next, reason)
    if not desk.answer({"service": one.name, "topic": topic, "partition": partition, "next": next}):
        where = "where it stands" if next is None else f"record {next}"
        desk.out.line(
            f"{one.name}: {topic}/{partition} goes on from {where} within seconds: see `kompeten status`"
        )
    return DONE
