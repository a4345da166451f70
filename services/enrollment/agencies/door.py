"""Who may publish as which agency over HTTP: the token says who is there, the register for whom that speaks."""

from collections.abc import Callable

from services.enrollment.agencies.register import Agencies, CurrentAgencies
from services.enrollment.agencies.timeline import Effective
from shared.contracts.topics import agency_topic
from shared.http.access import Principal
from shared.http.problems import Problem


class Door:
    """Asked at each request, also of a connection that stays open."""

    def __init__(
        self,
        register: CurrentAgencies,
        topic_prefix: str = "",
        fault_of: Callable[[str], str] = lambda topic: "",
    ) -> None:
        """`fault_of`: why a topic can't be used, empty when it can: a record for one that is missing would hold
        up those of all others in the producer."""
        self._register, self._prefix, self._fault_of = register, topic_prefix, fault_of

    async def agency(self, caller: Principal) -> str:
        """The code of the agency that the caller speaks for; raises Problem when there is none, or not now."""
        agency = speaks_for(caller, await self._register.agencies())
        if not agency.active:
            raise Problem(
                "agency-suspended",
                "Your agency is suspended: nothing was taken. Ask the operator; send it again once it is resumed.",
            )
        if self._fault_of(agency_topic(agency.code, self._prefix)):
            raise Problem(
                "not-ready", "Your agency's topic can't be used yet: the operator's status says why."
            )
        return agency.code

    async def named(self, caller: Principal) -> str:
        """The same for who only looks: a suspended agency still sees what became of its events."""
        return speaks_for(caller, await self._register.agencies()).code


def speaks_for(caller: Principal, agencies: Agencies) -> Effective:
    """The agency of the claim `opd`: by one of the clients that are bound to it, where there are any. A client that is
    bound speaks for no agency but its own, whatever its token claims."""
    bound = [agency for agency in agencies.values() if agency.bound_to(caller.issuer, caller.client_id)]
    if bound:
        named = [agency for agency in bound if caller.opd == agency.code]
        if named:
            return named[0]
        raise Problem(
            "not-your-agency",
            "Your token's client is bound to another agency than the token names: use that agency's client.",
        )
    agency = None if caller.opd is None else agencies.get(caller.opd)
    if agency is None:
        raise Problem(
            "not-your-agency", "Your token names no agency that is connected here: ask the operator."
        )
    if agency.bindings:
        raise Problem(
            "not-your-agency",
            "Your token was given to a client that is not bound to this agency: use one that the operator bound to it.",
        )
    return agency
