"""Whose matter a refusal is, by what the mail server said (RFC 5321, 4.2; RFC 3463); pure.

Only what names the recipient's address (5.1.x) or mailbox (5.2.x) is the recipient's. All else is about us, the server or
the content: nobody loses a mail by that. A server without enhanced codes is believed by its words, at RCPT alone.
"""

import re
from typing import Final, NamedTuple

from shared.observability.redaction import redact

_REASON_CHARS: Final = 200
_ENHANCED: Final = re.compile(r"^\s*#?([245]\.\d{1,3}\.\d{1,3})\b", re.MULTILINE)
_ABOUT_RECIPIENT: Final = ("1", "2")
_ABOUT_SENDER: Final = ("1.7", "1.8")
_UNDEFINED: Final = "0.0"
_SENDER_NAMED: Final = re.compile(r"\bsender\b|\bmail from\b", re.IGNORECASE)
"""Some servers refuse the sender no sooner than at RCPT, Postfix with 5.1.0."""
_NO_MAIL_DOMAIN: Final = 556  # RFC 7504
_MAYBE_RECIPIENT: Final = (550, 551, 552, 553)
_NOBODY: Final = re.compile(
    r"\b(no such|unknown|invalid|non-?existent|not found|does(n't| not) exist|disabled|inactive|over quota|full)\b",
    re.IGNORECASE,
)
_MAILBOX: Final = re.compile(r"\b(user|mailbox|recipient|account|addressee|person)\b", re.IGNORECASE)


class Reply(NamedTuple):
    code: int
    text: str
    """Of several lines, if it has."""

    @property
    def enhanced(self) -> str:
        """Of the first line that has one; empty: none has."""
        found = _ENHANCED.search(self.text)
        return found[1] if found else ""

    @property
    def status(self) -> str:
        return f"{self.code} {self.enhanced}".strip()

    @property
    def refuses(self) -> bool:
        """For good."""
        return self.code >= 500

    def about_recipient(self, *, at_rcpt: bool) -> bool:
        if _SENDER_NAMED.search(self.text):
            return False
        _, _, what = self.enhanced.partition(".")
        if what and what != _UNDEFINED:
            return what not in _ABOUT_SENDER and what.partition(".")[0] in _ABOUT_RECIPIENT
        if not at_rcpt:
            return False
        named = _NOBODY.search(self.text) and _MAILBOX.search(self.text)
        return self.code == _NO_MAIL_DOMAIN or (self.code in _MAYBE_RECIPIENT and bool(named))

    def reason(self, recipient: str) -> str:
        """Status and words, without the person: servers like to repeat whom they refuse."""
        text = " ".join(_ENHANCED.sub("", self.text).split())
        for part in (recipient, recipient.rpartition("@")[0]):
            if part:
                text = re.sub(re.escape(part), "[address]", text, flags=re.IGNORECASE)
        text = redact(text.encode("utf-8", "replace").decode())
        return f"{self.status} {text}".strip()[:_REASON_CHARS]
