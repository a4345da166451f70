"""`kompeten people transfer-all`, `merge-all`, `separate-all`: one decision about many, as after a reorganisation.

Each person's is an order of its own, whose key follows from how the person stood: stopped in between, the same command
goes on, and nobody is decided about twice.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import typer

from cli.answers import Ordered, PeoplePreview, Person, PersonDecision, PersonStand, WaitingLink
from cli.client import Service
from cli.command import Desk, Why, Yes, checked_reason
from cli.errors import CannotAsk, Missing, NoSuchAgency, Refused
from cli.orders import Chosen, Outcome, Rate, carry_out, key_of, summary
from cli.people import Home, To, stands_so
from cli.people_file import Named, people_in
from cli.people_view import STATES

T = TypeVar("T")
MAX_SHOWN: Final = 10
MAX_LINES: Final = 100
MERGED, SEPARATED = "merged", "separated"
"""Kinds of decisions."""
SO_ALREADY, NOT_FOUND, REFUSED = "so already", "not found", "refused"
PEOPLE: Final = "people"
"""What --json calls those of whom it tells."""

ClaimedBy = Annotated[
    list[str] | None,
    typer.Option(
        "--claimed-by", metavar="AGENCY", help="Disputed people whom this agency claims; said twice: both"
    ),
]
PeopleFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="A CSV or a list with ids of records or employee numbers, of a link or merge the later ones; - is "
        "standard input. Numbers are no arguments: "
        "others on the machine could read them in the list of processes",
    ),
]
SaidBy = Annotated[
    str | None, typer.Option("--said-by", metavar="AGENCY", help="Links that wait and that this agency said")
]


class Wanted(NamedTuple):
    """An order that is meant."""

    id: str
    """Of the record."""
    path: str
    order: Mapping[str, Any]
    said: str = ""
    """What was said of the record last: said again after something else, it is another order."""


class _Named(NamedTuple):
    """A record that a file names."""

    id: str
    line: int
    merged: bool
    """It is part of another person."""
    last: PersonDecision
    """What was decided about its being one, or part of another; empty: nothing."""


class _Seen(NamedTuple):
    wanted: Wanted
    preview: PeoplePreview


def transfer_all(
    desk: Desk,
    *,
    to: To,
    reason: Why,
    claimed_by: ClaimedBy = None,
    file: PeopleFile = None,
    rate: Rate = None,
    yes: Yes = False,
) -> int:
    """Say whose many people are: all whom several agencies claim, or those of a file."""
    if bool(claimed_by) == (file is not None):
        raise CannotAsk("say whom: --claimed-by AGENCY, twice for two agencies, or --file FILE")
    service, reason = desk.enrollment(), checked_reason(reason)
    ids: Iterable[str] = ()
    unknown: list[Outcome] = []
    if file is not None:
        people, unknown = _people_in(desk, service, file)
        ids = dict.fromkeys(one.employee_id for _, one in people)
    else:
        ids = _claimed(service, claimed_by or ())
    order = {"agency": to, "reason": reason}
    wanted = [Wanted(id, f"{id}/homes", order) for id in ids]
    question = f"Give {{}} to {to}?"
    return _carry_out(desk, service, "transferred", wanted, unknown, question=question, rate=rate, yes=yes)


def merge_all(
    desk: Desk,
    *,
    reason: Why,
    said_by: SaidBy = None,
    file: PeopleFile = None,
    home: Home = None,
    rate: Rate = None,
    yes: Yes = False,
) -> int:
    """Say of many links that wait that they are right: the records become one person's each."""
    service, reason = desk.enrollment(), checked_reason(reason)
    links, named, unknown = _links(desk, service, said_by, file)
    said = {person.id: person.last.command_id for person in named}
    wanted = [
        Wanted(
            id,
            "merges",
            {"employee_id": id, "into": one.into, "home": home, "reason": reason},
            said.get(id, ""),
        )
        for id, one in links.items()
        if one.into is not None
    ]
    unknown += _unlinked(
        service, named, links, said_by, lambda one: "it is one person's already" if one.merged else ""
    )
    nobodys = "nobody has the earlier number: its agency registers it first"
    unknown += [Outcome(service.name, id, REFUSED, nobodys) for id, one in links.items() if one.into is None]
    question = "Are {} one person each?"
    return _carry_out(desk, service, "merged", wanted, unknown, question=question, rate=rate, yes=yes)


