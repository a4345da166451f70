"""PDFs are made outside the pipeline's transaction, and those that can't be made are told.

It owns the collections `renderings` and `stored_pdfs`, and imports completions and certificates.
"""

from services.enrollment.certificates.documents import RENDERINGS, STORED_PDFS
from services.enrollment.rendering.handlers import HANDLERS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability("rendering", HANDLERS, (RENDERINGS, STORED_PDFS))
