"""Scripts of Indonesia that set letters and marks one above the other, in HTML: they need more room between lines."""

import re
from typing import Final

from markupsafe import Markup, escape

# Buginese, Balinese, Sundanese, Batak, Rejang, Javanese.
_TALL: Final = re.compile("[\u1a00-\u1a1f\u1b00-\u1bff\u1cc0-\u1ccf\ua930-\ua95f\ua980-\ua9df]")


def tall(text: str, attribute: Markup) -> Markup:
    """`attribute`: what sets the element around it 1.9 lines high, where it has such letters."""
    shown = escape(text)
    return Markup("<span {}>{}</span>").format(attribute, shown) if _TALL.search(text) else shown
