"""One mail over one of a few reused connections, and what became of it. Only this module knows aiosmtplib.

Accepted      the server has it
TryLater      this mail was put off (4xx, the connection broke before DATA)
Refused       the server does not take it for this person (5.1.x, 5.2.x; see replies.py)
Barred        it does not take it for any other reason (all other 5xx): ours or the server's to mend
Unsure        the connection broke between DATA and its answer: it may have arrived
ServerAway    raised: no mail can be sent, and none is at fault
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Literal

import aiosmtplib
from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from services.notification.delivery.replies import Reply

IDLE_S: Final = 30.0
"""Servers hang up on a connection that is idle for longer, some after a minute."""
_CLOSING: Final = 421
_WANTS_SIGN_IN: Final = 530
_MISSING: Final = "an extension that is asked for is missing"
_CAUSES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiosmtplib.SMTPConnectTimeoutError, "no answer to the connection"),
    (SMTPAuthenticationError, "sign-in was refused"),
    (SMTPResponseException, "no service"),
    (aiosmtplib.SMTPNotSupported, _MISSING),
    (aiosmtplib.SMTPConnectError, "no connection"),
    (aiosmtplib.SMTPServerDisconnected, "the connection broke"),
    (TimeoutError, "no answer in time"),
    (OSError, "no connection"),
    (SMTPException, "not understood"),
    (ValueError, "a setting is not usable"),
)


@dataclass(frozen=True)
class SmtpServer:
    host: str
    port: int
    tls: Literal["none", "starttls", "tls"] = "none"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    client_name: str | None = None
    """For EHLO; None: what this machine calls itself."""


@dataclass(frozen=True)
class Accepted:
    pass


@dataclass(frozen=True)
class TryLater:
    reason: str
    at_rcpt: bool = False
    """Here and below: as the server heard who it is for, before the content."""


@dataclass(frozen=True)
class Refused:
    reason: str
    certain: bool = False
    """Nobody had to ask the server."""
    at_rcpt: bool = False


@dataclass(frozen=True)
class Barred:
    reason: str
    at_rcpt: bool = False


@dataclass(frozen=True)
class Unsure:
    reason: str


Delivery = Accepted | TryLater | Refused | Barred | Unsure


class ServerAway(Exception):
    """Says in a few words why; has no address of anybody in it."""

    def __init__(self, why: str, *, answers: bool = False) -> None:
        """`answers`: it is there, and takes no mail."""
        super().__init__(why)
        self.answers = answers


class Connection:
    """To be used by one task at a time; connects when it is needed."""

    def __init__(self, server: SmtpServer, deadline_s: float) -> None:
        self._server, self._deadline_s = server, deadline_s
        self._smtp: SMTP | None = None
        self._phase: Literal["connecting", "ready", "before", "after"] = "ready"
        self.used_at = monotonic()

    async def deliver(self, sender: str, recipient: str, message: bytes) -> Delivery:
        """Within the deadline. Raises ServerAway."""
        self.used_at = monotonic()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._envelope(sender, recipient) or await self._data(recipient, message)
        except TimeoutError:
            if self._phase == "connecting":
                raise ServerAway("no answer in time") from None
            reason = f"no answer in time, {self._phase} DATA"
            return Unsure(reason) if self._phase == "after" else TryLater(reason)
        finally:
            if self._phase != "ready":  # an answer that comes late must not be taken for the next mail's
                self.close()

    async def would_take(self, sender: str, recipient: str) -> bool:
        """Asks for one mail to this person, and sends none. Raises ServerAway."""
        self.used_at = monotonic()
        try:
            async with asyncio.timeout(self._deadline_s):
                taken = await self._envelope(sender, recipient) is None
                await self._reset()
                return taken
        except TimeoutError:
            if self._phase == "connecting":
                raise ServerAway("no answer in time") from None
            return False
        finally:
            if self._phase != "ready":
                self.close()

    async def probe(self) -> None:
        """Whether the server takes a connection, and still answers over this one. Raises ServerAway."""
        try:
            async with asyncio.timeout(self._deadline_s):
                await self.open()
                await self._reset()
                await self.open()
        except TimeoutError:
            self.close()
            raise ServerAway("no answer in time") from None

    async def open(self) -> None:
        """Raises ServerAway."""
        if self._is_open:
            return
        self._phase = "connecting"
        smtp = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.tls == "tls",
            start_tls=self._server.tls == "starttls",
            username=self._server.user,
            password=self._server.password,
            local_hostname=self._server.client_name,
            timeout=self._deadline_s,
        )
        self._smtp = smtp
        try:
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        except (SMTPException, OSError, ValueError) as error:
            self.close()
            raise ServerAway(_cause(error)) from error
        self._phase = "ready"

    def close(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None

    async def quit(self) -> None:
        """Politely, if that is quick."""
        if self._smtp is not None and self._smtp.is_connected:
            with suppress(SMTPException, OSError):  # it is over either way
                await self._smtp.quit(timeout=1)
        self.close()

    @property
    def _is_open(self) -> bool:
        return self._smtp is not None and self._smtp.is_connected

    async def _envelope(self, sender: str, recipient: str) -> TryLater | Refused | Barred | None:
        """None: the server waits for DATA."""
        reused = self._is_open
        while True:
            try:
                return await self._try_envelope(sender, recipient)
            except (SMTPException, OSError) as error:
                self.close()
                if not reused:
                    return TryLater(f"before DATA: {_cause(error)}")
                reused = False  # it may have been dead for long: once more, over a fresh one

    async def _try_envelope(self, sender: str, recipient: str) -> TryLater | Refused | Barred | None:
        await self.open()
        smtp = self._smtp
        assert smtp is not None
        utf8 = not (sender + recipient).isascii()
        if utf8 and not smtp.supports_extension("smtputf8"):
            words = "the mail server takes no addresses with letters beyond ASCII (SMTPUTF8)"
            return Refused(words, certain=True)
        encoding, options = ("utf-8", ["SMTPUTF8"]) if utf8 else ("ascii", [])
        self._phase = "before"
        try:
            await smtp.mail(sender, options=options, encoding=encoding)
            await smtp.rcpt(recipient, encoding=encoding)
        except SMTPSenderRefused as error:
            if error.code == _CLOSING:
                raise
            self.close()
            # It would refuse all mails: a fault of the configuration or of the server.
            what = (
                "it asks for a sign-in" if error.code == _WANTS_SIGN_IN else "our sender address is refused"
            )
            raise ServerAway(f"{what} ({_reply(error).status})", answers=True) from error
        except SMTPRecipientRefused as error:
            if error.code == _CLOSING:
                raise
            await self._reset()
            return _refusal(error, recipient, at_rcpt=True)
        return None

    async def _data(self, recipient: str, message: bytes) -> Delivery:
        assert self._smtp is not None
        # Also while the server has yet to say that it waits for the content: the library does both in one.
        self._phase = "after"
        try:
            await self._smtp.data(message)
        except SMTPDataError as error:
            await self._reset()
            return _refusal(error, recipient, at_rcpt=False)
        except (SMTPException, OSError) as error:
            return Unsure(f"after DATA: {_cause(error)}")
        self._phase = "ready"
        return Accepted()

    async def _reset(self) -> None:
        """Ready for the next mail, or closed."""
        self._phase = "ready"
        try:
            if self._smtp is not None:
                await self._smtp.rset()
        except (SMTPException, OSError):
            self.close()


async def trouble(server: SmtpServer, deadline_s: float) -> str:
    """Signs in without a mail, over a connection of its own; what is wrong, empty: nothing."""
    connection = Connection(server, deadline_s)
    try:
        await connection.probe()
    except ServerAway as away:
        return str(away)
    finally:
        await connection.quit()
    return ""


class Connections:
    """At most `count` at once."""

    def __init__(self, server: SmtpServer, count: int, deadline_s: float) -> None:
        self.count = count
        self._all = [Connection(server, deadline_s) for _ in range(count)]
        # Last in, first out: few mails keep few connections open.
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for connection in self._all:
            self._free.put_nowait(connection)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        connection = await self._free.get()
        try:
            yield connection
        finally:
            self._free.put_nowait(connection)

    async def close(self, idle_s: float = 0) -> None:
        """Those that nobody uses, and used for the last time `idle_s` ago."""
        free = [self._free.get_nowait() for _ in range(self._free.qsize())]
        for connection in reversed(free):
            if monotonic() - connection.used_at >= idle_s:
                await connection.quit()
            self._free.put_nowait(connection)


def _refusal(error: SMTPResponseException, recipient: str, *, at_rcpt: bool) -> TryLater | Refused | Barred:
    reply = _reply(error)
    reason = reply.reason(recipient)
    if not reply.refuses:
        return TryLater(reason, at_rcpt=at_rcpt)
    if reply.about_recipient(at_rcpt=at_rcpt):
        return Refused(reason, at_rcpt=at_rcpt)
    return Barred(reason, at_rcpt=at_rcpt)


def _reply(error: SMTPResponseException) -> Reply:
    return Reply(error.code, error.message)


def _cause(error: BaseException) -> str:
    text = next(words for kind, words in _CAUSES if isinstance(error, kind))
    # The library has a class of its own for some of these alone.
    if isinstance(error, SMTPException) and "not support" in str(error.message):
        text = _MISSING
    return f"{text} ({_reply(error).status})" if isinstance(error, SMTPResponseException) else text
