"""`kompeten body`: who issues in whose name. Each order is shown first: what it would do to completions that wait."""

from typing import Annotated, Any, Final

import typer

from cli.answers import Body, BodyPreview, Ordered, UnknownBodies
from cli.command import Desk, ListByDefault, Why, Yes, checked_reason, command
from cli.errors import DONE, NO, CannotAsk, Refused
from cli.orders import key_of, new_key
from cli.screen import Screen, local

app: Final = typer.Typer(cls=ListByDefault, help="Bodies: which agency issues certificates in whose name.")

Code = Annotated[str, typer.Argument(help="As it is printed, for example DISKOMINFO", metavar="CODE")]
Name = Annotated[str, typer.Option("--name", help="In Indonesian, as it is shown")]
NewName = Annotated[str | None, typer.Option("--name", help="In Indonesian, as it is shown")]
IssuedBy = Annotated[
    str | None,
    typer.Option("--issued-by", metavar="AGENCY", help="Code of the one agency that issues for it"),
]
Outside = Annotated[bool, typer.Option("--outside", help="It is outside the city and issues its own")]
AliasesHelp: Final = "Another spelling under which it is reported, for good; may be said more than once"
Aliases = Annotated[list[str] | None, typer.Option("--alias", help=AliasesHelp)]


@command(app, "add")
def add(
    desk: Desk,
    code: Code,
    name: Name,
    *,
    issued_by: IssuedBy = None,
    outside: Outside = False,
    alias: Aliases = None,
    yes: Yes = False,
) -> int:
    """Enter a body; completions that wait for it are decided."""
    _one_issuer(issued_by, outside, needed=True)
    entry = {
        "code": code,
        "name": name,
        "issuing": issued_by,
        "outside": outside,
        "aliases": sorted(set(alias or ())),
    }
    service = desk.enrollment()
    _agreed(desk, service.preview_body({"add": entry}), _for_good(f"Enter {code}?", alias), yes)
    return _told(desk, service.add_body(entry, key=key_of("body/add", code, name, entry)))


@command(app, "change")
def change(
    desk: Desk,
    code: Code,
    reason: Why,
    *,
    name: NewName = None,
    issued_by: IssuedBy = None,
    outside: Outside = False,
    alias: Aliases = None,
    yes: Yes = False,
) -> int:
    """Change what is named, or confirm who issues; spellings come in addition."""
    reason = checked_reason(reason)
    _one_issuer(issued_by, outside, needed=False)
    said: dict[str, Any] = {
        "name": name,
        "issuing": issued_by,
        "outside": outside or None,
        "aliases": sorted(set(alias or ())) or None,
    }
    wanted = {field: value for field, value in said.items() if value is not None}
    if not wanted:
        raise CannotAsk("nothing is to be changed: name what is to be different, see --help")
    order = {"code": code, **wanted, "reason": reason}
    service = desk.enrollment()
    _agreed(desk, service.preview_body({"change": order}), _for_good(f"Change {code}?", alias), yes)
    return _told(desk, service.change_body(order, key=new_key("body/change", code, reason, wanted)))


@command(app, "list")
def list_bodies(desk: Desk) -> int:
    """Who issues for each body, its other spellings, and which nobody has confirmed."""
    bodies = desk.enrollment().bodies()
    if not desk.answer({"bodies": [body.model_dump(mode="json") for body in bodies]}):
        show_bodies(desk.out, bodies)
    return DONE


@command(app, "unknown")
def unknown(desk: Desk) -> int:
    """Bodies that completions wait for: how many, of which agencies, since when."""
    found = desk.enrollment().unknown_bodies()
    if not desk.answer(found.model_dump(mode="json")):
        show_unknown(desk.out, found)
    return DONE


