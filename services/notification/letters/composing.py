"""What the mails say. To add one: a row in LETTERS, and a folder of that name under templates/.

A folder has `subject`, `text` and `html`, each as `.id.j2` (Indonesian) and `.en.j2`. Only HTML is escaped:
subject and text are not markup, "Ma'ruf" stays as it is.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from services.notification.letters.documents import Contact, Letter, recipient_of
from services.notification.letters.mime import WIRE, address, alternatives, one_line
from services.notification.letters.unlinked import unlinked
from services.notification.terms import Terms
from shared.tall_text import tall
from shared.wording import written_day, written_moment, written_number

TEMPLATES: Final = Path(__file__).with_name("templates")
LANGUAGES: Final = ("id", "en")

Values = Mapping[str, object]


def certificate_issued(letter: Letter) -> Values:
    """Issued for the first time, or (revision above 1) issued anew after a correction, or valid again."""
    return {
        **_earned(letter),
        "reinstated": bool(letter.reinstated),
        "reinstated_reason": letter.reinstated_reason,
    }


def _earned(letter: Letter) -> Values:
    return {
        "organizer": letter.organizer_name,
        "completed_on": None if letter.completed_on is None else date.fromisoformat(letter.completed_on),
        "jp": letter.jp,
        "jp_by_rate": letter.jp_by_rate,
        "jp_reason": letter.jp_reason,
        "jp_reason_en": letter.jp_reason_en,
        "points": letter.points,
        "points_by_rule": letter.points_by_rule,
        "points_reason": letter.points_reason,
        "points_reason_en": letter.points_reason_en,
        "balance": letter.balance,
        "level": letter.level,
        "level_en": letter.level_en,
    }


def completion_recorded(letter: Letter) -> Values:
    """Without a certificate of ours."""
    return {
        "title": letter.title,
        **_earned(letter),
        "why": letter.why,
        "code": letter.organizer_code,
        "issuing": letter.issuing_name or letter.issuing,
        "issuing_unused": bool(letter.issuing_unused),
        "reporter": letter.reporter_name or letter.reporter,
        "external_issuer": letter.external_issuer,
        "external_certificate": letter.external_certificate,
    }


def certificate_revoked(letter: Letter) -> Values:
    return {
        "reason": letter.revocation_reason,
        "reason_en": letter.revocation_reason_en,
        "hours": letter.hours,
        "organizer": letter.organizer_name,
    }


def address_changed(letter: Letter) -> Values:
    """To the address before."""
    return {"new_address": letter.new_address}


def compose(letter: Letter, contact: Contact, sender: str, now: datetime, terms: Terms) -> EmailMessage:
    """The mail as it is sent, CRLF by `as_bytes()`. `sender` is an address, with a name if wanted. Its links are made
    here and kept nowhere; they lead to our own public address, and nothing that an event says becomes one.

    Raises NoAddress when there is none that mail can be sent to.
    """
    email = recipient_of(letter, contact)
    language = contact.language if contact.language in LANGUAGES else LANGUAGES[0]
    said = {"name": contact.name, **_certificate(letter), **LETTERS[letter.template](letter)}
    values = {name: _tidy(value) for name, value in said.items()}
    values |= _links(letter, email, now, terms)
    writer = _address_of(sender)
    message = EmailMessage(policy=WIRE)
    message["From"] = writer
    message["To"] = address(contact.name, email)
    subject = _template(letter.template, "subject", language).render(values).strip()
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id(letter, sender)
    message["Content-Language"] = language
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply, please
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    values["subject"] = subject
    values["sender"] = writer.display_name or writer.addr_spec
    text = _template(letter.template, "text", language).render(values)
    alternatives(message, text, _template(letter.template, "html", language).render(values))
    return message


def _certificate(letter: Letter) -> Values:
    """Nothing of a letter about none."""
    if not letter.certificate_id:
        return {}
    return {"title": letter.title, "number": letter.certificate_number, "revision": letter.revision}


def _links(letter: Letter, email: str, now: datetime, terms: Terms) -> Values:
    """One opens the certificate, for whom it is mailed to and as long as that is their address; one shows to anybody
    that it is genuine. None in a letter about no certificate."""
    if not letter.certificate_id:
        return {}
    code = terms.ids.verification_code(letter.certificate_id, letter.revision)
    url, until = terms.links.download(letter.certificate_id, letter.revision, email, now)
    return {
        "verification_url": terms.links.verification(code),
        "download_url": url,
        "download_until": until,
    }


def message_id(letter: Letter, sender: str) -> str:
    """The same whenever the letter is sent, so that a mailbox can tell a repeated one."""
    return f"<{re.sub(r'[^A-Za-z0-9_-]', '.', letter.id)}@{_address_of(sender).domain}>"


def written(value: object, language: str) -> str:
    """Dates in words, moments in WIB, numbers with their language's comma."""
    match value:
        case datetime():
            said = written_moment(value)
        case date():
            said = written_day(value)
        case Decimal() | float() | int():
            said = written_number(value)
        case _:
            return str(value)
    return said.id if language == "id" else said.en


@cache
def _address_of(sender: str) -> Address:
    return address(*parseaddr(sender))


@cache
def _template(letter: str, part: str, language: str) -> Template:
    return _environment(part == "html", language).get_template(f"{letter}/{part}.{language}.j2")


@cache
def _environment(escaping: bool, language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escaping,  # noqa: S701  HTML alone is markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["tall"] = lambda text: tall(text, Markup('style="line-height:1.9;"'))
    environment.filters["written"] = lambda value: written(value, language)
    return environment


def _tidy(value: Any) -> Any:
    return unlinked(one_line(value)) if isinstance(value, str) else value


LETTERS: Final[Mapping[str, Callable[[Letter], Values]]] = {
    "certificate_issued": certificate_issued,
    "certificate_revoked": certificate_revoked,
    "completion_recorded": completion_recorded,
    "address_changed": address_changed,
}
