"""Free ports, and asking whether somebody answers there. Everything is on 127.0.0.1."""

import random
import socket
import urllib.error
import urllib.request
from contextlib import ExitStack

HOST = "127.0.0.1"
# Below Linux's range for outgoing connections (from 32768): there, while a broker restarts, a client that
# reconnects can be given the broker's own port and end up connected to itself.
LOW, HIGH = 20000, 32000


def free_ports(count: int) -> list[int]:
    """Distinct ports that nobody listens on just now."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = random.randrange(LOW, HIGH)  # noqa: S311 - no secret
            with ExitStack() as attempt:
                listener = attempt.enter_context(socket.socket())
                try:
                    listener.bind((HOST, port))
                except OSError:
                    continue
                held.enter_context(attempt.pop_all())
                ports.append(port)
        return ports


def port_answers(address: str) -> bool:
    """`address` is host:port."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            return True
    except OSError:
        return False


def url_answers(url: str) -> bool:
    """True for any 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - ours
            return bool(200 <= answer.status < 300)
    except (urllib.error.URLError, OSError):
        return False
