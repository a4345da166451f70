"""Where a service cannot listen is told by the name of its setting, before it starts."""

import socket

import pytest

from shared.http.listening import listening_faults


def test_ports_that_are_free_or_any_are_well_and_free_afterwards() -> None:
    for _ in range(2):
        assert listening_faults({"http": ("127.0.0.1", 0), "internal": ("::1", 0)}) == []


def test_a_port_that_somebody_has_is_told_by_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (fault,) = listening_faults({"http": ("127.0.0.1", 0), "internal": ("127.0.0.1", port)})
    assert fault.startswith(f"KOMPETEN_INTERNAL_PORT={port} cannot be listened on (Address already in use): ")
    (fault,) = listening_faults({"http": ("127.0.0.1", port), "internal": ("127.0.0.1", port)})
    assert fault.startswith(f"KOMPETEN_INTERNAL_PORT={port} cannot")


@pytest.mark.parametrize("host", ["nobody-knows.invalid", "192.0.2.1"])
def test_an_address_that_is_not_this_machines_is_told_by_its_setting(host: str) -> None:
    (fault,) = listening_faults({"http": (host, 0)})
    assert fault.startswith("KOMPETEN_HTTP_HOST is no address that this machine can listen on (")
    assert fault.endswith("for example KOMPETEN_HTTP_HOST=127.0.0.1.")
