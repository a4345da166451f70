"""What notification reads beyond the settings that all services share: its mail server."""

import re
from email.utils import parseaddr
from ipaddress import IPv6Address, ip_address
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from services.notification.delivery.smtp import SmtpServer
from services.notification.letters.mime import NoAddress, address, ascii_domain
from services.notification.terms import REISSUE_QUIET_S
from shared.settings.common import Settings
from shared.settings.types import LinkRing, Visible

_NOT_IN_HOST: Final = re.compile(r"[\s:/@\[\]]")


def _mail_address(sender: str) -> str:
    try:
        one = address(*parseaddr(sender))
    except NoAddress:
        one = None
    if one is None or not one.addr_spec.isascii() or "." not in one.domain:
        raise PydanticCustomError("setting", "is no address that mails can come from")
    return sender


def _host(host: str) -> str:
    """As a connection takes it: an IPv6 address without brackets, a name in ASCII."""
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        if isinstance(ip_address(inner), IPv6Address):
            return inner
    except ValueError:  # a name, or an IPv4 address in brackets
        pass
    try:
        name = ascii_domain(host)
        name.encode("idna")  # as it is looked up: no empty or too long parts
    except UnicodeError:
        name = ""
    if not name or _NOT_IN_HOST.search(name):
        raise PydanticCustomError(
            "setting",
            "is no host: write its name or address alone, without port, as mail.agency.go.id or ::1",
        )
    return name


def _credentials(password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    user, tls = info.data.get("smtp_user"), info.data.get("smtp_tls")
    if (user is None) != (password is None):
        raise PydanticCustomError("setting", "and KOMPETEN_SMTP_USER go together: set both or none")
    if password is not None and tls == "none" and not info.data.get("development"):
        raise PydanticCustomError(
            "setting", "would go out unprotected: set KOMPETEN_SMTP_TLS=starttls or tls"
        )
    return password


class NotificationSettings(Settings):
    service: ClassVar[str] = "notification"

    smtp_host: Annotated[str, AfterValidator(_host)] = Field(
        "127.0.0.1", description="Mail server that takes all mails: name, IPv4 or IPv6 address"
    )
    smtp_port: int = Field(25, ge=1, le=65535, description="Its port; usual are 587 (starttls) and 465 (tls)")
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "none", description="How the connection to the mail server is protected; its certificate is checked"
    )
    smtp_user: Visible | None = Field(
        None, description="Name to sign in with at the mail server", examples=["kompeten@agency.go.id"]
    )
    smtp_password: Annotated[SecretStr | None, AfterValidator(_credentials)] = Field(
        None, validate_default=True, description="Password to sign in with at the mail server"
    )
    mail_from: Annotated[str, AfterValidator(_mail_address)] = Field(
        description="Sender of all mails: an address, with a name if wanted",
        examples=["Kompeten <kompeten@agency.go.id>"],
    )
    mail_connections: int = Field(4, ge=1, le=50, description="Connections to the mail server at a time")
    mail_unknown: Literal["resend", "hold"] = Field(
        "resend",
        description="A mail of which nobody knows whether it arrived is sent again, and counted; or held",
    )

    link_keys: LinkRing | None = Field(
        None,
        description="Keys that sign links in mails, newest first, one on each line; without it, one of KOMPETEN_SECRET",
    )
    reissue_quiet_s: float = Field(
        REISSUE_QUIET_S,
        ge=0,
        le=24 * 3600,
        description="Seconds that a certificate issued anew waits for a newer issue before its mail goes out",
    )
    letters_a_day: int = Field(
        20,
        ge=1,
        le=100_000,
        description="Mails to an address that nobody has confirmed, in 24 hours; more of them wait",
    )

    def smtp(self) -> SmtpServer:
        password = None if self.smtp_password is None else self.smtp_password.get_secret_value()
        name = address(*parseaddr(self.mail_from)).domain
        return SmtpServer(self.smtp_host, self.smtp_port, self.smtp_tls, self.smtp_user, password, name)
