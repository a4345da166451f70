"""Whose person somebody is: a fold by arrival over what agencies claim and withdraw, and what was decided.

Where an HR master source knows the person, its word alone gives the home. Else the home is the agency that was
confirmed, else the one whose claim came first and was not withdrawn. Two live claims and no confirmation are a dispute.
What was claimed against a decision, or by who gave the person away, counts once it is said again after that has ended.
Nothing here goes by when a record was decided, or by a sender's clock.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Final, NamedTuple

from services.enrollment.agencies.documents import Arrival
from services.enrollment.persons.documents import Claim, Confirmation, Employee, Placement, Withdrawal
from shared.identity.identifiers import key

MISTAKE: Final = "mistake"
"""Reason of a withdrawal: it never was the agency's person."""
GONE: Final = ("retired", "died")
"""Reasons of one after which the person is nobody's, until somebody says otherwise."""
MAX_RECENT: Final = 6
"""An agency claims a person with each of its snapshots. Kept are the claims that decide something, and the first
of each of the latest so many seconds and days: a withdrawal or confirmation that is decided later than those finds
the claim that came right after it gone, and goes by the next one that is there."""


MAX_PLACEMENTS: Final = 40
"""Of one person, besides the first: the latest."""


class Span(NamedTuple):
    agency: str
    begin: Arrival
    end: Arrival | None
    """None: it lasts."""
    void: bool = False
    """It ended as somebody decided that the person was not the agency's."""

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
    weak: Sequence[str] = ()
    """Claimants of now whose word does not count against the home's."""
    gone: bool = False
    """Retired or dead, by the word of the last home."""

    @property
    def home(self) -> str | None:
        return self.periods[-1].agency if self.periods and self.periods[-1].end is None else None

    @property
    def claimants(self) -> list[str]:
        """Of now, the home among them."""
        return sorted({claim.agency for claim in self.claims if claim.end is None})

    @property
    def choices(self) -> list[str]:
        """Of a dispute: those who say that the person is theirs; else nobody."""
        claimants = [claimant for claimant in self.claimants if self.gone or claimant not in self.weak]
        return (
            claimants
            if not self.confirmed and not self.placed_by and len(claimants) > (not self.gone)
            else []
        )

    @property
    def disputed(self) -> bool:
        """Also where who has retired or died is claimed by another agency."""
        return bool(self.choices)

    def home_at(self, arrival: Arrival) -> str | None:
        """Nobody where it was decided since that it was not the agency that seemed to be."""
        return next(
            (
                period.agency
                for period in self.periods
                if period.begin <= arrival and period.counts(arrival) and not period.void
            ),
            None,
        )

    def home_since(self, agency: str, arrival: Arrival) -> Arrival | None:
        """Begin of the agency's first period as home that counts for what arrived then."""
        return next(
            (period.begin for period in self.periods if period.agency == agency and period.counts(arrival)),
            None,
        )

    def claimed_since(self, agency: str, arrival: Arrival) -> Arrival | None:
        return next(
            (claim.begin for claim in self.claims if claim.agency == agency and claim.counts(arrival)), None
        )


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
    fold = _Fold()
    said: list[Claim | Withdrawal | Confirmation | Placement]
    said = [*_meant(claims, withdrawals), *withdrawals, *confirmations, *placements]
    for statement in sorted(said, key=attrgetter("arrival")):
        fold.take(statement)
    return fold.homes()


class _Fold:
    def __init__(self) -> None:
        self.live: dict[str, Arrival] = {}
        """Claims, by agency."""
        self.weak: set[str] = set()
        """Whose claim makes it no home and no dispute: it came while another agency was confirmed, or from one that had
        given the person away. It does once it is made again when nothing stands against it."""
        self.gave: set[str] = set()
        """Who gave the person to the home of now."""
        self.confirmed = self.placed_by = ""
        self.gone = False
        self.spans: list[Span] = []
        self.periods: list[Span] = []

    def homes(self) -> Homes:
        spans = [*self.spans, *(Span(agency, begin, None) for agency, begin in self.live.items())]
        return Homes(
            self.periods,
            sorted(spans, key=attrgetter("begin")),
            bool(self.confirmed),
            self.placed_by,
            tuple(sorted(self.weak)),
            self.gone,
        )

    def take(self, said: Claim | Withdrawal | Confirmation | Placement) -> None:
        before = self.home
        match said:
            case Claim():
                self.claimed(said)
            case Withdrawal():
                self.withdrawn(said)
            case Placement():
                self.placed_by = said.source
                self.confirm(said.agency, said.arrival)
            case Confirmation() if not self.hears(said):
                pass
            case Confirmation() if said.opd is not None and not self.confirmed:
                self.given(before, said)
            case Confirmation():
                decided = said.opd is None and before not in (said.agency, self.confirmed)
                self.confirm(said.agency, said.arrival, decided_against=before if decided else "")
        if self.home != before:
            self.moved(said.arrival)

    @property
    def home(self) -> str:
        """Empty: nobody."""
        if self.confirmed or self.placed_by or self.gone:
            return self.confirmed
        strong = [agency for agency in self.live if agency not in self.weak]
        return min(strong, key=lambda agency: self.live[agency], default="")

    def claimed(self, said: Claim) -> None:
        agency = said.agency
        own_again = self.gone and bool(self.periods) and agency == self.periods[-1].agency
        self.gone = self.gone and not own_again
        if agency in self.gave or self.confirmed not in ("", agency):
            if agency not in self.live:
                self.weak.add(agency)
        else:
            self.weak.discard(agency)
        self.live.setdefault(agency, said.arrival)

    def withdrawn(self, said: Withdrawal) -> None:
        agency, was_home = said.agency, said.agency == self.home
        self.over([agency], said.arrival)
        if agency == self.confirmed and not self.placed_by:
            self.confirmed = ""
        if not was_home or self.placed_by:
            return
        self.gave.clear()
        if said.reason in GONE and self.live.keys() <= self.weak:
            self.over(list(self.live), said.arrival)
            self.gone = True

    def given(self, by: str, said: Confirmation) -> None:
        """By the officer of an agency that nobody confirmed: it speaks for itself, so that a person who was registered
        first by a stranger is not recalculated on whomever the stranger names."""
        self.over([by], said.arrival)
        self.gave.add(by)
        self.gave.discard(said.agency)
        self.weak.discard(said.agency)
        self.live.setdefault(said.agency, said.arrival)

    def confirm(self, agency: str, arrival: Arrival, decided_against: str = "") -> None:
        """About all who claimed until then."""
        self.over([other for other in self.live if other != agency], arrival)
        self.gave.clear()
        self.weak.clear()
        self.confirmed, self.gone = agency, False
        if agency:
            self.live.setdefault(agency, arrival)
        if decided_against:
            self.periods[-1] = self.periods[-1]._replace(void=True)

    def over(self, agencies: Sequence[str], arrival: Arrival) -> None:
        self.spans += [
            Span(agency, self.live.pop(agency), arrival) for agency in agencies if agency in self.live
        ]
        self.weak.difference_update(agencies)

    def moved(self, arrival: Arrival) -> None:
        if self.periods and self.periods[-1].end is None:
            self.periods[-1] = self.periods[-1]._replace(end=arrival)
        if self.home:
            self.periods.append(Span(self.home, arrival, None))

    def hears(self, said: Confirmation) -> bool:
        if self.placed_by:
            return False
        if said.own:
            strong = self.live.keys() - self.weak
            return not self.confirmed and said.agency in self.live and (len(strong) > 1 or self.gone)
        return said.opd is None or key(said.opd) == self.home


