"""What learning is worth in points: a ledger to which entries are appended, and that says why each is there.

`handlers.py` hears of completions and people; `recalculation.py` compares what the rules give for a month with what was
entered and appends the difference, with a reason (`reasons.py`); `routes.py` shows somebody their own.

It owns the collections `people`, `earned_completions`, `point_entries` and `accounts`, and the locks
`employee/<id>`. It imports the rules, the service's terms and what services share
(.importlinter).
"""

from services.incentive.points.documents import ACCOUNTS, EARNED_COMPLETIONS, PEOPLE, POINT_ENTRIES
from services.incentive.points.handlers import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("points", HANDLERS, (PEOPLE, EARNED_COMPLETIONS, POINT_ENTRIES, ACCOUNTS))
