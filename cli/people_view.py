"""People on the screen: one of them, worklists with what to do next, what an order would change."""

from collections.abc import Iterator, Sequence

from cli.answers import (
    Doubtful,
    OpenPerson,
    PeoplePreview,
    Person,
    PersonChange,
    PersonDecision,
    PersonStand,
    PreviewedCompletions,
    WaitingLink,
)
from cli.screen import Screen, local

STATES = {
    "provisional": "first to register it, nobody confirmed it",
    "confirmed": "confirmed",
    "disputed": "disputed",
    "nobody": "released by all",
}
NEXT = {
    "disputed": (
        "ask both agencies. Whoever is wrong releases the person (employee.released), or say whose it is: "
        "`kompeten people transfer ID --to AGENCY --reason TEXT`"
    ),
    "unclaimed": (
        "its next agency registers it, and mails go on; or say whose it is: "
        "`kompeten people transfer ID --to AGENCY --reason TEXT`"
    ),
}
MAX_TITLES = 5


def show_person(out: Screen, person: Person) -> None:
    out.line(person.name, "bold")
    out.fields(
        {
            "record": person.employee_id,
            "numbers": ", ".join(person.employee_numbers),
            "home": f"{person.home or 'nobody'} ({STATES.get(person.state, person.state)})",
            "mails": "wait until that is decided" if person.held else None,
        },
        indent=4,
    )
    if person.claimants:
        out.heading("Registered by")
        out.table(
            ("agency", "since"), [(claimant.agency, local(claimant.since)) for claimant in person.claimants]
        )
    if person.links:
        out.heading("Links that wait")
        _links(out, person.links)
    if person.decisions:
        out.heading("Decided")
        for decision in person.decisions:
            out.line(_decision(decision))
            out.line(f"{decision.reason} (command {decision.command_id})", indent=4)
    if person.completions:
        out.heading("Completions")
        _doubtful(out, person.completions)
    if person.merged:
        out.heading("Other records of this person")
        rows = [
            (record.employee_id, ", ".join(record.employee_numbers), local(record.since))
            for record in person.merged
        ]
        out.table(("record", "numbers", "since"), rows)


def _doubtful(out: Screen, completions: Sequence[Doubtful]) -> None:
    for completion in completions:
        counts = f"{completion.jp:g} JP" if completion.counts else "counts for nothing"
        out.line(
            f"{completion.completion_id}  {completion.completed_on} {completion.title} ({completion.organizer}): {counts}"
        )
        why = {
            "note": completion.note,
            "why": completion.why,
            "contest it": f"kompeten contests add {completion.completion_id} --reason TEXT",
        }
        if not completion.contestable or not completion.counts:
            del why["contest it"]
        out.fields(why, indent=4)
        show_contests(out, completion)


def show_contests(out: Screen, completion: Doubtful) -> None:
    for contest in completion.contests:
        by = f"{contest.by or 'an officer'} for {contest.acting_for or 'all agencies'}"
        said = f"{contest.contest_id}  {contest.state}, {by}, {local(contest.at)}: {contest.reason}"
        out.line(said, indent=4)


def _decision(one: PersonDecision) -> str:
    whose = f", {one.agency}'s" if one.agency else ""
    what = {
        "home": f"{one.agency}'s",
        "merged": f"{one.employee_id} joined {one.into}{whose}",
        "separated": f"{one.employee_id} is a person of its own",
    }.get(one.kind, one.kind)
    by = one.by or "an officer"
    return f"{local(one.at)}  {what}, by {by} for {one.acting_for or 'all agencies'}"


def show_open(out: Screen, kind: str, people: Sequence[OpenPerson], *, more: bool) -> None:
    if not people:
        out.line(f"nobody is {kind}")
        return
    rows = [
        (
            person.employee_id,
            person.employee_numbers[-1] if person.employee_numbers else None,
            ", ".join(f"{claim.agency} since {local(claim.since)}" for claim in person.claimants) or "nobody",
            person.name,
        )
        for person in people
    ]
    out.table(("record", "number", "registered by", "name"), rows)
    _more(out, more)
    if kind in NEXT:
        out.line(NEXT[kind])


