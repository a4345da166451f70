"""What incentive's decisions rest on besides event and state."""

from dataclasses import dataclass

from services.incentive.rules.awards import PointRules, load_point_rules


@dataclass(frozen=True, slots=True)
class Terms:
    rules: PointRules
    epoch: int = 0


def load_terms(epoch: int = 0) -> Terms:
    """Reads the rule file; raises RulesInvalid with the row that is wrong."""
    return Terms(load_point_rules(), epoch)
