"""What the routes under `/people` take and answer."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from services.enrollment.contests.doubts import DoubtfulView
from services.enrollment.persons.current import is_held, waiting_links
from services.enrollment.persons.documents import Confirmation, Employee, Merge, PendingLink, Placement
from services.enrollment.persons.homes import Homes, homes
from services.enrollment.persons.persons import Person, own_numbers
from services.enrollment.persons.rights import knows, sees_all
from services.enrollment.persons.snapshots import newest_of
from shared.contracts.payload import EmployeeNumber, JpTotal, Reason
from shared.contracts.register import KnownAgencyCode
from shared.http.access import Principal

EMPLOYEE_ID: Final = r"^emp_[0-9a-f]{32}$"
RecordId = Annotated[str, Field(pattern=EMPLOYEE_ID)]
WhoseState = Literal["provisional", "confirmed", "disputed", "nobody"]


class SearchBody(BaseModel):
    employee_number: EmployeeNumber | None = None
    employee_id: RecordId | None = Field(None, description="Of the record, where it is known already.")

    @model_validator(mode="after")
    def _one(self) -> "SearchBody":
        if (self.employee_number is None) == (self.employee_id is None):
            raise PydanticCustomError("person", "give one of employee_number and employee_id")
        return self


class HomeBody(BaseModel):
    agency: KnownAgencyCode = Field(description="Whose person it is from now on.")
    reason: Reason


class MergeBody(BaseModel):
    employee_id: RecordId = Field(description="The record that joins: its numbers are the later ones.")
    into: RecordId = Field(description="The person that it belongs to.")
    home: KnownAgencyCode | None = Field(
        None, description="Whose person it is from now on; absent: as it is."
    )
    reason: Reason


class SeparationBody(BaseModel):
    employee_id: RecordId = Field(description="The record that had joined, or that is not to.")
    reason: Reason


class ClaimantView(BaseModel):
    agency: str
    since: datetime
    """When its first registration that holds arrived."""


class LinkView(BaseModel):
    """A source said that one person had both numbers."""

    employee_id: str
    """The record that has the later number: it would join."""
    employee_number: str
    name: str
    home: str | None
    """Whose person that is."""
    previous_employee_number: str
    into: str | None
    """The record that has this number; None: nobody's, or nobody's whom you may look up."""
    into_name: str | None
    said_by: str
    """Code of the agency."""
    since: datetime
    waits_for: str


class PersonDecisionView(BaseModel):
    at: datetime
    kind: Literal["home", "left", "merged", "separated"]
    employee_id: str
    """The record that it is about."""
    agency: str | None
    """Whose person it was from then on; None: as before."""
    into: str | None
    """The record that it joined."""
    by: str | None
    """Subject of the officer's or operator's token, or code of the HR master source; None: of another agency than yours,
    or the person's own."""
    acting_for: str | None
    """The one agency that the officer acted for; None: all."""
    reason: str
    command_id: str
    """What `GET /decisions` knows it by; empty: no command, but the HR master source's event."""


class MergedRecordView(BaseModel):
    employee_id: str
    employee_numbers: list[str]
    since: datetime


class OpenPersonView(BaseModel):
    employee_id: str
    employee_numbers: list[str]
    """Oldest first; the last one is in force."""
    name: str
    home: str | None
    """Code of the agency whose person it is."""
    state: WhoseState
    """provisional: of the first who registered it; disputed: a second did, and nobody has decided; nobody: all have
    released it, or the HR master source says that the person left."""
    claimants: list[ClaimantView]
    """First ones first."""


class PersonView(OpenPersonView):
    held: bool
    """Its mails wait until that is decided."""
    links: list[LinkView]
    """That wait."""
    decisions: list[PersonDecisionView]
    """Oldest first; none for an agency that merely claims the person."""
    merged: list[MergedRecordView]
    """Other records that are this person's; the same."""
    completions: list[DoubtfulView]
    """The latest 400 that stand, latest first; none for an agency that merely claims the person."""


class OpenPeopleView(BaseModel):
    people: list[OpenPersonView]
    """Fewer than asked for where some are other agencies'."""
    next: str | None
    """Give it as `after` for the next page; None: there are no more."""


class OpenLinksView(BaseModel):
    links: list[LinkView]
    """Of as many people as asked for, those that you may look up."""
    next: str | None
    """Give it as `after` for the next page; None: there are no more."""


class StandView(BaseModel):
    """A person, as it stands or would."""

    employee_numbers: list[str]
    name: str
    email: str | None
    """Its beginning and its host."""
    home: str | None
    state: WhoseState
    held: bool
    """Its mails wait."""
    links: int
    """That wait."""
    jp: dict[int, JpTotal]
    """By year."""


class PersonChangeView(BaseModel):
    employee_id: str
    before: StandView | None
    """None: it is part of another person."""
    after: StandView | None
    """None: it would be part of another person."""


class PreviewedCompletion(BaseModel):
    completion_id: str
    title: str
    completed_on: date
    employee_id: str
    """Whose it would be."""