def show_links(out: Screen, links: Sequence[WaitingLink], *, more: bool) -> None:
    if not links:
        out.line("no link between two numbers waits")
        return
    _links(out, links)
    _more(out, more)


def _links(out: Screen, links: Sequence[WaitingLink]) -> None:
    for link in links:
        # Empty are the names of people who are another agency's.
        who = [link.employee_number, link.name, f"({link.home or 'nobody'})", "is said to be"]
        who += [link.previous_employee_number, link.into_name or ""]
        out.line(" ".join(part for part in who if part))
        about = {
            "said by": f"{link.said_by} since {local(link.since)}",
            "waits for": link.waits_for,
            "one person": f"kompeten people merge {link.employee_id} --into {link.into} --reason TEXT"
            if link.into
            else "nobody has that number, or nobody of yours: its agency registers it, or its officer decides",
            "two people": f"kompeten people separate {link.employee_id} --reason TEXT",
        }
        out.fields(about, indent=4)


def _more(out: Screen, more: bool) -> None:
    if more:
        out.line("and more: they are shown once some of these are decided", "yellow")


def changes(preview: PeoplePreview) -> Iterator[str]:
    """What an order would change, a line each."""
    for person in preview.people:
        yield from _change(person)
    yield from _completions("become another person's", preview.moved)
    yield from _completions("count no more, the same training counts already", preview.counted_once)
    yield from _completions("count again", preview.counted_again)
    if preview.certificates_issued or preview.certificates_revoked:
        yield (
            f"certificates: {preview.certificates_issued} issued, {preview.certificates_revoked} revoked;"
            " each is told by mail"
        )


def _change(change: PersonChange) -> Iterator[str]:
    was, will = change.before, change.after
    if was == will:
        return
    yield f"{change.employee_id}: {_beginning(was, will)}"
    for name, before, after in _differences(was, will):
        yield f"    {name}: {before or '-'} -> {after or '-'}"
    held = (was is not None and was.held, will is not None and will.held)
    if held[0] and will is not None and not held[1]:
        yield "    mails that wait go out"
    if held[1] and not held[0]:
        yield "    mails wait from then on"


def _beginning(was: PersonStand | None, will: PersonStand | None) -> str:
    if will is None:
        return f"{was.name if was else ''} becomes part of the other person"
    return f"{will.name} becomes a person of its own" if was is None else was.name


def _differences(was: PersonStand | None, will: PersonStand | None) -> Iterator[tuple[str, str, str]]:
    before, after = _told(was), _told(will)
    for name in {**before, **after}:
        one, other = before.get(name, ""), after.get(name, "")
        if one != other and (will is not None or name.startswith("JP")):
            yield name, one, other


def _told(stand: PersonStand | None) -> dict[str, str]:
    if stand is None:
        return {}
    return {
        "home": f"{stand.home or 'nobody'} ({STATES.get(stand.state, stand.state)})",
        "numbers": ", ".join(stand.employee_numbers),
        "name": stand.name,
        "e-mail": stand.email or "",
        "links that wait": str(stand.links or ""),
        **{f"JP {year}": f"{jp:g}" for year, jp in sorted(stand.jp.items())},
    }


def _completions(what: str, completions: PreviewedCompletions) -> Iterator[str]:
    if not completions.count:
        return
    yield f"{completions.count} completion{'' if completions.count == 1 else 's'} would {what}:"
    for completion in completions.first[:MAX_TITLES]:
        yield f"    {completion.completed_on} {completion.title}"
    if completions.count > MAX_TITLES:
        yield f"    and {completions.count - MAX_TITLES} more"