def show_bodies(out: Screen, bodies: list[Body]) -> None:
    if not bodies:
        out.line("the register has no body: see `kompeten body add --help`")
        return
    rows = [(body.code, issuer_of(body), ", ".join(body.aliases) or "-", body.name) for body in bodies]
    styles = ["" if body.confirmed else "yellow" for body in bodies]
    out.table(("body", "issued by", "also reported as", "name"), rows, styles)
    if waiting := sum(not body.confirmed for body in bodies):
        out.line(
            f"{waiting} not confirmed: `kompeten body change CODE --issued-by AGENCY --reason TEXT`, or --outside",
            "yellow",
        )


def issuer_of(body: Body) -> str:
    if body.outside:
        return "outside the city"
    if body.issuing:
        return body.issuing
    used_by = f": {', '.join(body.used_by)} so far" if body.used_by else ""
    return f"not confirmed{used_by}"


def show_unknown(out: Screen, found: UnknownBodies) -> None:
    if not found.bodies:
        out.line("no completion waits for a body")
        return
    rows = [(body.code, body.waiting, ", ".join(body.agencies), local(body.since)) for body in found.bodies]
    out.table(("reported as", "waiting", "by", "since"), rows)
    if found.more:
        out.line("and more: these have the most that wait", "yellow")
    out.line(
        "enter one with `kompeten body add`, or as another spelling: `kompeten body change CODE --alias`"
    )


def _one_issuer(issued_by: str | None, outside: bool, *, needed: bool) -> None:
    if issued_by is not None and outside:
        raise CannotAsk("--issued-by and --outside are both said: say one of them")
    if needed and issued_by is None and not outside:
        raise CannotAsk("who issues for it? Say --issued-by AGENCY, or --outside where it is not of the city")


def _agreed(desk: Desk, preview: BodyPreview, question: str, yes: bool) -> None:
    """Says what would follow, and asks unless the register says so already."""
    if preview.verdict == "refused":
        raise Refused(preview.reason or "it would be refused, without a reason: see the service's log")
    if preview.verdict == "duplicate":
        return
    for line in (what_follows(preview), *what_becomes(preview)):
        desk.err.line(line)
    desk.confirm(question, yes=yes)


def what_follows(preview: BodyPreview) -> str:
    if not preview.waiting:
        return "no completion waits for it"
    became = ", ".join(f"{count} {verdict}" for verdict, count in sorted(preview.decided.items()))
    wait = "1 completion waits" if preview.waiting == 1 else f"{preview.waiting} completions wait"
    told = became or "none of them could be decided yet"
    looked_at = sum(preview.decided.values())
    beyond = "" if looked_at >= preview.waiting or not became else f" of the first {looked_at}"
    return f"{wait} for it; decided at once{beyond}: {told}"


def what_becomes(preview: BodyPreview) -> list[str]:
    """Of completions, in certificates: that they are accepted says nothing of those."""
    found = []
    if preview.waiting and preview.recorded is not None:
        none = preview.recorded - preview.certified
        said = f"{preview.recorded} recorded; {preview.certified} get a certificate"
        if none:
            by = ", ".join(f"{code} ({n})" for code, n in sorted(preview.uncertified.items()))
            said += f"; {none} get none, as who reported them does not issue for it: {by}"
        found.append(said)
    if preview.certificates_issued or preview.certificates_revoked:
        found.append(
            f"of those recorded already: {preview.certificates_issued} get a certificate, "
            f"{preview.certificates_revoked} lose theirs"
        )
    return found


def _for_good(question: str, aliases: list[str] | None) -> str:
    if not aliases:
        return question
    names = ", ".join(sorted(set(aliases)))
    return f"{question} It is spelled {names} too from then on, for good: that can't be taken back."


def _told(desk: Desk, ordered: Ordered) -> int:
    decided = ordered.status == "decided"
    if not desk.answer(ordered.model_dump(mode="json")):
        if decided:
            body = Body.model_validate(ordered.model_dump())
            as_before = "" if ordered.verdict == "accepted" else ", as before"
            desk.out.line(f"the register: {body.code}: {issuer_of(body)}{as_before}", "green")
        else:
            desk.out.line("in the log and not decided yet: see `kompeten body list`", "yellow")
    return DONE if decided else NO
