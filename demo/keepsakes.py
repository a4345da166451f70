"""Keeps one certificate and one mail to look at, fetched as their employee would."""

from collections.abc import Iterator
from pathlib import Path

import httpx

from demo.city import City
from demo.comparison import Reader, html_of
from demo.reconcile import ISSUED, Certified, Comparison, Letter
from devstack.kompeten import Kompeten
from shared.contracts.vocabulary import Level


def keep(
    city: City, kompeten: Kompeten, reader: Reader, comparison: Comparison, run_dir: Path
) -> Iterator[str]:
    """Writes the files; yields a line about each."""
    chosen = _chosen(city, comparison)
    if chosen is None:
        return
    row, letter, link = chosen
    pdf = _pdf_of(row, kompeten)
    if pdf is not None:
        yield _written(run_dir / "certificate.pdf", pdf)
    mail = reader.mail_of(letter.message_id)
    yield _written(run_dir / "mail.eml", mail)
    yield _written(run_dir / "mail.html", html_of(mail).encode())
    status = httpx.get(link, timeout=10).status_code
    yield f"verification: {link} (answered {status} while the demo ran; `make up` keeps a stack running)"


def _chosen(city: City, comparison: Comparison) -> tuple[Certified, Letter, str] | None:
    """Preferably from the international workshop: its certificate has the most on it."""
    links = {mail.message_id: mail.link for mail in comparison.caught}
    letters = {
        letter.completion_id: letter
        for letter in comparison.letters
        if letter.template == ISSUED and links.get(letter.message_id)
    }
    rows = [
        completion
        for completion in comparison.certified
        if completion.completion_id in letters and not completion.revoked and completion.has_pdf
    ]

    def interest(row: Certified) -> tuple[bool, bool, str]:
        expected = city.expected.get(row.occasion)
        abroad = expected is not None and expected.completed.training.level is Level.INTERNATIONAL
        return abroad, row.score is not None, row.number or ""

    if not rows:
        return None
    row = max(rows, key=interest)
    letter = letters[row.completion_id]
    return row, letter, links[letter.message_id]


def _pdf_of(row: Certified, kompeten: Kompeten) -> bytes | None:
    token = kompeten.token("employee", employee_number=row.numbers[-1])
    url = f"{kompeten.urls['enrollment']}/certificates/{row.certificate_id}/pdf"
    answer = httpx.get(url, headers={"authorization": f"Bearer {token}"}, timeout=10)
    return answer.content if answer.status_code == 200 else None


def _written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return f"kept: {path}"
