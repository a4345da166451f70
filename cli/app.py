"""The commands, put together. Each group is a module that offers `app`; single commands register themselves."""

from typing import Final

import typer

from cli import (
    agency,
    agency_reach,
    body,
    contests,
    dead_letters,
    editing,
    mail,
    partitions,
    people,
    people_many,
    publish,
    reconcile,
    status,
    trace,
    waiting,
)
from cli.command import command

app: Final = typer.Typer(
    name="kompeten",
    help="Look after Kompeten: what it does, what it could not do, and what to do about that.",
    epilog="Exit status: 0 done, 1 the answer is no or something is wrong, 2 could not be asked.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, and with them event data
)
command(app, "status")(status.status)
app.add_typer(dead_letters.app, name="dead-letters")
command(dead_letters.app, "edit")(editing.edit)
app.add_typer(mail.app, name="mail")
app.add_typer(waiting.app, name="waiting")
app.add_typer(partitions.app, name="partitions")
app.add_typer(agency.app, name="agency")
command(agency.app, "distrust")(agency_reach.distrust)
command(agency.app, "trust")(agency_reach.trust)
command(agency.app, "replace")(agency_reach.replace)
app.add_typer(body.app, name="body")
app.add_typer(people.app, name="people")
command(people.app, "transfer-all")(people_many.transfer_all)
command(people.app, "merge-all")(people_many.merge_all)
command(people.app, "separate-all")(people_many.separate_all)
app.add_typer(contests.app, name="contests")
command(app, "trace")(trace.trace)
command(app, "reconcile")(reconcile.reconcile)
command(app, "publish")(publish.publish)
