"""Whose person somebody is: a fold by arrival over what agencies claim and withdraw, and what was decided.

Where an HR master source knows the person, its word alone gives the home. Else the home is the agency that was
confirmed, else the one whose claim came first and was not withdrawn. Two live claims and no confirmation are a dispute.
Nothing here goes by when a record was decided, or by a sender's clock.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Final, NamedTuple

from services.enrollment.agencies.documents import Arrival
from services.enrollment.documents import Claim, Confirmation, Employee, Placement, Withdrawal
from shared.identifiers import key

MISTAKE: Final = "mistake"
"""Reason of a withdrawal: it never was the agency's person."""
MOST_RECENT: Final = 6
"""An agency claims a person with each of its snapshots. Kept are the claims that decide something, and the first
of each of the latest so many seconds and days: a withdrawal or confirmation that is decided later than those finds
the claim that came right after it gone, and goes by the next one that is there."""


MOST_PLACEMENTS: Final = 40
"""Of one person, besides the first: the latest."""


class Span(NamedTuple):
    agency: str
    begin: Arrival
    end: Arrival | None
    """None: it lasts."""

    def counts(self, arrival: Arrival) -> bool:
        """For what arrived then: it was not over. What came before it counts once it has begun."""
        return self.end is None or arrival < self.end


class Homes(NamedTuple):
    periods: Sequence[Span]
    """In which somebody was the home, in order."""
    claims: Sequence[Span]
    """In which an agency claimed the person as its own, whoever was the home."""
    confirmed: bool
    """The home of now was."""
    placed_by: str = ""
    """The master source that knows the person; empty: none."""

    @property
    def home(self) -> str | None:
        return self.periods[-1].agency if self.periods and self.periods[-1].end is None else None

    @property
    def claimants(self) -> list[str]:
        """Of now, the home among them."""
        return sorted({one.agency for one in self.claims if one.end is None})

    @property
    def disputed(self) -> bool:
        return not self.confirmed and not self.placed_by and len(self.claimants) > 1

    def home_at(self, arrival: Arrival) -> str | None:
        return next(
            (one.agency for one in self.periods if one.begin <= arrival and one.counts(arrival)), None
        )

    def home_since(self, agency: str, arrival: Arrival) -> Arrival | None:
        """Begin of the agency's first period as home that counts for what arrived then."""
        return next((one.begin for one in self.periods if one.agency == agency and one.counts(arrival)), None)

    def claimed_since(self, agency: str, arrival: Arrival) -> Arrival | None:
        return next((one.begin for one in self.claims if one.agency == agency and one.counts(arrival)), None)


def homes(employee: Employee) -> Homes:
    """Worked out once for each object: a decision asks several times."""
    known: Homes | None = employee.__dict__.get("homes")
    if known is None:
        known = homes_of(employee.claims, employee.withdrawals, employee.confirmations, employee.placements)
        employee.__dict__["homes"] = known
    return known


def homes_of(
    claims: Sequence[Claim],
    withdrawals: Sequence[Withdrawal],
    confirmations: Sequence[Confirmation],
    placements: Sequence[Placement],
) -> Homes:
    if (
        not withdrawals
        and not confirmations
        and not placements
        and len({claim.agency for claim in claims}) == 1
    ):
        # Nearly everybody, with each of the claims that are kept: worth a way of its own.
        sole = [Span(claims[0].agency, min(claim.arrival for claim in claims), None)]
        return Homes(sole, sole, confirmed=False)
    said: list[Claim | Withdrawal | Confirmation | Placement]
    said = [*_meant(claims, withdrawals), *withdrawals, *confirmations, *placements]
    live: dict[str, Arrival] = {}
    spans: list[Span] = []
    periods: list[Span] = []
    confirmed = placed_by = ""
    for one in sorted(said, key=attrgetter("arrival")):
        if isinstance(one, Confirmation) and not _decides(one, confirmed, live, placed_by):
            continue
        if isinstance(one, Claim):
            live.setdefault(one.agency, one.arrival)
        else:
            # A confirmation decides about all who claimed until then.
            over = [one.agency] if isinstance(one, Withdrawal) else [a for a in live if a != one.agency]
            spans += [Span(agency, live.pop(agency), one.arrival) for agency in over if agency in live]
            if not isinstance(one, Withdrawal):
                confirmed = one.agency
                placed_by = one.source if isinstance(one, Placement) else placed_by
                if one.agency:
                    live.setdefault(one.agency, one.arrival)
            elif confirmed == one.agency and not placed_by:
                confirmed = ""
        home = confirmed if placed_by else _home(confirmed, live)
        if periods and periods[-1].end is None:
            if periods[-1].agency == home:
                continue
            periods[-1] = periods[-1]._replace(end=one.arrival)
        if home:
            periods.append(Span(home, one.arrival, None))
    spans += [Span(agency, begin, None) for agency, begin in live.items()]
    return Homes(periods, sorted(spans, key=attrgetter("begin")), bool(confirmed), placed_by)