def separate_all(
    desk: Desk,
    *,
    reason: Why,
    said_by: SaidBy = None,
    file: PeopleFile = None,
    rate: Rate = None,
    yes: Yes = False,
) -> int:
    """Say of many links that wait that they are wrong, or take merges back: each record is a person of its own."""
    service, reason = desk.enrollment(), checked_reason(reason)
    links, named, unknown = _links(desk, service, said_by, file)
    said = {person.id: person.last.command_id for person in named}
    ids = dict.fromkeys([*links, *(person.id for person in named if person.merged)])
    wanted = [
        Wanted(id, "separations", {"employee_id": id, "reason": reason}, said.get(id, "")) for id in ids
    ]
    apart = "it is a person of its own already"
    unknown += _unlinked(
        service, named, ids, said_by, lambda one: apart if one.last.kind == "separated" else ""
    )
    question = "Are {} people of their own?"
    return _carry_out(desk, service, "separated", wanted, unknown, question=question, rate=rate, yes=yes)


def _claimed(service: Service, agencies: Sequence[str]) -> list[str]:
    meant = set(agencies)
    return [
        person.employee_id
        for person in service.open_people("disputed")
        if meant <= {claim.agency for claim in person.claimants}
    ]


def _links(
    desk: Desk, service: Service, said_by: str | None, file: Path | None
) -> tuple[dict[str, WaitingLink], list[_Named], list[Outcome]]:
    """By the record that would join; of one that waits to join several the first. What a file names, and which of its
    lines name nobody."""
    if said_by is None and file is None:
        raise CannotAsk(
            "say which links: --said-by AGENCY, --file FILE with the records that would join, or both"
        )
    found: dict[str, WaitingLink] = {}
    for link in service.open_links():
        if said_by is None or link.said_by == said_by:
            found.setdefault(link.employee_id, link)
    if file is None:
        return found, [], []
    people, unknown = _people_in(desk, service, file)
    named: dict[str, _Named] = {}
    for asked, person in people:
        record = _record_named(asked, person)
        named.setdefault(record.id, record)
    return {id: found[id] for id in named if id in found}, list(named.values()), unknown


def _record_named(asked: Named, person: Person) -> _Named:
    """A person may have several records: that which is named by its id, or has the number."""
    number, id = asked.asked.get("employee_number"), asked.asked.get("employee_id")
    joined = [
        merged for merged in person.merged if merged.employee_id == id or number in merged.employee_numbers
    ]
    record = joined[0].employee_id if joined else person.employee_id
    own = [
        decision
        for decision in person.decisions
        if decision.employee_id == record and decision.kind in (MERGED, SEPARATED)
    ]
    return _Named(record, asked.line, bool(joined), own[-1] if own else PersonDecision())


def _unlinked(
    service: Service,
    named: Iterable[_Named],
    meant: Container[str],
    said_by: str | None,
    done: Callable[[_Named], str],
) -> list[Outcome]:
    """Of those that a file names, whom nothing is to be ordered about. `done`: why it is so already; empty: it is not."""
    none = "no link of it waits" + ("" if said_by is None else f" that {said_by} said")
    return [
        Outcome(service.name, person.id, SO_ALREADY, why)
        if (why := done(person))
        else Outcome(service.name, person.id, NOT_FOUND, f"{none}, line {person.line}", line=person.line)
        for person in named
        if person.id not in meant
    ]


def _people_in(desk: Desk, service: Service, file: Path) -> tuple[list[tuple[Named, Person]], list[Outcome]]:
    """Each with the line that names it first; and of whom nothing is known: by the line, never by the number."""
    people: list[tuple[Named, Person]] = []
    unknown: list[Outcome] = []
    for named in _watched(desk, "looked up", people_in(file)):
        try:
            people.append((named, service.person(named.asked)))
        except Missing as error:
            about = f"line {named.line}"
            unknown.append(Outcome(service.name, about, NOT_FOUND, str(error), line=named.line))
    return people, unknown


