"""Whatever way this machine is written in a public address, it is this machine."""

import socket
import threading

import pytest

from shared.settings.hosts import leads_here, plain_host, resolves_here


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost.", "localhost..", "a.localhost", "a.localhost."),
        *("localhost.localdomain", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback"),
        *("127.0.0.1", "127.255.255.254", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0177.0.0.1"),
        *("2130706433", "017700000001", "127.0.0.1.", "0", "0.0.0.0", "0.1.2.3", "169.254.169.254"),
        *(
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "0:0:0:0:0:0:0:1",
            "fe80::1",
            "fe80::1%eth0",
            "ff02::1",
        ),
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::127.0.0.1"),
        *("64:ff9b:1::7f00:1", "2001:0:0:0:0:0:80ff:fffe", "::ffff:169.254.1.1"),
    ],
)
def test_a_host_that_no_reader_reaches_is_known_by_how_it_is_written(host: str) -> None:
    assert leads_here(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "kompeten.bandung.go.id",
            "localhost.go.id",
            "notlocalhost",
            "127.example",
            "10.1.2.3",
            "192.168.1.1",
        ),
        *("8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::", "fd00::2"),
    ],
)
def test_other_hosts_are_as_good_as_what_they_resolve_to(host: str) -> None:
    assert not leads_here(host)


def test_a_name_is_refused_for_leading_here_alone_and_not_for_being_unknown() -> None:
    assert resolves_here("localhost")
    assert not resolves_here("nobody-knows.invalid")
    assert not resolves_here("10.1.2.3")
    assert not resolves_here("a" * 300)


def test_a_resolver_that_does_not_answer_in_time_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: asked.wait(30) and [])
    try:
        assert not resolves_here("localhost", within_s=0.01)
    finally:
        asked.set()


@pytest.mark.parametrize(
    ("text", "host"),
    [
        *((name, name) for name in ("kafka", "kafka-1.bandung.go.id", "a_b", "10.1.2.3", "mail.example.")),
        *(("[::1]", "::1"), ("::1", "::1"), ("[fe80::1%eth0]", "fe80::1%eth0")),
        *(
            (wrong, None)
            for wrong in ("", " ", "a b", "smtp://a", "a/b", "[::1", "::1]", "[a]", "1::2::3", "25")
        ),
        *(
            (wrong, None)
            for wrong in ("u:p@h", "a@b", "\u0430.example", "a\n", "-a", "a" * 254, "a..b", "\uff11.1")
        ),
    ],
)
def test_a_host_is_a_name_or_an_address_and_nothing_around_it(text: str, host: str | None) -> None:
    assert plain_host(text) == host
