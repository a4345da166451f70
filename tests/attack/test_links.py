"""A mail's link and a certificate's code: neither is made, altered or guessed; and reading changes nothing."""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import httpx
import pytest

from tests.attack.attacker import ANSWERED_WITHIN_S, OTHER_OPD, raw
from tests.attack.victim import Victim, mailed_link
from tests.end_to_end.product import Product, somebody
from tests.factories import completed

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("attack"), pytest.mark.usefixtures("unharmed")]

JSON: Final = {"accept": "application/json"}
CODE_CHARS: Final = "abcdefghijklmnopqrstuvwxyz234567"


def opened(product: Product, token: str) -> httpx.Response:
    return httpx.get(
        f"{product.kompeten.urls['enrollment']}/d/{token}", headers=JSON, timeout=ANSWERED_WITHIN_S
    )


def altered(token: str, other: str) -> list[str]:
    """Every part of it changed, left out, or put in from another one's genuine link."""
    said, signature = token.rpartition(".")[::2]
    parts, others = token.split("."), other.split(".")
    swapped = [
        ".".join([*parts[:n], others[n], *parts[n + 1 :]]) for n in range(len(parts)) if parts[n] != others[n]
    ]
    lacking = [".".join([*parts[:n], *parts[n + 1 :]]) for n in range(len(parts))]
    later = [
        ".".join([*parts[:n], str(int(parts[n]) + 1), *parts[n + 1 :]])
        for n, one in enumerate(parts)
        if one.isdecimal()
    ]
    flipped = [
        f"{said}.{signature[:n]}{'A' if signature[n] != 'A' else 'B'}{signature[n + 1 :]}"
        for n in range(0, len(signature), 5)
    ]
    return [
        *swapped,
        *lacking,
        *later,
        *flipped,
        f"{said}.",
        said,
        signature,
        token.upper(),
        f"{token}.{signature}",
    ]


def test_an_altered_link_is_none_of_ours(product: Product, victim: Victim) -> None:
    assert opened(product, victim.valid.token).status_code == 200
    for token in altered(victim.valid.token, victim.revoked.token):
        answer = opened(product, token)
        assert answer.status_code == 404, token.replace(victim.valid.token[:8], "")
        assert not [one for one in victim.secrets if one in answer.text]


def test_a_certificates_id_alone_opens_nothing(product: Product, victim: Victim) -> None:
    """It stands in every event about it."""
    id, far = victim.valid.certificate_id, int(datetime.now(UTC).timestamp()) + 10**6
    for token in (
        id,
        f"{id}.",
        f"{id}.{far}",
        f"{id}.{far}.",
        f"{id}.1.{far}.{'A' * 43}",
        f"{id}.{far}.{'0' * 64}",
    ):
        assert opened(product, token).status_code == 404


@pytest.mark.parametrize("of", ["/d/", "/v/"])
def test_no_trick_with_the_path_opens_more_than_the_code_does(
    product: Product, victim: Victim, of: str
) -> None:
    url, token = product.kompeten.urls["enrollment"], victim.valid.token
    other = "../v/" if of == "/d/" else "../d/"
    # A blank or a slash at its end is what mail programs add to an address: it opens what the link opens.
    tricks = [
        "..", "%2e%2e", "%2e%2e%2fv", "..%2f..%2fetc%2fpasswd", other, f"%00{token}", f"{token}%00", f"{token}%00.pdf",
        f"{token}/..", f"{token}%2f..", f"{token}%0d%0aX-Injected:%201", f"{token};x",
        f"x/../{token}", quote(quote(token, safe=""), safe="") + "%25x", "%ff%fe", "%", "%zz", "*", "$ne", "[$ne]=1",
        "crt_*", "'%20or%201=1", "x" * 5_000, "%F0%9F%98%80" * 200,
    ]  # fmt: skip
    for trick in tricks:
        status, answer = raw(url, [f"GET {of}{trick} HTTP/1.1", "Accept: application/json"])
        assert status in {400, 404, 414, 431}, (of, trick, status)
        assert b"X-Injected" not in answer
        assert b"%PDF" not in answer


def test_looking_changes_nothing_and_nothing_else_is_answered(product: Product, victim: Victim) -> None:
    """GET, HEAD, and a thousand of them; the other methods do not exist there."""
    client = product.client(None)
    for path in (f"/d/{victim.valid.token}", f"/v/{victim.valid.code}", f"/d/{victim.revoked.token}"):
        for _ in range(20):
            get, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (get.status_code, b"")
            assert get.headers["cache-control"] == "no-store, private"
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            assert client.request(method, path).status_code == 405, method


def test_a_code_that_is_nobodys_is_answered_as_any_other_is(product: Product, victim: Victim) -> None:
    """Nearly right, long out of use or made up: the same words, so that nothing is told apart."""
    code = victim.valid.code
    near = [code[:n] + CODE_CHARS[(CODE_CHARS.index(code[n]) + 1) % 32] + code[n + 1 :] for n in range(26)]
    made_up = ["a" * 26, "2" * 26, code[::-1], code[:-1], code + "a", "1" * 26]
    answers = [product.client(None).get(f"/v/{one}") for one in near + made_up]
    assert {one.status_code for one in answers} == {404}
    assert len({one.json()["detail"] for one in answers}) == 1
    assert not [one for one in answers if any(secret in one.text for secret in victim.secrets)]


def test_a_link_ends_when_the_address_changes(product: Product) -> None:
    person = somebody()
    product.publish(
        person.registration(), completed(person.number, organizer=OTHER_OPD.upper()), opd=OTHER_OPD
    )
    product.settled()
    token = mailed_link(product.mails_for(person.email)[-1]).rpartition("/")[2]
    assert opened(product, token).status_code == 200
    product.publish(person.registration(email=f"baru.{person.email}"), opd=OTHER_OPD)
    product.settled()
    assert opened(product, token).status_code == 410
