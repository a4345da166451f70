"""Whose word is taken, and for whom: the two things said about an agency that reach back.

What an agency said while it was distrusted does not count, until the distrust is lifted; what it said and had counts as
its successor's. Nothing is moved or changed for either: who folds asks here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from services.enrollment.agencies.documents import Arrival, Distrust, Register


class Trust(NamedTuple):
    distrusts: Sequence[Distrust] = ()
    """Those that were not lifted."""
    heirs: Mapping[str, str] = {}
    """By code of an agency that is no more, the one that took its place."""

    masters: Collection[str] = ()
    """HR master sources, as they are called now."""

    def concerns(self, agencies: Iterable[str]) -> bool:
        """Whether anything was said of one of these."""
        distrusted = {distrust.agency for distrust in self.distrusts}
        return any(agency in self.heirs or agency in distrusted for agency in agencies)

    def holds(self, agency: str, arrival: Arrival | None) -> bool:
        """Whether what the agency sent counts, by when it arrived; what is older than arrivals does."""
        return self.distrust_of(agency, arrival) is None

    def distrust_of(self, agency: str, arrival: Arrival | None) -> Distrust | None:
        """By which it does not count."""
        if arrival is None:
            return None
        return next((distrust for distrust in self.distrusts if _covers(distrust, agency, arrival)), None)

    def with_word(self, agency: str, arrival: Arrival) -> "Trust":
        """As if what the agency sent then counted."""
        return self._replace(
            distrusts=[distrust for distrust in self.distrusts if not _covers(distrust, agency, arrival)]
        )

    def heir(self, code: str) -> str:
        """The agency that speaks for it now."""
        return self.heirs.get(code, code)


def _covers(distrust: Distrust, agency: str, arrival: Arrival) -> bool:
    if distrust.agency != agency or arrival.at < distrust.since:
        return False
    return distrust.until is None or arrival.at < distrust.until


TRUSTING: Final = Trust()


def trust_of(register: Register | None) -> Trust:
    if register is None or not (register.distrusts or register.successions or register.masters):
        return TRUSTING
    heirs: dict[str, str] = {}
    for succession in register.successions:
        heirs[succession.agency] = succession.heir
        heirs = {code: succession.heir if heir == succession.agency else heir for code, heir in heirs.items()}
    masters = {heirs.get(code, code) for code in register.masters}
    return Trust([distrust for distrust in register.distrusts if not distrust.lifted], heirs, masters)
