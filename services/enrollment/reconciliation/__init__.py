"""What enrollment has of each completion: listed for the other services, and told again when an operator asks.

It owns the collection `listings`, and imports completions.
"""

from services.enrollment.reconciliation.documents import MANIFEST_CURSORS
from services.enrollment.reconciliation.reconciling import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("reconciliation", HANDLERS, (MANIFEST_CURSORS,))
