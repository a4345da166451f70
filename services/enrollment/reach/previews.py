"""What an order that reaches back would reach. It counts what stands; what becomes of it, the sweep decides."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from services.enrollment.agencies.documents import REGISTER, REGISTERS
from services.enrollment.bodies.queries import all_bodies
from services.enrollment.bodies.timeline import standing_body
from services.enrollment.documents import COMPLETIONS, EMPLOYEES
from services.enrollment.reach.views import ReachView
from services.enrollment.terms import Terms
from shared.contracts.register import DistrustAgency, ReplaceAgency, TrustAgency
from shared.mongo import MongoStore
from shared.pipeline.documents import Collection
from shared.pipeline.outcome import Verdict
from shared.pipeline.rehearsal import rehearse_command
from shared.service import Parts

MOST_LOOKED_AT: Final = 100_000
"""Documents of a kind: a second or two."""
Raw = dict[str, Any]
Order = DistrustAgency | TrustAgency | ReplaceAgency
_FOLLOWS: Final[Mapping[type[Order], str]] = {
    DistrustAgency: (
        "Within minutes what it sent in that time counts for nothing: completions that nobody else reported give no "
        "hours, their certificates are revoked, and their holders are told by mail."
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

    def said_by(self, code: str, field: str) -> Raw:
        """The filter of one statement. `field`: names its sender."""
        arrived: Raw = {"$gte": self.since} | ({} if self.until is None else {"$lt": self.until})
        return {field: code, "arrival.at": arrived}


_EVER: Final = _Time(datetime.min.replace(tzinfo=UTC), None)


async def preview(parts: Parts[Terms], order: Order, now: datetime) -> ReachView:
    rehearsal = await rehearse_command(parts.service, parts.store, order, REGISTER, now)
    ((_, outcome),) = rehearsal.outcomes
    if outcome.verdict is not Verdict.ACCEPTED:
        return ReachView(verdict=outcome.verdict.value, reason=outcome.reason or None)
    time = await _time_of(parts.store, order)
    reported = await _completions(parts.store, order.code, time)
    people = await _people(parts.store, order.code, time)
    issued = [standing_body(one) for one in await all_bodies(parts)]
    return ReachView(
        verdict=Verdict.ACCEPTED.value,
        reason=outcome.reason or None,
        completions=reported.get("own", 0),
        completions_alone=reported.get("alone", 0),
        people=people.get("own", 0),
        more=MOST_LOOKED_AT in (reported.get("all"), people.get("all")),
        bodies=[one.code for one in issued if one is not None and one.issuing == order.code],
        follows=_FOLLOWS[type(order)],
    )


async def _time_of(store: MongoStore, order: Order) -> _Time:
    if isinstance(order, DistrustAgency):
        return _Time(order.since, order.until)
    if isinstance(order, TrustAgency):
        register = await store.read(REGISTERS, REGISTER)
        for one in () if register is None else register.distrusts:
            if one.command == order.distrust:
                return _Time(one.since, one.until)
    return _EVER


async def _completions(store: MongoStore, code: str, time: _Time) -> Mapping[str, int]:
    """Latest first, by an index: what stands was stated when it arrived, or later."""
    latest: list[Raw] = [{"$match": {"stated_at": {"$gte": time.since}}}, {"$sort": {"stated_at": -1}}]
    return await _counted(store, COMPLETIONS, latest, "contents", time.said_by(code, "sender"))


async def _people(store: MongoStore, code: str, time: _Time) -> Mapping[str, int]:
    return await _counted(store, EMPLOYEES, [], "claims", time.said_by(code, "agency"))


async def _counted(
    store: MongoStore, collection: Collection[Any], first: Sequence[Raw], field: str, said: Raw
) -> Mapping[str, int]:
    """How many documents were looked at, have such a statement, have no other one; those that are 0 are left out."""
    own = {field: {"$elemMatch": said}}
    other = {field: {"$elemMatch": {"$nor": [said]}}}
    (found,) = await store.aggregate(collection, [
        *first,
        {"$limit": MOST_LOOKED_AT},
        {"$project": {field: 1}},
        {"$facet": {
            "all": [{"$count": "n"}],
            "own": [{"$match": own}, {"$count": "n"}],
            "alone": [{"$match": {**own, "$nor": [other]}}, {"$count": "n"}],
        }},
    ])  # fmt: skip
    return {name: counts[0]["n"] for name, counts in found.items() if counts}
