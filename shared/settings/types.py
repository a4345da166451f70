"""The kinds of values a setting can have, each with the sentence that says what is wrong with one."""

import difflib
import re
import ssl
import warnings
from pathlib import Path
from typing import Annotated, Final, NewType
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from shared.contracts.catalogue import EVENT_TYPES
from shared.contracts.register import AGENCY_CODE
from shared.identity.identifiers import key
from shared.identity.link_keys import IDENTITY
from shared.kafka.connection import Security
from shared.observability.redaction import redact
from shared.settings.hosts import leads_here, plain_host

Opd = NewType("Opd", str)
OUTSIDE: Final = "outside"
"""In place of an agency: the body is outside the city."""
_CODE: Final = "a code has 1 to 40 of a-z, 0-9 and '-', and does not begin with '-'"
_EVENT_TYPES: Final = sorted(payload.TYPE for payload in EVENT_TYPES)
KAFKA_SET_UP: Final = "python -m shared.kafka_setup"
MAX_WAIT_H: Final = 24 * 365
LEADS_HERE: Final = (
    "leads to this machine itself: set the address that readers of certificates and mails can open"
)
_SECRET_MIN_CHARS: Final = 32
_SECRET_MIN_DISTINCT: Final = 8
MAX_LINK_KEYS: Final = 8
_PLACEHOLDER: Final = re.compile(
    r"change[-_ ]?(me|this|it)|placeholder|replace[-_ ]?(me|this)|example|insecure"
)


def _problem(sentence: str) -> PydanticCustomError:
    # A type of our own: its text is shown as it stands, and never has the value of a secret.
    return PydanticCustomError("setting", sentence)


def _shown(part: str, most_chars: int = 80) -> str:
    """Of a list, the one that is wrong; what may be a password in it is not."""
    return repr(redact(part)[:most_chars])


