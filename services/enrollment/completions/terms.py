"""What decisions about completions rest on besides event and state: the rules, too."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.enrollment.certificates.issuing_bodies import IssuingBodies, load_bodies
from services.enrollment.learning_hours.duty import Duties, load_duties
from services.enrollment.learning_hours.jp import Rates, load_rates
from services.enrollment.terms import Terms
from shared.identity.identifiers import Ids
from shared.identity.link_keys import LinkKeys
from shared.identity.links import Links


@dataclass(frozen=True, slots=True)
class CompletionTerms(Terms):
    rates: Rates
    duties: Duties
    bodies: IssuingBodies

    @property
    def version(self) -> str:
        """Of the rule files, noted in every decision."""
        return f"{self.rates.version}-{self.bodies.version}"


def load_terms(
    secret: str, public_url: str, epoch: int = 0, link_keys: Sequence[str] = ()
) -> CompletionTerms:
    """Reads all rule files; raises RulesInvalid with the row that is wrong. `link_keys`: see LinkKeys."""
    ids = Ids(secret)
    links = Links(public_url, ids, LinkKeys(ids, link_keys))
    return CompletionTerms(ids, links, epoch, load_rates(), load_duties(), load_bodies())