def _carry_out(
    desk: Desk,
    service: Service,
    what: str,
    wanted: Sequence[Wanted],
    unknown: Sequence[Outcome],
    *,
    question: str,
    rate: float | None,
    yes: bool,
) -> int:
    """Previews each, tells how many would change and shows the first; then gives the orders. `question`: with a place for
    how many."""
    if not wanted and not unknown:
        raise Missing("nobody is like that: see `kompeten people disputed` and `kompeten people links`")
    seen, done = _previewed(desk, service, wanted)
    done = [*unknown, *done]
    _show(desk, seen, done)
    if not seen:
        summary(desk, what, done, PEOPLE)
        return max(outcome.exit_status for outcome in done)
    desk.confirm(question.format(f"{len(seen)} people"), yes=yes)
    give = _giving(service, what, seen)
    chosen = [Chosen(service, person.wanted.id) for person in seen]
    return carry_out(desk, what, chosen, give, rate, done=done, named=PEOPLE)


def _giving(service: Service, what: str, seen: Iterable[_Seen]) -> Callable[[Chosen], Ordered]:
    by_id = {person.wanted.id: person for person in seen}

    def give(one: Chosen) -> Ordered:
        (id, path, order, said), preview = by_id[one.id]
        stood = [
            [each.employee_id, each.before.home, each.before.state]
            for each in preview.people
            if each.before is not None
        ]
        told = {**order, "path": path, "stood": stood} | ({"said": said} if said else {})
        key = key_of(f"people/{what}", id, str(order["reason"]), told)
        return service.order_about_people(path, order, key=key)

    return give


def _previewed(desk: Desk, service: Service, wanted: Sequence[Wanted]) -> tuple[list[_Seen], list[Outcome]]:
    """Those that would change something; and what is known of the others already."""
    seen: list[_Seen] = []
    done: list[Outcome] = []
    for target in _watched(desk, "looked at", wanted):
        try:
            preview = service.preview_people(target.path, target.order)
        except NoSuchAgency:  # of the order, not of this person: it would be said of each
            raise
        except Refused as error:
            done.append(Outcome(service.name, target.id, REFUSED, str(error)))
            continue
        if preview.verdict == "refused":
            done.append(Outcome(service.name, target.id, REFUSED, preview.reason))
        elif (as_before := stands_so(preview)) is not None:
            done.append(Outcome(service.name, target.id, SO_ALREADY, as_before))
        else:
            seen.append(_Seen(target, preview))
    return seen, done


def _watched(desk: Desk, what: str, items: Sequence[T]) -> Iterable[T]:
    with desk.err.progress(what, shown=not desk.as_json and len(items) > 1) as bar:
        task = bar.add_task(what, total=len(items))
        for item in items:
            yield item
            bar.advance(task)


def _show(desk: Desk, seen: Sequence[_Seen], done: Sequence[Outcome]) -> None:
    counts = {"would change": len(seen), **Counter(outcome.outcome for outcome in done)}
    desk.err.line(", ".join(f"{count} {what}" for what, count in counts.items() if count))
    if lines := sorted(
        outcome.line for outcome in done if outcome.outcome == NOT_FOUND and outcome.line is not None
    ):
        told = ", ".join(map(str, lines[:MAX_LINES]))
        more = f" and {len(lines) - MAX_LINES} more" if len(lines) > MAX_LINES else ""
        desk.err.line(f"{NOT_FOUND}: line{'' if len(lines) == 1 else 's'} {told}{more}")
    rows = [_row(person.preview) for person in seen[:MAX_SHOWN]]
    if rows:
        desk.err.table(("record", "name", "whose it is", "would be", "mails that wait"), rows)
    if len(seen) > MAX_SHOWN:
        desk.err.line(f"and {len(seen) - MAX_SHOWN} more")
    freed = sum(_goes_out(person.preview) for person in seen)
    if freed:
        desk.err.line(f"mails that wait go out to {freed} of them")


def _row(preview: PeoplePreview) -> tuple[str, ...]:
    changed = [person for person in preview.people if person.before != person.after]
    first = changed[0]
    stands = first.before or first.after
    return (
        first.employee_id,
        "" if stands is None else stands.name,
        _whose(first.before),
        _whose(first.after),
        "go out" if _goes_out(preview) else "",
    )


def _whose(stand: PersonStand | None) -> str:
    return (
        "another person's"
        if stand is None
        else f"{stand.home or 'nobody'} ({STATES.get(stand.state, stand.state)})"
    )


def _goes_out(preview: PeoplePreview) -> bool:
    return any(
        person.before is not None
        and person.before.held
        and person.after is not None
        and not person.after.held
        for person in preview.people
    )