def _meant(claims: Sequence[Claim], withdrawals: Sequence[Withdrawal]) -> Sequence[Claim]:
    """Without those that their agency took back as a mistake: since its withdrawal before that one, if any."""
    claims = list(claims)
    for agency in {withdrawal.agency for withdrawal in withdrawals if withdrawal.reason == MISTAKE}:
        began = None
        for withdrawal in sorted(withdrawals, key=attrgetter("arrival")):
            if withdrawal.agency != agency:
                continue
            if withdrawal.reason == MISTAKE:
                claims = [
                    claim
                    for claim in claims
                    if claim.agency != agency
                    or claim.arrival > withdrawal.arrival
                    or (began is not None and claim.arrival < began)
                ]
            began = withdrawal.arrival
    return claims


def with_placement(employee: Employee, placement: Placement) -> list[Placement]:
    """Those that are kept once this one has come; the same list when it adds nothing. A master source says the same each
    night: kept are the first and the last of what it says without a break."""
    if placement in employee.placements:
        return employee.placements
    placements = sorted([*employee.placements, placement], key=attrgetter("arrival"))
    words = [(known.source, known.agency, known.reason) for known in placements]
    last = len(words) - 1
    kept = [
        one
        for n, one in enumerate(placements)
        if n in (0, last) or words[n - 1] != words[n] or words[n + 1] != words[n]
    ]
    return [*kept[:1], *kept[1:][-MAX_PLACEMENTS:]]


def with_claim(employee: Employee, claim: Claim) -> list[Claim]:
    """The claims that are kept once this one has come; the same list when it adds nothing."""
    own = [earlier for earlier in employee.claims if earlier.agency == claim.agency]
    if claim in own:
        return employee.claims
    if not employee.claims:
        return [claim]
    if own and not _adds(own[-1], claim, employee):
        return employee.claims
    others = [other for other in employee.claims if other.agency != claim.agency]
    kept = _kept(sorted([*own, claim], key=attrgetter("arrival")), employee)
    if kept == own:
        return employee.claims
    return sorted([*others, *kept], key=attrgetter("arrival"))


def _adds(latest: Claim, claim: Claim, employee: Employee) -> bool:
    """False where one of the same second as the agency's latest comes after it, and nothing ended that between them: what
    `_kept` says too, for far more."""
    if not latest.arrival < claim.arrival or _second(latest) != _second(claim):
        return True
    said = [withdrawal.arrival for withdrawal in employee.withdrawals] + [
        confirmation.arrival for confirmation in employee.confirmations
    ]
    return any(latest.arrival < arrival < claim.arrival for arrival in said)


def _kept(own: Sequence[Claim], employee: Employee) -> list[Claim]:
    """Of one agency's, in order of arrival: the first, the first after each statement that may have ended it, and those
    of late."""
    arrivals = [claim.arrival for claim in own]
    kept = {0}
    ends = [withdrawal.arrival for withdrawal in employee.withdrawals]
    ends += [
        confirmation.arrival
        for confirmation in employee.confirmations
        if confirmation.agency != own[0].agency
    ]
    kept.update(bisect_right(arrivals, end) for end in ends)
    for span in (_second, _day):
        spans = [span(claim) for claim in own]
        kept.update([n for n, one in enumerate(spans) if n == 0 or one != spans[n - 1]][-MAX_RECENT:])
    return [own[place] for place in sorted(kept) if place < len(own)]


def _second(claim: Claim) -> datetime:
    return claim.arrival.at.replace(microsecond=0)


def _day(claim: Claim) -> date:
    return claim.arrival.at.date()