def _real_secret(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < _SECRET_MIN_CHARS:
        raise _problem(
            f"has fewer than {_SECRET_MIN_CHARS} characters: generate it with 'openssl rand -hex 32'"
        )
    if _PLACEHOLDER.search(value.lower()) or len(set(value)) < _SECRET_MIN_DISTINCT:
        raise _problem("is a placeholder: generate a secret with 'openssl rand -hex 32'")
    return secret


def _link_ring(ring: SecretStr) -> SecretStr:
    keys = ring_of(ring)
    if not 1 <= len(keys) <= MAX_LINK_KEYS:
        raise _problem(
            f"has {len(keys)} keys: it takes 1 to {MAX_LINK_KEYS}, the newest first, one on each line"
        )
    if len(set(keys)) < len(keys):
        raise _problem("has a key twice: keep each once")
    for link_key in keys:
        if link_key != IDENTITY:
            _real_secret(SecretStr(link_key))
    return ring


def ring_of(ring: SecretStr | None) -> tuple[str, ...]:
    """Its keys, newest first; none where there is no ring."""
    return () if ring is None else tuple(ring.get_secret_value().split())


def _mongo_url(url: SecretStr) -> SecretStr:
    value = url.get_secret_value()
    if not re.match(r"mongodb(\+srv)?://[^/]", value):
        raise _problem("is not a MongoDB address: it starts with 'mongodb://' or 'mongodb+srv://'")
    if re.search(r"\s", value):
        raise _problem(
            "has a blank or a line end in it: leave that out, or write %20 for one in the password"
        )
    if fault := _driver_refuses(value):
        raise _problem(fault)
    authority = re.split(r"[/?]", value.partition("://")[2], maxsplit=1)[0]
    for address in authority.rpartition("@")[2].split(","):
        if plain_host(re.sub(r":[0-9]+$", "", address)) is None:
            raise _problem("has a host that is neither a name nor an address: write host:port")
    return url


def _driver_refuses(url: str) -> str:
    """What MongoDB's driver says against an address, in words that have nothing of its password; else empty."""
    from pymongo import MongoClient  # here, as the command line does without the driver
    from pymongo.errors import ConfigurationError, InvalidURI

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it warns of an option that it then leaves out
            MongoClient(url, connect=False).close()
    except InvalidURI as error:
        if "escaped" in str(error):
            return (
                "has a character in its user name or password that is to be escaped there: write %40 for @, %25 for %, "
                "%3A for : and %2F for /"
            )
        return "is not a MongoDB address that its driver can read"
    except (ConfigurationError, Warning, ValueError, TypeError, OSError) as error:
        said = str(error).lower()
        if "port must be" in said:
            return "has a port that is none: write a number from 1 to 65535"
        if "password is required" in said:
            return "has a user name without a password: write user:password@host"
        options = re.findall(r"[?&;]([A-Za-z.]+)=", url)
        if wrong := [option for option in options if option.lower() in said]:
            return f"has a value of {wrong[0]} that MongoDB's driver does not take"
        if "option" in said:
            return f"has an option that MongoDB's driver does not know, one of {', '.join(options)}"
        return "is not a MongoDB address that its driver can read: write host:port, an IPv6 address as [::1]"
    return ""


def _comma_list(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _opd_codes(codes: tuple[Opd, ...]) -> tuple[Opd, ...]:
    for code in codes:
        if not AGENCY_CODE.fullmatch(code):
            raise _problem(f"has the agency code {_shown(code, 40)}: {_CODE}, and commas separate them")
    if len(set(codes)) < len(codes):
        raise _problem("names an agency twice: name each once")
    return codes


def _hours_by_type(value: object) -> object:
    if not isinstance(value, str):
        return value
    hours: dict[str, float] = {}
    for pair in filter(None, (part.strip() for part in value.split(","))):
        event_type, equals, text = (part.strip() for part in pair.partition("="))
        if not equals:
            raise _problem(f"has {_shown(pair)}: write type=hours, several separated by commas")
        if event_type not in _EVENT_TYPES:
            near = difflib.get_close_matches(event_type, _EVENT_TYPES, n=1)
            advice = f"did you mean {near[0]}?" if near else "docs/reference/events.md lists those that exist"
            raise _problem(f"names the event type {_shown(event_type)}, which does not exist: {advice}")
        if event_type in hours:
            raise _problem(f"names {event_type} twice: name each once")
        try:
            hours[event_type] = float(text)
        except ValueError:
            hours[event_type] = 0
        if not 0 < hours[event_type] <= MAX_WAIT_H:
            raise _problem(
                f"gives {event_type} {_shown(text, 20)}: that has to be hours, more than 0 and at most {MAX_WAIT_H}"
            )
    return hours


def _issuers(value: object) -> object:
    if not isinstance(value, str):
        return value
    issuers: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in value.split(","))):
        code, equals, issuer = (part.strip() for part in pair.partition("="))
        if not code or (equals and not AGENCY_CODE.fullmatch(issuer)):
            raise _problem(
                f"has {_shown(pair)}: write CODE=agency, CODE={OUTSIDE}, or CODE alone where nobody has confirmed yet "
                "who issues for it, several separated by commas"
            )
        if key(code) in {key(issuer) for issuer in issuers}:
            raise _problem(f"names {_shown(code, 40)} twice: name each once")
        issuers[code] = issuer
    return issuers


def web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\s\\]", url):
        raise _problem("is not a web address: it starts with 'https://' or 'http://' and a host")
    if not url.isascii():
        raise _problem(
            "has letters other than a-z, which may only look like them: write a host by its ASCII form (xn--...), and "
            "the rest with %"
        )
    if parts.username is not None or parts.password is not None:
        raise _problem("has a user name or password in it: leave that part out")
    # A number alone is an address to browsers, and no name: whether it leads here is asked where that matters.
    if plain_host(host := parts.hostname or "") is None and not host.isdigit():
        raise _problem("is not a web address: its host is neither a name nor an address")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise _problem("has a '?' or '#' part: leave that out")
    return url


def _protected_url(url: str, info: ValidationInfo) -> str:
    if not url.startswith("https://") and not info.data.get("development"):
        raise _problem("does not start with 'https://': plain http is for KOMPETEN_DEVELOPMENT=true only")
    return url


def _public_url(url: str, info: ValidationInfo) -> str:
    if leads_here(urlsplit(url).hostname or "") and not info.data.get("development"):
        raise _problem(LEADS_HERE)
    return url.rstrip("/")