def _decides(said: Confirmation, confirmed: str, live: Mapping[str, Arrival], placed_by: str) -> bool:
    if placed_by:
        return False
    if said.own:
        return not confirmed and len(live) > 1 and said.agency in live
    return said.opd is None or key(said.opd) == _home(confirmed, live)


def _meant(claims: Sequence[Claim], withdrawals: Sequence[Withdrawal]) -> Sequence[Claim]:
    """Without those that their agency took back as a mistake: since its withdrawal before that one, if any."""
    claims = list(claims)
    for agency in {one.agency for one in withdrawals if one.reason == MISTAKE}:
        began = None
        for one in sorted(withdrawals, key=attrgetter("arrival")):
            if one.agency != agency:
                continue
            if one.reason == MISTAKE:
                claims = [
                    claim
                    for claim in claims
                    if claim.agency != agency
                    or claim.arrival > one.arrival
                    or (began is not None and claim.arrival < began)
                ]
            began = one.arrival
    return claims


def _home(confirmed: str, live: Mapping[str, Arrival]) -> str:
    return confirmed or min(live, key=lambda agency: live[agency], default="")


def with_placement(employee: Employee, placement: Placement) -> list[Placement]:
    """Those that are kept once this one has come; the same list when it adds nothing. A master source says the same each
    night: kept are the first and the last of what it says without a break."""
    if placement in employee.placements:
        return employee.placements
    placements = sorted([*employee.placements, placement], key=attrgetter("arrival"))
    words = [(one.source, one.agency, one.reason) for one in placements]
    last = len(words) - 1
    kept = [
        one
        for n, one in enumerate(placements)
        if n in (0, last) or words[n - 1] != words[n] or words[n + 1] != words[n]
    ]
    return [*kept[:1], *kept[1:][-MOST_PLACEMENTS:]]


def with_claim(employee: Employee, claim: Claim) -> list[Claim]:
    """The claims that are kept once this one has come; the same list when it adds nothing."""
    own = [one for one in employee.claims if one.agency == claim.agency]
    if claim in own:
        return employee.claims
    if not employee.claims:
        return [claim]
    if own and not _adds(own[-1], claim, employee):
        return employee.claims
    others = [one for one in employee.claims if one.agency != claim.agency]
    kept = _kept(sorted([*own, claim], key=attrgetter("arrival")), employee)
    if kept == own:
        return employee.claims
    return sorted([*others, *kept], key=attrgetter("arrival"))


def _adds(latest: Claim, claim: Claim, employee: Employee) -> bool:
    """False where one of the same second as the agency's latest comes after it, and nothing ended that between them: what
    `_kept` says too, for far more."""
    if not latest.arrival < claim.arrival or _second(latest) != _second(claim):
        return True
    said = [one.arrival for one in employee.withdrawals] + [one.arrival for one in employee.confirmations]
    return any(latest.arrival < one < claim.arrival for one in said)


def _kept(own: Sequence[Claim], employee: Employee) -> list[Claim]:
    """Of one agency's, in order of arrival: the first, the first after each statement that may have ended it, and those
    of late."""
    arrivals = [one.arrival for one in own]
    kept = {0}
    ends = [one.arrival for one in employee.withdrawals if one.agency == own[0].agency]
    ends += [one.arrival for one in employee.confirmations if one.agency != own[0].agency]
    kept.update(bisect_right(arrivals, end) for end in ends)
    for span in (_second, _day):
        spans = [span(one) for one in own]
        kept.update([n for n, one in enumerate(spans) if n == 0 or one != spans[n - 1]][-MOST_RECENT:])
    return [own[place] for place in sorted(kept) if place < len(own)]


def _second(claim: Claim) -> datetime:
    return claim.arrival.at.replace(microsecond=0)


def _day(claim: Claim) -> date:
    return claim.arrival.at.date()
