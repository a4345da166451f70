"""How mails go out: exactly once as far as SMTP allows, at a pace that the city's mail server and people bear.

`mailer.py` leases mails in turns (`turns.py`), has them prepared (`preparation.py`: composed, within an address's
`allowance.py`), hands them over (`smtp.py`, `replies.py`) and notes what came of it (`policy.py`); who refuses everybody
is told from who refuses one by `refusals.py` and `witnesses.py`, and meanwhile `circuit_breaker.py` pauses. `reporter.py`
tells the log, so that a restored database knows what went; `resender.py` carries out operators' orders (`routes.py`).

It owns the collections `allowances`, `mail_orders` and `mail_orders_given`, the locks `mail/<letter id>`, and the state
of each mail. Of notification's other parts it imports letters alone (.importlinter).
"""

from services.notification.delivery.documents import ALLOWANCES, MAIL_ORDERS, ORDERS_GIVEN
from services.notification.delivery.handlers import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("delivery", HANDLERS, (ALLOWANCES, ORDERS_GIVEN, MAIL_ORDERS))
