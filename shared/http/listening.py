"""Whether a service can listen where its settings say, tried before it starts: uvicorn would end it with a traceback."""

import errno
import socket
from contextlib import ExitStack

from shared.settings.sources import variable

_PORT_FAULTS = (errno.EADDRINUSE, errno.EACCES)


def listening_faults(addresses: dict[str, tuple[str, int]]) -> list[str]:
    """A sentence for each that cannot be. `addresses`: (host, port) by the start of the names of their settings."""
    faults = []
    with ExitStack() as held:  # all at once, so that two of the same port are found
        for name, (host, port) in addresses.items():
            host_setting, port_setting = variable(f"{name}_host"), variable(f"{name}_port")
            try:
                family, kind, protocol, _, address = socket.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                listening = held.enter_context(socket.socket(family, kind, protocol))
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
                listening.bind(address)
                listening.listen(1)
            except OSError as error:
                why = error.strerror or type(error).__name__
                if error.errno in _PORT_FAULTS:
                    faults.append(
                        f"{port_setting}={port} cannot be listened on ({why}): end what listens there, or write another "
                        f"one, for example {port_setting}=0 for any that is free."
                    )
                else:
                    faults.append(
                        f"{host_setting} is no address that this machine can listen on ({why}): write one that it has, "
                        f"for example {host_setting}=127.0.0.1."
                    )
    return faults
