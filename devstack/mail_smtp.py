"""The SMTP side of the mail catcher, and the faults that a test can order of it.

mode              what the client meets                             is the mail kept?
none              250                                               yes
refuse            421 instead of a greeting                         no
tempfail          451 at RCPT                                       no
permfail          550 at RCPT, with the address, as servers do      no
quota             452 at MAIL: sent too many today                  no
reply             `text` at `at`, for recipients with `to` in them  no
slow              every DATA is answered `delay_s` later            yes, unless the client left before
close_after_data  a dropped connection for an answer to DATA        yes, and the client cannot know
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, Envelope, Session, syntax
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from devstack.mail_store import MailStore

Mode = Literal["none", "refuse", "tempfail", "permfail", "quota", "reply", "slow", "close_after_data"]
SIZE_LIMIT_BYTES = 50_000_000
END = b"\r\n.\r\n"
LINE_LIMIT_BYTES = 998  # RFC 5321 4.5.3.1.6, without its end


class Fault(BaseModel):
    """`count`: how many times, then none again; without it until the next order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode
    count: PositiveInt | None = None
    delay_s: PositiveFloat = 5.0
    at: Literal["mail", "rcpt", "data"] = "rcpt"
    text: str = "550 5.7.1 Ordered by a test: relaying denied"
    """Of several lines, if wanted, each with its code."""
    to: str = ""


class Faults:
    def __init__(self) -> None:
        self.ordered = Fault(mode="none")
        self.given = 0

    def order(self, fault: Fault) -> None:
        self.ordered, self.given = fault, 0

    def reply(self, at: str, recipients: Sequence[str] = ("",)) -> str | None:
        fault = self.ordered
        if (
            fault.mode == "reply"
            and fault.at == at
            and any(fault.to in recipient for recipient in recipients)
        ):
            return fault.text if self.take("reply") else None
        return None

    def take(self, mode: Mode) -> bool:
        """Whether to fail now, in this way; counts it."""
        fault = self.ordered
        if fault.mode != mode or (fault.count is not None and self.given >= fault.count):
            return False
        self.given += 1
        return True


class Receiver:
    """aiosmtpd's handler."""

    def __init__(self, store: MailStore, faults: Faults) -> None:
        self.store, self.faults = store, faults

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.faults.take("quota"):
            return "452 4.7.1 Ordered by a test: the sending limit of today is reached"
        if (reply := self.faults.reply("mail")) is not None:
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.faults.take("tempfail"):
            return "451 4.3.0 Ordered by a test: try again later"
        if self.faults.take("permfail"):
            return f"550 5.1.1 <{address}> Ordered by a test: no such mailbox"
        if (reply := self.faults.reply("rcpt", [address])) is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.faults.take("slow"):
            await asyncio.sleep(self.faults.ordered.delay_s)  # ended by aiosmtpd when the client leaves
        if (reply := self.faults.reply("data", envelope.rcpt_tos)) is not None:
            return reply
        raw = envelope.original_content or b""
        mail = self.store.add(raw, envelope.mail_from or "", envelope.rcpt_tos)
        if self.faults.take("close_after_data"):
            assert server.transport is not None
            server.transport.close()
            await asyncio.Event().wait()  # nothing is answered; ended by aiosmtpd when the connection is gone
        return f"250 2.0.0 Ok: queued as {mail.id}"


class Connection(SMTP):
    def __init__(self, receiver: Receiver, **options: Any) -> None:
        self._faults = receiver.faults
        super().__init__(receiver, **options)

    async def _handle_client(self) -> None:
        if self._faults.take("refuse"):
            await self.push("421 4.3.2 Ordered by a test: no service")
            assert self.transport is not None
            self.transport.close()
            return
        await super()._handle_client()

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        """Reads by blocks: by lines, as aiosmtpd's own, 70 KB take 2.6 ms of CPU; so 0.9."""
        assert self.envelope is not None
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        raw, is_too_much = bytearray(b"\r\n"), False  # the end of the line before: a mail may be empty
        while not raw.endswith(END):
            block = await self._reader.read(65536)
            if not block:
                return  # the client is gone
            raw += block
            if len(raw) > SIZE_LIMIT_BYTES:
                raw, is_too_much = raw[-len(END) :], True
        if is_too_much:
            answer = "552 Error: Too much mail data"
        elif max(map(len, raw.split(b"\r\n"))) > LINE_LIMIT_BYTES:
            answer = "500 Line too long (see RFC5321 4.5.3.1.6)"
        else:
            dots_undone = raw[: -len(END) + 2].replace(b"\r\n.", b"\r\n")
            self.envelope.original_content = bytes(dots_undone[2:])
            answer = await self._call_handler_hook("DATA")
        self._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd has none
        await self.push(answer)


async def listen(receiver: Receiver, host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()

    def connection() -> Connection:
        return Connection(
            receiver, hostname="localhost", loop=loop, enable_SMTPUTF8=True, data_size_limit=SIZE_LIMIT_BYTES
        )

    return await loop.create_server(connection, host, port)
