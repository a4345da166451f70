"""Who issues in whose name: the register of bodies.

A completion names the body that issues its certificate. The register says which one agency issues for it, or that it is
outside the city; a completion of a body that it lacks waits for an operator.

It owns the collection `bodies`, subjects `body/<code>`, what is lacked as `body/<code>`, and the commands of
`shared/contracts/bodies.py`. Lock and generation are those of the register of agencies. It imports that register, the
service's terms and what services share; of enrollment's other parts nothing (.importlinter).

To change what a body has, go from `documents.py` (what is kept) to `timeline.py` (what holds), `handlers.py` (what a
command changes) and `views.py` (what is shown).
"""

from services.enrollment.bodies.documents import BODIES
from services.enrollment.bodies.handlers import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("bodies", HANDLERS, (BODIES,))