class PreviewedCompletions(BaseModel):
    count: int = 0
    first: list[PreviewedCompletion] = []
    """At most 50, latest first."""


class PeoplePreviewView(BaseModel):
    verdict: str
    """On the order: accepted, duplicate where it stands so already, or refused."""
    reason: str | None
    people: list[PersonChangeView] = []
    moved: PreviewedCompletions = PreviewedCompletions()
    """Completions that would be another person's."""
    counted_once: PreviewedCompletions = PreviewedCompletions()
    """Those that would count no more, since the same training counts already."""
    counted_again: PreviewedCompletions = PreviewedCompletions()
    """The reverse, when two records part."""
    certificates_issued: int = 0
    certificates_revoked: int = 0


def state_of(whose: Homes) -> WhoseState:
    if whose.confirmed:
        return "confirmed"
    if whose.disputed:
        return "disputed"
    return "nobody" if whose.home is None else "provisional"


def person_view(
    person: Person,
    linked: Mapping[str, Person],
    caller: Principal,
    completions: Sequence[DoubtfulView] = (),
) -> PersonView:
    """`linked`: see `linked_people`; `completions`: see `completions_of`."""
    whole = person.whole
    return PersonView(
        **dict(open_person_view(person, caller)),
        held=is_held(whole),
        links=link_views(person, linked, caller),
        decisions=_decisions(person, caller) if knows(caller, whole) else [],
        merged=[
            MergedRecordView(
                employee_id=employee.id,
                employee_numbers=own_numbers(employee),
                since=employee.merges[-1].arrival.at,
            )
            for employee in (person.merged if knows(caller, whole) else ())
        ],
        completions=list(completions),
    )


def open_person_view(person: Person, caller: Principal) -> OpenPersonView:
    whole = person.whole
    whose = homes(whole)
    name, numbers = known_to(whole, caller)
    return OpenPersonView(
        employee_id=whole.id,
        employee_numbers=numbers,
        name=name,
        home=whose.home,
        state=state_of(whose),
        claimants=[
            ClaimantView(agency=claim.agency, since=claim.begin.at)
            for claim in whose.claims
            if claim.end is None
        ],
    )


def known_to(whole: Employee, caller: Principal) -> tuple[str, list[str]]:
    """Name and numbers: of who merely claims the person, those that it said itself."""
    if knows(caller, whole):
        return whole.profile.name, whole.numbers
    newest = newest_of(whole.snapshots)
    own = [one.profile for source, one in newest.items() if source and caller.acts_for(source)]
    return (own[-1].name, [own[-1].employee_number]) if own else ("", [])


def link_views(person: Person, linked: Mapping[str, Person], caller: Principal) -> list[LinkView]:
    """Those of which the caller said one itself, or whose people it knows one of."""
    whole = person.whole
    own = knows(caller, whole)
    views = []
    for link in waiting_links(person, whole):
        other = linked.get(link.previous)
        if other is not None and not knows(caller, other.whole):
            other = None
        if own or other is not None or caller.acts_for(link.agency):
            views.append(_link_view(link, whole, other, caller))
    return views


def _link_view(link: PendingLink, whole: Employee, other: Person | None, caller: Principal) -> LinkView:
    return LinkView(
        employee_id=whole.id,
        employee_number=link.number,
        name=known_to(whole, caller)[0],
        home=homes(whole).home,
        previous_employee_number=link.previous,
        into=None if other is None else other.main.id,
        into_name=None if other is None else known_to(other.whole, caller)[0],
        said_by=link.agency,
        since=link.arrival.at,
        waits_for=link.why,
    )


def _decisions(person: Person, caller: Principal) -> list[PersonDecisionView]:
    found = []
    for file in person.files:
        found += [
            _decision(confirmation, file, caller, "home", agency=confirmation.agency)
            for confirmation in file.confirmations
        ]
        found += [_placed(placement, file) for placement in file.placements]
        found += [
            _decision(
                merge,
                file,
                caller,
                "merged" if merge.into else "separated",
                agency=merge.home,
                into=merge.into,
            )
            for merge in file.merges
        ]
    return sorted(found, key=lambda one: one.at)


def _placed(said: Placement, file: Employee) -> PersonDecisionView:
    return PersonDecisionView(
        at=said.arrival.at,
        kind="home" if said.agency else "left",
        employee_id=file.id,
        agency=said.agency or None,
        into=None,
        by=said.source,
        acting_for=None,
        reason=said.reason or "by the HR master source",
        command_id="",
    )


def _decision(
    said: Confirmation | Merge,
    file: Employee,
    caller: Principal,
    kind: Literal["home", "merged", "separated"],
    *,
    agency: str,
    into: str = "",
) -> PersonDecisionView:
    own = said.opd is not None and caller.acts_for(said.opd)
    return PersonDecisionView(
        at=said.arrival.at,
        kind=kind,
        employee_id=file.id,
        agency=agency or None,
        into=into or None,
        by=said.by or None if own or sees_all(caller) else None,
        acting_for=said.opd,
        reason=said.reason,
        command_id=said.command,
    )
