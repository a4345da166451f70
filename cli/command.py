"""What all commands share: where to ask, --json, exit statuses, and that nothing ends in a traceback."""

import inspect
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperGroup

from cli.client import Service
from cli.errors import NOT_ASKED, CannotAsk, Missing, Refused, Trouble
from cli.screen import screens
from cli.where import SERVICES, STACK, Given
from shared.observability.redaction import redact
from shared.settings.names import unknown
from shared.settings.sources import environment

T = TypeVar("T")
MAX_REASON: Final = 1000


class ServiceName(StrEnum):
    enrollment = "enrollment"
    incentive = "incentive"
    notification = "notification"


OneService = Annotated[ServiceName | None, typer.Option("--service", help="Only this service")]
Why = Annotated[str, typer.Option("--reason", help="Why; is kept with the decision, so name no person")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it is done")]


class Desk:
    """What a command works with."""

    def __init__(self, given: Given, as_json: bool) -> None:
        self.given, self.as_json = given, as_json
        self.out, self.err = screens()
        self.answered = False

    def services(self, only: str | None = None) -> list[Service]:
        return self.given.all_services(SERVICES if only is None else (only,))

    def enrollment(self) -> Service:
        """Which has the register."""
        (service,) = self.services("enrollment")
        return service

    def notification(self) -> Service:
        """Which has the mails."""
        (service,) = self.services("notification")
        return service

    def answer(self, document: Any) -> bool:
        """Prints the one document of --json; False where people read, who get more than data."""
        if self.as_json:
            self.out.json(document)
            self.answered = True
        return self.as_json

    def confirm(self, question: str, *, yes: bool) -> None:
        """Asks on standard error; raises unless the answer is yes."""
        if yes:
            return
        try:
            agreed = typer.confirm(question, err=True)
        except typer.Abort:
            raise CannotAsk("nothing was done, since nobody answered: say --yes where nobody can") from None
        if not agreed:
            raise Refused("nothing was done")

    def fail(self, error: Trouble) -> None:
        if self.as_json and not self.answered:
            parts = {"parts": list(error.parts)} if error.parts else {}
            self.answer({"error": str(error), **parts, "exit_status": error.exit_status})
        self.err.line(f"kompeten: {error}", "red")
        for part in error.parts:
            self.err.line(part, "red", indent=4)


def each(
    services: Sequence[Service], ask: Callable[[Service], T]
) -> tuple[dict[str, T], dict[str, CannotAsk]]:
    """Asks all at once: answers, and why others gave none. Raises when none answers."""
    answers: dict[str, T] = {}
    silent: dict[str, CannotAsk] = {}
    with ThreadPoolExecutor(len(services)) as pool:
        for name, asked in [(service.name, pool.submit(ask, service)) for service in services]:
            try:
                answers[name] = asked.result()
            except CannotAsk as error:
                silent[name] = error
            except Missing:
                silent[name] = CannotAsk(f"{name} has no such address: is it older than this command line?")
    if not answers:
        first, *others = silent
        also = f"; nor could {' and '.join(others)} be asked" if others else ""
        raise CannotAsk(f"{silent[first]}{also}")
    return answers, silent


def unanswered(desk: Desk, silent: dict[str, CannotAsk]) -> None:
    """Says who gave no answer, beside the answers of the others."""
    for error in silent.values():
        desk.err.line(f"kompeten: {error}", "red")


def checked_reason(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON or not reason.isprintable():
        raise CannotAsk(f"--reason must be one line of 1 to {MAX_REASON} characters")
    if redact(reason) != reason:
        raise CannotAsk("--reason is kept and shown: leave employee numbers, addresses and tokens out of it")
    return reason


class ListByDefault(TyperGroup):
    """A group named alone lists."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        bare = not args or (args[0].startswith("-") and args[0] != "--help")
        if bare and not ctx.resilient_parsing:  # that is shell completion, which offers all commands
            args = ["list", *args]
        return super().parse_args(ctx, args)


def _common(
    *,
    enrollment_url: Annotated[
        str | None, typer.Option(envvar="KOMPETEN_ENROLLMENT_URL", rich_help_panel="Where and who")
    ] = None,
    incentive_url: Annotated[
        str | None, typer.Option(envvar="KOMPETEN_INCENTIVE_URL", rich_help_panel="Where and who")
    ] = None,
    notification_url: Annotated[
        str | None, typer.Option(envvar="KOMPETEN_NOTIFICATION_URL", rich_help_panel="Where and who")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="KOMPETEN_TOKEN_FILE",
            help="Holds the access token; KOMPETEN_TOKEN may hold the token itself",
            rich_help_panel="Where and who",
        ),
    ] = None,
    stack: Annotated[
        Path,
        typer.Option(
            help="What `make up` wrote: addresses and tokens where nothing else is given",
            show_default=".run/stack.json",
            rich_help_panel="Where and who",
        ),
    ] = STACK,
    json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text")] = False,
) -> Desk:
    urls = {"enrollment": enrollment_url, "incentive": incentive_url, "notification": notification_url}
    return Desk(Given({name: url and url.rstrip("/") for name, url in urls.items()}, token_file, stack), json)


_COMMON: Final = inspect.signature(_common)

F = TypeVar("F", bound=Callable[..., int])


def command(group: typer.Typer, name: str, **made: Callable[..., Any]) -> Callable[[F], F]:
    """Adds `run(desk, ...) -> exit status` as a command; `desk` is made of the common options.

    `made`: by name of an argument of `run`, what makes it of options of its own.
    """
    options = {argument: list(inspect.signature(make).parameters.values()) for argument, make in made.items()}

    def register(run: F) -> F:
        _, *own = inspect.signature(run).parameters.values()

        def called(**given: Any) -> None:
            desk = _common(**{option: given.pop(option) for option in _COMMON.parameters})
            for argument, make in made.items():
                given[argument] = make(
                    **{parameter.name: given.pop(parameter.name) for parameter in options[argument]}
                )
            raise typer.Exit(_run(run, desk, given))

        parameters = [
            *(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
                for parameter in own
                if parameter.name not in made
            ),
            *(parameter for parameters in options.values() for parameter in parameters),
            *_COMMON.parameters.values(),
        ]
        # typer reads the options from here.
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        called.__doc__ = run.__doc__
        group.command(name)(called)
        return run

    return register


def _run(run: Callable[..., int], desk: Desk, given: dict[str, Any]) -> int:
    try:
        if misspelt := unknown(environment()):
            raise CannotAsk(" ".join(misspelt).removesuffix("."))
        return run(desk, **given)
    except Trouble as error:
        desk.fail(error)
        return error.exit_status
    except KeyboardInterrupt:
        desk.fail(CannotAsk("interrupted: what was ordered until then stands"))
        return NOT_ASKED
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - a traceback helps nobody at night, and could show event data
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
        desk.fail(CannotAsk(f"this is a fault of the command line itself ({place}): report that"))
        return NOT_ASKED
