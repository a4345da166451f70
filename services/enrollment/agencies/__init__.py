"""Who may speak, and how: the register of agencies.

It answers which topics enrollment reads (register.py), for which agency a token speaks (door.py), and what operators
see and change (routes.py). Nothing else of enrollment needs to know how an agency is connected.

It owns the collections `agencies` and `registers`, the lock `register`, subjects `agency/<code>` and the commands of
`shared/contracts/register.py`. It imports the service's terms and what services share; of enrollment's other parts
nothing (.importlinter).

To change what an agency has, go from `documents.py` (what is kept) to `timeline.py` (what holds), `handlers.py` (what a
command changes) and `views.py` (what is shown).
"""

from services.enrollment.agencies.documents import AGENCIES, REGISTERS
from services.enrollment.agencies.handlers import HANDLERS
from services.enrollment.agencies.reaching_back import HANDLERS as REACHING_BACK
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("agencies", {**HANDLERS, **REACHING_BACK}, (AGENCIES, REGISTERS))
