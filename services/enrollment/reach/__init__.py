"""What reaches back: an agency's word that counts for nothing for some time, counts again, or counts as another's.

The register keeps and decides it (agencies/reaching_back.py); `sweep.py` has what follows judged anew. This is how
operators order it, `routes.py`, and what they are told before: `previews.py`, in the words of `views.py`.

It owns the collection `sweeps`, and imports employees and what those rest on.
"""

from services.enrollment.reach.documents import SWEEPS
from services.enrollment.reach.sweep import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("reach", HANDLERS, (SWEEPS,))
