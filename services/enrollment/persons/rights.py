"""Who may look at whom, and ask for what. An officer of one agency sees people whose home or claimant that is, and is
told the same of all others, known or not.

What is asked for is decided by transfers.py and merging.py. Beyond what they look at, an officer of one agency decides
nothing in its own favour: who registers a number first is its provisional home, and could confirm itself.
"""

from collections.abc import Sequence
from typing import Final

from fastapi import Depends
from fastapi.params import Depends as DependsParam

from services.enrollment.agencies.register import Agencies, CurrentAgencies
from services.enrollment.persons.current import waiting_links
from services.enrollment.persons.documents import Employee, PendingLink
from services.enrollment.persons.homes import homes
from services.enrollment.persons.persons import Person
from shared.contracts.people import MergeEmployees
from shared.http.access import ALL_AGENCIES, Caller, Principal, Role
from shared.http.problems import Problem
from shared.identity.identifiers import key

_OF_ALL: Final = frozenset({Role.operator, Role.auditor})


def officers_of_active(register: CurrentAgencies) -> Sequence[DependsParam]:
    """`APIRouter(dependencies=...)`: officers of a suspended agency decide and read nothing there. Who took its password
    may have its officers' tokens too. Bodies that are no agencies are not in the register, and go on."""

    async def check(caller: Caller) -> None:
        check_active(caller, await register.agencies())

    return [Depends(check)]


def check_active(caller: Principal, agencies: Agencies) -> None:
    if caller.opd is None or sees_all(caller) or Role.officer not in caller.roles:
        return
    if any(not agency.active and caller.acts_for(agency.code) for agency in agencies.values()):
        raise Problem(
            "agency-suspended",
            "The agency that you act for is suspended: until it is resumed its officers decide nothing here, and see "
            "nothing. Ask the operator why.",
        )


def sees_all(caller: Principal) -> bool:
    return bool(caller.roles & _OF_ALL) or caller.opd == ALL_AGENCIES


def may_see(caller: Principal, whole: Employee) -> bool:
    whose = homes(whole)
    return sees_all(caller) or any(
        caller.acts_for(agency) for agency in {whose.home, *whose.claimants} if agency
    )


def opd_of(caller: Principal) -> str | None:
    """For a command's `opd`: the one agency that the caller acts for; None: all, as operators do."""
    return None if Role.operator in caller.roles else caller.opd_of_commands


def found(person: Person | None, caller: Principal) -> Person:
    """Raises Problem where there is none, or none for this caller."""
    if person is None or not may_see(caller, person.whole):
        raise not_found()
    return person


def not_found() -> Problem:
    return Problem(
        "not-found", "There is nobody like that among those whom you may look up: check what you named."
    )


def check_agency(code: str, connected: Agencies) -> None:
    if code not in connected or connected[code].master:
        raise Problem("unknown-agency", f"The register has no agency {code}: name one that is connected.")


def check_transfer(opd: str | None, agency: str) -> None:
    """`agency`: that is to have the person."""
    if opd is not None and key(opd) == agency:
        raise Problem(
            "not-your-agency",
            "An officer of one agency lets its people go. That somebody is your agency's person, an officer of the "
            "agency that has the person says, or one who acts for all.",
        )


def knows(caller: Principal, whole: Employee) -> bool:
    """Whether all that is known of the person is shown: to its home and who sees all. Who merely claims it, as all do who
    dispute it, is told what it said itself: numbers can be guessed, and whoever registers one would learn whose it is."""
    whose = homes(whole)
    return sees_all(caller) or (whose.home is not None and not whose.disputed and caller.acts_for(whose.home))


def checked_merge(command: MergeEmployees, joining: Person, into: Person) -> MergeEmployees:
    """An officer of one agency joins two records of its own people, or lets one of them go on where its number is said
    to be renewed by who has that number now, whose the person is from then on. Raises Problem."""
    if command.opd is None:
        return command
    if command.home is not None:
        check_transfer(command.opd, command.home)
    whose = homes(joining.whole)
    if whose.disputed or homes(into.whole).disputed:
        raise Problem(
            "not-your-agency",
            "Two agencies say that one of these people is theirs: have that decided first, or ask an officer who acts "
            "for all.",
        )
    own = whose.home == key(command.opd)
    if not own and not any(link.agency == whose.home for link in links_between(joining, into)):
        raise Problem(
            "not-your-agency",
            "The record that would join is not your agency's, and its agency does not say that it is this person's: "
            "ask an officer who acts for all.",
        )
    if own:
        return command
    if command.home not in (None, whose.home):
        raise Problem(
            "not-your-agency",
            f"The person would be {whose.home}'s, which has the number of now: leave the agency out, or name that one.",
        )
    return command.model_copy(update={"home": whose.home})


def links_between(joining: Person, into: Person) -> list[PendingLink]:
    numbers = into.whole.numbers
    return [link for link in waiting_links(joining, joining.whole) if link.previous in numbers]
