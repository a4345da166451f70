"""Texts of others in our letters: what a mail program would make a link of is written so that it makes none.

Who may name a training may write an address into its title, and the letter that says so comes from us. Names such as
ASP.NET and Node.js stand as they are: a host without a scheme and a path leads to somebody's front page at most.
"""

import re
from typing import Final

_BREAK: Final = "\u200c"
"""Zero width non-joiner: nothing to see, and where it stands programs see no address (as newsletters do it)."""

_BYTE: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_LINKED: Final = re.compile(
    rf"""
      :(?=//)                                # https://host
    | (?<=[^\W\d_]):(?=\S)                   # mailto:somebody, javascript:, host.example:8080
    | \\\\(?=\S)                            # \\host\share
    | \bwww\.(?=\S)
    | (?<=\w)[.。．｡](?=                     # t.example/path, but neither M.Si. nor 800.2/0142
        (?:[^\W\d_]{{2,}}|xn--[\w-]+)[.。．｡]?(?:[/／?\#\\]\S|:\d))
    | \b{_BYTE}(?:\.{_BYTE}){{3}}(?=[/／?\#\\:]\S)  # 203.0.113.7/path
    | (?<=\S)@(?=\S)                         # somebody@host.example
    """,
    re.VERBOSE | re.IGNORECASE,
)


def unlinked(text: str) -> str:
    """The same to the eye."""
    return _LINKED.sub(rf"\g<0>{_BREAK}", text)
