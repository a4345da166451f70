"""A register that says what a test says."""

from services.enrollment.agencies.register import Agencies
from services.enrollment.agencies.timeline import ACTIVE, Effective


class Connected:
    """These agencies; a code alone is an active one that is bound to no client."""

    def __init__(self, *agencies: str | Effective) -> None:
        self._agencies = {
            one.code: one
            for one in (Effective(one, ACTIVE, name=one) if isinstance(one, str) else one for one in agencies)
        }

    async def agencies(self) -> Agencies:
        return self._agencies