def _kafka_addresses(text: str) -> str:
    """host:port, several separated by commas; an IPv6 address in brackets."""
    addresses = [address.strip() for address in text.split(",")]
    for address in addresses:
        host, colon, port = address.rpartition(":")
        shown = "one that is none" if "@" in address else _shown(address, 60)
        if "://" in address or "@" in address:
            raise _problem(f"has {shown}: write host:port alone, without a scheme, a user or a password")
        if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port[:6]) <= 65535:
            raise _problem(
                f"has {shown}: write host:port with a port from 1 to 65535, several separated by commas"
            )
        if plain_host(host) is None or (":" in host and not host.startswith("[")):
            raise _problem(
                f"has {shown}: write a host's name or address before the port, an IPv6 address as [::1]"
            )
    return ",".join(addresses)


def _host(text: str) -> str:
    host = plain_host(text)
    if host is None:
        raise _problem("is no host: write its name or address alone, without a scheme, a port or a path")
    return host


def _visible(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise _problem(
            "has other characters than ASCII has, which may only look like those: write it in these"
        )
    return text


def _existing_folder(path: Path) -> Path:
    # One that is not there yet is told of by who looks into it.
    try:
        file = path.exists() and not path.is_dir()
    except OSError as error:
        raise _problem(
            f"is no folder that can be looked into ({type(error).__name__}): name another one"
        ) from None
    if file:
        raise _problem("is a file: name the folder that it is in")
    return path


def text_of(pattern: str, words: str) -> AfterValidator:
    """A whole text of a pattern, which people are told in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise _problem(f"is not accepted: write {words}")
        return text

    return AfterValidator(check)


def _kafka_security(security: Security, info: ValidationInfo) -> Security:
    if security == "plaintext" and not info.data.get("development"):
        raise _problem(
            "is 'plaintext', where Kafka asks nobody who they are: that is for KOMPETEN_DEVELOPMENT=true only. "
            "Set sasl_ssl, or sasl_plaintext on a network that nobody else reaches"
        )
    return security


def _kafka_password(password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    if info.data.get("kafka_security", "plaintext") == "plaintext":
        return password
    if password is None or not password.get_secret_value():
        raise _problem(
            f"is missing: set the one that Kafka knows this user by ({KAFKA_SET_UP} sets users up), "
            "or name its file in KOMPETEN_KAFKA_PASSWORD_FILE"
        )
    return password


def _certificates(path: str | None) -> str | None:
    try:
        if path is not None:
            ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise _problem(
            f"names a file that has no certificates in PEM ({type(error).__name__}): "
            "name that of the authority that signed Kafka's certificate"
        ) from None
    return path


Secret = Annotated[SecretStr, AfterValidator(_real_secret)]
LinkRing = Annotated[SecretStr, AfterValidator(_link_ring)]
"""Keys of links, separated by line ends or blanks; `identity` stands for the one that follows from the secret."""
KafkaSecurity = Annotated[Security, AfterValidator(_kafka_security)]
KafkaPassword = Annotated[SecretStr | None, AfterValidator(_kafka_password)]
CertificateFile = Annotated[str | None, AfterValidator(_certificates)]
MongoUrl = Annotated[SecretStr, AfterValidator(_mongo_url)]
KafkaAddresses = Annotated[str, AfterValidator(_kafka_addresses)]
Host = Annotated[str, AfterValidator(_host)]
"""As sockets take it: an IPv6 address without brackets."""
Visible = Annotated[str, AfterValidator(_visible)]
Folder = Annotated[Path, AfterValidator(_existing_folder)]
TopicPrefix = Annotated[
    str, text_of(r"[a-zA-Z0-9._-]{0,60}", "at most 60 of a-z, A-Z, 0-9, '.', '_' and '-'")
]
CommaList = BeforeValidator(_comma_list)
OpdCodes = Annotated[tuple[Opd, ...], NoDecode, CommaList, AfterValidator(_opd_codes)]
WaitingBudgets = Annotated[dict[str, float], NoDecode, BeforeValidator(_hours_by_type)]
Issuers = Annotated[dict[str, str], NoDecode, BeforeValidator(_issuers)]
"""By code of a body: its agency's, OUTSIDE, or empty where nobody has confirmed yet who issues for it."""
HttpUrl = Annotated[str, AfterValidator(web_address)]
ProtectedUrl = Annotated[HttpUrl, AfterValidator(_protected_url)]
PublicUrl = Annotated[HttpUrl, AfterValidator(_public_url)]
