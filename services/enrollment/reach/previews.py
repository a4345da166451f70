"""What an order that reaches back would reach, and what would become of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from services.enrollment.agencies.documents import AGENCIES, REGISTER, REGISTERS
from services.enrollment.agencies.timeline import effective
from services.enrollment.bodies.queries import all_bodies
from services.enrollment.bodies.timeline import effective_body
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.terms import CompletionTerms
from services.enrollment.employees.headcount import BEYOND
from services.enrollment.persons.documents import HEADCOUNTS
from services.enrollment.reach.outcomes import Certificates, certificates_after, people_after, said_after
from services.enrollment.reach.views import ReachView
from shared.contracts.register import DistrustAgency, ReplaceAgency, TrustAgency
from shared.pipeline.outcome import Verdict
from shared.pipeline.processing.dry_run import run_command_dry
from shared.pipeline.storage.mongo import MongoStore
from shared.service import Components

MAX_LOOKED_AT: Final = 100_000
"""Documents of a kind: a second or two."""
Raw = dict[str, Any]
Order = DistrustAgency | TrustAgency | ReplaceAgency
_FOLLOWS: Final[Mapping[type[Order], str]] = {
    DistrustAgency: (
        "Within minutes what it sent in that time counts for nothing: completions that nobody else reported give no "
        "hours, certificates that rest on its word are revoked, and their holders are told by mail."
    ),
    TrustAgency: (
        "Within minutes what it sent in that time counts as if it had never been distrusted: completions give hours "
        "again, and their certificates are issued anew, with new codes and a mail."
    ),
    ReplaceAgency: (
        "Its people, bodies, certificate numbers and completions are the heir's at once, and what it goes on sending "
        "counts as the heir's; nothing is issued anew, and nobody is told by mail. It can't be taken back."
    ),
}


class _Time(NamedTuple):
    since: datetime
    until: datetime | None

    def said_by(self, code: str, field: str, sender: str) -> Raw:
        """The filter of documents with such a statement. `field`: their list; `sender`: names who said it."""
        arrived: Raw = {"$gte": self.since} | ({} if self.until is None else {"$lt": self.until})
        return {field: {"$elemMatch": {sender: code, "arrival.at": arrived}}}


_EVER: Final = _Time(datetime.min.replace(tzinfo=UTC), None)
_NAMED_BY: Final = (("claims", "agency"), ("withdrawals", "agency"), ("placements", "source"))
"""What an agency says of a person: a list of its file, and the field that names the sender."""


async def preview(components: Components[CompletionTerms], order: Order, now: datetime) -> ReachView:
    rehearsal = await run_command_dry(components.service, components.store, order, REGISTER, now)
    ((_, outcome),) = rehearsal.outcomes
    if outcome.verdict is not Verdict.ACCEPTED:
        return ReachView(verdict=outcome.verdict.value, reason=outcome.reason or None)
    time, said = await _time_of(components.store, order), said_after(rehearsal)
    reported = await _completions(components.store, order.code, time)
    people = await people_after(components.store, _people(order, time), order.code, said)
    certificates = Certificates()
    if not isinstance(order, ReplaceAgency):  # nothing is judged otherwise by a succession
        reached = [{"$match": time.said_by(order.code, "contents", "sender")}]
        certificates = await certificates_after(components.store, [*_latest(time), *reached], said)
    issued = [effective_body(body) for body in await all_bodies(components)]
    return ReachView(
        verdict=Verdict.ACCEPTED.value,
        reason=outcome.reason or None,
        since=None if time is _EVER else time.since,
        until=time.until,
        completions=reported.get("own", 0),
        completions_alone=reported.get("alone", 0),
        certificates_lost=certificates.lost,
        hours_kept=certificates.hours_kept,
        certificates_issued=certificates.issued,
        people=people.at_home if isinstance(order, ReplaceAgency) else people.named,
        people_moved=people.moved,
        more=reported.get("all") == MAX_LOOKED_AT or people.more or certificates.more,
        bodies=[body.code for body in issued if body is not None and body.issuing == order.code],
        warnings=await _warnings(components.store, order, people.at_home),
        follows=_FOLLOWS[type(order)],
    )


def _people(order: Order, time: _Time) -> Raw:
    """Of whom the agency said something in the time; of a succession, who may be its people."""
    if isinstance(order, ReplaceAgency):
        lists = ("claims", "confirmations", "placements")
        return {"$or": [{f"{field}.agency": order.code} for field in lists]}
    return {"$or": [time.said_by(order.code, field, sender) for field, sender in _NAMED_BY]}


async def _warnings(store: MongoStore, order: Order, people: int) -> list[str]:
    """What is not refused, and hardly meant. `people`: whose home the agency is."""
    if not isinstance(order, ReplaceAgency):
        return []
    heir = effective(await store.read(AGENCIES, order.heir))
    counted = await store.read(HEADCOUNTS, order.heir)
    together = people + (0 if counted is None else counted.people)
    found = []
    if heir is not None and not heir.active:
        found.append(
            f"{order.heir} is suspended: nothing of it is taken or read until `kompeten agency resume {order.heir}`"
        )
    if heir is not None and heir.headcount is not None and together > heir.headcount * BEYOND:
        found.append(
            f"{order.heir} has {heir.headcount} people by the register, and both together have {together}: further "
            f"registrations wait until `kompeten agency change {order.heir} --headcount {together}`"
        )
    return found


async def _time_of(store: MongoStore, order: Order) -> _Time:
    if isinstance(order, DistrustAgency):
        return _Time(order.since, order.until)
    if isinstance(order, TrustAgency):
        register = await store.read(REGISTERS, REGISTER)
        for distrust in () if register is None else register.distrusts:
            if distrust.command == order.distrust:
                return _Time(distrust.since, distrust.until)
    return _EVER


async def _completions(store: MongoStore, code: str, time: _Time) -> Mapping[str, int]:
    """How many were looked at, the agency reported, nobody else did; those that are 0 are left out."""
    own = time.said_by(code, "contents", "sender")
    other = {"contents": {"$elemMatch": {"$nor": [own["contents"]["$elemMatch"]]}}}
    (found,) = await store.aggregate(COMPLETIONS, [
        *_latest(time),
        {"$project": {"contents": 1}},
        {"$facet": {
            "all": [{"$count": "n"}],
            "own": [{"$match": own}, {"$count": "n"}],
            "alone": [{"$match": {**own, "$nor": [other]}}, {"$count": "n"}],
        }},
    ])  # fmt: skip
    return {name: counts[0]["n"] for name, counts in found.items() if counts}


def _latest(time: _Time) -> list[Raw]:
    """By an index: what stands was stated when it arrived, or later; what never stood was not stated."""
    return [
        {"$match": {"$or": [{"stated_at": {"$gte": time.since}}, {"stated_at": None}]}},
        {"$sort": {"stated_at": -1}},
        {"$limit": MAX_LOOKED_AT},
    ]
