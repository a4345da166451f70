"""What a host leads to, however it is written, and whether a setting may name it."""

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Iterator
from functools import cache
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
# Names that hosts files give this machine, where no DNS is asked.
_LOCAL_NAMES: Final = re.compile(r"(.+\.)?((localhost|localdomain)[46]?|ip6-(localhost|loopback))")
_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_COMPATIBLE: Final = ipaddress.ip_network("::/96")
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")
RESOLVED_WITHIN_S: Final = 3.0


def plain_host(text: str) -> str | None:
    """A name or an address as sockets take it, `[::1]` without its brackets; None for what is neither."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare:
        try:
            return str(ipaddress.IPv6Address(bare.partition("%")[0])) and bare
        except ValueError:
            return None
    # A number alone is taken for an address by the system's resolver: here it is a port in the wrong place.
    return bare if bare == text and _NAME.fullmatch(bare) and not bare.isdigit() else None


def leads_here(host: str) -> bool:
    """By how it is written, without asking anybody: to this machine, or to no machine that somebody else reaches."""
    name = host.rstrip(".").lower()
    written = _written(name)
    return _LOCAL_NAMES.fullmatch(name) is not None if written is None else not _reachable(written)


@cache
def resolves_here(host: str, within_s: float = RESOLVED_WITHIN_S) -> bool:
    """Whether all that the resolver knows of a name leads here. False where it knows nothing, or not in time: DNS may be
    away at a start."""
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put([ipaddress.ip_address(str(to[0]).partition("%")[0]) for *_, to in found])
        except (OSError, ValueError):
            answers.put([])

    threading.Thread(target=ask, daemon=True).start()
    try:
        addresses = answers.get(timeout=within_s)
    except queue.Empty:
        return False
    return bool(addresses) and not any(_reachable(address) for address in addresses)


def _written(host: str) -> Address | None:
    """The address that it is written as, in any form that browsers read; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # 0x7f.1, 2130706433, 0177.0.0.1, 127.1
    except (OSError, UnicodeEncodeError):
        return None


def _reachable(address: Address) -> bool:
    """By others. Private networks count: a city may publish to its own alone."""
    if address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address not in _THIS_NETWORK and not address.is_reserved
    return all(_reachable(inner) for inner in _inside(address))


def _inside(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """IPv4 addresses that an IPv6 one stands for."""
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield address.teredo[1]
    if address in _COMPATIBLE or any(address in network for network in _NAT64):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
