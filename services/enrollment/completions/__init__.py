"""What was learned: a completion's contents by who may say them, and what follows from each change.

A completion is a set of contents (contents.py); which of them stands is judged by who said it (authority.py). What
follows - its certificate, the JP of the years that it touches, the facts that tell of it - is worked out for a batch at
once (recalculation.py), from documents that recalculation_needs.py names.

It owns the collections `completions` and `sequences` and the lock `employee/<id>`, and imports certificates,
learning hours, persons and the two registers.
"""

from services.enrollment.certificates.documents import SEQUENCES
from services.enrollment.completions.documents import COMPLETIONS
from services.enrollment.completions.handlers import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("completions", HANDLERS, (COMPLETIONS, SEQUENCES))
