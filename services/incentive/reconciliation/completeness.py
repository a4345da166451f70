"""Does incentive have what belongs to a completion: its points, and the entries that add up to them?"""

from collections.abc import Sequence
from typing import Final

from services.incentive.points.documents import EARNED_COMPLETIONS, POINT_ENTRIES
from shared.contracts.lists import Claim
from shared.contracts.payload import CompletionId
from shared.pipeline.documents import Doc, Docs, Needs, State
from shared.pipeline.operations.discrepancies import CompletenessCheck

POINTS, VERSION, ENTRIES = "points", "version", "entries"


def _needs(ids: Sequence[CompletionId], state: State, terms: object) -> Needs:
    for id in ids:
        yield Doc(EARNED_COMPLETIONS, id)
        yield Docs(POINT_ENTRIES, "completion_id", id)


def _lacks(claim: Claim, state: State) -> list[str]:
    earned = state.get(EARNED_COMPLETIONS, claim.completion_id)
    if earned is None:
        return [POINTS]
    lacks = [VERSION] if claim.is_missed_at(earned.version, bool(earned.month)) else []
    entries = state.all(POINT_ENTRIES, "completion_id", claim.completion_id)
    return lacks + amiss(earned.settled, earned.points, sum(entry.points for entry in entries))


def amiss(settled: int, points: int, in_ledger: int) -> list[str]:
    """What is missing of a completion's points, by what it notes itself and by the sum of its entries."""
    return [POINTS] * (not settled) + [ENTRIES] * (points != in_ledger)


COMPLETENESS_CHECK: Final = CompletenessCheck(_needs, _lacks)
