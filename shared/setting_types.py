"""The kinds of values a setting can have, each with the sentence that says what is wrong with one."""

import difflib
import re
import ssl
from typing import Annotated, Final, NewType
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from shared.contracts.catalogue import EVENT_TYPES
from shared.identifiers import key
from shared.kafka_connection import Security
from shared.link_keys import IDENTITY

Opd = NewType("Opd", str)
_OPD: Final = re.compile(r"[a-z0-9-]+")
OUTSIDE: Final = "outside"
"""In place of an agency: the body is outside the city."""
_LOCAL_HOSTS: Final = ("localhost", "::1", "::", "0.0.0.0")  # noqa: S104  refused, not bound
_EVENT_TYPES: Final = sorted(payload.TYPE for payload in EVENT_TYPES)
KAFKA_SET_UP: Final = "python -m shared.kafka_setup"
LONGEST_WAIT_H: Final = 24 * 365
_SECRET_MIN_CHARS: Final = 32
_SECRET_MIN_DISTINCT: Final = 8
MAX_LINK_KEYS: Final = 8
_PLACEHOLDER: Final = re.compile(
    r"change[-_ ]?(me|this|it)|placeholder|replace[-_ ]?(me|this)|example|insecure"
)


def _problem(sentence: str) -> PydanticCustomError:
    # A type of our own: its text is shown as it stands, and never has the value of a secret.
    return PydanticCustomError("setting", sentence)


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
    for one in keys:
        if one != IDENTITY:
            _real_secret(SecretStr(one))
    return ring


def ring_of(ring: SecretStr | None) -> tuple[str, ...]:
    """Its keys, newest first; none where there is no ring."""
    return () if ring is None else tuple(ring.get_secret_value().split())


def _mongo_url(url: SecretStr) -> SecretStr:
    if not re.match(r"mongodb(\+srv)?://[^/]", url.get_secret_value()):
        raise _problem("is not a MongoDB address: it starts with 'mongodb://' or 'mongodb+srv://'")
    return url


def _comma_list(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _opd_codes(codes: tuple[Opd, ...]) -> tuple[Opd, ...]:
    for code in codes:
        if not _OPD.fullmatch(code):
            raise _problem(f"has the agency code {code[:40]!r}: a code has a-z, 0-9 and '-' only")
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
            raise _problem(f"has {pair[:80]!r}: write type=hours, several separated by commas")
        if event_type not in _EVENT_TYPES:
            near = difflib.get_close_matches(event_type, _EVENT_TYPES, n=1)
            advice = f"did you mean {near[0]}?" if near else "docs/reference/events.md lists those that exist"
            raise _problem(f"names the event type {event_type[:80]!r}, which does not exist: {advice}")
        if event_type in hours:
            raise _problem(f"names {event_type} twice: name each once")
        try:
            hours[event_type] = float(text)
        except ValueError:
            hours[event_type] = 0
        if not 0 < hours[event_type] <= LONGEST_WAIT_H:
            raise _problem(
                f"gives {event_type} {text[:20]!r}: that has to be hours, more than 0 and at most {LONGEST_WAIT_H}"
            )
    return hours


def _issuers(value: object) -> object:
    if not isinstance(value, str):
        return value
    issuers: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in value.split(","))):
        code, equals, issuer = (part.strip() for part in pair.partition("="))
        if not code or (equals and not _OPD.fullmatch(issuer)):
            raise _problem(
                f"has {pair[:80]!r}: write CODE=agency, CODE={OUTSIDE}, or CODE alone where nobody has confirmed yet who "
                "issues for it, several separated by commas"
            )
        if key(code) in {key(one) for one in issuers}:
            raise _problem(f"names {code[:40]} twice: name each once")
        issuers[code] = issuer
    return issuers


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\s\\]", url):
        raise _problem("is not a web address: it starts with 'https://' or 'http://' and a host")
    if parts.username is not None or parts.password is not None:
        raise _problem("has a user name or password in it: leave that part out")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise _problem("has a '?' or '#' part: leave that out")
    return url


def _protected_url(url: str, info: ValidationInfo) -> str:
    if not url.startswith("https://") and not info.data.get("development"):
        raise _problem("does not start with 'https://': plain http is for KOMPETEN_DEVELOPMENT=true only")
    return url


def _public_url(url: str, info: ValidationInfo) -> str:
    host = (urlsplit(url).hostname or "").rstrip(".")
    # The address that means "every interface" is as unreachable for a reader as localhost.
    local = host in _LOCAL_HOSTS or host.endswith(".localhost") or host.startswith("127.")
    if local and not info.data.get("development"):
        raise _problem(
            "leads to this machine itself: set the address that readers of certificates and mails can open"
        )
    return url.rstrip("/")


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
CommaList = BeforeValidator(_comma_list)
OpdCodes = Annotated[tuple[Opd, ...], NoDecode, CommaList, AfterValidator(_opd_codes)]
WaitingBudgets = Annotated[dict[str, float], NoDecode, BeforeValidator(_hours_by_type)]
Issuers = Annotated[dict[str, str], NoDecode, BeforeValidator(_issuers)]
"""By code of a body: its agency's, OUTSIDE, or empty where nobody has confirmed yet who issues for it."""
HttpUrl = Annotated[str, AfterValidator(_http_url)]
ProtectedUrl = Annotated[HttpUrl, AfterValidator(_protected_url)]
PublicUrl = Annotated[HttpUrl, AfterValidator(_public_url)]
