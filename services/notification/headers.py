"""A mail's headers on the wire: exact for every name and title, and never two headers where one was meant.

Python 3.11's own folding loses the quotes of long names ("M.Kom." then ends an address) and reads what looks
like an encoded word in a title. So names and subjects are encoded here, whole, and by the older `Header`.
"""

import re
from email.header import Header
from email.headerregistry import Address
from email.policy import EmailPolicy
from typing import Any, Final

# C0 and C1 controls, line and paragraph separators; what no UTF-8 can carry.
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNENCODABLE: Final = re.compile(r"[\ud800-\udfff]")
_PLAIN_CHARS: Final = 60
"""Shorter ASCII stands in one line beside its header's name; longer is encoded, then folding is exact."""


def one_line(text: str) -> str:
    return _UNENCODABLE.sub("\N{REPLACEMENT CHARACTER}", _BREAKS.sub(" ", text)).strip()


def address(name: str, addr_spec: str) -> Address:
    """With the domain in ASCII. Raises ValueError if it is no address."""
    local, at, domain = one_line(addr_spec).rpartition("@")
    if not (at and local and domain) or re.search(r"[\s<>,;:\"()\[\]\\]", local + domain):
        raise ValueError("not an address that mail can be sent to")
    return Address(one_line(name), local, domain.encode("idna").decode() if not domain.isascii() else domain)


class WirePolicy(EmailPolicy):
    """Stores and folds the headers that carry names and titles; all others as usual."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower() == "subject" and isinstance(value, str):
            return name, one_line(value)
        return super().header_store_parse(name, value)

    def fold(self, name: str, value: Any) -> str:
        return f"{name}: {self._encoded(name, value)}\r\n" if _is_ours(name) else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        # Beyond ASCII there is at most an address that only SMTPUTF8 can carry.
        return self.fold(name, value).encode("utf-8")

    def _encoded(self, name: str, value: Any) -> str:
        if name.lower() == "subject":
            return _text(str(value), name)
        return ",\r\n ".join(_mailbox(one, name) for one in value.addresses)


WIRE: Final = WirePolicy(linesep="\r\n", cte_type="7bit")


def _is_ours(name: str) -> bool:
    return name.lower() in ("subject", "from", "to")


def _text(text: str, name: str) -> str:
    if text.isascii() and len(text) <= _PLAIN_CHARS and "=?" not in text:
        return text
    return _encoded_words(text, name)


def _mailbox(one: Address, name: str) -> str:
    if not one.display_name:
        return one.addr_spec
    if one.display_name.isascii() and len(one.display_name) <= _PLAIN_CHARS and "=?" not in one.display_name:
        quoted = one.display_name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"\r\n <{one.addr_spec}>'
    return f"{_encoded_words(one.display_name, name)}\r\n <{one.addr_spec}>"


def _encoded_words(text: str, name: str) -> str:
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")
