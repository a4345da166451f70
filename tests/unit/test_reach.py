"""A server that a service needs is asked at the start, and a wrong setting is a warning until it is mended."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from devstack.mail_smtp import Fault, Faults, Receiver, listen
from devstack.mail_store import MailStore
from devstack.ports import HOST, free_ports
from services.notification.delivery.smtp import Accepted, Connection, SmtpServer, trouble
from shared.http.app import create_app
from shared.http.health import Check
from shared.http.jwks import KeySet
from shared.http.oidc import OidcAccess
from shared.workers import reach
from shared.workers.reach import ReachCheck
from tests.unit.oidc_issuer import serving_issuer

SOON_S = 5.0


async def true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_trouble_is_asked_about_again_until_it_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "AGAIN_S", 0.01)
    answers = ["no connection", "no answer in time", ""]

    async def ask() -> str:
        return answers.pop(0)

    check = ReachCheck("mail server", ask, "mend it")
    running = asyncio.create_task(check.run())
    await true(lambda: check.remarks() == ["no connection: mend it"])
    await true(lambda: not answers and not check.remarks())
    assert check.faults() == []
    check.stop()
    await running


async def test_a_warning_is_told_by_readiness_which_stays_200() -> None:
    async def checks() -> list[Check]:
        return [Check("mail server", True, "no connection: check the host", warning=True)]

    access = OidcAccess(issuer="https://sso.example", audience="x")
    app = create_app("test", routers=[], readiness=checks, access=access)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == [
        {"name": "mail server", "ok": True, "sentence": "no connection: check the host", "warning": True}
    ]


# The mail server.


@asynccontextmanager
async def mail_server(
    folder: Path, host: str = HOST, fault: str = "none"
) -> AsyncIterator[tuple[int, MailStore]]:
    (port,) = free_ports(1)
    faults, mails = Faults(), MailStore(folder)
    faults.order(Fault(mode=fault))  # type: ignore[arg-type]
    server = await listen(Receiver(mails, faults), host, port)
    try:
        yield port, mails
    finally:
        server.close()


async def test_a_mail_server_in_order_is_asked_without_a_mail(tmp_path: Path) -> None:
    async with mail_server(tmp_path) as (port, mails):
        assert await trouble(SmtpServer(HOST, port), SOON_S) == ""
        assert len(mails) == 0


@pytest.mark.parametrize(
    ("fault", "more", "says"),
    [
        ("refuse", {}, "no service (421 4.3.2)"),
        ("none", {"tls": "starttls"}, "an extension that is asked for is missing"),
        ("none", {"user": "u", "password": "p"}, "an extension that is asked for is missing"),
    ],
)
async def test_what_is_wrong_with_a_mail_server_is_said_in_words(
    tmp_path: Path, fault: str, more: dict[str, str], says: str
) -> None:
    async with mail_server(tmp_path, fault=fault) as (port, _):
        assert await trouble(SmtpServer(HOST, port, **more), SOON_S) == says  # type: ignore[arg-type]


async def test_a_wrong_port_is_no_connection() -> None:
    (closed,) = free_ports(1)
    assert await trouble(SmtpServer(HOST, closed), SOON_S) == "no connection"
    assert await trouble(SmtpServer("mail.invalid", 25), SOON_S) == "no connection"


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
async def test_a_mail_goes_to_a_server_at_an_ipv6_address_too(tmp_path: Path, host: str) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with mail_server(tmp_path, host) as (port, mails):
        server = SmtpServer(host, port, client_name="bandung.example")
        connection = Connection(server, SOON_S)
        assert (
            await connection.deliver("kompeten@bandung.example", "rina@example.org", b"To: x\r\n\r\nx\r\n")
            == Accepted()
        )
        await connection.quit()
        (mail,) = mails.newest_first(0, 9)
    assert mail.recipients == ("rina@example.org",)


# The issuer.


async def asked(issuer: str, jwks_url: str | None = None) -> str:
    keys = KeySet(issuer=issuer, jwks_url=jwks_url, timeout_s=SOON_S)
    try:
        return await keys.trouble()
    finally:
        await keys.aclose()


async def test_what_is_wrong_with_an_issuer_is_said_in_words() -> None:
    (closed,) = free_ports(1)
    with serving_issuer() as issuer:
        assert await asked(issuer.url) == ""
        assert await asked(issuer.url + "/realms/wrong") == "it answers 500"
        assert await asked(issuer.url + "/") == "the discovery document is another issuer's"
        assert await asked(f"http://{HOST}:{closed}") == "no connection"
        assert await asked("sso.example") == "what is set is no address"
        issuer.key_set = "no JSON"
        assert await asked(issuer.url) == "it answers no JSON"
        issuer.key_set = {"keys": []}
        assert await asked(issuer.url, f"{issuer.url}/jwks") == "it has no key that is usable here"


async def test_an_issuer_that_comes_is_in_order_at_the_next_look() -> None:
    with serving_issuer() as issuer:
        issuer.up = False
        keys = KeySet(issuer=issuer.url, jwks_url=None, min_interval_s=0)
        assert await keys.trouble()
        issuer.up = True
        assert await keys.trouble() == ""
        await keys.aclose()
