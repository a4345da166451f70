"""A person's agency doubts what another body reported; until somebody decides, it counts for nothing.

`handlers.py` decides, `routes.py` is how officers ask for it, `doubts.py` what they are shown. It owns the collection
`contested`, and imports records and what those rest on.
"""

from services.enrollment.completions.documents import CONTESTED
from services.enrollment.contests.handlers import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("contests", HANDLERS, (CONTESTED,))
