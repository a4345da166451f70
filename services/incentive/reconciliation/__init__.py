"""Has each completion its points, and do its entries add up to them?

`completeness.py` answers enrollment's lists, `trace.py` and `snapshot.py` who asks over HTTP. It
keeps nothing of its own.
"""

from services.incentive.reconciliation.completeness import COMPLETENESS_CHECK
from shared.pipeline.capabilities import Capability
from shared.pipeline.operations.discrepancies import reconciling

CAPABILITY = Capability("reconciliation", reconciling(COMPLETENESS_CHECK), ())
